"""Threads where memory has no room for one: nobody waits for ever, and every call is made."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from avreplay.core.threads import Pool, Worker

ROOT = Path(__file__).parent.parent

# the address space is filled but for the stack of a thread and some KiB
FULL = """
import faulthandler, mmap, os, resource, sys, threading
from avreplay.core.read_ahead import read_ahead
from avreplay.core.threads import Pool, Worker
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.prefetch import Prefetch
STACK, FILL = 256 << 10, 64 << 20

def used():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def begin(kind):
    if kind == "worker":
        return [Worker(lambda _: None).start() in (True, False)]
    if kind == "pool":
        with Pool(3) as pool:
            return list(pool.map(lambda n: n * n, range(7)))
    if kind == "read_ahead":
        return [n for n in read_ahead(lambda part: part.start, [slice(n, n + 1) for n in range(5)])]
    with Prefetch([VideoFile(str(n), None) for n in range(3)], lambda video: iter(video.id), 2) as ahead:
        return ["".join(items) for _, items in ahead]

def full(kind, spare):
    faulthandler.dump_traceback_later(40, exit=True)
    threading.stack_size(STACK)
    limit = used() + FILL
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    filled = mmap.mmap(-1, limit - used() - STACK - 4096 - (spare << 10))
    try:
        got = begin(kind)
    except (MemoryError, RuntimeError) as error:
        got = [type(error).__name__]
    del filled
    print(got, flush=True)
    os._exit(0)

for spare in map(int, sys.argv[2:]):
    child = os.fork()
    if not child:
        full(sys.argv[1], spare)
    os.waitpid(child, 0)
"""
MADE = {
    "worker": {"[True]"},
    "pool": {"[0, 1, 4, 9, 16, 25, 36]", "['MemoryError']"},
    "read_ahead": {"[0, 1, 2, 3, 4]", "['MemoryError']"},
    "prefetch": {"['0', '1', '2']", "['RuntimeError']", "['MemoryError']"},
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of address space is Linux's")
@pytest.mark.parametrize("kind", MADE)
def test_a_thread_that_memory_has_no_room_for_is_not_waited_for(kind: str) -> None:
    spares = ("-64", "0", "12", "16", "20", "24", "28", "32", "48")
    done = subprocess.run(
        [sys.executable, "-c", FULL, kind, *spares], capture_output=True, text=True, timeout=500, cwd=ROOT,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # each arena takes 64 MB of address space
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert len(said) == len(spares), done.stderr[-2000:]
    assert set(said) <= MADE[kind], (said, done.stderr[-2000:])


def test_no_module_begins_threads_that_may_be_waited_for_for_ever() -> None:
    begin = {"Thread", "Timer", "ThreadPoolExecutor", "ThreadPool"}
    found = []
    for folder in ("core", "cache", "evaluate", "extract"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = {a.name for a in node.names} if isinstance(node, ast.ImportFrom) else set()
                if isinstance(node, ast.Attribute):
                    names = {node.attr}
                if names & begin:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == [], "use core/threads.py"


def test_calls_are_made_in_order_and_their_errors_raised_where_they_are_waited_for() -> None:
    def slow(n: int) -> int:
        time.sleep(0.002 * (10 - n))
        if n == 6:
            raise ValueError("six")
        return n

    with Pool(4) as pool:
        values = pool.map(slow, range(10))
        assert [next(values) for _ in range(6)] == list(range(6))
        with pytest.raises(ValueError, match="six"):
            next(values)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_a_pool_without_threads_gives_the_same(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    began = []

    def start(worker: Worker, real: object = Worker.start) -> bool:
        began.append(worker)
        return len(began) <= threads and bool(real(worker))  # type: ignore[operator]

    monkeypatch.setattr(Worker, "start", start)
    with Pool(5) as pool:
        tasks = [pool.submit(divmod, n, 3) for n in range(50)]
        bad = pool.submit(divmod, 1, 0)
        assert [task.result() for task in tasks] == [divmod(n, 3) for n in range(50)]
        with pytest.raises(ZeroDivisionError):
            bad.result()
    assert all(task.done() for task in tasks)


def test_threads_that_ended_leave_no_call_unmade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avreplay.core.threads._work_off", lambda *_: None)  # each ends as soon as it has begun
    monkeypatch.setattr("avreplay.core.threads._END_SECONDS", 0.01)
    pool = Pool(2)
    assert list(pool.map(str, range(5))) == list("01234")
    left = pool.submit(str, 5)
    pool.shutdown()
    assert left.result() == "5"


def test_shutdown_drops_or_makes_what_has_not_begun() -> None:
    for drop in (False, True):
        go, begun = threading.Event(), threading.Event()
        pool = Pool(1)

        def first(go: threading.Event = go, begun: threading.Event = begun) -> str:
            begun.set()
            go.wait(10)
            return "first"

        one, two = pool.submit(first), pool.submit(str, 2)
        begun.wait(10)
        threading.Timer(0.05, go.set).start()
        pool.shutdown(drop=drop)
        assert one.result() == "first"
        if drop:
            with pytest.raises(RuntimeError, match="shut down before"):
                two.result()
        else:
            assert two.result() == "2"


def test_what_calls_gave_is_not_kept() -> None:
    class Big:
        pass

    with Pool(2) as pool:
        kept = [weakref.ref(value) for value in pool.map(lambda _: Big(), range(4))]
        task = pool.submit(Big)
        kept.append(weakref.ref(task.result()))
        del task
        pool.submit(int).result()
        gc.collect()
        assert [ref() for ref in kept] == [None] * 5


FORKED = """
import _thread, os, signal, sys, time
from avreplay.core.threads import Pool, Worker
signal.alarm(20)  # what hangs is ended

