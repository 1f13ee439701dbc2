"""Connecting to a cluster, or starting one on this machine.

What is wrong is found in another process first, which is ended after some seconds: Ray itself tries for minutes to
reach a cluster that is not there, and says so on the terminal.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ...core.errors import DataError, UsageError
from ...core.installation import install_command
from .node_checks import check_versions
from .nodes import Node, alive_nodes, loaded_ray

LOCAL = "local"
AUTO = "auto"

REACH_SECONDS = 3.0
"""How long to try to reach the address at all."""

ANSWER_SECONDS = 30.0
"""How long what answers there may take to show that it is a cluster."""

NODE_SECONDS = 10
"""How long to look for a node of the cluster on this machine."""

OBJECT_STORE_BYTES = 2 << 30
"""The most shared memory of a cluster that is started here; what does not fit into it goes to the disk."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_OPTIONS: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.CRITICAL}

_TRIAL = """
import json, logging, sys
try:
    import ray
    ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False, logging_level=logging.CRITICAL)
    print(json.dumps(["connected", ""]))
except BaseException as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


class Cluster:
    """A connection to a cluster; made by :func:`connect`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._checked: set[str] = set()

    def __repr__(self) -> str:
        return f"<Cluster {self.address}>"

    def nodes(self) -> list[Node]:
        """The nodes that are alive now, sorted by name."""
        return alive_nodes()

    def check_versions(self, nodes: Sequence[Node] | None = None) -> None:
        """Compare the versions of avreplay, Python and Ray on nodes with those here; each node is asked once.

        Raises: DataError naming the first node that differs, or on which avreplay cannot be imported.
        """
        new = [node for node in (nodes or self.nodes()) if node.id not in self._checked]
        check_versions(new)
        self._checked.update(node.id for node in new)


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """A connection for as long as the context lasts; every node has been found to have the versions of this process.

    ``address`` : ``HOST:PORT`` of the cluster's head, from a machine that is a node of it; ``auto``: the cluster of
    this machine; ``local``: a cluster that is started on this machine, and ended with the context.

    Raises
    ------
    UsageError
        Ray is not installed; no address
    DataError
        no cluster there, this machine is no node of it, other versions here than there
    """
    if find_spec("ray") is None:
        raise UsageError(f"--ray needs Ray, which is not installed: {install_command('ray')}")
    _check_form(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if _is_connected(address):
        cluster = Cluster(address)
        cluster.check_versions()
        yield cluster
        return
    if address not in (LOCAL, AUTO):
        _reach(address)
    if address != LOCAL:
        _try_out(address)
    ray = loaded_ray()
    with _undisturbed():
        try:
            if address == LOCAL:
                _start_here(ray)
            else:
                ray.init(address=address, **_OPTIONS)
        except Exception as error:
            raise _refusal(address, type(error).__name__, str(error)) from error
    try:
        with _silent_about_nodes():
            cluster = Cluster(address)
            cluster.check_versions()
            yield cluster
    finally:
        with _undisturbed():
            ray.shutdown()


def _is_connected(address: str) -> bool:
    """Whether this process has a connection already, as a notebook has. Raises: DataError where it is another one."""
    if "ray" not in sys.modules or not loaded_ray().is_initialized():
        return False
    there = str(loaded_ray().get_runtime_context().gcs_address)
    if address not in (LOCAL, AUTO, there):
        raise DataError(f"this process is connected to the cluster at {there}; give that address instead of {address}")
    return True


def _start_here(ray: Any) -> None:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = _shared_memory()
    memory = OBJECT_STORE_BYTES if free is None else max(80 << 20, min(OBJECT_STORE_BYTES, free // 2))
    ray.init(address=LOCAL, num_cpus=processors, object_store_memory=memory, include_dashboard=False, **_OPTIONS)


def _shared_memory() -> int | None:
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _check_form(address: str) -> None:
    if address in (LOCAL, AUTO):
        return
    if "://" in address:
        raise UsageError(
            f"--ray {address} is a URL; give HOST:PORT of the cluster's head and run the command on a node of the "
            "cluster, or give local"
        )
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/]+):([0-9]{1,5})", address)
    if found is None or not 0 < int(found[2]) < 65536:
        raise UsageError(f"--ray {address!r} is no address of a cluster; give HOST:PORT of its head, auto or local")


def _reach(address: str) -> None:
    """Raises: DataError where nothing listens at the address."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _no_cluster(address, reason) from error


def _try_out(address: str) -> None:
    """Connect in another process, which can be ended. Raises: DataError where that fails or takes too long."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL, address],
            env={**os.environ, "RAY_gcs_server_request_timeout_seconds": str(NODE_SECONDS)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"what is there gives no answer within {ANSWER_SECONDS:.0f} s") from error
    try:
        kind, words = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        kind, words = "Ended", f"the connection ends with code {done.returncode}"
    if kind != "connected":
        raise _refusal(address, kind, words)


def _refusal(address: str, kind: str, words: str) -> DataError:
    """What Ray refused a connection with, as a sentence."""
    found = re.search(
        r"cluster was started with:\s*Ray: (\S+)\s*Python: (\S+).*?was started with:\s*Ray: (\S+)\s*Python: (\S+)",
        words,
        re.DOTALL,
    )
    if found is not None:
        there_ray, there_python, here_ray, here_python = found.groups()
        return DataError(
            f"the head of the cluster at {address} has Ray {there_ray} and Python {there_python}, and this process has "
            f"Ray {here_ray} and Python {here_python}; install the same on all of them"
        )
    short = " ".join(words.split())
    if address == LOCAL:
        return DataError(f"Ray cannot be started on this machine ({kind}: {short[:200]}); leave --ray out")
    if re.search(r"no node info found|expects this IP|no raylet", short, re.IGNORECASE):
        return DataError(
            f"this machine is no node of the cluster at {address}; run the command on one of its nodes, or make this "
            f"one a node with `ray start --address {address}`"
        )
    return _no_cluster(address, short[:200] or kind)


def _no_cluster(address: str, reason: str) -> DataError:
    where = "on this machine" if address == AUTO else f"at {address}"
    return DataError(
        f"there is no Ray cluster {where} ({reason}); start one with `ray start --head` and give its "
        "address, or give local"
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """While Ray begins or ends: it takes SIGTERM for itself, and the command has handlers of its own; and its own
    logger writes on the terminal before it knows better."""
    in_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    before: list[tuple[signal.Signals, Callable[..., Any] | int | None]] = [(n, signal.getsignal(n)) for n in numbers]
    with _silent_stderr():
        try:
            yield
        finally:
            for number, handler in before:
                if handler is not None:
                    signal.signal(number, handler)


@contextmanager
def _silent_about_nodes() -> Iterator[None]:
    """Ray prints the log of every node that is lost on stdout, where the command's JSON goes; no option says not to."""
    try:
        from ray._private import worker

        said = worker.print_to_stdstream
    except (ImportError, AttributeError):  # another version of Ray
        yield
        return
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = said


@contextmanager
def _silent_stderr() -> Iterator[None]:
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
