"""Refinement: each candidate is scored on its own window (paper Eq. 9 and tau_r). Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .jit import inlined, inner, spliced
from .scores import fuse, fuse_row, remember_moments, score_rows, score_value
from .scratch import ROW_A, ROW_B, ROW_TMP, SHARED, TIMELINE

AUDIO, VISUAL, AUDIO_VISUAL = 0, 1, 2


@inlined
def find_window(inp, video, start, end):  # type: ignore[no-untyped-def]
    """Row of the window [start, end) of a video in the window arrays, -1 when it is not cached."""
    low = inp.window_first[video]
    high = inp.window_first[video + 1]
    # where it stands if every window of the video is cached
    segments = inp.first[video + 1] - inp.first[video]
    guess = low + start * segments - start * (start - 1) // 2 + end - start - 1
    if guess < high and inp.window_start[guess] == start and inp.window_end[guess] == end:
        return guess
    while low < high:
        mid = (low + high) // 2
        s = inp.window_start[mid]
        if s < start or (s == start and inp.window_end[mid] < end):
            low = mid + 1
        else:
            high = mid
    if low < inp.window_first[video + 1] and inp.window_start[low] == start and inp.window_end[low] == end:
        return low
    return -1


@inner
def mean_of_segments(rows, first, start, end, over, m, out):  # type: ignore[no-untyped-def]
    """Raw score of a window that is not cached: the mean of its segments' raw scores.

    That is the score of the mean-pooled segment embeddings, up to a factor common to the row.
    """
    for i in range(m):
        c = over[i]
        total = 0.0
        for t in range(first + start, first + end):
            total += rows[t, c]
        out[c] = np.float32(total / (end - start))


@inner
def _visual_window(inp, video, start, end, over, m, s):  # type: ignore[no-untyped-def]
    w = find_window(inp, video, start, end) if inp.window_visual.shape[0] else -1
    if w >= 0:
        return inp.window_visual[w], True
    mean_of_segments(inp.visual_segments, inp.first[video], start, end, over, m, s.raw[1, 0])
    return s.raw[1], False


@inner
def _audio_window(inp, video, start, end, over, m, s):  # type: ignore[no-untyped-def]
    w = find_window(inp, video, start, end) if inp.window_audio.shape[0] else -1
    if w >= 0:
        return inp.window_audio[w : w + 1], True
    if inp.audio_segments.shape[0]:
        mean_of_segments(inp.audio_segments, inp.first[video], start, end, over, m, s.raw[0, 0])
    else:
        for i in range(m):
            s.raw[0, 0, over[i]] = inp.audio_clip[video, over[i]]
    return s.raw[0], False


@inner
def _is_best(inp, video, track, j, labels, n, over, m, start, end, prm, s):  # type: ignore[no-untyped-def]
    """Whether label position ``j`` is the arg-max of the window's scores, the lowest position winning ties."""
    row = s.real[ROW_A]
    if track != VISUAL:
        raw, _ = _audio_window(inp, video, start, end, over, m, s)
        score_rows(raw, labels, n, over, m, s.real[ROW_A], s.real[ROW_TMP], prm)
    if track != AUDIO:
        raw, _ = _visual_window(inp, video, start, end, over, m, s)
        score_rows(raw, labels, n, over, m, s.real[ROW_B], s.real[ROW_TMP], prm)
        row = s.real[ROW_B]
    if track == AUDIO_VISUAL:
        fuse_row(s.real[ROW_A], s.real[ROW_B], s.real[ROW_B], n, prm)
    best = 0
    for k in range(1, n):
        if row[k] > row[best]:
            best = k
    return best == j and not math.isnan(row[best])


@inlined
def _window_score(inp, video, modality, label, over, m, start, end, segments, prm, s):  # type: ignore[no-untyped-def]
    """One label's score on its window; NaN-safe, the same numbers as :func:`score_rows`; and whether it was cached.

    A window's row and its moments are kept, as labels share windows: a candidate then costs R operations, not R * C.
    """
    visual = modality == VISUAL
    key = start * (segments + 1) + end
    slot = key % s.memo_key.shape[0]
    if s.memo_key[slot, modality, 0] != key:
        _remember_window(inp, video, modality, over, m, start, end, prm, s, key, slot)
    w = s.memo_key[slot, modality, 1]
    rows = inp.window_visual.shape[1] if visual and w >= 0 else 1
    kept = s.memo[slot, modality]
    total = 0.0
    for r in range(rows):
        if w >= 0:
            value = inp.window_visual[w, r, label] if visual else inp.window_audio[w, label]
        else:
            value = _pooled_value(inp, video, modality, label, start, end)
        total += score_value(value, kept[r], m, prm)
    if rows > 1:
        total = total / rows
        if prm.single:
            total = np.float64(np.float32(total))
    return total, w >= 0


