"""One clock for pictures and sound: where the time stamps of a file jump, and what has to be added to them.

Time stamps go wrong in three ways. Joined files (two transport streams, one after the other) begin again at some other
time: the parts are put one after the other, pictures and sound of each moved by the same amount. A single wild stamp,
among neighbours that agree, is left out. Whatever else contradicts itself (the pictures jump back, the sound does not)
has no clock, and the file is refused.

A stamp that jumps forward is believed where pictures and sound do not jump together, or where the format does not
declare its time stamps as discontinuous: slides and pauses are like that. `refuse_gaps` bounds what such stamps may
claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .opening import MediaError

if TYPE_CHECKING:
    from av.packet import Packet

_BACK_SECONDS = 0.25
_REORDERED_PICTURES = 16
_REORDERED_SECONDS = 2.0
"""A stamp this far before the latest one is a step back; where pictures are reordered, it takes as many pictures (of
slow ones, half as many, if that is longer than the seconds)."""

_FORWARD_SECONDS = 10.0
"""A stamp this far after the latest one is a jump; ffmpeg's ``-dts_delta_threshold``."""

_WILD_PACKETS = 2
"""Packets in a row whose stamps may be left out as wild."""

_SAME_PLACE_SECONDS = 5.0
"""Pictures and sound that jump within this much of the file jump together."""

_INTERLEAVED_SECONDS = 1.0
"""How far pictures and sound of the same time may lie from each other in a file."""

_TRIES = 4
_MOST_RUNS = 200

_GAP_SECONDS = 10.0
_GAPS_SECONDS = 10.0
_LONGEST_GAP_SECONDS = 600.0
"""See `refuse_gaps`."""


_ARRAYS = ("numbers", "places", "stamps", "durations", "order")


@dataclass
class Packets:
    """The packets of one track in the order of the file.

    Attributes
    ----------
    name : ``pictures`` or ``sound``
    time_base : seconds per unit of ``stamps`` and ``durations``
    numbers : [n] counts all packets of the track, also those left out here
    places : [n] counts the packets of all tracks
    stamps : [n] int64 presentation time stamps
    durations : [n] int64, 0 where unknown
    order : [n] int64 time stamps in which jumps are looked for: of decoding where all are known, else of presentation
    reordered : ``order`` may step back by some pictures
    """

    name: str
    time_base: Fraction
    numbers: NDArray[np.int64]
    places: NDArray[np.int64]
    stamps: NDArray[np.int64]
    durations: NDArray[np.int64]
    order: NDArray[np.int64]
    reordered: bool

    def __len__(self) -> int:
        return len(self.stamps)

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """[n] time stamps in seconds."""
        return np.asarray(self.stamps * float(self.time_base), np.float64)

    @cached_property
    def order_seconds(self) -> NDArray[np.float64]:
        """[n] ``order`` in seconds."""
        return np.asarray(self.order * float(self.time_base), np.float64)

    def ends(self) -> NDArray[np.float64]:
        """[n] when each packet ends, in seconds."""
        return np.asarray((self.stamps + self.durations.astype(np.float64)) * float(self.time_base), np.float64)

    def without(self, packets: Iterable[int]) -> Packets:
        """All packets but those at these indices."""
        kept = np.ones(len(self), bool)
        kept[list(packets)] = False
        return replace(self, **{name: getattr(self, name)[kept] for name in _ARRAYS})


@dataclass(frozen=True)
class Correction:
    """What is done to the time stamps of one track before they are used.

    Attributes
    ----------
    begins, shifts : from packet number ``begins[k]`` on, ``shifts[k]`` is added
    wild : numbers of the packets whose time stamp is left out
    """

    begins: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    wild: frozenset[int] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.begins or self.wild)

    def apply(self, packet: Packet[Any], number: int) -> None:
        """Correct a packet, the one of this number in its track."""
        if number in self.wild:
            packet.pts = packet.dts = None
            return
        shift = 0
        for begin, value in zip(self.begins, self.shifts, strict=True):
            if number >= begin:
                shift = value
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift


@dataclass
class _Run:
    """Packets [first, last) of a track whose time stamps go on without a jump, from ``start`` to ``end`` seconds."""

    first: int
    last: int
    start: float
    end: float


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
        runs = [_runs(track) for track in left]
        places, wild = _jumps(left, runs, discontinuous)
        if not any(wild):
            break
        left = [track.without(found) for track, found in zip(left, wild, strict=True)]
    else:
        raise MediaError("unreadable", "the time stamps jump to and fro")
    gone = [frozenset(a.numbers.tolist()) - frozenset(b.numbers.tolist()) for a, b in zip(tracks, left, strict=True)]
    corrections = [Correction(wild=numbers) for numbers in gone]
    return _put_in_line(left, corrections, places) if places else (left, corrections, [])


