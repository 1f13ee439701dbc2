"""Predictions of any number of videos, read a block of videos at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.reading.files import named, open_regular
from ...core.arguments import typed_arguments
from ...core.errors import DataError, UsageError, shown
from .json_format import one_or_all, read_table
from .parquet_file import WHAT, ParquetPredictions, is_parquet_file, open_parquet
from .parquet_parts import refuse_other_run
from .predictions_table import SCHEMA, VERSION, Predictions, PredictionsForm, made_from_of, params_of

_log = logging.getLogger("avreplay")


@dataclass(frozen=True, eq=False)
class PredictionBlocks:
    """Predictions of N videos; iterating gives them in blocks of consecutive videos, again at every turn.

    labels, params, made_from, segment_seconds : as :class:`Predictions` has them
    video_ids : N ids; segments_per_video : (N,) int64
    """

    labels: tuple[str, ...]
    params: Mapping[str, Any]
    video_ids: tuple[str, ...]
    segments_per_video: NDArray[np.int64]
    segment_seconds: float | NDArray[np.float64]
    made_from: Mapping[str, Any] | None
    readers: Sequence[Callable[[], Predictions]]

    def __len__(self) -> int:
        """How many blocks there are."""
        return len(self.readers)

    def __iter__(self) -> Iterator[Predictions]:
        for read in self.readers:
            yield read()

    def whole(self) -> Predictions:
        """All videos at once."""
        return Predictions.joined(list(self))

    @staticmethod
    def of(predictions: Predictions, block_videos: int | None = None) -> PredictionBlocks:
        """Predictions that are in memory, in blocks of so many videos; None: in one."""
        p, n = predictions, len(predictions.video_ids)
        size = block_videos or max(n, 1)

        def part(first: int) -> Callable[[], Predictions]:
            return lambda: p if size >= n else p.select(np.arange(first, min(first + size, n)))

        readers = [part(first) for first in range(0, max(n, 1), size)]
        return PredictionBlocks(
            p.labels, p.params, p.video_ids, p.segments_per_video, p.segment_seconds, p.made_from, readers
        )


@typed_arguments
def prediction_blocks(path: str | os.PathLike[str]) -> PredictionBlocks:
    """The predictions at a path: a block a file of Parquet, one block for JSON, which can only be read whole.

    Raises: as :func:`.predictions.read_predictions`; what is wrong with the events of a block, when it is read.
    """
    file = Path(path)
    names = _parquet_names(file)
    if names:
        return _of_files(file, _whole_run(file, [open_parquet(file / name) for name in names]))
    if is_parquet_file(file) or _claims(file):
        alone = open_parquet(file)
        if alone.part is not None and alone.part.parts > 1:
            _log.warning(
                "%s is part %d of the %d of a run: its videos alone are read; give the folder for all of them",
                named(file), alone.part.part + 1, alone.part.parts,
            )  # fmt: skip
        return _of_files(file, [alone])
    return PredictionBlocks.of(_read_json(file))


def _claims(file: Path) -> bool:
    """Whether a file is called Parquet, and does not begin as JSON either."""
    if not file.name.lower().endswith(".parquet"):
        return False
    with open_regular(file, WHAT) as opened:
        return not opened.read(1 << 10).lstrip().startswith(b"{")


def _read_json(file: Path) -> Predictions:
    table = read_table(file, SCHEMA, VERSION, PredictionsForm)
    return Predictions(
        table.index.labels, params_of(table.head, named(file)), table.ids, table.segments, table.events,
        table.segment_seconds, made_from_of(table.head),
    )  # fmt: skip


def _parquet_names(folder: Path) -> list[str]:
    """The Parquet files of a folder; none where it is no folder of predictions. Raises: DataError for other files."""
    try:
        entries = sorted(e for e in os.listdir(folder) if not e.startswith((".", "_")))
    except (OSError, ValueError):
        return []  # no folder, or one that opening it as a file will tell of
    found = [e for e in entries if e.lower().endswith(".parquet")]
    other = [e for e in entries if e not in found]
    if found and other:
        raise DataError(f"{named(folder)} holds other files than parts ({shown(other[0])}, for one); move them out")
    return found


def _whole_run(folder: Path, files: list[ParquetPredictions]) -> list[ParquetPredictions]:
    """The parts of one run in their order. Raises: DataError where one is missing, or they are of several runs."""
    first = files[0]
    for file in files:
        if file.part is None:
            raise DataError(f"{named(file.file)} is no part of a run; give it alone, outside of a folder of parts")
        assert first.part is not None
        try:
            refuse_other_run(named(file.file), file.part.run, first.part.run, f"the other is {named(first.file)}")
        except UsageError as error:
            raise DataError(f"{error}; keep the parts of one run") from None
        if file.head_text != first.head_text or file.part.parts != first.part.parts:
            raise DataError(f"{named(file.file)} and {named(first.file)} are of two runs; keep the parts of one")
    found: dict[int, ParquetPredictions] = {}
    for file in files:
        assert file.part is not None
        other = found.setdefault(file.part.part, file)
        if other is not file:
            raise DataError(f"{named(other.file)} and {named(file.file)} are the same part; keep one")
    assert first.part is not None
    missing = first.part.parts - len(found)
    lacking = next((k for k in range(first.part.parts) if k not in found), None)
    if lacking is not None or missing:
        raise DataError(
            f"{named(folder)} lacks {missing} of its {first.part.parts} parts, number {lacking} for one; run the same "
            "`avreplay replay` again, which goes on from the parts that are there"
        )
    return [found[k] for k in range(first.part.parts)]


def _of_files(path: Path, files: list[ParquetPredictions]) -> PredictionBlocks:
    first = files[0]
    ids = tuple(chain.from_iterable(file.ids for file in files))
    if len(set(ids)) < len(ids):
        holder: dict[str, Path] = {}
        for file in files:
            for name in file.ids:
                other = holder.setdefault(name, file.file)
                if other is not file.file:
                    raise DataError(f"the video {shown(name)} is in {named(other)} and in {named(file.file)}; keep one")
    lengths = [np.broadcast_to(np.asarray(f.segment_seconds, np.float64), (len(f.ids),)).tolist() for f in files]
    return PredictionBlocks(
        first.index.labels, params_of(first.head, named(first.file)), ids,
        np.concatenate([f.segments for f in files]), one_or_all(list(chain.from_iterable(lengths))),
        made_from_of(first.head), [f.read for f in files],
    )  # fmt: skip
