"""How every command grows with the videos of a store: the simulation behind docs/million.md.

Stores of made-up embeddings and scores (ten segments, all windows, 67 labels) of several sizes, the largest of 100,000
videos, are worked on by whole commands in processes of their own. Of each: processor and wall seconds, the peak of
memory, and the exponent b of seconds = a + c * videos^b, where a is what the command takes on a store of a few videos.
Linux only; needs 50 kB a video on the disk of ``--folder``. Writes JSON with the machine and the versions::

    python benchmarks/million.py --folder /tmp --out benchmarks/results/million.json

``--only tune`` measures one command again and keeps the others that the file has.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
from avreplay.core.events import Events
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.native_json import write_annotations
from growth import LABELS, SEGMENTS, measured
from other_process import in_other_process, run_command
from result_file import write_result

FEW = 64
"""Videos of the smallest store: what a command takes there is what it takes to begin."""

SIZES = (6250, 25_000, 100_000)
EVENTS_A_TRACK = 1.1
SCORE_MEMORY = 1 << 30


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="videos of each store, growing")
    parser.add_argument("--few", type=int, default=FEW)
    parser.add_argument("--folder", type=Path, help="where the stores are made and removed")
    parser.add_argument("--only", help="the one command to measure; the others stay as they are in --out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.only and not (options.out and options.out.is_file()):
        parser.error("--only keeps the other commands of --out, which must be a file of an earlier run")
    found: dict[str, dict[str, dict]] = {}
    for videos in (options.few, *options.sizes):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for name, row in one_size(Path(folder), videos, options.only).items():
                found.setdefault(name, {})[str(videos)] = row
    commands = {name: {**rows, "exponent": exponent(rows, options.few)} for name, rows in found.items()}
    if options.only:
        commands = {**json.loads(options.out.read_text(encoding="utf-8"))["commands"], **commands}
    result = {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "segments": SEGMENTS,
        "labels": LABELS,
        "commands": commands,
    }
    write_result(result, options.out)
    return result


def exponent(rows: dict[str, dict], few: int) -> float | None:
    """The slope of log(seconds beside the start) over log(videos), by least squares; None where nothing grows."""
    start = rows[str(few)]["processor_s"]
    points = [(int(n), row["processor_s"] - start) for n, row in rows.items() if n != str(few)]
    points = [(math.log(n), math.log(s)) for n, s in points if s > 0.05]
    if len(points) < 2:
        return None
    x, y = np.array(points).T
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def one_size(folder: Path, videos: int, only: str | None = None) -> dict[str, dict]:
    """What each command, or only one, took on a store of so many videos."""
    store, truth = str(folder / "store"), str(folder / "truth.json")
    for operation in ("write_shards", "write_scores"):
        measured(operation, store, videos, SCORE_MEMORY)
    in_other_process(write_truth, Path(truth), videos)
    annotated = ("--dataset", "json", "--annotations", truth)
    decoder = ("--preset", "languagebind")
    json_file, parquet = str(folder / "p.json"), str(folder / "p.parquet/")
    labels = str(folder / "ids.txt")
    Path(labels).write_text("".join(f"video_{i:08}\n" for i in range(0, videos, 10)))
    commands = {
        "info": ("info", store),
        "verify": ("verify", store),
        "replay": ("replay", store, *decoder, "--out", json_file),
        "replay to Parquet": ("replay", store, *decoder, "--out", parquet),
        "evaluate": ("evaluate", json_file, *annotated),
        "evaluate Parquet": ("evaluate", parquet, *annotated),
        "compare": ("compare", json_file, parquet, *annotated, "--resamples", "100"),
        "export": ("export", parquet, "--format", "csv", "--out", str(folder / "events.csv")),
        "report": ("report", parquet, *annotated, "--store", store, "--out", str(folder / "report.html")),
        "tune": ("tune", store, *annotated, *decoder, "--trials", "16", "--sampler", "sobol", "--out",
                 str(folder / "tuned"), "--split", "test", "--report-split", ""),
        "subset": ("subset", store, str(folder / "part"), "--ids", labels),
    }  # fmt: skip
    if only and only not in (alone := ("info", "verify", "replay", "replay to Parquet", "tune", "subset")):
        raise SystemExit(f"--only takes {', '.join(alone)}: the other commands read what an earlier one left")
    found = {}
    for name, command in commands.items():
        if only and name != only:
            continue
        found[name] = run(folder, command)
        print(f"{videos} videos, {name}: {found[name]}", file=sys.stderr)
    return found


def write_truth(file: Path, videos: int) -> None:
    """Annotations of made-up events, of the videos of the store."""
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(rng.poisson(EVENTS_A_TRACK, 3 * videos))])
    n = int(starts[-1])
    onset = rng.integers(0, SEGMENTS, n).astype(np.int32)
    offset = (onset + 1 + rng.random(n) * (SEGMENTS - onset)).astype(np.int32)
    label = rng.integers(0, LABELS, n).astype(np.int32)
    events = Events(1, videos, starts, label, onset, offset, np.full(n, np.nan))
    ids, names = (tuple(f"video_{i:08}" for i in range(videos)), tuple(f"label {i}" for i in range(LABELS)))
    segments = np.full(videos, SEGMENTS, np.int64)
    write_annotations(file, Annotations("json", "test", names, ids, segments, events, "made up"))


def run(folder: Path, command: tuple[str, ...]) -> dict[str, float]:
    """One process: wall and processor seconds, and the peak of its memory in MB."""
    used = run_command(command, folder / "printed")
    return {"wall_s": round(used["wall_s"], 2), "processor_s": round(used["processor_s"], 2),
            "peak_mb": round(used["peak_mb"])}  # fmt: skip


if __name__ == "__main__":
    main()
