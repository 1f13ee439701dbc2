"""The candidates that a trace carries: their arrays by name, checked, and as events of a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle_checks import check_shape
from ...core.decoders.base import Candidates
from ...core.errors import DataError
from ...core.events import TRACKS, Events

CANDIDATES = tuple(f"candidates_{part}" for part in ("starts", "label", "onset", "offset", "score", "kept"))
"""Where those of each video and track begin, and what each is, as :class:`avreplay.core.events.Events` has it; which
became events."""

_KINDS = dict(zip(CANDIDATES, ("i", "i", "i", "i", "f", "b"), strict=True))


def check_candidates(arrays: Mapping[str, NDArray[Any]], videos: int, labels: int) -> None:
    """Raises: DataError for candidates that are not those of some videos and labels; none at all are fine."""
    if not arrays:
        return
    for name, kind in _KINDS.items():
        if arrays[name].dtype.kind != kind or arrays[name].ndim != 1:
            raise DataError(f"{name} is {arrays[name].dtype} of {arrays[name].ndim} axes; expected a list of numbers")
    starts = arrays["candidates_starts"]
    check_shape(starts.shape, "candidates_starts", (3 * videos + 1,))
    count = int(starts[-1])
    for name in CANDIDATES[1:]:
        check_shape(arrays[name].shape, name, (count,))
    label, onset, offset = (arrays[f"candidates_{part}"] for part in ("label", "onset", "offset"))
    rising = starts[0] == 0 and bool((np.diff(starts) >= 0).all())
    if not rising or bool(((label < 0) | (label >= labels) | (onset < 0) | (offset <= onset)).any()):
        raise DataError("the candidates have no order, or lie outside of the labels and segments")


def candidates_of(arrays: Mapping[str, Any]) -> Candidates | None:
    """The candidates of a trace; None where it has none."""
    if CANDIDATES[0] not in arrays:
        return None
    starts, label, onset, offset, score, kept = (np.asarray(arrays[name]) for name in CANDIDATES)
    events = Events(
        1, (len(starts) - 1) // len(TRACKS), starts.astype(np.int64), label.astype(np.int32), onset.astype(np.int32),
        offset.astype(np.int32), score.astype(np.float64),
    )  # fmt: skip
    return Candidates(events, kept.astype(np.bool_))


def aligned_candidates(
    found: Candidates, videos: Sequence[int], labels: Sequence[int], segments: NDArray[np.int64]
) -> Candidates:
    """Candidates with the videos, labels and segments of the annotations.

    videos : for each annotated video the trace's, -1 where it has none
    labels : for each label of the trace the annotations', -1 where they have none
    segments : (N,) of the annotated videos
    """
    events = found.events
    # one more video without candidates stands for those that the trace lacks; the score carries the row
    none = np.repeat(events.starts[-1:], len(TRACKS))
    numbered = replace(
        events,
        num_videos=events.num_videos + 1,
        starts=np.concatenate([events.starts, none]),
        score=np.arange(len(events.label), dtype=np.float64),
    )
    chosen = numbered.select([v if v >= 0 else events.num_videos for v in videos])
    named = replace(chosen, label=np.asarray([*labels, -1], np.int32)[chosen.label])
    cut = named.where(named.label >= 0).cut(segments)
    rows = cut.score.astype(np.int64)
    return Candidates(replace(cut, score=events.score[rows]), found.kept[rows])
