"""Targets of a segment classifier from annotations: one class a segment, by split and group."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from ..core.events import TRACKS
from ..core.labels import LabelIndex, folded
from ..core.segment_targets import GROUPS, SPLITS, SegmentTargets
from .datasets.annotations import Annotations
from .datasets.registry import DATASETS, load_annotations


def load_targets(
    dataset: str, path: str | os.PathLike[str], *, train_split: str = "train", background: str = "other"
) -> SegmentTargets:
    """The targets of a dataset's splits train, val and test (of ``json``: those of the files ``train.json``,
    ``val.json`` and ``test.json`` in the folder that are there).

    ``train_split`` names another split to train on, say ``train_25`` of OV-AVEBench.

    Raises: as :func:`load_annotations` and :func:`segment_targets` do.
    """
    names = {"train": train_split, "val": "val", "test": "test"}
    folder = Path(path)
    where = DATASETS.get(dataset)
    places = {split: where.split_path(folder, name) for split, name in names.items()}
    if places["train"] is None:
        raise DataError(f"{folder} holds no {train_split}.json; put the annotations of the training videos there")
    found = {s: load_annotations(dataset, place, names[s]) for s, place in places.items() if place is not None}
    return segment_targets(found, background=background)


def segment_targets(splits: Mapping[str, Annotations], *, background: str = "other") -> SegmentTargets:
    """One class for each segment: that of the audio-visual event there, of several the first in the order of the file,
    ``background`` where none is.

    The labels are those of the annotations, training ones those that occur in training, both in their order with the
    background last. Where the annotations do not say, the category of a video is that of its first event, and it is
    seen if that occurs in training.

    Raises
    ------
    UsageError
        a split that is none of train, val and test; no split to train on
    DataError
        no audio-visual event in the training videos; a label of the training videos that the others have not
    """
    unknown = [name for name in splits if name not in SPLITS]
    if unknown or "train" not in splits:
        raise UsageError(f"targets are made of the splits {', '.join(SPLITS)}, train among them, not of {unknown}")
    widest = max(splits.values(), key=lambda a: len(a.labels))
    events_of = [name for name in widest.labels if not _is_background(name, background)]
    index = LabelIndex((*events_of, background))
    longest = max(int(a.segments_per_video.max(initial=1)) for a in splits.values())
    rows = {name: _rows(a, index, longest, name) for name, a in splits.items()}
    known = np.unique(np.concatenate([rows["train"][0].ravel(), rows["train"][1]]))
    seen = [c for c in known.tolist() if 0 <= c < len(events_of)]
    if not seen:
        raise DataError(f"{splits['train'].source} holds no audio-visual event; there is nothing to train on")
    groups = []
    for given, (_, category) in zip(splits.values(), rows.values(), strict=True):
        given_groups = [GROUPS.index(g) if g in GROUPS else -1 for g in given.group]
        guess = np.where(category < 0, -1, np.where(np.isin(category, seen), 0, 1))
        groups.append(np.array(given_groups, np.int64) if given_groups else guess)
    return SegmentTargets.create(
        video_ids=[v for a in splits.values() for v in a.video_ids],
        labels=index.labels,
        train_labels=[*(index.labels[c] for c in seen), background],
        classes=np.concatenate([r[0] for r in rows.values()]),
        mask=np.concatenate([np.arange(longest) < a.segments_per_video[:, None] for a in splits.values()]),
        categories=np.concatenate([r[1] for r in rows.values()]),
        splits=np.concatenate([np.full(len(a.video_ids), SPLITS.index(s)) for s, a in splits.items()]),
        groups=np.concatenate(groups),
    )


def _rows(
    annotations: Annotations, index: LabelIndex, longest: int, split: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classes (n, T) and categories (n,) of one split."""
    background = len(index.labels) - 1
    where = f"the labels of the split {split!r}"
    at = np.array(
        [
            background if _is_background(name, index.labels[-1]) else index.find(name, where)
            for name in annotations.labels
        ],
        np.int64,
    )
    classes = np.full((len(annotations.video_ids), longest), background, np.int64)
    category = np.full(len(classes), -1, np.int64)
    for video, row in enumerate(classes):
        for label, onset, offset, _ in reversed(annotations.events.track(video, TRACKS.index("audio_visual"))):
            row[onset:offset] = at[label]
            category[video] = at[label]
    if annotations.category is not None:
        category = np.where(annotations.category < 0, -1, at[annotations.category])
    return classes, category


def _is_background(name: str, background: str) -> bool:
    """Whether a label is the text of the background, or one that another choice of it leaves without a use."""
    return folded(name) in (folded(background), "other", "background")
