"""Which folder may import from which: cli -> extract, evaluate -> cache -> core; no circles; nothing heavy in a floor
that must not need it."""

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


@pytest.mark.parametrize("path", sorted((ROOT / "cache/storage").rglob("*.py")), ids=lambda path: path.name)
def test_where_bytes_lie_knows_nothing_of_what_they_mean(path):
    others = {path.stem for path in (ROOT / "cache").glob("*.py")} | {"layout", "imports"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            assert (node.module or "").split(".")[0] not in others - {"places", "atomic_write"}, path.name


def module_imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the package that a file imports, at its top or inside functions, by the name after `avreplay.`."""
    name = name_of(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package.split(".")[: len(package.split(".")) - (node.level - 1)]
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inside = f"{base}.{alias.name}".removeprefix(".")
                found.add(inside if inside in modules else base)
    return found & modules.keys() - {name}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(edges: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Sets of modules that reach each other, sorted (strongly connected components of more than one)."""

    def reached(start: str) -> set[str]:
        found, todo = set(), [start]
        while todo:
            for other in edges[todo.pop()] - found:
                found.add(other)
                todo.append(other)
        return found

    reach = {name: reached(name) for name in edges}
    return sorted({tuple(sorted(b for b in reach[a] if a in reach[b])) for a in edges if a in reach[a]})


def test_circles_are_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}
    assert circles(edges) == [("a", "b", "c")]
    assert circles({**edges, "c": {"d"}}) == []


def test_no_import_circles():
    """Imports inside functions and under TYPE_CHECKING count too."""
    modules = {name_of(path): path for _, path in FILES}
    edges = {name: module_imports(path, modules) for name, path in modules.items()}
    assert circles(edges) == []
