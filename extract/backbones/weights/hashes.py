"""SHA-256 of files of weights, which are read once for all processes of an extraction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

Known: TypeAlias = dict[tuple[str, int, int], str]
"""By path, size and time of the last change."""

_BLOCK = 1 << 24
_known: Known = {}


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; read again only if its size or time has changed."""
    state = path.stat()
    key = (str(path.resolve()), state.st_size, state.st_mtime_ns)
    if key not in _known:
        _known[key] = _read(path)
    return _known[key]


def known_hashes() -> Known:
    """What was computed so far, for another process."""
    return dict(_known)


def learn_hashes(known: Mapping[tuple[str, int, int], str]) -> None:
    """Take over what another process of this machine computed."""
    _known.update(known)


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
