"""The events of every cell of a track by tau_r: pieces between the scores of its candidates. Kernels only."""

from __future__ import annotations

import math

import numpy as np

from ...kernels.fusion import fuse
from ...kernels.jit import inlined, kernel
from .growing import grown
from .windows import AUDIO, AUDIO_VISUAL, CANDIDATE_SLOTS, VISUAL, is_best, new_memo, one_modality

LIST_SLOTS = 1024


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
                        one = one_modality(inputs, v, AUDIO, label, start, end, segments, norm, num_norm, params, memo)
                        two = one_modality(inputs, v, VISUAL, label, start, end, segments, norm, num_norm, params, memo)
                        one = fuse(one, two, params.alpha, params.beta, params.single)
                    else:
                        one = one_modality(inputs, v, track, label, start, end, segments, norm, num_norm, params, memo)
                    memo.key[slot] = key
                    memo.score[slot] = one
                    memo.best[slot] = params.argmax and is_best(
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
                    events = grown(events, used, 2 * (used + count))
                    event_score = grown(event_score, used, 2 * (used + count))
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
                        list_first = grown(list_first, num_lists + 1, 2 * list_first.shape[0])
                        chain = grown(chain, num_lists, 2 * chain.shape[0])
                        scored = grown(scored, num_lists, 2 * scored.shape[0])
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
                    starts, lists = grown(starts, pieces, 2 * pieces), grown(lists, pieces, 2 * pieces)
                starts[pieces] = ordered[level]
                lists[pieces] = found
                pieces += 1
            piece_first[b + 1] = pieces
    return (
        piece_first, starts[:pieces].copy(), lists[:pieces].copy(), list_first[: num_lists + 1].copy(),
        events[:used].copy(), event_score[:used].copy(),
    )  # fmt: skip
