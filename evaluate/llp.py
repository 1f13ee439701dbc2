"""LLP: video-level csv files name the split, segment-level ones hold the events of validation and test."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.errors import DataError, UsageError
from ..core.events import Events
from .annotations import Annotations, both
from .labels import LabelIndex

LABELS = (
    "Speech", "Car", "Cheering", "Dog", "Cat", "Frying_(food)", "Basketball_bounce", "Fire_alarm", "Chainsaw", "Cello",
    "Banjo", "Singing", "Chicken_rooster", "Violin_fiddle", "Vacuum_cleaner", "Baby_laughter", "Accordion",
    "Lawn_mower", "Motorcycle", "Helicopter", "Acoustic_guitar", "Telephone_bell_ringing", "Baby_cry_infant_cry",
    "Blender", "Clapping",
)  # fmt: skip
"""The 25 classes, in the order of the released code."""

ALIASES = {"Frying food": "Frying_(food)", "Baby cry, infant cry": "Baby_cry_infant_cry"}
SEGMENTS = 10
SPLITS = {"test": "AVVP_test_pd.csv", "val": "AVVP_val_pd.csv"}


def load_llp(path: Path, split: str) -> Annotations:
    """The four csv files of LLP in one folder; audio-visual is audio and visual of the same label."""
    if split not in SPLITS:
        raise UsageError(f"LLP has no split {split!r} with segment annotations; splits are {', '.join(SPLITS)}")
    folder = path if path.is_dir() else path.parent
    index = LabelIndex(LABELS, ALIASES)
    ids = [row["filename"] for _, row in _rows(folder / SPLITS[split], ("filename", "event_labels"))]
    if len(set(ids)) != len(ids):
        raise DataError(f"{folder / SPLITS[split]} names a video twice")
    at = {v: i for i, v in enumerate(ids)}
    tracks: list[list[list]] = [[[], [], []] for _ in ids]
    for k, name in enumerate(("AVVP_eval_audio.csv", "AVVP_eval_visual.csv")):
        file = folder / name
        for line, row in _rows(file, ("filename", "onset", "offset", "event_labels")):
            where = f"{file}, line {line}"
            label = index.find(row["event_labels"], where)
            try:
                onset, offset = int(row["onset"]), int(row["offset"])
            except ValueError:
                raise DataError(f"{where}: onset and offset must be whole seconds") from None
            if not (0 <= onset <= SEGMENTS and 0 <= offset <= SEGMENTS):
                raise DataError(f"{where}: the event [{onset}, {offset}) does not lie within 0 to {SEGMENTS} s")
            # the distributed files hold some events that end before they begin or as they do: they mark nothing
            if row["filename"] in at and onset < offset:
                tracks[at[row["filename"]]][k].append((label, onset, offset))
    for video in tracks:
        video[2] = both(video[0], video[1], SEGMENTS)
    return Annotations(
        "llp", split, LABELS, tuple(ids), np.full(len(ids), SEGMENTS), Events.from_tracks(tracks), str(folder)
    )


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    if not file.is_file():
        raise DataError(f"there is no file {file}; LLP needs {', '.join(SPLITS.values())} and AVVP_eval_*.csv")
    with file.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t")
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{file} has no column {missing[0]!r}; expected tab-separated {', '.join(columns)}")
        for row in reader:
            if any(row[c] is None for c in columns):
                raise DataError(f"{file}, line {reader.line_num}: too few columns")
            yield reader.line_num, row
