"""The candidates of a replay for its trace: two more replays, one that keeps all of them and one that scores all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..events import TRACKS, Events
from .base import Candidates

_LATE = TRACKS.index("audio_visual")


def traced_candidates(
    run: Callable[[NDArray[Any]], Events], record: NDArray[Any], late: bool, events: Events
) -> Candidates:
    """The candidates of every track, and which of them became events.

    Parameters
    ----------
    run : the events of a record of a setting (:func:`avreplay.core.params.records.to_records`)
    record : (1,) of the setting
    late : whether its audio-visual events are made by late fusion, and so of no candidates
    events : what the setting gives
    """
    kept_all, scored_all = record.copy(), record.copy()
    kept_all["refine"] = 0
    scored_all["tau_r"] = -np.inf
    scored_all["argmax"] = 0
    candidates, scored = run(kept_all), run(scored_all)
    if late:
        candidates = candidates.where(_rows(candidates) % 3 != _LATE)
    tables = candidates, scored, events
    columns = np.concatenate([np.stack([_rows(t), t.label, t.onset, t.offset], axis=1) for t in tables])
    distinct, of = np.unique(columns, axis=0, return_inverse=True)
    own, of_scored, of_events = np.split(of.reshape(-1), np.cumsum([len(t.label) for t in tables])[:2])
    score, kept = np.full(len(distinct), np.nan), np.zeros(len(distinct), np.bool_)
    score[of_scored] = scored.score
    kept[of_events] = True
    return Candidates(replace(candidates, score=score[own]), kept[own])


def _rows(events: Events) -> NDArray[np.int64]:
    """Row of each event: video * 3 + track."""
    return np.repeat(np.arange(len(events.starts) - 1), np.diff(events.starts))
