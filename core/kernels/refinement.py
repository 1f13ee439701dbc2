"""Refinement: each candidate is scored on its own window (paper Eq. 9 and tau_r). Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, inner, spliced
from .scores import fuse, fuse_row, remember_moments, score_rows, score_value
from .scratch import ROW_A, ROW_B, ROW_TMP, SHARED, TIMELINE

AUDIO, VISUAL, AUDIO_VISUAL = 0, 1, 2


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


@inner
def _visual_window(inputs, video, start, end, norm_labels, num_norm, s):
    """Raw visual scores (R, C) of a window, and whether it was cached.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    start : int, first segment of the window
    end : int, its end (exclusive)
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    w = find_window(inputs, video, start, end) if inputs.window_visual.shape[0] else -1
    if w >= 0:
        return inputs.window_visual[w], True
    mean_of_segments(inputs.visual_segments, inputs.first[video], start, end, norm_labels, num_norm, s.raw[1, 0])
    return s.raw[1], False


@inner
def _audio_window(inputs, video, start, end, norm_labels, num_norm, s):
    """Raw audio scores (1, C) of a window, and whether it was cached.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    start : int, first segment of the window
    end : int, its end (exclusive)
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    w = find_window(inputs, video, start, end) if inputs.window_audio.shape[0] else -1
    if w >= 0:
        return inputs.window_audio[w : w + 1], True
    if inputs.audio_segments.shape[0]:
        mean_of_segments(inputs.audio_segments, inputs.first[video], start, end, norm_labels, num_norm, s.raw[0, 0])
    else:
        for i in range(num_norm):
            s.raw[0, 0, norm_labels[i]] = inputs.audio_clip[video, norm_labels[i]]
    return s.raw[0], False


@inner
def _is_best(inputs, video, track, j, labels, n, norm_labels, num_norm, start, end, params, s):
    """Whether label position ``j`` is the arg-max of the window's scores, the lowest position winning ties.

    Mirrors :func:`avreplay.core.reference.is_valid`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    j : int, position of the label among the selected ones
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    start : int, first segment of the window
    end : int, its end (exclusive)
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    row = s.floats[ROW_A]
    if track != VISUAL:
        raw, _ = _audio_window(inputs, video, start, end, norm_labels, num_norm, s)
        score_rows(raw, labels, n, norm_labels, num_norm, s.floats[ROW_A], s.floats[ROW_TMP], params)
    if track != AUDIO:
        raw, _ = _visual_window(inputs, video, start, end, norm_labels, num_norm, s)
        score_rows(raw, labels, n, norm_labels, num_norm, s.floats[ROW_B], s.floats[ROW_TMP], params)
        row = s.floats[ROW_B]
    if track == AUDIO_VISUAL:
        fuse_row(s.floats[ROW_A], s.floats[ROW_B], s.floats[ROW_B], n, params)
    best = 0
    for k in range(1, n):
        if row[k] > row[best]:
            best = k
    return best == j and not math.isnan(row[best])


