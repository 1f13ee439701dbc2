"""All cells of tau0 of a track: where its decisions change, and the candidates between. Kernels only.

With the decisions so far fixed, a threshold is tau0 times a number g that tau0 does not enter (Eq. 7, 8). A label is
therefore decided for as long as tau0 is below P / g, or for every tau0 where g is not above zero. From the decisions
just above a tau0 the next one that changes any of them is the lowest P / g among the labels decided for.
"""

from __future__ import annotations

import math

import numpy as np

from ...kernels.jit import kernel, spliced
from ...kernels.label_shift import new_shift_state
from .growing import grown
from .ratio import new_patterns, ratio_of_patterns, ratio_of_segments
from .track import decide, inverse_ratio, new_track

SMALLEST = 5e-324
"""The next number after zero: where a score of zero is decided for at every tau0 but zero, a cell starts here."""


@spliced
def _candidates(w, n, segments, chosen, min_length, max_gap):
    """Candidates of the decisions, in ``w.found``; returns how many (below Eq. 8).

    Mirrors :func:`avreplay.core.reference.find_candidates`.

    w : the track (:class:`Track`)
    n : int, k, how many labels are selected
    segments : int, T of the video
    chosen : (>= n,) int64, the selected labels
    min_length : int, shortest run kept
    max_gap : int, longest gap bridged
    """
    count = 0
    for t in range(segments):
        for j in range(n):
            if not (w.fired[t * n + j] and w.times[t * n + j] == 0):
                continue
            first = count
            at = t
            while at < segments:
                if not w.fired[at * n + j]:
                    at += 1
                    continue
                start = at
                while at < segments and w.fired[at * n + j]:
                    at += 1
                if at - start < min_length:
                    continue
                if count > first and start - w.found[2, count - 1] <= max_gap:
                    w.found[2, count - 1] = at
                else:
                    w.found[0, count] = chosen[j]
                    w.found[1, count] = start
                    w.found[2, count] = at
                    count += 1
    return count


