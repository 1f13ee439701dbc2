"""``avreplay replay`` of a store that memory need not hold: in blocks beside all at once.

A store of made-up scores of many videos, ten segments and all windows each, is replayed in new processes, in turn with
``--memory`` of each of some sizes; the largest holds all. Medians over the turns of wall seconds, of processor seconds
and of the peak of memory, their ratios to those of the largest, and whether all made the same bytes. Linux only; the
store takes 36 kB a video on the disk of ``--folder``. Writes JSON with the machine and the versions::

    python benchmarks/streaming.py --folder /tmp --out benchmarks/results/streaming.json
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from avreplay.cache import import_bundle
from avreplay.core.bundle import ScoreBundle
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import synthetic_scores
from other_process import in_other_process, run_command
from result_file import write_result

MEMORY = ("256MiB", "1GiB", "1TB")
LABELS = 67
_PIECE = 2500
_ARRAYS = ("visual_segments", "audio_segments", "audio_clip", "visual_clip", "window_audio", "window_visual",
           "visual_cosine", "window_start", "window_end")  # fmt: skip


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the store is made and removed")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = compare(Path(folder), options.videos, options.turns)
    write_result(result, options.out)
    return result


def compare(folder: Path, videos: int, turns: int) -> dict:
    """Replays of the store with each memory; the first turn, which reads the store from the disk, does not count."""
    in_other_process(write_store, folder / "store", videos)
    runs: dict[str, list[dict]] = {memory: [] for memory in MEMORY}
    for turn in range(1 + turns):
        for memory in MEMORY:
            run = _run(folder, memory)
            print(f"turn {turn}, {memory}: {run}", file=sys.stderr)
            if turn:
                runs[memory].append(run)
    names = ("wall_s", "processor_s", "peak_mb")
    found = {memory: {n: round(median(run[n] for run in of), 3) for n in names} for memory, of in runs.items()}
    whole = found[MEMORY[-1]]
    for row in found.values():
        row["rate"] = round(whole["wall_s"] / row["wall_s"], 3)
        row["processor_ratio"] = round(whole["processor_s"] / row["processor_s"], 3)
        row["us_a_video"] = round(1e6 * row["wall_s"] / videos, 1)
    size = sum(file.stat().st_size for file in (folder / "store").rglob("*") if file.is_file())
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "videos": videos,
        "labels": LABELS,
        "store_mb": round(size / 1e6),
        "turns": turns,
        "memory": found,
        "same_bytes": len({run["digest"] for of in runs.values() for run in of}) == 1,
    }


def write_store(place: Path, videos: int) -> None:
    """The store, from pieces of made-up scores, each of another seed."""
    arrays: dict[str, np.ndarray] = {}
    for first in range(0, videos, _PIECE):
        piece = synthetic_scores(min(_PIECE, videos - first), LABELS, seed=first)
        for name in _ARRAYS:
            rows = getattr(piece, name)
            each = len(rows) // piece.num_videos
            if name not in arrays:
                arrays[name] = np.empty((each * videos, *rows.shape[1:]), rows.dtype)
            arrays[name][each * first : each * first + len(rows)] = rows
    windows = len(arrays["window_start"]) // videos
    bundle = ScoreBundle.create(
        video_ids=[f"video{i:07d}" for i in range(videos)], labels=[f"label {i}" for i in range(LABELS)],
        segments_per_video=np.full(videos, 10), window_video=np.repeat(np.arange(videos), windows), **arrays,
    )  # fmt: skip
    import_bundle(bundle, place)


def _run(folder: Path, memory: str) -> dict:
    """One process: what it took, and a digest of what it wrote."""
    made = folder / "made.json"
    command = ["replay", str(folder / "store"), "--preset", "languagebind", "--memory", memory, "--out", str(made)]
    used = run_command(command, folder / "printed")
    return {**used, "digest": hashlib.sha256(made.read_bytes()).hexdigest()}


if __name__ == "__main__":
    main()
