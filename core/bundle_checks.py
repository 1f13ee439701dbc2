"""Checks of what a score bundle is made of; each refusal names the array, and the video where there is one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

ROUNDING = 1e-5
"""How far outside [0, 1] a probability may lie: attention pooling in float32 gives 1.0000002. It is clipped."""

MAX_SEGMENT_SECONDS = 1e9
"""Seconds of a segment."""

MAX_SEGMENTS = 10_000_000
"""Segments of one video."""

_MAX_EMPTY = 1 << 20
"""Rows or features that an array without values may declare."""

_INT64_MAX = (1 << 63) - 1


def text_value(value: Any, name: str) -> str:
    """A single text: str, UTF-8 bytes, or an array of no axes of one. Raises: DataError."""
    found = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "US" else value
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    if not isinstance(found, str):
        raise DataError(f"{name} is {_described(value)}; expected a text")
    return str(found)


def seconds_value(value: Any) -> float:
    """The length of a segment in seconds. Raises: DataError for what is no positive number."""
    kind = np.asarray(value).dtype.kind if isinstance(value, (int, float, np.generic, np.ndarray)) else ""
    if kind and kind in "fiu" and np.ndim(value) == 0 and 0 < float(value) <= MAX_SEGMENT_SECONDS:
        return float(value)
    most = f"{MAX_SEGMENT_SECONDS:g}"
    raise DataError(f"segment_seconds is {_described(value)}; expected one positive number, at most {most}")


def refuse_duplicates(names: tuple[str, ...], what: str) -> None:
    """Raises: DataError where a name is duplicated."""
    if len(set(names)) != len(names):
        duplicate = next(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"the {what} {duplicate!r} is duplicated; each must be unique")


def counts(values: Any, ids: tuple[str, ...]) -> NDArray[np.int64]:
    """Segments of each video, (N,) int64. Raises: DataError for negative and absurd ones too."""
    found = integers(values, "segments_per_video", (len(ids),))
    bad = np.flatnonzero((found < 0) | (found > MAX_SEGMENTS))
    if len(bad):
        v = int(bad[0])
        word = "a negative count" if found[v] < 0 else "too large a count"
        raise DataError(
            f"segments_per_video has {word}, {found[v]} for {ids[v]!r}; a video has 0 to {MAX_SEGMENTS:,} segments"
        )
    return found


def integers(values: Any, name: str, shape: tuple[int | None, ...]) -> NDArray[np.int64]:
    """Whole numbers as int64. Raises: DataError for another dtype or shape, or numbers beyond int64."""
    array = _array(values, name)
    if array.size and array.dtype.kind not in "iu":
        raise DataError(f"{name} has dtype {array.dtype}; expected integers")
    check_shape(array.shape, name, shape)
    if array.dtype.kind == "u" and array.size and int(array.max()) > _INT64_MAX:
        raise DataError(f"{name} holds {int(array.max())}, which is beyond int64; write it again")
    return np.ascontiguousarray(array, np.int64)


def flags(values: Any, name: str, ids: tuple[str, ...]) -> NDArray[np.bool_]:
    """Truth values, one a video, True where there are none; whole numbers may be 0 or 1. Raises: DataError."""
    if values is None:
        return np.ones(len(ids), np.bool_)
    array = _array(values, name)
    if array.size and array.dtype.kind not in "biu":
        raise DataError(f"{name} has dtype {array.dtype}; expected true and false")
    check_shape(array.shape, name, (len(ids),))
    bad = np.flatnonzero((array != 0) & (array != 1))
    if len(bad):
        raise DataError(f"{name} of video {ids[int(bad[0])]!r} is {array[bad[0]]}; expected true or false (1 or 0)")
    return np.ascontiguousarray(array, np.bool_)


def score_array(values: Any, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32] | None:
    """Numbers as float32; those beyond it become infinite. Raises: DataError for another dtype or shape."""
    if values is None:
        return None
    array = _array(values, name)
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name} has dtype {array.dtype}; expected float32")
    check_shape(array.shape, name, shape)
    free = [n for n, want in zip(array.shape, shape, strict=True) if want is None]
    if 0 in free or (array.size == 0 and max(free, default=1) > _MAX_EMPTY):
        raise DataError(f"{name} has shape {array.shape}; every score needs at least one row or feature")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32)


def cosines(
    values: Any, ids: tuple[str, ...], per_video: NDArray[np.int64], present: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """``visual_cosine`` as (S,) float64. Raises: DataError for another dtype or shape, and for NaN and infinity."""
    if values is None:
        return None
    array = _array(values, "visual_cosine")
    if array.dtype.kind not in "fiu":
        raise DataError(f"visual_cosine has dtype {array.dtype}; expected float64")
    check_shape(array.shape, "visual_cosine", (int(per_video.sum()),))
    found = np.ascontiguousarray(array, np.float64)
    if not np.isfinite(found).all():
        owner = np.repeat(np.arange(len(ids)), per_video)
        bad = np.flatnonzero(~np.isfinite(found) & present[owner])
        if len(bad):
            raise DataError(f"visual_cosine of video {ids[owner[bad[0]]]!r} holds {found[bad[0]]}; it must be finite")
    return found


def check_shape(got: tuple[int, ...], name: str, want: tuple[int | None, ...]) -> None:
    """Raises: DataError where a shape is another; None stands for any size."""
    if len(got) != len(want) or any(w is not None and g != w for g, w in zip(got, want, strict=True)):
        shown = "(" + ", ".join("any" if w is None else str(w) for w in want) + ")"
        raise DataError(f"{name} has shape {tuple(got)}; expected {shown} for these video ids, labels and segments")


def check_windows(
    video: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    ids: tuple[str, ...],
    per_video: NDArray[np.int64],
) -> NDArray[np.int64] | None:
    """The order of windows by video, start and end; None where they are in it.

    Raises: DataError for one outside its video, or twice.
    """
    if len(video) == 0:
        return None
    outside = np.flatnonzero((video < 0) | (video >= len(ids)))
    if len(outside):
        raise DataError(f"window_video points to video {int(video[outside[0]])}, but there are {len(ids)} videos")
    bad = np.flatnonzero((start < 0) | (end <= start) | (end > per_video[video]))
    if len(bad):
        i = int(bad[0])
        v = int(video[i])
        raise DataError(
            f"window [{int(start[i])}, {int(end[i])}) of video {ids[v]!r} does not lie within its "
            f"{int(per_video[v])} segments"
        )
    same, same_start = video[1:] == video[:-1], start[1:] == start[:-1]
    later = (end[1:] > end[:-1]) & same_start | (start[1:] > start[:-1])
    if (later & same | (video[1:] > video[:-1])).all():
        return None
    order = np.lexsort((end, start, video))
    owner, begin, stop = video[order], start[order], end[order]
    duplicates = np.flatnonzero((owner[1:] == owner[:-1]) & (begin[1:] == begin[:-1]) & (stop[1:] == stop[:-1]))
    if len(duplicates):
        i = int(duplicates[0])
        raise DataError(f"window [{begin[i]}, {stop[i]}) of video {ids[owner[i]]!r} is duplicated; keep one")
    return order


def checked_values(
    array: NDArray[np.float32],
    name: str,
    ids: tuple[str, ...],
    owner: NDArray[np.int64],
    present: NDArray[np.bool_],
    bounded: bool,
    given: Any,
    order: NDArray[np.int64] | None,
) -> NDArray[np.float32]:
    """The array, where ``bounded`` with what rounding put outside [0, 1] clipped.

    owner : the video of each row; rows of absent streams are not looked at
    given, order : for the message, the values before they became float32, and which of their rows the array has

    Raises: DataError for NaN, infinity, and where ``bounded`` for values further outside [0, 1].
    """
    if array.size == 0:
        return array
    flat = array.reshape(len(array), -1)
    # min and max over everything first: the usual, clean case then costs two passes and no temporary
    low, high = float(flat.min()), float(flat.max())
    if np.isfinite(low) and np.isfinite(high) and (not bounded or (low >= 0 and high <= 1)):
        return array
    ok = np.isfinite(flat)
    if bounded:
        ok &= (flat >= -ROUNDING) & (flat <= 1 + ROUNDING)
    bad = np.flatnonzero(~ok.all(axis=1) & present[owner])
    if len(bad):
        row = int(bad[0])
        source = row if order is None else int(order[row])
        value = np.asarray(given).reshape(len(array), -1)[source][~ok[row]][0]
        if bounded and np.isfinite(value):
            rule = "probabilities must lie in [0, 1]"
        else:
            rule = "scores must lie within float32" if np.isfinite(value) else "scores must be finite"
        raise DataError(
            f"{name} of video {ids[int(owner[row])]!r} holds {value}; {rule} "
            "(mark a missing stream with has_audio or has_visual)"
        )
    return array.clip(0, 1) if bounded else array


def _array(values: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{name} is no array: its rows differ in length, or hold no numbers") from None


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    text = repr(value.item() if isinstance(value, (np.ndarray, np.generic)) else value)
    return text if len(text) <= 60 else f"{text[:60]}..."
