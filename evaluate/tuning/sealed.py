"""Small files of a search's state, which hold a hash of themselves: damage is told from what was written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, to_builtins

from ...cache.reading.json_file import read_json
from ...cache.reading.schema import checked
from ...core.errors import DataError


class Sealed(Struct, kw_only=True):
    """What is written, and the SHA-256 of the rest of it: empty where a version that had none wrote it."""

    sha256: str = ""


class Versioned(Sealed):
    """A state that says how it is written."""

    schema: str


S = TypeVar("S", bound=Versioned)


def written(state: Sealed) -> bytes:
    """A state as JSON, with its hash."""
    state.sha256 = _hash(state)
    return json.dumps(to_builtins(state)).encode()


def read_sealed(path: Path, kind: type[S], what: str, schema: str, mend: str) -> S:
    """A state from its file, whose ``schema`` is the one that is known.

    Raises: DataError where it is damaged, or was changed after it was written; ``mend`` says what to do.
    """
    try:
        state = checked(read_json(path, what), kind, f"{path} is damaged")
    except DataError as error:
        raise DataError(f"{error}; {mend}") from None
    if state.schema != schema or not intact(state):
        raise DataError(f"{path} is damaged: it was changed after it was written; {mend}")
    return state


def intact(state: Sealed) -> bool:
    """Whether a state that was read is what was written."""
    return state.sha256 in ("", _hash(state))


def _hash(state: Sealed) -> str:
    rest = {key: value for key, value in to_builtins(state).items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
