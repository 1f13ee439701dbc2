"""What is in a media file: its tracks, when its pictures are shown, how long it lasts, and whether it is whole.

`probe` reads the packets of a file without decoding them. `decode` then reads the pictures and the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...cache import Note
from .absent import NOTED_SECONDS, late_and_early, pauses, pauses_of_pictures
from .after_end import after_the_end
from .clock import one_clock
from .frame_chain import refuse_broken_chain
from .gaps import refuse_bursts, refuse_gaps
from .holes import loses_bytes, lost_stretches, may_lack, spans
from .info import MediaInfo as MediaInfo  # where others look for it
from .interleaving import late_sound_of_avi, moved, refuse_lone_steps
from .misled import misled_stretches, undecoded_stretches
from .opening import TIMED_FORMATS, check_file, judged, mp4_is_cut, open_media
from .opening import MediaError as MediaError  # where others look for it
from .packets import Correction, Packets
from .picture_times import with_pictures
from .scan import Scan, scan_packets, stored_seconds
from .structure import first_damage
from .tracks import choose_audio, choose_video, refuse_changed
from .wholeness import declared_frames, open_end, refuse_truncated, refuse_unread

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

DECODING_RULE = 2
"""Counts the rules of what decoding means; declared in every store, so that embeddings of two rules never mix.

1
    Time 0 is the first picture. The video lasts as long as its pictures. The first tracks are read. Sound that cannot
    be decoded is silence. Time stamps are believed.
2
    Time 0 is the first picture or sound, whichever comes first; the first picture stands before it came, the last one
    as long as the sound goes on. The tracks are those that ffmpeg takes. More than a second of damaged sound is
    refused, as for pictures. Jumping time stamps are put on one clock, or refused. Channels are averaged before
    resampling. Pictures made from lost ones are damaged.
"""

_DROPPED_CODECS = ("mp1", "mp2", "mp3", "ac3", "eac3", "dca", "truehd", "mlp")
"""Sound of which FFmpeg's parsers drop damaged packets."""

_JUMPING_STAMPS = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT: time stamps of the format may jump."""

_DAMAGED_SECONDS = 1.0
"""Lost pictures or sound of more than this are refused."""


def pyav_declaration() -> dict[str, str]:
    """The decoder and its version, for the store's fingerprint: another version may choose other pixels."""
    import av

    parts = ("libavcodec", "libswscale", "libswresample")
    versions = {part: ".".join(map(str, av.library_versions[part])) for part in parts}
    return {"name": "PyAV", "version": av.__version__, **versions}


def probe(path: str | Path) -> MediaInfo:
    """Look through a file without decoding it (formats without time stamps are decoded).

    Raises
    ------
    MediaError
        ``empty_file``, ``truncated`` or ``unreadable``
    OSError, MemoryError
        the machine cannot read the file now: too many open files, a disk that fails, too little memory
    """
    path = Path(path)
    with judged(path):
        check_file(path)
        with open_media(path) as container:
            return _probe(path, container)


