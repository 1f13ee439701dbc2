"""`avreplay tune` and `compare` as a user meets them: files, figures on another split, the page, errors, Ctrl-C."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import UsageError
from avreplay.core.installation import install_command
from avreplay.core.params.av2a import make_params
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.params_file import layered_params
from avreplay.evaluate.intervals import compare, intervals
from avreplay.evaluate.replay import replay, stored_params
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning import tune
from avreplay.evaluate.tuning.honest import stage as honest_stage
from avreplay.evaluate.tuning.text import tune_text
from click.testing import CliRunner
from killed_tune import killed_tune
from tuning_data import START, settings_for, write_made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Stores and annotations of two splits."""
    folder = tmp_path_factory.mktemp("made")
    write_made(folder, 0, 12, "val")
    write_made(folder, 1, 9, "test")
    return folder


def arguments(files, out, *more, report=True):
    on_test = ["--report-store", files / "test.store", "--report-annotations", files / "test.json"]
    given = [
        "tune", files / "val.store", "--dataset", "json", "--annotations", files / "val.json", "--set",
        "audio_scores=segment", "--search", "tau0=0.3:0.7", "--search", "tau_f=0.1,0.3,0.5", "--search",
        "refine=true,false", "--trials", 40, "--videos", 10, "--resamples", 100, "--out", out,
        *(on_test if report else []),
    ]  # fmt: skip
    return [str(a) for a in (*given, *more)]


def run(*given):
    return CliRunner().invoke(main, [str(a) for a in given])


@pytest.fixture(scope="module")
def tuned(files):
    out = files / "tuned"
    done = run(*arguments(files, out, "--parquet", "--json"))
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout)


def test_what_is_printed_is_what_is_written(tuned):
    out, result = tuned
    summary = json.loads((out / "summary.json").read_text())
    timing = json.loads((out / "timing.json").read_text())
    assert {k: timing[k] if k in timing else summary[k] for k in result} == result
    assert timing.keys() - result.keys() == {"threads", "overwrite", "memory"}
    assert not timing.keys() & {*summary, *summary["settings"]}
    assert {p.name for p in out.iterdir()} == {
        "best.toml", "trials.csv", "trials.parquet", "per_video_best.csv", "summary.json", "timing.json", "search.html",
        "search.json",
    }  # fmt: skip
    assert sorted(result["files"].values()) == sorted(str(p) for p in out.iterdir() if p.name != "search.json")
    assert (result["trials"], result["trials_planned"], result["new_trials"]) == (40, 40, 40)
    assert (result["search"]["videos"], result["search"]["available"], result["search"]["expected"]) == (10, 12, 14)
    assert summary["settings"]["search"] == ["tau0=0.3:0.7", "tau_f=0.1,0.3,0.5", "refine=true,false"]
    with open(out / "trials.csv") as file:
        trials = list(csv.DictReader(file))
    best = max(trials, key=lambda t: float(t["objective"]))
    assert float(best["objective"]) == result["best_value"]
    assert int(best["trial"]) == result["best_trial"]
    assert float(best["tau0"]) == result["best"]["tau0"]


def test_the_best_setting_replays_to_its_figures(files, tuned):
    """best.toml says everything: the same setting with no preset and under any other."""
    out, result = tuned
    best = layered_params(file=out / "best.toml")
    assert best == START.override(result["recommended"]["setting"])
    assert layered_params("naive_demo", "paper", out / "best.toml") == best
    assert set(tomllib.loads((out / "best.toml").read_text())["params"]) == set(best.as_dict())
    done = run("replay", files / "test.store", "--params", out / "best.toml", "--out", out.parent / "p.json", "--json")
    assert json.loads(done.stdout)["params"] == stored_params(DECODERS.get("av2a"), best)
    on_test = ["--dataset", "json", "--annotations", files / "test.json", "--json"]
    scored = json.loads(run("evaluate", out.parent / "p.json", *on_test, "--bootstrap", 100).stdout)
    assert scored["metrics"] == result["report"]["second"]["metrics"]
    assert scored["ids_sha256"] == result["report"]["second"]["ids_sha256"]
    assert set(scored["intervals"]) == set(scored["metrics"])
    run("replay", files / "test.store", "--set", "audio_scores=segment", "--out", out.parent / "start.json")
    compared = run("compare", out.parent / "start.json", out.parent / "p.json", *on_test, "--resamples", 100)
    assert json.loads(compared.stdout)["differences"] == result["report"]["differences"]


