"""The mapping file (TOML): the meaning of the arrays of a third-party score file, its video ids and labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import DataError, UsageError, shown
from ..command_options import FORMATS
from .mapping_schema import AXES, ArrayTable, IdTable, LabelTable, ListTable, read_mapping_tables

VALUES = ("probabilities", "logits")

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


def read_mapping(path: str | os.PathLike[str]) -> ScoreMapping:
    """Read and check a mapping file; files it names are relative to its own folder.

    Raises
    ------
    DataError
        a missing file, not TOML, an unknown key or array, a value of the wrong kind; the message names the key
    """
    file = Path(path)
    given, where = read_mapping_tables(file), str(file)
    values = _choice(where, "values", given.values, VALUES) or "probabilities"
    kind = _choice(where, "format", given.format, tuple(FORMATS))
    if not 0 < given.segment_seconds < float("inf"):
        raise DataError(f"{where}: segment_seconds is {given.segment_seconds}; expected a positive number")
    entries = tuple(
        _array(f"{where}: [arrays]: {target}", target, entry, values, file.parent)
        for target, entry in given.arrays.items()
    )
    if not any(e.target in SCORES for e in entries):
        raise DataError(f"{where} maps no scores; name at least one of {', '.join(SCORES)} under [arrays]")
    c = given.csv
    separator = _separator(f"{where}: [csv]", c.separator)
    return ScoreMapping(
        file, kind, given.segment_seconds, _ids(f"{where}: [ids]", given.ids, file.parent),
        _labels(f"{where}: [labels]", given.labels, file.parent),
        CsvEntry(c.id, c.segment, c.label, separator, c.first_segment), entries,
    )  # fmt: skip


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


def _choice(where: str, key: str, value: str | None, choices: tuple[str, ...]) -> str | None:
    if value is not None and value not in choices:
        raise DataError(f"{where}: {key} is {shown(value)}; it must be one of {', '.join(choices)}")
    return value


def _array(where: str, target: str, given: str | ArrayTable, values: str, folder: Path) -> ArrayEntry:
    """An entry of ``[arrays]``: a name, or a table with the name in it."""
    table = ArrayTable(name=given) if isinstance(given, str) else given
    name = table.name
    if not name:
        raise DataError(f"{where} has no name; write the name of the array in the score file")
    per_video = "{id}" in name
    default = AXES.get(target, ("N",))[0]
    axes = table.axes if table.axes is not None else default.replace("N", "") if per_video else default
    if per_video and not (len(default) > 1 and default[0] == "N"):
        raise DataError(f"{where}: {name!r} cannot be one array per video; give one array of all videos")
    rest = "".join(a for a in axes if a not in table.pick)
    allowed = tuple(a.replace("N", "") if per_video else a for a in AXES.get(target, ("N",)))
    if len(set(axes)) != len(axes) or set(table.pick) - set(axes) or sorted(rest) not in [sorted(a) for a in allowed]:
        raise DataError(
            f"{where}: the axes {shown(axes)} do not fit; this array has the axes {' or '.join(allowed)} in any "
            "order, and others only with an index on them under pick"
        )
    chosen = _choice(where, "values", table.values, VALUES) or values
    return ArrayEntry(target, name, axes, table.pick, chosen, _file(where, table.file, folder))


def _file(where: str, name: str | None, folder: Path) -> Path | None:
    if name is not None and (not name.strip() or "\0" in name):
        raise DataError(f"{where}: file is {shown(name)}; give the path of a file")
    return None if name is None else folder / name


def _separator(where: str, given: str) -> str:
    if len(given) != 1 or given in '"\r\n\0':
        raise DataError(f"{where}: separator is {shown(given)}; it must be one character, such as ',' or a tab")
    return given


def _list(where: str, table: ListTable, folder: Path) -> ListEntry:
    file = _file(where, table.file, folder)
    return ListEntry(table.array or None, file, table.column, _separator(where, table.separator))


def _ids(where: str, table: IdTable, folder: Path) -> IdEntry:
    source = _list(where, table, folder)
    if source.array and source.file:
        raise DataError(f"{where} has both array and file; the ids come from one of them")
    rows = None if table.rows is None else _array(f"{where}: rows", "rows", table.rows, "probabilities", folder)
    keep = None if table.keep is None else _list(f"{where}: [keep]", table.keep, folder)
    if keep is not None and (keep.file is None or keep.array):
        raise DataError(f"{where}: [keep] needs a file: the list of the ids to keep")
    return IdEntry(
        source, rows, keep, table.remove_prefix, table.remove_suffix, table.add_prefix, table.add_suffix, table.rename
    )


def _labels(where: str, table: LabelTable, folder: Path) -> LabelEntry:
    source = _list(where, table, folder)
    if sum((bool(table.names), bool(source.array), bool(source.file))) > 1:
        raise DataError(f"{where} has more than one of names, array and file; the labels come from one of them")
    return LabelEntry(tuple(table.names), source, tuple(table.ignore), table.rename, tuple(table.order))
