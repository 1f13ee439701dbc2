"""``trials.csv``, the settings that a search tried: written, read as columns, and copied to Parquet."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_file, atomic_text
from ...core.errors import DataError, UsageError
from ...core.installation import install_command
from ...core.params.options import OptionSet, former_names
from .log_lines import ANEW


def read_trials(path: Path, done: int, kinds: Mapping[str, str], most: int = 20_000) -> dict[str, NDArray[Any]]:
    """The columns of a trials.csv of ``done`` trials; numbers as float64, choices by name as text (``kinds``: the type
    of each option by name, see :func:`option_kinds`).

    Of more than ``most`` trials that many are drawn at random (always the same ones), beside each that was better
    than all before it.
    """
    drawn = None if done <= most else set(np.random.default_rng(0).choice(done, most, replace=False).tolist())
    number = 1
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            names = next(rows)
            objective = names.index("objective")
            table, highest = [], -np.inf
            for i, row in enumerate(rows):
                number = i + 2
                value = float(row[objective])
                if len(row) != len(names):
                    raise ValueError(f"{len(row)} fields for {len(names)} columns")
                if drawn is None or i in drawn or value > highest:
                    table.append(row)
                highest = max(highest, value)
        return {
            name: np.array(column, str if kinds.get(name) in ("str", "bool") else np.float64)
            for name, column in zip(names, zip(*table, strict=True), strict=True)
        }
    except (ValueError, IndexError, StopIteration, csv.Error) as error:
        raise DataError(f"{path} is damaged in line {number} ({error}); {ANEW}") from error


def write_trials(
    path: Path,
    names: Sequence[str],
    figures: Sequence[str],
    trials: Iterable[tuple[int, Mapping[str, Any], float, Sequence[float]]],
) -> None:
    """Write a table of trials: their numbers, settings (``names``), objectives and ``figures``."""
    with atomic_text(path) as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["trial", *names, "objective", *figures])
        for number, setting, objective, values in trials:
            rows.writerow([number, *(setting[n] for n in names), objective, *values])


def read_objectives(path: Path, done: int) -> NDArray[np.float64]:
    """The objectives (done,) of the first trials, NaN where undefined. Raises: DataError where there are fewer."""
    number = 1
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            at = next(rows).index("objective")
            found = []
            for row in itertools.islice(rows, done):
                number += 1
                found.append(float(row[at]))
            if len(found) < done:
                raise ValueError(f"{done} trials were expected")
    except (ValueError, IndexError, StopIteration, csv.Error) as error:
        raise DataError(f"{path} is damaged in line {number} ({error}); {ANEW}") from error
    return np.array(found, np.float64)


def same_objective(path: Path) -> bool:
    """Whether all trials of a table, and there are several, reach the same objective."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        at = next(rows).index("objective")
        first = next(rows)[at]
        several = False
        for row in rows:
            if row[at] != first:
                return False
            several = True
        return several


def option_kinds(of: type[OptionSet]) -> dict[str, str]:
    """The type of each option of a decoder, by its names, former ones too."""
    kinds = {f.name: str(f.type) for f in fields(of)}
    return kinds | {former: kinds[now] for former, now in former_names(of).items()}


def parquet_module() -> Any:
    """pyarrow.parquet. Raises UsageError where it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"Parquet needs pyarrow: {install_command('tune')} (or leave --parquet out)") from None
    return parquet


def to_parquet(trials: Path, out: Path, kinds: Mapping[str, str]) -> None:
    """Copy trials.csv to Parquet, a block at a time.

    Raises: UsageError without pyarrow, DataError where it cannot be written.
    """
    parquet = parquet_module()
    import pyarrow
    from pyarrow import csv as arrow_csv

    with open(trials, encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    # the first block alone does not tell: an option may begin with numbers and go on with names
    types = {"str": pyarrow.string(), "bool": pyarrow.bool_(), "int": pyarrow.int64()}
    known = {**kinds, "trial": "int"}
    options = arrow_csv.ConvertOptions(
        column_types={name: types.get(known.get(name, "float"), pyarrow.float64()) for name in names}
    )
    with atomic_file(out) as file:
        blocks = arrow_csv.open_csv(trials, convert_options=options)
        with blocks, parquet.ParquetWriter(file, blocks.schema) as writer:
            for block in blocks:
                writer.write_batch(block)