def test_the_objective_is_of_the_split_searched_and_the_report_of_the_other(files, tuned):
    _, result = tuned
    truth = load_annotations("json", files / "val.json", "val")
    bundle = open_store(files / "val.store").bundle()
    on_val = {}
    for name in ("start", "best"):
        e = evaluate_predictions(replay(bundle, START.override(result[name])).predictions(), truth)
        per_video = dict(zip(e.aligned.truth.video_ids, zip(*e.per_video.values(), strict=True), strict=True))
        on_val[name] = {v: dict(zip(e.metrics, row, strict=True)) for v, row in per_video.items()}
    with open(files / "tuned" / "per_video_best.csv") as file:
        rows = list(csv.DictReader(file))
    pooled = ("type_av_seg", "type_av_event", "event_av_seg", "event_av_event")
    for name in ("start", "best"):
        of_searched = [np.mean([on_val[name][r["video"]][f] for f in pooled]) for r in rows]
        assert result[f"{name}_value"] == pytest.approx(np.mean(of_searched), abs=1e-9)
    assert all(float(r["objective"]) >= x - 1e-9 for r, x in zip(rows, of_searched, strict=True))
    assert result["ceiling"] == pytest.approx(np.mean([float(r["objective"]) for r in rows]), abs=1e-9)
    assert result["ceiling"] >= result["best_value"] >= 0
    report = result["report"]
    assert (report["first"]["split"], report["first"]["videos_scored"], result["report_note"]) == ("test", 9, "")
    test = load_annotations("json", files / "test.json", "test")
    both = replay(files / "test.store", [START.override(v) for v in (result["start"], recommended(result))])
    want = compare(both.predictions(0), both.predictions(1), test, resamples=100)
    assert report == want.as_dict()


def test_the_report_on_the_terminal(files, tuned):
    done = run(*arguments(files, tuned[0]))
    assert done.exit_code == 0
    assert "40 of 40 trials\n" in done.stdout
    assert "searched on 10 videos of json val (12 of 14 have data in the store)" in done.stdout
    assert "json test, 9 of 11 videos" in done.stdout
    result = tuned[1]
    e = compare_of(files, result)
    sharp = replay(files / "test.store", [START.override(result["best"])]).predictions(0)
    test = load_annotations("json", files / "test.json", "test")
    of_sharp = evaluate_predictions(sharp, test)
    runs = [intervals(x, resamples=100)["av_seg"] for x in (e.first, of_sharp, e.second)]
    line = next(x for x in done.stdout.splitlines() if x.split()[:1] == ["av_seg"])
    shown = [float(x) for x in re.findall(r"[-+]?\d+\.\d", line)]
    gain, over = result["report"]["differences"]["av_seg"], result["report_recommended_minus_sharp"]["av_seg"]
    best = replay(files / "test.store", [START.override(recommended(result))]).predictions(0)
    assert over == compare(sharp, best, test, resamples=100).differences["av_seg"].as_dict()
    want = [
        *(x for s in runs for x in (s.figure, s.low, s.high)),
        *(d[k] for d in (gain, over) for k in ("figure", "low", "high")),
    ]
    assert shown == [float(f"{x:.1f}") for x in want]


def recommended(result):
    return result["recommended"]["setting"]


def compare_of(files, result):
    test = load_annotations("json", files / "test.json", "test")
    both = replay(files / "test.store", [START.override(v) for v in (result["start"], recommended(result))])
    return compare(both.predictions(0), both.predictions(1), test, resamples=100)


