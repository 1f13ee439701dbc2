"""The table ``[embeddings]`` of a mapping file, checked: from TOML to a plan."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ....core.bundle_checks import MAX_SEGMENT_SECONDS, MAX_SEGMENTS
from ....core.errors import DataError, shown
from ..mapping import IdEntry, ListEntry
from .plan import (
    ARRAY_SUFFIXES,
    BEGINS,
    DTYPES,
    LENGTHS,
    MODALITIES,
    NORMS,
    POOLS,
    ArrayPlan,
    EmbeddingsMapping,
    IdsPlan,
    ListPlan,
    ModalityPlan,
    TextPlan,
    Where,
)
from .tables import (
    ClipTable,
    IdsTable,
    ListTable,
    ModalityTable,
    SourceTable,
    TextTable,
    read_embeddings_table,
)

_MAX_SCALE = 1e6
_MOST_ROWS = 100_000


def read_embeddings_mapping(path: str | os.PathLike[str]) -> EmbeddingsMapping:
    """Read and check the table ``[embeddings]`` of a mapping file.

    Raises: DataError for a missing file, one that is not TOML, an unknown key, a value of the wrong kind or out of
    range; the message names the key.
    """
    file, table = Path(path), read_embeddings_table(path)
    where = f"{file}: [embeddings]"
    if not 0 < table.segment_seconds <= MAX_SEGMENT_SECONDS:
        raise DataError(f"{where}: segment_seconds is {table.segment_seconds}; give seconds above 0")
    for key, value, choices in (
        ("lengths", table.lengths, LENGTHS), ("clip", table.clip, POOLS), ("dtype", table.dtype, DTYPES)
    ):  # fmt: skip
        _choice(where, key, value, choices)
    given = {"audio": table.audio, "visual": table.visual}
    modalities = {
        name: _modality(f"{file}: [embeddings.{name}]", name, part, table.segment_seconds)
        for name, part in given.items()
        if part is not None
    }
    if not modalities:
        raise DataError(f"{where} names neither audio nor visual; add [embeddings.audio] or [embeddings.visual]")
    segments = table.segments
    if isinstance(segments, int) and not 1 <= segments <= MAX_SEGMENTS:
        raise DataError(f"{where}: segments is {segments}; give a number from 1 to {MAX_SEGMENTS}")
    ids = IdsPlan() if table.ids is None else _ids(f"{file}: [embeddings.ids]", table.ids)
    whole = [name for name, plan in modalities.items() if not plan.array.where.per_video]
    if whole and ids.listed is None and not all(modalities[name].array.where.is_table for name in whole):
        raise DataError(
            f"{where}: the array of {whole[0]} holds all videos and nothing says which; name the list of their ids in "
            "[embeddings.ids]"
        )
    return EmbeddingsMapping(
        file, modalities, ids, None if table.text is None else _text(f"{file}: [embeddings.text]", table.text),
        table.segment_seconds,
        _where(f"{file}: [embeddings.segments]", segments) if isinstance(segments, SourceTable) else segments,
        table.lengths, table.clip, table.dtype,
    )  # fmt: skip


def _modality(where: str, name: str, table: ModalityTable, segment_seconds: float) -> ModalityPlan:
    for key, value, choices in (
        ("segment_pool", table.segment_pool, POOLS), ("normalise", table.normalise, NORMS),
        ("begins", table.begins, BEGINS),
    ):  # fmt: skip
        _choice(where, key, value, choices)
    if table.per_segment is not None and table.seconds is not None:
        raise DataError(f"{where} has both per_segment and seconds; the rate is one of them")
    if table.per_segment is not None and not 1 <= table.per_segment <= _MOST_ROWS:
        raise DataError(f"{where}: per_segment is {table.per_segment}; give a whole number from 1 to {_MOST_ROWS}")
    if table.seconds is not None and not segment_seconds / _MOST_ROWS <= table.seconds <= MAX_SEGMENT_SECONDS:
        raise DataError(f"{where}: seconds is {table.seconds}; give the seconds from one embedding to the next")
    _scale(where, table.scale)
    if table.begins != "zero" and not any(part in (table.path or "") for part in ("{start}", "{segment}")):
        raise DataError(f"{where}: begins is for several files a video; leave it out, or add {{start}} to path")
    array = replace(_array(where, table, segments=True), begins=table.begins)
    per_segment = 1 if table.per_segment is None and table.seconds is None else table.per_segment
    clip = table.clip
    if clip is not None:
        whole = ClipTable(clip.path or table.path, clip.key, clip.axes, clip.pool)
        clip_plan = replace(_array(f"{where}: clip", whole, segments=False), begins=table.begins)
    return ModalityPlan(
        name, array, per_segment, table.seconds, table.segment_pool, table.normalise, table.scale,
        None if clip is None else clip_plan,
    )  # fmt: skip


def _array(where: str, table: ClipTable, *, segments: bool) -> ArrayPlan:
    """An array, its axes checked; one of segments may have the axis ``segment``, others must be pooled."""
    found = _where(where, table)
    kept = ["video", "segment", "width"] if segments else ["video", "width"]
    if found.per_video or found.is_table:
        kept.remove("video")
    axes = list(kept) if table.axes is None else table.axes
    if not axes or len(set(axes)) != len(axes) or "width" not in axes:
        raise DataError(f"{where}: axes is {shown(axes)}; name each axis once, one of them 'width'")
    if "video" in axes and "video" not in kept:
        raise DataError(f"{where}: axes has 'video', and there is one array a video; leave it out")
    if "video" in kept and axes[0] not in ("video", "segment"):
        raise DataError(
            f"{where}: axes is {shown(axes)}; of an array of all videos the first axis is 'video', or 'segment' where "
            "the segments of all videos follow each other"
        )
    for axis, how in table.pool.items():
        if axis not in axes or axis in kept or axis == "width":
            raise DataError(f"{where}: pool names {axis!r}, which is not one of the other axes of {shown(axes)}")
        if isinstance(how, str):
            _choice(where, f"pool.{axis}", how, POOLS)
    for axis in axes:
        if axis not in kept and axis not in table.pool:
            raise DataError(
                f"{where}: the axis {axis!r} has no place in a store; say what becomes of it, as pool = {{ {axis} = "
                f'"mean" }} (or {", ".join(POOLS[1:])}, or an index)'
            )
    return ArrayPlan(found, tuple(axes), dict(table.pool))


def _where(where: str, table: SourceTable) -> Where:
    path = table.path
    if path is not None:
        if not path.strip() or "\0" in path or path.count("{id}") > 1 or ".." in path.split("/"):
            raise DataError(f"{where}: path is {shown(path)}; give a path in SOURCE, with {{id}} at most once")
        if Path(path).suffix.lower() not in ARRAY_SUFFIXES:
            raise DataError(
                f"{where}: path is {shown(path)}, whose suffix is of no known format; formats are "
                f"{', '.join(ARRAY_SUFFIXES)}"
            )
        spans = [name for name in ("{start}", "{end}", "{segment}", "*") if name in path]
        if spans and "{id}" not in path:
            raise DataError(f"{where}: path is {shown(path)}; {spans[0]} needs {{id}} too, which names the video")
    if table.key is not None and (not table.key or "\0" in table.key):
        raise DataError(f"{where}: key is {shown(table.key)}; give the name of an array in the file, or leave it out")
    return Where(path, table.key)


def _list(where: str, table: ListTable) -> ListPlan:
    if len(table.separator) != 1 or table.separator in '"\r\n\0':
        raise DataError(f"{where}: separator is {shown(table.separator)}; it must be one character")
    if table.path is None or not table.path.strip() or "\0" in table.path:
        raise DataError(f"{where} has no path; give the file of the list, in SOURCE")
    return ListPlan(Where(table.path, table.key), table.column, table.separator)


def _ids(where: str, table: IdsTable) -> IdsPlan:
    listed = None if table.path is None else _list(where, table)
    if listed is None and (table.rows or table.key or table.column):
        raise DataError(f"{where} has no path; give the file of the list, in SOURCE")
    entry = IdEntry(
        ListEntry(), remove_prefix=table.remove_prefix, remove_suffix=table.remove_suffix,
        add_prefix=table.add_prefix, add_suffix=table.add_suffix, rename=table.rename,
    )  # fmt: skip
    return IdsPlan(
        listed,
        None if table.rows is None else _where(f"{where}: rows", table.rows),
        None if table.keep is None else _list(f"{where}: [keep]", table.keep),
        entry,
    )


def _text(where: str, table: TextTable) -> TextPlan:
    _choice(where, "normalise", table.normalise, NORMS)
    _scale(where, table.scale)
    both = table.path is not None
    own = {name: part for name, part in (("audio", table.audio), ("visual", table.visual)) if part is not None}
    if (table.backbone is not None) + both + bool(own) != 1:
        raise DataError(f"{where}: text comes from one of backbone, path, or audio and visual; give one of them")
    if table.backbone is not None and (table.normalise != "none" or table.scale != 1):
        raise DataError(f"{where}: normalise and scale are for text from a file; scale the embeddings instead")
    given: Mapping[str, SourceTable] = dict.fromkeys(MODALITIES, table) if both else own
    return TextPlan(
        table.backbone, table.options, table.labels,
        {name: _where(f"{where}: {name}", SourceTable(part.path, part.key)) for name, part in given.items()},
        table.normalise, table.scale,
    )  # fmt: skip


def _choice(where: str, key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise DataError(f"{where}: {key} is {shown(value)}; it must be one of {', '.join(choices)}")


def _scale(where: str, value: float) -> None:
    if not (math.isfinite(value) and 1 / _MAX_SCALE <= abs(value) <= _MAX_SCALE):
        raise DataError(f"{where}: scale is {value}; give a factor from {1 / _MAX_SCALE:g} to {_MAX_SCALE:g}")
