"""The default search: what its rounds hold, that it tries every setting of a small space, and that nothing but seed and
objectives decides."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.table import ParamTable
from avreplay.evaluate.tuning import tune
from avreplay.evaluate.tuning.journal import Journal
from avreplay.evaluate.tuning.local import LocalSearch
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.search import evaluation, search_rounds
from avreplay.evaluate.tuning.sobol import Sobol
from avreplay.evaluate.tuning.space import parse_space
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tuning_data import NAMES, SPACE, START, made, same, settings_for, stop_after, write_made

TEXTS = {
    "alpha": ["alpha=0:1", "alpha=0.2:0.4", "alpha=0.5,0.1", "alpha=0.3"],
    "tau_f": ["tau_f=0.001:1:log", "tau_f=0.1:0.6:0.1"],
    "min_length": ["min_length=1:3", "min_length=2", "min_length=4,1"],
    "refine": ["refine=true,false", "refine=false"],
    "method": ["method=naive,cosine", "method=naive,label_shift,cosine,label_shift_cosine"],
    "audio_scores": ["audio_scores=segment,4"],
}
SPACES = st.lists(st.sampled_from(sorted(TEXTS)), min_size=1, max_size=5, unique=True).flatmap(
    lambda names: st.tuples(*(st.sampled_from(TEXTS[name]) for name in names))
)


def planned(space, seed, objective, trials, base=START, cuts=()):
    """The settings of a search, told objectives by a function of its columns; ``cuts`` end rounds early, as a total
    does that is reached."""
    plan, rows = LocalSearch(base, space, seed), []
    while len(rows) < trials and (table := plan.next_round()) is not None:
        table = ParamTable(base, {n: c[: trials - len(rows)] for n, c in table.columns.items()})
        found = [tuple(table.values(i).values()) for i in range(len(table))]
        rows += found
        plan.tell(np.array([objective(row) for row in found]))
    return rows


def height(row):
    """Some objective: highest where numbers are near 0.3, with words that matter."""
    return sum(-abs(x - 0.3) if isinstance(x, float) else len(str(x)) % 3 for x in row)


@settings(max_examples=60, deadline=None)
@given(SPACES, st.integers(0, 2**32 - 1), st.integers(1, 150))
def test_settings_are_of_the_space_and_come_once(texts, seed, trials):
    space = parse_space(texts, START, ())
    rows = planned(space, seed, height, trials)
    assert rows[0] == tuple(START.as_dict()[d.name] for d in space)
    assert len(set(rows)) == len(rows)
    for row in rows[1:]:
        for d, value in zip(space, row, strict=True):
            assert value in d.choices if d.choices else d.low <= value <= d.high
    size = math.prod(len(d.choices) or math.inf for d in space)
    outside = any(d.choices and rows[0][i] not in d.choices for i, d in enumerate(space))
    if size != math.inf:
        assert len(rows) == min(trials, size + outside)
    elif not outside:
        assert len(rows) == trials


@settings(max_examples=30, deadline=None)
@given(SPACES, st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(1, 120))
def test_more_trials_begin_with_the_same(texts, seed, few, many):
    space = parse_space(texts, START, ())
    few, many = sorted([few, many])
    assert planned(space, seed, height, many)[:few] == planned(space, seed, height, few)
    if many > 20 and any(not d.choices for d in space):
        assert planned(space, seed, height, many) != planned(space, seed + 1, height, many)


def test_undefined_objectives_are_below_all():
    space = parse_space(["alpha=0:1", "tau0=0:1"], START, ())
    rows = planned(space, 0, lambda row: math.nan if row[0] < 0.5 else -row[0], 400)
    near = [row for row in rows[200:] if abs(row[0] - 0.5) < 0.05]
    assert len(near) > 40
    assert len(planned(space, 0, lambda row: math.nan, 100)) == 100


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 64), st.integers(0, 2**32 - 1), st.integers(0, 3000), st.integers(1, 500))
def test_sobol_points_are_those_of_scipy(dimensions, seed, first, count):
    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        want = qmc.Sobol(dimensions, scramble=True, seed=seed).random(first + count)[first:]
    np.testing.assert_array_equal(Sobol(dimensions, seed).points(first, count), want)


def test_dimensions_beyond_the_table():
    points = Sobol(70, 3).points(5, 40)
    assert points.shape == (40, 70)
    assert ((points >= 0) & (points < 1)).all()
    np.testing.assert_array_equal(points[10:20], Sobol(70, 3).points(15, 10))
    assert len({tuple(column) for column in points.T}) == 70


# --- in a folder -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def problem():
    return make_problem(*made())


def search(problem, folder, trials=150, **options):
    space = parse_space(SPACE, START, ())
    journal = Journal(folder, {"search": "local"}, problem, NAMES, options.pop("fresh", False))
    objective = parse_objective(None, problem.figures, problem.target.metric)
    evaluate = evaluation(problem, objective, options.pop("threads", 1), options.pop("part", None))
    return search_rounds(evaluate, LocalSearch(START, space, 0), trials, journal, objective.text, **options)


def test_threads_parts_and_stops_change_nothing(problem, tmp_path):
    whole = search(problem, tmp_path / "whole")
    want = (tmp_path / "whole" / "trials.csv").read_bytes()
    assert (whole.done, whole.trials, whole.stopped) == (150, 150, False)
    for threads, part in ((3, 1), (2, 5), (4, 100)):
        same(search(problem, tmp_path / f"{part}", threads=threads, part=part), whole)
        assert (tmp_path / f"{part}" / "trials.csv").read_bytes() == want
    for stop in (1, 7, 8, 9, 60, 64, 77, 149, 150):
        out = tmp_path / f"stop{stop}"
        stopped = search(problem, out, part=3, progress=stop_after(stop))
        assert stopped.stopped
        assert stop <= stopped.done < stop + 3
        same(search(problem, out, part=7), whole)
        assert (out / "trials.csv").read_bytes() == want
    few = search(problem, tmp_path / "few", trials=70)
    assert few.done == 70
    more = search(problem, tmp_path / "few")
    assert more.new_trials == 80
    same(more, whole)
    assert search(problem, tmp_path / "few", trials=3).done == 150


def test_it_is_better_than_sobol_alone(problem, tmp_path):
    space = parse_space(["alpha=0:1", "tau0=0:1", "tau_f=0:1", "tau_r=0:1"], START, ())
    objective = parse_objective(None, problem.figures, problem.target.metric)
    evaluate = evaluation(problem, objective, 1)
    gains = []
    for seed in range(5):
        plan, best = LocalSearch(START, space, seed), []
        while sum(map(len, best)) < 256:
            best.append(np.concatenate([p.objective for p in evaluate(plan.next_round(), 0)]))
            plan.tell(best[-1])
        plain = max(p.objective.max() for p in evaluate(sobol_table(START, space, 256, seed), 0))
        gains.append(np.concatenate(best)[:256].max() - plain)
    assert np.median(gains) > 0.3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_made(folder)
    return folder


FILES = ("trials.csv", "best.toml", "summary.json", "per_video_best.csv", "search.html", "search.json")


def arguments(files, *more):
    given = [
        "tune", files / "val.store", "--dataset", "json", "--annotations", files / "val.json", "--set",
        "audio_scores=segment", "--videos", 0, "--report-split", "", "--trials", 200, "--out", "out", *more,
    ]  # fmt: skip
    return [str(a) for a in given]


KILLED = """
import os, signal, sys
from avreplay.core import sweep
from avreplay.evaluate.tuning import journal, search
sweep._PAIRS_PER_PART = 60
search._SAVE_SECONDS = 0.0
left = int(sys.argv.pop(1))
real = journal.atomic_write
def write(path, content):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL if sys.argv[-1] == "kill" else signal.SIGINT)
    real(path, content)
