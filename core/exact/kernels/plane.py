"""The objective over the plane (tau0, tau_r) as sums of steps, and what is asked of it. Kernels only.

A function that is constant on rectangles is a sum of quadrants: a step of height h at (x, y) counts wherever tau0 >= x
and tau_r >= y. In whole numbers (fixed point) such sums depend on no order.
"""

from __future__ import annotations

import numpy as np

from ...kernels.jit import inlined, kernel

FORBIDDEN = -(1 << 62)
"""Below every sum: marks a piece of tau_r that is too narrow to be chosen."""


@kernel
def steps_of_regions(cell_first, cell_start, piece_first, piece_start, piece_combination, value):
    """The steps of N videos: U positions, each with its video and height.

    Mirrors :func:`avreplay.core.exact.reference.steps`.

    cell_first : (N + 1,) int64, first cell of each video
    cell_start : (B,) float64, tau0 from which on
    piece_first : (B + 1,) int64, first piece of each cell
    piece_start : (Q,) float64, tau_r from which on
    piece_combination : (Q,) int64
    value : (M,) int64, of each combination

    Returns (U,) float64 tau0, (U,) float64 tau_r, (U,) int64 video, (U,) int64 height.
    """
    room = 2 * piece_start.shape[0]
    x, y = np.empty(room), np.empty(room)
    owner, height = np.empty(room, np.int64), np.empty(room, np.int64)
    used = 0
    for v in range(cell_first.shape[0] - 1):
        for b in range(cell_first[v], cell_first[v + 1]):
            p, p_end = piece_first[b], piece_first[b + 1]
            q, q_end = (piece_first[b - 1], p) if b > cell_first[v] else (p, p)
            new = old = 0
            while p < p_end or q < q_end:
                at = 2.0
                if p < p_end:
                    at = piece_start[p]
                if q < q_end:
                    at = min(at, piece_start[q])
                change = 0
                if p < p_end and piece_start[p] == at:
                    now = value[piece_combination[p]]
                    change += now - new
                    new = now
                    p += 1
                if q < q_end and piece_start[q] == at:
                    now = value[piece_combination[q]]
                    change -= now - old
                    old = now
                    q += 1
                if change != 0:
                    x[used] = cell_start[b]
                    y[used] = at
                    owner[used] = v
                    height[used] = change
                    used += 1
    return x[:used].copy(), y[:used].copy(), owner[:used].copy(), height[:used].copy()


@inlined
def _add(total, top, leaf, change):
    """Add to one leaf of the tree: each node holds the sum of its leaves, and the largest sum from its first leaf to
    any of its allowed ones.

    total : (2 * L,) int64
    top : (2 * L,) int64
    leaf : int
    change : int64
    """
    i = leaf + total.shape[0] // 2
    total[i] += change
    top[i] += change
    i >>= 1
    while i > 0:
        total[i] += change
        top[i] = max(top[2 * i], total[2 * i] + top[2 * i + 1])
        i >>= 1


@inlined
def _clear(total, top, allowed):
    """All sums zero.

    total : (2 * L,) int64
    top : (2 * L,) int64
    allowed : (L,) bool, which leaves may be chosen
    """
    leaves = allowed.shape[0]
    for i in range(leaves):
        total[leaves + i] = 0
        top[leaves + i] = 0 if allowed[i] else FORBIDDEN
    for i in range(leaves - 1, 0, -1):
        total[i] = 0
        top[i] = max(top[2 * i], top[2 * i + 1])


@inlined
def _where(total, top):
    """The first leaf whose sum is the largest.

    total : (2 * L,) int64
    top : (2 * L,) int64
    """
    node = 1
    left = top[1]
    while node < total.shape[0] // 2:
        if top[2 * node] == left:
            node = 2 * node
        else:
            left -= total[2 * node]
            node = 2 * node + 1
    return node - total.shape[0] // 2


@kernel
def best_region(x, rank, owner, height, times, allowed, low, high, narrow):
    """The largest sum over the plane and where it is first reached: lowest tau0, then lowest tau_r.

    Sweeps tau0 upwards; a tree over tau_r holds the objective of the present tau0.

    Mirrors :func:`avreplay.core.exact.reference.best_region`.

    x : (U,) float64, tau0 of each step, rising
    rank : (U,) int64, its tau_r by rank
    owner : (U,) int64, its video
    height : (U,) int64
    times : (N,) int64, how often each video counts
    allowed : (L,) bool, L a power of two: which pieces of tau_r are wide enough
    low : float64, first tau0
    high : float64, last tau0
    narrow : float64, cells of tau0 below this width do not count

    Returns the sum, how many steps count there, and the rank of tau_r; -1 where no cell is wide enough.
    """
    total, top = np.empty(2 * allowed.shape[0], np.int64), np.empty(2 * allowed.shape[0], np.int64)
    _clear(total, top, allowed)
    best, at, where = np.int64(FORBIDDEN // 2), -1, -1
    here = low
    i = 0
    while True:
        while i < x.shape[0] and x[i] == here:
            if times[owner[i]]:
                _add(total, top, rank[i], height[i] * times[owner[i]])
            i += 1
        after = x[i] if i < x.shape[0] else high
        if after - here >= narrow and top[1] > best:
            best, at, where = top[1], i, _where(total, top)
        if i == x.shape[0]:
            return best, at, where
        here = after


@kernel
def best_of_each(first, x, rank, height, leaf_first, wide, low, high, narrow, out):
    """The largest sum of every video alone.

    Mirrors :func:`avreplay.core.exact.reference.best_region`.

    first : (N + 1,) int64, first step of each video
    x : (U,) float64, tau0 of each step, rising within a video
    rank : (U,) int64, its tau_r by rank within the video
    height : (U,) int64
    leaf_first : (N + 1,) int64, first tau_r of each video
    wide : (sum of the numbers of tau_r,) bool, which pieces are wide enough
    low : float64, first tau0
    high : float64, last tau0
    narrow : float64, cells of tau0 below this width do not count
    out : (N,) int64, written
    """
    for v in range(out.shape[0]):
        leaves = 1
        while leaves < leaf_first[v + 1] - leaf_first[v]:
            leaves *= 2
        allowed = np.zeros(leaves, np.bool_)
        for k in range(leaf_first[v + 1] - leaf_first[v]):
            allowed[k] = wide[leaf_first[v] + k]
        total, top = np.empty(2 * leaves, np.int64), np.empty(2 * leaves, np.int64)
        _clear(total, top, allowed)
        out[v] = FORBIDDEN // 2
        i = first[v]
        here = low
        while True:
            while i < first[v + 1] and x[i] == here:
                _add(total, top, rank[i], height[i])
                i += 1
            after = x[i] if i < first[v + 1] else high
            if after - here >= narrow:
                out[v] = max(out[v], top[1])
            if i == first[v + 1]:
                break
            here = after


@kernel
def sum_on_grid(row, column, owner, height, times, out):
    """The objective on a grid of settings.

    Mirrors :func:`avreplay.core.exact.reference.surface`.

    row : (U,) int64, first row of the grid that each step counts in, A where none
    column : (U,) int64, first column, B where none
    owner : (U,) int64, its video
    height : (U,) int64
    times : (N,) int64, how often each video counts
    out : (A, B) int64, zeros, written
    """
    rows, columns = out.shape
    for i in range(row.shape[0]):
        if row[i] < rows and column[i] < columns:
            out[row[i], column[i]] += height[i] * times[owner[i]]
    for a in range(rows):
        run = np.int64(0)
        for b in range(columns):
            run += out[a, b]
            out[a, b] = run + (out[a - 1, b] if a else 0)
