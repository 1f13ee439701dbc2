"""Predictions: events of videos, and the options that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.reading.names import Name
from ...cache.reading.schema import checked, refuse_deep
from ...cache.tabular import Tabular
from ...core.events import TRACKS, Events
from ..seconds import timed_events
from .json_format import MEND, FileForm, one_or_all
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
    events : a one-setting table, label indices into ``labels``, score NaN where there was none, with a confidence each
        (None where a file was written before events had one)
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

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Predictions:
        """Some of the videos, in the order given."""
        chosen = np.asarray(videos, np.int64)
        seconds = self.segment_seconds
        return replace(
            self,
            video_ids=tuple(self.video_ids[v] for v in chosen.tolist()),
            segments_per_video=self.segments_per_video[chosen],
            events=self.events.select(chosen),
            segment_seconds=seconds[chosen] if isinstance(seconds, np.ndarray) else seconds,
        )

    @staticmethod
    def joined(parts: Sequence[Predictions]) -> Predictions:
        """The videos of several, one after the other; what else they say is that of the first."""
        if len(parts) == 1:
            return parts[0]
        seconds = [np.broadcast_to(np.asarray(p.segment_seconds, np.float64), (len(p.video_ids),)) for p in parts]
        return replace(
            parts[0],
            video_ids=tuple(chain.from_iterable(p.video_ids for p in parts)),
            segments_per_video=np.concatenate([p.segments_per_video for p in parts]),
            events=Events.of_videos([p.events for p in parts]),
            segment_seconds=one_or_all(np.concatenate(seconds).tolist()),
        )

    def columns(self) -> dict[str, list[Any]]:
        """The events in the order of videos and tracks: ``video_id``, ``track``, ``label``, ``onset`` and ``offset`` in
        seconds, ``score`` (None where there was none), and ``confidence`` where the events have one."""
        lengths = np.broadcast_to(np.asarray(self.segment_seconds, np.float64), (len(self.video_ids),)).tolist()
        rows = list(timed_events(self.events, lengths, range(len(self.video_ids)), TRACKS))
        return {
            "video_id": [self.video_ids[row[0]] for row in rows],
            "track": [row[1] for row in rows],
            "label": [self.labels[row[2]] for row in rows],
            "onset": [row[3] for row in rows],
            "offset": [row[4] for row in rows],
            "score": [row[5] for row in rows],
            **({} if self.events.confidence is None else {"confidence": [row[6] for row in rows]}),
        }


def predictions_head(
    labels: Sequence[str], params: Mapping[str, Any], made_from: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a file of predictions says of all its videos."""
    head = {"schema": f"{SCHEMA}/{VERSION}", "labels": list(labels), "params": dict(params)}
    return head if made_from is None else {**head, "made_from": dict(made_from)}


def params_of(head: PredictionsForm, where: str) -> Mapping[str, Any]:
    """The options of a file, under their present names; ``where`` is the file in messages. Raises: DataError."""
    place = f"{where}, 'params'"
    refuse_deep(head.params, place)
    checked(head.params, ParamsForm, place, MEND)
    return present_params(head.params)


def made_from_of(head: PredictionsForm) -> dict[str, Any] | None:
    """Where the predictions of a file come from; None where it does not say."""
    return None if head.made_from is None else msgspec.to_builtins(head.made_from)
