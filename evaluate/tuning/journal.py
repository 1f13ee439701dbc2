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
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.atomic_write import atomic_file, atomic_write
from ...cache.places import cannot_write
from ...core.errors import DataError, UsageError
from ...core.params.options import OptionSet, former_names
from ...core.params.table import ParamTable
from ...core.sweep import SweepPart
from ...core.target import Target
from .former_names import present_identity
from .problem import Problem
from .sealed import written
from .search_state import SCHEMA, StateFile, checked_trials, read_state
from .study_log import ANEW, STUDY_LOG, STUDY_STATE

_OWN_METRICS = ("llp", "ave_accuracy", "ovavel")
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


def target_digest(target: Target) -> str:
    """SHA-256 of what settings are scored against: annotations and the options of the metric."""
    truth = target.truth
    parts = {"truth": truth.events, "segments": truth.segments, "num_labels": len(truth.labels),
             "to_label": target.to_label, "cut": target.cut, **target.metric.declared(truth)}  # fmt: skip
    # the options alone tell the package's own metrics apart
    named = {} if target.metric.name in _OWN_METRICS else {"metric": target.metric.name}
    return content_digest({**parts, **named})


def content_digest(content: Any) -> str:
    """SHA-256 of every field of a dataclass or value of a mapping: two searches are the same only on the same scores
    and annotations."""
    digest = hashlib.sha256()

    def feed(value: Any) -> None:
        named = value if isinstance(value, Mapping) else {f.name: getattr(value, f.name) for f in fields(value)}
        for name, part in named.items():
            digest.update(name.encode())
            if is_dataclass(part):
                feed(part)
            elif isinstance(part, np.ndarray):
                digest.update(f"{part.dtype}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).tobytes())
            else:
                digest.update(repr(part).encode())

    feed(content)
    return digest.hexdigest()


def difference(found: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In which setting another search differs, in words; None for the same search."""
    for key, value in now.items():
        other = found.get(key)
        if other == value:
            continue
        if isinstance(value, dict) and isinstance(other, dict):
            key = next(k for k in {**other, **value} if other.get(k) != value.get(k))
            other, value = other.get(key), value.get(key)
        kind = "other" if key.endswith("s") else "another"
        return f"{kind} {key} ({_brief(other)}, now {_brief(value)})"
    return None


def _brief(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:16]
    return " ".join(map(str, value)) if isinstance(value, list) else repr(value)


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
        self._options = problem.decoder.params
        self.trials: Path = folder / "trials.csv"
        self._file = folder / STATE
        self._head = (",".join(["trial", *names, "objective", *problem.target.names]) + "\n").encode()
        videos = problem.bundle.num_videos
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
        state = read_state(self._file, videos)
        other = difference(present_identity(self._options, state.identity), self.identity)
        if other:
            raise UsageError(f"{self.folder} holds a search with {other}; choose another --out, or --overwrite")
        if state.done == 0:
            self._begin()
            return
        digest = checked_trials(self.trials, state, self._head)
        assert state.best_value is not None
        best = np.array(state.video_best or [-np.inf] * videos, np.float64)
        trial = np.array(state.video_trial, np.int64)
        self._state = _State(state.done, state.bytes, state.best, state.best_value, best, trial, digest)
        os.truncate(self.trials, state.bytes)

    def add(self, part: SweepPart, table: ParamTable[Any]) -> bool:
        """Take in the next part; True when it holds a new best. Raises DataError where it cannot be written."""
        old = self._state
        count = len(part.objective)
        text = io.StringIO()
        columns = [c[part.begin : part.begin + count].tolist() for c in table.columns.values()]
        figures = part.figures.T.tolist()
        rows = zip(range(part.begin, part.begin + count), *columns, part.objective.tolist(), *figures, strict=True)
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


def option_kinds(of: type[OptionSet]) -> dict[str, str]:
    """The type of each option of a decoder, by its names, former ones too."""
    kinds = {f.name: str(f.type) for f in fields(of)}
    return kinds | {former: kinds[now] for former, now in former_names(of).items()}


def parquet_module() -> Any:
    """pyarrow.parquet. Raises UsageError where it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError('Parquet needs pyarrow: pip install "avreplay[tune]" (or leave --parquet out)') from None
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
