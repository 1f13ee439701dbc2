"""The ranking metrics in the commands: `evaluate`, `compare` and `tune`, from a store to intervals."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.metrics.calibration import Calibration
from avreplay.core.metrics.registry import METRICS
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.predictions import read_predictions, write_predictions
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning import tune
from click.testing import CliRunner
from tuning_data import START, settings_for, write_made

pytestmark = pytest.mark.once

SEVERAL = "map_tiou,psds(max_efpr=10000),segment_map,segment_curves,collar_f1(onset=1,offset=1),calibration"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranked")
    store, _ = write_made(folder)
    for name, tau0 in (("loose", 0.4), ("strict", 0.6)):
        done = replay(open_store(store), replace(START, tau0=tau0))
        write_predictions(folder / f"{name}.json", done.predictions())
    return folder


def run(*given):
    return CliRunner().invoke(main, [str(a) for a in given])


def on_val(files):
    return "--dataset", "json", "--annotations", files / "val.json", "--split", "val"


def test_several_metrics_with_intervals(files):
    done = run("evaluate", files / "loose.json", *on_val(files), "--metrics", SEVERAL, "--bootstrap", 50, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["metric"] == "map_tiou,psds(max_efpr=10000.0),segment_map,segment_curves," \
        "collar_f1(onset=1.0,offset=1.0),calibration"  # fmt: skip
    assert list(found["intervals"]) == list(found["metrics"])
    for name, row in found["intervals"].items():
        assert row["figure"] == found["metrics"][name]
        assert row["low"] <= row["high"]
    alone = json.loads(run("evaluate", files / "loose.json", *on_val(files), "--metrics", "map_tiou", "--json").stdout)
    assert alone["metrics"].items() <= found["metrics"].items()
    assert 0 < alone["metrics"]["map"] < 100


def test_figures_that_do_not_fit_side_by_side_stand_below_each_other(files):
    done = run("evaluate", files / "loose.json", *on_val(files), "--metrics", SEVERAL)
    assert "…" not in done.output
    assert any(line.split()[:1] == ["segment_f1_one_threshold"] for line in done.output.splitlines())


@pytest.mark.parametrize("metrics", ["llp,psds", "psds,llp", "psds(track=audio),psds(track=visual)"])
def test_no_figure_is_missing_from_the_table(files, metrics):
    """Figures at two levels stand in pairs only where all do, and the heads tell them apart."""
    given = ("evaluate", files / "loose.json", *on_val(files), "--metrics", metrics)
    done = run(*given)
    figures = json.loads(run(*given, "--json").stdout)["metrics"]
    assert all(name in done.output for name in figures), done.output


def test_two_runs_are_compared_on_the_same_resamples(files):
    given = ("compare", files / "loose.json", files / "strict.json", *on_val(files), "--metrics", "map_tiou,psds")
    done = run(*given, "--resamples", 60, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["differences"]
    assert found["map"]["low"] < found["map"]["figure"] < found["map"]["high"]
    itself = run("compare", files / "loose.json", files / "loose.json", *given[3:], "--resamples", 20, "--json")
    rows = json.loads(itself.stdout)["differences"].values()
    assert all(row["low"] == row["figure"] == row["high"] == 0 for row in rows)


def test_predictions_without_confidence_are_refused_in_one_sentence(files, tmp_path):
    predictions = read_predictions(files / "loose.json")
    write_predictions(tmp_path / "old.json", replace(predictions, events=replace(predictions.events, confidence=None)))
    done = run("evaluate", tmp_path / "old.json", *on_val(files), "--metrics", "map_tiou,psds")
    assert done.exit_code == 1
    assert "replay the store again" in done.output
    assert run("evaluate", tmp_path / "old.json", *on_val(files), "--metrics", "collar_f1").exit_code == 0


@pytest.mark.parametrize("metrics", ["map_tiou", "psds(alpha_st=0,max_efpr=10000)", "segment_map", "calibration"])
def test_a_search_maximises_what_evaluation_gives(files, tmp_path, metrics):
    result = tune(files / "val.store", settings_for(files, tmp_path, metrics=metrics, resamples=5))
    done = replay(open_store(files / "val.store"), result.found.best)
    truth = load_annotations("json", files / "val.json", "val")
    figures = evaluate_predictions(done.predictions(), truth, metrics=metrics).metrics
    first = next(iter(figures.values()))
    np.testing.assert_allclose(
        result.found.best_value, -first if metrics == "calibration" else first, rtol=0, atol=1e-9
    )


def test_the_reliability_picture(files, tmp_path):
    picture = tmp_path / "reliability.svg"
    given = "evaluate", files / "loose.json", *on_val(files)
    done = run(*given, "--metrics", "map_tiou,calibration", "--picture", picture)
    assert done.exit_code == 0, done.output
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert "ECE" in picture.read_text()
    kept = picture.read_bytes()
    done = run(*given, "--metrics", "map_tiou", "--picture", picture)
    assert (done.exit_code, picture.read_bytes()) == (2, kept)
    assert done.stderr == "Error: the metric map_tiou has no picture; give --metrics calibration\n"
    assert run(*given, "--metrics", "calibration", "--picture", files / "loose.json").exit_code == 2
    assert len(read_predictions(files / "loose.json").video_ids)


@pytest.mark.parametrize("more", [[], ["--table", "csv"]])
@pytest.mark.parametrize(
    "metrics", ["llp,map_tiou,psds", "segment_map,llp", "llp,psds(track=audio),psds(track=visual)"]
)
def test_every_figure_of_several_metrics_is_printed(files, metrics, more):
    arguments = "evaluate", files / "loose.json", *on_val(files), "--metrics", metrics
    printed = run(*arguments, *more).stdout
    found = json.loads(run(*arguments, "--json").stdout)["metrics"]
    pairs = {n for n in found if n.endswith(("_seg", "_event"))} if "Type@AV" in printed else set()
    assert set(found) > pairs
    assert not [name for name in found if name not in pairs and not re.search(rf"\b{name}\b", printed)]


def test_an_unknown_option_is_answered_by_those_there_are_with_their_defaults(files):
    done = run("evaluate", files / "loose.json", *on_val(files), "--metrics", "psds(x=1)")
    assert done.exit_code == 2
    assert "dtc=0.7, gtc=0.7" in done.stderr


class Torn(Calibration):
    name = "torn"

    def picture(self, predicted, truth):
        raise KeyError("torn")


def test_a_picture_of_a_plug_in_that_fails_names_it(files, tmp_path):
    METRICS.register(Torn(), Torn.name)
    try:
        given = "evaluate", files / "loose.json", *on_val(files), "--metrics", "torn"
        done = run(*given, "--picture", tmp_path / "p.svg")
    finally:
        METRICS.unregister(Torn.name)
    assert done.exit_code == 1, done.output
    assert "the metric 'torn'" in done.stderr
    assert not (tmp_path / "p.svg").exists()
