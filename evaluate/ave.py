"""AVE: audio-visual events only, one class a video (8 of the 402 test videos have more)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError, UsageError
from ..core.events import Events
from .annotations import Annotations
from .labels import LabelIndex

LABELS = (
    "accordion", "acoustic guitar", "baby cry, infant cry", "banjo", "bark", "bus", "cat", "chainsaw", "church bell",
    "clock", "female speech, woman speaking", "fixed-wing aircraft, airplane", "flute", "frying (food)", "goat",
    "helicopter", "horse", "male speech, man speaking", "mandolin", "motorcycle", "race car, auto racing", "rodents, rats, mice",
    "shofar", "toilet flush", "train horn", "truck", "ukulele", "violin, fiddle",
)  # fmt: skip
"""The 28 classes, sorted (the released order is that of a Python set and changes from run to run)."""

SEGMENTS = 10
SPLIT_FILES = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}


def load_ave(path: Path, split: str) -> Annotations:
    """``test_AVE.json``, or lines ``Category&VideoID&Quality&StartTime&EndTime``; a folder holds either.

    ``Annotations.txt`` names no split: ask for ``--split all``. A video with several lines keeps their order.
    """
    file = path
    if path.is_dir():
        wanted = [SPLIT_FILES.get(split, "Annotations.txt")] + (["test_AVE.json"] if split == "test" else [])
        there = [path / w for w in wanted if (path / w).is_file()]
        if not there:
            raise DataError(f"{path} holds none of {', '.join(wanted)} for the split {split!r}")
        file = there[0]
    if split not in (*SPLIT_FILES, "all"):
        raise UsageError(f"AVE has no split {split!r}; splits are {', '.join(SPLIT_FILES)}, all")
    index = LabelIndex(LABELS)
    events: dict[str, list[tuple[int, int, int]]] = {}
    for where, name, label, start, end in _json(file) if file.suffix == ".json" else _lines(file):
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= SEGMENTS):
            raise DataError(f"{where}: the event [{start}, {end}) does not lie within 0 to {SEGMENTS} s")
        found = (index.find(label, where), start, end)
        # the distributed file holds events of no length: the video is all background
        events.setdefault(name, []).extend([found] if start < end else [])
    tracks = [[[], [], list(e)] for e in events.values()]
    return Annotations(
        "ave", split, LABELS, tuple(events), np.full(len(events), SEGMENTS), Events.from_tracks(tracks), str(file)
    )


def _json(file: Path) -> list[tuple[str, str, str, Any, Any]]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return [
            (f"{file}: video {name!r}", name, e["class"], e["start"], e["end"])
            for name, list_ in data.items()
            for e in list_
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is not a readable AVE file ({error}); expected {{id: [{{class, start, end}}]}}"
        ) from error


def _lines(file: Path) -> list[tuple[str, str, str, Any, Any]]:
    out: list[tuple[str, str, str, Any, Any]] = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        parts = line.strip().split("&")
        if parts == [""] or parts[0] == "Category":
            continue
        if len(parts) != 5 or not parts[3].isdigit() or not parts[4].isdigit():
            raise DataError(f"{file}, line {number}: expected Category&VideoID&Quality&StartTime&EndTime")
        out.append((f"{file}, line {number}", parts[1], parts[0], int(parts[3]), int(parts[4])))
    return out
