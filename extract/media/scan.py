"""Every packet of a file, read once without decoding: to which track it belongs, its time stamps and its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .misled import Misses
from .opening import check_machine, open_media
from .packets import Correction, Packets, fraction_of
from .picture_numbers import PictureNumbers, picture_numbers, untold

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_LATEST_STAMP = 1 << 61
"""Time stamps beyond this are none: sums with them would overflow."""


_PARSED = ("mpegts", "mpeg")
"""Formats of which FFmpeg finds the key pictures in the pictures themselves, and guesses some decoding time stamps."""

_UNKNOWN_AT_FIRST = 16
"""So many packets may lack a decoding time stamp at first: FFmpeg works them out from the order of the pictures."""


@dataclass
class _Track:
    rows: list[tuple[int, int, int, int, int | None, int, bool]] = field(default_factory=list)
    """(number, turn, byte or -1, pts, dts, duration, is key) of the packets with a time stamp."""
    decoding: list[int | None] = field(default_factory=list)
    """dts of all packets."""
    corrupt: list[int] = field(default_factory=list)
    numbers: PictureNumbers | None = None
    misses: list[int] = field(default_factory=list)
    whole_from: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0
    untimed: int = 0


@dataclass
class Scan:
    """What the packets of a file say.

    Attributes
    ----------
    format_name : of FFmpeg's demuxer
    positions : (first byte, bytes) of every packet whose position is known
    end : when the last packet of any track ends, subtitles and unused tracks included, in seconds
    """

    format_name: str
    positions: list[tuple[int, int]] = field(default_factory=list)
    end: float = 0.0
    _tracks: dict[int, _Track] = field(default_factory=dict)

    @property
    def filled(self) -> set[int]:
        """The indices of the tracks that have packets."""
        return {index for index, track in self._tracks.items() if track.rows or track.untimed}

    @property
    def last_byte(self) -> int:
        """The byte after the last packet whose position is known."""
        return max((first + size for first, size in self.positions), default=0)

    def count(self, index: int) -> int:
        """How many packets a track has."""
        return self._tracks[index].count

    def untimed(self, index: int) -> int:
        """How many packets of a track have no time stamp."""
        return self._tracks[index].untimed

    def corrupt(self, index: int) -> list[int]:
        """Numbers of the packets of a track that the format calls corrupt."""
        return self._tracks[index].corrupt

    def misses(self, index: int) -> Misses:
        """Where the numbers of a track's pictures leave some out."""
        track = self._tracks[index]
        return Misses(track.misses, track.whole_from, track.numbers is not None and track.numbers.needs_gap)

    def untold(self, track: VideoStream) -> int | None:
        """So many lost pictures in a row may leave no trace in a track; None if all do."""
        found = self._tracks[track.index]
        return None if len(found.whole_from) == found.count else untold(track, found.numbers)

    def decoding_stamps(self, index: int) -> NDArray[np.int64] | None:
        """[n] sorted decoding time stamps of all packets of a track, each once; None if one has none."""
        known = [stamp for stamp in self._tracks[index].decoding if stamp is not None]
        if not known or len(known) < len(self._tracks[index].decoding) or len(set(known)) < len(known):
            return None
        return np.array(sorted(known), np.int64)

    @property
    def _has_places(self) -> bool:
        """Whether the bytes are known at which the packets lie (of some, that of the packet before)."""
        return all(track.rows[0][2] >= 0 for track in self._tracks.values() if track.rows)

    def packets(self, stream: VideoStream | AudioStream, name: str) -> Packets:
        """The packets of a track that have time stamps, ``name`` as in `Packets`."""
        rows = self._tracks[stream.index].rows
        columns = zip(*rows, strict=True) if rows else [()] * 7
        numbers, turns, places, stamps, decoding, durations, keys = (list(column) for column in columns)
        order = _in_order_of_decoding(decoding)
        if name == "sound":
            durations = _of_frames(stream, durations)
        return Packets(
            name,
            fraction_of(stream.time_base, Fraction(1)),
            numbers=np.array(numbers, np.int64),
            places=np.maximum.accumulate(np.array(places if self._has_places else turns, np.int64)),
            stamps=np.array(stamps, np.int64),
            durations=np.array(durations, np.int64),
            order=np.array(stamps if order is None else order, np.int64),
            reordered=order is None and name == "pictures",
            keys=np.array(keys, np.bool_) & (name == "pictures" and (order is None or self.format_name in _PARSED)),
        )


