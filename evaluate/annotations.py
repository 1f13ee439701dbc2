"""Annotated events of a dataset, in one form whatever file they come from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from ..core.events import Events
from .labels import LabelIndex

SCHEMA = "avreplay.annotations"
VERSION = 1
_CLIP_SUFFIX = re.compile(r"_\d+_\d+$")


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotated events of N videos.

    ``events`` is a one-setting table over the three tracks, label indices into ``labels``, the events of a video in
    the order of the file. ``segments_per_video`` (N,) int64.
    """

    dataset: str
    split: str
    labels: tuple[str, ...]
    video_ids: tuple[str, ...]
    segments_per_video: NDArray[np.int64]
    events: Events
    source: str

    def match(self, ids: Iterable[str]) -> list[int]:
        """Index of each id, -1 where it is not annotated. LLP ids match with and without ``_start_end``.

        Raises: DataError when two of the ids are the same video, or an id fits several annotated clips.
        """
        exact = {v: i for i, v in enumerate(self.video_ids)}
        short: dict[str, list[int]] = {}
        if self.dataset == "llp":
            for v, i in exact.items():
                short.setdefault(_CLIP_SUFFIX.sub("", v), []).append(i)
        out, taken = [], {}
        for name in ids:
            i = exact.get(name, -1)
            if i < 0 and self.dataset == "llp":
                fits = short.get(name, [])
                if len(fits) > 1:
                    raise DataError(f"the video {name!r} fits {len(fits)} annotated clips; name it with _start_end")
                i = fits[0] if fits else -1
            if i >= 0 and i in taken:
                raise DataError(f"the videos {taken[i]!r} and {name!r} are the same annotated video")
            if i >= 0:
                taken[i] = name
            out.append(i)
        return out

    def select(self, videos: Sequence[int]) -> Annotations:
        """Some of the videos, in the order given."""
        return Annotations(
            self.dataset, self.split, self.labels, tuple(self.video_ids[v] for v in videos),
            self.segments_per_video[list(videos)], self.events.select(videos), self.source,
        )  # fmt: skip


def ids_sha256(ids: Iterable[str]) -> str:
    """A hash of a set of video ids, by which two labs can tell that they scored the same ones."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def masks_to_runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Maximal runs of True in a (T,) mask, half-open."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def both(audio: Sequence[tuple[int, int, int]], visual: Sequence[tuple[int, int, int]], segments: int) -> list:
    """Audio-visual events: per label the segments that are annotated in both, as runs."""
    out = []
    for label in sorted({e[0] for e in audio} & {e[0] for e in visual}):
        masks = np.zeros((2, segments), np.bool_)
        for k, events in enumerate((audio, visual)):
            for c, start, end in events:
                if c == label:
                    masks[k, start:end] = True
        out += [(label, s, e) for s, e in masks_to_runs(masks[0] & masks[1])]
    return out


def load_annotations(dataset: str, path: str | os.PathLike[str], split: str = "test") -> Annotations:
    """Load annotations: ``llp`` (folder of the four csv files), ``ave`` (test_AVE.json, Annotations.txt or their
    folder), ``json`` (this package's own file or its folder).

    Raises
    ------
    UsageError
        an unknown dataset or split
    DataError
        a missing or malformed file; the message names file and line, an unknown label its nearest match
    """
    from .ave import load_ave
    from .llp import load_llp

    loaders: dict[str, Callable[[Path, str], Annotations]] = {"llp": load_llp, "ave": load_ave, "json": load_own}
    if dataset not in loaders:
        raise UsageError(f"there is no dataset {dataset!r}; datasets are {', '.join(loaders)}")
    place = Path(path)
    if not place.exists():
        raise DataError(f"there are no annotations at {place}; check the path")
    return loaders[dataset](place, split)


def load_own(path: Path, split: str) -> Annotations:
    """The package's own file: ``{"schema", "labels", "split", "videos": {id: {"segments", "audio", "visual"}}}``.

    A track is a list of ``{"label", "onset", "offset"}`` in segments, half-open; without ``audio_visual`` that track
    is where audio and visual agree.
    """
    file = path / "annotations.json" if path.is_dir() else path
    data = read_json(file, SCHEMA, VERSION)
    found = data.get("split", split)
    if found != split:
        raise UsageError(f"{file} holds the split {found!r}, not {split!r}; ask for --split {found}")
    index = LabelIndex(data["labels"], data.get("aliases"))
    ids, segments, tracks = [], [], []
    for name, video in data["videos"].items():
        t = video.get("segments")
        if not isinstance(t, int) or t < 0:
            raise DataError(f"{file}: video {name!r} has segments {t!r}; expected a whole number")
        parsed = {
            k: [event_of(e, index, t, f"{file}: video {name!r}, {k}")[:3] for e in video.get(k, [])]
            for k in ("audio", "visual", "audio_visual")
        }
        if "audio_visual" not in video:
            parsed["audio_visual"] = both(parsed["audio"], parsed["visual"], t)
        ids.append(name)
        segments.append(t)
        tracks.append(list(parsed.values()))
    return Annotations(
        "json", split, index.labels, tuple(ids), np.array(segments, np.int64), Events.from_tracks(tracks), str(file)
    )


def read_json(file: Path, schema: str, version: int) -> dict[str, Any]:
    """A JSON file of one of this package's schemas, with ``labels`` and ``videos`` in it."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no file {file}; check the path") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{file} is not readable JSON: {error}") from error
    name, _, number = str(data.get("schema", "") if isinstance(data, dict) else "").partition("/")
    if name != schema:
        raise DataError(f"{file} has schema {name or None!r}; expected {schema}/{version}")
    if not number.isdigit() or int(number) > version:
        raise DataError(f"{file} has schema version {number!r}, this avreplay reads up to {version}; upgrade avreplay")
    if not isinstance(data.get("labels"), list) or not isinstance(data.get("videos"), dict):
        raise DataError(f"{file} lacks its list of labels or its videos")
    return data


def event_of(event: Any, index: LabelIndex, segments: int, where: str) -> tuple[int, int, int, float]:
    """``(label, onset, offset, score)`` of a JSON event, checked."""
    try:
        label, onset, offset, score = event["label"], event["onset"], event["offset"], event.get("score")
    except (TypeError, KeyError, AttributeError):
        raise DataError(f"{where}: an event needs label, onset and offset; got {event!r}") from None
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in (onset, offset))
    if not whole or not 0 <= onset < offset <= segments:
        raise DataError(f"{where}: the event [{onset}, {offset}) does not lie within its {segments} segments")
    if score is not None and (not isinstance(score, (int, float)) or score != score):
        raise DataError(f"{where}: the score {score!r} is not a number")
    return index.find(label, where), onset, offset, float("nan") if score is None else float(score)
