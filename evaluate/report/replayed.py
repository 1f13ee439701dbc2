"""The scores and thresholds behind predictions, replayed from their store where no trace was kept."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, shown
from ..files.predictions import Predictions
from ..replay import replay


def replayed_trace(store: str | os.PathLike[str], name: str, p: Predictions) -> dict[str, NDArray[Any]]:
    """The trace of a run, as :func:`.build.read_trace` gives it, from the store and the options of its predictions.

    Raises
    ------
    DataError
        the store cannot be read or replayed under these options, or gives other events than the predictions have
    UsageError
        a decoder that is not installed or keeps no trace, options that it does not take
    """
    decoder = DECODERS.get(str(p.params.get("decoder", "av2a")))
    known = {o.name for o in decoder.options()}
    params = decoder.make_params(values={key: value for key, value in p.params.items() if key in known})
    scores = (p.made_from or {}).get("scores") or p.params.get("scores")
    found = replay(store, params, decoder=decoder, trace=True, scores=scores)
    again = found.predictions()
    at = {video: i for i, video in enumerate(again.video_ids)}
    both = [(i, at[video]) for i, video in enumerate(p.video_ids) if video in at]
    mine, others = (part.events.select([pair[k] for pair in both]) for k, part in enumerate((p, again)))
    tracks = np.flatnonzero(np.diff(mine.starts)) % 3  # a replay may have been of some tracks only
    for v, (i, _) in enumerate(both):
        for track in sorted(set(tracks.tolist())):
            if _spans(p, mine.track(v, track)) != _spans(again, others.track(v, track)):
                raise DataError(
                    f"{os.fspath(store)} gives other events of the video {shown(p.video_ids[i])} than the run {name!r} "
                    "has; give the store that it was replayed from, or a trace"
                )
    return found.trace_arrays()


def _spans(p: Predictions, events: list[tuple[int, int, int, float]]) -> list[tuple[str, int, int]]:
    return [(p.labels[label], onset, offset) for label, onset, offset, _ in events]
