"""Audacity label tracks: onset, offset and text with tabs between them, a line a label, in seconds."""

from __future__ import annotations

from ..seconds import seconds_text
from .events import EventList, TimedVideo


def audacity_bytes(events: EventList, video: TimedVideo) -> bytes:
    """The label track of a video (File > Import > Labels); with several tracks the text begins with their name."""
    lines = [f"{seconds_text(e.onset)}\t{seconds_text(e.offset)}\t{events.caption(e)}\n" for e in video.by_time()]
    return "".join(lines).encode()
