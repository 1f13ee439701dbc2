"""The order of a report's videos, worst first, and their list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .data import ReportData
from .html_escape import plain
from .outcomes import count_segments
from .tables import Cell, Groups, metric_name, number

MAX_INDEX = 1000
"""Videos listed in the index; beyond it the middle of the ranking is left out."""

ORDERS = ("worst", "best", "spread")
"""Which videos are drawn first; ``spread`` draws some of every quality, from worst to best."""


@dataclass(frozen=True)
class VideoRow:
    """rank : 1 is the best; place, other : in the list and in the one turned around, 1 is the first;
    section : number of the drawn one"""

    rank: int
    place: int
    other: int
    id: str
    section: int | None
    cells: list[Cell]


@dataclass(frozen=True)
class VideoIndex:
    """Videos in the order of the ranking, with up to two figures a run; ``left_out`` more are not listed."""

    groups: Groups
    rows: list[VideoRow]
    left_out: int


@dataclass(frozen=True)
class Ranking:
    """Videos from worst to best, those without a value last, equals in the order given.

    by : what ranks them
    rank : [N] int64, place of each video from the best, 1 first, the same for equals
    """

    by: str
    worst_first: list[int]
    rank: NDArray[np.int64]

    def ordered(self, order: str) -> list[int]:
        """The videos from the first on; ``best`` turns it around, but for those without a value."""
        return np.argsort(self.rank, kind="stable").tolist() if order == "best" else self.worst_first


def ranking(data: ReportData) -> Ranking | None:
    """By the main run's first figure of single videos; where it has none, by its wrong segments; None without truth."""
    if not data.runs:
        return None
    run = data.runs[-1]
    if run.per_video:
        key, figures = next(iter(run.per_video.items()))
        level, column = metric_name(data.titles, key)
        by = f"{column}, {level.lower()}" if level else column
        values = np.asarray(figures, np.float64)
    elif data.truth is not None:
        counts = [count_segments(data, run, video) for video in range(len(data.video_ids))]
        by = "wrong segments"
        values = np.array([-(c.false_alarms + c.misses) if c else np.nan for c in counts], np.float64)
    else:
        return None
    known = np.isfinite(values)
    worst_first = np.argsort(np.where(known, values, np.inf), kind="stable")
    turned = -np.where(known, values, -np.inf)
    rank = 1 + np.searchsorted(np.sort(turned), turned)
    return Ranking(by, worst_first.tolist(), rank)


def video_index(data: ReportData, drawn: Sequence[int], order: str = "worst") -> VideoIndex:
    """The list of all videos, worst first but for ``best`` (at most :data:`MAX_INDEX`, the drawn ones always)."""
    main = (data.runs[-1].per_video or {}) if data.runs else {}
    keys = list(main)[:2]
    groups: Groups = []
    columns: list[tuple[bool, NDArray[np.float64]]] = []
    for key in keys:
        level, name = metric_name(data.titles, key)
        runs = {run.name: run.per_video[key] for run in data.runs if run.per_video and key in run.per_video}
        values = [np.asarray(v, np.float64) for v in runs.values()]
        columns += [(False, v) for v in values]
        heads = [plain(run) for run in runs]
        if len(values) > 1:
            columns.append((True, values[-1] - values[0]))
            heads.append("difference")
        groups.append((f"{name}, {level.lower()}" if level else name, heads))
    ranked = ranking(data)
    listed: Sequence[int] = range(len(data.video_ids))
    turned = listed
    if ranked is not None:
        listed, turned = (ranked.ordered(o) for o in (("best", "worst") if order == "best" else ("worst", "best")))
    other = {video: place for place, video in enumerate(turned, 1)}
    half = MAX_INDEX // 2
    section = {video: i + 1 for i, video in enumerate(drawn)}
    rows = []
    for place, video in enumerate(listed, 1):
        if half < place <= len(listed) - half and video not in section:
            continue
        cells = [Cell(number(float(v[video]), signed=difference)) for difference, v in columns]
        rank = place if ranked is None else int(ranked.rank[video])
        rows.append(VideoRow(rank, place, other[video], plain(data.video_ids[video]), section.get(video), cells))
    return VideoIndex(groups, rows, len(listed) - len(rows))
