"""Segments whose label is right: AVE's accuracy. Kernels only."""

from __future__ import annotations

import numpy as np

from .counts import NO_LABEL, label_segments
from .jit import kernel


@kernel
def accuracy_block(
    p_starts, p_label, p_onset, p_offset, p_score, g_starts, g_label, g_onset, g_offset, segments, first_only, correct,
):  # fmt: skip
    """Segments whose label is right, of P settings x N videos: that of the audio-visual event, -1 for none.

    Mirrors :func:`avreplay.core.reference.ave_right_segments`.

    p_starts : (P * N * 3 + 1,) int64, where the predicted events of (setting, video, track) begin
    p_label : (E,) int32, label of each predicted event
    p_onset : (E,) int32, first segment
    p_offset : (E,) int32, end (exclusive)
    p_score : (E,) float64, score, NaN for none
    g_starts : (N * 3 + 1,) int64, the same of the annotated events
    g_label : (G,) int32
    g_onset : (G,) int32
    g_offset : (G,) int32
    segments : (N,) int64, segments of each video
    first_only : bool, only the first event of a video counts
    correct : (P, N) int64, added to
    """
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    predicted = np.empty(longest, np.int64)
    best = np.empty(longest)
    for p in range(correct.shape[0]):
        for v in range(videos):
            row = (p * videos + v) * 3 + 2
            last = p_starts[row + 1]
            if first_only:
                last = min(last, p_starts[row] + 1)
            label_segments(
                p_label, p_onset, p_offset, p_score, p_starts[row], last, segments[v], NO_LABEL, -1, predicted, best
            )
            row = v * 3 + 2
            last = g_starts[row + 1]
            if first_only:
                last = min(last, g_starts[row] + 1)
            for t in range(segments[v]):
                background = True
                right = False
                for i in range(g_starts[row], last):
                    if g_onset[i] <= t < g_offset[i]:
                        background = False
                        right = right or g_label[i] == predicted[t]
                if background:
                    right = predicted[t] == -1
                correct[p, v] += right
