"""What ``avreplay export`` does: predictions or annotations in, files of another tool out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import numpy as np

from ...cache import VideoRecord
from ...cache.joined import open_stores
from ...cache.places import check_outputs
from ...cache.reading.files import ROOT_FILE
from ...cache.reading.lists import read_ids
from ...cache.store import Store
from ...core.errors import DataError, shown
from ...core.media_names import without_times
from ..datasets.annotations import Annotations
from ..datasets.registry import load_annotations
from ..export_options import ExportRequest
from ..files.prediction_blocks import PredictionBlocks, prediction_blocks
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


def _source(r: ExportRequest) -> PredictionBlocks | Annotations:
    if r.predictions is None:
        assert r.dataset is not None
        assert r.annotations is not None
        return load_annotations(r.dataset, r.annotations, r.split)
    if os.path.isdir(r.predictions) and os.path.isfile(os.path.join(r.predictions, ROOT_FILE)):
        raise DataError(
            f"{r.predictions} is a folder and no predictions; make some of a store with "
            f"`avreplay replay {r.predictions} --out predictions.json`"
        )
    return prediction_blocks(r.predictions)


def _durations(store: str, source: PredictionBlocks | Annotations) -> dict[str, float]:
    opened = open_stores(store)
    records = {record.id: record for record in opened.videos}
    _refuse_other_segments(opened, records, source)
    found = {id: record.duration for id, record in records.items() if record.duration > 0}
    both = ((one, found.get(one) or found.get(without_times(one))) for one in source.video_ids)
    known = {one: seconds for one, seconds in both if seconds is not None}
    if source.video_ids and not known:
        raise DataError(f"{store} knows the duration of none of the {len(source.video_ids)} videos; leave --store out")
    return known


def _refuse_other_segments(
    store: Store, records: Mapping[str, VideoRecord], source: PredictionBlocks | Annotations
) -> None:
    """Raises: DataError where the store has a predicted video in segments of another number or length."""
    if isinstance(source, Annotations):
        return
    declared = store.config.get("segment_seconds")
    seconds = np.broadcast_to(np.asarray(source.segment_seconds, np.float64), (len(source.video_ids),)).tolist()
    for id, count, each in zip(source.video_ids, source.segments_per_video.tolist(), seconds, strict=True):
        record = records.get(id)
        length = float(declared) if isinstance(declared, (int, float)) else each
        if record is None or not record.segments:
            continue
        if record.segments != count or not math.isclose(length, each, rel_tol=1e-6):
            raise DataError(
                f"the video {shown(id)} has {record.segments} segments of {length:g} s in {store.url}, and {count} of "
                f"{each:g} s in the predictions; give the store that they were made from"
            )
