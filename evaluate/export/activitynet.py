"""ActivityNet's JSON: ``results`` of a detector, or the ``database`` of annotations; segments in seconds.

Its evaluation knows one track, so export one for that; ``track``, which tells them apart, it does not read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ... import __version__
from .events import EventList, TimedEvent

NO_SCORE = 1.0
"""Of events that have none, where every one needs a score."""


def activitynet_bytes(events: EventList) -> bytes:
    """One JSON object, a line a video."""
    truth = events.kind == "truth"
    lines = []
    for video in events.videos:
        rows = [_row(e, truth) for e in video.events]
        entry: Sequence[Any] | dict[str, Any] = rows
        if truth:
            entry = {"subset": events.split, "duration": video.duration, "url": video.media or "", "annotations": rows}
        lines.append(f"{_json(video.id)}: {_json(entry)}")
    head = {"version": f"avreplay {__version__}", **({"taxonomy": []} if truth else {"external_data": {}})}
    body = ",\n".join(lines)
    return f'{_json(head)[:-1]},\n"{"database" if truth else "results"}": {{\n{body}\n}}}}\n'.encode()


def _row(e: TimedEvent, truth: bool) -> dict[str, Any]:
    score = {} if truth else {"score": NO_SCORE if e.sureness is None else e.sureness}
    return {"label": e.label, **score, "segment": [e.onset, e.offset], "track": e.track}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
