"""The label-shift ratio by the Moore-Penrose inverse (paper Eq. 7), for any labels and segments. Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .jit import inner
from .label_shift import SYSTEM, _row, _update_sums
from .orthogonal import dot, pinv_of_rows


@inner
def pinv_ratio(scores, fired, n, t, active, num_active, rows, num_rows, cutoff, st, pinv_work, out):
    """w = M^+ P_{t+1} (Eq. 7, Moore-Penrose) for the labels decided for so far.

    M' is written as (orthonormal columns) x, x with few rows; the rows of x are then made orthogonal.

    Mirrors :func:`avreplay.core.reference.label_shift_ratio`.

    scores : (T * k,) float64, segment i and label position j at ``i * n + j``
    fired : (T * k,) uint8, decisions, likewise
    n : int, k, how many labels are selected
    t : int, last segment so far
    active : (>= num_active,) int64, positions of the labels decided for so far
    num_active : int, how many these are
    rows : (>= num_rows,) int64, the segments with a decision so far
    num_rows : int, how many these are
    cutoff : float64, singular values up to this share of the largest count as zero
    st : scratch of the track (:class:`ShiftState`)
    pinv_work : (2, q, C) float64, working memory
    out : (>= num_active,) float64, written
    """
    count = t + 1.0
    nxt = _row(scores, t + 1, n)
    x = pinv_work[0]
    direct = num_active <= num_rows
    if direct:
        _update_sums(scores, fired, n, active, num_active, rows, num_rows, st)
        k = num_active
        for a in range(k):
            for j in range(n):
                x[a, j] = st.sums[a, j]
    else:
        # Gram-Schmidt, twice for orthogonality, over the decisions of each segment; repeated ones add no row
        k = 0
        for r in range(num_rows):
            q = pinv_work[1, k]
            norm = 0.0
            for a in range(num_active):
                q[a] = np.float64(fired[rows[r] * n + active[a]])
                norm += q[a] * q[a]
            for _ in range(2):
                for b in range(k):
                    f = dot(q, pinv_work[1, b], num_active)
                    for a in range(num_active):
                        q[a] -= f * pinv_work[1, b, a]
            left = dot(q, q, num_active)
            if left > 1e-18 * norm:
                scale = 1.0 / math.sqrt(left)
                for a in range(num_active):
                    q[a] *= scale
                k += 1
        for b in range(k):
            for j in range(n):
                x[b, j] = 0.0
            for r in range(num_rows):
                f = 0.0
                for a in range(num_active):
                    f += pinv_work[1, b, a] * fired[rows[r] * n + active[a]]
                for j in range(n):
                    x[b, j] += f * scores[rows[r] * n + j]
    pinv_of_rows(x, k, n, nxt, count, cutoff, st.square[SYSTEM], st.rhs, st.part)
    for a in range(num_active):
        out[a] = 0.0
    for b in range(k):
        weight = st.part[b]
        if direct:
            out[b] = weight
        else:
            for a in range(num_active):
                out[a] += weight * pinv_work[1, b, a]