@inlined
def _window_score(inputs, video, modality, label, norm_labels, num_norm, start, end, segments, params, s):
    """One label's score on its window (Eq. 9), and whether the window was cached; NaN-safe, the same numbers as
    :func:`score_rows`.

    A window's row and its moments are kept, as labels share windows: a candidate then costs R operations, not R * C.

    Mirrors :func:`avreplay.core.reference.window_scores`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    label : int, index of the label
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    start : int, first segment of the window
    end : int, its end (exclusive)
    segments : int, T of the video
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    visual = modality == VISUAL
    key = start * (segments + 1) + end
    slot = key % s.memo_key.shape[0]
    if s.memo_key[slot, modality, 0] != key:
        _remember_window(inputs, video, modality, norm_labels, num_norm, start, end, params, s, key, slot)
    w = s.memo_key[slot, modality, 1]
    rows = inputs.window_visual.shape[1] if visual and w >= 0 else 1
    kept = s.memo[slot, modality]
    total = 0.0
    for r in range(rows):
        if w >= 0:
            value = inputs.window_visual[w, r, label] if visual else inputs.window_audio[w, label]
        else:
            value = _pooled_value(inputs, video, modality, label, start, end)
        total += score_value(value, kept[r], num_norm, params)
    if rows > 1:
        total = total / rows
        if params.single:
            total = np.float64(np.float32(total))
    return total, w >= 0


@inner
def _remember_window(inputs, video, modality, norm_labels, num_norm, start, end, params, s, key, slot):
    """Keep the row and the moments of a window in a slot of the memo.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    modality : int, 0 audio, 1 visual
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    start : int, first segment of the window
    end : int, its end (exclusive)
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    key : int, number of the window
    slot : int, its slot
    """
    visual = modality == VISUAL
    windows = inputs.window_visual.shape[0] if visual else inputs.window_audio.shape[0]
    w = find_window(inputs, video, start, end) if windows else -1
    s.memo_key[slot, modality, 0] = key
    s.memo_key[slot, modality, 1] = w
    if params.norm >= 2 or num_norm < 2:
        return
    raw = s.raw[modality]
    if w < 0:
        raw, _ = (
            _visual_window(inputs, video, start, end, norm_labels, num_norm, s)
            if visual
            else _audio_window(inputs, video, start, end, norm_labels, num_norm, s)
        )
    for r in range(inputs.window_visual.shape[1] if visual and w >= 0 else 1):
        row = raw[0] if w < 0 else (inputs.window_visual[w, r] if visual else inputs.window_audio[w])
        remember_moments(row, norm_labels, num_norm, params, s.memo[slot, modality, r])


@inner
def _pooled_value(inputs, video, modality, label, start, end):
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


@spliced
def refine_track(inputs, video, track, labels, n, norm_labels, num_norm, found, segments, params, s, out, position):
    """Append the accepted candidates of a track to ``out``; returns the new position, -1 when ``out`` is full.
    ``out.window_counts`` counts windows asked for and those that were not cached.

    Mirrors :func:`avreplay.core.reference.refine`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    found : int, candidates in ``s.cand``
    segments : int, T of the video
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    out : where events go (:class:`ReplayOutput`)
    position : int, events written so far
    """
    if position + found > out.label.shape[0]:
        return -1
    if not params.refine or (found == 1 and not params.check_lone):
        for i in range(found):
            _emit(out, position, labels[s.cand[0, i]], s.cand[1, i], s.cand[2, i], math.nan)
            position += 1
        return position
    for slot in range(s.memo_key.shape[0] if found else 0):
        s.memo_key[slot, 0, 0] = -1
        s.memo_key[slot, 1, 0] = -1
    best = -1
    best_score = -math.inf
    before = position
    for i in range(found):
        j = s.cand[0, i]
        label = labels[j]
        start, end = s.cand[1, i], s.cand[2, i]
        score = 0.0
        cached = True
        for modality in range(2):
            if track == 1 - modality:
                continue
            one, one_cached = _window_score(
                inputs, video, modality, label, norm_labels, num_norm, start, end, segments, params, s
            )
            cached = cached and one_cached
            if track == AUDIO_VISUAL and modality == VISUAL:
                score = fuse(score, one, params.alpha, params.beta, params.single)
            else:
                score = one
        out.window_counts[0] += 1
        if not cached:
            out.window_counts[1] += 1
        if score > best_score:
            best, best_score = i, score
        if params.argmax:
            accepted = _is_best(inputs, video, track, j, labels, n, norm_labels, num_norm, start, end, params, s)
        else:
            accepted = score > params.tau_r
        if accepted:
            _emit(out, position, label, start, end, score)
            position += 1
    if position == before and best >= 0 and params.keep_best:
        label = labels[s.cand[0, best]]
        _emit(out, position, label, s.cand[1, best], s.cand[2, best], best_score)
        position += 1
    return position


@inlined
def _emit(out, position, label, start, end, score):
    """Write one event.

    out : where events go (:class:`ReplayOutput`)
    position : int, where
    label : int, index of the label
    start : int, onset
    end : int, offset (exclusive)
    score : float64, NaN for none
    """
    out.label[position] = label
    out.onset[position] = start
    out.offset[position] = end
    out.score[position] = score


@spliced
def late_fusion(out, audio_from, visual_from, visual_to, segments, rank, s):
    """Audio-visual events where the final audio and visual events of a label overlap, appended after them; returns the
    new position, -1 when ``out`` is full.

    One-segment events are allowed; labels come by rank (release).

    Mirrors :func:`avreplay.core.reference.late_fusion`.

    out : where events go (:class:`ReplayOutput`)
    audio_from : int, first audio event
    visual_from : int, first visual event
    visual_to : int, end of the visual events
    segments : int, T of the video
    rank : (C,) int64, alphabetical rank of each label's lower-case name
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    position = visual_to
    shared = 0
    for i in range(visual_from, visual_to):
        label = out.label[i]
        known = False
        for k in range(shared):
            known = known or s.ints[SHARED, k] == label
        if known:
            continue
        for k in range(audio_from, visual_from):
            if out.label[k] == label:
                at = shared
                while at > 0 and rank[s.ints[SHARED, at - 1]] > rank[label]:
                    s.ints[SHARED, at] = s.ints[SHARED, at - 1]
                    at -= 1
                s.ints[SHARED, at] = label
                shared += 1
                break
    for k in range(shared):
        label = s.ints[SHARED, k]
        for t in range(segments):
            s.steps[TIMELINE, t] = 0
        for i in range(audio_from, visual_to):
            if out.label[i] == label:
                bit = 1 if i < visual_from else 2
                for t in range(out.onset[i], out.offset[i]):
                    s.steps[TIMELINE, t] |= bit
        t = 0
        while t < segments:
            start = t
            while t < segments and s.steps[TIMELINE, t] == 3:
                t += 1
            if t > start:
                if position == out.label.shape[0]:
                    return -1
                _emit(out, position, label, start, t, math.nan)
                position += 1
            else:
                t += 1
    return position
