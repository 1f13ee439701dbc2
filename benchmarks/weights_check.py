"""Published weights on this machine: ``make weights-check``, or ``python benchmarks/weights_check.py``.

Loads every checkpoint of ``avreplay backbones`` that is at hand (in the hub's cache, in open_clip's, or in a folder
that ``--option`` names; with ``--download`` those that are not, too), encodes the inputs by which stores notice other
weights, and leaves a JSON file an encoder in ``--out``: hashes, tensors, versions, the device, the rows, whether it
recognises generated pictures and sounds, and whether rows keep to the declared tolerance beside others.
``--reference`` names a folder of such files from another machine: rows and hashes are compared with them.

A run that was stopped, or that ran out of ``--budget`` seconds, goes on where it ended. With ``--small`` small
checkpoints of random values in the published forms are written and checked: that shows that the script works, no more.

LanguageBind needs transformers 4 and PE-AV transformers 5: ``--python languagebind=.venvs/v4/bin/python`` names the
Python of another environment for an encoder. One that is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "weights", help="folder of the JSON files")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--small", action="store_true", help="small checkpoints that are made here")
    parser.add_argument("--backbones", help="some of them, with commas between [default: all with checkpoints]")
    parser.add_argument("--option", action="append", default=[], metavar="BACKBONE:KEY=VALUE",
                        help="of the encoder, where its weights are elsewhere")  # fmt: skip
    parser.add_argument("--download", action="store_true", help="fetch what is not at hand")
    parser.add_argument("--reference", type=Path, help="folder of JSON files to compare with")
    parser.add_argument("--budget", type=float, default=3600, help="seconds for all of it")
    parser.add_argument("--python", action="append", default=[], metavar="BACKBONE=PYTHON")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if options.part is not None:
        return part(options)
    from gpu.parts import run_parts

    pythons = dict(one.split("=", 1) for one in options.python)
    code = run_parts(Path(__file__), arguments or sys.argv[1:], _names(options.backbones), pythons, options.budget)
    said, checked = summary(options.out)
    print(said)
    if not checked:
        print("no published weights are at hand; see docs/weights.md, or add --download", file=sys.stderr)
    return code if checked else 1


def _names(given: str | None) -> list[str]:
    from avreplay.extract.backbones.checkpoints import CHECKPOINTS
    from avreplay.extract.backbones.registry import BUILT_IN

    return given.split(",") if given else [name for name in BUILT_IN if name in CHECKPOINTS]


def part(options: argparse.Namespace) -> int:
    """The checkpoints of one encoder, in a process of its own."""
    from avreplay.extract.backbones.registry import backbone_facts

    name = options.part
    if options.small:
        from gpu.parts import prepare_for_small

        prepare_for_small()
    missing = backbone_facts(name).missing
    if missing:
        print(f"{name} is left out: {', '.join(missing)} not installed", file=sys.stderr)
        return 0
    from avreplay.evaluate.bench.environment import describe_machine, describe_versions
    from gpu.evidence import Evidence
    from gpu.machine import PACKAGES, device_name
    from gpu.weights import check_checkpoint

    about = {
        "device": device_name(options.device),
        "machine": describe_machine(),
        "versions": describe_versions((*PACKAGES, "tokenizers", "huggingface_hub")),
        "small": options.small,
    }
    evidence = Evidence(options.out, name, about, options.budget)
    before: dict[str, Any] = {}
    if options.reference is not None and (options.reference / f"{name}.json").is_file():
        before = json.loads((options.reference / f"{name}.json").read_text())["found"]
    with tempfile.TemporaryDirectory(prefix="avreplay-weights-") as work:
        for said, chosen in _candidates(name, options, Path(work)).items():
            given = {**chosen, "device": options.device, **({"download": True} if options.download else {})}

            def check(given: dict[str, Any] = given, said: str = said) -> dict[str, Any]:
                return check_checkpoint(name, given, before.get(said), expect_sense=not options.small)

            evidence.measure(said, check)
    return 0 if evidence.complete and all(one["ok"] for one in evidence.found.values()) else 1


def _candidates(name: str, options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """The options that choose each checkpoint, by what is written for it."""
    from avreplay.extract.backbones.checkpoints import CHECKPOINTS
    from avreplay.extract.backbones.listing import options_of
    from avreplay.extract.backbones.options import parse_options

    if options.small:
        from backbones.small_checkpoints import small_checkpoint

        return {"small": small_checkpoint(name, folder)}
    own = [one.split(":", 1)[1] for one in options.option if one.startswith(f"{name}:")]
    if own:
        return {" ".join(own): parse_options(own)}
    default = options_of(name)
    found: dict[str, dict[str, Any]] = {"default": {}}
    for checkpoint in CHECKPOINTS[name]:
        others = {key: value for key, value in checkpoint.options.items() if default.get(key) != value}
        if others and not (default.get("weights") is None and set(others) == {"weights"}):
            found[" ".join(f"{key}={value}" for key, value in checkpoint.options.items())] = others
    return found


def summary(folder: Path) -> tuple[str, int]:
    """A line a checkpoint, and how many were checked."""
    lines, checked = [], 0
    for path in sorted(folder.glob("*.json")):
        step = json.loads(path.read_text())
        for said, found in step["found"].items():
            checked += 1
            wrong = [*found["problems"], *found.get("against_reference", {}).get("problems", [])]
            lines.append(f"{path.stem:<12} {said:<40} {'ok' if found['ok'] else 'NOT OK: ' + '; '.join(wrong)}")
        lines += [f"{path.stem:<12} {said:<40} FAILED {why}" for said, why in step["failed"].items()]
        lines += [f"{path.stem:<12} {said:<40} not at hand" for said in step.get("absent", {})]
        if step["left_out"]:
            lines.append(f"{path.stem:<12} no time left for {', '.join(step['left_out'])}")
    return "\n".join(lines), checked


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
