"""The log of a study in the folder of a search: what of it counts, and whether it is what was written.

Optuna appends a JSON line for each change of a study. After every batch of trials ``study.json`` notes how long the
log is and its SHA-256 up to there. A search that goes on cuts the log to the last of these marks: what a kill left of a
batch goes, and the same trials come again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from ...cache.atomic_write import atomic_write
from ...cache.reading.files import open_regular
from ...cache.reading.json_file import read_json_as
from ...core.errors import DataError
from .log_lines import ANEW, check_lines, cut_torn_line
from .sealed import Sealed, intact, written

STUDY_LOG, STUDY_STATE, TRIALS = "study.log", "study.json", "trials.csv"

_SCHEMA = "avreplay.study/1"
_BLOCK = 1 << 20
_LINE = 64 << 20
_MOST_MARKS = 128
_ENDS_TRIAL = re.compile(rb'"op_code": ?[46]\b')  # of trials added whole, and of those told
_COMPLETE = 1

_log = logging.getLogger("avreplay")

_Count = Annotated[int, Meta(ge=0)]


class _Mark(Struct, forbid_unknown_fields=True):
    """So many bytes of the log have this SHA-256."""

    bytes: _Count
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _State(Sealed, forbid_unknown_fields=True):
    schema: str
    marks: list[_Mark]


class _Lock:
    """What Optuna takes around each line that it appends: a lock of the system, which ends with the process. Its own
    one is a link beside the log, which outlives a kill and which a full disk does not let be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def acquire(self) -> bool:
        self._handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a filesystem without locks
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        os.close(self._handle)


class StudyLog:
    """The log of a study, checked and cut to what counts when it is opened.

    Parameters
    ----------
    folder : of the search
    what : begins messages, say ``cannot open the study 'x' in FILE``
    fresh : forget what there is
    used : False for a study that lies elsewhere: nothing is read or changed

    Raises: DataError for a log or its marks that are damaged, naming the line; OSError where they cannot be written.
    """

    def __init__(self, folder: Path, what: str, fresh: bool, used: bool = True) -> None:
        self.path: Path = folder / STUDY_LOG
        self.lock: _Lock = _Lock(self.path)
        self._state = folder / STUDY_STATE
        self._what = what
        self._marks: list[_Mark] = []
        self._digest = hashlib.sha256()
        self._bytes = 0
        if fresh:
            # before the log: a search that goes on never has fewer trials than the table beside it
            (folder / TRIALS).unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        if not used:
            return
        if not self.path.exists():
            self._refuse_lost(0)
            self._state.unlink(missing_ok=True)
            return
        if not self._state.exists():
            self._check_lines(0)
            self._refuse_lost(os.stat(self.path).st_size)
            cut_torn_line(self.path)
            return
        try:
            state = read_json_as(self._state, _State, "study state")
        except DataError as error:
            raise DataError(f"{error}; {ANEW}") from None
        ends = [mark.bytes for mark in state.marks]
        if not state.sha256 or not intact(state) or state.schema != _SCHEMA or ends != sorted(set(ends)):
            raise DataError(f"{self._state} is damaged; {ANEW}")
        self._take(state.marks)
        self._refuse_lost(self._bytes)
        os.truncate(self.path, self._bytes)

    def save(self) -> None:
        """Let all that is in the log count. Raises: DataError where it cannot be written."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())  # Optuna flushes only
        self._feed(os.stat(self.path).st_size)
        mark = _Mark(self._bytes, self._digest.hexdigest())
        if not self._marks or self._marks[-1] != mark:
            self._marks.append(mark)
        if len(self._marks) > _MOST_MARKS:  # which batch a damage is in is known less exactly
            self._marks = [*self._marks[:-1][::2], self._marks[-1]]
        atomic_write(self._state, written(_State(_SCHEMA, self._marks)))

    def _take(self, marks: list[_Mark]) -> None:
        """Read up to the last mark that the log reaches. Raises: DataError where it is not what was written."""
        size = os.stat(self.path).st_size
        for mark in marks:
            if mark.bytes > size:
                break  # a crash of the machine cut it short
            before = self._bytes
            self._feed(mark.bytes)
            if self._digest.hexdigest() != mark.sha256:
                self._check_lines(before, mark.bytes)
                first, last = self._line_at(before), self._line_at(mark.bytes) - 1
                raise DataError(f"{self._what}: lines {first} to {last} were changed after they were written; {ANEW}")
            self._marks.append(mark)
        if marks and self._bytes < marks[-1].bytes:
            _log.warning(
                "%s is shorter than it was (%d of %d bytes): the search goes on from what is left of it", self.path,
                size, marks[-1].bytes,
            )  # fmt: skip

    def _refuse_lost(self, end: int) -> None:
        """Raises: DataError where a search has written results of more trials than the first bytes of the log hold,
        which was emptied or cut: it would be searched again, and the results be replaced."""
        table = self.path.with_name(TRIALS)
        if not table.exists():
            return
        with open_regular(table, "table of trials") as file:
            written = max(sum(block.count(b"\n") for block in _blocks(file.read, os.stat(table).st_size)) - 1, 0)
        held = 0
        if end:
            with open_regular(self.path, "study log") as file:
                while held < written and file.tell() < end and (line := file.readline(_LINE)).endswith(b"\n"):
                    held += _ENDS_TRIAL.search(line) is not None and json.loads(line).get("state") == _COMPLETE
        if held < written:
            raise DataError(
                f"{self.path} holds {held} of the {written} trials of {table.name} beside it: it was emptied, cut or "
                f"replaced; put it back, or {ANEW}"
            )

    def _feed(self, end: int) -> None:
        """Take the bytes up to ``end`` into the digest."""
        with open_regular(self.path, "study log") as file:
            file.seek(self._bytes)
            while self._bytes < end and (block := file.read(min(_BLOCK, end - self._bytes))):
                self._digest.update(block)
                self._bytes += len(block)

    def _line_at(self, end: int) -> int:
        """The number of the line that begins after so many bytes."""
        with open_regular(self.path, "study log") as file:
            return 1 + sum(block.count(b"\n") for block in _blocks(file.read, end))

    def _check_lines(self, begin: int, end: int | None = None) -> None:
        check_lines(self.path, self._what, begin, end, self._line_at(begin))


def _blocks(read: Callable[[int], bytes], end: int) -> Iterator[bytes]:
    left = end
    while left > 0 and (block := read(min(_BLOCK, left))):
        left -= len(block)
        yield block
