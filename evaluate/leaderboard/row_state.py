"""``row.json`` in the folder of a search: that it is finished, and what it found, so that it is not judged again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...cache.atomic_write import atomic_write
from ...cache.reading.json_file import read_json
from ...cache.reading.schema import checked
from ...core.decoders.base import Decoder
from ...core.errors import DataError
from ...core.params.options import OptionSet
from ..tuning.result import TuneResult
from ..tuning.sealed import Sealed, intact, written

ROW = "row.json"
SCHEMA = "avreplay.leaderboard_row/1"
_ANEW = "search it anew with --overwrite, or delete the file"


class RowState(Sealed, forbid_unknown_fields=True):
    """What a finished search found: of what it is, the kept setting, its objective and that of the start, how many
    settings were tried."""

    schema: str
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
    try:
        state = checked(read_json(path, "row of a leaderboard"), RowState, f"{path} is damaged")
    except DataError as error:
        raise DataError(f"{error}; {_ANEW}") from None
    if state.schema != SCHEMA or not intact(state):
        raise DataError(f"{path} is damaged: it was changed after it was written; {_ANEW}")
    if state.identity != identity:
        return None
    values = {name: value for name, value in state.setting.items() if name != "decoder"}
    return state, decoder.make_params(values=values)
