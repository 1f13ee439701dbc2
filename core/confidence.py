"""The confidence of events, where their decoder gave none: how the segments that they cover score.

It is the mean raw score of the label in the segments of the event, of the audio or visual stream as its track is; in
the audio-visual track of both streams together, and where the scores hold neither, of the fused ones
(``audio_visual_segments``). Scores that are not finite, and those of a stream that the video does not have, do not
count; where none is left the confidence is 0. Raw scores of different labels and encoders have different scales.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import ScoreBundle
from .errors import DataError
from .events import Events
from .kernels.event_means import event_means
from .threads import Pool

EVENTS_A_THREAD = 1 << 14
"""Fewer are done sooner than another thread starts."""


def with_confidence(events: Events, scores: ScoreBundle, threads: int | None = 1) -> Events:
    """The events with a confidence each; those that have one are given back as they are.

    events : P settings of the videos of ``scores``, label indices into its labels
    threads : None for the number of cores; results do not depend on it

    Raises: DataError for a confidence, or seconds, of a decoder that are no finite numbers, or not one of each event.
    """
    _check(events)
    if events.confidence is not None:
        return events
    c = scores.num_labels
    confidence = np.empty(len(events.label))
    audio, visual, fused = (
        np.zeros((0, c), np.float32) if array is None else _plain(array)
        for array in (scores.audio_segments, scores.visual_segments, scores.audio_visual_segments)
    )
    table = [_plain(x) for x in (events.starts, events.label, events.onset, events.offset)]
    has = _plain(scores.has_audio), _plain(scores.has_visual)
    given = _plain(scores.segment_starts), audio, visual, fused, *has, *table, confidence
    parts = max(1, min(threads or os.cpu_count() or 1, len(confidence) // EVENTS_A_THREAD))
    edges = np.searchsorted(events.starts, np.linspace(0, len(confidence), parts + 1)[1:-1].astype(np.int64)).tolist()
    rows = list(pairwise([0, *edges, len(events.starts) - 1]))
    if parts == 1:
        event_means(*rows[0], *given)
    else:
        event_means(0, 0, *given)  # compiled or loaded before any thread starts
        with Pool(parts) as pool:
            list(pool.map(lambda part: event_means(*part, *given), rows))
    return replace(events, confidence=confidence)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """An array as kernels are compiled for it: in one piece, read-only or not alike."""
    return np.ascontiguousarray(array)


def _check(events: Events) -> None:
    for name, shape in (("confidence", (len(events.label),)), ("seconds", (len(events.label), 2))):
        column = getattr(events, name)
        if column is None:
            continue
        if np.shape(column) != shape or not np.isfinite(column).all():
            raise DataError(
                f"a decoder gave events whose {name} is no array {shape} of finite numbers; give one, or None"
            )
