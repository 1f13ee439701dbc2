"""Subtitles: WebVTT and SubRip (SRT), a cue an event, in milliseconds; cues may overlap."""

from __future__ import annotations

import re

from ..seconds import clock, milliseconds
from .events import EventList, TimedVideo

JOINER = "\u2060"
"""Word joiner, which is not seen: it keeps players from taking what begins as a tag for one."""

_TAG = re.compile(r"(<(?=[a-zA-Z/!?])|\{(?=\\)|--(?=>))")


def webvtt_bytes(events: EventList, video: TimedVideo) -> bytes:
    """A WebVTT file; with several tracks the text begins with the track's name. Escaped as the standard has it."""
    cues = ["WEBVTT\n"]
    for e in video.by_time():
        start, end = milliseconds(e.onset, e.offset)
        text = events.caption(e).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{clock(start, '.')} --> {clock(end, '.')}\n{text}\n")
    return "\n".join(cues).encode()


def srt_bytes(events: EventList, video: TimedVideo) -> bytes:
    """An SRT file. SRT has no escapes: where a text has what players take for a tag or an arrow, an invisible word
    joiner (U+2060) stands after its first sign."""
    cues = []
    for number, e in enumerate(video.by_time(), 1):
        start, end = milliseconds(e.onset, e.offset)
        text = _TAG.sub(rf"\1{JOINER}", events.caption(e))
        cues.append(f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n")
    return "\n".join(cues).encode()
