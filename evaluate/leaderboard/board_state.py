"""``board.json``: which leaderboard a folder holds, so that another one does not mix its rows with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...cache.atomic_write import atomic_write
from ...core.errors import UsageError
from ..tuning.identity import difference
from ..tuning.journal import STATE
from ..tuning.sealed import Versioned, read_sealed, written

BOARD = "board.json"
SCHEMA = "avreplay.board/1"
FILES = {"json": "leaderboard.json", "page": "leaderboard.html", "timing": "timing.json", "timing_page": "timing.html"}
_ANEW = "choose another --out, or make the leaderboard anew with --overwrite"


class BoardState(Versioned, forbid_unknown_fields=True):
    """What all rows of a leaderboard have in common."""

    identity: dict[str, Any]


def check_board(folder: Path) -> None:
    """Refuse a folder that is no leaderboard but holds a file that one would replace. Raises: UsageError."""
    if (folder / BOARD).exists():
        return
    other = next((name for name in (STATE, *FILES.values()) if os.path.lexists(folder / name)), None)
    if other is not None:
        raise UsageError(
            f"{folder} is not the folder of a leaderboard, but holds a file {other}, which is of something else; "
            "choose another --out"
        )


def begin_board(folder: Path, identity: Mapping[str, Any], fresh: bool) -> None:
    """Say which leaderboard a folder holds; ``fresh``: whatever it held before.

    Raises: UsageError where it holds another one, DataError where that is damaged or the folder cannot be written.
    """
    path = folder / BOARD
    if path.exists() and not fresh:
        state = read_sealed(path, BoardState, "state of a leaderboard", SCHEMA, _ANEW)
        other = difference(state.identity, identity)
        if other:
            raise UsageError(f"{folder} holds a leaderboard with {other}; choose another --out, or --overwrite")
        return
    atomic_write(path, written(BoardState(SCHEMA, dict(identity))))