def test_no_report_and_a_report_on_what_was_searched(files, tmp_path):
    store = str(files / "val.store")
    none = tune(store, settings_for(files, tmp_path / "a"))
    assert none.report is None
    assert "optimistic" in tune_text(none)
    assert none.as_dict()["report"] is None
    own = tune(store, settings_for(files, tmp_path / "b", report_split="val", videos=5))
    assert own.report_note == "5 of these videos were searched on: the figures are optimistic"
    assert own.report_note in " ".join(tune_text(own).split())
    other = settings_for(files, tmp_path / "c", report_split="test", report_annotations=str(files / "test.json"))
    elsewhere = tune(store, other)
    assert elsewhere.report is None
    assert "the store has no video of the split test" in " ".join(tune_text(elsewhere).split())


def test_fewer_trials_than_done_keep_them_all(files, tmp_path):
    store = str(files / "val.store")
    more = tune(store, settings_for(files, tmp_path, trials=30))
    fewer = tune(store, settings_for(files, tmp_path, trials=5))
    assert (fewer.found.done, fewer.found.trials, fewer.found.new_trials) == (30, 30, 0)
    assert (fewer.found.best, fewer.ceiling) == (more.found.best, more.ceiling)
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 31


def test_other_truth_is_another_search(files, tmp_path):
    truth = load_annotations("json", files / "val.json", "val")
    write_annotations(tmp_path / "t.json", truth)
    s = settings_for(files, tmp_path / "x", annotations=str(tmp_path / "t.json"))
    tune(str(files / "val.store"), s)
    onset = np.minimum(truth.events.onset, 0)
    write_annotations(tmp_path / "t.json", replace(truth, events=replace(truth.events, onset=onset)))
    with pytest.raises(UsageError, match="a search with other annotations"):
        tune(str(files / "val.store"), s)


@pytest.mark.slow
def test_grid_and_optuna_leave_the_same_files(files, tmp_path):
    store = str(files / "val.store")
    grid = settings_for(
        files, tmp_path / "grid", sampler="grid", points=4, search=["tau0=0.3:0.6", "refine=true,false"]
    )
    found = tune(store, grid)
    assert found.found.done == 8
    study = settings_for(files, tmp_path / "tpe", sampler="tpe", batch=4, storage=f"sqlite:///{tmp_path}/s.db")
    other = tune(store, study)
    assert other.found.done == 12
    names = {"best.toml", "trials.csv", "per_video_best.csv", "summary.json", "timing.json", "search.html"}
    assert {p.name for p in (tmp_path / "grid").iterdir()} == {*names, "search.json"}
    assert {p.name for p in (tmp_path / "tpe").iterdir()} == names
    assert layered_params(file=tmp_path / "tpe" / "best.toml") == other.kept


def test_what_it_is_worth_is_written(files, tuned):
    out, _ = tuned
    summary = json.loads((out / "summary.json").read_text())
    named = {"objective", "best", "cross_validated", "bootstrap", "recommended", "sharp", "settings_tried"}
    assert named <= set(summary)
    assert summary["settings_tried"] == 40
    assert summary["sharp"]["setting"] == summary["best"]
    assert (summary["sharp"]["value"], summary["sharp"]["trial"]) == (summary["best_value"], summary["best_trial"])
    held = summary["cross_validated"]
    assert (held["folds"], len(held["settings"])) == (5, 5)
    assert sum(fold["videos"] for fold in held["settings"]) == 10
    assert held["start"]["value"] == pytest.approx(summary["start_value"])
    assert held["sharp"]["low"] <= held["sharp"]["value"] <= held["sharp"]["high"]
    assert held["recommended"] == held[held["rule"]]
    assert held["leave_one_out"]["value"] <= summary["best_value"]
    drawn = summary["bootstrap"]
    assert (drawn["resamples"], drawn["candidates"]) == (100, 40)
    assert drawn["value"]["low"] <= drawn["value"]["mean"] <= drawn["value"]["high"]
    assert 0.3 <= drawn["options"]["tau0"]["low"] <= drawn["options"]["tau0"]["high"] <= 0.7
    assert sum(drawn["options"]["refine"]["shares"].values()) == pytest.approx(1)
    region, setting = summary["recommended"]["region"], summary["recommended"]["setting"]
    assert region["tau0"]["low"] <= setting["tau0"] <= region["tau0"]["high"]
    assert setting["tau_f"] in region["tau_f"]["values"]
    timing = json.loads((out / "timing.json").read_text())
    assert timing["honest_seconds"] > 0
    page = (out / "search.html").read_text()
    assert "What it is worth on other videos" in page
    shown = run(*arguments(files, out)).stdout
    text = " ".join(shown.split())
    assert f"{held['sharp']['value']:.2f} [{held['sharp']['low']:.2f}, {held['sharp']['high']:.2f}]" in text
    assert "best.toml holds the recommended setting" in text