journal.atomic_write = write
from avreplay import cli
cli.main(sys.argv[1:-1])
"""


@pytest.mark.parametrize("how", ["kill", "ctrl-c"])
def test_the_files_after_an_interruption_are_those_of_none(files, tmp_path, monkeypatch, how):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    assert CliRunner().invoke(main, arguments(files, "--threads", "1")).exit_code == 0
    for left in (9, 4):
        process = subprocess.run(
            [sys.executable, "-c", KILLED, str(left), *arguments(files), how], cwd=tmp_path / "stopped",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == (-signal.SIGKILL if how == "kill" else 130), process.stderr
        state = json.loads((tmp_path / "stopped" / "out" / "search.json").read_text())
        assert 0 < state["done"] < 200
    monkeypatch.chdir(tmp_path / "stopped")
    done = CliRunner().invoke(main, arguments(files, "--threads", "3"))
    assert done.exit_code == 0, done.output
    for name in FILES:
        assert (tmp_path / "whole" / "out" / name).read_bytes() == (tmp_path / "stopped" / "out" / name).read_bytes()
    timing = json.loads((tmp_path / "stopped" / "out" / "timing.json").read_text())
    assert timing["new_trials"] == 200 - state["done"]
    assert timing["threads"] == 3
    assert {p.name for p in (tmp_path / "stopped" / "out").iterdir()} == {*FILES, "timing.json"}


def test_the_start_is_the_first_trial(files, tmp_path):
    """So that what is found is never below it, even where it is outside of what is searched."""
    s = settings_for(files, tmp_path / "x", search=["tau0=0.999:1", "method=cosine,label_shift"], trials=40)
    s = replace(s, settings=["audio_scores=segment", "tau0=0.4", "tau_f=0.2"])
    found = tune(files / "val.store", s)
    head, first = (tmp_path / "x" / "trials.csv").read_text().splitlines()[:2]
    assert first.split(",")[:3] == ["0", "0.4", START.method]
    assert head.startswith("trial,tau0,method,objective")
    assert (found.found.best, found.found.best_trial) == (found.start, 0)
    assert found.found.best_value == found.start_value


def test_what_is_set_is_not_searched(files, tmp_path):
    def names(**more):
        return tune(files / "val.store", settings_for(files, tmp_path / f"{len(more)}", search=(), **more)).names

    assert names() == ("alpha", "tau0", "tau_f", "tau_r", "decay")
    fixed = ["audio_scores=segment", "tau0=0.4", "decay=1"]
    assert names(settings=fixed) == ("alpha", "tau_f", "tau_r")
    both = settings_for(files, tmp_path / "x", search=["tau0=0.3:0.6"], settings=fixed)
    found = tune(files / "val.store", both)
    assert (found.names, found.start.as_dict()["tau0"]) == (("tau0",), 0.4)
    every = [f"{name}=0.5" for name in ("alpha", "tau0", "tau_f", "tau_r", "decay")]
    with pytest.raises(UsageError, match="--set fixes all that a search changes by default"):
        tune(files / "val.store", settings_for(files, tmp_path / "y", search=(), settings=every))


def test_a_small_space_is_tried_out(files, tmp_path):
    space = ["method=naive,label_shift_cosine", "refine=true,false", "min_length=1:3"]
    found = tune(files / "val.store", settings_for(files, tmp_path / "x", search=space, trials=500)).found
    assert (found.done, found.trials, found.stopped) == (12, 12, False)
    grid = tune(files / "val.store", settings_for(files, tmp_path / "y", search=space, sampler="grid")).found
    assert found.best_value == grid.best_value
    again = tune(files / "val.store", settings_for(files, tmp_path / "x", search=space, trials=500)).found
    assert (again.done, again.new_trials) == (12, 0)


BAD = [
    ({"search": ["tau0=0.5"]}, UsageError, r"the space has one setting only \(--search tau0=0.5\); give a range"),
    ({"search": ["tau0=0.5", "refine=true"], "sampler": "tpe"}, UsageError, "the space has one setting only"),
    ({"search": ["sigmoid_scale=1,2,3"]}, DataError, r"is [\d.]+ for each of the 3 settings tried; search options"),
    ({"search": ["sigmoid_scale=1:3"], "sampler": "sobol"}, DataError, "for each of the 12 settings tried"),
    ({"search": ["sigmoid_scale=1:3"], "sampler": "random"}, DataError, "for each of the 12 settings tried"),
    ({"videos": 1}, DataError, r"there is one video to search on, 'val \d+', and a setting that is best for it"),
    ({"search": ["av_scores=fused,given"]}, DataError, "audio_visual_segments"),
    ({"trials": 0}, UsageError, "at least 1 trial; got 0"),
    ({"sampler": "sobol-locl"}, UsageError, "there is no sampler 'sobol-locl'; samplers are sobol-local, sobol, grid"),
]


@pytest.mark.parametrize(("more", "kind", "words"), BAD, ids=[str(b[0]) for b in BAD])
def test_what_cannot_be_searched_is_one_sentence(files, tmp_path, more, kind, words):
    for _ in range(2):  # whatever the first left
        with pytest.raises(kind, match=words) as error:
            tune(files / "val.store", settings_for(files, tmp_path / "x", **more))
        assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "x" / "best.toml").exists()


def test_a_search_of_another_space_store_or_kind_is_named(files, tmp_path):
    bundle, _ = made()
    import_bundle(replace(bundle, audio_clip=bundle.audio_clip * 0.9), tmp_path / "other.store")
    tune(files / "val.store", settings_for(files, tmp_path / "x"))
    for store, more, words in (
        (files / "val.store", {"search": ["tau0=0.3:0.8"]}, "a search with another space"),
        (files / "val.store", {"sampler": "sobol"}, r"another sampler \('sobol-local', now 'sobol'\)"),
        (tmp_path / "other.store", {}, "a search with other scores"),
        (files / "val.store", {"videos": 5}, "a search with other videos"),
    ):
        with pytest.raises(UsageError, match=rf"({words}).*; choose another --out, or --overwrite") as error:
            tune(store, settings_for(files, tmp_path / "x", **more))
        assert len(str(error.value).splitlines()) == 1


def test_without_scipy_and_optuna(files, tmp_path, monkeypatch):
    for module in ("scipy", "scipy.stats", "optuna"):
        monkeypatch.setitem(sys.modules, module, None)
    for sampler in ("sobol-local", "sobol", "grid"):
        assert tune(files / "val.store", settings_for(files, tmp_path / sampler, sampler=sampler)).found.done > 5
