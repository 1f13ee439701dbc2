"""The right to write a store on a server: an object that says who writes, changed only by conditional writes.

``.locks/lease.json`` lists the writers: one of the whole store, or one of each part, and for moments the one of them
that changes what the parts share. Each renews its entry every :data:`RENEW_SECONDS`; an entry that has not changed for
:data:`LEASE_SECONDS` is that of a killed writer, and its place is free. So a writer that was stopped for so long (a
closed laptop) finds at its next write that another one has taken its place, and stops; what it committed stays. The
object is no part of the store, and the last writer removes it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...core.errors import Changed, DataError
from ...core.threads import Worker
from .objects import ABSENT, PROBE, Objects
from .place import LOCKS_FOLDER, Place
from .remote_errors import remote_errors
from .remote_files import RemoteFiles

LEASE_SECONDS = 60.0
"""A writer that has not renewed its entry for this long has lost it."""

RENEW_SECONDS = 10.0
"""How often a writer renews its entry."""

SHARED_SECONDS = 600.0
"""How long to wait, at most, while another part's writer changes what the parts share."""

NAME = f"{LOCKS_FOLDER}/lease.json"
WHOLE = "whole"
SHARED = "shared"

_log = logging.getLogger("avreplay")


class Lease:
    """The lease of a writer of the whole store or of part i of n; made by :meth:`take`, released by :meth:`close`."""

    def __init__(self, place: Place, files: RemoteFiles, part: tuple[int, int] | None) -> None:
        self._place = place
        self._files = files
        self._part = part
        self._key = WHOLE if part is None else f"{part[0]}-of-{part[1]}"
        self._token = secrets.token_hex(8)
        self._path = files.full(NAME)
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._lost = False
        self._renewed = _now()
        self._beat = 0
        self._holds: list[str] = []
        self._version = ABSENT
        """Of the object as it was last written here, with no entries but this writer's if ``_alone``."""
        self._alone = False
        self._thread = Worker(self._renew_always)

    @classmethod
    def take(cls, place: Place, files: RemoteFiles, part: tuple[int, int] | None) -> Lease | None:
        """Wait for the lease and take it; None where the filesystem has no conditional writes.

        Raises: DataError where another process that is alive writes the store, the same part, or a part of another
        number of parts; it takes at most LEASE_SECONDS to tell a live writer from a killed one.
        """
        if not files.objects.is_conditional:
            return None
        lease = cls(place, files, part)
        with remote_errors(place.url):
            if not lease._enter(lease._key):
                raise DataError(lease._refusal())
            if not files.objects.heeds_conditions(lease._path):
                lease._withdraw()
                return None
        if not lease._thread.start():
            lease.close()
            raise MemoryError("no thread can begin that renews the lease")
        files.guard = lease.check
        return lease

    def _withdraw(self) -> None:
        """Remove the object from a server that ignores conditions, if it holds no other writer's entry."""
        with contextlib.suppress(FileNotFoundError, Changed):
            found = self._objects.get(self._path)
            if found.content == PROBE:
                self._objects.delete_version(self._path, found.version)

    # --- the interface of a lock -------------------------------------------------------------------------------

    @contextmanager
    def changing_shared(self) -> Iterator[None]:
        """Held while changing what the parts share: the plan, the vocabulary, the scores.

        Raises: DataError where another process holds it for more than :data:`SHARED_SECONDS`.
        """
        if self._part is None:
            yield
            return
        with remote_errors(self._place.url):
            if not self._enter(SHARED, SHARED_SECONDS):
                raise DataError(f"another process blocks the writing of {self._place.url}; end it, and try again")
        self._place.refresh()  # others have changed it
        try:
            yield
        finally:
            with contextlib.suppress(DataError):  # it ends by itself
                self._leave(SHARED)

    def check(self, at_once: bool = False) -> None:
        """Before each change of the store; ``at_once``: the server is asked in any case, as before a removal.

        Raises: DataError where another writer has taken this one's place.
        """
        if at_once or _now() - self._renewed > LEASE_SECONDS / 2:
            with remote_errors(self._place.url):
                self._renew()
        if self._lost:
            raise DataError(
                f"another process has taken over the writing of {self._place.url}, since this one did not answer for "
                f"{LEASE_SECONDS:.0f} s; what was committed is kept, run the same command again when it has finished"
            )

    def close(self) -> None:
        """Give the lease back; the last writer removes its object."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._files.guard = None
        with contextlib.suppress(DataError):  # it ends by itself
            self._leave(self._key)

    # --- the object ----------------------------------------------------------------------------------------------

    def _enter(self, key: str, most_seconds: float | None = None) -> bool:
        """Add an entry of this writer. False: another writer that is alive keeps it out (for ``most_seconds``)."""
        seen: dict[str, tuple[Any, float]] = {}
        began = _now()
        if not self._holds and self._write(self._entries([key]), ABSENT):  # mostly nobody writes
            self._holds = [key]
            return True
        while True:
            writers, version, age = self._read()
            others = {name: entry for name, entry in writers.items() if self._excludes(key, name, entry)}
            if others and not seen and most_seconds is None:
                who = next(iter(others.values())).get("host", "another machine")
                _log.warning(
                    f"{self._place.url} has a writer on {who}; waiting up to {LEASE_SECONDS:.0f} s to see whether it "
                    "is alive"
                )
            dead = set()
            for name, entry in others.items():
                before, since = seen.setdefault(name, (entry, _now()))
                if before != entry:
                    if most_seconds is None:
                        return False
                    seen[name] = (entry, _now())
                elif _now() - since > LEASE_SECONDS or (age is not None and age > LEASE_SECONDS):
                    dead.add(name)
            if dead == set(others):
                left = {name: entry for name, entry in writers.items() if name not in dead}
                with self._changing:
                    if self._write({**left, **self._entries([*self._mine(left), key])}, version):
                        self._holds = [*dict.fromkeys([*self._holds, key])]
                        return True
            if _now() - began > (most_seconds if most_seconds is not None else 2 * LEASE_SECONDS):
                return False
            time.sleep(random.uniform(0.2, 1.0) * (RENEW_SECONDS / 20 if others else 0.02))

    def _excludes(self, key: str, name: str, entry: Mapping[str, Any]) -> bool:
        """Whether another writer's entry keeps an entry of this one out."""
        if entry.get("token") == self._token:
            return False
        if key == SHARED:
            return name == SHARED
        if key == WHOLE or name == WHOLE:
            return True
        return name != SHARED and (name == key or name.partition("-of-")[2] != key.partition("-of-")[2])

    def _leave(self, key: str) -> None:
        """Remove an entry of this writer, or the object if it is the last one."""
        with self._changing, remote_errors(self._place.url):
            self._holds = [name for name in self._holds if name != key]
            if self._alone and not self._holds and self._write({}, self._version):
                return
            while True:
                writers, version, _ = self._read()
                left = {n: entry for n, entry in writers.items() if n != key or entry.get("token") != self._token}
                if left == writers or self._write(left, version):
                    return
                _pause()

    def _renew_always(self, _: Worker) -> None:
        while not self._ended.wait(RENEW_SECONDS * random.uniform(0.8, 1.0)):
            with contextlib.suppress(DataError), remote_errors(self._place.url):
                self._renew()  # where the server does not answer, the next write says so

    def _renew(self) -> None:
        """Renew the entries of this writer, unless another one has taken their place."""
        with self._changing:
            while not self._lost:
                writers, version, _ = self._read()
                if self._key not in self._mine(writers):
                    self._lost = True
                elif self._write({**writers, **self._entries(self._mine(writers))}, version):
                    return
                else:
                    _pause()

    def _mine(self, writers: Mapping[str, Any]) -> list[str]:
        return [name for name in self._holds if writers.get(name, {}).get("token") == self._token]

    def _entries(self, names: list[str]) -> dict[str, Any]:
        self._beat += 1
        me = {"token": self._token, "beat": self._beat, "host": socket.gethostname(), "process": os.getpid()}
        return dict.fromkeys(names, me)

    @property
    def _objects(self) -> Objects:
        return self._files.objects

    def _read(self) -> tuple[dict[str, Any], str, float | None]:
        """The writers, the version of the object, and its age in seconds. A damaged object counts as empty."""
        try:
            found = self._objects.get(self._path)
        except FileNotFoundError:
            return {}, ABSENT, None
        try:
            writers = json.loads(found.content)["writers"]
            assert all(isinstance(entry, dict) for entry in writers.values())
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
            writers = {}
        return dict(writers), found.version, found.age

    def _write(self, writers: Mapping[str, Any], version: str) -> bool:
        """Replace the object, or remove it where no writer is left; False where it has changed meanwhile."""
        began = _now()
        try:
            if writers:
                content = json.dumps({"writers": writers, "lease_seconds": LEASE_SECONDS}, indent=2)
                self._version = self._objects.put(self._path, content.encode(), version)
                self._alone = set(writers) <= {*self._holds, self._key}
            elif version != ABSENT:
                self._objects.delete_version(self._path, version)
        except Changed:
            return False
        self._renewed = began
        return True

    def _refusal(self) -> str:
        writers = self._read()[0]
        url = self._place.url
        parts = {name.partition("-of-")[2] for name in writers if name not in (WHOLE, SHARED)}
        if self._part is None or WHOLE in writers or not parts:
            return f"another process is writing {url}; wait until it has finished"
        i, n = self._part
        if parts != {str(n)}:
            return f"other processes are writing {url} in {parts.pop()} parts; divide it into as many here"
        return f"another process is writing part {i}/{n} of {url}; take another part"


def _now() -> float:
    """A clock that goes on while the machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _pause() -> None:
    time.sleep(random.uniform(0.01, 0.05))
