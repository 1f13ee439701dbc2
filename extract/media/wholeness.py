"""Whether a file is whole: what its packets say against what its header declares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .clock import Packets
from .opening import TIMED_FORMATS, MediaError, mp4_is_cut
from .scan import Scan

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MP4, _MATROSKA = TIMED_FORMATS

_LEAST_BYTES = 256
"""What may lie unread at the end of a file."""


def refuse_unread(path: Path, scan: Scan, damage: int | None) -> None:
    """Raise if an FLV is damaged before its first packet or after its last one: nothing else shows what is lost.

    ``damage`` : the first damaged byte, of `structure.first_damage`
    """
    if damage is None or scan.format_name != "flv":
        return
    first, last = min(first for first, _ in scan.positions), max(first + size for first, size in scan.positions)
    if damage < first:
        raise MediaError("unreadable", "the file is damaged before its first packet")
    if damage >= last and path.stat().st_size - last > _LEAST_BYTES:
        raise MediaError("unreadable", f"the last {path.stat().st_size - last} bytes of the file cannot be read")


def refuse_truncated(
    path: Path, container: InputContainer, tracks: Sequence[tuple[VideoStream | AudioStream, Packets]], fewer: bool
) -> None:
    """Raise if packets end clearly (0.5 s and 2 %) before the end that the container declares.

    An mp4 declares an end for each track, which may lie beyond its packets for good reasons (edit lists), so there the
    file must also end in the middle of a box, or have ``fewer`` packets than its index. An AVI declares one for its
    sound; Matroska and FLV declare one for all tracks; others none.
    """
    name, cut = container.format.name, mp4_is_cut(path)
    if not tracks:
        return
    ends = [float(packets.ends().max()) for _, packets in tracks]
    length = max(ends)
    declared: list[tuple[float, float]] = []
    if name == _MP4 and (cut is not False or fewer):
        own = [(end, track.duration, track) for end, (track, _) in zip(ends, tracks, strict=True) if track.duration]
        declared = [(end, float(((t.start_time or 0) + ticks) * (t.time_base or 0))) for end, ticks, t in own]
        if not declared and not container.duration and cut:
            raise MediaError("truncated", f"the file ends in the middle of its data, after {length:.1f} s")
    elif name == "avi":
        heard = [(end, track) for end, (track, packets) in zip(ends, tracks, strict=True) if packets.name == "sound"]
        declared = [(end, float((t.duration or t.frames) * (t.time_base or 0))) for end, t in heard]
    if not declared and name in (_MP4, _MATROSKA, "flv") and (name != _MP4 or cut is not False or fewer):
        declared = [(length, (container.duration or 0) / 1_000_000)]
    for end, promised in declared:
        if falls_short(end, promised):
            raise MediaError("truncated", f"the file ends after {end:.1f} s and declares {promised:.1f} s")


def falls_short(end: float, declared: float) -> bool:
    """Whether data that ends at ``end`` is clearly shorter than it declares: by more than 0.5 s and 2 %."""
    return declared - end > max(0.5, 0.02 * declared)
