"""RTTM, as pyannote reads it: ``SPEAKER <video> 1 <onset> <duration> <NA> <NA> <label> <NA> <NA>``, in seconds.

Fields end at white space. In an id it is written as in URLs (``my%20clip``), in a label as ``_``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import quote

from ...core.errors import DataError, shown
from ..seconds import difference, seconds_text
from .events import EventList


def write_rttm(file: BinaryIO, blocks: Iterable[EventList]) -> None:
    """A line an event; with several tracks the seventh field, which pyannote does not read, is the track.

    Raises: DataError for two labels that differ only in white space and ``_``.
    """
    for events in blocks:
        file.write("".join(_lines(events)).encode())


def _lines(events: EventList) -> Iterator[str]:
    names: dict[str, str] = {}
    for label in events.labels:
        other = names.setdefault(_joined(label), label)
        if other != label:
            raise DataError(f"RTTM has no white space, so the labels {shown(other)} and {shown(label)} would be one")
    several = len(events.tracks) > 1
    for video in events.videos:
        uri = "".join(quote(c, safe="") if c.isspace() or c == "%" else c for c in video.id)
        for e in video.by_time():
            times = f"{seconds_text(e.onset)} {seconds_text(difference(e.onset, e.offset))}"
            track = e.track if several else "<NA>"
            yield f"SPEAKER {uri} 1 {times} <NA> {track} {_joined(e.label)} <NA> <NA>\n"


def _joined(label: str) -> str:
    return "".join("_" if c.isspace() else c for c in label)
