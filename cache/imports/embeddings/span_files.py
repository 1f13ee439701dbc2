"""One file a video, or several, each a span of it that lies where its name says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.bundle_checks import MAX_SEGMENTS
from ....core.errors import DataError
from ...reading.files import named
from .files import ReadTensors, chosen_name, open_arrays, whole_array
from .found import Found
from .patterns import VideoFile, video_files
from .plan import ArrayPlan, made_most

_EXACT = 1e-6
"""Seconds, by which times of whole seconds may differ."""


class FileSource:
    """One file a video, or several spans of it.

    hop : seconds from one embedding to the next
    """

    def __init__(
        self, folder: Path, plan: ArrayPlan, hop: float, read_tensors: ReadTensors | None, others: Collection[str]
    ) -> None:
        assert plan.where.path is not None
        self._plan, self._hop, self._tensors = plan, hop, read_tensors
        self._by_number = "{segment}" in plan.where.path and "{start}" not in plan.where.path
        self._files = video_files(folder, plan.where.path, others)
        self.ids: frozenset[str] | None = frozenset(self._files)
        self.bytes: int = sum(f.size for files in self._files.values() for f in files)
        self._first = min((f.begin or 0.0 for files in self._files.values() for f in files), default=0.0)
        self._step = self._least_step() if self._by_number else 0.0

    def _least_step(self) -> float:
        """Between the numbers of two files of a video."""
        begins = [[f.begin or 0.0 for f in files] for files in self._files.values()]
        return min((b - a for of_video in begins for a, b in pairwise(of_video)), default=1.0)

    def read(self, id: str, row: int) -> Found | None:
        files = self._files.get(id)
        if files is None:
            return None
        problem = next((file.problem for file in files if file.problem), "")
        if problem:
            raise DataError(problem)
        if files[0].begin is None:
            return Found(self._array(files[0], id), self._plan.axes, str(files[0].path))
        return self._joined(files, id)

    def _array(self, file: VideoFile, id: str) -> NDArray[Any]:
        key = self._plan.where.key
        with open_arrays(file.path, self._tensors) as arrays:
            return whole_array(arrays, chosen_name(arrays, None if key is None else key.replace("{id}", id)))

    def _joined(self, files: Sequence[VideoFile], id: str) -> Found:
        """The arrays of spans as one with the axis ``segment``, each where it begins; gaps repeat what is before."""
        axes, where = self._plan.axes, str(files[0].path)
        parts = [self._array(file, id) for file in files]
        if any(p.ndim != len(axes) for p in parts) or len({p.dtype.kind for p in parts}) > 1:
            shapes = sorted({str(p.shape) for p in parts})
            raise DataError(f"{where} and its like have the shapes {', '.join(shapes[:3])}; the axes are {axes}")
        if "segment" not in axes:
            parts, axes = [p[None] for p in parts], ("segment", *axes)
        k = axes.index("segment")
        counts = [p.shape[k] for p in parts]
        begin = self._begin_of(files[0])
        if self._by_number:
            unit = max(counts) if self._step < max(counts) else 1
            at = [int((file.begin or 0.0) - begin) * unit for file in files]
        else:
            for file, count in zip(files, counts, strict=True):
                self._refuse_other_rate(file, count, file is files[-1])
            at = [self._position(file, begin) for file in files]
        for file, this, count, after in zip(files, at, counts, at[1:], strict=False):
            if this + count > after:
                raise DataError(
                    f"{named(str(file.path))} holds {count} embeddings, and the next file of its video begins "
                    f"{after - this} later; set the rate (seconds or per_segment), or keep one of them"
                )
        try:
            stacked = np.concatenate(parts, k)
        except ValueError:
            raise DataError(
                f"{where} and its like have arrays of different shapes, which cannot follow each other"
            ) from None
        there = np.concatenate([a + np.arange(count) for a, count in zip(at, counts, strict=True)])
        length = int(there[-1]) + 1 if len(there) else 0
        gaps = length - len(there)
        if gaps:
            if gaps > MAX_SEGMENTS or length > made_most(len(there)):
                raise DataError(f"{files[-1].path} is far from the others of its video; check the numbers in its name")
            if there[0] > 0:
                raise DataError(f"{where} holds no embedding, and nothing is before it; save it again")
            stacked = stacked.take(np.searchsorted(there, np.arange(length), "right") - 1, axis=k)
        return Found(stacked, axes, where, gaps, begin if self._plan.begins == "first" else None)

    def _begin_of(self, file: VideoFile) -> float:
        """What the name of the first file of a video must say. Raises: DataError where it says something else."""
        assert file.begin is not None
        if self._plan.begins == "first":
            return file.begin
        zero = min(self._first, 1.0) if self._by_number else 0.0
        if file.begin - zero > max(file.slack, _EXACT):
            begins = f"with number {file.begin:g}" if self._by_number else f"at {file.begin:g} s"
            raise DataError(
                f"{named(str(file.path))} is the first file of its video and begins {begins}, and nothing says what "
                'is before; set begins = "first" where the video begins there, or add the files that are missing'
            )
        return zero

    def _position(self, file: VideoFile, begin: float) -> int:
        """The place of a span's first embedding. Raises: DataError where it lies between two places."""
        assert file.begin is not None
        seconds = file.begin - begin
        place = round(seconds / self._hop)
        if abs(place * self._hop - seconds) > self._slack(file):
            raise DataError(
                f"{named(str(file.path))} begins at {file.begin:g} s, between two embeddings that are {self._hop:g} s "
                "apart; set their distance as seconds, or correct the name"
            )
        return place

    def _refuse_other_rate(self, file: VideoFile, count: int, is_last: bool) -> None:
        """Raises: DataError where a file holds more or fewer embeddings than its span has at the mapping's rate."""
        if file.end is None or file.begin is None or count == 0:
            return
        length, slack = file.end - file.begin, self._slack(file)
        if length <= 0:
            raise DataError(f"{named(str(file.path))} ends at {file.end:g} s, where it begins or before; rename it")
        over = count * self._hop - length
        short = -slack <= over if count == 1 else -self._hop + slack < over
        if (short and over <= slack) or (is_last and short and over < self._hop - slack):
            return
        raise DataError(
            f"{named(str(file.path))} spans {length:g} s and holds {count}, and the mapping says that embeddings are "
            f"{self._hop:g} s apart; set seconds = {length / count:.6g}"
        )

    def _slack(self, file: VideoFile) -> float:
        return max(_EXACT, min(file.slack, self._hop / 4))
