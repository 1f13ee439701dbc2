"""What a wheel holds is what the folders hold, and what the project says about itself in several files agrees."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import avreplay
import oldest_versions
import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("core", "cache", "extract", "evaluate")


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def folder_of(package: str) -> Path:
    return ROOT.joinpath(*package.split(".")[1:])


def test_every_package_folder_is_listed_and_installs(pyproject: dict[str, Any]) -> None:
    found = {"avreplay"}
    for floor in FLOORS:
        found |= {
            "avreplay." + ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / floor).rglob("__init__.py")
        }
    assert sorted(pyproject["tool"]["setuptools"]["packages"]) == sorted(found)


def test_every_folder_with_code_is_a_package() -> None:
    """A folder without ``__init__.py`` works from a checkout and is missing in a wheel."""
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), path


def test_every_other_file_of_a_package_is_package_data(pyproject: dict[str, Any]) -> None:
    packages, data = (pyproject["tool"]["setuptools"][key] for key in ("packages", "package-data"))
    assert (ROOT / "py.typed").exists()
    assert "py.typed" in data["avreplay"]
    for package in packages[1:]:
        patterns = data.get(package, []) + data.get("*", [])
        for path in folder_of(package).iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert any(fnmatch(path.name, p) for p in patterns), f"{path} would be missing in a wheel"
            elif path.is_dir() and path.name != "__pycache__" and f"{path.name}/*" not in patterns:
                assert (path / "__init__.py").exists(), f"{path} is no package: its files would be missing in a wheel"


def test_package_data_patterns_match_something(pyproject: dict[str, Any]) -> None:
    for package, patterns in pyproject["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            assert list(folder_of(package).glob(pattern)), f"{package}: {pattern}"


def test_the_version_is_the_same_everywhere() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert newest is not None
    assert cited[1] == newest[1] == avreplay.__version__


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("numpy>=1.26", "numpy==1.26"),
        ("zarr>=3.1,<4", "zarr==3.1"),
        ("pyright[nodejs]==1.1.414", "pyright==1.1.414"),
        ("scikit-learn >= 1.4", "scikit-learn==1.4"),
    ],
)
def test_the_oldest_version_of_a_requirement(requirement: str, pin: str) -> None:
    assert oldest_versions.oldest(requirement) == pin


def test_dependencies_have_lower_bounds(pyproject: dict[str, Any]) -> None:
    pins = oldest_versions.pins(pyproject["project"], ["test"])
    assert {p.split("==")[0] for p in pins} >= {"numpy", "zarr", "optuna", "scikit-learn", "h5py", "hypothesis"}
    with pytest.raises(SystemExit, match="'timm' has no lower bound"):
        oldest_versions.oldest("timm")
