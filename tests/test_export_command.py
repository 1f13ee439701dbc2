"""``avreplay export``: predictions and the truth by the command line, and what it refuses in one sentence."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from avreplay.cli import main
from avreplay.core.installation import install_command
from click.testing import CliRunner, Result
from made_store import write_store
from tuning_data import write_made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("export")
    write_made(made, videos=4)
    done = run("replay", made / "val.store", "--set", "audio_scores=segment", "--out", made / "p.json")
    assert done.exit_code == 0, done.output
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_predictions_and_the_truth_of_the_same_videos(folder: Path, tmp_path: Path) -> None:
    done = run("export", folder / "p.json", "--format", "csv", "--out", tmp_path / "p.csv", "--json")
    found = json.loads(done.stdout)
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert (found["videos"], found["events"], found["files"]) == (4, len(rows) - 1, 1)
    events = json.loads((folder / "p.json").read_text())["videos"]
    wanted = [
        f"{v},{track},{e['label']},{e['onset']:.1f},{e['offset']:.1f},{'' if e['score'] is None else repr(e['score'])}"
        for v, tracks in events.items()
        for track in ("audio", "visual", "audio_visual")
        for e in tracks[track]
    ]
    assert rows == ["video_id,track,label,onset,offset,score", *wanted]

    truth = ["--dataset", "json", "--annotations", folder / "val.json", "--split", "val"]
    (tmp_path / "ids.txt").write_text("val 2\nval 0\n")
    done = run("export", *truth, "--format", "activitynet", "--out", tmp_path / "t.json", "--ids", tmp_path / "ids.txt")
    assert done.exit_code == 0, done.output
    annotated = json.loads((folder / "val.json").read_text())["videos"]
    database = json.loads((tmp_path / "t.json").read_text())["database"]
    assert list(database) == ["val 2", "val 0"]
    for name, video in database.items():
        assert (video["subset"], video["duration"]) == ("val", annotated[name]["segments"])


@pytest.mark.parametrize("name", ["=1+1", "+dog", "-Ab3", "@x"])
def test_names_that_spreadsheets_compute_are_written_as_they_are_and_said(
    folder: Path, tmp_path: Path, name: str
) -> None:
    found = json.loads((folder / "p.json").read_text())
    event = {"label": "dog", "onset": 0, "offset": 1, "score": None}
    found["videos"] = {name: {"segments": 2, "audio": [event]}, "other": {"segments": 2, "audio": [event]}}
    (tmp_path / "p.json").write_text(json.dumps(found))
    words = f"a spreadsheet may take for a formula ('{name}', for one): import the columns as text"
    done = run("export", tmp_path / "p.json", "--format", "csv", "--out", tmp_path / "p.csv")
    assert f"1 name there that {words}" in done.stdout
    with open(tmp_path / "p.csv", newline="") as file:
        assert [row["video_id"] for row in csv.DictReader(file)] == [name, "other"]
    done = run("export", tmp_path / "p.json", "--format", "srt", "--out", tmp_path / "srt")
    assert f"1 name in index.csv that {words}" in done.stdout
    for arguments in (["--format", "activitynet", "--out", tmp_path / "p.act"], ["--ids", tmp_path / "ids.txt"]):
        (tmp_path / "ids.txt").write_text("other\n")
        where = [] if "--format" in arguments else ["--format", "csv", "--out", tmp_path / "q.csv"]
        assert "a spreadsheet" not in run("export", tmp_path / "p.json", *where, *arguments).output


def test_durations_come_from_the_store(folder: Path, tmp_path: Path) -> None:
    write_store(str(tmp_path / "s"), 3)
    event = {"label": "dog", "onset": 0, "offset": 1, "score": None}
    found = json.loads((folder / "p.json").read_text())
    found["videos"] = {"v1": {"segments": 2, "audio": [event]}, "other": {"segments": 9, "audio": [event]}}
    (tmp_path / "p.json").write_text(json.dumps(found))
    arguments = ["export", tmp_path / "p.json", "--format", "labelstudio", "--out", tmp_path / "ls.json"]
    for more, seconds in (([], [2.0, 9.0]), (["--store", tmp_path / "s"], [2.0, 9.0])):
        assert run(*arguments, *more).exit_code == 0
        tasks = json.loads((tmp_path / "ls.json").read_text())
        assert [t["predictions"][0]["result"][0]["original_length"] for t in tasks] == seconds
    done = run("export", folder / "p.json", *arguments[2:], "--store", tmp_path / "s")
    assert done.exit_code == 1
    assert "knows the duration of none of the 4 videos; leave --store out" in done.stderr
    for change in (
        {"segments": 9},
        {"segment_seconds": 3},
    ):  # a store of other segments knows other videos of these ids
        other = {**found, "videos": {"v1": {"segments": 2, "audio": [event], **change}}}
        (tmp_path / "q.json").write_text(json.dumps(other))
        done = run("export", tmp_path / "q.json", *arguments[2:], "--store", tmp_path / "s")
        assert done.exit_code == 1
        assert "the video 'v1' has 2 segments of 1 s in " in done.stderr


def test_a_second_file_replaces_none_that_was_not_named(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "tasks.config.xml"
    config.write_text("mine")
    arguments = ["export", folder / "p.json", "--format", "labelstudio", "--out", tmp_path / "tasks.json"]
    done = run(*arguments)
    assert done.exit_code == 2
    assert "tasks.config.xml is there, which labelstudio writes beside" in done.stderr
    assert config.read_text() == "mine"
    assert not (tmp_path / "tasks.json").exists()
    assert run(*arguments, "--overwrite").exit_code == 0
    assert config.read_text().startswith("<View>")
    assert run(*arguments).exit_code == 0  # both are of an earlier export


MISTAKES = [
    (["p.json"], 2, "Missing option '--format'"),
    (["p.json", "--format", "elans", "--out", "x"], 2, "'elans' is not one of"),
    (["--format", "csv", "--out", "x"], 2, "give either predictions, or --dataset and --annotations for the truth"),
    (["p.json", "--format", "csv", "--out", "x", "--dataset", "json", "--annotations", "val.json"], 2, "give either"),
    (["--format", "csv", "--out", "x", "--dataset", "json"], 2, "--dataset is given without --annotations"),
    (["val.store", "--format", "csv", "--out", "x"], 1, "avreplay replay val.store --out predictions.json"),
    (["val.json", "--format", "csv", "--out", "x"], 1, "expected avreplay.predictions/1"),
    (["none.json", "--format", "csv", "--out", "x"], 1, "none.json"),
    (["p.json", "--format", "csv", "--out", "x", "--tracks", "sound"], 2, "there is no track 'sound'"),
    (["p.json", "--format", "csv", "--out", "p.json"], 2, "is read by the same command"),
    (["p.json", "--format", "csv", "--out", "val.store/x.csv"], 1, "it lies in the store"),
    (["p.json", "--format", "elan", "--out", "val.store/eaf"], 1, "it lies in the store"),
    (["p.json", "--format", "elan", "--out", "p.json"], 1, "is a file and no folder"),
    (["p.json", "--format", "elan", "--out", "."], 1, "the folder holds other files"),
    (["p.json", "--format", "csv", "--out", "x", "--ids", "ids.txt"], 2, "'val 9' is not among the 4 videos"),
    (["p.json", "--format", "elan", "--out", "x", "--media", "none"], 1, "there is no folder of videos 'none'"),
    (["p.json", "--format", "elan", "--out", "x", "--media", "http://h/"], 2, "give it as {id}"),
    (["p.json", "--format", "csv", "--out", "x", "--store", "none"], 1, "none"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_mistakes_are_told_in_one_sentence(
    arguments: list[str], code: int, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "ids.txt").write_text("val 9\n")
    before = sorted(folder.rglob("*"))
    done = run("export", *arguments)
    said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert (done.exit_code, len(said)) == (code, 1), done.output
    assert message in said[0]
    assert sorted(folder.rglob("*")) == before


def test_without_pyarrow_the_command_that_installs_it_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run("export", folder / "p.json", "--format", "parquet", "--out", tmp_path / "p.parquet")
    assert done.exit_code == 2
    assert install_command("parquet") in done.stderr
    assert list(tmp_path.iterdir()) == []
