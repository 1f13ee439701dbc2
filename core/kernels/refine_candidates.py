"""Refinement: a candidate is accepted where its score on its own window is above tau_r (paper Eq. 9), or, by the
release's rule for AVE, where its label is the window's arg-max. Kernels only."""

from __future__ import annotations

import math

from .fusion import fuse
from .jit import inlined, spliced
from .windows import AUDIO_VISUAL, VISUAL, window_score


@spliced
def _own_score(inputs, video, track, j, labels, n, norm_labels, num_norm, start, end, segments, group, params, s):
    """A label's score on a window, of the track's modality or fused, and whether all that it needs was cached.

    Mirrors :func:`avreplay.core.reference.window_scores`.

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
    segments : int, T of the video
    group : int, number of the group of settings that select these labels
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    score = 0.0
    cached = True
    for modality in range(2):
        if track == 1 - modality:
            continue
        one, one_cached = window_score(
            inputs, video, modality, j, labels, n, norm_labels, num_norm, start, end, segments, group, params, s
        )
        cached = cached and one_cached
        if track == AUDIO_VISUAL and modality == VISUAL:
            score = fuse(score, one, params.alpha, params.beta, params.single)
        else:
            score = one
    return score, cached


@spliced
def refine_track(
    inputs, video, track, labels, n, norm_labels, num_norm, found, segments, group, params, s, out, position
):
    """Append the accepted candidates of a track to ``out``; returns the new position, -1 when ``out`` is full.
    ``out.window_counts`` counts windows asked for and those that were not cached.

    Mirrors :func:`avreplay.core.reference.refine` and :func:`avreplay.core.reference.is_valid`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    labels : (>= n,) int64, the selected labels
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    found : int, candidates in ``s.cand``
    segments : int, T of the video
    group : int, number of the group of settings that select these labels
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
    best = -1
    best_score = -math.inf
    before = position
    argmax, tau_r = params.argmax, params.tau_r
    for i in range(found):
        j, start, end = s.cand[0, i], s.cand[1, i], s.cand[2, i]
        first, last = (0, n) if argmax else (j, j + 1)
        score, highest, top, cached = math.nan, math.nan, first, True
        for k in range(first, last):
            value, known = _own_score(
                inputs, video, track, k, labels, n, norm_labels, num_norm, start, end, segments, group, params, s
            )
            if k == j:
                score, cached = value, known
            if k == first or value > highest:
                top, highest = k, value
        out.window_counts[0] += 1
        if not cached:
            out.window_counts[1] += 1
        if score > best_score:
            best, best_score = i, score
        # of equals the lowest position is the arg-max
        if (top == j and not math.isnan(highest)) if argmax else score > tau_r:
            emit_event(out, position, labels[j], start, end, score)
            position += 1
    if position == before and best >= 0 and params.keep_best:
        emit_event(out, position, labels[s.cand[0, best]], s.cand[1, best], s.cand[2, best], best_score)
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
