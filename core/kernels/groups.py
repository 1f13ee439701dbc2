"""Class selection (paper Eq. 5) of many settings at once, and the groups of settings that select the same labels.

Scores of segments and windows depend on the selected labels, not on the thresholds: settings of one kind with the same
labels share them. Each setting's labels are a string of bits; the strings are hashed, and the settings sorted by group
by counting. Kernels only.
"""

from __future__ import annotations

import numpy as np

from .fusion import fuse
from .jit import spliced

_STEP = np.uint64(0x9E3779B97F4A7C15)
GROUP_OF, GROUP_SORTED, GROUP_FIRST, GROUP_SEEN = 0, 1, 2, 3


@spliced
def _select(inputs, video, track, params, bits, at, labels):
    """The labels whose clip score is above tau_f (Eq. 5), as a string of bits.

    Mirrors :func:`avreplay.core.reference.select_labels`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    bits : uint64, flat, written
    at : int, first word
    labels : int, C
    """
    audio = inputs.clip[params.clip_row, video, 0]
    visual = inputs.clip[params.clip_row, video, 1]
    alpha, beta, single, tau_f, every = params.alpha, params.beta, params.single, params.tau_f, not params.select
    for w in range((labels + 63) // 64):
        word = np.uint64(0)
        last = min(labels - 64 * w, 64)
        for i in range(last):
            c = 64 * w + i
            if track == 2:
                hit = fuse(audio[c], visual[c], alpha, beta, single) > tau_f
            elif track == 0:
                hit = audio[c] > tau_f
            else:
                hit = visual[c] > tau_f
            word |= np.uint64(hit or every) << np.uint64(i)
        bits[at + w] = word


@spliced
def group_settings(inputs, records, order, low, high, video, track, labels, s):
    """Group the settings ``order[low:high]`` by the labels they select; returns how many groups there are.

    ``s.group[GROUP_SORTED]`` then holds the settings' places in ``order`` group by group, in the order of the groups'
    first settings, ``s.group[GROUP_FIRST]`` where each group begins.

    Mirrors :func:`avreplay.core.reference.select_labels`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    records : (P,) records of :data:`avreplay.core.params.records.PARAM_DTYPE`
    order : (P,) int64, the settings, one kind after the other
    low : int, first of a kind
    high : int, end of the kind
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    labels : int, C
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    words = (labels + 63) // 64
    group, table = s.group, s.table
    size = 2
    while size < 2 * (high - low):
        size *= 2
    for h in range(size):
        table[h] = -1
    found = 0
    for i in range(low, high):
        at = (i - low) * words
        _select(inputs, video, track, records[order[i]], s.masks, at, labels)
        mixed = np.uint64(0)
        for w in range(words):
            mixed = (mixed ^ s.masks[at + w]) * _STEP
            mixed ^= mixed >> np.uint64(29)
        slot = np.int64(mixed & np.uint64(size - 1))
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = i - low
                group[GROUP_OF, i - low] = found
                group[GROUP_SEEN, found] = 1
                found += 1
                break
            equal = True
            for w in range(words):
                equal = equal and s.masks[other * words + w] == s.masks[at + w]
            if equal:
                group[GROUP_OF, i - low] = group[GROUP_OF, other]
                group[GROUP_SEEN, group[GROUP_OF, other]] += 1
                break
            slot = (slot + 1) & (size - 1)
    begin = 0
    for g in range(found):
        group[GROUP_FIRST, g] = begin
        begin += group[GROUP_SEEN, g]
        group[GROUP_SEEN, g] = group[GROUP_FIRST, g]
    group[GROUP_FIRST, found] = begin
    for i in range(high - low):
        g = group[GROUP_OF, i]
        group[GROUP_SORTED, group[GROUP_SEEN, g]] = low + i
        group[GROUP_SEEN, g] += 1
    return found


@spliced
def chosen_labels(bits, at, labels, chosen):
    """The labels of a string of bits, in label order; returns how many.

    Mirrors :func:`avreplay.core.reference.select_labels`.

    bits : uint64, flat
    at : int, first word
    labels : int, C
    chosen : (C,) int64, written
    """
    n = 0
    for c in range(labels):
        chosen[n] = c
        n += bool((bits[at + (c >> 6)] >> np.uint64(c & 63)) & np.uint64(1))
    return n
