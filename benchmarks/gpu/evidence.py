"""The answer of one step as a JSON file: written after every measurement; a later run goes on where one ended."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Absent(Exception):
    """What was to be measured is not on this machine: no failure, and another run looks again."""


class Evidence:
    """Measurements by name, in a file of their own.

    Parameters
    ----------
    folder, name : the file is ``name.json`` there
    about : what the measurements hold for (the device, the sizes, the versions); those of a file that says otherwise
        are made anew
    budget : seconds after which no further measurement is begun

    Attributes
    ----------
    found : what was measured, by name
    """

    def __init__(self, folder: Path, name: str, about: dict[str, Any], budget: float) -> None:
        self._path, self._about = folder / f"{name}.json", about
        self._ends = time.monotonic() + budget
        self.found: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        self._left_out: list[str] = []
        self._absent: dict[str, str] = {}
        if self._path.is_file():
            before = json.loads(self._path.read_text())
            if before["about"] == about:
                self.found, self._seconds = before["found"], before["seconds"]

    def measure(self, name: str, work: Callable[[], Any]) -> Any:
        """What was found under a name, now or before; None where it failed, or no time is left for it."""
        if name in self.found:
            return self.found[name]
        if time.monotonic() >= self._ends:
            self._left_out.append(name)
        else:
            began = time.perf_counter()
            try:
                self.found[name] = rounded(work())
                self._failed.pop(name, None)
            except Absent as error:
                self._absent[name] = str(error)
            except Exception as error:  # a failure is an answer, too; the other measurements go on
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(last.filename).name}:{last.lineno}"
                self._failed[name] = f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:600]}"
            self._seconds[name] = round(time.perf_counter() - began, 2)
        self._write()
        return self.found.get(name)

    def conclude(self, name: str, value: Any) -> None:
        """What follows from measurements, however little time is left."""
        self.found[name] = rounded(value)
        self._write()

    @property
    def complete(self) -> bool:
        """Whether nothing failed and nothing was left out."""
        return not self._failed and not self._left_out

    def _write(self) -> None:
        text = json.dumps({
            "about": self._about, "found": self.found, "failed": self._failed, "left_out": self._left_out,
            "seconds": self._seconds, **({"absent": self._absent} if self._absent else {}),
        }, indent=1)  # fmt: skip
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(text + "\n")
        partial.replace(self._path)


def rounded(value: Any) -> Any:
    """Numbers with four digits, at any depth."""
    if isinstance(value, dict):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
