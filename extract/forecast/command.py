"""What ``avreplay plan`` does: one video is measured, and the cost of all is said."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import DataError
from ...core.registry import failures_of
from ..backbones.base import Backbone
from ..backbones.options import parse_options, with_precision
from ..backbones.registry import load_backbone
from ..command_options import ExtractSettings
from ..demo.world import write_demo_world
from ..encoding.calibration import Calibration, calibrate
from ..media.find_videos import VideoFile, find_videos
from ..media.fork_server import fork_server
from ..media.processors import usable_processors
from .forecast import Forecast, forecast
from .request import PlanRequest


def plan_extraction(request: PlanRequest) -> Forecast:
    """Measure one of the given videos, or a made one, and say what so many will cost.

    Raises
    ------
    UsageError
        an unknown backbone or option of it, an extra that is not installed
    DataError
        none of the videos can be read, or the backbone fails
    """
    r = request
    settings = ExtractSettings(**dict(r.settings))
    if settings.in_processes:
        fork_server()  # it starts while the encoder is loaded
    options = with_precision(r.backbone, parse_options(r.backbone_settings), r.precision)
    videos = find_videos(r.media) if r.media else []  # what is not there is said before an encoder is loaded
    encoder = load_backbone(r.backbone, **options)
    measured = _measured(r, videos, encoder, settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return forecast(
        r.videos, r.hours, measured, encoder, settings, labels=r.label_count, devices=r.device_count,
        cores=r.cores or usable_processors(), process_bytes=peak,
    )  # fmt: skip


def _measured(r: PlanRequest, videos: Sequence[VideoFile], encoder: Backbone, settings: ExtractSettings) -> Calibration:
    """Of the given videos; where none are given, of a made one."""
    with tempfile.TemporaryDirectory(prefix="avreplay-plan-") as folder, failures_of("backbone", encoder, encoder.name):
        if not r.media:
            write_demo_world(Path(folder), "val", videos=1)
            videos = find_videos(folder)
        found = calibrate(videos, encoder, settings, r.label_count)
    if found is None:
        raise DataError(f"none of the first videos of {r.media[0]} can be read; give others with --media")
    return found
