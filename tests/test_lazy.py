"""Public names: imported when first used, listed by `dir`, the same for Python, type checkers and editors."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import avreplay.cache
import pytest

ROOT = Path(__file__).parents[1]
LAZY = [
    path
    for path in sorted([ROOT / "__init__.py", *(p for f in ("core", "cache", "evaluate", "extract")
                                                for p in (ROOT / f).rglob("__init__.py"))])
    if "attach(" in path.read_text(encoding="utf-8")
]  # fmt: skip


def declared(path: Path) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Names by module in the table and under `if TYPE_CHECKING`; and `__all__`."""
    table: dict[str, str] = {}
    checked: dict[str, str] = {}
    public: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom)
                checked |= {alias.name: str(line.module) for alias in line.names}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            public = ast.literal_eval(node.value)
        elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("attach("):
            assert isinstance(node.value, ast.Call)
            modules = ast.literal_eval(node.value.args[1])
            table |= {name: module for module, names in modules.items() for name in names}
    return table, checked, public


def test_the_packages_are_found():
    assert {str(p.parent.relative_to(ROOT)) for p in LAZY} >= {".", "cache", "extract", "extract/finetune"}


@pytest.mark.parametrize("path", LAZY, ids=[str(p.relative_to(ROOT)) for p in LAZY])
def test_table_imports_and_all_agree(path):
    table, checked, public = declared(path)
    assert table == checked
    assert sorted(table) == sorted(public)
    assert len(public) == len(set(public))


@pytest.mark.parametrize("path", LAZY, ids=[str(p.relative_to(ROOT)) for p in LAZY])
def test_dir_lists_every_name_and_imports_nothing(path):
    package = ".".join(("avreplay", *path.parent.relative_to(ROOT).parts))
    code = (
        f"import sys, {package} as p\n"
        "assert set(p.__all__) <= set(dir(p)), dir(p)\n"
        "assert not {'zarr', 'numba', 'av', 'torch', 'click', 'rich'} & set(sys.modules)\n"
        "names = [n for n in p.__all__ if getattr(p, n) is None]\n"
        "assert not names and set(p.__all__) <= set(vars(p)) | {'evaluate'}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_store_is_read_without_zarr(small_store_code):
    done = subprocess.run([sys.executable, "-c", small_store_code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_kernels_are_only_noted_until_they_are_compiled():
    """A module that imports Numba or llvmlite costs every start of a command half a second."""
    compiler = {"numba_compiler", "reference_type"}
    modules = [
        ".".join(("avreplay", *path.relative_to(ROOT).with_suffix("").parts))
        for folder in ("core/kernels", "core/exact/kernels", "core/metrics", "core/decoders", "evaluate/files")
        for path in sorted((ROOT / folder).glob("*.py"))
        if path.stem not in {*compiler, "__init__"}
    ]
    code = (
        f"import importlib, sys\nfor name in {modules}:\n    importlib.import_module(name)\n"
        "print(sorted({'numba', 'llvmlite'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.fixture
def small_store_code(tmp_path):
    from avreplay.cache import import_bundle
    from avreplay.evaluate.bench.replay import synthetic_scores

    import_bundle(synthetic_scores(3, 4), tmp_path / "store")
    return (
        "import sys; from avreplay.cache import open_store\n"
        f"open_store({str(tmp_path / 'store')!r}).bundle(); print('zarr' in sys.modules)"
    )


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'avreplay.cache' has no attribute 'open_stroe'"):
        _ = avreplay.cache.open_stroe
