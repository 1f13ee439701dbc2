"""Reads the arrays of third-party score files by a mapping: axes are put in order, videos and labels chosen."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle_checks import MAX_SEGMENTS
from ...core.errors import DataError
from ...core.names import names_of
from ..reading.hdf5_file import Hdf5File, open_hdf5
from ..reading.npz_file import NpzFile, open_npz
from .csv_scores import CsvScores
from .ids_and_labels import choose_labels, final_ids, positions_of, read_names
from .mapping import SCORES, ArrayEntry, ListEntry, ScoreMapping, format_of

_ORDER = "NSWTFRCD"
"""The order of axes in a score bundle."""

SEGMENT_ARRAYS = ("audio_segments", "visual_segments", "audio_visual_segments", "audio_frames", "visual_features")


class ScoreReader:
    """The files of one import, opened once each. Call :meth:`close` when done.

    Attributes
    ----------
    path, plan, format : the score file, the mapping, and the format of the file
    entries : the arrays of the mapping by their name in a bundle
    files : every file that was read
    """

    def __init__(self, path: Path, plan: ScoreMapping, format: str | None) -> None:
        self.path: Path = path
        self.plan: ScoreMapping = plan
        self.format: str = format_of(path, format or plan.format)
        self.files: list[Path] = [plan.path]
        self._open: dict[Path, CsvScores | Hdf5File | NpzFile] = {}
        self._opened = ExitStack()
        self.entries: dict[str, ArrayEntry] = {e.target: e for e in plan.arrays}

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def _source(self, file: Path | None) -> CsvScores | Hdf5File | NpzFile:
        path = file or self.path
        if path not in self._open:
            kind = self.format if path == self.path else format_of(path)
            if kind == "csv":
                self._open[path] = CsvScores(path, self.plan.csv)
            else:
                enter = self._opened.enter_context
                self._open[path] = (
                    enter(open_hdf5(path, "score file")) if kind == "hdf5" else enter(open_npz(path, "score file"))
                )
            self.files.append(path)
        return self._open[path]

    def arrays(self) -> dict[str, Any]:
        """The arguments of :meth:`ScoreBundle.create`, by name, with the values as they are in the files.

        Raises: DataError for an array, id or label that is missing, unknown or does not fit.
        """
        self._names, self._all_ids = self._label_names(), self._list_of_ids()
        self._columns, labels = choose_labels(self.plan.labels, self._names, f"{self.plan.path}: [labels]")
        self._rows, ids = self._chosen_ids()
        self._ids = ids
        out: dict[str, Any] = {"video_ids": ids, "labels": labels}
        for name in ("has_audio", "has_visual"):
            if name in self.entries:
                out[name] = self._rows_of(self._read(self.entries[name]), self.entries[name])
        counts = self._counts()
        for name in (*SEGMENT_ARRAYS, "audio_clip", "visual_clip"):
            if name in self.entries:
                counts, out[name] = self._video_array(self.entries[name], counts)
        if counts is None:
            raise DataError(
                f"{self.plan.path} maps no segment scores and no segments_per_video; name audio_segments, "
                "visual_segments or audio_visual_segments under [arrays]"
            )
        out["segments_per_video"] = counts
        out.update(self._windows())
        for name in ("visual_clip", "window_visual"):
            if name in out and out[name].ndim == 2:
                out[name] = out[name][:, None]
        return out

    # --- names -------------------------------------------------------------------------------------------------

    def _list(self, entry: ListEntry, what: str) -> list[str]:
        """The names of a list entry: an array of strings, or the lines or a column of a text file."""
        if entry.array is not None:
            source = self._source(None)
            if isinstance(source, CsvScores):
                raise DataError(f"{self.plan.path}: [{what}] names an array, which csv files do not have; remove it")
            return list(names_of(source.read(entry.array), f"{entry.array} in {source.path}"))
        assert entry.file is not None
        if entry.file not in self.files:
            self.files.append(entry.file)
        return read_names(entry.file, entry.column, entry.separator)

    def _label_names(self) -> list[str]:
        entry = self.plan.labels
        if entry.names or entry.source.array or entry.source.file:
            return list(entry.names) or self._list(entry.source, "labels")
        source = self._source(None) if self.format == "csv" else None
        if not isinstance(source, CsvScores):
            raise DataError(f"{self.plan.path} names no labels; give names, array or file under [labels]")
        return list(source.labels([e.name for e in self.plan.arrays if e.target in SCORES and e.file is None]))

    def _list_of_ids(self) -> list[str]:
        entry = self.plan.ids.source
        if entry.array or entry.file:
            return self._list(entry, "ids")
        source = self._source(None) if self.format == "csv" else None
        if not isinstance(source, CsvScores):
            raise DataError(f"{self.plan.path} names no video ids; give array or file under [ids]")
        return list(source.ids)

    def _chosen_ids(self) -> tuple[NDArray[np.int64], list[str]]:
        """The rows of the id list to take, and the ids as the store will have them."""
        entry, where = self.plan.ids, f"{self.plan.path}: [ids]"
        rows = np.arange(len(self._all_ids))
        if entry.rows is not None:
            rows = self._read(entry.rows)
            if rows.dtype.kind not in "iu":
                raise DataError(f"{where}: {entry.rows.name} has dtype {rows.dtype}; expected row numbers")
            if len(rows) and not 0 <= rows.min() <= rows.max() < len(self._all_ids):
                raise DataError(
                    f"{where}: {entry.rows.name} points outside the {len(self._all_ids)} rows of the id list"
                )
            rows = rows.astype(np.int64)
        if len(rows) == 0:
            raise DataError(f"{where}: the id list is empty")
        self._subset = rows
        ids = final_ids(entry, self._all_ids, rows, where)
        if entry.keep is not None:
            kept = self._list(entry.keep, "ids.keep")
            return rows[positions_of(kept, ids, str(entry.keep.file))], kept
        return rows, ids

    # --- arrays ------------------------------------------------------------------------------------------------

    def _read(self, entry: ArrayEntry, video: str | None = None) -> NDArray[Any]:
        """An array with its axes in the order of a bundle, picked ones removed."""
        source = self._source(entry.file)
        if isinstance(source, CsvScores):
            raise DataError(
                f"{entry.target} cannot come from csv, which holds segment and clip scores only; give it a file of "
                "another format"
            )
        name = entry.name if video is None else entry.name.replace("{id}", video)
        array = source.read(name)
        # truth values are no scores: a mask that was named by mistake would pass for probabilities
        if array.dtype.kind not in ("fiub" if entry.target.startswith("has_") else "fiu"):
            raise DataError(f"{name} has dtype {array.dtype}; expected numbers")
        if array.ndim != len(entry.axes):
            raise DataError(
                f"{entry.target}: {name} has shape {array.shape}, {array.ndim} axes; its mapping names "
                f"{len(entry.axes)}: {entry.axes}"
            )
        axes = entry.axes
        for letter, index in entry.pick.items():
            k = axes.index(letter)
            if not -array.shape[k] <= index < array.shape[k]:
                raise DataError(f"{entry.target}: pick {letter} = {index}, but {name} has shape {array.shape}")
            array, axes = array.take(index, axis=k), axes[:k] + axes[k + 1 :]
        wanted = [a for a in _ORDER if a in axes]
        array = array.transpose([axes.index(a) for a in wanted])
        if "C" in wanted:
            k = wanted.index("C")
            if array.shape[k] != len(self._names):
                raise DataError(
                    f"{entry.target}: {name} has {array.shape[k]} labels on its axis C, and the mapping names "
                    f"{len(self._names)}"
                )
            array = array.take(self._columns, axis=k)
        return array

    def _rows_of(self, array: NDArray[Any], entry: ArrayEntry) -> NDArray[Any]:
        """The chosen videos of an array whose first axis N is the id list, or the rows of it that [ids] names."""
        whole, subset = len(self._all_ids), len(self._subset)
        if len(array) == whole:
            return array[self._rows]
        if len(array) == subset:
            row_of = {r: i for i, r in enumerate(self._subset.tolist())}
            return array[[row_of[r] for r in self._rows.tolist()]]
        listed = f"{whole}" if whole == subset else f"{whole}, of which {subset} are chosen"
        raise DataError(
            f"{entry.target}: {entry.name} holds {len(array)} videos, and the id list names {listed}; use the list the "
            "scores were made from"
        )

    def _counts(self) -> NDArray[np.int64] | None:
        """Segments per video (N,), if the mapping names them."""
        entry = self.entries.get("segments_per_video")
        if entry is not None:
            found = self._read(entry)
            if found.dtype.kind not in "iu" or (found < 0).any() or (found > MAX_SEGMENTS).any():
                raise DataError(f"segments_per_video: {entry.name} must hold whole numbers from 0 to {MAX_SEGMENTS}")
            self._all_counts = found.astype(np.int64)
            return self._rows_of(self._all_counts, entry)
        return None

    def _csv_counts(self, source: CsvScores) -> NDArray[np.int64]:
        known = dict(zip(source.ids, source.segments.tolist(), strict=True))
        raw = [self._all_ids[r] for r in self._rows]
        for name in raw:
            if not known.get(name):
                raise DataError(f"{source.path} has no segments of the video {name!r}; add its rows")
        return np.array([known[name] for name in raw], np.int64)

    def _video_array(
        self, entry: ArrayEntry, counts: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64] | None, NDArray[Any]]:
        """The segments per video (N,), and an array of clips (N, ...) or segments (S, ...) of the chosen videos."""
        segments = entry.target in SEGMENT_ARRAYS
        source = self._source(entry.file)
        if isinstance(source, CsvScores) and entry.target in SCORES:
            raw = [self._all_ids[r] for r in self._rows]
            if segments and counts is None:
                counts = self._csv_counts(source)
            rows = source.scores(entry.name, raw, counts if segments else None, self._names)
            return counts, rows[:, self._columns]
        if entry.per_video:
            parts = [self._read(entry, self._all_ids[r]) for r in self._rows]
            if len({p.shape[1:] if segments else p.shape for p in parts}) > 1:
                raise DataError(f"{entry.target}: the shapes of {entry.name} differ between videos")
            if not segments:
                return counts, np.stack(parts)
            lengths = [len(p) for p in parts]
        elif "S" in entry.axes:
            return counts, self._flat(entry, counts)
        else:
            array = self._rows_of(self._read(entry), entry)
            if not segments:
                return counts, array
            parts, lengths = list(array), [array.shape[1]] * len(array)
        if counts is None:
            counts = np.array(lengths, np.int64)
        for video, have, want in zip(self._ids, lengths, counts.tolist(), strict=True):
            if have < want:
                raise DataError(f"{entry.target}: {entry.name} has {have} segments of {video!r}, expected {want}")
            if have > want and "segments_per_video" not in self.entries:
                raise DataError(
                    f"{entry.target}: {entry.name} has {have} segments of {video!r}, others have {want}; name "
                    "segments_per_video if the rest is padding"
                )
        return counts, np.concatenate([p[:n] for p, n in zip(parts, counts.tolist(), strict=True)])

    def _flat(self, entry: ArrayEntry, counts: NDArray[np.int64] | None) -> NDArray[Any]:
        if counts is None or "segments_per_video" not in self.entries:
            raise DataError(f"{entry.target} has an axis S; name segments_per_video under [arrays] too")
        array, every = self._read(entry), self._all_counts
        if len(array) != every.sum():
            raise DataError(
                f"{entry.target}: {entry.name} has {len(array)} segments, and segments_per_video sums to {every.sum()}"
            )
        rows = np.arange(len(every)) if len(every) == len(self._all_ids) else self._subset
        place = {r: i for i, r in enumerate(rows.tolist())}
        starts = np.cumsum(every) - every
        chosen = [place[r] for r in self._rows.tolist()]
        found: NDArray[Any] = array[
            np.concatenate([np.zeros(0, np.int64), *(np.arange(starts[i], starts[i] + every[i]) for i in chosen)])
        ]
        return found

    def _windows(self) -> dict[str, NDArray[Any]]:
        """Window arrays of the chosen videos; in the files, ``window_video`` is a row of the id list."""
        found = {n: self._read(e) for n, e in self.entries.items() if n.startswith("window_")}
        if not found:
            return {}
        for name in ("window_video", "window_start", "window_end"):
            if name not in found:
                raise DataError(
                    f"{self.plan.path} maps window scores and no {name}; the three index arrays go together"
                )
            if found[name].dtype.kind not in "iu":
                raise DataError(f"{name}: {self.entries[name].name} has dtype {found[name].dtype}; expected integers")
        lengths = {n: len(a) for n, a in found.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the window arrays differ in length: {', '.join(f'{n} {k}' for n, k in lengths.items())}")
        new = np.full(len(self._all_ids), -1)
        new[self._rows] = np.arange(len(self._rows))
        owner = found["window_video"]
        if len(owner) and not 0 <= owner.min() <= owner.max() < len(new):
            raise DataError(f"window_video points outside the {len(new)} rows of the id list")
        kept = new[owner] >= 0
        return {**{n: a[kept] for n, a in found.items()}, "window_video": new[owner[kept]]}
