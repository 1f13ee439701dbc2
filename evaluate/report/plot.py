"""The timeline of one video as a figure of its own, for notebooks."""

from __future__ import annotations

from typing import Any

from ...core.arguments import typed_arguments
from ...core.errors import DataError, shown
from ..datasets.annotations import Annotations
from ..files.predictions import Predictions
from .build import report_data
from .timeline import timeline_figure


@typed_arguments
def plot_timeline(predictions: Predictions, video: str, truth: Annotations | None = None) -> Any:
    """The timeline of a video as a ``plotly.graph_objects.Figure``: a lane a track and label, hits, false alarms and
    misses where annotations are given.

    Raises: DataError for a video that is not predicted, or not annotated.
    """
    from plotly.graph_objects import Figure

    if video not in predictions.video_ids:
        raise DataError(f"the predictions have no video {shown(video)}; they have {len(predictions.video_ids)} others")
    annotated = None
    if truth is not None:
        at = truth.match([video])[0]
        if at < 0:
            raise DataError(f"the video {shown(video)} is not annotated in {truth.source}; leave the truth out")
        annotated = truth.select([at])
    data = report_data([("predictions", predictions)], annotated)
    at = 0 if annotated is not None else list(data.video_ids).index(video)
    return Figure(timeline_figure(data, at)).update_layout(title=video)
