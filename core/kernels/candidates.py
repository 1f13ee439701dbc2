"""Candidates: runs of decisions, short ones dropped and short gaps bridged (paper, below Eq. 8). Kernels only."""

from __future__ import annotations

from .jit import spliced
from .scratch import ACTIVE


@spliced
def find_candidates(n, segments, num_active, min_length, max_gap, s):
    """Runs of decisions as candidates in ``s.cand``: short runs dropped, then short gaps bridged (below Eq. 8); returns
    how many there are.

    Labels in the order of their first decision, a label's candidates by start (release order).

    Mirrors :func:`avreplay.core.reference.find_candidates`.

    n : int, k, how many labels are selected
    segments : int, T of the video
    num_active : int, labels decided for, in ``s.ints[ACTIVE]``
    min_length : int, shortest run kept
    max_gap : int, longest gap bridged
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    fired, active = s.fired, s.ints[ACTIVE]
    found = 0
    for a in range(num_active):
        j = active[a]
        first = found
        t = 0
        while t < segments:
            if not fired[t * n + j]:
                t += 1
                continue
            start = t
            while t < segments and fired[t * n + j]:
                t += 1
            if t - start < min_length:
                continue
            if found > first and start - s.cand[2, found - 1] <= max_gap:
                s.cand[2, found - 1] = t
            else:
                s.cand[0, found] = j
                s.cand[1, found] = start
                s.cand[2, found] = t
                found += 1
    return found
