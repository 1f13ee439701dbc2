"""One clock for pictures and sound: where the time stamps of a file jump, and what has to be added to them.

Time stamps go wrong in three ways. Joined files (two transport streams, one after the other) begin again at some other
time: the parts are put one after the other, pictures and sound of each moved by the same amount. A single wild stamp,
among neighbours that agree, is left out. Whatever else contradicts itself (the pictures jump back, the sound does not)
has no clock, and the file is refused.

A stamp that jumps forward is believed where pictures and sound do not jump together, or where the format does not
declare its time stamps as discontinuous: slides and pauses are like that. `gaps` says what such stamps may claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .jumps import MOST_JUMPS, Jump, jumps, wild_at, wild_at_the_edges, wild_to_show
from .opening import MediaError
from .packets import Correction, Packets

_TRIES = 4

_SAME_PLACE_SECONDS = 2.0
"""Jumps of both tracks are one joint, too, if no more than this of either track lies between them in the file."""

_ALIKE_SECONDS = 5.0
"""How far the jumps of both tracks may differ where one of them is so short that it would not count alone."""


def one_clock(tracks: Sequence[Packets], discontinuous: bool) -> tuple[list[Packets], list[Correction], list[float]]:
    """The tracks with their time stamps on one clock, what that took, and where the parts of a joined file meet, in s.

    ``discontinuous`` : the format declares that its time stamps may jump

    Raises
    ------
    MediaError
        ``unreadable``: the time stamps contradict each other
    """
    left = list(tracks)
    for _ in range(_TRIES):
        joints, wild = _joints(left, discontinuous)
        if not any(wild):
            break
        left = [track.without(found) for track, found in zip(left, wild, strict=True)]
    else:
        raise MediaError("unreadable", "the time stamps jump to and fro")
    gone = [frozenset(a.numbers.tolist()) - frozenset(b.numbers.tolist()) for a, b in zip(tracks, left, strict=True)]
    corrections = [Correction(wild=numbers) for numbers in gone]
    return _put_in_line(left, corrections, joints) if joints else (left, corrections, [])


def _joints(tracks: Sequence[Packets], discontinuous: bool) -> tuple[list[list[int]], list[list[int]]]:
    """Where the parts of a joined file begin: for each joint, the first packet of each track after it; and the wild
    packets of each track, which are to be left out before joints are looked for again.

    Raises: MediaError for a step back that the other track does not take.
    """
    found = [jumps(track) for track in tracks]
    if sum(jump.sure for each in found for jump in each) > MOST_JUMPS or any(len(each) > MOST_JUMPS for each in found):
        raise MediaError("unreadable", f"the time stamps jump more than {MOST_JUMPS} times")
    joints, alone = _pairs(tracks, found, discontinuous)
    wild: list[list[int]] = [[] for _ in tracks]
    for k, track in enumerate(tracks):
        beside = [jump for other, each in enumerate(found) if other != k for jump in each]
        wild[k] += wild_to_show(track, beside)
        wild[k] += wild_at_the_edges(track, tracks[1 - k] if len(tracks) == 2 else None)
        for jump in alone[k]:
            wild[k] += wild_at(track, jump.first) or ()
    if any(wild):
        return [], [sorted(set(each)) for each in wild]
    for k, each in enumerate(alone):
        for jump in each:
            begin = _split(tracks, k, jump)
            if begin is not None:
                if jump.step < 0 or discontinuous:
                    joints.append(begin)
            elif jump.step < 0:
                before = float(tracks[k].order_seconds[jump.first]) - jump.step
                raise MediaError(
                    "unreadable",
                    f"the time stamps of the {tracks[k].name} jump from {before:.1f} to {before + jump.step:.1f} s, "
                    f"those of the {tracks[1 - k].name} do not",
                )
    return sorted(joints), wild


def _pairs(
    tracks: Sequence[Packets], found: Sequence[Sequence[Jump]], discontinuous: bool
) -> tuple[list[list[int]], list[list[Jump]]]:
    """Joints at which both tracks jump, and the sure jumps of each track where the other has none."""
    if len(tracks) == 1:
        return [], [[jump for jump in found[0] if jump.sure or jump.step < 0]]
    joints, done = [], (set[int](), set[int]())
    for fits in (_meet, _lie_close):
        for jump in found[0]:
            for other in found[1]:
                if jump.first in done[0] or other.first in done[1] or not fits(tracks, jump, other):
                    continue
                done[0].add(jump.first)
                done[1].add(other.first)
                if min(jump.step, other.step) < 0 or discontinuous:
                    joints.append([jump.first, other.first])
    return joints, [
        [jump for jump in each if jump.sure and jump.first not in taken]
        for each, taken in zip(found, done, strict=True)
    ]


def _meet(tracks: Sequence[Packets], jump: Jump, other: Jump) -> bool:
    return jump.meets(other) and ((jump.sure and other.sure) or abs(jump.step - other.step) <= _ALIKE_SECONDS)


def _lie_close(tracks: Sequence[Packets], jump: Jump, other: Jump) -> bool:
    """Whether little of either track lies between two sure jumps."""
    if not (jump.sure and other.sure):
        return False
    between = sorted((int(tracks[0].places[jump.first]), int(tracks[1].places[other.first])))
    return all(
        float(np.diff(np.searchsorted(track.places, between))[0]) * track.usual_step <= _SAME_PLACE_SECONDS
        for track in tracks
    )


def _split(tracks: Sequence[Packets], k: int, jump: Jump) -> list[int] | None:
    """The first packets after a jump of track ``k`` alone; None if the other track goes on over it."""
    begin = [0] * len(tracks)
    begin[k] = jump.first
    for other, track in enumerate(tracks):
        if other != k:
            before = int(np.searchsorted(track.places, jump.low, "right"))
            after = int(np.searchsorted(track.places, jump.high))
            if before > 0 and after < len(track):
                return None
            begin[other] = 0 if before == 0 else len(track)
    return begin


def _put_in_line(
    tracks: list[Packets], corrections: list[Correction], places: list[list[int]]
) -> tuple[list[Packets], list[Correction], list[float]]:
    """Move each part to the end of the one before, all its tracks by the same time."""
    moved = [track.stamps.copy() for track in tracks]
    begins: list[list[int]] = [[] for _ in tracks]
    shifts: list[list[int]] = [[] for _ in tracks]
    at: list[float] = []
    bounds = [*places, [len(track) for track in tracks]]
    for part, begin in enumerate(places):
        following = bounds[part + 1]
        ends = [
            float(int((moved[k][: begin[k]] + track.durations[: begin[k]]).max()) * track.time_base)
            for k, track in enumerate(tracks)
            if begin[k]
        ]
        starts = [
            float(int(track.stamps[begin[k] : following[k]].min()) * track.time_base)
            for k, track in enumerate(tracks)
            if begin[k] < following[k]
        ]
        if not ends or not starts:
            continue
        shift = max(ends) - min(starts)
        at.append(max(ends))
        for k, track in enumerate(tracks):
            if begin[k] < len(track):
                ticks = round(shift / float(track.time_base))
                moved[k][begin[k] :] = track.stamps[begin[k] :] + ticks
                begins[k].append(int(track.numbers[begin[k]]))
                shifts[k].append(ticks)
    lines = [replace(track, stamps=stamps) for track, stamps in zip(tracks, moved, strict=True)]
    made = [Correction(tuple(b), tuple(s), c.wild) for b, s, c in zip(begins, shifts, corrections, strict=True)]
    return lines, made, at
