"""What ``avreplay export`` does: predictions or annotations in, files of another tool out."""

from __future__ import annotations

import os

from ...cache.places import check_outputs
from ...cache.reading.lists import read_ids
from ...cache.store import open_store
from ...core.errors import DataError
from ...core.media_names import without_times
from ..datasets.annotations import Annotations
from ..datasets.registry import load_annotations
from ..export_options import ExportRequest
from ..files.predictions import Predictions, read_predictions
from .events import chosen_tracks
from .registry import format_of
from .run import ExportSummary, export_annotations, export_predictions


def export_to_path(request: ExportRequest) -> ExportSummary:
    """Export predictions, or the truth where a dataset is given.

    Raises: UsageError where neither or both are given, and as :func:`avreplay.export_predictions` and the readers do.
    """
    r = request
    tracks = chosen_tracks(r.tracks.split(","))
    if format_of(r.format).layout == "file":
        check_outputs(r.out, inputs=(r.predictions, r.annotations, r.ids_file))
    ids = None if r.ids_file is None else read_ids(r.ids_file)
    source = _source(r)
    durations = {} if r.store is None else _durations(r.store, source)
    if isinstance(source, Annotations):
        return export_annotations(
            source, r.format, r.out, tracks=tracks, ids=ids, media=r.media, durations=durations, overwrite=r.overwrite
        )
    return export_predictions(
        source, r.format, r.out, tracks=tracks, ids=ids, media=r.media, durations=durations, overwrite=r.overwrite
    )


def _source(r: ExportRequest) -> Predictions | Annotations:
    if r.predictions is None:
        assert r.dataset is not None
        assert r.annotations is not None
        return load_annotations(r.dataset, r.annotations, r.split)
    if os.path.isdir(r.predictions):
        raise DataError(
            f"{r.predictions} is a folder and no predictions; make some of a store with "
            f"`avreplay replay {r.predictions} --out predictions.json`"
        )
    return read_predictions(r.predictions)


def _durations(store: str, source: Predictions | Annotations) -> dict[str, float]:
    found = {record.id: record.duration for record in open_store(store).videos if record.duration > 0}
    both = ((one, found.get(one) or found.get(without_times(one))) for one in source.video_ids)
    known = {one: seconds for one, seconds in both if seconds is not None}
    if source.video_ids and not known:
        raise DataError(f"{store} knows the duration of none of the {len(source.video_ids)} videos; leave --store out")
    return known
