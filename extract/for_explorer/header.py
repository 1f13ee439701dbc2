"""What the header of a media file says, as far as a browser is concerned. Read in a decoding process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..media.find_videos import VideoFile
from ..media.opening import MediaError, check_file, open_media
from ..media.tracks import choose_audio, choose_video, refuse_changed
from ..media.trouble import judged

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

_HEAD_BYTES = 4096
_WEBM = b"\x42\x82\x84webm"
"""The element DocType of Matroska with its value."""


@dataclass(frozen=True)
class Header:
    """The header of a readable file.

    Attributes
    ----------
    container : FFmpeg's name of the format, with ``webm`` for Matroska that declares to be that
    video, audio : the codec of the track that extraction takes; empty without
    pixels : its pixel format, as ``yuv420p``
    only_tracks : these are the first tracks of their kind, which a browser plays
    undecodable : there is a track of pictures or sound for which FFmpeg has no decoder, in words
    origin : time 0 of the store, in seconds of the file's time stamps
    seconds : how long it plays; 0 if the header does not say it
    """

    container: str
    video: str
    audio: str
    pixels: str
    only_tracks: bool
    undecodable: str
    origin: float
    seconds: float


@dataclass(frozen=True)
class HeaderJob:
    """Gives the fields of `Header`, in order, as one tuple."""

    def items(self, video: VideoFile) -> Iterator[tuple[Any, ...]]:
        """Raises: MediaError for a file that cannot be read, Trouble where the machine may be to blame."""
        assert video.path is not None
        try:
            yield _header(video.path)
        except Exception as error:
            raise judged(error, video.path) from error


def _header(path: Path) -> tuple[Any, ...]:
    import av

    check_file(path)
    with open_media(path) as container:
        refuse_changed(container)
        everything = {stream.index for stream in container.streams}
        video, audio = choose_video(container, path, everything), choose_audio(container, path, everything)
        chosen = [track for track in (video.track, audio.track) if track is not None]
        undecodable = "; ".join(one.missing for one in (video, audio) if "no decoder" in one.missing)
        if not chosen:
            raise MediaError("unreadable", undecodable or "there is neither picture nor sound in the file")
        cover = av.stream.Disposition.attached_pic
        shown = [track for track in container.streams.video if not track.disposition & cover]
        heard = list(container.streams.audio)
        name = container.format.name
        if name == "matroska,webm":
            with open(path, "rb") as file:
                name = "webm" if _WEBM in file.read(_HEAD_BYTES) else "matroska"
        pictures = None if video.track is None else video.track.codec_context
        return (
            name,
            "" if pictures is None else pictures.name,
            "" if audio.track is None else audio.track.codec_context.name,
            "" if pictures is None else str(pictures.pix_fmt),
            all(track.index == of_kind[0].index for track, of_kind in ((video.track, shown), (audio.track, heard))
                if track is not None),
            undecodable,
            min(_begin(track) for track in chosen),
            (container.duration or 0) / av.time_base,
        )  # fmt: skip


def _begin(track: VideoStream | AudioStream) -> float:
    """When a track begins by the header, in seconds of the file's time stamps."""
    return float((track.start_time or 0) * (track.time_base or 0))