@kernel
def enumerate_track(scores, active, first, cosine, track, records, most_patterns, keep_states, pinv_work):
    """Cells of tau0 in [0, 1] of one track of N videos, and the candidates of each, in order.

    Neighbouring cells with equal candidates are one. A cell lasts to the next one's start, which is not in it.

    Mirrors :func:`avreplay.core.exact.reference.cells`.

    scores : (S, C) float64, P; read where the label is selected
    active : (N, C) bool, selected labels
    first : (N + 1,) int64, first segment of each video
    cosine : (S,) float64, or (0,)
    track : int, 0 audio, 1 visual, 2 audio-visual
    records : (1,) record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    most_patterns : int, labels up to which the ridge's system is over patterns
    keep_states : bool, whether the states of all segments are kept; else each cell starts from the first segment
    pinv_work : (2, q, C) float64, working memory of the inverse, (2, 0, 0) where it is not needed

    Returns (N + 1,) int64 first cell of each video; (B,) float64 start of each cell; (B + 1,) int64 its first
    candidate; (E, 3) int32 label, onset, offset of each.
    """
    params = records[0]
    videos, num_labels = active.shape
    longest = 1
    for v in range(videos):
        longest = max(longest, first[v + 1] - first[v])
    w = new_track(longest, num_labels)
    p = new_patterns(longest, num_labels, most_patterns, longest + 1 if keep_states else 2)
    shift = new_shift_state(longest, num_labels)
    for z in range(longest + 1):
        w.decays[z] = math.exp(-params.decay * z)
    chosen = np.empty(num_labels, np.int64)
    cell_first = np.zeros(videos + 1, np.int64)
    starts = np.empty(64 * videos + 64)
    ends = np.zeros(64 * videos + 64, np.int64)
    candidates = np.empty((256 * videos + 256, 3), np.int32)
    cells = used = 0
    use_cosine = params.cosine and (track != 0 or params.cosine_audio)
    # the audio clip's row at every segment: the first decisions are those of all (kernels/replay.py)
    stand = (
        track == 0 and params.audio_chunk == 0 and params.median == 1 and params.only_decided and params.never_negative
    )
    moving = params.moving and not (stand and not use_cosine)
    for v in range(videos):
        segments = first[v + 1] - first[v]
        n = 0
        for c in range(num_labels):
            if active[v, c]:
                chosen[n] = c
                n += 1
        poisoned = segments
        zeros = False
        for t in range(segments):
            for j in range(n):
                x = scores[first[v] + t, chosen[j]]
                w.scores[t * n + j] = x
                zeros = zeros or x == 0.0
                if x != x:
                    poisoned = min(poisoned, t)
            w.factor[t] = 1.0
            if use_cosine:
                factor = cosine[first[v] + t]
                if params.single:
                    factor = np.float64(np.float32(factor))
                if params.cosine_clip:
                    factor = min(max(factor, 0.0), 1.0)
                w.factor[t] = factor
        if params.label_shift and moving and not params.pinv:
            for i in range(segments):
                for k in range(i + 1):
                    total = 0.0
                    for j in range(n):
                        total += w.scores[i * n + j] * w.scores[k * n + j]
                    p.gram[i * segments + k] = total
                    p.gram[k * segments + i] = total
        for j in range(n):
            w.times[j] = 0
            w.unit[j] = 1.0
            p.of_label[j] = 0
        p.size[0] = 0
        at_zero = zeros
        tau0 = 0.0
        start = 0
        previous = used
        while True:
            for t in range(start, segments if n else 0):
                decide(w, n, t, tau0, at_zero)
                here = t * n
                there = here + n
                if t + 1 == segments:
                    break
                if not moving:
                    for j in range(n):
                        w.unit[there + j] = w.unit[here + j]
                    continue
                factor = w.factor[t]
                if not params.label_shift:
                    for j in range(n):
                        w.unit[there + j] = w.unit[here + j] - w.decays[w.times[there + j]] * factor
                    continue
                if t + 1 >= poisoned:
                    # a row of NaN spreads through M to every ratio, and from there to every later threshold
                    for j in range(n):
                        w.unit[there + j] = math.nan
                    continue
                if params.pinv:
                    inverse_ratio(w, n, t, params.pinv_cutoff, shift, pinv_work)
                elif n <= most_patterns:
                    now, after = (t, t + 1) if keep_states else (t % 2, (t + 1) % 2)
                    ratio_of_patterns(p, w.fired, n, t, segments, now, after, params.ridge)
                    for j in range(n):
                        if p.of_label[there + j] > 0:
                            w.ratio[j] = p.weight[p.of_label[there + j]]
                else:
                    ratio_of_segments(p, w.fired, n, t, segments, params.ridge, w.ratio)
                for j in range(n):
                    g = w.unit[here + j]
                    z = w.times[there + j]
                    if z > 0:
                        ratio = w.ratio[j] * w.scores[there + j] if params.times_score else w.ratio[j]
                        g -= w.decays[z] * factor * ratio
                    w.unit[there + j] = g
            count = _candidates(w, n, segments, chosen, params.min_length, params.max_gap) if n else 0
            same = cells > cell_first[v] and used - previous == count
            if same:
                for i in range(count):
                    for k in range(3):
                        same = same and candidates[previous + i, k] == w.found[k, i]
            if not same:
                if cells + 2 > starts.shape[0]:
                    starts = grown(starts, cells, 2 * starts.shape[0])
                    ends = grown(ends, cells + 1, 2 * ends.shape[0])
                if used + count > candidates.shape[0]:
                    candidates = grown(candidates, used, 2 * (used + count))
                previous = used
                for i in range(count):
                    for k in range(3):
                        candidates[used + i, k] = w.found[k, i]
                used += count
                starts[cells] = SMALLEST if tau0 == 0.0 and zeros and not at_zero else tau0
                cells += 1
                ends[cells] = used
            if at_zero:
                at_zero = False
                continue
            tau0 = math.inf
            for t in range(segments if n else 0):
                if w.flips[t] < tau0:
                    tau0 = w.flips[t]
                    start = t
            if not tau0 <= 1.0:
                break
            if not keep_states:
                start = 0
        cell_first[v + 1] = cells
    return cell_first, starts[:cells].copy(), ends[: cells + 1].copy(), candidates[:used].copy()
