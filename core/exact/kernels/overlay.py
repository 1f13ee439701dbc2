"""Tracks laid over each other: where the events of any of them change over the plane (tau0, tau_r). Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...kernels.jit import inlined, kernel
from .growing import grown

COMBINATION_SLOTS = 4096
NO_LIST = -1


class TrackRegions(NamedTuple):
    """A track of N videos over the plane: B cells of tau0, in each pieces of tau_r, Q in all, each with a list of
    events, L in all."""

    cell_first: np.ndarray  # (N + 1,) int64, first cell of each video
    cell_start: np.ndarray  # (B,) float64, tau0 from which on
    piece_first: np.ndarray  # (B + 1,) int64, first piece of each cell
    piece_start: np.ndarray  # (Q,) float64, tau_r from which on
    piece_list: np.ndarray  # (Q,) int64, its list of events
    list_first: np.ndarray  # (L + 1,) int64, first event of each list
    events: np.ndarray  # (E, 3) int32, label, onset, offset
    score: np.ndarray  # (E,) float64, NaN for none


@inlined
def _next_start(starts, at, end):
    """Where the next cell or piece of a track starts, infinity after the last.

    Mirrors the steps of :func:`avreplay.core.exact.reference.joint`.

    starts : (B,) float64, rising up to ``end``
    at : int, the present one
    end : int, end (exclusive)
    """
    return starts[at + 1] if at + 1 < end else math.inf


@kernel
def overlay(a, b, c):
    """Joint regions of three tracks, each a :class:`TrackRegions` of the same N videos.

    Mirrors the pair of loops of :func:`avreplay.core.exact.reference.joint`.

    a : audio
    b : visual
    c : audio-visual

    Returns (N + 1,) int64 first joint cell of each video, (B',) float64 its start; (B' + 1,) int64 first joint piece,
    (Q',) float64 its start, (Q',) int64 its combination of lists; (N + 1,) int64 first combination of each video,
    (M, 3) int64 the lists of each combination.
    """
    videos = a.cell_first.shape[0] - 1
    room = a.cell_start.shape[0] + b.cell_start.shape[0] + c.cell_start.shape[0]
    cell_first, cell_start = np.zeros(videos + 1, np.int64), np.empty(room)
    piece_first = np.zeros(room + 1, np.int64)
    piece_start, piece_combination = np.empty(4 * room), np.empty(4 * room, np.int64)
    combination_first = np.zeros(videos + 1, np.int64)
    combinations, chain = np.empty((2 * room, 3), np.int64), np.empty(2 * room, np.int64)
    head = np.empty(COMBINATION_SLOTS, np.int64)
    cells = pieces = made = 0
    for v in range(videos):
        head[:] = -1
        i, j, k = a.cell_first[v], b.cell_first[v], c.cell_first[v]
        i_end, j_end, k_end = a.cell_first[v + 1], b.cell_first[v + 1], c.cell_first[v + 1]
        tau0 = 0.0
        while True:
            cell_start[cells] = tau0
            # the pieces of the three present cells
            p, q, r = a.piece_first[i], b.piece_first[j], c.piece_first[k]
            p_end, q_end, r_end = a.piece_first[i + 1], b.piece_first[j + 1], c.piece_first[k + 1]
            tau_r = 0.0
            begun = pieces
            while True:
                la, lb, lc = a.piece_list[p], b.piece_list[q], c.piece_list[r]
                slot = (la * 1000003 + lb * 8191 + lc * 131) & (COMBINATION_SLOTS - 1)
                found = head[slot]
                while found >= 0 and not (
                    combinations[found, 0] == la and combinations[found, 1] == lb and combinations[found, 2] == lc
                ):
                    found = chain[found]
                if found < 0:
                    if made == chain.shape[0]:
                        combinations = grown(combinations, made, 2 * made)
                        chain = grown(chain, made, 2 * made)
                    found = made
                    combinations[found, 0] = la
                    combinations[found, 1] = lb
                    combinations[found, 2] = lc
                    chain[found] = head[slot]
                    head[slot] = found
                    made += 1
                if pieces == begun or piece_combination[pieces - 1] != found:
                    if pieces == piece_start.shape[0]:
                        piece_start = grown(piece_start, pieces, 2 * pieces)
                        piece_combination = grown(piece_combination, pieces, 2 * pieces)
                    piece_start[pieces] = tau_r
                    piece_combination[pieces] = found
                    pieces += 1
                of_a, of_b = _next_start(a.piece_start, p, p_end), _next_start(b.piece_start, q, q_end)
                of_c = _next_start(c.piece_start, r, r_end)
                tau_r = min(of_a, of_b, of_c)
                if tau_r == math.inf:
                    break
                p, q, r = p + (of_a == tau_r), q + (of_b == tau_r), r + (of_c == tau_r)
            cells += 1
            piece_first[cells] = pieces
            of_a, of_b = _next_start(a.cell_start, i, i_end), _next_start(b.cell_start, j, j_end)
            of_c = _next_start(c.cell_start, k, k_end)
            tau0 = min(of_a, of_b, of_c)
            if tau0 == math.inf:
                break
            i, j, k = i + (of_a == tau0), j + (of_b == tau0), k + (of_c == tau0)
        cell_first[v + 1] = cells
        combination_first[v + 1] = made
    return (
        cell_first, cell_start[:cells].copy(), piece_first[: cells + 1].copy(), piece_start[:pieces].copy(),
        piece_combination[:pieces].copy(), combination_first, combinations[:made].copy(),
    )  # fmt: skip


@kernel
def late_lists(a, b, pairs, video, segments, rank):
    """Audio-visual events of late fusion for pairs of lists: where audio and visual events of a label overlap.

    Mirrors :func:`avreplay.core.reference.late_fusion`.

    a : audio, a :class:`TrackRegions`
    b : visual
    pairs : (M, 3) int64, lists of audio and visual events
    video : (M,) int64, whose they are
    segments : (N,) int64, T of each video
    rank : (C,) int64, alphabetical rank of each label's lower-case name

    Returns (M + 1,) int64 first event of each list, (E, 3) int32 label, onset, offset.
    """
    longest = 1
    for v in range(segments.shape[0]):
        longest = max(longest, segments[v])
    cover = np.zeros(longest, np.int64)
    label_at = np.empty(rank.shape[0], np.int64)
    for c in range(rank.shape[0]):
        label_at[rank[c]] = c
    both = np.zeros(rank.shape[0], np.int64)
    first = np.zeros(pairs.shape[0] + 1, np.int64)
    events = np.empty((4 * pairs.shape[0] + 64, 3), np.int32)
    used = 0
    shared = np.empty(rank.shape[0], np.int64)
    for m in range(pairs.shape[0]):
        length = segments[video[m]]
        a_from, a_to = a.list_first[pairs[m, 0]], a.list_first[pairs[m, 0] + 1]
        b_from, b_to = b.list_first[pairs[m, 1]], b.list_first[pairs[m, 1] + 1]
        for i in range(a_from, a_to):
            both[a.events[i, 0]] = 1
        count = 0
        for i in range(b_from, b_to):
            label = b.events[i, 0]
            if both[label] == 1:
                both[label] = 2
                at = count
                while at > 0 and shared[at - 1] > rank[label]:
                    shared[at] = shared[at - 1]
                    at -= 1
                shared[at] = rank[label]
                count += 1
        for s in range(count):
            label = label_at[shared[s]]
            cover[:length] = 0
            for i in range(a_from, a_to):
                if a.events[i, 0] == label:
                    for t in range(a.events[i, 1], a.events[i, 2]):
                        cover[t] |= 1
            for i in range(b_from, b_to):
                if b.events[i, 0] == label:
                    for t in range(b.events[i, 1], b.events[i, 2]):
                        cover[t] |= 2
            t = 0
            while t < length:
                start = t
                while t < length and cover[t] == 3:
                    t += 1
                if t == start:
                    t += 1
                    continue
                if used == events.shape[0]:
                    events = grown(events, used, 2 * used)
                events[used, 0] = label
                events[used, 1] = start
                events[used, 2] = t
                used += 1
        for i in range(a_from, a_to):
            both[a.events[i, 0]] = 0
        first[m + 1] = used
    return first, events[:used].copy()
