"""``row.json`` in the folder of a search: that it is finished, and what it found, so that it is not judged again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...cache.atomic_write import atomic_write
from ...core.decoders.base import Decoder
from ...core.params.options import OptionSet
from ..tuning.result import TuneResult
from ..tuning.sealed import Versioned, read_sealed, written

ROW = "row.json"
SCHEMA = "avreplay.leaderboard_row/1"
_ANEW = "search it anew with --overwrite, or delete the file"


class RowState(Versioned, forbid_unknown_fields=True):
    """What a finished search found: of what it is, the kept setting, its objective and that of the start, how many
    settings were tried."""

    identity: dict[str, Any]
    setting: dict[str, Any]
    value: float | None
    start_value: float | None
    tried: int


def known(value: float) -> float | None:
    """A figure for JSON, None where it is undefined."""
    return None if math.isnan(value) else value


def write_row(folder: Path, identity: Mapping[str, Any], setting: Mapping[str, Any], found: TuneResult) -> RowState:
    """Say that the search of a folder is finished, and what it found. Raises: DataError where it cannot be written."""
    value = found.found.best_value if found.sharp else found.recommended_value
    state = RowState(
        SCHEMA, dict(identity), dict(setting), known(value), known(found.start_value), found.found.done
    )  # fmt: skip
    atomic_write(folder / ROW, written(state))
    return state


def read_row(folder: Path, identity: Mapping[str, Any], decoder: Decoder[Any]) -> tuple[RowState, OptionSet] | None:
    """What the finished search of a folder found, and the setting; None where it is not finished, or another one.

    Raises: DataError where the file is damaged.
    """
    path = folder / ROW
    if not path.exists():
        return None
    state = read_sealed(path, RowState, "row of a leaderboard", SCHEMA, _ANEW)
    if state.identity != identity:
        return None
    values = {name: value for name, value in state.setting.items() if name != "decoder"}
    return state, decoder.make_params(values=values)
