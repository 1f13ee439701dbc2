"""Predictions: the JSON file that replay writes and evaluation reads, and their alignment with annotations."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.events import TRACKS, Events
from .annotations import Annotations, event_of, read_json
from .labels import LabelIndex

SCHEMA = "avreplay.predictions"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted events of N videos: a one-setting table, label indices into ``labels``, and the options that made
    them. ``segments_per_video`` (N,) int64; ``segment_seconds`` length of a segment in seconds."""

    labels: tuple[str, ...]
    params: Mapping[str, Any]
    video_ids: tuple[str, ...]
    segments_per_video: NDArray[np.int64]
    events: Events
    segment_seconds: float = 1.0


def write_predictions(path: str | os.PathLike[str], predictions: Predictions) -> None:
    """Write predictions, a line a video, replacing the file in one step."""

    def track(v: int, k: int) -> list[dict[str, Any]]:
        return [
            {
                "label": predictions.labels[c],
                "onset": s,
                "offset": e,
                "score": None if score != score else round(score, 7),
            }
            for c, s, e, score in predictions.events.track(v, k)
        ]

    lines = []
    for v, name in enumerate(predictions.video_ids):
        video: dict[str, Any] = {"segments": int(predictions.segments_per_video[v])}
        if predictions.segment_seconds != 1:
            video["segment_seconds"] = predictions.segment_seconds
        video.update({t: track(v, k) for k, t in enumerate(TRACKS)})
        lines.append(f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(video, ensure_ascii=False)}")
    head = {
        "schema": f"{SCHEMA}/{VERSION}",
        "labels": list(predictions.labels),
        "params": dict(predictions.params),
    }
    body = json.dumps(head, ensure_ascii=False)[:-1] + ',\n"videos": {\n' + ",\n".join(lines) + "\n}}\n"
    write_atomically(path, body)


def write_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file so that it is either the old or the new one, never half of it."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror}") from error


def read_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Read and check a predictions file.

    Raises
    ------
    DataError
        not such a file, a newer one, an event with an unknown label or outside its video; it names video and track
    """
    file = Path(path)
    data = read_json(file, SCHEMA, VERSION)
    index = LabelIndex(data["labels"])
    ids, segments, tracks, lengths = [], [], [], set()
    for name, video in data["videos"].items():
        t = video.get("segments") if isinstance(video, dict) else None
        if not isinstance(t, int) or t < 0:
            raise DataError(f"{file}: video {name!r} has segments {t!r}; expected a whole number")
        ids.append(name)
        segments.append(t)
        lengths.add(float(video.get("segment_seconds", 1)))
        tracks.append(
            [[event_of(e, index, t, f"{file}: video {name!r}, {k}") for e in video.get(k, [])] for k in TRACKS]
        )
    if len(lengths) > 1:
        raise DataError(f"{file} mixes segments of {sorted(lengths)} seconds; score videos of one length at a time")
    return Predictions(
        index.labels, data.get("params", {}), tuple(ids), np.array(segments, np.int64), Events.from_tracks(tracks),
        lengths.pop() if lengths else 1.0,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions and annotations of the same M videos, with the annotations' labels and segment counts."""

    predicted: Events
    truth: Annotations
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    length_mismatches: int


def align(predictions: Predictions, annotations: Annotations, aliases: Mapping[str, str] | None = None) -> Aligned:
    """Bring predictions to the videos, labels and segments of the annotations, in the annotations' order.

    Videos that are annotated but not predicted are ``missing``; those predicted but not annotated ``extra``. Where
    the numbers of segments differ, events are clipped to the annotated ones, and the video is counted.

    Raises: DataError for an event whose label the annotations do not have, naming the nearest.
    """
    index = LabelIndex(annotations.labels, aliases)
    to_label = np.array(index.mapping(predictions.labels), np.int64).reshape(-1)
    at = annotations.match(predictions.video_ids)
    pairs = sorted((i, p) for p, i in enumerate(at) if i >= 0)
    found = {i for i, _ in pairs}
    mismatches = 0
    tracks = []
    for i, p in pairs:
        limit = int(annotations.segments_per_video[i])
        mismatches += limit != int(predictions.segments_per_video[p])
        video = []
        for k in range(3):
            events = []
            for c, start, end, score in predictions.events.track(p, k):
                label = int(to_label[c])
                if label < 0:
                    index.find(predictions.labels[c], f"video {predictions.video_ids[p]!r}, {TRACKS[k]}")
                if start < limit:
                    events.append((label, start, min(end, limit), score))
            video.append(events)
        tracks.append(video)
    return Aligned(
        Events.from_tracks(tracks),
        annotations.select([i for i, _ in pairs]),
        tuple(v for i, v in enumerate(annotations.video_ids) if i not in found),
        tuple(predictions.video_ids[p] for p, i in enumerate(at) if i < 0),
        mismatches,
    )
