"""A mutant that lies in its folder, the commands that read it, and what an accepted one must give."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .mutants import Draw, bytes_of, json_text, table_of, tree_of

Accepted = Callable[[list[int], str], str]


@dataclass(frozen=True)
class Case:
    """A mutant that lies in its folder.

    commands : run one after the other
    accepted : a sentence where an exit code or a result is wrong, given what is in the folder
    named : must be in the message of a refusal
    """

    commands: list[list[str]]
    accepted: Accepted
    named: str = ""


@dataclass(frozen=True)
class Target:
    """A kind of input: ``make`` draws a mutant into a copy of the folder of seeds."""

    name: str
    make: Callable[[Path, Draw], Case]
    weight: int = 1


def always(codes: list[int], printed: str) -> str:
    return ""


def compare(read: Callable[[], Any], expect: Callable[[], Any]) -> Accepted:
    """An accepted file gives what the plain reader gives; what the plain reader refuses is not accepted."""

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return ""
        expected, found = expect(), read()
        return "" if same(expected, found) else f"it was read as {str(found)[:300]} and is {str(expected)[:300]}"

    return accepted


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(key in b and same(value, b[key]) for key, value in a.items())
    if isinstance(a, np.ndarray):
        return a.shape == np.shape(b) and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b)


def mutate_text(file: Path, draw: Draw, tree: Any, write: Callable[[Any], bytes]) -> None:
    """A mutant of a file of JSON or TOML: of its value, or of its bytes."""
    content = file.read_bytes()
    file.write_bytes(draw(bytes_of(content)) if draw(st.integers(0, 3)) == 0 else write(draw(tree_of(tree))))


def mutate_json(file: Path, draw: Draw) -> None:
    mutate_text(file, draw, json.loads(file.read_bytes()), json_text)


def mutate_table(file: Path, draw: Draw, separator: str) -> None:
    content = file.read_bytes()
    rows = [line.split(separator) for line in content.decode().splitlines()]
    file.write_bytes(draw(bytes_of(content)) if draw(st.integers(0, 3)) == 0 else draw(table_of(rows, separator)))


def evaluate(predictions: Path, dataset: str, annotations: Path, split: str, *more: str) -> list[str]:
    return ["evaluate", str(predictions), "--dataset", dataset, "--annotations", str(annotations), "--split", split,
            "--json", *more]  # fmt: skip
