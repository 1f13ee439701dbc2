"""Working memory of the replay kernel: made once per block of pairs, reused for every video. Kernels only.

Rows of few arrays, named by the constants below: an array costs seven arguments in every call it is passed to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .jit import inner
from .label_shift import ShiftState, new_shift_state

TAU, RATIO, ROW_A, ROW_B, ROW_TMP = 0, 1, 2, 3, 4
COUNT, ACTIVE, CHOSEN, EVERYTHING, SHARED = 0, 1, 2, 3, 4
ROWS, BAD, TIMELINE = 0, 1, 2
MEMO_SLOTS = 128  # enough for every window of ten segments


class Scratch(NamedTuple):
    scores: np.ndarray  # (T * C,) float64: (T, k) of the current track, densely
    fired: np.ndarray  # (T * C,) uint8, likewise
    floats: np.ndarray  # (5, C) float64, rows TAU ... ROW_TMP
    ints: np.ndarray  # (5, C) int64, rows COUNT ... SHARED
    steps: np.ndarray  # (3, T) int64: segments with a decision, segments of NaN, late fusion's timeline
    decays: np.ndarray  # (T + 1,) exp(-decay * z)
    cand: np.ndarray  # (3, most) int32: label position, start, end of each candidate
    raw: np.ndarray  # (2, 1, C) float32: pooled raw scores of a window, audio and visual
    # windows refined so far, by modality: (slots, 2, 2) int64 the window and its row in the window arrays,
    # (slots, 2, R, 3) what remember_moments keeps of each of its rows
    memo_key: np.ndarray
    memo: np.ndarray
    shift: ShiftState


@inner
def new_scratch(segments, labels, rows):
    """Working memory for the longest video.

    segments : int, its T
    labels : int, C
    rows : int, R of a visual window
    """
    # a candidate takes at least one segment and a gap after it
    most = labels * ((segments + 2) // 2)
    ints = np.empty((5, labels), np.int64)
    for c in range(labels):
        ints[EVERYTHING, c] = c
    return Scratch(
        np.empty(segments * labels),
        np.empty(segments * labels, np.uint8),
        np.empty((5, labels)),
        ints,
        np.empty((3, segments), np.int64),
        np.empty(segments + 1),
        np.empty((3, most), np.int32),
        np.empty((2, 1, labels), np.float32),
        np.empty((MEMO_SLOTS, 2, 2), np.int64),
        np.empty((MEMO_SLOTS, 2, rows, 3)),
        new_shift_state(segments, labels),
    )
