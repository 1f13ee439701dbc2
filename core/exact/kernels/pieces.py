"""The events of every cell of a track by tau_r: pieces between the scores of its candidates. Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...kernels.jit import inlined, inner, kernel
from ...kernels.scores import fuse, remember_moments, score_row, score_value
from ...kernels.windows import find_window, mean_of_segments

AUDIO, VISUAL, AUDIO_VISUAL = 0, 1, 2
WINDOW_SLOTS = 256
CANDIDATE_SLOTS = 4096
LIST_SLOTS = 1024


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
def _pooled(inputs, video, modality, label, start, end):
    """One label's raw score of a window that is not cached; float32.

    Mirrors :func:`avreplay.core.reference.window_rows`.

    inputs : the scores of all videos (:class:`avreplay.core.kernels.replay.ReplayInputs`)
    video : int
    modality : int, 0 audio, 1 visual
    label : int
    start : int, first segment
    end : int, end (exclusive)
    """
    if modality == AUDIO and inputs.audio_segments.shape[0] == 0:
        return inputs.audio_clip[video, label]
    total = 0.0
    for t in range(inputs.first[video] + start, inputs.first[video] + end):
        total += inputs.audio_segments[t, label] if modality == AUDIO else inputs.visual_segments[t, label]
    return np.float32(total / (end - start))


@inner
def _one_modality(inputs, video, modality, label, start, end, segments, norm, num_norm, params, memo):
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
            value = _pooled(inputs, video, modality, label, start, end)
        else:
            value = inputs.window_visual[w, r, label] if modality == VISUAL else inputs.window_audio[w, label]
        total += score_value(value, moments[r], num_norm, params)
    if rows > 1:
        total = total / rows
        if params.single:
            total = np.float64(np.float32(total))
    return total


@inner
def _is_best(inputs, video, track, label, start, end, labels, n, norm, num_norm, params, memo):
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


@inlined
def _same_list(events, at, other, count):
    """Whether two lists of ``count`` events of one track are equal.

    events : (E, 3) int32
    at : int, start of the one
    other : int, start of the other
    count : int
    """
    for i in range(count):
        for k in range(3):
            if events[at + i, k] != events[other + i, k]:
                return False
    return True


@kernel
def pieces_of_track(inputs, track, records, active, cell_first, cell_end, candidates):
    """For every cell of a track, the pieces of tau_r in [0, 1] and the events of each.

    Lists of events are kept once for each video. A piece lasts to the next one's start, which is not in it.

    Mirrors :func:`avreplay.core.exact.reference.pieces`.

    inputs : the scores of all videos (:class:`avreplay.core.kernels.replay.ReplayInputs`)
    track : int, 0 audio, 1 visual, 2 audio-visual
    records : (1,) record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    active : (N, C) bool, selected labels
    cell_first : (N + 1,) int64, first cell of each video
    cell_end : (B + 1,) int64, first candidate of each cell
    candidates : (E, 3) int32, label, onset, offset

    Returns (B + 1,) int64 first piece of each cell; (Q,) float64 start of each piece; (Q,) int64 its list; (L + 1,)
    int64 first event of each list; (E', 3) int32 label, onset, offset; (E',) float64 scores, NaN for none.
    """
    params = records[0]
    videos, num_labels = active.shape
    cells = cell_end.shape[0] - 1
    memo = new_memo(num_labels, inputs.window_visual.shape[1])
    chosen, everything = np.empty(num_labels, np.int64), np.arange(num_labels)
    piece_first = np.zeros(cells + 1, np.int64)
    starts, lists = np.empty(4 * cells + 16), np.empty(4 * cells + 16, np.int64)
    list_first = np.zeros(4 * cells + 16, np.int64)
    chain, scored = np.empty(4 * cells + 16, np.int64), np.empty(4 * cells + 16, np.bool_)
    events, event_score = np.empty((8 * cells + 64, 3), np.int32), np.empty(8 * cells + 64)
    head = np.empty(LIST_SLOTS, np.int64)
    most = 1
    for b in range(cells):
        most = max(most, cell_end[b + 1] - cell_end[b])
    score, ordered, passes = np.empty(most), np.empty(most + 1), np.empty(most, np.bool_)
    pieces = num_lists = used = 0
    for v in range(videos):
        segments = inputs.first[v + 1] - inputs.first[v]
        n = 0
        for c in range(num_labels):
            if active[v, c]:
                chosen[n] = c
                n += 1
        norm, num_norm = chosen, n
        if params.norm == 1 or (params.norm == 0 and n == 1 and params.score_all_if_single):
            norm, num_norm = everything, num_labels
        memo.window_key[:] = -1
        memo.key[:] = -1
        head[:] = -1
        for b in range(cell_first[v], cell_first[v + 1]):
            count = cell_end[b + 1] - cell_end[b]
            checked = count > 0 and params.refine and not (count == 1 and not params.check_lone)
            best, levels = -1, 1
            ordered[0] = 0.0
            for i in range(count):
                label, start, end = candidates[cell_end[b] + i]
                score[i] = math.nan
                if not checked:
                    continue
                key = (start * (segments + 1) + end) * num_labels + label
                slot = key % CANDIDATE_SLOTS
                if memo.key[slot] != key:
                    if track == AUDIO_VISUAL:
                        one = _one_modality(inputs, v, AUDIO, label, start, end, segments, norm, num_norm, params, memo)
                        two = _one_modality(
                            inputs, v, VISUAL, label, start, end, segments, norm, num_norm, params, memo
                        )
                        one = fuse(one, two, params.alpha, params.beta, params.single)
                    else:
                        one = _one_modality(inputs, v, track, label, start, end, segments, norm, num_norm, params, memo)
                    memo.key[slot] = key
                    memo.score[slot] = one
                    memo.best[slot] = params.argmax and _is_best(
                        inputs, v, track, label, start, end, chosen, n, norm, num_norm, params, memo
                    )
                score[i] = memo.score[slot]
                passes[i] = memo.best[slot]
                if score[i] == score[i] and (best < 0 or score[i] > score[best]):
                    best = i
                if not params.argmax and 0.0 < score[i] <= 1.0:
                    at = levels
                    while at > 0 and ordered[at - 1] > score[i]:
                        at -= 1
                    if ordered[at - 1] < score[i]:
                        for k in range(levels, at, -1):
                            ordered[k] = ordered[k - 1]
                        ordered[at] = score[i]
                        levels += 1
            for level in range(levels):
                if used + count > events.shape[0]:
                    wider = np.empty((2 * (used + count), 3), np.int32)
                    wider[:used] = events[:used]
                    events = wider
                    more = np.empty(2 * (used + count))
                    more[:used] = event_score[:used]
                    event_score = more
                size = 0
                mixed = np.int64(17)
                for i in range(count):
                    if checked and not (passes[i] if params.argmax else score[i] > ordered[level]):
                        continue
                    for k in range(3):
                        events[used + size, k] = candidates[cell_end[b] + i, k]
                        mixed = (mixed * 1000003) ^ np.int64(candidates[cell_end[b] + i, k])
                    event_score[used + size] = score[i]
                    size += 1
                if size == 0 and checked and best >= 0 and params.keep_best:
                    for k in range(3):
                        events[used, k] = candidates[cell_end[b] + best, k]
                        mixed = (mixed * 1000003) ^ np.int64(candidates[cell_end[b] + best, k])
                    event_score[used] = score[best]
                    size = 1
                slot = (mixed ^ (mixed >> 21)) & (LIST_SLOTS - 1)
                found = int(head[slot])
                while found >= 0 and not (
                    scored[found] == checked
                    and list_first[found + 1] - list_first[found] == size
                    and _same_list(events, list_first[found], used, size)
                ):
                    found = int(chain[found])
                if found < 0:
                    if num_lists + 2 > list_first.shape[0]:
                        grown = np.zeros(2 * list_first.shape[0], np.int64)
                        grown[: num_lists + 1] = list_first[: num_lists + 1]
                        list_first = grown
                        links = np.empty(2 * chain.shape[0], np.int64)
                        links[:num_lists] = chain[:num_lists]
                        chain = links
                        marks = np.empty(2 * scored.shape[0], np.bool_)
                        marks[:num_lists] = scored[:num_lists]
                        scored = marks
                    found = num_lists
                    chain[found] = head[slot]
                    head[slot] = found
                    scored[found] = checked
                    used += size
                    num_lists += 1
                    list_first[num_lists] = used
                if level > 0 and lists[pieces - 1] == found:
                    continue
                if pieces == starts.shape[0]:
                    longer = np.empty(2 * pieces)
                    longer[:pieces] = starts
                    starts = longer
                    others = np.empty(2 * pieces, np.int64)
                    others[:pieces] = lists
                    lists = others
                starts[pieces] = ordered[level]
                lists[pieces] = found
                pieces += 1
            piece_first[b + 1] = pieces
    return (
        piece_first, starts[:pieces].copy(), lists[:pieces].copy(), list_first[: num_lists + 1].copy(),
        events[:used].copy(), event_score[:used].copy(),
    )  # fmt: skip
