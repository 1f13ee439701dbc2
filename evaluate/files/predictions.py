"""Predictions: the JSON file that replay writes and evaluation reads, and their alignment with annotations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.reading.collection import no_collection
from ...cache.reading.files import named
from ...cache.reading.names import Name
from ...cache.reading.schema import checked, refuse_deep
from ...cache.tabular import Tabular
from ...core.arguments import typed_arguments
from ...core.errors import DataError, shown
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex, folded, merged_aliases
from ..datasets.annotations import Annotations
from ..seconds import timed_events
from .json_format import MEND, FileForm, one_or_all, read_table, write_videos
from .params_file import present_params

SCHEMA = "avreplay.predictions"
VERSION = 1


class MadeFromForm(msgspec.Struct):
    """What predictions say of where they come from (:mod:`..made_from`)."""

    store: Name | None = None
    backbone: Name | None = None
    scores: Name | None = None
    settings: Name | None = None


class PredictionsForm(FileForm):
    """A predictions file; other fields are let be."""

    params: dict[str, Any] = msgspec.field(default_factory=dict)
    made_from: MadeFromForm | None = None


class ParamsForm(msgspec.Struct):
    """What is read of the options that predictions were made with; the others are JSON of any form, if not deep."""

    decoder: Name | None = None
    preset: Name | None = None
    profile: Name | None = None
    model: str | None = None


@dataclass(frozen=True, eq=False)
class Predictions(Tabular):
    """Predicted events of N videos, and the options that made them.

    Shapes and units
    ----------------
    labels : C names; video_ids : N ids; params : option by name
    segments_per_video : (N,) int64
    events : a one-setting table, label indices into ``labels``, score NaN where there was none
    segment_seconds : length of a segment in seconds, one number or (N,) float64
    made_from : ``store`` (hash of its content), ``backbone``, ``scores`` (a score set) and ``settings`` (a hash of
        ``params``); None where they do not say
    """

    labels: tuple[str, ...]
    params: Mapping[str, Any]
    video_ids: tuple[str, ...]
    segments_per_video: NDArray[np.int64]
    events: Events
    segment_seconds: float | NDArray[np.float64] = 1.0
    made_from: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        counts = f"{len(self.video_ids)} videos, {len(self.labels)} labels, {len(self.events.label)} events"
        return f"<Predictions: {counts}>"

    def columns(self) -> dict[str, list[Any]]:
        """The events in the order of videos and tracks: ``video_id``, ``track``, ``label``, ``onset`` and ``offset`` in
        seconds, ``score`` (None where there was none)."""
        lengths = np.broadcast_to(np.asarray(self.segment_seconds, np.float64), (len(self.video_ids),)).tolist()
        rows = list(timed_events(self.events, lengths, range(len(self.video_ids)), TRACKS))
        return {
            "video_id": [self.video_ids[row[0]] for row in rows],
            "track": [row[1] for row in rows],
            "label": [self.labels[row[2]] for row in rows],
            "onset": [row[3] for row in rows],
            "offset": [row[4] for row in rows],
            "score": [row[5] for row in rows],
        }


@typed_arguments
def write_predictions(path: str | os.PathLike[str], predictions: Predictions) -> None:
    """Write predictions, a line a video, replacing the file in one step; scores are written exactly.

    Raises: DataError where the place cannot be written, or a value has no JSON form.
    """
    head: dict[str, Any] = {
        "schema": f"{SCHEMA}/{VERSION}",
        "labels": list(predictions.labels),
        "params": dict(predictions.params),
    }
    if predictions.made_from is not None:
        head["made_from"] = dict(predictions.made_from)
    write_videos(
        path,
        head,
        predictions.labels,
        predictions.video_ids,
        predictions.segments_per_video,
        predictions.segment_seconds,
        predictions.events,
        scores=True,
    )


@no_collection()
@typed_arguments
def read_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Read and check a predictions file.

    Raises
    ------
    DataError
        not such a file, a newer one, a duplicated video, an event with an unknown label or outside its
        video; the message names file, video and track
    """
    file = Path(path)
    data, index, segments, events, _ = read_table(file, SCHEMA, VERSION, PredictionsForm)
    place = f"{named(file)}, 'params'"
    refuse_deep(data.params, place)
    checked(data.params, ParamsForm, place, MEND)
    return Predictions(
        index.labels,
        present_params(data.params),
        tuple(data.videos),
        segments,
        events,
        one_or_all([video.segment_seconds for video in data.videos.values()]),
        None if data.made_from is None else msgspec.to_builtins(data.made_from),
    )


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions and annotations of the same M videos, with the annotations' labels and segments.

    Shapes
    ------
    predicted : events of M videos; truth : the annotations of these videos
    missing : ids that are annotated and not predicted; extra : ids that are predicted and not annotated
    length_mismatches : how many of the M videos have another number of segments in the predictions
    """

    predicted: Events
    truth: Annotations
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    length_mismatches: int


def align(
    predictions: Predictions,
    annotations: Annotations,
    aliases: Mapping[str, str] | None = None,
    *,
    mask_short: bool = False,
) -> Aligned:
    """Bring predictions to the videos, labels and segments of the annotations, in the annotations' order.

    Where the numbers of segments differ, the annotated ones are scored: events are cut at their end, what lies
    beyond is left out, and the video is counted; what a shorter clip lacks counts as predicted without events, or
    with ``mask_short`` is not scored at all. ``aliases`` (``{other name: label}``) go before the dataset's own.

    Raises
    ------
    DataError
        an event whose label the annotations do not have (naming the nearest); two ids that are the same video; a
        video whose segments are of another length
    """
    index = LabelIndex(annotations.labels, merged_aliases(annotations.aliases, aliases))
    at = np.array(annotations.match(predictions.video_ids), np.int64)
    order = np.argsort(at, kind="stable")
    chosen = order[np.count_nonzero(at < 0) :]  # predicted videos, in the order of the annotations
    rows = at[chosen]
    seconds, annotated = (
        np.broadcast_to(np.asarray(side.segment_seconds, np.float64), (len(side.video_ids),))
        for side in (predictions, annotations)
    )
    other = np.flatnonzero(~np.isclose(seconds[chosen], annotated[rows], rtol=1e-6, atol=0))
    if len(other):
        p, a = chosen[other[0]], rows[other[0]]
        raise DataError(
            f"video {shown(predictions.video_ids[p])} is predicted in segments of {seconds[p]:g} s and annotated in "
            f"segments of {annotated[a]:g} s; predict it in segments of {annotated[a]:g} s"
        )
    truth = annotations.select(rows.tolist())
    mismatches = int(np.count_nonzero(truth.segments_per_video != predictions.segments_per_video[chosen]))
    if mask_short:
        truth = truth.cut(predictions.segments_per_video[chosen])
    predicted = np.zeros(len(annotations.video_ids), np.bool_)
    predicted[rows] = True
    return Aligned(
        _moved(predictions, chosen, index, annotations.background).cut(truth.segments_per_video),
        truth,
        tuple(annotations.video_ids[a] for a in np.flatnonzero(~predicted).tolist()),
        tuple(predictions.video_ids[p] for p in np.flatnonzero(at < 0).tolist()),
        mismatches,
    )


def _moved(
    predictions: Predictions, chosen: NDArray[np.int64], index: LabelIndex, background: tuple[str, ...]
) -> Events:
    """The events of the chosen videos with the labels of an index, without those of a background name."""
    events = predictions.events.select(chosen)
    if len(events.label) == 0:
        return events
    to_label = np.array(index.mapping(predictions.labels), np.int32)
    none = np.array([folded(name) in background for name in predictions.labels], np.bool_) & (to_label < 0)
    label, dropped = to_label[events.label], none[events.label]
    track_of = np.repeat(np.arange(len(chosen) * 3), np.diff(events.starts))
    unknown = np.flatnonzero((label < 0) & ~dropped)
    if len(unknown):
        i = int(unknown[0])
        video, track = divmod(int(track_of[i]), 3)
        name = predictions.labels[int(events.label[i])]
        index.find(name, f"predictions of video {shown(predictions.video_ids[int(chosen[video])])}, {TRACKS[track]}")
    kept = ~dropped
    counts = np.bincount(track_of[kept], minlength=len(chosen) * 3)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Events(1, len(chosen), starts, label[kept], events.onset[kept], events.offset[kept], events.score[kept])
