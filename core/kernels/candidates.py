"""Candidates: runs of decisions, short ones dropped and short gaps bridged (paper, below Eq. 8). Kernels only."""

from __future__ import annotations

from .bits import find_bit
from .jit import spliced
from .scratch import ACTIVE


@spliced
def find_candidates(segments, num_active, min_length, max_gap, s):
    """Runs of decisions as candidates in ``s.cand``: short runs dropped, then short gaps bridged (below Eq. 8); returns
    how many there are.

    Labels in the order of their first decision, a label's candidates by start (release order).

    Mirrors :func:`avreplay.core.reference.find_candidates`.

    segments : int, T of the video
    num_active : int, labels decided for, in ``s.ints[ACTIVE]``
    min_length : int, shortest run kept
    max_gap : int, longest gap bridged
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    fired, active, words = s.fired, s.ints[ACTIVE], (segments + 63) // 64
    found = 0
    for a in range(num_active):
        j = active[a]
        first = found
        end = 0
        while True:
            start = find_bit(fired, j * words, end, segments, 1)
            if start == segments:
                break
            end = find_bit(fired, j * words, start, segments, 0)
            if end - start < min_length:
                continue
            if found > first and start - s.cand[2, found - 1] <= max_gap:
                s.cand[2, found - 1] = end
            else:
                s.cand[0, found] = j
                s.cand[1, found] = start
                s.cand[2, found] = end
                found += 1
    return found
