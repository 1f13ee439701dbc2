"""Scores of the window of a candidate, cached or made of its segments (paper Eq. 9). Kernels only.

Candidates of many settings, and of many labels, have the same windows. A window's moments are kept, and the scores of
its labels as they are asked for, for as long as settings with the same labels are decided for: what is looked up again
costs nothing more. A slot says for which group of settings it holds, so that none ever needs to be cleared.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, inner, spliced
from .scores import remember_moments, score_value

AUDIO, VISUAL, AUDIO_VISUAL = 0, 1, 2
WINDOW, ROW, GROUP = 0, 1, 2


@inlined
def find_window(inputs, video, start, end):
    """Row of the window [start, end) of a video in the window arrays, -1 when it is not cached.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    start : int, first segment of the window
    end : int, its end (exclusive)
    """
    low = inputs.window_first[video]
    high = inputs.window_first[video + 1]
    # where it stands if every window of the video is cached
    segments = inputs.first[video + 1] - inputs.first[video]
    guess = low + start * segments - start * (start - 1) // 2 + end - start - 1
    if guess < high and inputs.window_start[guess] == start and inputs.window_end[guess] == end:
        return guess
    while low < high:
        mid = (low + high) // 2
        s = inputs.window_start[mid]
        if s < start or (s == start and inputs.window_end[mid] < end):
            low = mid + 1
        else:
            high = mid
    if low < inputs.window_first[video + 1] and inputs.window_start[low] == start and inputs.window_end[low] == end:
        return low
    return -1


@inner
def mean_of_segments(rows, first, start, end, norm_labels, num_norm, out):
    """Raw scores of a window that is not cached: the mean of its segments' raw scores, for some labels.

    That is the score of the mean-pooled segment embeddings, up to a factor common to the row.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    rows : (S, C) float32, raw scores of segments
    first : int, row of the video's first segment
    start : int, first segment of the window
    end : int, its end (exclusive)
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    out : (C,) float32, written at these labels
    """
    for i in range(num_norm):
        c = norm_labels[i]
        total = 0.0
        for t in range(first + start, first + end):
            total += rows[t, c]
        out[c] = np.float32(total / (end - start))


@spliced
def window_score(inputs, video, modality, j, labels, n, norm_labels, num_norm, start, end, segments, group, params, s):
    """One label's score on its window (Eq. 9), and whether the window was cached; the same numbers as
    :func:`avreplay.core.kernels.scores.score_rows` gives.

    Mirrors :func:`avreplay.core.reference.window_scores`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    j : int, position of the label among the selected ones
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    start : int, first segment of the window
    end : int, its end (exclusive)
    segments : int, T of the video
    group : int, number of the group of settings that select these labels
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    key = start * (segments + 1) + end
    slot = key % s.memo_key.shape[0]
    if s.memo_key[slot, modality, GROUP] != group or s.memo_key[slot, modality, WINDOW] != key:
        s.memo_key[slot, modality, WINDOW] = key
        s.memo_key[slot, modality, GROUP] = group
        _remember_window(inputs, video, modality, n, norm_labels, num_norm, start, end, params, s, slot)
    w = s.memo_key[slot, modality, ROW]
    score = s.memo_score[slot, modality, j]
    if score != score:
        score = _label_score(inputs, video, modality, labels[j], num_norm, start, end, params, s, slot)
        s.memo_score[slot, modality, j] = score
    return score, w >= 0


@spliced
def _label_score(inputs, video, modality, label, num_norm, start, end, params, s, slot):
    """One label's score on the window of a slot: R operations, not R * C, as the moments are kept.

    Mirrors :func:`avreplay.core.reference.mean_scores`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    label : int, index of the label
    num_norm : int, how many labels the z-score is taken over
    start : int, first segment of the window
    end : int, its end (exclusive)
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    slot : int, its slot
    """
    visual = modality == VISUAL
    w = s.memo_key[slot, modality, ROW]
    rows = inputs.window_visual.shape[1] if visual and w >= 0 else 1
    kept = s.memo[slot, modality]
    total = 0.0
    for r in range(rows):
        if w >= 0:
            value = inputs.window_visual[w, r, label] if visual else inputs.window_audio[w, label]
        else:
            value = pooled_value(inputs, video, modality, label, start, end)
        total += score_value(value, kept[r], num_norm, params)
    if rows > 1:
        total = total / rows
        if params.single:
            total = np.float64(np.float32(total))
    return total


@spliced
def _remember_window(inputs, video, modality, n, norm_labels, num_norm, start, end, params, s, slot):
    """Keep the row and the moments of a window in a slot of the memo.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    start : int, first segment of the window
    end : int, its end (exclusive)
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    slot : int, its slot
    """
    visual = modality == VISUAL
    windows = inputs.window_visual.shape[0] if visual else inputs.window_audio.shape[0]
    w = find_window(inputs, video, start, end) if windows else -1
    s.memo_key[slot, modality, ROW] = w
    for j in range(n):
        s.memo_score[slot, modality, j] = math.nan
    if params.norm >= 2 or num_norm < 2:
        return
    for r in range(inputs.window_visual.shape[1] if visual and w >= 0 else 1):
        if w >= 0:
            row = inputs.window_visual[w, r] if visual else inputs.window_audio[w]
        else:
            _pool_row(inputs, video, modality, norm_labels, num_norm, start, end, s)
            row = s.raw[modality, 0]
        remember_moments(row, norm_labels, num_norm, params, s.memo[slot, modality, r])


@inner
def _pool_row(inputs, video, modality, norm_labels, num_norm, start, end, s):
    """Raw scores of a window that is not cached into ``s.raw``, at some labels: the mean of its segments', else the
    clip's.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    start : int, first segment of the window
    end : int, its end (exclusive)
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    row = s.raw[modality, 0]
    if modality == VISUAL:
        mean_of_segments(inputs.visual_segments, inputs.first[video], start, end, norm_labels, num_norm, row)
    elif inputs.audio_segments.shape[0]:
        mean_of_segments(inputs.audio_segments, inputs.first[video], start, end, norm_labels, num_norm, row)
    else:
        for i in range(num_norm):
            row[norm_labels[i]] = inputs.audio_clip[video, norm_labels[i]]


@inner
def pooled_value(inputs, video, modality, label, start, end):
    """What :func:`mean_of_segments` gives, for one label; float32.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    label : int, index of the label
    start : int, first segment of the window
    end : int, its end (exclusive)
    """
    if modality == AUDIO and inputs.audio_segments.shape[0] == 0:
        return inputs.audio_clip[video, label]
    first = inputs.first[video]
    total = 0.0
    for t in range(first + start, first + end):
        total += inputs.audio_segments[t, label] if modality == AUDIO else inputs.visual_segments[t, label]
    return np.float32(total / (end - start))
