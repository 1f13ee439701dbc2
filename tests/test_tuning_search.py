"""Searches find the best of what they try, whatever the threads and however often they are stopped."""

from __future__ import annotations

import builtins
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.core.metrics.llp import METRIC_NAMES, LlpMetric
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning.identity import content_digest, difference, target_digest
from avreplay.evaluate.tuning.journal import Journal
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.run import ceiling
from avreplay.evaluate.tuning.sampling import grid_table, sobol_table
from avreplay.evaluate.tuning.search import search_table
from avreplay.evaluate.tuning.space import parse_space
from avreplay.evaluate.tuning.trials_file import read_trials, to_parquet
from tuning_data import DIMENSIONS, KINDS, NAMES, START, made, same, search, stop_after, study


@pytest.fixture(scope="module")
def problem():
    return make_problem(*made())


@pytest.mark.parametrize("dataset", ["json", "ave"])
def test_the_best_is_that_of_trying_everything(tmp_path, dataset):
    bundle, truth = made(3, dataset=dataset)
    problem = make_problem(bundle, truth)
    space = parse_space(["tau0=0.4,0.5,0.6", "tau_f=0.2,0.4", "refine=true,false", "method=naive,cosine"], START, ())
    table = grid_table(START, space, 2)
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    found = search(problem, tmp_path, table)
    values, per_video = [], []
    for tau0, tau_f, refine, method in itertools.product(
        (0.4, 0.5, 0.6), (0.2, 0.4), (True, False), ("naive", "cosine")
    ):
        params = START.override({"tau0": tau0, "tau_f": tau_f, "refine": refine, "method": method})
        e = evaluate_predictions(replay(bundle, params).predictions(), truth)
        values.append(sum(w * e.metrics[n] for w, n in zip(objective.weights, e.metrics, strict=True)))
        per_video.append(sum(w * e.per_video[n] for w, n in zip(objective.weights, e.metrics, strict=True)))
    assert found.best_value == pytest.approx(max(values), abs=1e-12)
    assert found.best_trial == int(np.argmax(np.round(values, 9)))
    assert len({round(v, 9) for v in values}) > 5
    np.testing.assert_allclose(found.video_best, np.max(per_video, axis=0), atol=1e-12)
    trials = read_trials(tmp_path / "trials.csv", found.done, KINDS)
    np.testing.assert_allclose(trials["objective"], values, atol=1e-12)
    assert trials["refine"].tolist() == [str(table.values(i)["refine"]) for i in range(len(table))]
    for video, params in enumerate(found.video_params):
        e = evaluate_predictions(replay(problem.bundle, START.override(params)).predictions(), problem.annotations)
        value = sum(w * e.per_video[n][video] for w, n in zip(objective.weights, e.metrics, strict=True))
        assert value == pytest.approx(found.video_best[video], abs=1e-12)


def test_the_ceiling_weighs_videos_as_the_objective_does(tmp_path):
    """AVE's accuracy counts segments, so that the best of each video counts by its length."""
    problem = make_problem(*made(4, dataset="ave", uneven=True))
    found = search(problem, tmp_path)
    n = problem.annotations.segments_per_video
    assert len(set(n.tolist())) > 1
    correct = found.video_best * n / 100
    np.testing.assert_allclose(correct, np.round(correct), atol=1e-9)
    assert ceiling(problem, found) == pytest.approx(100 * correct.sum() / n.sum(), abs=1e-9)
    assert ceiling(problem, found) > found.best_value


def test_threads_and_parts_change_nothing(problem, tmp_path):
    one = search(problem, tmp_path / "one")
    for threads, part in ((1, 7), (3, 1), (2, 59), (4, 13)):
        folder = tmp_path / f"{threads}-{part}"
        same(search(problem, folder, threads=threads, part=part), one)
        assert (folder / "trials.csv").read_bytes() == (tmp_path / "one" / "trials.csv").read_bytes()


