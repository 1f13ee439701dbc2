"""The objective of settings on subsets and resamples of the videos of a search, whatever the metric.

A setting is replayed once for all subsets. A figure that is a mean over videos is made of each video's part; any other
is scored on each subset anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.events import Events
from ....core.params.table import ParamTable
from ..objective import Objective
from ..objective_metric import Videos
from ..problem import Problem
from ..swept import swept

Step = Callable[[int], None]
"""Called with the number of settings that were replayed since the last call."""


def on_subsets(
    problem: Problem,
    table: ParamTable[Any],
    objective: Objective,
    subsets: Sequence[Videos],
    threads: int | None = None,
    step: Step = lambda _: None,
) -> NDArray[np.float64]:
    """The objective of P settings on S subsets, (P, S), from one sweep over all videos.

    Raises: as :func:`avreplay.core.sweep.sweep`.
    """
    out = np.empty((len(table), len(subsets)))
    for p in swept(problem, table, objective, subsets, threads=threads):
        out[p.begin : p.begin + len(p.figures)] = p.figures
        step(len(p.figures))
    return out


def of_each_video(
    problem: Problem,
    table: ParamTable[Any],
    objective: Objective,
    threads: int | None = None,
    step: Step = lambda _: None,
) -> NDArray[np.float64] | None:
    """Each video's part in the objective of P settings (P, N), 0 where a video has no weight; None for a metric that is
    no mean over videos."""
    found = []
    for p in swept(problem, table, objective, threads=threads):
        step(len(p.objective))
        if p.per_video is not None:
            found.append(p.per_video)
    if not found:
        return None
    return np.where(video_weights(problem) > 0, np.concatenate(found), 0.0)


def video_weights(problem: Problem) -> NDArray[np.float64]:
    """(N,) how much each video counts in a mean over videos."""
    empty = Events.from_tracks([[[], [], []]] * problem.videos.num_videos)
    weights = problem.target.score(empty).weights
    return np.ones(problem.videos.num_videos) if weights is None else weights
