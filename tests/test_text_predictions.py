"""Answers of a video language model, from texts to figures."""

from __future__ import annotations

import json

import pytest
from avreplay.cli import main
from avreplay.core.errors import DataError
from avreplay.evaluate.datasets.ovavebench import LABELS
from avreplay.evaluate.files.predictions import read_predictions
from avreplay.evaluate.files.text_predictions import read_texts, text_predictions
from click.testing import CliRunner

CAT = LABELS.index("cat purring")
ONES = "ave: [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]"
EVENTS = [(CAT, 1, 3), (CAT, 9, 10)]


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    "text",
    [
        f"{ONES}\nclass: cat purring",
        f"{ONES}\r\nclass: Cat Purring.\r\n",
        "Sure! “ave:” [0,1,1,0,0,0,0,0,0,1]\n“class:” “cat purring”\n",
        f"**{ONES.upper()}**\n**Class:** cat_purring",
        f"class: cat purring\n{ONES}",
        '"ave": ["0", "1", "1", "0", "0", "0", "0", "0", "0", "1"]\n"class": "cat purring",',
        f"ave: [x, x, x, x, x, x, x, x, x, x]\nclass: (from the list)\n{ONES}\nclass: cat purring",
    ],
)
def test_spellings(text):
    found = text_predictions({"v": text}, LABELS)
    assert not found.problems
    assert [e[:3] for e in found.predictions.events.track(0, "audio_visual")] == EVENTS
    assert found.predictions.events.track(0, "audio") == []


def test_no_event_needs_no_class():
    found = text_predictions({"v": "ave: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"}, LABELS)
    assert not found.problems
    assert len(found.predictions.events.label) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I cannot watch videos.", "no list `ave:"),
        ("ave: [1, 1]\nclass: cat purring", "not 10 times 0 or 1"),
        ("ave: [2, 1, 1, 0, 0, 0, 0, 0, 0, 1]\nclass: cat purring", "not 10 times 0 or 1"),
        ("I have: [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]\nclass: cat purring", "no list `ave:"),
        (ONES, "no line `class:"),
        (f"{ONES}\nclass: cat purrs", "the nearest is 'cat purring'"),
        ("", "no list"),
    ],
)
def test_problems_are_named_and_cost_only_their_video(text, words):
    found = text_predictions({"bad": text, "good": f"{ONES}\nclass: cat purring"}, LABELS)
    assert list(found.problems) == ["bad"]
    assert words in found.problems["bad"]
    assert found.predictions.video_ids == ("bad", "good")
    assert [len(found.predictions.events.track(v, 2)) for v in (0, 1)] == [0, 2]


def test_forms_of_files(tmp_path):
    texts = {"a": "x", "b": "y\nz"}
    (tmp_path / "t.json").write_text(json.dumps(texts))
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"video": k, "text": v}) + "\n" for k, v in texts.items()))
    folder = tmp_path / "texts"
    folder.mkdir()
    for k, v in texts.items():
        (folder / f"{k}.txt").write_text(v)
    (folder / "._a.txt").write_text("left by a Mac")
    assert read_texts(tmp_path / "t.json") == read_texts(tmp_path / "t.jsonl") == read_texts(folder) == texts


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.json", "[]", "expected"),
        ("t.json", '{"a": 1}', "expected"),
        ("t.json", "{}", "holds no answers"),
        ("t.json", "{", "not readable"),
        ("t.jsonl", '{"video": "a"}', "line 1: object missing required field text; expected"),
        ("t.jsonl", '{"video": "a", "text": ""}\n{"video": "a", "text": ""}', "line 2: the video 'a' is duplicated"),
    ],
)
def test_damaged_files(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_texts(tmp_path / name)
    with pytest.raises(DataError, match="no answers at"):
        read_texts(tmp_path / "none.json")


def test_from_answers_to_figures(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"a": f"{ONES}\nclass: purring cat", "b": "no"}))
    (tmp_path / "aliases.json").write_text('{"purring cat": "cat purring"}')
    (tmp_path / "ovavebench.csv").write_text(
        "split,category,group,video_id,label\ntest,cat purring,seen,a,0110000001\ntest,cat purring,seen,b,0000000000\n"
    )
    done = run("import-text", tmp_path / "t.json", "--out", tmp_path / "p.json", "--aliases", tmp_path / "aliases.json",
               "--model", "video-llama2", "--json")  # fmt: skip
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"].keys() == {"b"}
    assert "b: the answer has no list" in done.stderr
    assert read_predictions(tmp_path / "p.json").params == {"decoder": "text", "model": "video-llama2"}
    scored = run("evaluate", tmp_path / "p.json", "--dataset", "ovavebench", "--annotations", tmp_path, "--json")
    assert json.loads(scored.stdout)["metrics"]["seen"] == {"acc": 100, "seg": 100, "event": 100, "avg": 100}
    (tmp_path / "t.json").write_text(json.dumps({"a": f"{ONES}\nclass: cat purring"}))
    done = run("import-text", tmp_path / "t.json", "--out", tmp_path / "p.json")
    assert (done.exit_code, "1 answers, 0 of them without" in done.stdout) == (0, True)
