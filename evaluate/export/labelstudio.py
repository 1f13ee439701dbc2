"""Label Studio: tasks to import with events as predictions, or as annotations where they are the truth, and the
labeling configuration that they are for.

The configuration is Label Studio's of a video with its sound: a region on the wave has its times in seconds (regions of
``TimelineLabels`` count frames, whose rate predictions do not know).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from ... import __version__
from .events import EventList, TimedVideo

_NO_XML = re.compile("[\ufffe\uffff]")
_SOUND = "sound"


def tasks_bytes(events: EventList) -> bytes:
    """A list of tasks, a line a task: ``data`` (``video``, ``video_id``) and one prediction or annotation each."""
    lines = [json.dumps(_task(events, video), ensure_ascii=False, allow_nan=False) for video in events.videos]
    return ("[" + ",\n".join(["", *lines])[1:] + "\n]\n").encode() if lines else b"[]\n"


def config_bytes(events: EventList) -> bytes:
    """The labeling configuration: a control for each track, named as it, over the sound of the video."""
    lines = ["<View>", f'  <Video name="video" value="$video" sync="{_SOUND}"/>']
    for track in events.tracks:
        lines.append(f'  <Header value="{track}" size="6"/>')
        lines.append(f'  <Labels name="{track}" toName="{_SOUND}">')
        lines += [f"    <Label value={quoteattr(_NO_XML.sub(chr(0xFFFD), label))}/>" for label in events.labels]
        lines.append("  </Labels>")
    lines += [f'  <Audio name="{_SOUND}" value="$video" sync="video"/>', "</View>", ""]
    return "\n".join(lines).encode()


def _task(events: EventList, video: TimedVideo) -> dict[str, Any]:
    regions = list(_regions(video))
    data = {"video": _address(video), "video_id": video.id}
    if events.kind == "truth":
        return {"data": data, "annotations": [{"result": regions}]}
    version = f"avreplay {__version__}" + (f", {events.model}" if events.model else "")
    return {"data": data, "predictions": [{"model_version": version, "result": regions}]}


def _regions(video: TimedVideo) -> Iterator[dict[str, Any]]:
    for number, e in enumerate(video.events):
        region: dict[str, Any] = {
            "id": hashlib.sha256(f"{number} {video.id}".encode()).hexdigest()[:10],
            "from_name": e.track,
            "to_name": _SOUND,
            "type": "labels",
            "original_length": video.duration,
            "value": {
                "start": e.onset,
                "end": e.offset,
                "channel": 0,
                "labels": [_NO_XML.sub("\ufffd", e.label)],
            },
        }
        yield region if e.sureness is None else {**region, "score": e.sureness}


def _address(video: TimedVideo) -> str:
    """Where Label Studio finds the video: its own address for files of the machine that it runs on, below ``/``."""
    if video.media is None:
        return video.id
    return video.media if "://" in video.media else f"/data/local-files/?d={quote(video.media.lstrip('/'))}"
