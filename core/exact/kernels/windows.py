"""Scores of candidates on their own windows (paper Eq. 9), with what was scored before kept. Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...kernels.fusion import fuse
from ...kernels.jit import inner
from ...kernels.scores import remember_moments, score_row, score_value
from ...kernels.windows import find_window, mean_of_segments, pooled_value

AUDIO, VISUAL, AUDIO_VISUAL = 0, 1, 2
WINDOW_SLOTS = 256
CANDIDATE_SLOTS = 4096


class Memo(NamedTuple):
    """Windows and candidates of a track that were scored before; a slot holds the last one that fell into it."""

    window_key: np.ndarray  # (2, slots) int64, by modality
    window_row: np.ndarray  # (2, slots) int64, row in the window arrays, -1 where it is not cached
    moments: np.ndarray  # (2, slots, R, 3) float64, what remember_moments keeps
    key: np.ndarray  # (slots,) int64
    score: np.ndarray  # (slots,) float64
    best: np.ndarray  # (slots,) bool, whether the label is the arg-max of its window
    rows: np.ndarray  # (3, C) float64
    raw: np.ndarray  # (C,) float32


@inner
def new_memo(labels, rows):
    """Working memory.

    labels : int, C
    rows : int, R of a visual window
    """
    return Memo(
        np.empty((2, WINDOW_SLOTS), np.int64),
        np.empty((2, WINDOW_SLOTS), np.int64),
        np.empty((2, WINDOW_SLOTS, rows, 3)),
        np.empty(CANDIDATE_SLOTS, np.int64),
        np.empty(CANDIDATE_SLOTS),
        np.empty(CANDIDATE_SLOTS, np.bool_),
        np.empty((3, labels)),
        np.empty(labels, np.float32),
    )


@inner
def _raw_row(inputs, video, modality, w, r, start, end, norm, num_norm, memo):
    """Raw scores (C,) of one row of a window: cached, or pooled of its segments (``w`` is -1).

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`avreplay.core.kernels.replay.ReplayInputs`)
    video : int
    modality : int, 0 audio, 1 visual
    w : int, row in the window arrays
    r : int, row of the window
    start : int, first segment
    end : int, end (exclusive)
    norm : (>= num_norm,) int64, labels that the z-score is taken over
    num_norm : int
    memo : working memory (:class:`Memo`)
    """
    if w >= 0:
        return inputs.window_visual[w, r] if modality == VISUAL else inputs.window_audio[w]
    if modality == VISUAL:
        mean_of_segments(inputs.visual_segments, inputs.first[video], start, end, norm, num_norm, memo.raw)
    elif inputs.audio_segments.shape[0]:
        mean_of_segments(inputs.audio_segments, inputs.first[video], start, end, norm, num_norm, memo.raw)
    else:
        return inputs.audio_clip[video]
    return memo.raw


@inner
def one_modality(inputs, video, modality, label, start, end, segments, norm, num_norm, params, memo):
    """One label's score on its window in one modality (Eq. 9).

    Mirrors :func:`avreplay.core.reference.window_scores`.

    inputs : the scores of all videos (:class:`avreplay.core.kernels.replay.ReplayInputs`)
    video : int
    modality : int, 0 audio, 1 visual
    label : int
    start : int, first segment
    end : int, end (exclusive)
    segments : int, T of the video
    norm : (>= num_norm,) int64, labels that the z-score is taken over
    num_norm : int
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    memo : working memory (:class:`Memo`)
    """
    key = start * (segments + 1) + end
    slot = key % WINDOW_SLOTS
    moments = memo.moments[modality, slot]
    if memo.window_key[modality, slot] != key:
        there = inputs.window_visual.shape[0] if modality == VISUAL else inputs.window_audio.shape[0]
        w = find_window(inputs, video, start, end) if there else -1
        memo.window_key[modality, slot] = key
        memo.window_row[modality, slot] = w
        if params.norm < 2 and num_norm > 1:
            for r in range(moments.shape[0] if modality == VISUAL and w >= 0 else 1):
                row = _raw_row(inputs, video, modality, w, r, start, end, norm, num_norm, memo)
                remember_moments(row, norm, num_norm, params, moments[r])
    w = memo.window_row[modality, slot]
    rows = moments.shape[0] if modality == VISUAL and w >= 0 else 1
    total = 0.0
    for r in range(rows):
        if w < 0:
            value = pooled_value(inputs, video, modality, label, start, end)
        else:
            value = inputs.window_visual[w, r, label] if modality == VISUAL else inputs.window_audio[w, label]
        total += score_value(value, moments[r], num_norm, params)
    if rows > 1:
        total = total / rows
        if params.single:
            total = np.float64(np.float32(total))
    return total


@inner
def is_best(inputs, video, track, label, start, end, labels, n, norm, num_norm, params, memo):
    """Whether a label is the arg-max of its window's scores, the lowest position winning ties.

    Mirrors :func:`avreplay.core.reference.is_valid`.

    inputs : the scores of all videos (:class:`avreplay.core.kernels.replay.ReplayInputs`)
    video : int
    track : int, 0 audio, 1 visual, 2 audio-visual
    label : int
    start : int, first segment
    end : int, end (exclusive)
    labels : (>= n,) int64, the selected labels
    n : int
    norm : (>= num_norm,) int64, labels that the z-score is taken over
    num_norm : int
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    memo : working memory (:class:`Memo`)
    """
    for modality in range(2):
        if track == 1 - modality:
            continue
        there = inputs.window_visual.shape[0] if modality == VISUAL else inputs.window_audio.shape[0]
        w = find_window(inputs, video, start, end) if there else -1
        rows = inputs.window_visual.shape[1] if modality == VISUAL and w >= 0 else 1
        out = memo.rows[modality]
        for r in range(rows):
            row = _raw_row(inputs, video, modality, w, r, start, end, norm, num_norm, memo)
            score_row(row, labels, n, norm, num_norm, memo.rows[2] if r else out, params)
            for j in range(n if r else 0):
                out[j] += memo.rows[2, j]
        for j in range(n if rows > 1 else 0):
            mean = out[j] / rows
            out[j] = np.float64(np.float32(mean)) if params.single else mean
    row = memo.rows[VISUAL if track == VISUAL else AUDIO]
    if track == AUDIO_VISUAL:
        for j in range(n):
            row[j] = fuse(row[j], memo.rows[VISUAL, j], params.alpha, params.beta, params.single)
    best = 0
    for k in range(1, n):
        if row[k] > row[best]:
            best = k
    return labels[best] == label and not math.isnan(row[best])
