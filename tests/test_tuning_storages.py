"""Studies that machines share: a log on a network filesystem, locks that a kill left, and no trial too many."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.tuning import claims, shared_log
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.shared_log import SharedLogLock
from avreplay.evaluate.tuning.storages import open_study
from avreplay.evaluate.tuning.trials_file import read_trials
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from tuning_data import KINDS, made, same, settings_for, stop_after, study, write_made


@pytest.fixture(scope="module")
def problem():
    return make_problem(*made())


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(claims, "LOST_SECONDS", 0.5)
    monkeypatch.setattr(shared_log, "GRACE_SECONDS", 0.5)


def storages(folder):
    return [f"journal:{folder}/s.log", f"sqlite:///{folder}/s.db"]


def test_a_log_that_machines_share(problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = study(problem, tmp_path / "one", storage="journal:s.log")
    assert (one.done, one.new_trials) == (20, 20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "s.log"]
    again = study(problem, tmp_path / "two", storage=f"journal:{tmp_path}/s.log")
    assert again.new_trials == 0
    same(again, one)
    more = study(problem, tmp_path / "one", storage="journal:s.log", trials=30, name="another")
    assert (more.done, more.new_trials) == (30, 30)
    theirs = optuna.load_study(
        study_name="avreplay", storage=optuna.storages.JournalStorage(JournalFileBackend("s.log"))
    )
    assert theirs.best_value == one.best_value
    with pytest.raises(UsageError, match="is a search with another search"):
        open_study(tmp_path / "one", "journal:s.log", "avreplay", None, {"search": "other"}, False, type(one.best))
    assert study(problem, tmp_path / "one", storage="journal:s.log", fresh=True).new_trials == 20


SHARED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
os.fsync = lambda _: None
from avreplay.evaluate.tuning.problem import make_problem
from tuning_data import made, study
print("ready", flush=True)
sys.stdin.readline()
found = study(make_problem(*made()), Path(sys.argv[1]), storage=sys.argv[2], trials=13, batch=3)
print(found.new_trials, found.done, found.best_value)
"""


@pytest.mark.parametrize("storage", [0, 1], ids=["journal", "sqlite"])
def test_processes_share_and_try_no_more_than_was_asked(problem, tmp_path, storage):
    url = storages(tmp_path)[storage]
    here = str(sys.modules[made.__module__].__file__).rsplit("/", 1)[0]
    many = [subprocess.Popen([sys.executable, "-c", SHARED, str(tmp_path / n), url, here], stdout=subprocess.PIPE,
                             stdin=subprocess.PIPE, text=True) for n in "abc"]  # fmt: skip
    for p in many:
        assert p.stdout.readline() == "ready\n"
    said = [p.communicate("go\n")[0].split() for p in many]
    assert [p.returncode for p in many] == [0, 0, 0]
    assert sum(int(new) for new, _, _ in said) == 13
    assert {(done, best) for _, done, best in said} == {("13", said[0][2])}
    whole = study(problem, tmp_path / "d", storage=url, trials=13)
    assert (whole.done, whole.new_trials) == (13, 0)
    assert len(set(read_trials(tmp_path / "d" / "trials.csv", 13, KINDS)["tau0"])) == 13


