"""Which tracks of a file are read: those that the ffmpeg command takes.

The rule is ffmpeg's for files without ``-map`` (``map_auto_video`` and ``map_auto_audio`` of ffmpeg_mux_init.c): tracks
with packets come first, then those with the flag *default* (worth 5,000,000 points), then the largest picture (a point
for each pixel) or the most channels (a point each); of equals, the first. Cover images are no video. What ffmpeg would
take but cannot decode is left out here, and named.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from ...cache import Note
from .codec_names import codec_name
from .opening import MediaError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

    Track: TypeAlias = VideoStream | AudioStream

_DEFAULT_POINTS = 5_000_000
_PACKETS_POINTS = 100_000_000

T = TypeVar("T", "VideoStream", "AudioStream")


@dataclass(frozen=True)
class Chosen(Generic[T]):
    """The track of a kind that is read, and why there is none.

    Attributes
    ----------
    track : None if there is none that can be read
    missing : why not, in words; empty where there is a track
    notes : what the choice left out
    """

    track: T | None
    missing: str
    notes: tuple[Note, ...] = ()


def refuse_changed(container: InputContainer) -> None:
    """Raise: MediaError if a track holds pictures for some time and sound for another (joined transport streams)."""
    for kind, tracks in (("video", container.streams.video), ("audio", container.streams.audio)):
        if any(track.codec_context and track.codec_context.type != kind for track in tracks):
            raise MediaError("unreadable", "a track of the file changes between pictures and sound")


def choose_video(container: InputContainer, path: Path, filled: Collection[int]) -> Chosen[VideoStream]:
    """The track of pictures; ``filled`` are the indices of the tracks that have packets."""
    import av

    cover = av.stream.Disposition.attached_pic
    covers = [track for track in container.streams.video if track.disposition & cover]
    tracks = [track for track in container.streams.video if not track.disposition & cover]
    sizes = [t.codec_context.width * t.codec_context.height if t.codec_context else 0 for t in tracks]
    found = _choose(tracks, sizes, path, filled, "video")
    notes = (Note("unused_track", "a cover image is no video and was left out"),) if covers else ()
    return Chosen(found.track, found.missing, found.notes + notes)


def choose_audio(container: InputContainer, path: Path, filled: Collection[int]) -> Chosen[AudioStream]:
    """The track of sound; ``filled`` are the indices of the tracks that have packets."""
    tracks = list(container.streams.audio)
    channels = [t.codec_context.layout.nb_channels if t.codec_context else 0 for t in tracks]
    return _choose(tracks, channels, path, filled, "audio")


def _choose(tracks: Sequence[T], points: Sequence[int], path: Path, filled: Collection[int], kind: str) -> Chosen[T]:
    import av

    def score(track: Track, own: int) -> int:
        default = bool(track.disposition & av.stream.Disposition.default)
        return own + _DEFAULT_POINTS * default + _PACKETS_POINTS * (track.index in filled)

    if not tracks:
        return Chosen(None, f"the file has no {kind} stream")
    readable = [(score(t, p), -k) for k, (t, p) in enumerate(zip(tracks, points, strict=True)) if t.codec_context]
    unreadable = [k for k, track in enumerate(tracks) if not track.codec_context]
    names = ", ".join(codec_name(path, kind, k) for k in unreadable)
    if not readable:
        return Chosen(None, f"there is no decoder for the {kind} stream ({names})")
    number = -max(readable)[1]
    track = tracks[number]
    if track.index not in filled:
        return Chosen(None, f"the {kind} stream of the file is empty")
    notes = []
    if len(tracks) > 1:
        text = f"{kind} track {number + 1} of {len(tracks)} was taken"
        notes.append(Note("track_chosen", f"{text}, as ffmpeg does" if not unreadable else text))
    if unreadable:
        notes.append(Note("unused_track", f"there is no decoder for another {kind} track ({names})"))
    return Chosen(track, "", tuple(notes))