def test_sharp_and_without_the_honest_stage(files, tmp_path, monkeypatch):
    """--sharp keeps the best one tried where another is recommended, and nothing else changes."""
    real = honest_stage.choose

    def choose(*given):
        found = real(*given)
        return replace(found, smooth={**found.sharp, "tau0": 0.31}, smooth_value=1.5, smooth_mean=1.25)

    monkeypatch.setattr(honest_stage, "choose", choose)
    store = str(files / "val.store")
    space = ["tau0=0.3:0.7", "tau_f=0.1:0.5", "decay=1:4"]
    test = {"report_split": "test", "report_store": str(files / "test.store"),
            "report_annotations": str(files / "test.json")}  # fmt: skip
    plain = tune(store, settings_for(files, tmp_path / "a", search=space, trials=50, resamples=0, **test))
    assert plain.kept == plain.found.best.override({"tau0": 0.31}) != plain.found.best
    assert layered_params(file=tmp_path / "a" / "best.toml") == plain.kept
    found = plain.as_dict()
    assert (found["cross_validated"], found["bootstrap"]) == (None, None)
    assert (found["recommended"]["value"], found["recommended"]["neighbours"]) == (1.5, 1.25)
    assert all(d["low"] is None for d in found["report"]["differences"].values())
    assert "[" not in tune_text(plain).partition("figure")[2].partition("best.toml")[0]
    sharp = tune(store, settings_for(files, tmp_path / "b", search=space, trials=50, resamples=0, sharp=True, **test))
    assert layered_params(file=tmp_path / "b" / "best.toml") == sharp.found.best == plain.found.best
    assert sharp.as_dict()["report"] == found["report_sharp"]
    assert found["report"] == found["report_recommended"] != found["report_sharp"]
    assert sharp.as_dict()["recommended"] == found["recommended"]
    gains = found["report_recommended_minus_sharp"]
    for name, gain in gains.items():
        of = (found["report_recommended"]["second"]["metrics"][name], found["report_sharp"]["second"]["metrics"][name])
        assert gain["figure"] == pytest.approx(of[0] - of[1])


@pytest.mark.parametrize("sampler", ["sobol", "sobol-local", "grid", "random"])
def test_threads_and_interruptions_change_no_byte(files, tmp_path, monkeypatch, sampler):
    """Ctrl-C in the stage after the search, too: that stage begins anew."""
    store = str(files / "val.store")
    given = {"sampler": sampler, "folds": 3, "trials": 24, "points": 24, "batch": 8}
    whole = tune(store, settings_for(files, tmp_path / "whole", threads=1, **given))
    assert whole.honest.cross_validation.folds == 3
    real = honest_stage.cross_validated

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(honest_stage, "cross_validated", interrupted)
    part = tune(store, settings_for(files, tmp_path / "x", threads=2, **given))
    assert (part.exit_code, part.honest, part.kept) == (130, None, part.found.best)
    summary = json.loads((tmp_path / "x" / "summary.json").read_text())
    assert (summary["stopped"], summary["cross_validated"], summary["recommended"]["rule"]) == (True, None, None)
    assert "stopped: run the same command" in " ".join(tune_text(part).split())
    monkeypatch.setattr(honest_stage, "cross_validated", real)
    again = tune(store, settings_for(files, tmp_path / "x", threads=2, **given))
    assert again.exit_code == 0
    for name in ("best.toml", "search.html"):
        assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert _without_paths(tmp_path / "x") == _without_paths(tmp_path / "whole")


