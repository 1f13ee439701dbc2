"""Small files of a search's state, which hold a hash of themselves: damage is told from what was written."""

from __future__ import annotations

import hashlib
import json

from msgspec import Struct, to_builtins


class Sealed(Struct, kw_only=True):
    """What is written, and the SHA-256 of the rest of it: empty where a version that had none wrote it."""

    sha256: str = ""


def written(state: Sealed) -> bytes:
    """A state as JSON, with its hash."""
    state.sha256 = _hash(state)
    return json.dumps(to_builtins(state)).encode()


def intact(state: Sealed) -> bool:
    """Whether a state that was read is what was written."""
    return state.sha256 in ("", _hash(state))


def _hash(state: Sealed) -> str:
    rest = {key: value for key, value in to_builtins(state).items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
