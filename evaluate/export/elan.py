"""ELAN annotation documents (EAF 3.0), in milliseconds.

Annotations of one tier must not overlap in ELAN, and events of a track do: so each label of a track has a tier,
``audio: Speech``, and another, ``audio: Speech (2)``, where its own events overlap.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePath
from xml.sax.saxutils import escape, quoteattr

from ..seconds import milliseconds
from .events import EventList, TimedVideo

Span = tuple[int, int, str]
"""Onset and offset in milliseconds, and the text of an annotation."""

_NO_XML = re.compile("[\ufffe\uffff]")

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="avreplay" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
"""
_FOOT = """    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="event" TIME_ALIGNABLE="true"/>
    <CONSTRAINT DESCRIPTION="Time subdivision of parent annotation's time interval, no time gaps allowed within this \
interval" STEREOTYPE="Time_Subdivision"/>
    <CONSTRAINT DESCRIPTION="Symbolic subdivision of a parent annotation. Annotations refering to the same parent are \
ordered" STEREOTYPE="Symbolic_Subdivision"/>
    <CONSTRAINT DESCRIPTION="1-1 association with a parent annotation" STEREOTYPE="Symbolic_Association"/>
    <CONSTRAINT DESCRIPTION="Time alignable annotations within the parent annotation's time interval, gaps are \
allowed" STEREOTYPE="Included_In"/>
</ANNOTATION_DOCUMENT>
"""


def elan_bytes(events: EventList, video: TimedVideo) -> bytes:
    """The document of a video; its media file is linked where it is known. The date is a fixed one, so that the same
    events give the same bytes."""
    tiers = _tiers(video)
    times = sorted({t for spans in tiers.values() for start, end, _ in spans for t in (start, end)})
    slot = {t: f"ts{i}" for i, t in enumerate(times, 1)}
    lines = [_HEAD, '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n', _media(video)]
    count = sum(map(len, tiers.values()))
    lines.append(f'        <PROPERTY NAME="lastUsedAnnotationId">{count}</PROPERTY>\n    </HEADER>\n    <TIME_ORDER>\n')
    lines += [f'        <TIME_SLOT TIME_SLOT_ID="{slot[t]}" TIME_VALUE="{t}"/>\n' for t in times]
    lines.append("    </TIME_ORDER>\n")
    number = 0
    for name, spans in tiers.items():
        lines.append(f'    <TIER LINGUISTIC_TYPE_REF="event" TIER_ID={quoteattr(name)}>\n')
        for start, end, text in spans:
            number += 1
            lines.append(
                f'        <ANNOTATION>\n            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
                f'TIME_SLOT_REF1="{slot[start]}" TIME_SLOT_REF2="{slot[end]}">\n'
                f"                <ANNOTATION_VALUE>{escape(text)}</ANNOTATION_VALUE>\n"
                "            </ALIGNABLE_ANNOTATION>\n        </ANNOTATION>\n"
            )
        lines.append("    </TIER>\n")
    return "".join([*lines, _FOOT]).encode()


def _tiers(video: TimedVideo) -> dict[str, list[Span]]:
    """Annotations by the name of their tier; none overlap in it."""
    lanes: dict[tuple[str, str], list[list[Span]]] = {}
    for e in video.by_time():
        start, end = milliseconds(e.onset, e.offset)
        of_label = lanes.setdefault((e.track, e.label), [])
        free = next((lane for lane in of_label if lane[-1][1] <= start), None)
        if free is None:
            free = []
            of_label.append(free)
        free.append((start, end, _xml(e.label)))
    # the first lanes have the names first
    ordered = sorted(
        ((i, track, label, lane) for (track, label), of_label in lanes.items() for i, lane in enumerate(of_label)),
        key=lambda one: (one[0] > 0, one[1], one[2], one[0]),
    )
    tiers: dict[str, list[Span]] = {}
    for _, track, label, lane in ordered:
        name, more = _xml(f"{track}: {label}"), 2
        while name in tiers:
            name, more = _xml(f"{track}: {label} ({more})"), more + 1
        tiers[name] = lane
    return dict(sorted(tiers.items()))


def _media(video: TimedVideo) -> str:
    if video.media is None:
        return ""
    url = video.media if "://" in video.media else PurePath(video.media).as_uri()
    kind = mimetypes.guess_type(video.media)[0] or "video/mp4"
    return f"        <MEDIA_DESCRIPTOR MEDIA_URL={quoteattr(url)} MIME_TYPE={quoteattr(kind)}/>\n"


def _xml(text: str) -> str:
    """Text without the two characters of names that XML does not have."""
    return _NO_XML.sub("\ufffd", text)
