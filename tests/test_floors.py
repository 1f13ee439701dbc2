"""Which folder may import from which: cli -> extract, evaluate -> cache -> core; nothing heavy where it must not be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {
    "core": {"core"},
    "cache": {"cache", "core"},
    "evaluate": {"evaluate", "cache", "core"},
    "extract": {"extract", "cache", "core"},
}
FORBIDDEN = {
    "core": {"zarr", "fsspec", "torch", "av", "click", "rich", "plotly", "jinja2", "avreplay"},
    "cache": {"torch", "av", "click", "plotly", "jinja2", "avreplay"},
    "evaluate": {"torch", "av", "click", "zarr", "avreplay"},
    "extract": {"click", "plotly", "jinja2", "zarr", "avreplay"},
}
FILES = [(floor, path) for floor in BELOW for path in sorted((ROOT / floor).rglob("*.py"))]


def imports(path: Path, floor: str):
    """(folder of this package, None) or (None, outside package) for every import in a file."""
    depth = len(path.relative_to(ROOT / floor).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((None, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield None, (node.module or "").split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            up = node.level - depth
            assert up <= 1, f"{path} imports from above the package"
            if up < 1:
                yield floor, None
            elif node.module:
                yield node.module.split(".")[0], None
            else:
                yield from ((alias.name, None) for alias in node.names if alias.name != "__version__")


@pytest.mark.parametrize(("floor", "path"), FILES, ids=[str(p.relative_to(ROOT)) for _, p in FILES])
def test_imports_only_from_below(floor, path):
    for folder, outside in imports(path, floor):
        if folder is not None:
            assert folder in BELOW[floor], f"{path.name} imports from {folder}/"
        else:
            assert outside not in FORBIDDEN[floor], f"{path.name} imports {outside}"
