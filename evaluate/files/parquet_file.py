"""Reading one Parquet file of predictions: what it says of itself, and its events.

Whatever wrote the file, its rows may stand in any order and in any type that holds the same values: text as Parquet's
or Arrow's kinds of it, plain or in a dictionary; whole numbers of any width; scores as any numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.reading.arrays import FREE, RATIO, human
from ...cache.reading.files import named, open_regular
from ...cache.reading.json_file import parse_json
from ...cache.reading.names import Name
from ...cache.reading.schema import checked
from ...core.errors import DataError, shown
from ...core.labels import LabelIndex
from .json_format import MAX_SEGMENTS, MEND, label_index, one_or_all, read_head
from .parquet_part import HEAD_KEY, PART_KEY, VIDEOS_KEY, parquet_library
from .parquet_rows import TEXTS, check_columns, event_table, reason
from .predictions_table import SCHEMA, VERSION, Predictions, PredictionsForm, made_from_of, params_of

WHAT = "predictions file"

MAGIC = b"PAR1"
"""How a Parquet file begins."""

FREE_ROWS, ROWS_A_BYTE = 1 << 20, 64
"""Rows that a file may have whatever its size, and for each of its bytes; one that declares more is damaged."""

Segments = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEGMENTS)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class VideosForm(msgspec.Struct):
    """What stands under :data:`.parquet_part.VIDEOS_KEY`; other fields are let be."""

    ids: list[Name]
    segments: list[Segments]
    segment_seconds: Seconds | list[Seconds] = 1.0


class PartForm(msgspec.Struct):
    """What stands under :data:`.parquet_part.PART_KEY`; other fields are let be."""

    part: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    parts: Annotated[int, msgspec.Meta(ge=1, le=10**9)]
    run: dict[str, Any]
    events: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(min_length=3, max_length=3)]


@dataclass(frozen=True, eq=False)
class ParquetPredictions:
    """A Parquet file of predictions of N videos, but for its events.

    head : its fields; head_text : as they stand there; index : of its labels
    ids : of its videos; segments : (N,) int64; segment_seconds : one number or (N,) float64
    part : which part of a run it is; None for a file that is none
    """

    file: Path
    head: PredictionsForm
    head_text: bytes
    index: LabelIndex
    ids: tuple[str, ...]
    segments: NDArray[np.int64]
    segment_seconds: float | NDArray[np.float64]
    part: PartForm | None

    def read(self) -> Predictions:
        """The predictions.

        Raises: DataError naming file and row: no such column, one of another type, values that are not there, unknown
        videos, tracks or labels, events outside of their videos, damage.
        """
        with _opened(self.file) as opened:
            check_columns(opened, named(self.file))
        with _opened(self.file, dictionaries=TEXTS) as opened:
            events = event_table(opened, named(self.file), self.index, self.ids, self.segments, self.segment_seconds)
        return Predictions(
            self.index.labels, params_of(self.head, named(self.file)), self.ids, self.segments, events,
            self.segment_seconds, made_from_of(self.head),
        )  # fmt: skip


def is_parquet_file(path: Path) -> bool:
    """Whether a file begins as Parquet. Raises: DataError where there is none, or it cannot be read."""
    with open_regular(path, WHAT) as file:
        return file.read(len(MAGIC)) == MAGIC


def part_of(path: Path) -> PartForm | None:
    """Which part of which run a file is, None for no part. Raises: DataError for a file that is not Parquet."""
    with _opened(path) as opened:
        return _part(opened, path)


def open_parquet(path: Path) -> ParquetPredictions:
    """A Parquet file of predictions.

    Raises
    ------
    UsageError
        pyarrow is not installed
    DataError
        no such file, no Parquet, damage, no predictions, other metadata than is declared, a duplicated video
    """
    where = named(path)
    with _opened(path) as opened:
        metadata = _metadata(opened)
        part = _part(opened, path)
    head = metadata.get(HEAD_KEY.encode())
    if head is None or VIDEOS_KEY.encode() not in metadata:
        key = HEAD_KEY if head is None else VIDEOS_KEY
        raise DataError(
            f"{where} has no {key} in its metadata, which says the labels, the options and the videos without events; "
            "give a file that `avreplay replay STORE --out FILE.parquet` wrote, or keep its metadata"
        )
    form = read_head(path, head, SCHEMA, VERSION, PredictionsForm)
    place = f"{where}, {VIDEOS_KEY}"
    videos = checked(parse_json(metadata[VIDEOS_KEY.encode()], place), VideosForm, place, MEND)
    ids = tuple(videos.ids)
    lengths = videos.segment_seconds
    for what, count in (
        ("segments", len(videos.segments)),
        ("segment_seconds", len(lengths) if isinstance(lengths, list) else len(ids)),
    ):
        if count != len(ids):
            raise DataError(f"{place} has {len(ids)} ids and {count} {what}; {MEND}")
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(f"{place}: the video {shown(twice)} is there twice; keep one")
    seconds = one_or_all(lengths) if isinstance(lengths, list) else lengths
    index = label_index(path, form.labels)
    return ParquetPredictions(path, form, head, index, ids, np.array(videos.segments, np.int64), seconds, part)


@contextmanager
def _opened(path: Path, dictionaries: Sequence[str] = ()) -> Iterator[Any]:
    """A Parquet file, opened, with some columns of text, which must be there, as dictionaries.

    Raises: DataError where it cannot be read, also from inside the block.
    """
    parquet = parquet_library()
    with open_regular(path, WHAT) as file:
        try:
            opened = parquet.ParquetFile(file, page_checksum_verification=True, read_dictionary=list(dictionaries))
            names = list(opened.schema_arrow.names)
        except Exception as error:  # pyarrow raises many kinds
            raise DataError(f"{named(path)} is not a readable Parquet file ({reason(error)}); write it again") from None
        _refuse_huge(opened, named(path), file, len(names))
        yield opened


def _refuse_huge(opened: Any, where: str, file: BinaryIO, columns: int) -> None:
    """Raises: DataError for a file that declares more rows or bytes than its size pays for."""
    size = file.seek(0, 2)
    rows = opened.metadata.num_rows
    if rows > max(FREE_ROWS, ROWS_A_BYTE * size):
        raise DataError(f"{where} declares {rows} rows in {human(size)}; it is damaged: write it again")
    # only what row groups say: asking a damaged one for its columns ends the process in pyarrow
    groups = [opened.metadata.row_group(k) for k in range(opened.metadata.num_row_groups)]
    if any(g.num_rows < 0 for g in groups) or sum(g.num_rows for g in groups) != rows:
        raise DataError(
            f"{where} declares {rows} rows and other numbers in its row groups; it is damaged: write it again"
        )
    unpacked = sum(g.total_byte_size for g in groups)
    if unpacked > max(FREE, RATIO * size):
        raise DataError(f"{where} declares {human(unpacked)} in {human(size)}; it is damaged: write it again")


def _metadata(opened: Any) -> Mapping[bytes, bytes]:
    found: Mapping[bytes, bytes] = opened.metadata.metadata or {}
    return found


def _part(opened: Any, path: Path) -> PartForm | None:
    text = _metadata(opened).get(PART_KEY.encode())
    place = f"{named(path)}, {PART_KEY}"
    return None if text is None else checked(parse_json(text, place), PartForm, place, MEND)