def _probe(path: Path, container: InputContainer) -> MediaInfo:
    scan = scan_packets(container, path)
    refuse_changed(container)
    video, audio = choose_video(container, path, scan.filled), choose_audio(container, path, scan.filled)
    if video.track is None and audio.track is None:
        if mp4_is_cut(path):
            raise MediaError("truncated", "the file ends before its first picture or sound")
        undecodable = "; ".join(kind.missing for kind in (video, audio) if "no decoder" in kind.missing)
        raise MediaError("unreadable", undecodable or "there is neither picture nor sound in the file")
    chosen = [track for track in (video.track, audio.track) if track is not None]
    packets = [scan.packets(track, "pictures" if track is video.track else "sound") for track in chosen]
    timed = scan.format_name in TIMED_FORMATS
    late = Correction()
    if scan.format_name == "avi" and len(packets) == 2 and all(map(len, packets)):
        late = late_sound_of_avi(packets[0], packets[1], _declared_sound(chosen[1]))
        packets[1] = moved(packets[1], late)
    known = [(t, p) for t, p in zip(chosen, packets, strict=True) if len(p)]
    refuse_truncated(path, container, known, any(scan.count(t.index) < declared_frames(t) for t in chosen), scan)
    discontinuous = bool(container.format.flags & _JUMPING_STAMPS)
    packets, corrections, joined = one_clock(packets, discontinuous)
    corrections[-1] = corrections[-1].after(late)
    refuse_lone_steps(packets)
    refuse_broken_chain(path, scan.format_name)
    damage = first_damage(path, scan.format_name, not joined)
    refuse_unread(path, scan, damage)
    broken = damage is not None or loses_bytes(scan.format_name, scan.positions)
    filled = [track for track in packets if len(track)]
    if not filled:
        raise MediaError("unreadable", "no packet of the file has a time stamp")
    whole = min(t.seconds.min() for t in filled), max(t.ends().max() for t in filled)
    info = MediaInfo(
        path,
        "ok",
        "",
        0.0,
        0.0,
        notes=video.notes + audio.notes + open_end(path, scan) + after_the_end(path, scan, damage),
    )
    if audio.track is None:
        info = replace(info, status="no_audio", reason=audio.missing)
    else:
        heard = packets[-1]
        if not len(heard):
            raise MediaError("unreadable", "the sound has no time stamps")
        gone = _lost(path, audio.track, heard, scan, broken, whole)
        sound = spans(heard, gone)
        sound[0, 0] = max(sound[0, 0], _first_sample(audio.track, sound[0, 0]))
        info = replace(info, sound_spans=sound, audio_index=audio.track.index, audio_correction=corrections[-1])
    if video.track is None:
        info = replace(info, status="no_video", reason=video.missing)
    else:
        seen = packets[0]
        gone, misled = _lost(path, video.track, seen, scan, broken, whole), scan.misses(video.track.index)
        info = replace(info, video_index=video.track.index, video_correction=corrections[0])
        info = with_pictures(info, video.track, seen, scan, timed and not scan.untimed(video.track.index))
        if not timed and not info.by_order and scan.format_name != "ogg":  # there, headers of joined files are packets
            gone = np.concatenate([gone, undecoded_stretches(seen, info.frame_pts)])
        info = _without_lost(info, gone, misled_stretches(seen, misled))
    declared = None if video.track is None else _declared_end(video.track)
    return _on_one_clock(info, packets, joined, declared, None if video.track is None else scan.untold(video.track))


def _lost(
    path: Path,
    track: VideoStream | AudioStream,
    packets: Packets,
    scan: Scan,
    broken: bool,
    whole: tuple[float, float],
) -> NDArray[np.float64]:
    """The lost stretches of a track, see `lost_stretches`; where some may be, all that is stored is looked at."""
    stored = None
    dropped = track.codec_context.name.startswith(_DROPPED_CODECS) or may_lack(packets, whole)
    if scan.format_name in TIMED_FORMATS and not broken and dropped and len(packets) == scan.count(track.index):
        stored = stored_seconds(path, track.index)
    return lost_stretches(packets, scan.format_name, broken, scan.corrupt(track.index), whole, stored)


def _without_lost(info: MediaInfo, gone: NDArray[np.float64], misled: NDArray[np.float64]) -> MediaInfo:
    """Raises: MediaError where more than a second of the pictures is lost or damaged; a note tells of less."""
    for begin, end in gone.tolist():
        if end - begin > _DAMAGED_SECONDS:
            raise MediaError("unreadable", f"the pictures between {begin:.1f} and {end:.1f} s are lost")
    for begin, end in misled.tolist():
        if end - begin > _DAMAGED_SECONDS:
            reason = f"pictures are lost at {begin:.1f} s; up to {end:.1f} s, all that were made from them are damaged"
            raise MediaError("unreadable", reason)
    times = sorted({begin for begin, _ in (*gone.tolist(), *misled.tolist())})
    if not times:
        return info
    note = Note("damaged_pictures", f"pictures are lost at {', '.join(f'{begin:.1f} s' for begin in times)}")
    return replace(info, notes=(*info.notes, note))


