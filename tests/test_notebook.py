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
from avreplay.evaluate.tune_options import ResponseRequest, TuneSettings
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
    given = {"store": str(folder / "val.store"), "dataset": "json", "annotations": str(folder / "val.json"),
             "split": "val", "settings": ("audio_scores=segment",), "resamples": 4, "points": 9}  # fmt: skip
    plane, curves = (avreplay.response(ResponseRequest(**given, over=over)) for over in ("tau0,tau_r", "tau0"))
    predictions = run.predictions()
    return {"store": store, "run": run, "predictions": predictions, "truth": truth, "tuned": found,
            "evaluation": evaluate_predictions(predictions, truth), "plane": plane, "curves": curves}  # fmt: skip


@pytest.mark.parametrize("name", ["store", "predictions", "evaluation", "tuned", "plane", "curves"])
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
    rows = predictions.to_arrow().to_pylist()
    assert all(row.pop("confidence") > 0 for row in rows)  # which the table of the contract does not have
    assert rows == parquet.read_table(tmp_path / "p.parquet").to_pylist()
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
    with pytest.raises(UsageError, match=rf'needs {package}: pip install .*\[notebook\]"'):
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


def lines_of(panel):
    return {line.get_label(): line for line in panel.get_lines() if not line.get_label().startswith("_")}


@pytest.mark.parametrize("name", ["tuned", "plane"])
def test_a_plane_is_drawn_with_its_settings(results, name):
    of = results[name]
    exact = of.exact.plane if name == "tuned" else of.plane
    panel = of.plot().axes[0]
    (surface,) = [c for c in panel.collections if c.get_array() is not None and c.get_array().size > 9]
    assert np.array_equal(surface.get_array().reshape(exact.surface.objective.T.shape), exact.surface.objective.T)
    places = {c.get_label(): c.get_offsets()[0].tolist() for c in panel.collections if c.get_label()[0] != "_"}
    assert places["optimum"] == [exact.best.tau0, exact.best.tau_r]
    kept = {"start": of.start, "recommended": of.recommended} if name == "tuned" else {"given": of.setting}
    assert {**places, "optimum": None} == {k: [p.tau0, p.tau_r] for k, p in kept.items()} | {"optimum": None}


@pytest.mark.parametrize(("name", "figure"), [("tuned", "objective"), ("tuned", "av_seg"), ("curves", "type_av_event")])
def test_curves_are_those_of_the_exact_response(results, name, figure):
    of = results[name]
    curves = of.exact.curves if name == "tuned" else (of.curves,)
    drawn = of.plot(figure)
    panels = [panel for panel in drawn.axes if panel.get_xlabel() in {c.name for c in curves} and panel.get_lines()]
    assert [p.get_xlabel() for p in panels] == [c.name for c in curves]
    assert figure in panels[0].get_ylabel() or figure == "objective"
    for panel, c in zip(panels, curves, strict=True):
        curve = panel.get_lines()[0]
        assert curve.get_xdata().tolist() == c.values.tolist()
        assert curve.get_ydata().tolist() == c.figures[:, c.names.index(figure)].tolist()
        setting = {"recommended": of.recommended} if name == "tuned" else {"given": of.setting}
        assert {k: lines_of(panel)[k].get_xdata()[0] for k in setting} == {
            k: p.as_dict()[c.name] for k, p in setting.items()
        }
        assert len(panel.collections) == (c.low is not None)  # the band


def test_a_figure_shows_itself_and_becomes_a_file(results, tmp_path):
    drawn = results["curves"].plot()
    assert drawn._repr_png_().startswith(b"\x89PNG")
    drawn.savefig(tmp_path / "f.pdf")
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.filterwarnings("error")  # a label in dollars is no formula, a name of many signs no wrong glyph
def test_names_are_no_formulas(results):
    of = results["curves"]
    objective = replace(of.objective, text="$a^$ 0.5*b_c$")
    drawn = replace(of, objective=objective).plot()
    assert "$a^$ 0.5*b_c$" in drawn.axes[0].get_ylabel()
    assert drawn._repr_png_()


def test_what_cannot_be_drawn_is_said(results, monkeypatch):
    with pytest.raises(UsageError, match=r"there is no figure 'av_sge' to draw; did you mean 'av_seg'\?"):
        results["tuned"].plot("av_sge")
    with pytest.raises(DataError, match="the search was stopped"):
        replace(results["tuned"], exact=None).plot()
    none = replace(results["tuned"].exact, plane=None, curves=(), sampled={}, note="too many labels")
    with pytest.raises(DataError, match="there is no exact response to draw: too many labels"):
        replace(results["tuned"], exact=none).plot()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for name in ("tuned", "plane", "curves"):
        with pytest.raises(UsageError, match=r'^this figure needs matplotlib: pip install .*\[notebook\]"$'):
            results[name].plot()


def test_reprs_stay_short(results):
    assert all(len(re.sub(r"\s+", " ", repr(of))) < 250 for name, of in results.items() if name != "truth")
