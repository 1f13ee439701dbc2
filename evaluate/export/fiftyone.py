"""FiftyOne: a folder that it imports as ``fiftyone.types.FiftyOneTemporalDetectionDataset``, without a script.

Its times stand in seconds; FiftyOne turns them into frames when it has read the length of the videos.
"""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

from ...core.errors import UsageError
from .events import EventList, TimedEvent
from .file_names import file_names
from .registry import INDEX

LABELS, MEDIA = "labels.json", "data.json"


def fiftyone_files(events: EventList) -> dict[str, bytes]:
    """``labels.json``: classes, and the events of each video with their track as an attribute; ``data.json``, where the
    videos are known: their paths; ``index.csv``: the name that each video has in both.

    A name is the id, except where ids are no relative paths in their shortest form, which FiftyOne would change.

    Raises: UsageError for videos at URLs.
    """
    ids = [video.id for video in events.videos]
    plain = all(os.path.normpath(one) == one and not os.path.isabs(one) for one in ids)
    names = ids if plain else file_names(ids)
    labels = [
        f"{_json(name)}: {_json([_detection(e) for e in video.events])}"
        for name, video in zip(names, events.videos, strict=True)
    ]
    files = {LABELS: f'{{"classes": {_json(events.labels)},\n"labels": {{\n{_lines(labels)}\n}}}}\n'.encode()}
    if any(video.media is not None for video in events.videos):
        files[MEDIA] = _manifest(events, names)
    index = io.StringIO(newline="")
    rows = csv.writer(index, lineterminator="\n")
    rows.writerows([("file", "video_id"), *zip(names, ids, strict=True)])
    return {**files, INDEX: index.getvalue().encode()}


def _detection(e: TimedEvent) -> dict[str, Any]:
    score = {} if e.sureness is None else {"confidence": e.sureness}
    return {"label": e.label, "timestamps": [e.onset, e.offset], **score, "attributes": {"track": e.track}}


def _manifest(events: EventList, names: list[str]) -> bytes:
    lines = []
    for name, video in zip(names, events.videos, strict=True):
        if video.media is None:
            continue
        if "://" in video.media:
            raise UsageError("FiftyOne reads videos from files; give the folder of the videos with --media")
        # FiftyOne takes the extension off
        lines.append(f"{_json(name + os.path.splitext(video.media)[1])}: {_json(video.media)}")
    return f"{{\n{_lines(lines)}\n}}\n".encode()


def _lines(lines: list[str]) -> str:
    return ",\n".join(lines)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
