"""The rows of a Parquet file of predictions as a table of events, checked a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex
from .event_seconds import finer, within
from .parquet_part import CONFIDENCE, SECONDS_KEY

TEXTS = ("video_id", "track", "label")
"""Columns of text, which are read as they mostly lie there: the names once, and which of them is in each row."""

_NUMBERS = ("onset", "offset")
SECONDS = ("onset_seconds", "offset_seconds")
_OPTIONAL = ("score", CONFIDENCE, *SECONDS)
_MEND = "write the file again, or correct it there"


def event_table(
    opened: Any, where: str, index: LabelIndex, ids: Sequence[str], segments: NDArray[np.int64],
    segment_seconds: float | NDArray[np.float64],
) -> Events:  # fmt: skip
    """The events of an open file: those of a track in the order of their rows, whatever lies between them.

    ``opened`` has the columns of :func:`check_columns`.

    Raises: DataError naming column and row.
    """
    columns = _columns(opened, where)
    number = {name: i for i, name in enumerate(ids)}
    video = _codes(
        columns["video_id"], f"{where}, video_id", lambda name: number.get(name, -1),
        lambda name, row: f"{where}, row {row}: the video {shown(name)} is not in the list of {len(ids)} videos",
    )  # fmt: skip
    tracks = {name: k for k, name in enumerate(TRACKS)}
    track = _codes(
        columns["track"], f"{where}, track", lambda name: tracks.get(name, -1),
        lambda name, row: f"{where}, row {row}: there is no track {shown(name)}; tracks are {', '.join(TRACKS)}",
    )  # fmt: skip
    label = _labels(columns["label"], where, index)
    onset, offset = (_whole(columns[name], f"{where}, {name}") for name in _NUMBERS)
    bad = np.flatnonzero((onset < 0) | (offset <= onset) | (offset > segments[video]))
    if len(bad):
        i = int(bad[0])
        raise DataError(
            f"{where}, row {i}: the event [{onset[i]}, {offset[i]}) does not lie within the {segments[video[i]]} "
            f"segments of {shown(ids[video[i]])}; correct onset and offset"
        )
    score = np.full(len(video), np.nan) if columns["score"] is None else _scores(columns["score"], f"{where}, score")
    confidence = None
    if columns[CONFIDENCE] is not None:
        confidence = _numbers(columns[CONFIDENCE], f"{where}, {CONFIDENCE}")
    length = np.broadcast_to(np.asarray(segment_seconds, np.float64), (len(ids),))[video]
    own = SECONDS_KEY.encode() in (opened.metadata.metadata or {})
    seconds = _finer_seconds(columns, where, onset, offset, segments[video], length, own)
    place = video * 3 + track
    rows: slice | NDArray[np.int64] = slice(None)
    if len(place) and (np.diff(place) < 0).any():
        rows = np.argsort(place, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=3 * len(ids)))]).astype(np.int64)
    return Events(
        1, len(ids), starts, label[rows].astype(np.int32), onset[rows].astype(np.int32), offset[rows].astype(np.int32),
        score[rows], None if confidence is None else confidence[rows], None if seconds is None else seconds[rows],
    )  # fmt: skip


def _finer_seconds(
    columns: Mapping[str, Any],
    where: str,
    onset: NDArray[np.int64],
    offset: NDArray[np.int64],
    segments: NDArray[np.int64],
    length: NDArray[np.float64],
    own: bool,
) -> NDArray[np.float64] | None:
    """Onset and offset (E, 2) in seconds, where the file says that they are the decoder's own, or some of them are not
    those of whole segments.

    Raises: DataError for times that are no numbers, or do not lie within their video.
    """
    if any(columns[name] is None for name in SECONDS):
        return None
    start, end = (_numbers(columns[name], f"{where}, {name}") for name in SECONDS)
    if not own and not (finer(start, onset, length) | finer(end, offset, length)).any():
        return None
    seconds = np.stack([start, end], axis=1)
    bad = np.flatnonzero(~within(seconds, segments * length, length))
    if len(bad):
        i = int(bad[0])
        raise DataError(
            f"{where}, row {i}: the event from {start[i]:g} s to {end[i]:g} s does not lie within the "
            f"{segments[i] * length[i]:g} s of its video; correct onset_seconds and offset_seconds"
        )
    return seconds


def check_columns(opened: Any, where: str) -> None:
    """Raises: DataError for a column that is not there, there twice, or of another type."""
    from pyarrow import types

    schema = opened.schema_arrow
    for name in (*TEXTS, *_NUMBERS, *_OPTIONAL):
        count = schema.names.count(name)
        if count == 0 and name in _OPTIONAL:
            continue
        if count != 1:
            has = "no" if count == 0 else f"{count} columns named"
            column = f"column {name!r}" if count == 0 else repr(name)
            raise DataError(
                f"{where} has {has} {column} (its columns are {', '.join(map(shown, schema.names[:8]))}); {_MEND}"
            )
        kind = schema.field(name).type
        plain = kind.value_type if types.is_dictionary(kind) else kind
        if name in TEXTS:
            good, takes = _is_text(plain), "text"
        elif name in _NUMBERS:
            good, takes = types.is_integer(plain), "whole numbers"
        else:
            good, takes = types.is_floating(plain) or types.is_integer(plain) or types.is_decimal(plain), "numbers"
        empty = types.is_null(plain) and (name == "score" or opened.metadata.num_rows == 0)
        if not good and not empty:
            raise DataError(f"{where}: the column {name!r} is of type {shown(str(kind))[1:-1]}; it must hold {takes}")


def _columns(opened: Any, where: str) -> dict[str, Any]:
    """The columns by name, None where one that may be missing is; the others are let be."""
    every = (*TEXTS, *_NUMBERS, *_OPTIONAL)
    wanted = [name for name in every if name in opened.schema_arrow.names]
    try:
        table = opened.read(columns=wanted)
        table.validate(full=True)
        return {name: table.column(name) if name in wanted else None for name in every}
    except Exception as error:  # pyarrow raises many kinds
        raise damaged(where, error) from None


def damaged(where: str, error: Exception) -> DataError:
    return DataError(f"{where} is damaged ({reason(error)}); write it again")


def reason(error: Exception) -> str:
    """What pyarrow says, in one line; of a damaged file it may quote what is not printed."""
    text = (" ".join(str(error).split()) or type(error).__name__)[:200]
    return text if text.isprintable() else repr(text)[1:-1]


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    views = getattr(types, "is_string_view", None)
    return types.is_string(kind) or types.is_large_string(kind) or bool(views and views(kind))


def _refuse_nulls(column: Any, where: str) -> None:
    if column.null_count:
        row = int(
            np.flatnonzero(np.concatenate([c.is_null().to_numpy(zero_copy_only=False) for c in column.chunks]))[0]
        )
        raise DataError(f"{where}: row {row} has none; every event needs one")


def _chunks(column: Any, where: str) -> list[tuple[NDArray[np.int64], list[str | None]]]:
    """Of each chunk of a column of text: which of its names stands in each row."""
    import pyarrow

    found = []
    try:
        _refuse_nulls(column, where)
        for chunk in column.chunks:
            if not pyarrow.types.is_dictionary(chunk.type):
                if not pyarrow.types.is_string(chunk.type):
                    chunk = chunk.cast(pyarrow.large_string())
                chunk = chunk.dictionary_encode()
            rows = _values(chunk.indices).astype(np.int64)
            found.append((rows, chunk.dictionary.to_pylist()))
    except DataError:
        raise
    except Exception as error:  # text that is no Unicode, and whatever pyarrow raises
        raise damaged(where, error) from None
    return found


def _codes(
    column: Any, where: str, code: Callable[[str], int], refusal: Callable[[str, int], str]
) -> NDArray[np.int64]:
    """The number of each name in a column of text; ``refusal`` gives the sentence for a name and row without one."""
    parts, at = [], 0
    for rows, names in _chunks(column, where):
        codes = np.array([-1 if name is None else code(name) for name in names], np.int64)
        part = codes[rows]
        bad = np.flatnonzero(part < 0)
        if len(bad):
            name = names[int(rows[bad[0]])]
            if name is None:
                raise DataError(f"{where}: row {at + int(bad[0])} has none; every event needs one")
            raise DataError(refusal(name, at + int(bad[0])))
        parts.append(part)
        at += len(rows)
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _labels(column: Any, where: str, index: LabelIndex) -> NDArray[np.int64]:
    def refusal(name: str, row: int) -> str:
        try:
            index.find(name, f"{where}, row {row}")
        except DataError as error:
            return str(error)
        raise AssertionError(name)

    return _codes(column, f"{where}, label", lambda name: index.mapping([name])[0], refusal)


def _whole(column: Any, where: str) -> NDArray[np.int64]:
    _refuse_nulls(column, where)
    found = [_values(chunk) for chunk in column.chunks if len(chunk)]
    for part in found:
        if part.max() > np.iinfo(np.int64).max:
            raise DataError(f"{where}: {part.max()} is too large; correct it")
    return np.concatenate([np.zeros(0, np.int64), *(part.astype(np.int64) for part in found)])


def _numbers(column: Any, where: str) -> NDArray[np.float64]:
    """Numbers of which each is there. Raises: DataError naming the row of one that is not, or is not finite."""
    _refuse_nulls(column, where)
    found = _scores(column, where)
    bad = np.flatnonzero(np.isnan(found))
    if len(bad):
        raise DataError(f"{where}: row {int(bad[0])} is no number; every event needs one")
    return found


def _scores(column: Any, where: str) -> NDArray[np.float64]:
    """Scores, NaN where there is none."""
    from pyarrow import types

    found = [np.zeros(0)]
    for chunk in column.chunks:
        if types.is_floating(chunk.type) or types.is_integer(chunk.type):
            part = _values(chunk).astype(np.float64)
            part[_nulls(chunk)] = np.nan
        else:  # decimals, and a column of nulls
            part = np.array([np.nan if value is None else float(value) for value in chunk.to_pylist()], np.float64)
        found.append(part)
    score = np.concatenate(found)
    if np.isinf(score).any():
        raise DataError(f"{where}: row {int(np.flatnonzero(np.isinf(score))[0])} is infinite; give finite numbers")
    return score


_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


def _values(chunk: Any) -> NDArray[Any]:
    """The numbers of an array of numbers, any where there is none; pyarrow's own way imports pandas where it is
    installed, which takes longer than to read a large file."""
    kind = str(chunk.type)
    end = chunk.offset + len(chunk)
    return np.frombuffer(chunk.buffers()[1] or b"", _FLOATS.get(kind, kind), end if len(chunk) else 0)[chunk.offset :]


def _nulls(chunk: Any) -> NDArray[np.bool_]:
    """Where an array has no value."""
    bits = chunk.buffers()[0]
    if bits is None or not chunk.null_count:
        return np.zeros(len(chunk), np.bool_)
    valid = np.unpackbits(np.frombuffer(bits, np.uint8), count=chunk.offset + len(chunk), bitorder="little")
    nulls: NDArray[np.bool_] = valid[chunk.offset :] == 0
    return nulls