def _on_one_clock(
    info: MediaInfo,
    packets: Sequence[Packets],
    joined: Sequence[float],
    declared_end: float | None,
    untold: int | None,
) -> MediaInfo:
    """The file with its time 0, its duration, and notes of its time stamps and what begins late or ends early.

    ``joined`` : where the parts of a joined file follow each other, in seconds of the time stamps
    ``declared_end`` : of the pictures: the last packet's duration may be that of decoding, far longer
    ``untold`` : so many pictures in a row may be lost without a trace
    """
    pictures: tuple[float, float] | None = None
    if info.has_video:
        pts, base = info.frame_pts, info.time_base
        steps = np.diff(pts)
        usual = int(np.median(steps)) if len(steps) else 0
        last = 0
        if not info.by_order and packets[0].time_base == base:
            last = int(packets[0].durations[np.argmax(packets[0].stamps)]) if len(packets[0]) else 0
        step = last or usual or (1 if info.by_order else 0)
        shown_until = float((int(pts[-1]) + step) * base)
        if last and declared_end is not None and declared_end > float(int(pts[-1]) * base) and not joined:
            shown_until = min(shown_until, declared_end)
        pictures = float(int(pts[0]) * base), shown_until
    sound = (float(info.sound_spans[0, 0]), float(info.sound_spans[-1, 1])) if info.has_audio else None
    both = [found for found in (pictures, sound) if found is not None]
    origin, end = min(begin for begin, _ in both), max(end for _, end in both)
    heard = packets[-1].seconds if info.has_audio else np.zeros(0)
    shown = np.asarray(info.frame_pts * float(info.time_base), np.float64)
    refuse_gaps(shown, heard, end)
    refuse_bursts(shown)
    notes = list(info.notes)
    wild = len(info.video_correction.wild) + len(info.audio_correction.wild)
    if wild:
        one = "1 time stamp far from its neighbours was left out"
        notes.append(
            Note("clock_jump", one if wild == 1 else f"{wild} time stamps far from their neighbours were left out")
        )
    if joined:
        at = ", ".join(f"{time - origin:.1f} s" for time in joined[:5])
        notes.append(Note("clock_jump", f"the time stamps begin again; the parts follow each other, at {at}"))
    if pictures and sound:
        notes += late_and_early(pictures, sound, origin, end)
    spans = info.sound_spans - origin
    notes += pauses("sound", spans[:-1, 1], spans[1:, 0], _DAMAGED_SECONDS)
    if info.has_video and len(shown) > 1:
        notes += pauses_of_pictures(shown - origin, _DAMAGED_SECONDS, untold)
    return replace(info, origin=origin, duration=end - origin, sound_spans=spans, notes=tuple(notes))


def _declared_sound(track: VideoStream | AudioStream) -> int:
    """How long a track of an AVI is by its header, in units of its time base; 0 if that is not said."""
    frames = declared_frames(track)
    return max(track.duration or 0, frames) if frames else 0


def _first_sample(track: AudioStream, first: float) -> float:
    """Where the first sample is that is not padding of the encoder, if the header says it: shortly after ``first``."""
    if track.start_time is None or track.time_base is None:
        return first
    declared = float(track.start_time * track.time_base)
    return declared if first <= declared <= first + NOTED_SECONDS else first


def _declared_end(track: VideoStream) -> float | None:
    """When the header says that the pictures end, in seconds of the time stamps."""
    if track.start_time is None or not track.duration or track.time_base is None:
        return None
    return float((track.start_time + track.duration) * track.time_base)
