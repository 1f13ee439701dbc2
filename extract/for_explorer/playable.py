"""Which files a browser plays as they are: containers and codecs that Chromium, Firefox and Safari have in common.

A file that is left out here is shown by a preview, so in doubt it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from .header import Header


@dataclass(frozen=True)
class _Container:
    """``name`` : in words; ``content_type`` : as it is served; the decoders' names of the codecs that may be inside."""

    name: str
    content_type: str
    video: frozenset[str] = frozenset()
    audio: frozenset[str] = frozenset()


_H264, _AV1, _VP9, _VP8 = ("h264",), ("av1", "libdav1d", "libaom-av1"), ("vp9", "libvpx-vp9"), ("vp8", "libvpx")
_AAC, _MP3, _OPUS, _VORBIS = ("aac", "aac_fixed"), ("mp3", "mp3float"), ("opus", "libopus"), ("vorbis", "libvorbis")

_PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": _Container(
        "MP4", "video/mp4", frozenset((*_H264, *_AV1, *_VP9)), frozenset((*_AAC, *_MP3, *_OPUS, "flac"))
    ),
    "webm": _Container("WebM", "video/webm", frozenset((*_VP8, *_VP9, *_AV1)), frozenset((*_OPUS, *_VORBIS))),
    "ogg": _Container("Ogg", "audio/ogg", audio=frozenset((*_OPUS, *_VORBIS))),
    "mp3": _Container("MP3", "audio/mpeg", audio=frozenset(_MP3)),
    "wav": _Container("WAV", "audio/wav", audio=frozenset(("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"))),
    "flac": _Container("FLAC", "audio/flac", audio=frozenset(("flac",))),
}

_PIXELS = ("yuv420p", "yuvj420p")
"""8 bits, and half the colours each way: what every browser's decoders show."""


_LATEST_BEGIN = 0.05
"""Where the time stamps of a file begin further from 0, players disagree on what they call time 0: Chromium shows them
as they are, Firefox counts from the first of them."""


def content_type(header: Header) -> str:
    """The type by which a playable file is served."""
    return _PLAYED[header.container].content_type


def why_preview(header: Header) -> str:
    """Why a browser may not play a file, as one sentence; empty if it does."""
    played = _PLAYED.get(header.container)
    shown = "a small preview is shown"
    if played is None:
        name = header.container.partition(",")[0]
        return f"browsers do not play files of the format {name}; {shown}"
    if header.undecodable:
        return f"{header.undecodable}; a preview of the rest is shown"
    if header.video and header.video not in played.video:
        return f"browsers do not play {header.video} pictures in {played.name} files; {shown}"
    if header.video and header.pixels not in _PIXELS:
        return f"browsers do not play pictures of the kind {header.pixels}; {shown}"
    if header.audio and header.audio not in played.audio:
        return f"browsers do not play {header.audio} sound in {played.name} files; {shown}"
    if not header.only_tracks:
        return f"the file has several tracks, and browsers play the first; {shown}, of the track that extraction reads"
    if abs(header.origin) > _LATEST_BEGIN:
        return f"the time stamps of the file begin at {header.origin:.2f} s, which players count differently; {shown}"
    return ""
