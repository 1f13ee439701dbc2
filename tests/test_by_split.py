"""Several splits, and some ids, of one predictions file: each figure is that of the split or the ids alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import avreplay
import pytest
from avreplay.cli import main
from avreplay.core.errors import UsageError
from avreplay.core.names import ids_sha256
from avreplay.evaluate.datasets.splits import split_names
from click.testing import CliRunner
from tuning_data import write_made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions of two splits in one file, and the annotations of each, and those of a third without predictions."""
    folder = tmp_path_factory.mktemp("splits")
    for seed, split in enumerate(("val", "test", "train")):
        write_made(folder, seed, 5, split)
    stores = [str(folder / f"{split}.store") for split in ("val", "test")]
    done = CliRunner().invoke(
        main, ["replay", *stores, "--set", "audio_scores=segment", "--out", str(folder / "p.json")]
    )
    assert done.exit_code == 0, done.output
    (folder / "ids.txt").write_text("val 3\nval 1\n")
    (folder / "foreign.txt").write_text("val 3\nnowhere\n")
    return folder


def run(world: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.chdir(world)
    return CliRunner().invoke(main, [*words, "--dataset", "json"])


@pytest.mark.parametrize("command", [["evaluate", "p.json"], ["compare", "p.json", "p.json", "--resamples", "20"]])
def test_of_several_splits_each_has_its_own_figures(
    world: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    both = run(world, monkeypatch, *command, "--annotations", ".", "--split", "val,test", "--json")
    assert both.exit_code == 0, both.output
    found = json.loads(both.stdout)["splits"]
    assert list(found) == ["val", "test"]
    text = ""
    for split in found:
        how = ["--annotations", f"{split}.json", "--split", split]
        assert json.loads(run(world, monkeypatch, *command, *how, "--json").stdout) == found[split]
        text += run(world, monkeypatch, *command, *how).output
    told = run(world, monkeypatch, *command, "--annotations", ".", "--split", "val,test").output
    assert told.split() == text.split()


def test_only_the_ids_that_are_named_are_scored(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(world, monkeypatch, "evaluate", "p.json", "--annotations", "val.json", "--split", "val", "--ids",
               "ids.txt", "--json")  # fmt: skip
    found = json.loads(done.stdout)
    truth = avreplay.load_annotations("json", world / "val.json", "val")
    chosen = truth.select(sorted(truth.match(["val 1", "val 3"])))
    alone = avreplay.evaluate_predictions(avreplay.read_predictions(world / "p.json"), chosen)
    assert found["metrics"] == alone.as_dict()["metrics"]
    assert found["ids_sha256"] == ids_sha256(["val 1", "val 3"])
    assert (found["videos_scored"], found["videos_expected"]) == (2, 2)
    assert found["not_annotated"] == 5  # those of the other split; the rest of this one is annotated
    several = run(world, monkeypatch, "evaluate", "p.json", "--annotations", ".", "--split", "val,test", "--ids",
                  "ids.txt", "--json")  # fmt: skip
    assert json.loads(several.stdout) == {"splits": {"val": found}, "without_predictions": ["test"]}


MISTAKES = [
    ("evaluate p.json --annotations . --split val,val", 2, "names val twice"),
    ("evaluate p.json --annotations . --split val,,test", 2, "has an empty name"),
    ("evaluate p.json --annotations . --split all", 2, "the splits of json are those of its files; name them"),
    ("evaluate p.json --annotations . --split all,val", 2, "names all and others"),
    ("evaluate p.json --annotations . --split val,train", 1, "none of the 10 predicted videos is annotated"),
    ("evaluate p.json --annotations val.json --split val --ids foreign.txt", 1, "'nowhere' of --ids are annotated in"),
    ("evaluate p.json --annotations test.json --split test --ids ids.txt", 1, "in no split asked for (test)"),
    ("compare p.json p.json --annotations . --split val,train", 1, "no video of"),
]


@pytest.mark.parametrize(("command", "code", "words"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told(world: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int, words: str) -> None:
    done = run(world, monkeypatch, *command.split())
    assert done.exit_code == code, done.output
    assert words in done.stderr.strip().splitlines()[-1]


def test_all_names_the_splits_that_do_not_overlap() -> None:
    assert split_names("llp", "all") == ("test", "val")
    assert split_names("ovavebench", "all") == ("train", "val", "test")
    assert split_names("ave", "all") == ("all",)  # which AVE has itself
    assert split_names("llp", " val , test ") == ("val", "test")
    with pytest.raises(UsageError):
        split_names("json", "all")