def scan_packets(container: InputContainer, path: Path) -> Scan:
    """Read all packets, up to the first that cannot be read."""
    import av

    scan = Scan(container.format.name)
    heard = {stream.index for stream in (*container.streams.video, *container.streams.audio)}
    try:
        for turn, packet in enumerate(container.demux()):
            if packet.size == 0:
                continue
            if packet.pos is not None:
                scan.positions.append((packet.pos, packet.size))
            if packet.pts is not None and abs(packet.pts) <= _LATEST_STAMP:
                scan.end = max(scan.end, float((packet.pts + (packet.duration or 0)) * (packet.time_base or 1)))
            if packet.stream_index in heard:
                if packet.stream_index not in scan._tracks:
                    scan._tracks[packet.stream_index] = _Track(numbers=picture_numbers(packet.stream))
                _add(scan._tracks[packet.stream_index], packet, turn)
    except av.error.FFmpegError as error:
        check_machine(error, path)  # else what could be read so far is judged by its length
    return scan


def _in_order_of_decoding(stamps: list[int | None]) -> list[int] | None:
    """Decoding time stamps; those of the first packets may be unknown: they count down from the first known one."""
    missing = next((k for k, stamp in enumerate(stamps) if stamp is not None), len(stamps))
    known = [stamp for stamp in stamps[missing:] if stamp is not None]
    if missing > _UNKNOWN_AT_FIRST or not known or len(known) < len(stamps) - missing:
        return None
    usual = max(int(np.median(np.diff(known))), 1) if len(known) > 1 else 1
    return [known[0] - usual * k for k in range(missing, 0, -1)] + known


def _of_frames(stream: Any, durations: list[int]) -> list[int]:
    """Durations of sound packets without the pause after them: fragmented mp4 puts one behind the first packet."""
    context = stream.codec_context
    if not context or not context.frame_size or not context.sample_rate or not durations:
        return durations
    most = 4 * context.frame_size / context.sample_rate / float(stream.time_base or 1)
    usual = int(np.median(durations))
    return [usual if duration > most >= usual else duration for duration in durations]


def stored_seconds(path: Path, index: int) -> NDArray[np.float64]:
    """[n] sorted time stamps, in seconds, of all packets that the format stores of a track.

    FFmpeg's parsers drop packets that are damaged (of mp3 and AC-3, for example), so that `scan_packets` has fewer.
    """
    import av

    seconds: list[float] = []
    with open_media(path, as_stored=True) as container:
        if index >= len(container.streams):
            return np.zeros(0)
        stream = container.streams[index]
        try:
            for packet in container.demux([stream]):
                stamp = packet.dts if packet.pts is None else packet.pts
                if packet.size and not packet.is_discard and stamp is not None and abs(stamp) <= _LATEST_STAMP:
                    seconds.append(float(stamp * (stream.time_base or 1)))
        except av.error.FFmpegError as error:
            check_machine(error, path)
    return np.sort(np.array(seconds, np.float64))


def _add(track: _Track, packet: Packet[Any], turn: int) -> None:
    number, track.count = track.count, track.count + 1
    _follow(track, packet, number)
    if packet.is_discard:
        return
    if packet.is_corrupt:
        track.corrupt.append(number)
    pts, dts, duration = packet.pts, packet.dts, packet.duration or 0
    track.decoding.append(dts)
    if pts is None or abs(pts) > _LATEST_STAMP:
        track.untimed += 1
        return
    if dts is not None and abs(dts) > _LATEST_STAMP:
        dts = pts
    place = -1 if packet.pos is None else packet.pos
    track.rows.append((number, turn, place, pts, dts, min(max(duration, 0), _LATEST_STAMP), packet.is_keyframe))


def _follow(track: _Track, packet: Packet[Any], number: int) -> None:
    numbers = track.numbers
    if numbers is not None:
        stamp = packet.dts if packet.pts is None else packet.pts
        seconds = None if stamp is None else float(stamp * (packet.time_base or 1))
        if numbers.miss(memoryview(packet), packet.is_keyframe, seconds):
            track.misses.append(number)
    if packet.is_keyframe:
        track.whole_from.append((number, number + (0 if numbers is None else numbers.settles_after)))


def corrected(
    container: InputContainer, streams: Sequence[VideoStream | AudioStream], corrections: Sequence[Correction]
) -> Iterator[Packet[Any]]:
    """The packets of these streams with their time stamps on one clock; the last of each, an empty one, flushes.

    Empty packets within a file (AVI has them for pictures that repeat) are left out: a decoder takes one for the end.
    """
    if not streams:  # PyAV takes none for all
        return
    counts = dict.fromkeys((stream.index for stream in streams), 0)
    correction = {stream.index: found for stream, found in zip(streams, corrections, strict=True)}
    for packet in container.demux(streams):
        if packet.size == 0:
            if packet.dts is None and packet.pos is None:
                yield packet
            continue
        index = packet.stream.index
        if correction[index]:
            correction[index].apply(packet, counts[index])
        counts[index] += 1
        yield packet
