"""Events in seconds, as annotation tools export them: a TSV file for each split."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import ClassVar

import numpy as np
from avreplay import Annotations, DataError, Dataset, Events, UsageError

Event = tuple[int, int, int]
COLUMNS = ["video_id", "track", "label", "onset", "offset"]


class ExampleTsv(Dataset):
    """A folder of ``labels.txt`` (one a line), ``durations.tsv`` (video_id, seconds) and a file for each split.

    ``<split>.tsv`` has the columns video_id, track (audio or visual), label, onset and offset, both in seconds. A video
    without events has one line in which all but its id is empty. Segments are seconds: an event is in every segment
    that it touches. An audio-visual event is where audio and visual events of one label overlap.
    """

    name: ClassVar[str] = "example_tsv"
    about: ClassVar[str] = "a folder of labels.txt, durations.tsv and <split>.tsv with events in seconds"
    metric: ClassVar[str] = "micro_f"

    def load(self, path: Path, split: str) -> Annotations:
        if not (path / f"{split}.tsv").is_file():
            splits = sorted(file.stem for file in path.glob("*.tsv") if file.name != "durations.tsv")
            raise UsageError(f"{path} has no split {split!r}; it has {', '.join(splits) or 'none'}")
        labels = tuple(_text(path / "labels.txt").split("\n"))
        seconds = {row["video_id"]: row["seconds"] for _, row in _rows(path / "durations.tsv", ["video_id", "seconds"])}
        tracks: dict[str, tuple[list[Event], list[Event]]] = {}
        for where, row in _rows(path / f"{split}.tsv", COLUMNS):
            video = row["video_id"]
            if video not in seconds:
                raise DataError(f"{where}: durations.tsv has no video {video!r}; add its length")
            audio, visual = tracks.setdefault(video, ([], []))
            if not row["track"]:
                continue
            if row["track"] not in ("audio", "visual"):
                raise DataError(f"{where}: the track is {row['track']!r}; expected audio or visual")
            if row["label"] not in labels:
                raise DataError(f"{where}: labels.txt has no label {row['label']!r}; add it")
            onset, offset = _number(where, row["onset"]), _number(where, row["offset"])
            if not 0 <= onset < offset:
                raise DataError(f"{where}: {onset:g} to {offset:g} s is no span of time")
            event = (labels.index(row["label"]), math.floor(onset), math.ceil(offset))
            (audio if row["track"] == "audio" else visual).append(event)
        lengths = [math.ceil(_number(f"the length of {video!r}", seconds[video])) for video in tracks]
        table = Events.from_tracks([[audio, visual, _overlaps(audio, visual)] for audio, visual in tracks.values()])
        segments = np.array(lengths, np.int64)
        # what an annotation marks beyond the end of its video is cut off
        return Annotations(self.name, split, labels, tuple(tracks), segments, table.cut(segments), str(path))


def _overlaps(audio: list[Event], visual: list[Event]) -> list[Event]:
    return [
        (label, max(a, c), min(b, d))
        for label, a, b in audio
        for other, c, d in visual
        if label == other and max(a, c) < min(b, d)
    ]


def _number(where: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}: {text!r} is not a number of seconds") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error


def _rows(file: Path, columns: list[str]) -> list[tuple[str, dict[str, str]]]:
    """Each line with its place for messages."""
    lines = list(csv.reader(_text(file).split("\n"), delimiter="\t"))
    if lines[0] != columns:
        raise DataError(f"{file}: the first line is {lines[0]}; expected the columns {', '.join(columns)}")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(columns):
            raise DataError(f"{file}, line {number}: {len(line)} fields; expected {', '.join(columns)}")
    return [(f"{file}, line {n}", dict(zip(columns, line, strict=True))) for n, line in enumerate(lines[1:], 2)]