@inner
def _remember_window(inp, video, modality, over, m, start, end, prm, s, key, slot):  # type: ignore[no-untyped-def]
    visual = modality == VISUAL
    windows = inp.window_visual.shape[0] if visual else inp.window_audio.shape[0]
    w = find_window(inp, video, start, end) if windows else -1
    s.memo_key[slot, modality, 0] = key
    s.memo_key[slot, modality, 1] = w
    if prm.norm >= 2 or m < 2:
        return
    raw = s.raw[modality]
    if w < 0:
        raw, _ = (
            _visual_window(inp, video, start, end, over, m, s)
            if visual
            else _audio_window(inp, video, start, end, over, m, s)
        )
    for r in range(inp.window_visual.shape[1] if visual and w >= 0 else 1):
        row = raw[0] if w < 0 else (inp.window_visual[w, r] if visual else inp.window_audio[w])
        remember_moments(row, over, m, prm, s.memo[slot, modality, r])


@inner
def _pooled_value(inp, video, modality, label, start, end):  # type: ignore[no-untyped-def]
    """What :func:`mean_of_segments` gives, for one label."""
    if modality == AUDIO and inp.audio_segments.shape[0] == 0:
        return inp.audio_clip[video, label]
    first = inp.first[video]
    total = 0.0
    for t in range(first + start, first + end):
        total += inp.audio_segments[t, label] if modality == AUDIO else inp.visual_segments[t, label]
    return np.float32(total / (end - start))


@spliced
def refine_track(inp, video, track, labels, n, over, m, found, segments, prm, s, out, position):  # type: ignore[no-untyped-def]
    """Append the accepted candidates of a track to ``out`` at ``position``; returns the new position, -1 when
    ``out`` is full. ``out.tally`` counts windows asked for and those that were not cached."""
    if position + found > out.label.shape[0]:
        return -1
    if not prm.refine or (found == 1 and not prm.check_lone):
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
            one, there = _window_score(inp, video, modality, label, over, m, start, end, segments, prm, s)
            cached = cached and there
            if track == AUDIO_VISUAL and modality == VISUAL:
                score = fuse(score, one, prm.alpha, prm.beta, prm.single)
            else:
                score = one
        out.tally[0] += 1
        if not cached:
            out.tally[1] += 1
        if score > best_score:
            best, best_score = i, score
        if prm.argmax:
            accepted = _is_best(inp, video, track, j, labels, n, over, m, start, end, prm, s)
        else:
            accepted = score > prm.tau_r
        if accepted:
            _emit(out, position, label, start, end, score)
            position += 1
    if position == before and best >= 0 and prm.keep_best:
        label = labels[s.cand[0, best]]
        _emit(out, position, label, s.cand[1, best], s.cand[2, best], best_score)
        position += 1
    return position


@inlined
def _emit(out, position, label, start, end, score):  # type: ignore[no-untyped-def]
    out.label[position] = label
    out.onset[position] = start
    out.offset[position] = end
    out.score[position] = score


@spliced
def late_fusion(out, audio_from, visual_from, visual_to, segments, rank, s):  # type: ignore[no-untyped-def]
    """Audio-visual events where the final audio and visual events of a label overlap, appended after them.

    One-segment events are allowed; labels by ``rank``, the alphabetical order of their lower-case names (release).
    """
    position = visual_to
    shared = 0
    for i in range(visual_from, visual_to):
        label = out.label[i]
        known = False
        for k in range(shared):
            known = known or s.whole[SHARED, k] == label
        if known:
            continue
        for k in range(audio_from, visual_from):
            if out.label[k] == label:
                at = shared
                while at > 0 and rank[s.whole[SHARED, at - 1]] > rank[label]:
                    s.whole[SHARED, at] = s.whole[SHARED, at - 1]
                    at -= 1
                s.whole[SHARED, at] = label
                shared += 1
                break
    for k in range(shared):
        label = s.whole[SHARED, k]
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
