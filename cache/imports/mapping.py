"""The mapping file (TOML): the meaning of the arrays of a third-party score file, its video ids and labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import DataError, UsageError, did_you_mean
from ..command_options import FORMATS
from ..reading.toml_file import read_toml

VALUES = ("probabilities", "logits")

AXES: dict[str, tuple[str, ...]] = {
    "audio_segments": ("NTC", "SC"), "visual_segments": ("NTC", "SC"), "audio_visual_segments": ("NTC", "SC"),
    "visual_features": ("NTD", "SD"), "audio_clip": ("NC",), "visual_clip": ("NC", "NRC"),
    "window_audio": ("WC",), "window_visual": ("WC", "WRC"), "window_video": ("W",), "window_start": ("W",),
    "window_end": ("W",), "segments_per_video": ("N",), "has_audio": ("N",), "has_visual": ("N",),
}  # fmt: skip
"""Arrays a mapping may name, with the axes each may have in any order (the first is the default): N videos,
T segments of a video, S segments of all videos, C labels, D features, R rows of a visual score, W windows."""

SCORES: tuple[str, ...] = tuple(name for name, axes in AXES.items() if "C" in axes[0])
"""The arrays that hold probabilities or logits."""


@dataclass(frozen=True)
class ArrayEntry:
    """The source of one array of the bundle.

    target : its name in a score bundle
    name : its name in the file; with ``{id}`` in it there is one array per video, without the axis N
    axes : the letters of its axes, see :data:`AXES`
    pick : the index taken on each axis that a bundle does not have
    values : ``probabilities`` or ``logits``
    file : the file, if it is not the one given to the import
    """

    target: str
    name: str
    axes: str = ""
    pick: Mapping[str, int] = field(default_factory=dict[str, int])
    values: str = "probabilities"
    file: Path | None = None

    @property
    def per_video(self) -> bool:
        """Whether the file holds one array per video."""
        return "{id}" in self.name


@dataclass(frozen=True)
class ListEntry:
    """A list of names: an array of the score file, or a text file (one column of it, if it is a table)."""

    array: str | None = None
    file: Path | None = None
    column: str | None = None
    separator: str = ","


@dataclass(frozen=True)
class IdEntry:
    """The video ids in the order of the arrays, those to keep, and how to rename them."""

    source: ListEntry
    rows: ArrayEntry | None = None
    keep: ListEntry | None = None
    remove_prefix: str = ""
    remove_suffix: str = ""
    add_prefix: str = ""
    add_suffix: str = ""
    rename: Mapping[str, str] = field(default_factory=dict[str, str])

    def final(self, name: str) -> str:
        """An id as the store will have it: prefix and suffix removed, then renamed, then added to."""
        name = name.removeprefix(self.remove_prefix)
        name = name.removesuffix(self.remove_suffix) if self.remove_suffix else name
        return f"{self.add_prefix}{self.rename.get(name, name)}{self.add_suffix}"


@dataclass(frozen=True)
class LabelEntry:
    """The labels in the order of the columns, those to ignore, new names, and the final order."""

    names: tuple[str, ...] = ()
    source: ListEntry = ListEntry()
    ignore: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class CsvEntry:
    """Columns of csv files: video id, segment (empty in rows of a whole clip), and label unless columns are named
    after labels."""

    id: str = "video_id"
    segment: str = "segment"
    label: str = "label"
    separator: str = ","
    first_segment: int = 0


@dataclass(frozen=True)
class ScoreMapping:
    """A mapping file, checked."""

    path: Path
    format: str | None
    segment_seconds: float
    ids: IdEntry
    labels: LabelEntry
    csv: CsvEntry
    arrays: tuple[ArrayEntry, ...]


class _Table:
    """A table of the file: typed values by key, and an error for unknown keys."""

    def __init__(self, where: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise DataError(f"{where} is {data!r}; expected a table")
        self.where, self.data, self.known = where, data, set[str]()

    def get(self, key: str, kind: Any, default: Any) -> Any:
        self.known.add(key)
        value = self.data.get(key, default)
        wanted = kind if isinstance(kind, tuple) else (kind,)
        if key in self.data and (not isinstance(value, kind) or (isinstance(value, bool) and bool not in wanted)):
            noun = {str: "a string", int: "a whole number", list: "a list of strings", dict: "a table of strings"}
            raise DataError(f"{self.where}: {key} is {value!r}; expected {noun.get(kind, 'a number')}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        values = self.get(key, list, [])
        if not all(isinstance(v, str) for v in values):
            raise DataError(f"{self.where}: {key} is {values!r}; expected a list of strings")
        return tuple(values)

    def renames(self, key: str) -> dict[str, str]:
        values = self.get(key, dict, {})
        if not all(isinstance(v, str) for v in values.values()):
            raise DataError(f"{self.where}: {key} is {values!r}; expected a table of strings")
        return dict(values)

    def table(self, key: str) -> _Table:
        self.known.add(key)
        return _Table(f"{self.where}: [{key}]", self.data.get(key, {}))

    def done(self) -> None:
        for key in self.data:
            if key not in self.known:
                hint = did_you_mean(key, self.known) or f"; it takes {', '.join(sorted(self.known))}"
                raise DataError(f"{self.where} has no key {key!r}{hint}")


def read_mapping(path: str | os.PathLike[str]) -> ScoreMapping:
    """Read and check a mapping file; files it names are relative to its own folder.

    Raises
    ------
    DataError
        a missing file, not TOML, an unknown key or array, a value of the wrong kind; the message names the key
    """
    file = Path(path)
    data = read_toml(file, "mapping")
    top, folder = _Table(str(file), data), file.parent
    values = _choice(top, "values", VALUES, "probabilities")
    kind = _choice(top, "format", tuple(FORMATS), None)
    seconds = float(top.get("segment_seconds", (int, float), 1.0))
    if not 0 < seconds < float("inf"):
        raise DataError(f"{file}: segment_seconds is {seconds}; expected a positive number")
    entries: list[ArrayEntry] = []
    arrays = top.table("arrays")
    for target in arrays.data:
        if target not in AXES:
            hint = did_you_mean(target, AXES) or f"; arrays are {', '.join(AXES)}"
            raise DataError(f"{file}: [arrays] has an array {target!r}, which a score bundle does not have{hint}")
        entries.append(_array(arrays, target, values, folder))
    if not any(e.target in SCORES for e in entries):
        raise DataError(f"{file} maps no scores; name at least one of {', '.join(SCORES)} under [arrays]")
    found = ScoreMapping(
        file, kind, seconds, _ids(top, folder), _labels(top, folder), _csv(top.table("csv")), tuple(entries)
    )
    top.done()
    return found


def format_of(path: Path, given: str | None = None) -> str:
    """The format of a score file: as given, else by its suffix. Raises: UsageError for an unknown format or suffix."""
    if given is not None:
        if given not in FORMATS:
            raise UsageError(f"there is no score format {given!r}; formats are {', '.join(FORMATS)}")
        return given
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    raise UsageError(f"the suffix of {path} is of no known format; give --format {'|'.join(FORMATS)}")


def _choice(table: _Table, key: str, choices: tuple[str, ...], default: str | None) -> str | None:
    value = table.get(key, str, default)
    if value is not None and value not in choices:
        raise DataError(f"{table.where}: {key} is {value!r}; it must be one of {', '.join(choices)}")
    found: str | None = value
    return found


def _array(parent: _Table, target: str, values: str | None, folder: Path) -> ArrayEntry:
    """An entry of ``[arrays]``: a name, or a table with the name in it."""
    given = parent.data[target]
    parent.known.add(target)
    table = _Table(f"{parent.where}: {target}", {"name": given} if isinstance(given, str) else given)
    name = table.get("name", str, "")
    if not name:
        raise DataError(f"{table.where} has no name; write the name of the array in the score file")
    default = AXES.get(target, ("N",))[0]
    axes = table.get("axes", str, default.replace("N", "") if "{id}" in name else default)
    if "{id}" in name and not (len(default) > 1 and default[0] == "N"):
        raise DataError(f"{table.where}: {name!r} cannot be one array per video; give one array of all videos")
    pick = table.get("pick", dict, {})
    if not all(type(i) is int for i in pick.values()):
        raise DataError(f"{table.where}: pick is {pick!r}; expected an index on each axis, such as {{M = 0}}")
    rest = "".join(a for a in axes if a not in pick)
    allowed = tuple(a.replace("N", "") if "{id}" in name else a for a in AXES.get(target, ("N",)))
    if len(set(axes)) != len(axes) or set(pick) - set(axes) or sorted(rest) not in [sorted(a) for a in allowed]:
        raise DataError(
            f"{table.where}: the axes {axes!r} do not fit; this array has the axes {' or '.join(allowed)} in any "
            "order, and others only with an index on them under pick"
        )
    entry = ArrayEntry(
        target, name, axes, pick, _choice(table, "values", VALUES, values) or "probabilities", _file(table, folder)
    )
    table.done()
    return entry


def _file(table: _Table, folder: Path) -> Path | None:
    name = table.get("file", str, None)
    return None if name is None else folder / name


def _list(table: _Table, folder: Path) -> ListEntry:
    return ListEntry(
        table.get("array", str, None), _file(table, folder), table.get("column", str, None),
        table.get("separator", str, ","),
    )  # fmt: skip


def _ids(top: _Table, folder: Path) -> IdEntry:
    table = top.table("ids")
    source = _list(table, folder)
    if source.array and source.file:
        raise DataError(f"{table.where} has both array and file; the ids come from one of them")
    rows = _array(table, "rows", "probabilities", folder) if "rows" in table.data else None
    keep = None
    if "keep" in table.data:
        inner = table.table("keep")
        keep = _list(inner, folder)
        inner.done()
        if keep.file is None or keep.array:
            raise DataError(f"{inner.where} needs a file: the list of the ids to keep")
    affixes = {k: table.get(k, str, "") for k in ("remove_prefix", "remove_suffix", "add_prefix", "add_suffix")}
    entry = IdEntry(source, rows, keep, **affixes, rename=table.renames("rename"))
    table.done()
    return entry


def _labels(top: _Table, folder: Path) -> LabelEntry:
    table = top.table("labels")
    names, source = table.strings("names"), _list(table, folder)
    if sum((bool(names), bool(source.array), bool(source.file))) > 1:
        raise DataError(f"{table.where} has more than one of names, array and file; the labels come from one of them")
    entry = LabelEntry(names, source, table.strings("ignore"), table.renames("rename"), table.strings("order"))
    table.done()
    return entry


def _csv(table: _Table) -> CsvEntry:
    entry = CsvEntry(
        table.get("id", str, "video_id"), table.get("segment", str, "segment"), table.get("label", str, "label"),
        table.get("separator", str, ","), table.get("first_segment", int, 0),
    )  # fmt: skip
    table.done()
    return entry
