"""Scores of whole clips, which all settings of a sweep share (paper Eq. 1). Kernels only."""

from __future__ import annotations

import math

from .jit import lean_kernel
from .scores import score_row, score_rows


@lean_kernel
def clip_scores(audio_clip, visual_clip, has_audio, has_visual, norms, out, everything, tmp):
    """Clip scores over all labels, for each way of normalising (Eq. 1).

    They do not depend on alpha or on any threshold, so all settings of a sweep share them.

    Mirrors :func:`avreplay.core.reference.clip_scores`.

    audio_clip : (N, C) float32, raw scores; (0, C) where there are none
    visual_clip : (N, R, C) float32, likewise
    has_audio : (N,) bool
    has_visual : (N,) bool
    norms : (Q,) records, one for each way of normalising
    out : (Q, N, 2, C) float64, written: audio, then visual; NaN without a stream
    everything : (C,) int64, the labels, 0 to C - 1
    tmp : (C,) float64, working memory
    """
    videos, num_labels = out.shape[1], out.shape[3]
    for q in range(out.shape[0]):
        params = norms[q]
        for v in range(videos):
            for c in range(num_labels):
                out[q, v, 0, c] = math.nan
                out[q, v, 1, c] = math.nan
            if has_audio[v] and audio_clip.shape[0]:
                score_row(audio_clip[v], everything, num_labels, everything, num_labels, out[q, v, 0], params)
            if has_visual[v] and visual_clip.shape[0]:
                score_rows(visual_clip[v], everything, num_labels, everything, num_labels, out[q, v, 1], tmp, params)