@pytest.mark.once
@pytest.mark.parametrize(
    ("sampler", "places"), [("sobol-local", {"part": 2, "folds": 0, "results": 0}), ("random", {"batch": 2})]
)
def test_killed_wherever_it_is_it_goes_on_to_the_same_bytes(files, tmp_path, sampler, places):
    more = ("--sampler", sampler, "--folds", "3", "--batch", "8", "--overwrite")
    whole, out = tmp_path / "whole", tmp_path / "killed"
    done = run(*arguments(files, whole, *more))
    assert done.exit_code == 0, done.output
    _, *given = arguments(files, out, *more[:-1])
    for place, passes in places.items():
        killed_tune(place, *given, passes=passes)
    assert run("tune", *given).exit_code == 0
    for name in ("best.toml", "search.html", "trials.csv", "per_video_best.csv"):
        assert (out / name).exists() == (whole / name).exists()
        assert not (whole / name).exists() or (out / name).read_bytes() == (whole / name).read_bytes()
    assert {**_without_paths(out), "settings": None} == {**_without_paths(whole), "settings": None}


def _without_paths(folder):
    summary = json.loads((folder / "summary.json").read_text())
    del summary["files"], summary["settings"]["out"]
    return summary


ERRORS = [
    (["--search", "alpa=0:1"], 2, "did you mean 'alpha'"),
    (["--search", "tau0=0:1"], 2, "tau0 is searched twice"),
    (["--objective", "f1"], 2, "there is no figure 'f1'"),
    (["--sampler", "sobl"], 2, "there is no sampler 'sobl'"),
    (["--trials", "0"], 2, "at least 1 trial"),
    (["--sampler", "grid", "--points", "1"], 2, "at least 2 points"),
    (["--sampler", "tpe", "--batch", "0"], 2, "batches of at least 1"),
    (["--storage", "sqlite:///x.db"], 2, "--storage is for Optuna's samplers; sobol-local keeps"),
    (["--seed", "-1"], 2, "the seed is -1"),
    (["--seed", str(2**32)], 2, "the seed is 4294967296"),
    (["--videos", "-2"], 2, "at least one video; got -2"),
    (["--threads", "0"], 2, "threads"),
    (["--resamples", "-1"], 2, "-1 resamples make no interval"),
    (["--folds", "1"], 2, "--folds 1 keeps nothing to search on"),
    (["--preset", "languagebinds"], 2, "did you mean 'languagebind'"),
    (["--split", "train"], 2, "holds the split 'val', not 'train'"),
    (["--annotations", "nowhere"], 1, "there are no annotations at nowhere"),
    (["--report-annotations", "nowhere"], 1, "nothing to report on (there are no annotations at nowhere; check"),
    (["--report-split", "dev"], 2, "nothing to report on"),
    (["--report-store", "nowhere"], 1, "nothing to report on (there is no store at nowhere"),
    (["--set", "av_scores=given"], 1, "audio_visual_segments"),
    (["--search", "av_scores=fused,given"], 1, "audio_visual_segments"),
    (["--params", "no.toml"], 1, "there is no parameter"),
]


@pytest.mark.parametrize(("more", "code", "words"), ERRORS, ids=[" ".join(e[0]) for e in ERRORS])
def test_errors_are_one_line_and_leave_no_folder_of_results(files, tmp_path, more, code, words):
    done = run(*arguments(files, tmp_path / "out", *more))
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "best.toml").exists()


def test_store_and_report_are_checked_before_the_search(files, tmp_path):
    """A store without the report's split is found out at once, not after hours."""
    done = run(*arguments(files, tmp_path / "out", report=False))
    assert done.exit_code == 2
    assert '--report-split ""' in done.stderr
    assert not (tmp_path / "out").exists()
    assert run("tune", tmp_path / "none", *arguments(files, tmp_path / "out")[2:]).exit_code == 1


