"""What it costs to decode in processes of their own: extractions with `--decode-in processes` beside `--decode-in
threads`, in turn, each in a new Python process.

Two worlds: demo videos of ten seconds, and many copies of a clip of two seconds. For each, the medians over the repeats
of wall seconds (imports included) and of processor seconds (of all processes), and their ratios. Linux only. Writes
JSON with the machine and the versions:
``python benchmarks/isolation.py --out benchmarks/results/isolation.json``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.extract.demo.sights import FPS, HEIGHT, WIDTH
from avreplay.extract.demo.sounds import SAMPLE_RATE
from avreplay.extract.demo.world import encode_mp4, write_demo_world
from result_file import write_result

PR_SET_CHILD_SUBREAPER = 36

PLACES = ("threads", "processes")

RUN = """
import sys
from avreplay.cli import main
sys.exit(main(["extract", sys.argv[1], "--store", sys.argv[2], "--decode-in", sys.argv[3], "--no-calibration",
               "--fail-on", "none"]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--demo", type=int, default=24, help="number of demo videos")
    parser.add_argument("--short", type=int, default=200, help="number of short videos")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # to count the seconds of processes that outlive their parent
    with tempfile.TemporaryDirectory() as folder:
        worlds = {
            "demo": demo(Path(folder, "demo"), options.demo),
            "short": short(Path(folder, "short"), options.short),
        }
        found = {
            "machine": "{cpu}, {cores} cores".format(**describe_machine()),
            "versions": describe_versions(),
            "repeats": options.repeats,
            **{name: measure(media, Path(folder), options.repeats) for name, media in worlds.items()},
        }
    write_result(found, options.out)


def demo(folder: Path, count: int) -> Path:
    write_demo_world(folder, "test", videos=count)
    (folder / "annotations.json").unlink(missing_ok=True)
    return folder


def short(folder: Path, count: int) -> Path:
    """Copies of a clip of two seconds, with sound."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)
    encode_mp4(folder / "0000.mp4", rng.integers(0, 256, (2 * FPS, HEIGHT, WIDTH, 3), np.uint8), sound)
    for k in range(1, count):
        shutil.copy(folder / "0000.mp4", folder / f"{k:04d}.mp4")
    return folder


def measure(media: Path, folder: Path, repeats: int) -> dict[str, Any]:
    seconds: dict[str, list[tuple[float, float]]] = {place: [] for place in PLACES}
    for _ in range(repeats + 1):
        for place in PLACES:
            seconds[place].append(run(media, folder / "store", place))
    # the first of each fills caches
    wall = {place: median(wall for wall, _ in values[1:]) for place, values in seconds.items()}
    processor = {place: median(used for _, used in values[1:]) for place, values in seconds.items()}
    return {
        "videos": len(list(media.glob("*.mp4"))),
        "wall_seconds": {place: round(value, 3) for place, value in wall.items()},
        "processor_seconds": {place: round(value, 3) for place, value in processor.items()},
        "wall_ratio": round(wall["processes"] / wall["threads"], 3),
        "processor_ratio": round(processor["processes"] / processor["threads"], 3),
        "wall_ratios": [
            round(b / a, 3) for (a, _), (b, _) in zip(seconds["threads"][1:], seconds["processes"][1:], strict=True)
        ],
    }


def run(media: Path, store: Path, place: str) -> tuple[float, float]:
    """Wall and processor seconds of one extraction into a new store."""
    shutil.rmtree(store, ignore_errors=True)
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", RUN, str(media), str(store), place], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    with suppress(ChildProcessError):  # the decoding processes, whose parent is gone
        while True:
            os.wait()
    after = os.times()
    return wall, (after.children_user + after.children_system) - (before.children_user + before.children_system)


if __name__ == "__main__":
    main()
