"""Searches that were killed, that meet each other in a folder, or whose files were damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.tuning import folder as folder_module
from avreplay.evaluate.tuning.folder import search_folder
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.run import tune
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages.journal import JournalFileBackend
from tuning_data import made, search, settings_for, stop_after, study, write_made

SAMPLERS = ["random", "tpe", "qmc"]


@pytest.fixture(scope="module")
def problem():
    return make_problem(*made())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    store, _ = write_made(folder)
    return store


def tuned(store, out, **options):
    return tune(str(store), settings_for(store.parent, out, **options))


# --- kills -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """Optuna waits for it at every line; what is tested here does not depend on it."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


def kill_at(monkeypatch, write, when):
    """End a study at its ``write``-th change of the log: before it, in the middle of the line, or after it."""
    real, count = JournalFileBackend.append_logs, []

    def append(self, logs):
        count.append(logs)
        if len(count) == write:
            size = os.path.getsize(self._file_path)
            if when != "before":
                real(self, logs)
            if when == "within":
                with open(self._file_path, "r+b") as file:
                    file.truncate(size + (os.path.getsize(self._file_path) - size) // 2)
            raise Killed
        real(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", append)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_that_is_killed_anywhere_goes_on_as_if_it_had_not_been(problem, tmp_path, monkeypatch, sampler):
    whole = study(problem, tmp_path / "whole", sampler=sampler)
    want = (tmp_path / "whole" / "trials.csv").read_bytes()
    killed = 0
    for write in (*range(1, 12), *range(12, 140, 9 if sampler == "random" else 40)):
        out = tmp_path / f"{write}"
        with monkeypatch.context() as patch:
            kill_at(patch, write, ("before", "within", "after")[write % 3])
            try:
                study(problem, out, sampler=sampler)
            except Killed:
                killed += 1
        again = study(problem, out, sampler=sampler)
        assert (out / "trials.csv").read_bytes() == want, write
        assert (again.best, again.best_trial, again.done) == (whole.best, whole.best_trial, whole.done)
        assert sorted(p.name for p in out.iterdir()) == ["study.json", "study.log", "trials.csv"]
        shutil.rmtree(out)
    assert killed > 12


def test_a_stopped_study_counts_whole_batches(problem, tmp_path, monkeypatch):
    """Ctrl-C in the middle of a batch: what was told of it comes again."""
    study(problem, tmp_path / "whole")
    real = JournalFileBackend.append_logs
    told = []

    def interrupted(self, logs):
        real(self, logs)
        told.extend(log for log in logs if log["op_code"] == 6)
        if len(told) == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", interrupted)
        stopped = study(problem, tmp_path / "x")
    assert (stopped.done, stopped.stopped) == (6, True)
    found = study(problem, tmp_path / "x")
    assert (found.done, found.new_trials) == (20, 14)
    assert (tmp_path / "x" / "trials.csv").read_bytes() == (tmp_path / "whole" / "trials.csv").read_bytes()


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_what_a_killed_search_leaves_is_removed_at_once(files, tmp_path, sampler):
    out = tmp_path / "x"
    for folder in (tmp_path / "whole", out):
        tuned(files, folder, sampler=sampler, trials=6)
    whole = tuned(files, tmp_path / "whole", sampler=sampler)
    os.symlink(out / "study.log", out / "study.log.lock")
    state = "search.json" if sampler == "sobol" else "study.json"
    for name in ("study.log.lock1234.rename", f".{state}.0a1b2c3d.partial", ".best.toml.0a1b2c3d.partial", ".lock"):
        (out / name).write_text("1")
    begin = time.monotonic()
    found = tuned(files, out, sampler=sampler)
    assert time.monotonic() - begin < 20  # Optuna alone waits for 30 s, its first versions for ever
    assert found.found.best == whole.found.best
    assert {p.name for p in out.iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}
    same = {p.name for p in out.iterdir()} - {"study.log", "study.json", "summary.json", "timing.json"}
    for name in same:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


# --- two searches in one folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["sobol", "random"])
@pytest.mark.parametrize("second", ["sobol", "random"])
def test_a_second_search_in_a_folder_is_refused(files, tmp_path, monkeypatch, first, second):
    out, refused = tmp_path / "x", []
    real = folder_module._remove_lock_of_log

    def meanwhile(folder):
        real(folder)
        monkeypatch.setattr(folder_module, "_remove_lock_of_log", real)
        before = sorted(p.name for p in out.iterdir())
        for more in ([], ["--overwrite"]):
            done = CliRunner().invoke(main, [
                "tune", str(files), "--dataset", "json", "--annotations", str(files.parent / "val.json"), "--set",
                "audio_scores=segment", "--report-split", "", "--sampler", second, "--trials", "12", "--out", str(out),
                *more,
            ])  # fmt: skip
            refused.append((done.exit_code, done.stderr))
        assert sorted(p.name for p in out.iterdir()) == before

    monkeypatch.setattr(folder_module, "_remove_lock_of_log", meanwhile)
    found = tuned(files, out, sampler=first)
    words = f"Error: another search is running in {out}; wait until it has finished, or choose another --out\n"
    assert refused == [(1, words)] * 2
    alone = tuned(files, tmp_path / "alone", sampler=first)
    assert (out / "best.toml").read_bytes() == (tmp_path / "alone" / "best.toml").read_bytes()
    assert (found.found.done, alone.found.done) == (12, 12)
    assert not (out / ".lock").exists()


def test_processes_that_begin_at_once(files, tmp_path):
    """One of them searches; whatever the others are told, the folder is as if it had been alone."""
    given = [
        "tune", str(files), "--dataset", "json", "--annotations", str(files.parent / "val.json"), "--report-split", "",
        "--set", "audio_scores=segment", "--search", "tau0=0.3:0.7", "--trials", "12", "--videos", "0",
        "--resamples", "20", "--out", str(tmp_path / "x"), "--sampler", "random", "--threads", "1",
    ]  # fmt: skip
    many = [subprocess.Popen([sys.executable, "-m", "avreplay", *given], stderr=subprocess.PIPE, text=True,
                             stdout=subprocess.DEVNULL) for _ in range(3)]  # fmt: skip
    said = [(p.communicate()[1], p.returncode) for p in many]
    assert [text for text, code in said if code not in (0, 1)] == []
    assert all("another search is running" in text for text, code in said if code == 1)
    assert any(code == 0 for _, code in said)
    tuned(files, tmp_path / "alone", sampler="random", threads=1)
    for name in ("trials.csv", "per_video_best.csv"):
        assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_searches_that_share_a_storage_share_a_folder(files, tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    with search_folder(tmp_path / "x"):
        pass
    assert not (tmp_path / "x").exists()
    tuned(files, tmp_path / "x", sampler="random", storage=url, trials=4)
    again = tuned(files, tmp_path / "x", sampler="random", storage=url)
    assert (again.found.done, again.found.new_trials) == (12, 8)


def test_places_that_cannot_be_a_folder(files, tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below", "a\0b", "x" * 300):
        with pytest.raises((DataError, UsageError)):
            tuned(files, tmp_path / place)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# --- damage ------------------------------------------------------------------------------------------------------

FLIPS = st.tuples(st.just("flip"), st.integers(0, 10**6), st.integers(1, 255))
CUTS = st.tuples(st.just("cut"), st.integers(0, 10**6), st.just(0))
LINES = st.tuples(
    st.sampled_from(["insert", "replace", "append"]),
    st.integers(0, 10**6),
    st.sampled_from([
        "", "{}", "null", "[]", "\ufeff", "1" * 5000, "[" * 3000, '{"op_code": 6}', '{"op_code": 99, "worker_id": "x"}',
        '{"op_code":6,"worker_id":"x","trial_id":0,"state":1,"values":[1e999]}', '{"a":' * 2000, "not json", "0,0,0,0",
        '{"op_code":4,"worker_id":"x","study_id":0,"datetime_start":null}', "\x00" * 40, "1e" + "9" * 5000,
    ]),
)  # fmt: skip
SWAPS = st.tuples(st.just("swap"), st.integers(0, 10**6), st.integers(1, 5))
MUTATIONS = st.one_of(FLIPS, CUTS, LINES, SWAPS)


def mutated(content, mutation):
    kind, at, how = mutation
    at %= max(len(content), 1)
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ how]) + content[at + 1 :]
    if kind == "cut":
        return content[:at]
    lines = content.splitlines(keepends=True)
    i = at % len(lines)
    if kind == "swap":
        j = (i + how) % len(lines)
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == "append":
        lines.append(how.encode())
    else:
        lines[i : i + (kind == "replace")] = [how.encode() + b"\n"]
    return b"".join(lines)


HARD = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@pytest.mark.parametrize("done", ["whole", "stopped"])
@pytest.mark.parametrize(("kind", "name"), [(search, "search.json"), (search, "trials.csv"), (study, "study.log"),
                                            (study, "study.json")])  # fmt: skip
def test_damage_is_named_or_nothing_is_lost(problem, tmp_path, kind, name, done):
    """After any damage: one sentence with the way to go on, or the bytes of an uninterrupted search."""
    kind(problem, tmp_path / "whole")
    want = (tmp_path / "whole" / "trials.csv").read_bytes()
    source = tmp_path / "source"
    kind(problem, source, **({} if done == "whole" else {"progress": stop_after(9)}))
    content, seen, trial = (source / name).read_bytes(), set(), iter(range(10**6))

    @HARD
    @given(MUTATIONS)
    def check(mutation):
        damaged = mutated(content, mutation)
        out = tmp_path / f"out{next(trial)}"
        shutil.copytree(source, out)
        (out / name).write_bytes(damaged)
        try:
            kind(problem, out)
        except DataError as error:
            seen.add("refused")
            text = str(error)
            assert len(text.splitlines()) == 1
            assert len(text) < 600
            assert name in text
            assert "--overwrite" in text
            kind(problem, out, fresh=True)
        else:
            seen.add("went on")
        assert (out / "trials.csv").read_bytes() == want
        shutil.rmtree(out)

    check()
    assert "refused" in seen


@pytest.mark.parametrize("line", [0, 1, 2, 30, -1])
@pytest.mark.parametrize("marks", [True, False], ids=["marked", "of before"])
@pytest.mark.parametrize(
    ("put", "words"),
    [
        (b"\n", "is empty"), (b"{]\n", "is not JSON"), (b'{"op_code":3}\n', "missing required field"),
        (b"[" * 100_000 + b"\n", "nested too deeply"), (b"1" * 10**6 + b"\n", "has 1000000 digits"),
        (b'{"op_code":11,"worker_id":"x"}\n', "op_code"), (b"\xff\xfe\n", "is not JSON"),
    ],
    ids=["blank", "no JSON", "fields", "deep", "digits", "unknown", "bytes"],
)  # fmt: skip
def test_the_line_is_named(problem, tmp_path, line, marks, put, words):
    study(problem, tmp_path)
    log = tmp_path / "study.log"
    lines = log.read_bytes().splitlines(keepends=True)
    number = range(len(lines))[line]
    lines[number] = put
    log.write_bytes(b"".join(lines))
    if not marks:
        (tmp_path / "study.json").unlink()
    if marks and line == -1:
        log.write_bytes(log.read_bytes() + b" " * 1000)  # as long as it was
    with pytest.raises(
        DataError, match=rf"study.log: line {number + 1}\b.*{words}.*--overwrite to search anew"
    ) as error:
        study(problem, tmp_path)
    assert len(str(error.value)) < 500


def test_a_change_that_is_still_a_log_is_found(problem, tmp_path):
    study(problem, tmp_path)
    log = tmp_path / "study.log"
    lines = log.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if '"op_code":6' in line)
    told = json.loads(lines[at])
    lines[at] = lines[at].replace(str(told["values"][0]), str(told["values"][0])[:-1] + "0")
    log.write_text("".join(lines))
    with pytest.raises(DataError, match=r"lines \d+ to \d+ were changed after they were written; give --overwrite"):
        study(problem, tmp_path)


@pytest.mark.parametrize(
    "torn", [b'{"op_code":6,', b'{"op_code":6}{}', b'"op_code":4', b'{"op_code": 6, "state": 1} x']
)
def test_a_line_without_its_end_is_no_trial(problem, tmp_path, torn):
    """Of a finished study whose state is lost: what a crash left at the end of the log is cut off, whatever it is."""
    first = study(problem, tmp_path)
    (tmp_path / "trials.csv").write_text("number\n" + "0\n" * first.done)
    log = tmp_path / "study.log"
    whole = log.read_bytes()
    log.write_bytes(whole + torn)
    (tmp_path / "study.json").unlink()
    assert study(problem, tmp_path).best == first.best
    assert log.read_bytes().startswith(whole)
    cut = whole.rstrip(b"\n").rpartition(b"\n")[0] + b"\n"
    log.write_bytes(cut + torn)
    (tmp_path / "study.json").unlink(missing_ok=True)
    with pytest.raises(DataError, match=rf"holds {first.done - 1} of the {first.done} trials"):
        study(problem, tmp_path)


def test_a_trial_of_somebody_else(problem, tmp_path):
    import optuna

    study(problem, tmp_path, storage=f"sqlite:///{tmp_path}/s.db")
    theirs = optuna.load_study(study_name="avreplay", storage=f"sqlite:///{tmp_path}/s.db")
    theirs.add_trial(optuna.trial.create_trial(value=99.0))
    with pytest.raises(DataError, match=r"trial 20 of the study 'avreplay' in sqlite.* is none of this search"):
        study(problem, tmp_path, storage=f"sqlite:///{tmp_path}/s.db", trials=30)


def test_a_state_without_hashes_is_of_an_earlier_version(problem, tmp_path, caplog):
    search(problem, tmp_path, progress=stop_after(20), part=10)
    state = json.loads((tmp_path / "search.json").read_text())
    del state["sha256"], state["trials_sha256"]
    (tmp_path / "search.json").write_text(json.dumps(state))
    caplog.clear()
    assert search(problem, tmp_path).new_trials == 60 - state["done"]
    assert "wrote no hashes" in caplog.text
    assert json.loads((tmp_path / "search.json").read_text())["sha256"]


@pytest.mark.parametrize("key", ["best", "best_value", "done"])
def test_a_state_without_hashes_that_its_trials_contradict_is_refused(problem, tmp_path, key):
    search(problem, tmp_path, progress=stop_after(20), part=10)
    state = json.loads((tmp_path / "search.json").read_text())
    state |= {"sha256": "", "trials_sha256": "", key: state[key] + 1}
    (tmp_path / "search.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match=r"trials.csv holds 20 trials|do not fit each other"):
        search(problem, tmp_path)


@pytest.mark.parametrize("left", [0.0, 0.3, 0.7])
def test_a_finished_study_whose_log_was_cut_is_not_searched_again_without_a_word(files, tmp_path, left):
    tuned(files, tmp_path / "s", sampler="random", trials=24, batch=8)
    log = tmp_path / "s" / "study.log"
    before = {p.name: p.read_bytes() for p in (tmp_path / "s").iterdir()}
    os.truncate(log, int(left * len(before["study.log"])))
    with pytest.raises(DataError, match=r"study.log holds \d+ of the 24 trials of trials.csv .* --overwrite"):
        tuned(files, tmp_path / "s", sampler="random", trials=24, batch=8)
    after = {p.name: p.read_bytes() for p in (tmp_path / "s").iterdir()}
    assert after == before | {"study.log": log.read_bytes()}
    log.write_bytes(before["study.log"])
    tuned(files, tmp_path / "s", sampler="random", trials=24, batch=8)
    log.write_bytes(b"")
    tuned(files, tmp_path / "s", sampler="random", trials=24, batch=8, overwrite=True)
    assert (tmp_path / "s" / "trials.csv").read_bytes() == before["trials.csv"]


def test_an_unfinished_study_whose_log_was_cut_says_so(problem, tmp_path, caplog):
    study(problem, tmp_path, trials=24, batch=8)
    (tmp_path / "trials.csv").unlink()
    os.truncate(tmp_path / "study.log", 0)
    caplog.clear()
    assert study(problem, tmp_path, trials=24, batch=8).new_trials == 24
    assert "study.log is shorter than it was (0 of" in caplog.text


def test_marks_are_thinned_out(problem, tmp_path):
    study(problem, tmp_path, trials=300, batch=1)
    state = json.loads((tmp_path / "study.json").read_text())
    assert 64 <= len(state["marks"]) <= 129
    assert state["marks"][-1]["bytes"] == (tmp_path / "study.log").stat().st_size
    assert study(problem, tmp_path, trials=301, batch=1).new_trials == 1
