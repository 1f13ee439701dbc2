"""Refinement: a candidate is accepted where its score on its own window is above tau_r (paper Eq. 9), or, by the
release's rule for AVE, where its label is the window's arg-max. Kernels only."""

from __future__ import annotations

import math

from .jit import inlined, inner, spliced
from .scores import fuse, fuse_row, score_rows
from .scratch import ROW_A, ROW_B, ROW_TMP
from .windows import AUDIO, AUDIO_VISUAL, VISUAL, audio_window, visual_window, window_score


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
        raw, _ = audio_window(inputs, video, start, end, norm_labels, num_norm, s)
        score_rows(raw, labels, n, norm_labels, num_norm, s.floats[ROW_A], s.floats[ROW_TMP], params)
    if track != AUDIO:
        raw, _ = visual_window(inputs, video, start, end, norm_labels, num_norm, s)
        score_rows(raw, labels, n, norm_labels, num_norm, s.floats[ROW_B], s.floats[ROW_TMP], params)
        row = s.floats[ROW_B]
    if track == AUDIO_VISUAL:
        fuse_row(s.floats[ROW_A], s.floats[ROW_B], s.floats[ROW_B], n, params)
    best = 0
    for k in range(1, n):
        if row[k] > row[best]:
            best = k
    return best == j and not math.isnan(row[best])


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
            emit_event(out, position, labels[s.cand[0, i]], s.cand[1, i], s.cand[2, i], math.nan)
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
            one, one_cached = window_score(
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
            emit_event(out, position, label, start, end, score)
            position += 1
    if position == before and best >= 0 and params.keep_best:
        label = labels[s.cand[0, best]]
        emit_event(out, position, label, s.cand[1, best], s.cand[2, best], best_score)
        position += 1
    return position


@inlined
def emit_event(out, position, label, start, end, score):
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
