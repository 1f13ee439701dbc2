"""The exact response in plain NumPy, one track of one video at a time: what the kernels of this folder are compared to.

Symbols as in :mod:`avreplay.core.reference`: P scores, Y decisions, z their number so far, tau thresholds. With the
decisions before segment t fixed, tau_t = tau0 g_t, and neither M nor the ratio nor the cosine of Eq. 7 and 8 contains
tau0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..params.av2a import Params
from ..reference import (
    Candidate,
    Event,
    Floats,
    Labels,
    confusion_matrix,
    find_candidates,
    label_shift_ratio,
    refine,
    refined,
    threshold_step,
)


def last_tau0(P: Floats, g: Floats) -> Floats:
    """(k,): the tau0 up to which (exclusive) a label is decided for: P / g; infinite where every tau0 above zero
    decides for it, below zero where none does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(g > 0, P / g, np.where(g < P, math.inf, -1.0))


def decisions(
    P: Floats, cosine: Floats, track: str, params: Params, tau0: float, at_zero: bool = False
) -> tuple[NDArray[np.bool_], Floats]:
    """Y (T, k) just above ``tau0`` (or at zero itself), and how far they stand: (T, k) :func:`last_tau0` of each."""
    T, k = P.shape
    unit = replace(params, tau0=1.0)
    with_cosine = "cosine" in params.method and (track != "audio" or params.cosine_audio)
    g, z = np.ones(k), np.zeros(k, np.int64)
    Y, last = np.zeros((T, k), np.bool_), np.full((T, k), -1.0)
    for t in range(T):
        last[t] = last_tau0(P[t], g)
        with np.errstate(invalid="ignore"):
            Y[t] = (P[t] > 0) & ~np.isnan(g) if at_zero else last[t] > tau0
        z += Y[t]
        if t + 1 < T and params.method != "naive":
            w = None
            if "label_shift" in params.method:
                w = label_shift_ratio(confusion_matrix(P[: t + 1], Y[: t + 1]), P[t + 1], params)
            g = g - threshold_step(z, w, cosine[t] if with_cosine else None, unit)
    return Y, last


def cells(P: Floats, cosine: Floats, track: str, params: Params) -> list[tuple[float, list[Candidate]]]:
    """Where in [0, 1] the candidates change: the start of each cell of tau0, and its candidates.

    A score of zero is decided for under thresholds below zero, at every tau0 but zero itself: the second cell then
    starts at the smallest number there is.
    """
    found: list[tuple[float, list[Candidate]]] = []
    tau0, at_zero = 0.0, bool((P == 0).any())
    zeros = at_zero
    while tau0 <= 1:
        Y, last = decisions(P, cosine, track, params, tau0, at_zero)
        candidates = find_candidates(Y, params)
        if not found or found[-1][1] != candidates:
            found.append((5e-324 if zeros and tau0 == 0 and not at_zero else tau0, candidates))
        if at_zero:
            at_zero = False
        else:
            tau0 = float(np.min(last[Y], initial=math.inf))
    return found


def pieces(
    params: Params, labels: Labels, candidates: list[Candidate], P_windows: list[Floats]
) -> list[tuple[float, list[Event]]]:
    """Where in [0, 1] the events of some candidates change: the start of each piece of tau_r, and its events.

    ``P_windows`` are the scores (k,) of each candidate's window.
    """
    if not refined(params, candidates):
        return [(0.0, [(int(labels[j]), onset, offset, math.nan) for j, onset, offset in candidates])]
    own = sorted({float(P[j]) for (j, _, _), P in zip(candidates, P_windows, strict=True)} - {0.0})
    starts = [0.0, *(s for s in own if s <= 1)] if params.refine_rule == "threshold" else [0.0]
    return [(s, refine(replace(params, tau_r=s), labels, candidates, P_windows)) for s in starts]


Region = list[tuple[float, list[tuple[float, Any]]]]
"""A video over the plane: start of each cell of tau0, in it the start of each piece of tau_r and what is there."""


def value_at(region: Region, tau0: float, tau_r: float) -> Any:
    """What is at one setting: in the last cell that starts at or before tau0, in its last piece before tau_r."""
    inside = [p for start, p in region if start <= tau0][-1]
    return [value for start, value in inside if start <= tau_r][-1]


def joint(regions: Sequence[Region]) -> Region:
    """Several tracks at once: tuples of what each has, wherever any changes."""
    found: Region = []
    for tau0 in sorted({start for region in regions for start, _ in region}):
        cells = [[p for start, p in region if start <= tau0][-1] for region in regions]
        pieces: list[tuple[float, Any]] = []
        for tau_r in sorted({start for cell in cells for start, _ in cell}):
            both = tuple([value for start, value in cell if start <= tau_r][-1] for cell in cells)
            if not pieces or pieces[-1][1] != both:
                pieces.append((tau_r, both))
        found.append((tau0, pieces))
    return found


def steps(region: Region) -> list[tuple[float, float, int]]:
    """A region of whole numbers as quadrants: (tau0, tau_r, height), each counting wherever both are reached."""
    found: list[tuple[float, float, int]] = []
    before: list[tuple[float, int]] = []
    for tau0, pieces_here in region:
        for tau_r in sorted({start for start, _ in (*before, *pieces_here)}):
            change = _jump(pieces_here, tau_r) - _jump(before, tau_r)
            if change:
                found.append((tau0, tau_r, change))
        before = pieces_here
    return found


def _jump(pieces_of: list[tuple[float, int]], at: float) -> int:
    """By how much a function of tau_r, given by its pieces, rises at one point."""
    upto = [0, *(value for start, value in pieces_of if start <= at)]
    below = [0, *(value for start, value in pieces_of if start < at)]
    return upto[-1] - below[-1]


def best_region(regions: Sequence[Region], times: Sequence[int], narrow: float) -> tuple[int, float, float]:
    """The largest sum over [0, 1] x [0, 1] and where the first cell and piece of at least ``narrow`` with it start."""
    edges0 = sorted({0.0, *(s[0] for r in regions for s in steps(r))})
    edges_r = sorted({0.0, *(s[1] for r in regions for s in steps(r))})
    best = None
    for tau0, after0 in pairwise([*edges0, 1.0]):
        for tau_r, after_r in pairwise([*edges_r, 1.0]):
            if after0 - tau0 < narrow or after_r - tau_r < narrow:
                continue
            total = sum(n * value_at(r, tau0, tau_r) for r, n in zip(regions, times, strict=True))
            if best is None or total > best[0]:
                best = total, tau0, tau_r
    if best is None:
        raise ValueError("every region is narrower than asked for")
    return best


def surface(
    regions: Sequence[Region], times: Sequence[int], tau0: Sequence[float], tau_r: Sequence[float]
) -> NDArray[np.int64]:
    """(A, B) the sums on a grid of settings."""
    return np.array(
        [[sum(n * value_at(r, a, b) for r, n in zip(regions, times, strict=True)) for b in tau_r] for a in tau0]
    )