@pytest.mark.parametrize(
    ("module", "more"),
    [("optuna", ["--sampler", "tpe"]), ("pyarrow", ["--parquet"])],
)
def test_what_is_not_installed_is_named(files, tmp_path, monkeypatch, module, more):
    monkeypatch.setitem(sys.modules, module, None)
    done = run(*arguments(files, tmp_path / "out", *more))
    assert done.exit_code == 2
    assert install_command("tune") in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "trials.csv").exists()


SCRIPT = """
import sys, time
from avreplay.evaluate.tuning import display, run
from avreplay import cli
real = run.search_progress
from contextlib import contextmanager
@contextmanager
def slow(names):
    def progress(done, *_):
        print("at", done, file=sys.stderr, flush=True)
        time.sleep(0.05)
    yield progress
run.search_progress = slow
from avreplay.core import sweep
sweep._PAIRS_PER_PART = 10
cli.main()
"""


def test_ctrl_c_leaves_results_and_says_how_to_go_on(files, tuned, tmp_path):
    given = arguments(files, tmp_path / "out")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if int(line.removeprefix("at ")) >= 8:
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    done = int(re.match(r"(\d+) of 40 trials", stdout)[1])
    assert 8 <= done < 40
    assert "stopped: run the same command, without --overwrite, to go on" in " ".join(stdout.split())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["trials"], summary["stopped"]) == (done, True)
    assert summary["report"]["second"]["videos_scored"] == 9
    assert layered_params(file=tmp_path / "out" / "best.toml") == START.override(summary["best"])
    again = json.loads(run(*given, "--json").stdout)
    assert (again["new_trials"], again["stopped"]) == (40 - done, False)
    assert {k: again[k] for k in ("best", "best_value", "ceiling", "report")} == {
        k: tuned[1][k] for k in ("best", "best_value", "ceiling", "report")
    }
    for name in ("trials.csv", "per_video_best.csv", "best.toml", "search.html"):
        assert (tmp_path / "out" / name).read_bytes() == (tuned[0] / name).read_bytes()


@pytest.mark.media
def test_worked_example_on_the_demo_world(tmp_path):
    """demo -> tune -> replay -> evaluate -> compare, as the guide tells it."""
    for split, videos in (("val", 6), ("test", 4)):
        made = run("demo", "--out", tmp_path / split, "--split", split, "--videos", videos)
        assert made.exit_code == 0, made.output
    done = run(
        "tune", tmp_path / "val" / "store", "--dataset", "json", "--annotations", tmp_path / "val" / "videos",
        "--preset", "naive_demo", "--set", "fusion=score", "--search", "alpha=0:1", "--search", "tau0=0.5:0.95",
        "--trials", "64", "--report-store", tmp_path / "test" / "store", "--report-annotations",
        tmp_path / "test" / "videos", "--out", tmp_path / "tuned", "--resamples", "100", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["search"]["videos"] == result["search"]["expected"] == 6
    assert result["ceiling"] >= result["best_value"] >= result["start_value"]
    start = make_params("naive_demo", values={"fusion": "score"})
    assert layered_params(file=tmp_path / "tuned" / "best.toml") == start.override(recommended(result))
    store, on_test = tmp_path / "test" / "store", ["--dataset", "json", "--annotations", tmp_path / "test" / "videos"]
    assert (
        run("replay", store, "--params", tmp_path / "tuned" / "best.toml", "--out", tmp_path / "b.json").exit_code == 0
    )
    assert (
        run("replay", store, "--preset", "naive_demo", "--set", "fusion=score", "--out", tmp_path / "s.json").exit_code
        == 0
    )
    scored = json.loads(run("evaluate", tmp_path / "b.json", *on_test, "--json").stdout)
    assert scored["metrics"] == result["report"]["second"]["metrics"]
    compared = run("compare", tmp_path / "s.json", tmp_path / "b.json", *on_test, "--resamples", "100", "--json")
    assert json.loads(compared.stdout) == result["report"]
    shown = run("compare", tmp_path / "s.json", tmp_path / "b.json", *on_test)
    assert "5 of 6 videos of json test that both runs have" in shown.stdout
