"""``write_report``: one self-contained HTML file that shows what a replay found and what it missed.

The file opens from disk without any network: plotly.js stands in it once, and a content security policy
allows no other script than the two it holds (by hash) and no request at all.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...cache.atomic_write import atomic_write
from ...core.arguments import typed_arguments
from ...core.errors import UsageError
from .data import ReportData, ReportRun, Trace
from .html import page_template, plotly_js, script_json
from .html_escape import plain

__all__ = ["ReportData", "ReportRun", "Trace", "choose_videos", "write_report"]


@typed_arguments
def write_report(
    path: str | os.PathLike[str], data: ReportData, videos: Sequence[str] | None = None, max_videos: int = 12
) -> list[str]:
    """Write the report to ``path`` and return the ids of the videos drawn in it.

    ``videos`` names the videos to draw, in that order; without it up to ``max_videos`` are spread evenly over
    the ranking from best to worst (or taken from the front where nothing ranks them). All videos are listed.
    The same data give the same bytes; the file appears whole or not at all.

    Raises UsageError for an unknown video, naming the nearest one, or a negative ``max_videos``; DataError
    when the parts of ``data`` do not fit together or the file cannot be written.
    """
    data.check()
    drawn = choose_videos(data, videos, max_videos)
    atomic_write(path, _render(data, drawn).encode("utf-8", "backslashreplace"))
    return [data.video_ids[v] for v in drawn]


def choose_videos(data: ReportData, videos: Sequence[str] | None = None, max_videos: int = 12) -> list[int]:
    """The numbers of the videos to draw (see :func:`write_report`)."""
    from .tables import ranking

    if max_videos < 0:
        raise UsageError(f"the number of videos to draw must be 0 or more, got {max_videos}")
    if videos is not None:
        number = {video: i for i, video in enumerate(data.video_ids)}
        for video in videos:
            if video not in number:
                raise UsageError(_unknown_video(video, list(data.video_ids)))
        return [number[video] for video in dict.fromkeys(videos)]
    ranked = ranking(data)
    if ranked is None:
        return list(range(min(max_videos, len(data.video_ids))))
    places = np.linspace(0, len(ranked) - 1, min(max_videos, len(ranked)))
    return [ranked[round(p)] for p in places.tolist()]


def _unknown_video(video: str, known: list[str]) -> str:
    near = difflib.get_close_matches(video, known, n=1, cutoff=0.0)
    hint = f"; the nearest is {plain(near[0])!r}" if near else ": it holds none"
    return f"video {plain(video)!r} is not among the {len(known)} videos of this report{hint}"


def _render(data: ReportData, drawn: list[int]) -> str:
    from ... import __version__
    from . import tables as tables

    sections = [_video_section(data, video, i + 1) for i, video in enumerate(drawn)]
    figures = any(section["timeline"] for section in sections)
    return page_template(Path(__file__).parent / "report.html.j2").render(
        data=data,
        plain=plain,
        scored=len(data.video_ids),
        annotated=bool(data.dataset or data.truth is not None),
        metrics=tables.metrics_table(data),
        parameters=tables.parameters_table(data.runs),
        classes=tables.class_table(data),
        index=tables.video_index(data, drawn),
        ranked=tables.ranking(data) is not None,
        sections=sections,
        plotly_js=plotly_js() if figures else "",
        version=__version__,
    )


def _video_section(data: ReportData, video: int, number: int) -> dict[str, Any]:
    """What the template needs of one drawn video."""
    from .scores import score_figure
    from .timeline import count_segments, timeline_figure

    segments = int(data.segments_per_video[video])
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", data.video_ids[video])[:80].lstrip(".-") or f"video_{number}"
    scores = []
    for k, run in enumerate(data.runs):
        figure = score_figure(data, run, video)
        if figure is not None:
            scores.append(
                {
                    "run": plain(run.name),
                    "div": f"video-{number}-scores-{k + 1}",
                    "figure": script_json(figure[0]),
                    "height": figure[0]["layout"]["height"],
                    "left_out": figure[1],
                    "file": f"{name}_scores_{k + 1}",
                }
            )
    timeline = timeline_figure(data, video) if segments else None
    return {
        "number": number,
        "id": plain(data.video_ids[video]),
        "segments": segments,
        "seconds": f"{segments * data.seconds(video):g}",
        "counts": [(plain(run.name), count_segments(data, run, video)) for run in data.runs],
        "timeline": timeline
        and {
            "div": f"video-{number}-timeline",
            "figure": script_json(timeline),
            "height": timeline["layout"]["height"],
            "file": f"{name}_timeline",
        },
        "scores": scores,
    }