@pytest.mark.parametrize("part", [1, 4])
def test_of_equals_the_first_is_best(problem, tmp_path, part):
    """Probabilities are not normalised: the scale of the sigmoid changes nothing."""
    table = grid_table(START, parse_space(["sigmoid_scale=1,2,3,4,5,6"], START, ()), 2)
    found = search(problem, tmp_path, table, part=part)
    assert len(set(read_trials(tmp_path / "trials.csv", 6, KINDS)["objective"])) == 1
    assert found.best_trial == 0
    assert found.video_params == [{"sigmoid_scale": 1}] * 12


@pytest.mark.parametrize("threads", [1, 3])
def test_stopped_anywhere_and_taken_up_again(problem, tmp_path, threads):
    whole = search(problem, tmp_path / "whole", part=7)
    for stop in (1, 8, 29, 56, 60):
        folder = tmp_path / str(stop)
        part = search(problem, folder, part=7, threads=threads, progress=stop_after(stop))
        assert part.stopped
        assert stop <= part.done < stop + 7
        assert part.best_value <= whole.best_value
        lines = (folder / "trials.csv").read_text().splitlines()
        assert len(lines) == part.done + 1
        again = search(problem, folder, part=5, threads=threads)
        assert not again.stopped
        assert again.new_trials == 60 - part.done
        same(again, whole)
        assert (folder / "trials.csv").read_bytes() == (tmp_path / "whole" / "trials.csv").read_bytes()


def test_more_trials_go_on_and_a_finished_search_stands(problem, tmp_path):
    table = sobol_table(START, DIMENSIONS, 90, 0)
    search(problem, tmp_path / "a")
    more = search(problem, tmp_path / "a", table)
    assert more.new_trials == 30
    same(more, search(problem, tmp_path / "b", table))
    again = search(problem, tmp_path / "a", table)
    assert again.new_trials == 0
    same(again, more)
    fresh = search(problem, tmp_path / "a", fresh=True)
    assert (fresh.done, fresh.new_trials) == (60, 60)


def test_interrupted_while_a_part_is_taken_in(problem, tmp_path, monkeypatch):
    """Its rows are on disk and not yet counted: they are dropped, and come again."""
    whole = search(problem, tmp_path / "whole", part=10)
    journal = Journal(tmp_path / "x", {"search": "this"}, problem, NAMES, False)
    real = Journal.__setattr__

    def interrupted(self, name, value):
        if name == "_state" and value.done == 30:
            raise KeyboardInterrupt
        real(self, name, value)

    table, objective = sobol_table(START, DIMENSIONS, 60, 0), parse_objective(None, METRIC_NAMES, LlpMetric())
    monkeypatch.setattr(Journal, "__setattr__", interrupted)
    found = search_table(problem, table, objective, journal, threads=1, part=10)
    assert found.stopped
    assert found.done == 20
    assert len((tmp_path / "x" / "trials.csv").read_text().splitlines()) == 21
    monkeypatch.undo()
    same(search(problem, tmp_path / "x", part=10), whole)
    assert (tmp_path / "x" / "trials.csv").read_bytes() == (tmp_path / "whole" / "trials.csv").read_bytes()


