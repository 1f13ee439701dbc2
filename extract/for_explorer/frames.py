"""Decoding what a page shows: damaged packets are passed over, since only what the machine lacks matters here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..media.opening import check_machine

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


def decoded(container: InputContainer, track: VideoStream | AudioStream, path: Path) -> Iterator[Any]:
    """The frames of one track from where the file is read, up to what cannot be read."""
    import av

    try:
        for packet in container.demux(track):
            if packet.size == 0 and (packet.dts is not None or packet.pos is not None):
                continue  # AVI has them for pictures that repeat; a decoder takes one for the end
            yield from frames_of(packet, path)
    except av.error.FFmpegError as error:
        check_machine(error, path)


def frames_of(packet: Packet[Any], path: Path) -> list[Any]:
    """The frames that a packet completes; none of a damaged one. Raises: what the machine lacks."""
    import av

    try:
        return list(packet.decode())
    except av.error.FFmpegError as error:
        check_machine(error, path)
        return []
