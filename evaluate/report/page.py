"""``write_report``: one self-contained HTML file that shows what a replay found and what it missed.

The file opens from disk without any network: plotly.js stands in it once, and a content security policy
allows no other script than the two it holds (by hash) and no request at all.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...cache.atomic_write import atomic_write
from ...core.arguments import typed_arguments
from ...core.errors import UsageError
from .data import ReportData, ReportRun, Trace
from .html import page_template, plotly_js, safe_json
from .html_escape import plain
from .ranking import ORDERS, ranking, video_index
from .style import DARK

__all__ = ["ReportData", "ReportRun", "Trace", "choose_videos", "write_report"]


@typed_arguments
def write_report(
    path: str | os.PathLike[str],
    data: ReportData,
    videos: Sequence[str] | None = None,
    max_videos: int = 12,
    order: str = "worst",
) -> list[str]:
    """Write the report to ``path`` and return the ids of the videos drawn in it.

    ``videos`` names the videos to draw, in that order; without it they are up to ``max_videos``, by ``order`` the
    ``worst`` first, the ``best`` first, or a ``spread`` from worst to best (where nothing ranks them, the first ones).
    All videos are listed, the worst first, but for ``best``. The same data give the same bytes; the file appears whole
    or not at all.

    Raises UsageError for an unknown video, naming the nearest one, an unknown order or a negative ``max_videos``;
    DataError when the parts of ``data`` do not fit together or the file cannot be written.
    """
    data.check()
    drawn = choose_videos(data, videos, max_videos, order)
    atomic_write(path, _render(data, drawn, order).encode("utf-8", "backslashreplace"))
    return [data.video_ids[v] for v in drawn]


def choose_videos(
    data: ReportData, videos: Sequence[str] | None = None, max_videos: int = 12, order: str = "worst"
) -> list[int]:
    """The numbers of the videos to draw (see :func:`write_report`)."""
    if max_videos < 0:
        raise UsageError(f"the number of videos to draw must be 0 or more, got {max_videos}")
    if order not in ORDERS:
        raise UsageError(f"the order is {plain(order)!r}; choose one of {', '.join(ORDERS)}")
    if videos is not None:
        number = {video: i for i, video in enumerate(data.video_ids)}
        for video in videos:
            if video not in number:
                raise UsageError(_unknown_video(video, list(data.video_ids)))
        return [number[video] for video in dict.fromkeys(videos)]
    ranked = ranking(data)
    if ranked is None:
        return list(range(min(max_videos, len(data.video_ids))))
    listed = ranked.ordered(order)
    if order != "spread":
        return listed[:max_videos]
    places = np.linspace(0, len(listed) - 1, min(max_videos, len(listed)))
    return [listed[round(p)] for p in places.tolist()]


def _unknown_video(video: str, known: list[str]) -> str:
    near = difflib.get_close_matches(video, known, n=1, cutoff=0.0)
    hint = f"; the nearest is {plain(near[0])!r}" if near else ": it holds none"
    return f"video {plain(video)!r} is not among the {len(known)} videos of this report{hint}"


def _render(data: ReportData, drawn: list[int], order: str) -> str:
    from ... import __version__
    from . import tables as tables
    from .sections import video_section

    sections = [video_section(data, video, i + 1) for i, video in enumerate(drawn)]
    figures = any(section["timeline"] for section in sections)
    ranked = ranking(data)
    return page_template(Path(__file__).parent / "report.html.j2").render(
        data=data,
        plain=plain,
        scored=len(data.video_ids),
        annotated=bool(data.dataset or data.truth is not None),
        metrics=tables.metrics_table(data),
        parameters=tables.parameters_table(data.runs),
        classes=tables.class_table(data),
        index=video_index(data, drawn, order),
        first="best" if order == "best" else "worst",
        ranked_by="" if ranked is None else ranked.by,
        sections=sections,
        dark=safe_json(DARK),
        plotly_js=plotly_js() if figures else "",
        version=__version__,
    )
