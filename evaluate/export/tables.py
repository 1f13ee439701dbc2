"""Events as a table: csv and Parquet, a row an event."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ...core.errors import UsageError
from ..seconds import seconds_text
from .events import EventList

COLUMNS = ("video_id", "track", "label", "onset", "offset", "score")
"""Of both tables; onset and offset in seconds, half-open."""


def csv_bytes(events: EventList) -> bytes:
    """RFC 4180 in UTF-8 with line feeds; numbers read back as the same floats, a score that is not there is empty."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for video, track, label, onset, offset, score in _rows(events):
        table.writerow(
            [video, track, label, seconds_text(onset), seconds_text(offset), "" if score is None else repr(score)]
        )
    return text.getvalue().encode()


def parquet_bytes(events: EventList) -> bytes:
    """The columns of the csv: text, text, text, double, double, double (null where there is no score).

    Raises: UsageError without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError('Parquet needs pyarrow: pip install "avreplay[export]" (or use --format csv)') from None
    columns = list(zip(*_rows(events), strict=True)) or [()] * len(COLUMNS)
    types = [pyarrow.string()] * 3 + [pyarrow.float64()] * 3
    arrays = [pyarrow.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=list(COLUMNS)), file)
    return file.getvalue()


def _rows(events: EventList) -> Iterator[tuple[str, str, str, float, float, float | None]]:
    for video in events.videos:
        for e in video.events:
            yield video.id, e.track, e.label, e.onset, e.offset, e.score
