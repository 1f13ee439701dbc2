"""Print a constraints file with the oldest version of each dependency that pyproject.toml allows.

    python tests/oldest_versions.py EXTRA... > constraints.txt

``numpy>=1.26`` gives ``numpy==1.26``, which is 1.26.0. A dependency without a lower bound is an error: it could not be
tested at any.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def oldest(requirement: str) -> str:
    """The pin for a requirement: ``zarr==3.1`` for ``zarr>=3.1,<4``."""
    match = re.match(r"([\w.-]+)(?:\[[^\]]*\])?\s*(?:>=|==)\s*([\d.]+)", requirement)
    if match is None:
        raise SystemExit(f"pyproject.toml: {requirement!r} has no lower bound")
    return f"{match[1]}=={match[2]}"


def pins(project: dict[str, Any], extras: list[str]) -> list[str]:
    """The pins of the dependencies and of ``extras``, with the extras that those name."""
    own, optional = project["name"], project["optional-dependencies"]
    waiting, found = [*project["dependencies"], *(r for extra in extras for r in optional[extra])], []
    while waiting:
        requirement = waiting.pop(0)
        inner = re.fullmatch(rf"{own}\[(.*)\]", requirement)
        if inner:
            waiting += [r for extra in inner[1].split(",") for r in optional[extra.strip()]]
        else:
            found.append(oldest(requirement))
    return found


if __name__ == "__main__":
    with open(PYPROJECT, "rb") as file:
        print("\n".join(pins(tomllib.load(file)["project"], sys.argv[1:])))
