"""Results in a notebook: HTML, pandas, Arrow, timelines."""

from __future__ import annotations

import html
import json
import re
import sys
from dataclasses import replace

import avreplay
import numpy as np
import pytest
from avreplay.cache import import_bundle, open_store
from avreplay.cache.tabular import SHOWN_ROWS
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.export.run import export_predictions
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tune_options import TuneSettings
from avreplay.evaluate.tuning import tune
from tuning_data import START, made, write_made


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A store, a replay, predictions, an evaluation and a search, by name."""
    folder = tmp_path_factory.mktemp("notebook")
    scores, truth = made(2, 9)
    import_bundle(scores, folder / "s")
    write_made(folder)
    store = open_store(folder / "s")
    run = replay(store, START)
    found = tune(folder / "val.store", TuneSettings(
        dataset="json", annotations=str(folder / "val.json"), split="val", report_split="", trials=12, resamples=0,
        folds=0, out=str(folder / "t"), settings=("audio_scores=segment",),
    ))  # fmt: skip
    predictions = run.predictions()
    return {"store": store, "run": run, "predictions": predictions, "truth": truth, "tuned": found,
            "evaluation": evaluate_predictions(predictions, truth)}  # fmt: skip


@pytest.mark.parametrize("name", ["store", "predictions", "evaluation", "tuned"])
def test_tables_are_the_same_everywhere(results, name):
    of = results[name]
    columns = of.columns()
    frame, table = of.to_pandas(), of.to_arrow()
    assert list(frame.columns) == table.column_names == list(columns)
    for column, values in columns.items():
        assert table[column].to_pylist() == list(values)
        assert [None if x != x else x for x in frame[column].tolist()] == list(values)
    page = of._repr_html_()
    assert html.escape(repr(of).strip("<>")) in page
    assert page.count("<tr>") == 1 + min(SHOWN_ROWS, len(frame))
    assert ("more rows" in page) == (len(frame) > SHOWN_ROWS)


def test_events_are_those_of_the_exported_table(results, tmp_path):
    from pyarrow import parquet

    predictions = replace(results["predictions"], segment_seconds=0.7)
    export_predictions(predictions, "parquet", tmp_path / "p.parquet")
    assert predictions.to_arrow().to_pylist() == parquet.read_table(tmp_path / "p.parquet").to_pylist()
    assert predictions.columns()["offset"]
    assert all(len(repr(x)) < 6 for x in predictions.columns()["offset"])  # 2.8, not 2.8000000000000003


def test_figures_are_those_of_the_evaluation(results):
    evaluation = results["evaluation"]
    rows = dict(zip(*evaluation.columns().values(), strict=True))
    assert rows == {name: None if np.isnan(value) else value for name, value in evaluation.metrics.items()}
    tuned = results["tuned"]
    assert tuned.columns()["option"] == [*tuned.names, tuned.objective.text]
    assert tuned.columns()["sharp"][-1] == tuned.found.best_value


def test_text_is_escaped(results):
    labels = tuple(f"<b>{label}</b>&" for label in results["predictions"].labels)
    page = replace(results["predictions"], labels=labels)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize(("method", "package"), [("to_pandas", "pandas"), ("to_arrow", "pyarrow")])
def test_without_the_extra_the_command_is_named(results, monkeypatch, method, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf'needs {package}: pip install "avreplay\[notebook\]"'):
        getattr(results["predictions"], method)()


def test_timelines(results):
    predictions, truth = results["predictions"], results["truth"]
    video = predictions.video_ids[3]
    alone, beside = avreplay.plot_timeline(predictions, video), results["run"].plot(video, truth)
    assert {trace.name for trace in alone.data} == {"prediction"}
    assert {trace.name for trace in beside.data} >= {"ground truth", "hit", "miss"}
    assert alone.layout.title.text == beside.layout.title.text == video
    seconds = sum(sum(trace.x) for trace in alone.data)  # events that touch are one bar
    assert seconds == sum(e[2] - e[1] for k in range(3) for e in predictions.events.track(3, k))
    json.loads(beside.to_json())
    with pytest.raises(DataError, match="the predictions have no video 'x'"):
        avreplay.plot_timeline(predictions, "x")
    with pytest.raises(DataError, match=r"is not annotated in .*; leave the truth out"):
        avreplay.plot_timeline(replace(predictions, video_ids=("x", *predictions.video_ids[1:])), "x", truth)


def test_reprs_stay_short(results):
    assert all(len(re.sub(r"\s+", " ", repr(of))) < 250 for name, of in results.items() if name != "truth")