def _runs(track: Packets) -> list[_Run]:
    """The stretches of a track without a jump."""
    times = track.order_seconds
    if not len(times):
        return [_Run(0, 0, 0.0, 0.0)]
    latest = np.maximum.accumulate(times)
    back = _BACK_SECONDS
    if track.reordered:
        # of the sorted stamps, since pictures in the order of decoding are further from each other
        usual = min(float(np.median(np.diff(np.sort(times)))) if len(times) > 1 else 0.0, 60.0)
        most = max(_REORDERED_SECONDS, _REORDERED_PICTURES / 2 * usual)
        back = max(_BACK_SECONDS, min(_REORDERED_PICTURES * usual, most))
    # without a step back, every forward jump is seen beside the packet before it
    if (times >= latest - back).all() and (np.diff(latest) <= _FORWARD_SECONDS).all():
        return [_Run(0, len(times), float(times[0]), float(latest[-1]))]
    runs, first, end = [], 0, float(times[0])
    for k, time in enumerate(times.tolist()):
        if time < end - back or time > end + _FORWARD_SECONDS:
            runs.append(_Run(first, k, float(times[first:k].min()), end))
            first, end = k, time
        end = max(end, time)
    runs.append(_Run(first, len(times), float(times[first:].min()), end))
    return runs


def _jumps(
    tracks: Sequence[Packets], runs: Sequence[Sequence[_Run]], discontinuous: bool
) -> tuple[list[list[int]], list[list[int]]]:
    """Where the parts of a joined file begin: for each beginning, the first packet of each track; and wild packets.

    Raises: MediaError for a step back that the other track does not take.
    """
    places: list[list[int]] = []
    wild: list[list[int]] = [_islands(found) for found in runs]
    if sum(map(len, runs)) > _MOST_RUNS:
        raise MediaError("unreadable", f"the time stamps jump {sum(map(len, runs))} times")
    if any(wild):
        return places, wild
    jumps = [(k, before, after) for k, found in enumerate(runs) for before, after in pairwise(found)]
    jumps.sort(key=lambda jump: int(tracks[jump[0]].places[jump[2].first]))
    done: set[tuple[int, int]] = set()
    for k, before, after in jumps:
        if (k, after.first) in done:
            continue
        begin = [_first_after(track, int(tracks[k].places[after.first])) for track in tracks]
        for other, _, run in jumps:
            if other != k and (other, run.first) not in done and _together(tracks, k, after, other, run):
                begin[other] = run.first
                done.add((other, run.first))
                break
        backward = after.start < before.end
        few = min((before, after), key=lambda run: run.last - run.first)
        if None not in begin:
            if backward or discontinuous:
                places.append([first for first in begin if first is not None])
        elif backward and few.last - few.first <= _WILD_PACKETS:
            wild[k] += range(few.first, few.last)
        elif backward:
            raise MediaError(
                "unreadable",
                f"the time stamps of the {tracks[k].name} jump from {before.end:.1f} to {after.start:.1f} s, "
                f"those of the {tracks[begin.index(None)].name} do not",
            )
    return places, wild


def _islands(runs: Sequence[_Run]) -> list[int]:
    """Packets whose stamps are wild: few, between others that go on over them."""
    found: list[int] = []
    for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
        few = run.last - run.first <= _WILD_PACKETS
        if few and abs(after.start - before.end) < _FORWARD_SECONDS and before.last - before.first > _WILD_PACKETS:
            found += range(run.first, run.last)
    return found


def _together(tracks: Sequence[Packets], k: int, run: _Run, other: int, candidate: _Run) -> bool:
    """Whether two tracks begin their runs at the same place of the file: little of either lies between."""
    if tracks[k].places[run.first] > tracks[other].places[candidate.first]:
        return _together(tracks, other, candidate, k, run)
    until = int(np.searchsorted(tracks[k].places, tracks[other].places[candidate.first]))
    return _extent(tracks[k].order_seconds[run.first : until]) <= _SAME_PLACE_SECONDS


def _first_after(track: Packets, place: int) -> int | None:
    """The first packet of a track after a place of the file; None if the track goes on over it as if nothing were."""
    first = int(np.searchsorted(track.places, place))
    if first < len(track) and track.places[first] == place:
        return first
    before, after = _extent(track.order_seconds[:first]), _extent(track.order_seconds[first:])
    if min(before, after) > _INTERLEAVED_SECONDS:
        return None
    return 0 if before < after else len(track)


def _extent(seconds: NDArray[np.float64]) -> float:
    return float(seconds.max() - seconds.min()) if len(seconds) else 0.0


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


def refuse_gaps(pictures: NDArray[np.float64], sound: NDArray[np.float64], end: float) -> None:
    """Raise if the time stamps claim far more time than there are pictures and sound.

    A gap is a stretch without any packet of more than 10 s (and of more than 20 times the usual distance of pictures).
    Gaps may take 10 s, or as much as the rest of the file; none may take ten minutes.

    ``pictures``, ``sound`` : [n] and [m] when each begins, in seconds; ``end`` : when the last of them ends

    Raises
    ------
    MediaError
        ``unreadable``, with the longest gap
    """
    times = np.sort(np.concatenate([pictures, sound, [end]]))
    steps, paced = np.diff(times), np.diff(np.sort(pictures))
    if not len(steps):
        return
    usual = float(np.median(paced)) if len(paced) else 0.0
    gaps = steps > max(_GAP_SECONDS, 20 * usual)
    longest = int(np.argmax(steps))
    total, rest = float(steps[gaps].sum()), float(steps[~gaps].sum())
    if steps[longest] > _LONGEST_GAP_SECONDS or total > max(_GAPS_SECONDS, rest):
        raise MediaError(
            "unreadable",
            f"there is neither picture nor sound between {times[longest]:.1f} and {times[longest + 1]:.1f} s "
            "of the time stamps",
        )