@pytest.mark.parametrize("storage", [0, 1], ids=["journal", "sqlite"])
def test_trials_that_a_kill_left_are_tried_again(problem, tmp_path, monkeypatch, storage):
    url = storages(tmp_path)[storage]
    study(problem, tmp_path / "x", storage=url, progress=stop_after(6))

    class Killed(BaseException):
        pass

    def killed(self, *_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(optuna.study.Study, "tell", killed)
        with pytest.raises(Killed):
            study(problem, tmp_path / "x", storage=url)
    found = study(problem, tmp_path / "x", storage=url)
    assert (found.done, found.new_trials, found.stopped) == (20, 14, False)
    assert study(problem, tmp_path / "x", storage=url).new_trials == 0


@pytest.mark.parametrize("storage", [0, 1], ids=["journal", "sqlite"])
def test_ctrl_c_gives_back_what_was_begun(problem, tmp_path, monkeypatch, storage):
    url = storages(tmp_path)[storage]
    real, told = optuna.study.Study.tell, []

    def tell(self, *given, **more):
        told.append(given)
        if len(told) == 9:
            raise KeyboardInterrupt
        return real(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.study.Study, "tell", tell)
        stopped = study(problem, tmp_path / "x", storage=url)
    assert (stopped.done, stopped.stopped) == (8, True)
    begin = time.monotonic()
    monkeypatch.setattr(claims, "LOST_SECONDS", 60.0)
    found = study(problem, tmp_path / "x", storage=url)
    assert time.monotonic() - begin < 30
    assert (found.done, found.new_trials) == (20, 12)


# --- locks -------------------------------------------------------------------------------------------------------


def test_locks_that_a_kill_left_end_in_a_stated_time(problem, tmp_path, monkeypatch):
    """Optuna's lock of a relative path is a link to nowhere: who looks for its age waits for ever."""
    monkeypatch.chdir(tmp_path)
    for number, left in enumerate((
        lambda lock: os.symlink("nowhere/s.log", lock), lambda lock: os.symlink(tmp_path / "s.log", lock),
        lambda lock: lock.write_text(""),
    )):  # fmt: skip
        left(tmp_path / "s.log.lock")
        begin = time.monotonic()
        study(problem, tmp_path / "x", storage="journal:s.log", trials=3 + number, batch=1)
        assert 0.5 < time.monotonic() - begin < 20
        assert not os.path.lexists(tmp_path / "s.log.lock")


def test_a_folder_given_by_a_relative_path_is_not_blocked(tmp_path, monkeypatch):
    store, _ = write_made(tmp_path)
    monkeypatch.chdir(tmp_path)
    from avreplay.evaluate.tuning import tune

    tune(store, settings_for(tmp_path, "out", sampler="random", trials=6))
    os.symlink("out/study.log", "out/study.log.lock")
    begin = time.monotonic()
    assert tune(store, settings_for(tmp_path, "out", sampler="random")).found.done == 12
    assert time.monotonic() - begin < 20


HOLDER = """
import sys, time
from pathlib import Path
from avreplay.evaluate.tuning.shared_log import SharedLogLock
lock, path = SharedLogLock(Path(sys.argv[1])), Path(sys.argv[1])
for _ in range(25):
    lock.acquire()
    before = path.read_text()
    time.sleep(0.0005)
    path.write_text(f"{int(before or 0) + 1}\\n")
    lock.release()
"""


def test_only_one_holds_the_lock(tmp_path):
    log = tmp_path / "count"
    log.write_text("0\n")
    many = [subprocess.Popen([sys.executable, "-c", HOLDER, str(log)]) for _ in range(3)]
    assert [p.wait() for p in many] == [0, 0, 0]
    assert log.read_text() == "75\n"


def test_optunas_own_lock_and_this_one_exclude_each_other(tmp_path, monkeypatch):
    log = tmp_path / "s.log"
    log.write_text("")
    monkeypatch.setattr(shared_log, "GRACE_SECONDS", 1e9)
    theirs = JournalFileSymlinkLock(str(log))
    theirs.acquire()
    mine = subprocess.Popen([sys.executable, "-c", HOLDER.replace("range(25)", "range(1)"), str(log)])
    with pytest.raises(subprocess.TimeoutExpired):
        mine.wait(2.0)
    theirs.release()
    assert mine.wait(20) == 0
    assert log.read_text() == "1\n"


def test_what_a_kill_left_of_a_line_is_cut_off(problem, tmp_path):
    url, log = f"journal:{tmp_path}/s.log", tmp_path / "s.log"
    study(problem, tmp_path / "x", storage=url, progress=stop_after(6))
    with open(log, "ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x","stu')
    assert study(problem, tmp_path / "x", storage=url).done == 20
    assert all(json.loads(line) for line in log.read_text().splitlines())


@pytest.mark.parametrize(
    ("put", "words"),
    [(b"\n", "is empty"), (b"{]\n", "is not JSON"), (b'{"op_code":3}\n', "missing required field"),
     (b"\x80\x04N.\n", "is not JSON")],
    ids=["blank", "no JSON", "fields", "pickle"],
)  # fmt: skip
def test_the_damaged_line_of_a_shared_log_is_named(problem, tmp_path, put, words):
    url, log = f"journal:{tmp_path}/s.log", tmp_path / "s.log"
    study(problem, tmp_path / "x", storage=url, trials=4)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:7], put, *lines[7:]]))
    with pytest.raises(
        DataError, match=rf"s\.log: line 8.* {words}.*; take it out, or give another --storage"
    ) as error:
        study(problem, tmp_path / "x", storage=url)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("storage", "kind", "words"),
    [
        ("journal:", UsageError, "name the log, say --storage journal:/shared/study.log"),
        ("journal:{}", DataError, "is a folder, and no study log; give a file"),
        ("journal:{}/no/s.log", DataError, "cannot open the study 'avreplay' in journal:"),
    ],
)
def test_places_that_are_no_log(problem, tmp_path, storage, kind, words):
    with pytest.raises(kind, match=words) as error:
        study(problem, tmp_path / "x", storage=storage.format(tmp_path))
    assert len(str(error.value).splitlines()) == 1


def test_the_lock_is_let_go_where_the_log_cannot_be_read(tmp_path):
    lock = SharedLogLock(tmp_path / "gone.log")
    with pytest.raises(FileNotFoundError):
        lock.acquire()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_a_study_that_goes_on(problem, tmp_path):
    url = f"journal:{tmp_path}/s.log"
    here = str(sys.modules[made.__module__].__file__).rsplit("/", 1)[0]
    script = SHARED.replace("trials=13", "trials=5000")
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a"), url, here], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    process.stdin.write("go\n")
    process.stdin.flush()
    end, log = time.monotonic() + 60, tmp_path / "s.log"
    while time.monotonic() < end and not (log.exists() and log.stat().st_size > 30_000):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    begun = log.read_bytes().count(b'"op_code":4')
    found = study(problem, tmp_path / "b", storage=url, trials=begun + 3)
    assert found.done == begun + 3
