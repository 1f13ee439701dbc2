"""How much of the public API is typed, in the eyes of pyright: `python tests/type_completeness.py MINIMUM_PERCENT`.

Prints the share of exported symbols whose types are known without guessing and, where it is below the minimum, the
symbols that lack them, most used first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 40


def lay_package(folder: Path) -> None:
    """Links that make the root a package `avreplay`, without `build/`, `tests/` and virtual environments inside."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        packages = tomllib.load(file)["tool"]["setuptools"]["packages"]
    parts = {name.split(".")[1] for name in packages if "." in name}
    package = folder / "avreplay"
    package.mkdir()
    for path in (*ROOT.glob("*.py"), ROOT / "py.typed", *(ROOT / part for part in sorted(parts))):
        (package / path.name).symlink_to(path)


def verify_types() -> dict[str, Any]:
    """What `pyright --verifytypes` finds; packages without types that the API names do not count."""
    with tempfile.TemporaryDirectory() as folder:
        lay_package(Path(folder))
        command = [
            sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--verifytypes", "avreplay",
            "--ignoreexternal", "--outputjson",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True
        )
    try:
        found: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    except (json.JSONDecodeError, KeyError):
        raise SystemExit(f"pyright failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}") from None
    if not found["symbols"]:
        raise SystemExit("pyright found no public symbol in avreplay")
    return found


def main(minimum: float) -> None:
    found = verify_types()
    percent = 100 * found["completenessScore"]
    print(f"pyright: {percent:.2f} % of the public API is typed (at least {minimum:g} % is asked for)")
    if percent >= minimum:
        return
    lacking = [s for s in found["symbols"] if s["isExported"] and not s["isTypeKnown"] and s["diagnostics"]]
    lacking.sort(key=lambda symbol: -symbol["referenceCount"])
    for symbol in lacking[:SHOWN]:
        print(f"  {symbol['name']}: {symbol['diagnostics'][0]['message'].splitlines()[0]}")
    if len(lacking) > SHOWN:
        print(f"  and {len(lacking) - SHOWN} more")
    raise SystemExit(1)


if __name__ == "__main__":
    main(float(sys.argv[1]))
