"""The folder of a search: its trials in order, and what is needed to go on after a stop.

``trials.csv`` grows by whole parts; ``search.json`` is replaced after each of them and says how many bytes of
``trials.csv`` count, so that a kill at any moment costs at most the part in hand.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle
from ...core.errors import DataError, UsageError
from ...core.param_table import ParamTable
from ...core.sweep import SweepPart
from ..html_page import write_whole
from .problem import Problem

SCHEMA = "avreplay.search/1"


def content_digest(bundle: ScoreBundle) -> str:
    """SHA-256 of everything in a bundle: two searches are the same only on the same scores."""
    digest = hashlib.sha256()
    for f in fields(bundle):
        value = getattr(bundle, f.name)
        digest.update(f.name.encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


class Journal:
    """Trials of a table search, kept in a folder as they come, and the best setting of each video so far.

    Attributes
    ----------
    done : trials in the folder
    best : trial with the highest objective (the first of equals), -1 before any
    best_value : its objective
    video_best, video_trial : (N,) the highest objective of each video, and its trial

    Raises
    ------
    UsageError
        the folder holds another search
    DataError
        it cannot be written, or its files do not belong together
    """

    def __init__(self, folder: Path, identity: dict[str, Any], problem: Problem, names: list[str], fresh: bool) -> None:
        self.folder = folder
        self.identity = identity
        self.trials = folder / "trials.csv"
        self._state = folder / "search.json"
        self._columns = ["trial", *names, "objective", *problem.target.names]
        videos = problem.bundle.num_videos
        self.done, self.bytes, self.best, self.best_value = 0, 0, -1, -np.inf
        self.video_best: NDArray[np.float64] = np.full(videos, -np.inf)
        self.video_trial: NDArray[np.int64] = np.full(videos, -1, np.int64)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if fresh or not self._state.exists():
                if self.trials.exists() and not fresh:
                    raise UsageError(f"{folder} holds a trials.csv of another kind; choose another --out")
                self._begin()
            else:
                self._resume()
        except OSError as error:
            raise DataError(f"cannot write the search to {folder}: {error.strerror or error}") from error

    def _begin(self) -> None:
        head = ",".join(self._columns) + "\n"
        self.trials.write_text(head, encoding="utf-8", newline="")
        self.bytes = len(head)
        self._save()

    def _resume(self) -> None:
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            found = state["identity"]
            self.done, self.bytes, self.best = state["done"], state["bytes"], state["best"]
            self.best_value = -np.inf if state["best_value"] is None else state["best_value"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self._state} is damaged; give --overwrite to search anew") from error
        other = [k for k in self.identity if found.get(k) != self.identity[k]]
        if other:
            raise UsageError(
                f"{self.folder} holds a search with another {other[0]} ({found.get(other[0])!r}, now "
                f"{self.identity[other[0]]!r}); choose another --out, or --overwrite"
            )
        if self.done:
            self.video_best = np.array(state["video_best"], np.float64)
            self.video_trial = np.array(state["video_trial"], np.int64)
        if not self.trials.exists() or self.trials.stat().st_size < self.bytes:
            raise DataError(f"{self.trials} is shorter than its search says; give --overwrite to search anew")
        with open(self.trials, "r+b") as file:
            file.truncate(self.bytes)

    def add(self, part: SweepPart, table: ParamTable) -> bool:
        """Take in the next part; True when it holds a new best."""
        count = len(part.objective)
        text = io.StringIO()
        columns = [c[part.begin : part.begin + count].tolist() for c in table.columns.values()]
        figures = part.figures.T.tolist()
        rows = zip(range(part.begin, part.begin + count), *columns, part.objective.tolist(), *figures, strict=True)
        csv.writer(text, lineterminator="\n").writerows(rows)
        data = text.getvalue().encode()
        try:
            with open(self.trials, "ab") as file:
                file.write(data)
        except OSError as error:
            raise DataError(f"cannot write {self.trials}: {error.strerror}") from error
        self.bytes += len(data)
        self.done = part.begin + count
        row = int(np.argmax(part.objective))
        better = bool(part.objective[row] > self.best_value)
        if better:
            self.best, self.best_value = part.begin + row, float(part.objective[row])
        rows_of = np.argmax(part.per_video, axis=0)
        values = part.per_video[rows_of, np.arange(len(rows_of))]
        gain = values > self.video_best
        self.video_best[gain] = values[gain]
        self.video_trial[gain] = part.begin + rows_of[gain]
        return better

    def save(self) -> None:
        """Make everything added so far count. Raises DataError where it cannot be written."""
        self._save()

    def _save(self) -> None:
        state = {
            "schema": SCHEMA,
            "identity": self.identity,
            "done": self.done,
            "bytes": self.bytes,
            "best": self.best,
            "best_value": None if self.best < 0 else self.best_value,
            "video_best": self.video_best.tolist() if self.done else [],
            "video_trial": self.video_trial.tolist(),
        }
        with open(self.trials, "ab") as file:
            os.fsync(file.fileno())
        write_whole(self._state, json.dumps(state).encode())


def read_trials(path: Path, done: int, most: int = 20_000) -> dict[str, NDArray]:
    """The columns of a trials.csv of ``done`` trials, or of ``most`` of them drawn at random (always the same ones);
    numbers as float64, anything else as text."""
    kept = None if done <= most else set(np.random.default_rng(0).choice(done, most, replace=False).tolist())
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        table = [row for i, row in enumerate(rows) if kept is None or i in kept]
    out: dict[str, NDArray] = {}
    for name, column in zip(names, zip(*table, strict=True), strict=True):
        try:
            out[name] = np.array(column, np.float64)
        except ValueError:
            out[name] = np.array(column)
    return out


def to_parquet(trials: Path, out: Path) -> None:
    """Copy trials.csv to Parquet, a block at a time. Raises UsageError without pyarrow."""
    try:
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet
    except ImportError:
        raise UsageError('Parquet needs pyarrow: pip install "avreplay[tune]" (trials.csv is there)') from None
    with arrow_csv.open_csv(trials) as blocks, parquet.ParquetWriter(out, blocks.schema) as writer:
        for block in blocks:
            writer.write_batch(block)
