"""Every compiled function documents its arguments, and says which plain function it mirrors."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from avreplay.core.kernels import (
    ave_counts,
    clip_scores,
    llp_counts,
    ovavel,
    ovavel_counts,
    replay,
    resample,
    segment_runs,
)
from avreplay.core.kernels.jit import Kernel

CORE = Path(__file__).parents[1] / "core"
FOLDERS = (CORE / "kernels", CORE / "exact" / "kernels")
COMPILED = ("inner", "inlined", "spliced", "kernel", "lean_kernel")
NO_COUNTERPART = {
    "new_shift_state", "popcount", "trailing_zeros", "lanes_of", "close_lanes",
    "_row", "dot", "emit_event",
    "new_patterns", "_solve_definite", "_eliminate", "new_track", "new_memo", "_same_list", "_add", "_clear", "_where",
    "grown", "_add_exactly",
}  # fmt: skip
"""Memory, and steps that plain Python has operators for."""


def functions():
    for path in (p for folder in FOLDERS for p in sorted(folder.glob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(getattr(d, "id", "") in COMPILED for d in node.decorator_list):
                yield pytest.param(node, id=f"{path.stem}.{node.name}")


@pytest.mark.parametrize("function", list(functions()))
def test_arguments_and_counterpart_are_documented(function):
    text = ast.get_docstring(function) or ""
    for argument in (a.arg for a in function.args.args):
        assert re.search(rf"^{argument} : \S", text, re.MULTILINE), f"{argument} is not documented"
    mirrored = re.findall(r"avreplay\.core\.((?:exact\.)?reference\w*)\.(\w+)`", text)
    assert all(callable(getattr(import_module(f"avreplay.core.{module}"), name)) for module, name in mirrored)
    assert bool(mirrored) != (function.name in NO_COUNTERPART)


def test_entry_points_show_their_documentation():
    modules = (ave_counts, clip_scores, segment_runs, llp_counts, ovavel, ovavel_counts, replay, resample)
    found = [x for m in modules for x in vars(m).values()]
    kernels = {x.__name__: x for x in found if isinstance(x, Kernel)}
    assert len(kernels) == 9
    assert all("Mirrors" in x.__doc__ for x in kernels.values())