def test_stopped_before_anything_was_found(problem, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(problem, tmp_path)
    monkeypatch.undo()
    assert search(problem, tmp_path).done == 60


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from avreplay.evaluate.tuning import search as module
from avreplay.evaluate.tuning.problem import make_problem
from tuning_data import made, search
module._SAVE_SECONDS = 0.0
def slow(done, *_):
    print(done, flush=True)
    time.sleep(0.01)
search(make_problem(*made()), Path(sys.argv[1]), part=1, progress=slow)
"""


def test_killed_and_taken_up_again(problem, tmp_path):
    whole = search(problem, tmp_path / "whole")
    here = str(sys.modules[made.__module__].__file__).rsplit("/", 1)[0]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "x"), here], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if int(line) >= 23:
            break
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    state = json.loads((tmp_path / "x" / "search.json").read_text())
    assert 23 <= state["done"] < 60
    again = search(problem, tmp_path / "x")
    assert again.new_trials == 60 - state["done"]
    same(again, whole)
    assert (tmp_path / "x" / "trials.csv").read_bytes() == (tmp_path / "whole" / "trials.csv").read_bytes()


def test_killed_at_its_very_beginning(problem, tmp_path):
    whole = search(problem, tmp_path / "whole")
    Journal(tmp_path / "x", {"search": "this"}, problem, NAMES, False)
    for damage in (lambda p: p.unlink(), lambda p: p.write_text("tri"), lambda p: p.write_bytes(b"")):
        Journal(tmp_path / "x", {"search": "this"}, problem, NAMES, True)
        damage(tmp_path / "x" / "trials.csv")
        same(search(problem, tmp_path / "x"), whole)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"base": {"alpha": 0.5, "tau0": 0.2}}, r"another tau0 \(0.1, now 0.2\)"),
        ({"base": {"alpha": 0.5}}, r"another tau0 \(0.1, now not given\)"),
        ({"space": ["alpha=0.0:1.0"]}, r"another space \(alpha=0.0:1.0 tau0=0.0:1.0, now alpha=0.0:1.0\)"),
        ({"seed": 4}, r"another seed \(3, now 4\)"),
        ({"scores": "b" * 64}, rf"other scores \({'a' * 16}, now {'b' * 16}\)"),
        ({"sampler": "sobol"}, r"another sampler \(None, now 'sobol'\)"),
    ],
)
def test_another_search_is_refused_by_what_differs(problem, tmp_path, other, words):
    mine = {
        "base": {"alpha": 0.5, "tau0": 0.1}, "space": ["alpha=0.0:1.0", "tau0=0.0:1.0"], "seed": 3, "scores": "a" * 64,
    }  # fmt: skip
    assert difference(mine, mine) is None
    search(problem, tmp_path, identity=mine)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=words + "; choose another --out, or --overwrite"):
        search(problem, tmp_path, identity={**mine, **other})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert search(problem, tmp_path, identity={**mine, **other}, fresh=True).new_trials == 60


def test_what_a_search_is_on_is_told_apart():
    bundle, truth = made()
    problem = make_problem(bundle, truth)
    assert content_digest(problem.bundle) == content_digest(make_problem(*made()).bundle)
    assert target_digest(problem.target) == target_digest(make_problem(*made()).target)
    scores = bundle.visual_segments.copy()
    scores[3, 1] += 0.01
    assert content_digest(bundle) != content_digest(replace(bundle, visual_segments=scores))
    assert content_digest(bundle) != content_digest(replace(bundle, visual_features=None))
    onset = truth.events.onset.copy()
    onset[0] += 1
    moved = replace(truth, events=replace(truth.events, onset=onset))
    assert target_digest(problem.target) != target_digest(make_problem(bundle, moved).target)
    ave = [make_problem(*made(dataset="ave"), profile=p).target for p in ("release", "paper")]
    assert target_digest(ave[0]) != target_digest(ave[1])


def edited(**changes):
    def edit(text):
        return json.dumps({**json.loads(text), **changes})

    return edit


DAMAGE = [
    ("search.json", lambda text: text[:40]),
    ("search.json", lambda text: ""),
    ("search.json", lambda text: "[]"),
    ("search.json", lambda text: "null"),
    ("search.json", lambda text: '{"identity": {}}'),
    ("search.json", edited(schema="avreplay.search/0")),
    ("search.json", edited(identity=["this"])),
    ("search.json", edited(video_best=[1.0])),
    ("search.json", edited(video_trial=[1] * 11)),
    ("search.json", edited(video_best="high")),
    ("search.json", edited(best=60)),
    ("search.json", edited(best=-1, best_value=None)),
    ("search.json", edited(done="60")),
    ("search.json", edited(extra=1)),
    ("trials.csv", lambda text: text[:-1]),
    ("trials.csv", lambda text: text[:100]),
    ("trials.csv", lambda text: ""),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_damage_is_named(problem, tmp_path, name, damage):
    found = search(problem, tmp_path)
    file = tmp_path / name
    file.write_text(damage(file.read_text()))
    with pytest.raises(DataError, match=rf"{name} is .*; give --overwrite to search anew"):
        search(problem, tmp_path)
    same(search(problem, tmp_path, fresh=True), found)


def test_a_lost_table_and_rows_of_a_killed_part(problem, tmp_path):
    found = search(problem, tmp_path)
    with open(tmp_path / "trials.csv", "a") as file:
        file.write("60,0.1,0.2")
    same(search(problem, tmp_path), found)
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 61
    part = search(problem, tmp_path / "part", progress=stop_after(20), part=10)
    with open(tmp_path / "part" / "trials.csv", "a") as file:
        file.write(f"{part.done},0.1,0.2,0.3,1\n{part.done + 1},0.5")
    same(search(problem, tmp_path / "part"), found)
    assert (tmp_path / "part" / "trials.csv").read_bytes() == (tmp_path / "trials.csv").read_bytes()
    (tmp_path / "trials.csv").unlink()
    with pytest.raises(DataError, match="shorter than its search says"):
        search(problem, tmp_path)


def test_folders_that_cannot_be_written(problem, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        for start in (search, study):
            with pytest.raises(DataError, match=r"cannot write .*; choose a"):
                start(problem, place)
    real = builtins.open

    def full(path, mode="r", *rest, **options):
        if str(path).endswith("trials.csv") and mode in ("ab", "r+b"):
            raise OSError(28, "No space left on device")
        return real(path, mode, *rest, **options)

    replace = os.replace

    def not_replaced(source, target):
        if str(target).endswith("trials.csv"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    for start in (search, study):
        monkeypatch.setattr(builtins, "open", full)
        monkeypatch.setattr(os, "replace", not_replaced)
        with pytest.raises(DataError, match=r"cannot write .*trials.csv: No space left on device"):
            start(problem, tmp_path / start.__name__)
        monkeypatch.undo()
        assert start(problem, tmp_path / start.__name__).done >= 20


def test_trials_are_read_as_a_sample_with_every_record(problem, tmp_path):
    found = search(problem, tmp_path)
    all_of_them = read_trials(tmp_path / "trials.csv", 60, KINDS)
    some = read_trials(tmp_path / "trials.csv", 60, KINDS, most=10)
    assert all_of_them["trial"].tolist() == list(range(60))
    records = np.flatnonzero(
        all_of_them["objective"] > np.r_[-np.inf, np.maximum.accumulate(all_of_them["objective"])[:-1]]
    )
    assert found.best_trial == records[-1]
    assert set(records) <= set(some["trial"].astype(int))
    assert 10 <= len(some["trial"]) <= 10 + len(records)
    assert all(np.isin(some[name], all_of_them[name]).all() for name in some)


def test_parquet_holds_the_same_trials(problem, tmp_path):
    from pyarrow import parquet

    space = parse_space(["audio_scores=2,segment", "flat_scores=nan", "refine=true,false", "min_length=1:2"], START, ())
    search(problem, tmp_path, grid_table(START, space, 2))
    to_parquet(tmp_path / "trials.csv", tmp_path / "trials.parquet", KINDS)
    table = parquet.read_table(tmp_path / "trials.parquet").to_pydict()
    assert table["trial"] == list(range(8))
    assert table["audio_scores"] == ["2"] * 4 + ["segment"] * 4
    assert table["flat_scores"] == ["nan"] * 8
    assert table["refine"] == [True, True, False, False] * 2
    assert table["min_length"] == [1, 2] * 4
    trials = read_trials(tmp_path / "trials.csv", 8, KINDS)
    assert table["objective"] == trials["objective"].tolist()
    assert trials["flat_scores"].tolist() == ["nan"] * 8
    with pytest.raises(DataError, match="cannot write"):
        to_parquet(tmp_path / "trials.csv", tmp_path / "no" / "x.parquet", KINDS)


def test_nothing_is_saved_too_often(problem, tmp_path, monkeypatch):
    """Progress counts while the search runs, so that a kill costs at most the seconds since the last save."""
    saved = []
    monkeypatch.setattr(Journal, "save", lambda self: saved.append(self.done))
    clock = itertools.count(step=0.9)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    search(problem, tmp_path, part=1)
    assert saved[-1] == 60
    assert 10 < len(saved) < 31
