"""Several stores at once: one setting for all, one for each, and what sharing costs."""

from __future__ import annotations

import contextlib
import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.cli import main
from avreplay.core.errors import UsageError
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.files.params_file import layered_params
from avreplay.evaluate.tuning import search as search_module
from avreplay.evaluate.tuning import shared as shared_module
from avreplay.evaluate.tuning import tune, tune_shared
from click.testing import CliRunner
from tuning_data import made, settings_for, write_made

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two stores of the same videos, one of which hears other things; one of other videos with fewer labels."""
    folder = tmp_path_factory.mktemp("made")
    write_made(folder)
    bundle, _ = made()
    quiet = {name: getattr(bundle, name) * 0.6 for name in ("audio_segments", "visual_segments")}
    import_bundle(replace(bundle, **quiet), folder / "quiet.store")
    bundle, truth = made(7, 9, split="other")
    import_bundle(bundle, folder / "other.store")
    write_annotations(folder / "other.json", truth)
    write_made(folder, 1, 8, "test")
    return folder


def arguments(files, out, *more, stores=("val", "quiet")):
    given = ["tune", *(files / f"{name}.store" for name in stores), "--dataset", "json", "--set",
             "audio_scores=segment", "--search", "tau0=0.2:0.7", "--search", "tau_f=0.1:0.6", "--trials", 60,
             "--videos", 0, "--resamples", 20, "--report-split", "", "--out", out]  # fmt: skip
    return [str(a) for a in (*given, *more)]


def run(*given):
    return CliRunner().invoke(main, [str(a) for a in given])


@pytest.mark.parametrize("share", ["mean", "worst"])
def test_one_setting_for_all_and_what_it_costs(files, tmp_path, share):
    done = run(*arguments(files, tmp_path / "x", "--annotations", files / "val.json", "--share", share, "--json"))
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    summary = json.loads((tmp_path / "x" / "summary.json").read_text())
    assert {k: summary[k] for k in result} == result
    assert [d["name"] for d in result["datasets"]] == ["val", "quiet"]
    best = layered_params(file=tmp_path / "x" / "best.toml")
    with open(tmp_path / "x" / "trials.csv") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == result["trials"] == 60
    each = np.array([[float(t[f"{name}:objective"]) for name in ("val", "quiet")] for t in trials])
    want = each.mean(axis=1) if share == "mean" else each.min(axis=1)
    np.testing.assert_allclose([float(t["objective"]) for t in trials], want, atol=1e-12)
    assert result["best_value"] == pytest.approx(want.max(), abs=1e-12)
    assert result["best_trial"] == int(np.argmax(want))
    kept = {n: best.as_dict()[n] for n in ("tau0", "tau_f")}
    assert result["params"] == "recommended"
    assert kept == result["recommended"]["setting"]
    assert result["best"] == result["sharp"]["setting"]
    for i, d in enumerate(result["datasets"]):
        assert d["shared_value"] == pytest.approx(each[result["best_trial"], i], abs=1e-9)
        assert d["start_value"] == pytest.approx(each[0, i], abs=1e-9)
        assert d["cost"] == pytest.approx(d["own_value"] - d["shared_value"], abs=1e-12)
        assert d["cost"] >= 0
        alone = json.loads((tmp_path / "x" / d["name"] / "summary.json").read_text())
        assert d["own_value"] >= alone["best_value"]
        assert d["files"] == alone["files"]
    assert max(d["cost"] for d in result["datasets"]) > 0
    for name in ("search.html", "timing.json"):
        assert (tmp_path / "x" / name).stat().st_size > 10
    shown = run(*arguments(files, tmp_path / "x", "--annotations", files / "val.json", "--share", share))
    row = next(line.split() for line in shown.stdout.splitlines() if line.split()[:1] == ["quiet"])
    quiet = result["datasets"][1]
    values = [*(quiet[k] for k in ("start_value", "own_value", "shared_value", "cost", "recommended_value")),
              quiet["cross_validated"]["recommended"]]  # fmt: skip
    assert row[1:] == [f"{v:.2f}" for v in values]
    assert "cost of sharing" in shown.stdout


def test_one_setting_each(files, tmp_path):
    done = run(*arguments(files, tmp_path / "x", "--annotations", files / "val.json", "--share", "none", "--json"))
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert "best" not in result
    assert all("cost" not in d for d in result["datasets"])
    assert not (tmp_path / "x" / "best.toml").exists()
    alone = tune(str(files / "quiet.store"), settings_for(
        files, tmp_path / "alone", search=["tau0=0.2:0.7", "tau_f=0.1:0.6"], trials=60))  # fmt: skip
    assert result["datasets"][1]["own_value"] == alone.found.best_value
    for name in ("trials.csv", "best.toml"):
        assert (tmp_path / "x" / "quiet" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    again = run(*arguments(files, tmp_path / "x", "--annotations", files / "val.json", "--share", "none"))
    assert again.exit_code == 0, again.output


def test_other_videos_and_a_report_of_each(files, tmp_path):
    of_each = ["--annotations", files / "val.json", "--annotations", files / "other.json", "--split", "val", "--split",
               "other", "--report-split", "test", "--report-split", "", "--report-store", files / "test.store",
               "--report-annotations", files / "test.json"]  # fmt: skip
    given = arguments(files, tmp_path / "x", stores=("val", "other"))
    at = given.index("--report-split")
    done = run(*given[:at], *given[at + 2 :], *of_each, "--json")
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)["datasets"]
    assert (first["name"], second["name"]) == ("val", "other")
    assert first["report"]["first"]["videos_scored"] == 8
    assert second["report"] is None
    assert (first["search"]["videos"], second["search"]["videos"]) == (12, 9)


def test_stopped_anywhere_and_taken_up_again(files, tmp_path, monkeypatch):
    given = settings_for(files, "x", search=["tau0=0.2:0.7", "tau_f=0.1:0.6"], trials=100)
    stores = [files / "val.store", files / "quiet.store"]
    tune_shared(stores, replace(given, out=str(tmp_path / "whole"), threads=1))
    real, out = search_module.Journal.add, replace(given, out=str(tmp_path / "x"), threads=3)
    for stop in (1, 4, 9, 10, 11):
        count = []

        def add(self, *more, count=count, stop=stop):
            count.append(1)
            if len(count) == stop:
                raise KeyboardInterrupt
            return real(self, *more)

        with monkeypatch.context() as patch:
            patch.setattr(search_module.Journal, "add", add)
            with contextlib.suppress(KeyboardInterrupt):
                tune_shared(stores, out)
    found = tune_shared(stores, out)
    assert not found.found.stopped
    for name in ("trials.csv", "best.toml", "search.html", "search.json", "val/trials.csv", "quiet/best.toml"):
        assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_names_tell_data_sets_apart(files):
    def names(stores, **options):
        return shared_module._names(settings_for(files, "x", **options).of_each(stores))

    assert names(["a/lb.store", "b/cc.store"]) == ["lb", "cc"]
    assert names(["a", "b"], dataset=("llp", "ave")) == ["llp", "ave"]
    assert names(["a", "a"], split=("val", "test")) == ["val", "test"]
    assert names(["s3://x/a/", "s3://y/A"]) == ["data-1", "data-2"]
    assert names(["a", "b"], dataset=("own.module:Data", "../x")) == ["own.module-Data", "x"]


ERRORS = [
    (["--annotations", "{val}", "--sampler", "tpe"], "are searched by sobol-local, sobol, grid; for tpe search each"),
    (["--annotations", "{val}", *["--split", "val"] * 3], "--split is given 3 times for 2 stores; give it once"),
    (["--annotations", "{val}", "--share", "median"], "'median' is not one of 'mean', 'worst', 'none'"),
    (["--annotations", "{val}", "--trials", "0"], "at least 1 trial"),
]


@pytest.mark.parametrize(("more", "words"), ERRORS, ids=[e[1] for e in ERRORS])
def test_errors_are_one_sentence(files, tmp_path, more, words):
    done = run(*arguments(files, tmp_path / "x", *(str(a).format(val=files / "val.json") for a in more)))
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert not (tmp_path / "x").exists()


def test_one_store_is_no_several(files, tmp_path):
    s = settings_for(files, tmp_path / "x")
    with pytest.raises(UsageError, match="one store has nothing to share"):
        tune_shared([files / "val.store"], s)
    done = run(*arguments(files, tmp_path / "x", "--annotations", files / "no.json", "--annotations",
                          files / "val.json", stores=("val",)), "--json")  # fmt: skip
    assert done.exit_code == 0, done.output  # of one store the last counts


def test_the_same_data_set_twice_is_refused(files, tmp_path):
    (files / "link.store").symlink_to(files / "val.store")
    s = settings_for(files, tmp_path / "y")
    for again in ("val.store", "link.store"):
        with pytest.raises(
            UsageError, match=r"are the same data set, json val by .*; name it once, or give the second"
        ):
            tune_shared([files / "val.store", files / again], s)
    assert not (tmp_path / "y").exists()


def test_a_folder_of_one_search_is_not_of_several(files, tmp_path):
    stores = [files / "val.store", files / "quiet.store"]
    s = settings_for(files, tmp_path / "x")
    tune_shared(stores, s)
    for again in (lambda: tune(stores[0], s), lambda: tune_shared(stores, replace(s, share="worst"))):
        with pytest.raises(UsageError, match=r"holds a search with another .*; choose another --out, or --overwrite"):
            again()
    assert tune_shared(stores, replace(s, overwrite=True)).found.new_trials == 12
