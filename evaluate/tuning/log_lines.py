"""Lines of the log of a study: those that Optuna writes, and no others.

Optuna appends a JSON line for each change of a study.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from ...cache.reading.files import open_regular
from ...cache.reading.schema import checked
from ...core.errors import DataError

ANEW = "give --overwrite to search anew"

_BLOCK = 1 << 20
_LINE = 64 << 20
_DIGITS = 19

_Number = Annotated[int, Meta(ge=0, le=2**53)]


class _Line(Struct, tag_field="op_code"):
    worker_id: str


class _NewStudy(_Line, tag=0):
    study_name: str
    directions: list[int]


class _OfStudy(_Line):
    study_id: _Number


class _DeletedStudy(_OfStudy, tag=1):
    pass


class _StudyUserAttr(_OfStudy, tag=2):
    user_attr: dict[str, Any]


class _StudySystemAttr(_OfStudy, tag=3):
    system_attr: dict[str, Any]


class _NewTrial(_OfStudy, tag=4):
    datetime_start: str | None = None
    datetime_complete: str | None = None
    state: int | None = None
    value: float | None = None
    values: list[float] | None = None
    params: dict[str, float | int | str | bool | None] | None = None
    distributions: dict[str, str] | None = None
    user_attrs: dict[str, Any] | None = None
    system_attrs: dict[str, Any] | None = None
    intermediate_values: dict[str, float] | None = None


class _OfTrial(_Line):
    trial_id: _Number


class _TrialParam(_OfTrial, tag=5):
    param_name: str
    param_value_internal: float
    distribution: str


class _TrialState(_OfTrial, tag=6):
    state: Annotated[int, Meta(ge=0, le=4)]
    values: list[float] | None
    datetime_start: str | None = None
    datetime_complete: str | None = None


class _TrialIntermediate(_OfTrial, tag=7):
    step: int
    intermediate_value: float


class _TrialUserAttr(_OfTrial, tag=8):
    user_attr: dict[str, Any]


class _TrialSystemAttr(_OfTrial, tag=9):
    system_attr: dict[str, Any]


_Operation = (
    _NewStudy | _DeletedStudy | _StudyUserAttr | _StudySystemAttr | _NewTrial | _TrialParam | _TrialState
    | _TrialIntermediate | _TrialUserAttr | _TrialSystemAttr
)  # fmt: skip
"""A line of the log, as Optuna 4 and 5 write it."""


def check_lines(
    path: Path, what: str, begin: int = 0, end: int | None = None, number: int = 1, mend: str = ANEW
) -> None:
    """Check the lines of a log from byte ``begin``, which begins line ``number``, to ``end``.

    Raises: DataError for the first line that is none of Optuna's; one that a crash cut short is none either, but may
    be the last. ``what`` begins the message, and ``mend`` ends it.
    """
    with open_regular(path, "study log") as file:
        file.seek(begin)
        while (end is None or file.tell() < end) and (line := file.readline(_LINE)):
            if line.endswith(b"\n"):
                _check_line(line, f"{what}: line {number}", mend)
            elif len(line) == _LINE:
                raise DataError(f"{what}: line {number} is longer than any of Optuna's; {mend}")
            number += 1


def _check_line(line: bytes, where: str, mend: str) -> None:
    try:
        # Optuna writes infinite values, which strict JSON does not have
        value = json.loads(line.decode(), parse_int=_integer)
    except RecursionError:
        raise DataError(f"{where} is nested too deeply; take it out, or {mend}") from None
    except ValueError as error:
        reason = "is empty" if not line.strip() else f"is not JSON ({' '.join(str(error).split())[:120]})"
        raise DataError(f"{where} {reason}; take it out, or {mend}") from None
    checked(value, _Operation, where, f"take it out, or {mend}")  # type: ignore[arg-type]


def _integer(text: str) -> int:
    if len(text) > _DIGITS + 1:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def cut_torn_line(log: Path) -> None:
    """Drop the line that a full disk or a crash left unfinished: Optuna would append to it, and never read on."""
    with open(log, "r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - _BLOCK)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                end = begin + at + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
