"""A script in parts, each in a process of its own and perhaps in another environment, within a budget of seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"


def prepare_for_small() -> None:
    """What the tests of encoders need on a processor, small ones need here, too: beside its CPU builds torch may find
    a torchvision of which the compiled part does not load."""
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    import_module("backbones.shims")


def run_parts(
    script: Path, arguments: Sequence[str], names: Sequence[str], pythons: Mapping[str, str], budget: float
) -> int:
    """Run a script once for each name, with ``--part NAME`` and what is left of the budget; returns the largest exit
    code, 1 where no time was left.

    ``pythons`` : the Python of another environment, by name
    """
    ends = time.monotonic() + budget
    codes = []
    for name in names:
        left = ends - time.monotonic()
        if left <= 0:
            print(f"{name}: no time left", file=sys.stderr)
            codes.append(1)
            continue
        command = [pythons.get(name, sys.executable), str(script), *arguments, "--part", name, "--budget", str(left)]
        began = time.monotonic()
        try:
            code = subprocess.run(command, timeout=left + 60).returncode
        except subprocess.TimeoutExpired:
            code = 1
        print(f"{name}: {'complete' if code == 0 else 'not complete'}, {time.monotonic() - began:.0f} s", flush=True)
        codes.append(code)
    return max(codes, default=0)
