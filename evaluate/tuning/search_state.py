"""``search.json`` of a table search: its schema, and whether it and the trials beside it are what was written."""

from __future__ import annotations

import hashlib
import logging
import math
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from ...cache.reading.files import open_regular
from ...cache.reading.json_file import read_json
from ...cache.reading.schema import checked
from ...core.errors import DataError
from .log_lines import ANEW
from .sealed import Sealed, intact

SCHEMA = "avreplay.search/1"
_BLOCK = 1 << 20
_log = logging.getLogger("avreplay")

_Count = Annotated[int, Meta(ge=0)]


class StateFile(Sealed, forbid_unknown_fields=True):
    """``search.json``; without the two hashes where an earlier version wrote it."""

    schema: str
    identity: dict[str, Any]
    done: _Count
    bytes: _Count
    best: Annotated[int, Meta(ge=-1)]
    best_value: float | None
    video_best: list[float]
    video_trial: list[Annotated[int, Meta(ge=-1)]]
    trials_sha256: str = ""


def read_state(path: Path) -> StateFile:
    """The state of a search. Raises: DataError where it is damaged, naming the place."""
    damaged = f"{path} is damaged"
    try:
        state = checked(read_json(path, "search state"), StateFile, damaged)
    except DataError as error:
        raise DataError(f"{error}; {ANEW}") from None
    fits = (
        state.schema == SCHEMA
        and intact(state)
        and state.best < max(state.done, 1)
        and (state.best >= 0) == (state.best_value is not None)
        and state.done <= state.bytes  # a row has a byte at least
        and len(state.video_best) in (0, len(state.video_trial))
        and all(i < state.done for i in state.video_trial)
    )
    if not fits:
        raise misfit(path)
    return state


def misfit(path: Path) -> DataError:
    """The error of a state that cannot have been written as it is."""
    return DataError(f"{path} is damaged: its parts do not fit each other; {ANEW}")


def checked_trials(path: Path, state: StateFile, head: bytes) -> Any:
    """The SHA-256 of the trials that count, to go on with. Raises: DataError where they are not what was written."""
    if not path.exists() or path.stat().st_size < state.bytes:
        raise DataError(f"{path} is shorter than its search says; {ANEW}")
    digest, left = hashlib.sha256(), state.bytes
    with open_regular(path, "table of trials") as file:
        while left and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    if not state.sha256 or not state.trials_sha256:
        _check_by_trials(path, state, head)
        _log.warning(
            "%s is of a version that wrote no hashes: its %d trials and best setting fit each other, and that nothing "
            "else was changed is not known", path.with_name("search.json"), state.done,
        )  # fmt: skip
    elif state.trials_sha256 != digest.hexdigest():
        line = _broken_line(path, state.bytes, head)
        where = f"line {line} is no trial of this search" if line else "it was changed after it was written"
        raise DataError(f"{path} is damaged: {where}; {ANEW}")
    return digest


def _check_by_trials(path: Path, state: StateFile, head: bytes) -> None:
    """What the trials say of a state without hashes. Raises: DataError where they say something else."""
    objective = head.rstrip(b"\n").split(b",").index(b"objective")
    best, value, number = -1, -math.inf, 0
    line = _broken_line(path, state.bytes, head)
    with open_regular(path, "table of trials") as file:
        file.readline(_BLOCK)
        while not line and file.tell() < state.bytes and (row := file.readline(_BLOCK)):
            try:
                reached = float(row.split(b",")[objective])
            except ValueError:
                line = number + 2
                break
            if reached > value:
                best, value = number, reached
            number += 1
    if line:
        raise DataError(f"{path} is damaged: line {line} is no trial of this search; {ANEW}")
    if (number, best, value) != (state.done, state.best, state.best_value):
        raise DataError(
            f"{path} holds {number} trials with the best at {best}, and search.json beside it says {state.done} and "
            f"{state.best}, or another value of it; {ANEW}"
        )


def _broken_line(path: Path, count: int, head: bytes) -> int:
    """The number of the first line of a table that is no trial, 0 where each could be one."""
    columns, number = head.count(b",") + 1, 0
    with open_regular(path, "table of trials") as file:
        while file.tell() < count and (line := file.readline(_BLOCK)):
            number += 1
            cells = line.removesuffix(b"\n").split(b",")
            whole = line == head if number == 1 else cells[0] == b"%d" % (number - 2)
            if not whole or len(cells) != columns or not line.endswith(b"\n"):
                return number
    return 0
