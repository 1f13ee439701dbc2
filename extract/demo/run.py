"""The first half of the demo: generate the demo world and extract it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from ...cache.places import cannot_write, output_folder
from ...core.errors import DataError
from ..command_options import ExtractSettings
from ..media.fork_server import fork_server
from ..writing.extract import extract_videos
from .world import LABELS, write_demo_world

MARK = ".avreplay-demo"
"""A file that marks a folder made by the demo, which may therefore empty it."""


@dataclass(frozen=True)
class DemoStore:
    """Where the demo's store and annotations lie, and what was done, in words."""

    store: Path
    annotations: Path
    lines: tuple[str, ...]


def extract_demo(out: Path, videos: int = 24, split: str = "test") -> DemoStore:
    """Generate labelled videos under ``out`` and extract them with the embedded backbone, from scratch each time.

    Raises: DataError where ``out`` holds something that is not an earlier demo, or cannot be written.
    """
    try:
        output_folder(out, "the demo's folder")
        if out.exists() and any(out.iterdir()) and not (out / MARK).is_file():
            raise DataError(f"{out} is not empty and not an earlier demo; give another folder with --out")
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).touch()  # first: it says that the rest may be removed
        for old in ("videos", "store"):
            if (out / old).exists():
                shutil.rmtree(out / old)
    except OSError as error:
        raise cannot_write(out, error) from error
    if ExtractSettings().in_processes:
        fork_server()  # it starts while the videos are made
    began = time.perf_counter()
    annotations = write_demo_world(out / "videos", split, videos=videos)
    made = time.perf_counter() - began
    files = len(list((out / "videos").glob("*.mp4")))
    summary = extract_videos(out / "videos", out / "store", "demo", LABELS)
    counts = ", ".join(f"{n} {status}" for status, n in summary.counts.items())
    return DemoStore(
        out / "store",
        annotations,
        (
            f"1. generated {files} labelled 10 s videos with sound ({len(LABELS)} classes) in {made:.1f} s",
            f"2. decoded, encoded and cached them in {summary.seconds:.1f} s with the embedded demo encoder: {counts}",
        ),
    )
