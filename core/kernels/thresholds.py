"""What thresholds and the decisions they make (paper Eq. 6-8) begin and end with. Kernels only."""

from __future__ import annotations

import numpy as np

from .bits import find_bit
from .jit import spliced
from .lanes import word_above
from .scratch import ACTIVE, BAD, LIVE


@spliced
def decisions_stand(track, params, use_cosine):
    """Whether the decisions of the first segment are those of all, so that no threshold needs to be computed.

    With the clip's row at every segment (which the edges of a median filter may change), all labels decided for share
    one column of M: their ratio is not negative, and by methods that move only their thresholds these can only fall.
    Which methods and ratios are so is declared with them (``ONLY_DECIDED`` and ``NEVER_NEGATIVE`` of
    :mod:`avreplay.core.params.av2a`).

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    track : int, 0 audio, 1 visual, 2 audio-visual
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    use_cosine : bool, whether the cosine factor is used in the track
    """
    clip = track == 0 and params.audio_chunk == 0 and params.median == 1
    return clip and params.only_decided and params.never_negative and not use_cosine


@spliced
def first_decisions(scores, n, segments, lanes, moving, params, s):
    """The decisions by tau^0 into ``s.fired``, a bit a segment for each label position, and the labels that have one
    into ``s.ints[LIVE]``; returns how many these are. Nothing where every label's threshold moves.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    scores : (>= n * lanes,) float64, in lanes
    n : int, k, how many labels are selected
    segments : int, T of the video
    lanes : int, T in lanes
    moving : bool, whether thresholds move
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    words, tau0, live = (segments + 63) // 64, params.tau0, s.ints[LIVE]
    num_live = 0
    if params.label_shift or not moving:
        for j in range(n):
            anything = np.uint64(0)
            for w in range(words):
                word = word_above(scores, j * lanes + 64 * w, min(lanes - 64 * w, 64), tau0)
                s.fired[j * words + w] = word
                anything |= word
            live[num_live] = j
            num_live += anything != 0
    return num_live


@spliced
def last_known(segments, moving, params, s):
    """The last segment that can have a decision where thresholds move: a row of NaN (``s.steps[BAD]``) spreads through
    M to every ratio, and from there to every later threshold.

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    segments : int, T of the video
    moving : bool, whether thresholds move
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    last = segments - 1
    if moving and params.label_shift:
        for t in range(segments - 2, -1, -1):
            if s.steps[BAD, t] or s.steps[BAD, t + 1]:
                last = t
    return last


@spliced
def order_active(n, segments, s):
    """The labels with a decision into ``s.ints[ACTIVE]``, in the order of their first, equals in label order; returns
    how many these are.

    Mirrors the order of labels in :func:`avreplay.core.reference.find_candidates`.

    n : int, k, how many labels are selected
    segments : int, T of the video
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    words = (segments + 63) // 64
    active, first = s.ints[ACTIVE], s.ints[LIVE]
    found = 0
    for j in range(n):
        at = find_bit(s.fired, j * words, 0, segments, 1)
        if at == segments:
            continue
        i = found
        while i > 0 and first[i - 1] > at:
            first[i] = first[i - 1]
            active[i] = active[i - 1]
            i -= 1
        first[i] = at
        active[i] = j
        found += 1
    return found
