"""Everything that only a GPU can show, in one command: ``make gpu-check``, or ``python benchmarks/gpu_check.py``.

Each step leaves a JSON file in ``--out``, written after every measurement. A run that was stopped, or that ran out of
``--budget`` seconds, goes on where it ended. Encoders have random weights of the published sizes. With ``--small
--device cpu`` the same steps run on any machine with small encoders: that shows that the script works, no more.

LanguageBind needs transformers 4 and PE-AV transformers 5: ``--python languagebind=.venvs/v4/bin/python`` names the
Python of another environment for an encoder. One that is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BACKBONES = ("clip_clap", "languagebind", "imagebind", "pe_av")
STEPS = ("parity", "invariance", "company", "throughput", "memory")
"""Of each encoder, the most telling first."""
OTHERS = ("environment", "finetuning", "decoding", "nvdec_frames", "company_small", "resume")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gpu", help="folder of the JSON files")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="small encoders")
    parser.add_argument("--backbones", default=",".join(BACKBONES), help="some of them, with commas between")
    parser.add_argument("--steps", default=",".join((*OTHERS, *STEPS)), help="some of them, with commas between")
    parser.add_argument("--budget", type=float, default=2700, help="seconds for all of it")
    parser.add_argument("--step-budget", type=float, default=300, help="seconds after which a step begins nothing more")
    parser.add_argument("--run-seconds", type=float, default=6, help="that one timed extraction takes, about")
    parser.add_argument("--media", type=Path, help="a video, used again and again [default: a generated one]")
    parser.add_argument("--python", action="append", default=[], metavar="BACKBONE=PYTHON")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part is not None:
        return part(options)
    pythons = dict(one.split("=", 1) for one in options.python)
    from gpu.parts import run_parts

    names = ["machine", *filter(None, options.backbones.split(","))]
    code = run_parts(Path(__file__), arguments or sys.argv[1:], names, pythons, options.budget)
    print(summary(options.out))
    return code


def part(options: argparse.Namespace) -> int:
    """The steps of one encoder, or those of the machine, in a process of its own."""
    if options.small:
        from gpu.parts import prepare_for_small

        prepare_for_small()
    import torch
    from gpu.company import company_of_small
    from gpu.evidence import Evidence
    from gpu.frames import nvdec_frames
    from gpu.machine import decoding, device_name, environment
    from gpu.training import finetuning

    ends = time.monotonic() + options.budget
    chosen, evidences = options.steps.split(","), []
    about = {"device": device_name(options.device), "torch": str(torch.__version__), "small": options.small}

    def evidence(step: str, more: dict[str, Any] | None = None) -> Evidence:
        budget = min(options.step_budget, ends - time.monotonic())
        name = step if options.part == "machine" else f"{step}_{options.part}"
        print(f"{name} ({budget:.0f} s)", file=sys.stderr, flush=True)
        evidences.append(Evidence(options.out, name, {**about, **(more or {})}, budget))
        return evidences[-1]

    with tempfile.TemporaryDirectory(prefix="avreplay-gpu-") as work:
        folder = Path(work)
        video = (options.media or _made_video(folder)).resolve()
        if folder.stat().st_dev != video.stat().st_dev or options.media:
            copy = folder / f"video{video.suffix}"
            copy.write_bytes(video.read_bytes())
            video = copy
        if options.part == "machine":
            if "environment" in chosen:
                environment(evidence("environment"), options.device)
            if "finetuning" in chosen:
                finetuning(evidence("finetuning"), options.device, options.small)
            if "decoding" in chosen:
                decoding(evidence("decoding"), options.device, video)
            if "nvdec_frames" in chosen:
                nvdec_frames(evidence("nvdec_frames"), options.device, video, folder, options.small)
            if "company_small" in chosen:
                company_of_small(evidence("company_small"), options.device, folder)
            if "resume" in chosen:
                resume(options, evidence("resume"), video, folder)
        else:
            encoder_steps(options, chosen, evidence, video, folder)
    return 0 if all(one.complete for one in evidences) else 1


def resume(options: argparse.Namespace, evidence: Any, video: Path, folder: Path) -> None:
    """With the encoder that is loaded fastest; on the device, with its own batches."""
    from gpu.machine import kill_and_resume
    from gpu.models import Models

    models = Models("clip_clap", options.small, folder)
    amount = {"videos": 8, "shard": 2, "windows": "none"} if options.small else {"videos": 24, "shard": 4}
    kill_and_resume(evidence, options.device, video, folder, models, **amount)


def encoder_steps(options: argparse.Namespace, chosen: list[str], evidence: Any, video: Path, folder: Path) -> None:
    import transformers
    from avreplay.extract.backbones.registry import backbone_facts
    from gpu.company import company, company_of_small
    from gpu.encoders import invariance, parity
    from gpu.memory import out_of_memory
    from gpu.models import Models
    from gpu.speed import LITTLE, Amount, throughput

    name, device = options.part, options.device
    missing = backbone_facts(name).missing
    if missing:
        print(f"{name} is left out: {', '.join(missing)} not installed", file=sys.stderr)
        return
    models = Models(name, options.small, folder)
    amount = LITTLE if options.small else Amount(options.run_seconds)
    more = {"transformers": transformers.__version__}
    if "parity" in chosen:
        parity(evidence("parity", more), models, device)
    if "invariance" in chosen:
        invariance(evidence("invariance", more), models, device)
    if "company" in chosen:
        company(evidence("company", more), models, device)
    if "company_small" in chosen and name == "languagebind":  # of another environment than the others
        company_of_small(evidence("company_small", more), device, folder, (name,))
    if "throughput" in chosen:
        throughput(evidence("throughput", more), models, device, video, folder, amount)
    if "memory" in chosen:
        out_of_memory(evidence("memory", more), models, device, video, folder, amount)


def _made_video(folder: Path) -> Path:
    from avreplay.extract.demo.world import write_demo_world

    write_demo_world(folder / "world", "test", videos=1)
    return folder / "world" / "demo_test_000.mp4"


def summary(folder: Path) -> str:
    """A line a measurement: what it says in short."""
    lines = []
    for path in sorted(folder.glob("*.json")):
        step = json.loads(path.read_text())
        for name, found in step["found"].items():
            lines.append(f"{path.stem:<24} {name:<28} {_short(found)}")
        lines += [f"{path.stem:<24} {name:<28} FAILED {why}" for name, why in step["failed"].items()]
        if step["left_out"]:
            lines.append(f"{path.stem:<24} no time left for {', '.join(step['left_out'])}")
    return "\n".join(lines)


def _short(found: dict[str, Any]) -> str:
    """The figures on the first two levels that tell most."""
    telling = (
        "videos_per_second", "ready_tensors_videos_per_second", "ratio_to_ready_tensors", "seconds_per_video",
        "peak_gb", "deviation_of_spread", "smallest_cosine", "same bytes beside others", "same_bytes", "gpu", "driver",
        "times_out_of_memory", "batch_size_at_the_end", "same_bytes_as_never_killed", "unusable", "epoch_seconds",
    )  # fmt: skip
    words = []
    for key, value in found.items():
        if isinstance(value, dict):
            inner = [f"{value[k]}" for k in telling if k in value]
            if inner:
                words.append(f"{key}: {', '.join(inner)}")
        elif key in telling:
            words.append(f"{key} {value}")
    return "; ".join(words)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
