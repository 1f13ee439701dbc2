"""Working memory of the replay kernel: made once per block of videos, reused for every video. Kernels only.

Rows of few arrays, named by the constants below: an array costs seven arguments in every call it is passed to.

Scores of a track stand in lanes (:mod:`avreplay.core.kernels.lanes`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .class_ratio import ClassState, new_class_state
from .label_shift import ShiftState, new_shift_state
from .vectors import LANES, aligned
from .word_ratio import WordState, new_word_state

TAU, RATIO, ROW_A = 0, 1, 2
COUNT, ACTIVE, CHOSEN, EVERYTHING, SHARED, LIVE = 0, 1, 2, 3, 4, 5
ROWS, BAD, TIMELINE, FLAT = 0, 1, 2, 3
DECAYS = 64  # how many powers of the decay are kept for each setting


class Scratch(NamedTuple):
    """T of the longest video, L its lanes, C labels, P settings, W words of T bits, V words of C bits."""

    audio: np.ndarray  # (C * L,) float64: scores of the settings of a group, by modality
    visual: np.ndarray  # (C * L,) float64
    fused: np.ndarray  # (C * L,) float64: of one setting
    fired: np.ndarray  # (C * W,) uint64: decisions, a bit a segment
    floats: np.ndarray  # (3, C) float64, rows TAU, RATIO, ROW_A
    ints: np.ndarray  # (6, C) int64, rows COUNT ... LIVE
    # (4, T) int64: segments with a decision, segments of NaN, late fusion's timeline, segments without a z-score
    steps: np.ndarray
    decays: np.ndarray  # (P, min(T, DECAYS) + 1) exp(-decay * z)
    cand: np.ndarray  # (3, most) int32: label position, start, end of each candidate
    raw: np.ndarray  # (2, 1, C) float32: pooled raw scores of a window, audio and visual
    # windows refined so far, by modality: (slots, 2, 3) int64 the window, its row in the window arrays and the group
    # of settings it was scored for; (slots, 2, R, 3) what remember_moments keeps of each of its rows; (slots, 2, C)
    # scores of its labels, NaN where not known
    memo_key: np.ndarray
    memo: np.ndarray
    memo_score: np.ndarray
    masks: np.ndarray  # (P * V,) uint64: the labels that each setting selects
    table: np.ndarray  # (4 P + 2,) int64: hash table of these
    group: np.ndarray  # (4, P + 1) int64, rows as avreplay.core.kernels.groups names them
    words: WordState
    classes: ClassState


class EveryScratch(NamedTuple):
    """What only thresholds that are followed for every label need; T of the longest video, C labels."""

    scores: np.ndarray  # (T * C,) float64, by segment
    fired: np.ndarray  # (T * C,) uint8, decisions, likewise
    shift: ShiftState


class FilterScratch(NamedTuple):
    """What only the median filter and hysteresis need; T of the longest video, L its lanes, C labels."""

    scores: np.ndarray  # (C * L,) float64, filtered, in lanes
    column: np.ndarray  # (2, T) float64: a label's scores, and the same filtered
    window: np.ndarray  # (longest median,) float64, in order
    tau: np.ndarray  # (1, T, C) float64, thresholds of a setting


def new_filter_scratch(segments: int, labels: int, longest: int) -> FilterScratch:
    """Working memory of :mod:`avreplay.core.kernels.filtered_thresholds`.

    segments : T of the longest video; labels : C; longest : window of a median filter
    """
    lanes = -(-segments // LANES) * LANES
    return FilterScratch(
        aligned(labels * lanes), np.empty((2, segments)), np.empty(longest), np.empty((1, segments, labels))
    )


def new_every_scratch(segments: int, labels: int) -> EveryScratch:
    """Working memory of :func:`avreplay.core.kernels.every_label.follow_every_label`.

    segments : T of the longest video; labels : C
    """
    shift = getattr(new_shift_state, "py_func", new_shift_state)(segments, labels)
    return EveryScratch(np.empty(segments * labels), np.empty(segments * labels, np.uint8), shift)


def new_scratch(segments: int, labels: int, rows: int, settings: int) -> Scratch:
    """Working memory for the longest video; made outside the kernel, which then counts no references to arrays.

    segments : its T; labels : C; rows : R of a visual window; settings : P
    """
    # a candidate takes at least one segment and a gap after it
    most = labels * ((segments + 2) // 2)
    ints = np.empty((6, labels), np.int64)
    ints[EVERYTHING] = np.arange(labels)
    lanes = -(-segments // LANES) * LANES
    # every window of ten segments has a slot of its own; of longer videos as many as stay in the cache
    slots = 128
    while slots < segments * (segments + 2) and slots * labels < 16384:
        slots *= 2
    return Scratch(
        audio=aligned(labels * lanes),
        visual=aligned(labels * lanes),
        fused=aligned(labels * lanes),
        fired=np.empty(labels * ((segments + 63) // 64), np.uint64),
        floats=np.empty((3, labels)),
        ints=ints,
        steps=np.empty((4, segments), np.int64),
        decays=np.empty((settings, min(segments, DECAYS) + 1)),
        cand=np.empty((3, most), np.int32),
        raw=np.empty((2, 1, labels), np.float32),
        memo_key=np.full((slots, 2, 3), -1, np.int64),
        memo=np.empty((slots, 2, rows, 3)),
        memo_score=np.empty((slots, 2, labels)),
        masks=np.empty(settings * ((labels + 63) // 64), np.uint64),
        table=np.empty(4 * settings + 2, np.int64),
        group=np.empty((4, settings + 1), np.int64),
        words=new_word_state(segments),
        classes=new_class_state(segments, labels),
    )
