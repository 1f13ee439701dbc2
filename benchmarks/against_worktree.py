"""This checkout against another one, such as a git worktree of an earlier commit, in one run on the same inputs.

Each checkout runs in a process of its own; the two take turns, on one thread, and the least CPU time of several turns
counts, so that other work on the machine weighs on both alike. Results are compared by their bytes. Writes JSON with
the machine and the versions::

    git worktree add ../before COMMIT
    python benchmarks/against_worktree.py ../before --out FILE
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from result_file import write_result

HERE = Path(__file__).resolve().parents[1]
AV2A = {
    "replay languagebind": ("languagebind", None, {}),
    "replay clip_clap": ("clip_clap", None, {}),
    "replay naive_languagebind": ("naive_languagebind", None, {}),
    "replay languagebind, paper profile": ("languagebind", "paper", {}),
    "replay clip_clap, paper profile": ("clip_clap", "paper", {}),
}


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the root of another checkout")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(options.quick)
        return {}
    if not (options.other / "core" / "kernels").is_dir():
        parser.error(f"{options.other} is not a checkout of avreplay")
    result = compare(options.other, options.turns, options.quick, options.only)
    write_result(result, options.out)
    return result


def compare(other: Path, turns: int, quick: bool, only: str) -> dict:
    """Least CPU microseconds a video (of a sweep: a pair of setting and video) of each checkout, and their ratio."""
    from avreplay.evaluate.bench.environment import describe_machine, describe_versions

    ours, theirs = (_started(root, quick) for root in (HERE, other))
    measured = {}
    theirs.stdout.readline()
    for name in [n for n in json.loads(ours.stdout.readline()) if only in n]:
        runs = [[_turn(process, name) for process in (theirs, ours)] for _ in range(turns)]
        before, now = (min(run[i]["us"] for run in runs) for i in (0, 1))
        same = runs[0][0]["digest"] == runs[0][1]["digest"]
        measured[name] = {"before": round(before, 3), "now": round(now, 3), "ratio": round(before / now, 2),
                          "same_bytes": same}  # fmt: skip
        print(f"{name:40s} {before:9.3f} {now:9.3f} us  {before / now:6.2f} x  {'' if same else 'other bytes'}",
              file=sys.stderr)  # fmt: skip
    for process in (ours, theirs):
        process.stdin.close()
        process.wait()
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "before": commit_of(other),
        "now": commit_of(HERE),
        "us": measured,
    }


def package_place(root: Path) -> Path:
    """A folder in which a checkout is the package. It stays: Numba of earlier commits looks for compiled code by the
    path of the sources."""
    root = root.resolve()
    place = Path(tempfile.gettempdir()) / f"avreplay-against-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
    place.mkdir(exist_ok=True)
    if not (place / "avreplay").exists():
        (place / "avreplay").symlink_to(root)
    return place


def _started(root: Path, quick: bool) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(package_place(root)), "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(root.resolve()), "--serve", *(["--quick"] if quick else [])]
    return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _turn(process: subprocess.Popen, name: str) -> dict:
    process.stdin.write(name + "\n")
    process.stdin.flush()
    found: dict = json.loads(process.stdout.readline())
    return found


def commit_of(root: Path) -> str:
    """The commit of a checkout, and whether files differ from it."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def serve(quick: bool) -> None:
    """Run what is asked for by name on the standard input; answer with the time of one run and a digest."""
    work = workloads(quick)
    print(json.dumps(list(work)), flush=True)
    for line in sys.stdin:
        count, run = work[line.strip()]
        run()
        seconds = []
        for _ in range(3):
            begin = time.thread_time()
            found = run()
            seconds.append(time.thread_time() - begin)
        digest = hashlib.sha256(b"".join(x.tobytes() for x in found)).hexdigest()
        print(json.dumps({"us": min(seconds) / count * 1e6, "digest": digest}), flush=True)


def workloads(quick: bool) -> dict[str, tuple[int, Callable[[], list]]]:
    """What is timed, by name: how many videos or pairs, and a call that returns arrays."""
    import numpy as np
    from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
    from avreplay.core.decoders.base import Inputs
    from avreplay.core.decoders.ovavel import ovavel_events
    from avreplay.core.metrics.llp import LlpMetric, llp_f_scores
    from avreplay.core.params.av2a import make_params
    from avreplay.core.params.ovavel import make_ovavel_params
    from avreplay.core.params.table import ParamTable
    from avreplay.core.sweep import sweep
    from avreplay.core.target import Target
    from avreplay.evaluate.bench.replay import synthetic_scores

    videos, settings = (60, 24) if quick else (1200, 1024)
    bundle = synthetic_scores(videos, 25)
    found: dict[str, tuple[int, Callable[[], list]]] = {}

    def arrays(events) -> list:
        return [events.starts, events.label, events.onset, events.offset, events.score]

    for name, (preset, profile, more) in AV2A.items():
        p = make_params(preset, profile).override(more)
        found[name] = (videos, lambda p=p: arrays(replay_scores(bundle, p, threads=1).events))

    def truth_of(b):
        return replay_scores(b, make_params("languagebind").override({"tau0": 0.7, "tau_r": 0.6}), threads=1).events

    predicted, truth = replay_scores(bundle, make_params("languagebind"), threads=1).events, truth_of(bundle)
    found["LLP metrics"] = (videos, lambda: [llp_f_scores(predicted, truth, bundle.segments_per_video, 25)])

    some = bundle.select_videos(np.arange(min(200, videos)))
    rng = np.random.default_rng(0)
    columns = {name: rng.random(settings) for name in ("alpha", "tau0", "tau_f", "tau_r")}
    table = ParamTable(make_params("languagebind"), {**columns, "decay": 5 * rng.random(settings)})
    target = Target.on(some, truth_of(some), LlpMetric())
    weights = [1.0] + [0.0] * (len(target.names) - 1)

    def swept() -> list:
        parts = list(sweep(Av2aDecoder(), Inputs(some), table, target, weights, threads=1))
        return [np.concatenate([getattr(p, name) for p in parts]) for name in ("figures", "per_video")]

    found["sweep, a pair"] = (settings * some.num_videos, swept)

    from ovavel_vs_twin import made_up

    frames, _ = made_up(200 if quick else 5820)
    for preset in ("training_free", "finetuned"):
        p = make_ovavel_params(preset)
        found[f"OV-AVEL decode, {preset}"] = (frames.num_videos, lambda p=p: arrays(ovavel_events(frames, p)))
    return found


if __name__ == "__main__":
    main()
