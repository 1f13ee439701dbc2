"""Names of files made from ids of videos: an id is never a path, and no two are one file anywhere."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

MAX_BYTES: Final = 120
"""Of a name made from an id, without extension; file systems take 255 for all of it."""

_RESERVED: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
"""Names that Windows keeps for devices, with any extension."""


def file_names(ids: Sequence[str]) -> list[str]:
    """A name for each id: the id itself where it can be one.

    Characters other than letters, digits, space, ``.``, ``_`` and ``-`` are written as in URLs (``%2F``), so is a first
    ``.``. Names that are too long, that Windows reserves, or that differ only in case or in how accents are encoded end
    in ``~`` and a hash of the id.
    """
    names = [_escaped(one) for one in ids]
    folded = [unicodedata.normalize("NFKC", name).casefold() for name in names]
    count = Counter(folded)
    return [
        name if count[fold] == 1 and len(name.encode()) <= MAX_BYTES and fold.split(".")[0] not in _RESERVED
        else f"{_cut(name, MAX_BYTES - 25)}~{hashlib.sha256(one.encode()).hexdigest()[:24]}"
        for one, name, fold in zip(ids, names, folded, strict=True)
    ]  # fmt: skip


def _escaped(one: str) -> str:
    text = "".join(c if c.isalnum() or c in " ._-" else quote(c, safe="") for c in one)
    if text[0] == ".":
        text = f"%2E{text[1:]}"
    return text if text[0] != " " else f"%20{text[1:]}"


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode("utf-8", "ignore")
