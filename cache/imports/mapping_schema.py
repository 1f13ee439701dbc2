"""The schema of a mapping file: its tables and keys, with the types they must have."""

from __future__ import annotations

import os

import msgspec

from ...core.errors import DataError, did_you_mean
from ..reading.schema import checked, refuse_unknown_keys
from ..reading.toml_file import read_toml

AXES: dict[str, tuple[str, ...]] = {
    "audio_segments": ("NTC", "SC"), "visual_segments": ("NTC", "SC"), "audio_visual_segments": ("NTC", "SC"),
    "audio_frames": ("NTFC", "SFC"), "visual_features": ("NTD", "SD"), "audio_clip": ("NC",),
    "visual_clip": ("NC", "NRC"), "window_audio": ("WC",), "window_visual": ("WC", "WRC"), "window_video": ("W",),
    "window_start": ("W",), "window_end": ("W",), "segments_per_video": ("N",), "has_audio": ("N",),
    "has_visual": ("N",),
}  # fmt: skip
"""Arrays a mapping may name, with the axes each may have in any order (the first is the default): N videos,
T segments of a video, S segments of all videos, F frames of a segment, C labels, D features, R rows of a visual score,
W windows."""


class ArrayTable(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of ``[arrays]``; ``axes``, ``values`` and ``file`` have defaults by the array and the mapping."""

    name: str = ""
    axes: str | None = None
    pick: dict[str, int] = {}
    values: str | None = None
    file: str | None = None


class ListTable(msgspec.Struct, forbid_unknown_fields=True):
    """A list of names: an array of the score file, or a text file, or one column of one."""

    array: str | None = None
    file: str | None = None
    column: str | None = None
    separator: str = ","


class IdTable(ListTable, forbid_unknown_fields=True):
    """``[ids]``."""

    rows: str | ArrayTable | None = None
    keep: ListTable | None = None
    remove_prefix: str = ""
    remove_suffix: str = ""
    add_prefix: str = ""
    add_suffix: str = ""
    rename: dict[str, str] = {}


class LabelTable(ListTable, forbid_unknown_fields=True):
    """``[labels]``."""

    names: list[str] = []
    ignore: list[str] = []
    rename: dict[str, str] = {}
    order: list[str] = []


class CsvTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[csv]``."""

    id: str = "video_id"
    segment: str = "segment"
    label: str = "label"
    separator: str = ","
    first_segment: int = 0


class MappingTables(msgspec.Struct, forbid_unknown_fields=True):
    """A mapping file."""

    values: str | None = None
    format: str | None = None
    segment_seconds: float = 1.0
    ids: IdTable = msgspec.field(default_factory=IdTable)
    labels: LabelTable = msgspec.field(default_factory=LabelTable)
    csv: CsvTable = msgspec.field(default_factory=CsvTable)
    arrays: dict[str, str | ArrayTable] = {}


def read_mapping_tables(path: str | os.PathLike[str]) -> MappingTables:
    """The tables of a mapping file, with values of the right types.

    Raises: DataError where it is missing, not TOML, or has an unknown key or a value of another type.
    """
    data, where = read_toml(path, "mapping"), os.fspath(path)
    refuse_unknown_keys(data, MappingTables, where)
    arrays, ids = data.get("arrays"), data.get("ids")
    for target, entry in arrays.items() if isinstance(arrays, dict) else ():
        if target not in AXES:
            hint = did_you_mean(target, AXES) or f"; arrays are {', '.join(AXES)}"
            raise DataError(f"{where}: [arrays] has an array {target!r}, which a score bundle does not have{hint}")
        refuse_unknown_keys(entry, ArrayTable, f"{where}: [arrays]: {target}")
    refuse_unknown_keys(ids, IdTable, f"{where}: [ids]")
    refuse_unknown_keys(data.get("labels"), LabelTable, f"{where}: [labels]")
    refuse_unknown_keys(data.get("csv"), CsvTable, f"{where}: [csv]")
    if isinstance(ids, dict):
        refuse_unknown_keys(ids.get("rows"), ArrayTable, f"{where}: [ids]: rows")
        refuse_unknown_keys(ids.get("keep"), ListTable, f"{where}: [ids]: keep")
    return checked(data, MappingTables, where)
