"""The folder of a search: its trials in order, and what is needed to go on after a stop.

``trials.csv`` grows by whole parts; ``search.json`` is replaced after each of them and says how many bytes of
``trials.csv`` count, so that a kill at any moment costs at most the current part. It holds the SHA-256 of these bytes
and of itself, so that damage is found.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_write
from ...cache.places import cannot_write
from ...core.errors import UsageError
from ...core.sweep import SweepPart
from .former_names import present_identity
from .identity import difference
from .problem import Searched
from .sealed import written
from .search_state import SCHEMA, StateFile, checked_trials, misfit, read_state
from .study_log import STUDY_LOG, STUDY_STATE
from .trials_file import read_objectives

STATE = "search.json"

OUTPUTS = ("best.toml", "per_video_best.csv", "summary.json", "timing.json", "search.html", "trials.parquet")
"""Names of the files that a search leaves beside its state and its trials."""


def check_folder(folder: Path) -> None:
    """Refuse a folder that is no search but holds a file of the name of one that a search would replace.

    Raises: UsageError.
    """
    if (folder / STATE).exists() or (folder / STUDY_LOG).exists():
        return
    other = next((name for name in OUTPUTS if os.path.lexists(folder / name)), None)
    if other is not None:
        raise UsageError(
            f"{folder} is not the folder of a search, but holds a file {other}, which a search would replace; choose "
            "another --out"
        )


@dataclass(frozen=True, eq=False)
class _State:
    """What a journal knows after ``done`` trials; replaced as a whole, so that an interruption never splits it."""

    done: int
    bytes: int
    best: int
    best_value: float
    video_best: NDArray[np.float64]
    video_trial: NDArray[np.int64]
    digest: Any
    """Of the bytes that count, SHA-256."""


class Journal:
    """Trials of a search that is no study, kept in a folder as they come, and the best setting of each video so far.

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

    def __init__(
        self, folder: Path, identity: dict[str, Any], problem: Searched, names: list[str], fresh: bool
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._options = problem.decoder.params
        self.trials: Path = folder / "trials.csv"
        self._file = folder / STATE
        self._names, self._figures = names, problem.figures
        self._head = _header(names, self._figures)
        videos = problem.num_videos
        none = np.full(videos, -np.inf), np.full(videos, -1, np.int64)
        self._state = _State(0, len(self._head), -1, -np.inf, *none, hashlib.sha256(self._head))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not fresh and self._file.exists():
                self._resume()
            else:
                if not fresh and (self.trials.exists() or (folder / STUDY_LOG).exists()):
                    raise UsageError(f"{folder} holds a search of another kind; choose another --out, or --overwrite")
                for name in (STUDY_LOG, STUDY_STATE):
                    (folder / name).unlink(missing_ok=True)
                self._begin()
        except OSError as error:
            raise cannot_write(folder, error) from error

    @property
    def done(self) -> int:
        return self._state.done

    @property
    def best(self) -> int:
        return self._state.best

    @property
    def best_value(self) -> float:
        return self._state.best_value

    @property
    def video_best(self) -> NDArray[np.float64]:
        return self._state.video_best

    @property
    def video_trial(self) -> NDArray[np.int64]:
        return self._state.video_trial

    def _begin(self) -> None:
        # the state first: it is what says that the folder is a search, even one without trials
        self._write_state()
        self.trials.write_bytes(self._head)

    def _resume(self) -> None:
        videos = len(self.video_best)
        state = read_state(self._file)
        other = difference(present_identity(self._options, state.identity), self.identity)
        if other:
            raise UsageError(f"{self.folder} holds a search with {other}; choose another --out, or --overwrite")
        if len(state.video_trial) != videos:
            raise misfit(self._file)
        if state.done == 0:
            self._begin()
            return
        # the columns may have the names that options had before
        names = [str(text).partition("=")[0] for text in state.identity.get("space", self._names)]
        head = _header(names, self._figures)
        digest = checked_trials(self.trials, state, head)
        best_value = -np.inf if state.best_value is None else state.best_value
        best = np.array(state.video_best or [-np.inf] * videos, np.float64)
        trial = np.array(state.video_trial, np.int64)
        self._state = _State(state.done, state.bytes, state.best, best_value, best, trial, digest)
        os.truncate(self.trials, state.bytes)

    def objectives(self) -> NDArray[np.float64]:
        """The objectives of all trials (done,). Raises: DataError where they cannot be read."""
        return read_objectives(self.trials, self.done)

    def add(self, part: SweepPart, columns: Mapping[str, Sequence[Any]]) -> bool:
        """Take in the next part, whose settings are ``columns``; True when it holds a new best.

        Raises: DataError where it cannot be written.
        """
        old = self._state
        count = len(part.objective)
        text = io.StringIO()
        figures = part.figures.T.tolist()
        rows = zip(
            range(part.begin, part.begin + count), *columns.values(), part.objective.tolist(), *figures, strict=True
        )
        csv.writer(text, lineterminator="\n").writerows(rows)
        data = text.getvalue().encode()
        digest = old.digest.copy()
        digest.update(data)
        row = int(np.argmax(np.where(np.isnan(part.objective), -np.inf, part.objective)))
        better = bool(part.objective[row] > old.best_value)
        new = _State(
            part.begin + count,
            old.bytes + len(data),
            part.begin + row if better else old.best,
            float(part.objective[row]) if better else old.best_value,
            *part.better_of_each_video(old.video_best, old.video_trial),
            digest,
        )
        try:
            with open(self.trials, "ab") as file:
                file.write(data)
        except OSError as error:
            raise cannot_write(self.trials, error) from error
        self._state = new
        return better

    def save(self) -> None:
        """Make everything added so far count. Raises DataError where it cannot be written."""
        try:
            with open(self.trials, "r+b") as file:
                # Ctrl-C may have come between a part's rows and their being counted
                file.truncate(self._state.bytes)
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.trials, error) from error
        self._write_state()

    def _write_state(self) -> None:
        s = self._state
        state = StateFile(
            SCHEMA, self.identity, s.done, s.bytes, s.best, None if s.best < 0 else s.best_value,
            s.video_best.tolist() if np.isfinite(s.video_best).all() else [], s.video_trial.tolist(),
            s.digest.hexdigest(),
        )  # fmt: skip
        atomic_write(self._file, written(state))


def _header(names: Sequence[str], figures: Sequence[str]) -> bytes:
    return (",".join(["trial", *names, "objective", *figures]) + "\n").encode()
