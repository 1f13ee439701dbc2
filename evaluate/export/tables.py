"""Events as a table: csv and Parquet, a row an event."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO

from ...core.errors import UsageError
from ...core.installation import install_command
from ..seconds import seconds_text
from .events import EventList

COLUMNS = ("video_id", "track", "label", "onset", "offset", "score")
"""Of both tables; onset and offset in seconds, half-open."""


GROUP_ROWS = 1 << 17
"""Rows of a row group of Parquet."""


def write_csv(file: BinaryIO, blocks: Iterable[EventList]) -> None:
    """RFC 4180 in UTF-8 with line feeds; numbers read back as the same floats, a score that is not there is empty."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    table = csv.writer(text, lineterminator="\n")
    try:
        table.writerow(COLUMNS)
        for video, track, label, onset, offset, score in chain.from_iterable(map(_rows, blocks)):
            table.writerow(
                [video, track, label, seconds_text(onset), seconds_text(offset), "" if score is None else repr(score)]
            )
    finally:
        text.detach()  # writes what is left


def write_parquet(file: BinaryIO, blocks: Iterable[EventList]) -> None:
    """The columns of the csv: text, text, text, double, double, double (null where there is no score).

    Raises: UsageError without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"Parquet needs pyarrow: {install_command('parquet')} (or use --format csv)") from None
    types = [pyarrow.string()] * 3 + [pyarrow.float64()] * 3
    schema = pyarrow.schema(list(zip(COLUMNS, types, strict=True)))
    rows = chain.from_iterable(map(_rows, blocks))
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, GROUP_ROWS)):
            columns = zip(*group, strict=True)
            arrays = [pyarrow.array(values, kind) for values, kind in zip(columns, types, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP_ROWS)


def _rows(events: EventList) -> Iterator[tuple[str, str, str, float, float, float | None]]:
    for video in events.videos:
        for e in video.events:
            yield video.id, e.track, e.label, e.onset, e.offset, e.score