def work(_):
    time.sleep(60)

kind, pool = sys.argv[1], Pool(2)
if kind != "unused":
    print(list(pool.map(str, range(3))), flush=True)
go = _thread.allocate_lock()
go.acquire()
made = [pool.submit(go.acquire), pool.submit(go.acquire), pool.submit(str, 3)] if kind == "busy" else []
worker = Worker(work)
worker.start()
while kind == "busy" and sum(w.making is not None for w in pool._workers) < 2:
    time.sleep(0.001)
child = os.fork()
if not child:
    signal.alarm(20)
    worker.join()
    if kind == "busy":
        for task in made:
            try:
                print(task.result(), flush=True)
            except RuntimeError as error:
                print(error, flush=True)
    if kind != "only ends":
        with pool:
            print(list(pool.map(str, range(4))), flush=True)
    sys.exit(7)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.release()
if made:
    print([task.result() for task in made[:1]])
    go.release()
sys.exit(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("kind", ["unused", "only ends", "idle", "busy"])
def test_a_forked_process_waits_for_no_thread_of_the_other(kind: str) -> None:
    run = [sys.executable, "-c", FORKED, kind]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=ROOT)
    lost = ["the process was forked while a thread made this call"] * 2
    want = {
        "unused": ["['0', '1', '2', '3']"],
        "only ends": ["['0', '1', '2']"],
        "idle": ["['0', '1', '2']", "['0', '1', '2', '3']"],
        "busy": ["['0', '1', '2']", *lost, "3", "['0', '1', '2', '3']", "[True]"],
    }
    assert (done.returncode, done.stdout.splitlines()) == (7, want[kind]), done.stderr[-2000:]


def test_a_thread_whose_beginning_is_interrupted_ends_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it takes what tells another one to end, and the pool waits for that one for ever."""
    real = Worker.start
    began: list[Worker] = []

    def start(worker: Worker) -> bool:
        began.append(worker)
        real(worker)
        if len(began) == 2:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(Worker, "start", start)
    pool = Pool(3)
    pool.submit(time.sleep, 0.01)
    with pytest.raises(KeyboardInterrupt):
        pool.submit(time.sleep, 0.01)
    pool.shutdown(drop=True)
    for worker in began:
        worker.join(5)
    assert [worker.is_alive() for worker in began] == [False, False]


def test_a_call_after_the_end_is_made_at_once() -> None:
    for used in (0, 2):
        pool = Pool(2)
        assert list(pool.map(str, range(used))) == list(map(str, range(used)))
        pool.shutdown()
        task = pool.submit(str, 4)
        assert task.done()
        assert task.result() == "4"
        pool.shutdown()


def test_threads_of_a_forgotten_pool_end() -> None:
    pool = Pool(2)
    list(pool.map(str, range(4)))
    workers = list(pool._workers)
    assert any(worker.is_alive() for worker in workers)
    del pool
    gc.collect()
    for worker in workers:
        worker.join(5)
    assert not any(worker.is_alive() for worker in workers)
