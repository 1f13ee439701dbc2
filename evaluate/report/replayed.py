"""The scores and thresholds behind predictions, replayed from their store where no trace was kept: of the videos that
are drawn, so that a store of any size is read for them alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, shown
from ..datasets.annotations import Annotations
from ..files.predictions import Predictions
from ..made_from import stored_text
from ..replay import replay_blocks
from .build import aligned_trace, refused_of_other
from .data import ReportData


def with_replayed_trace(
    data: ReportData,
    videos: Annotations,
    drawn: Sequence[int],
    store: str | os.PathLike[str],
    p: Predictions,
    memory: int | str | None = None,
) -> ReportData:
    """A report whose last run has the trace of the drawn videos, from the store and the options of its predictions.

    videos : those of the report, as annotations; p : the predictions of the last run

    Raises
    ------
    DataError
        the store cannot be read or replayed under these options, is of something else than the predictions, or gives
        other events of a drawn video than they have
    UsageError
        a decoder that is not installed or keeps no trace, options that it does not take
    """
    decoder = DECODERS.get(str(p.params.get("decoder", "av2a")))
    known = {o.name for o in decoder.options()}
    params = decoder.make_params(values={key: value for key, value in p.params.items() if key in known})
    scores = (p.made_from or {}).get("scores") or p.params.get("scores")
    blocks = replay_blocks(store, params, decoder=decoder, trace=True, scores=scores, memory=memory)
    name = data.runs[-1].name
    refused_of_other({**blocks.trace_of_all(), **stored_text(blocks.made_from_of(0))}, name, p)
    held = sorted(drawn)
    numbers = set(held)
    found = blocks.chosen(
        [i for i, at in enumerate(videos.match(blocks.inputs.scores.video_ids)) if at in numbers]
    ).at_once()
    _refuse_other_events(found.predictions(), p, store, name)
    trace = aligned_trace(found.trace_arrays(), videos.select(held))
    there = np.zeros(len(data.video_ids), np.bool_)
    assert trace.videos is not None
    there[held] = trace.videos
    trace = replace(trace, videos=there, drawn=tuple(held))
    return replace(data, runs=[*data.runs[:-1], replace(data.runs[-1], trace=trace)])


def _refuse_other_events(again: Predictions, p: Predictions, store: str | os.PathLike[str], name: str) -> None:
    """Raises: DataError where the store gives a video other events than the run has."""
    at = {video: i for i, video in enumerate(p.video_ids)}
    both = [(at[video], i) for i, video in enumerate(again.video_ids) if video in at]
    tracks = np.flatnonzero(np.diff(p.events.starts)) % 3  # a replay may have been of some tracks only
    for mine, other in both:
        for track in sorted(set(tracks.tolist())):
            if _spans(p, p.events.track(mine, track)) != _spans(again, again.events.track(other, track)):
                raise DataError(
                    f"{os.fspath(store)} gives other events of the video {shown(p.video_ids[mine])} than the run "
                    f"{name!r} has; give the store that it was replayed from, or a trace"
                )


def _spans(p: Predictions, events: list[tuple[int, int, int, float]]) -> list[tuple[str, int, int]]:
    return [(p.labels[label], onset, offset) for label, onset, offset, _ in events]
