"""The datasets by name, and their annotations, labels and metric.

Only the standard library is imported until a dataset is used, so that the command line can list names without waiting.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.arguments import typed_arguments
from ...core.errors import DataError, UsageError
from ...core.metrics.registry import METRICS
from ...core.registry import Registry, failures_of, instance_of

if TYPE_CHECKING:
    from ...core.metrics.base import Metric
    from .annotations import Annotations
    from .base import Dataset, PaperRow


def _checked(item: object) -> Dataset:
    from .base import Dataset

    return instance_of(Dataset, item, ("name",))  # type: ignore[type-abstract]


DATASETS: Registry[Dataset] = Registry(
    "dataset",
    "avreplay.datasets",
    {
        "llp": "avreplay.evaluate.datasets.llp:Llp",
        "ave": "avreplay.evaluate.datasets.ave:Ave",
        "ovavebench": "avreplay.evaluate.datasets.ovavebench:OvaveBench",
        "json": "avreplay.evaluate.datasets.native_json:NativeJson",
        "unav": "avreplay.evaluate.datasets.unav:Unav",
        "avepm": "avreplay.evaluate.datasets.ave_pm:AvePm",
        "vggsound_avel": "avreplay.evaluate.datasets.vggsound_avel:VggsoundAvel",
        "desed": "avreplay.evaluate.datasets.desed:Desed",
        "audioset_strong": "avreplay.evaluate.datasets.audioset_strong:AudiosetStrong",
        "strong_tsv": "avreplay.evaluate.datasets.strong_tsv:StrongTsv",
    },
    _checked,
)
"""The datasets of the package, its own JSON among them, and those of plug-ins."""


@typed_arguments
def load_annotations(dataset: str, path: str | os.PathLike[str], split: str = "test") -> Annotations:
    """Load annotations: ``llp`` (folder of the four csv files), ``ave`` (test_AVE.json, Annotations.txt, the split
    files, or their folder), ``ovavebench`` (the authors' csv and json, or ``ovavebench.csv.gz``, or their folder),
    ``json`` (this package's own file, or its folder), any other that :mod:`.listing` tells of, or
    ``package.module:Object``.

    Raises
    ------
    UsageError
        an unknown dataset or split
    DataError
        a missing or malformed file; the message names file and line, an unknown label its nearest match
    """
    found = DATASETS.get(dataset)
    with failures_of("dataset", found, dataset):
        return _loaded(found, found.load(existing(path), split))


def load_video_level(dataset: str, path: str | os.PathLike[str], split: str) -> Annotations:
    """Load a split whose labels are of whole videos. Raises as :func:`load_annotations`."""
    found = DATASETS.get(dataset)
    with failures_of("dataset", found, dataset):
        return _loaded(found, found.load_video_level(existing(path), split))


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of annotations. Raises DataError where nothing is there."""
    from ...cache.reading.files import named

    place = Path(path)
    if not os.path.exists(place):
        raise DataError(f"there are no annotations at {named(place)}; check the path")
    return place


def dataset_labels(dataset: str) -> tuple[str, ...]:
    """The label list of a dataset, in its order. Raises UsageError for one that has no fixed list."""
    labels = DATASETS.get(dataset).labels
    if not labels:
        raise UsageError(f"the dataset {dataset!r} has no fixed label list; its annotation files bring their own")
    return labels


def metric_of(annotations: Annotations, asked: str = "auto") -> Metric:
    """The metric that annotations are scored with: the one asked for by name, or for ``auto`` their own, which is LLP's
    for those that were made by hand and name none. Raises: UsageError for an unknown metric."""
    if asked != "auto":
        return METRICS.get(asked)
    return METRICS.get(annotations.metric or str(_known(annotations, "metric", "llp")))


def tracks_apart(annotations: Annotations) -> bool:
    """Whether audio and visual events are annotated apart; of annotations made by hand, as their dataset has them."""
    if annotations.tracks_apart is not None:
        return annotations.tracks_apart
    return bool(_known(annotations, "tracks_apart", False))


def paper_row(dataset: str, preset: str | None) -> PaperRow | None:
    """Name and figures of the papers' row for a preset on a dataset, None where there is none."""
    return DATASETS.get(dataset).paper_row(preset or "") if dataset in DATASETS else None


def _known(annotations: Annotations, attribute: str, otherwise: object) -> object:
    if annotations.dataset not in DATASETS:
        return otherwise
    return getattr(DATASETS.get(annotations.dataset), attribute)


def _loaded(dataset: Dataset, annotations: Annotations) -> Annotations:
    """The annotations that a dataset gave, checked, with its metric. Raises TypeError or ValueError in a sentence."""
    import numpy as np

    from ...core.events import Events
    from .annotations import Annotations

    if not isinstance(annotations, Annotations):
        raise TypeError(f"it gave {type(annotations).__name__}, not Annotations")
    n, events = len(annotations.video_ids), annotations.events
    if not isinstance(events, Events) or (events.num_settings, events.num_videos) != (1, n):
        raise TypeError(f"its events are no table of one setting of the {n} videos")
    if np.shape(annotations.segments_per_video) != (n,) or not isinstance(annotations.segments_per_video, np.ndarray):
        raise TypeError(f"its segments_per_video are no array of {n} numbers")
    if len(set(annotations.video_ids)) < n:
        duplicated = next(v for v, count in Counter(annotations.video_ids).items() if count > 1)
        raise ValueError(f"it gave the video {duplicated!r} several times")
    metric = annotations.metric or dataset.metric
    apart = dataset.tracks_apart if annotations.tracks_apart is None else annotations.tracks_apart
    return replace(annotations, metric=metric, tracks_apart=apart)
