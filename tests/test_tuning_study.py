"""Optuna's samplers over one kernel call a batch: stop, go on, share a study."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.core.metrics.llp import METRIC_NAMES
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.samplers import sampler_names
from avreplay.evaluate.tuning.storages import without_password
from avreplay.evaluate.tuning.trials_file import read_trials
from tuning_data import KINDS, made, same, search, stop_after, study


@pytest.fixture(scope="module")
def problem():
    return make_problem(*made())


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_studies(problem, tmp_path, sampler):
    one = study(problem, tmp_path / "one", sampler=sampler)
    assert (one.done, one.trials, one.new_trials, one.stopped) == (20, 20, 20, False)
    trials = read_trials(tmp_path / "one" / "trials.csv", 20, KINDS)
    assert one.best_value == trials["objective"].max()
    assert one.best_trial == trials["trial"][np.argmax(trials["objective"])]
    assert set(trials["alpha"]) <= {0, 0.25, 0.5, 0.75, 1}
    assert ((trials["tau0"] >= 0.3) & (trials["tau0"] <= 0.7)).all()
    e = evaluate_predictions(replay(problem.bundle, one.best).predictions(), problem.annotations)
    assert e.metrics == {n: trials[n][np.argmax(trials["objective"])] for n in METRIC_NAMES}
    same(study(problem, tmp_path / "two", sampler=sampler, threads=3), one)
    again = study(problem, tmp_path / "one", sampler=sampler)
    assert again.new_trials == 0
    same(again, one)


def test_a_study_that_goes_on_tries_other_settings(problem, tmp_path):
    stopped = study(problem, tmp_path, progress=stop_after(6))
    assert (stopped.done, stopped.stopped) == (6, True)
    found = study(problem, tmp_path)
    assert (found.done, found.new_trials, found.stopped) == (20, 14, False)
    more = study(problem, tmp_path, trials=50)
    assert (more.done, more.new_trials) == (50, 30)
    fewer = study(problem, tmp_path, trials=5)
    assert (fewer.done, fewer.trials, fewer.new_trials) == (50, 50, 0)
    trials = read_trials(tmp_path / "trials.csv", 50, KINDS)
    assert len(set(trials["tau0"])) == 50
    assert study(problem, tmp_path, fresh=True).done == 20


def test_two_machines_share_a_study(problem, tmp_path):
    """Each is told of the other's trials, and neither repeats one."""
    second = []

    def other(done, *_):
        if done == 6:
            second.append(study(problem, tmp_path))

    first = study(problem, tmp_path, progress=other)
    assert (second[0].done, second[0].new_trials) == (20, 14)
    assert (first.done, first.new_trials) == (20, 6)
    trials = read_trials(tmp_path / "trials.csv", 20, KINDS)
    assert len(set(trials["tau0"])) == 20


SHARED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from avreplay.evaluate.tuning.problem import make_problem
from tuning_data import made, study
found = study(make_problem(*made()), Path(sys.argv[1]), storage=sys.argv[2], trials=16, batch=4)
print(found.new_trials, found.done)
"""


def test_two_processes_share_a_database(problem, tmp_path):
    here = str(sys.modules[made.__module__].__file__).rsplit("/", 1)[0]
    url = f"sqlite:///{tmp_path}/s.db"
    command = [sys.executable, "-c", SHARED]
    both = [subprocess.Popen([*command, str(tmp_path / n), url, here], stdout=subprocess.PIPE, text=True) for n in "ab"]
    counts = [tuple(map(int, p.communicate()[0].split())) for p in both]
    assert [p.returncode for p in both] == [0, 0]
    done = sum(new for new, _ in counts)
    assert done == 16
    whole = study(problem, tmp_path / "c", storage=url, trials=16)
    assert (whole.done, whole.new_trials) == (done, 0)
    trials = read_trials(tmp_path / "c" / "trials.csv", done, KINDS)
    assert len(set(trials["tau0"])) == done


def test_a_log_that_a_crash_cut_short_goes_on(problem, tmp_path):
    study(problem, tmp_path, progress=stop_after(6))
    log = tmp_path / "study.log"
    log.write_bytes(log.read_bytes()[:-30])
    (tmp_path / "trials.csv").unlink()  # written after the log is on the disk, so never beside one that a crash cut
    found = study(problem, tmp_path)
    assert found.done == 20
    same(study(problem, tmp_path), found)


def test_studies_that_are_refused(problem, tmp_path):
    with pytest.raises(UsageError, match="no sampler 'tpee'; samplers are sobol-local, sobol, grid, cmaes"):
        study(problem, tmp_path, sampler="tpee")
    for wrong in ({"trials": 0}, {"batch": 0}):
        with pytest.raises(UsageError, match="at least 1 trial, in batches of at least 1"):
            study(problem, tmp_path, **wrong)
    with pytest.raises(DataError, match=r"cannot open the study 'avreplay' in nosuchdb://me:\*\*\*@host/x"):
        study(problem, tmp_path, storage="nosuchdb://me:secret@host/x")
    assert without_password("sqlite:///a.db") == "sqlite:///a.db"
    (tmp_path / "study.log").write_text("not a log\nat all\n")
    with pytest.raises(DataError, match=r"cannot open the study 'avreplay' in .*study.log"):
        study(problem, tmp_path)


def test_one_folder_holds_one_kind_of_search(problem, tmp_path):
    search(problem, tmp_path / "table")
    with pytest.raises(UsageError, match="a search of another kind"):
        study(problem, tmp_path / "table")
    study(problem, tmp_path / "study")
    with pytest.raises(UsageError, match="a search of another kind"):
        search(problem, tmp_path / "study")
    assert study(problem, tmp_path / "table", fresh=True).done == 20
    assert study(problem, tmp_path / "table").new_trials == 0
    assert search(problem, tmp_path / "study", fresh=True).done == 60
    assert search(problem, tmp_path / "study").new_trials == 0


def test_every_sampler_of_optuna_is_offered_or_names_what_it_needs(problem, tmp_path):
    assert {"tpe", "random", "cmaes", "nsgaii", "qmc"} <= set(sampler_names())
    for name in ("nsgaii", "qmc"):
        found = study(problem, tmp_path / name, sampler=name, trials=13, batch=5)
        assert found.done == 13
        assert study(problem, tmp_path / name, sampler=name, trials=20, batch=5).new_trials == 7


def test_without_optuna(problem, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r'pip install .*\[tune\]"'):
        study(problem, tmp_path)
