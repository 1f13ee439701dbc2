"""Whole commands of this checkout beside those of another one, such as a git worktree of an earlier commit.

A start of ``avreplay replay`` whose machine code is kept, the first one on a machine, and ``avreplay evaluate`` of many
videos, each in a new process, in turn with the other checkout. Medians over the turns of wall seconds, of processor
seconds and of the peak of memory, their ratios, and whether both made the same bytes. Linux only. Writes JSON with the
machine and the versions::

    git worktree add ../before COMMIT
    python benchmarks/whole_commands.py ../before --out benchmarks/results/whole_commands.json
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from against_worktree import HERE, commit_of, package_place
from avreplay.cache import import_bundle
from avreplay.core.events import Events
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import synthetic_scores
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.llp import LABELS
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.files.predictions import Predictions, write_predictions
from other_process import in_other_process
from result_file import write_result

EVENTS_A_TRACK = 1.1
FEW = 20


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the root of another checkout")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--videos", type=int, default=100_000, help="videos that are evaluated")
    parser.add_argument(
        "--quick", action="store_true", help="evaluations only, with the machine code kept on this machine"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Path(folder), options.other, options.turns, options.videos, options.quick)
    write_result(result, options.out)
    return result


def compare(folder: Path, other: Path, turns: int, videos: int, quick: bool) -> dict:
    """Both checkouts on every command, and microseconds a video of an evaluation beside its start."""
    in_other_process(write_inputs, folder, videos)
    evaluate = {n: ["evaluate", f"{folder}/{n}/p.json", "--dataset", "json", "--annotations", f"{folder}/{n}/a.json",
                    "--json"] for n in (FEW, videos)}  # fmt: skip
    replay = ["replay", f"{folder}/store", "--preset", "languagebind", "--json", "--out"]
    found = {}
    if quick:
        code = [None] * (turns + 1)
    else:
        code = [folder / "code"] * (turns + 1)
        found["replay of 1,200 videos"] = _both(folder, other, replay, code)
        new = [folder / f"code-{turn}" for turn in range(2 + turns // 4)]
        found["first replay on a machine"] = _both(folder, other, replay, new)
    for count, command in evaluate.items():
        found[f"evaluate {count:,} videos"] = _both(folder, other, command, code)
    few, many = (found[f"evaluate {n:,} videos"]["processor_s"] for n in (FEW, videos))
    each = {which: (many[which] - few[which]) / (videos - FEW) * 1e6 for which in ("before", "now")}
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "before": commit_of(other),
        "now": commit_of(HERE),
        "commands": found,
        "evaluate_us_a_video": {**{k: round(v, 2) for k, v in each.items()}, "ratio": _ratio(**each)},
    }


def write_inputs(folder: Path, videos: int) -> None:
    """A store, predictions and annotations, of made-up scores and events."""
    import_bundle(synthetic_scores(1200, 25), folder / "store")
    for count in (FEW, videos):
        write_many(folder / str(count), count)


def write_many(folder: Path, videos: int) -> None:
    """Predictions and annotations of made-up videos of ten segments."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    ids = tuple(f"{number:011d}_{number % 300}_{number % 300 + 10}" for number in rng.permutation(videos))
    segments = np.full(videos, 10, np.int64)

    def events(scores: bool) -> Events:
        starts = np.concatenate([[0], np.cumsum(rng.poisson(EVENTS_A_TRACK, 3 * videos))])
        n = int(starts[-1])
        onset = rng.integers(0, 10, n).astype(np.int32)
        offset = (onset + 1 + rng.random(n) * (10 - onset)).astype(np.int32)
        label = rng.integers(0, len(LABELS), n).astype(np.int32)
        return Events(1, videos, starts, label, onset, offset, rng.random(n) if scores else np.full(n, np.nan))

    write_predictions(folder / "p.json", Predictions(LABELS, {"tau0": 0.5}, ids, segments, events(True)))
    write_annotations(folder / "a.json", Annotations("json", "test", LABELS, ids, segments, events(False), "made up"))


def _both(folder: Path, other: Path, command: list[str], code: list[Path | None]) -> dict:
    """Turns with machine code in the folders ``code`` (None: where it is kept on this machine); the first turn, which
    also compiles bytecode, does not count."""
    runs: dict[str, list[dict]] = {"before": [], "now": []}
    for turn, place in enumerate(code):
        for which, root in (("before", other), ("now", HERE)):
            out = [str(folder / "made.json")] if command[-1] == "--out" else []
            run = _run(root, [*command, *out], folder, place and place / which)
            if turn:
                runs[which].append(run)
    found: dict = {
        name: {which: round(median(run[name] for run in of_one), 4) for which, of_one in runs.items()}
        for name in ("wall_s", "processor_s", "peak_mb")
    }
    for row in found.values():
        row["ratio"] = _ratio(**row)
    found["same_bytes"] = len({run["digest"] for of_one in runs.values() for run in of_one}) == 1
    print(f"{' '.join(command[:1])}: {found}", file=sys.stderr)
    return found


def _ratio(before: float, now: float) -> float:
    return round(before / now, 2)


def _run(root: Path, command: list[str], folder: Path, code: Path | None) -> dict:
    """One process: what it took, and a digest of what it wrote and printed."""
    env = {**os.environ, "PYTHONPATH": str(package_place(root)), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    if code is not None:
        env["AVREPLAY_CACHE_DIR"] = str(code)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    printed = folder / "printed"
    with open(printed, "wb") as out:
        begin = time.perf_counter()
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
        number = os.posix_spawn(sys.executable, [sys.executable, "-m", "avreplay", *command], env, file_actions=actions)
        _, status, used = os.wait4(number, 0)
        wall = time.perf_counter() - begin
    if status:
        raise SystemExit(f"{root}: avreplay {' '.join(command)} failed")
    made = folder / "made.json"
    content = printed.read_bytes() + (made.read_bytes() if command[-1] == str(made) else b"")
    return {"wall_s": wall, "processor_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024,
            "digest": hashlib.sha256(content).hexdigest()}  # fmt: skip


if __name__ == "__main__":
    main()
