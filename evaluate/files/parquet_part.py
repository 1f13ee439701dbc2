"""One Parquet file of predictions, as it is written: a row an event, and in the key-value metadata, as JSON, what the
events do not say. ``docs/predictions.md`` has the form.

The types are Parquet's own, and the schema of Arrow is not stored beside them, so that every reader sees the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.events import TRACKS
from ...core.installation import install_command
from ..seconds import seconds_of
from .predictions_table import Predictions

COLUMNS: Final = ("video_id", "track", "label", "onset", "offset", "onset_seconds", "offset_seconds", "score")

CONFIDENCE: Final = "confidence"
"""The last column; files written before events had one are without."""

HEAD_KEY: Final = "avreplay.predictions"
"""Of the metadata: the fields of ``predictions.json`` but for its videos."""

VIDEOS_KEY: Final = "avreplay.videos"
"""Of the metadata: ids, numbers of segments and their lengths, of all videos, those without events as well."""

SECONDS_KEY: Final = "avreplay.seconds"
"""Of the metadata: there where the seconds are the decoder's own, and not those of whole segments."""

PART_KEY: Final = "avreplay.part"
"""Of the metadata of a part: which it is, of how many, and of which run."""

GROUP_ROWS: Final = 1 << 17
"""Rows of a row group."""


def parquet_library() -> Any:
    """``pyarrow.parquet``. Raises: UsageError where it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            f"predictions as Parquet need pyarrow: {install_command('parquet')} (or use a path that ends in .json)"
        ) from None
    return parquet


def write_part(file: BinaryIO, head: str, predictions: Predictions, part: Mapping[str, Any] | None) -> None:
    """Write some videos and their events; the same input gives the same bytes.

    head : of all videos, as a JSON object; part : what stands under :data:`PART_KEY`, None for a file that is no part
    """
    parquet = parquet_library()
    table = _table(predictions)
    texts = ["video_id", "track", "label"]
    numbers = ["onset", "offset", "onset_seconds", "offset_seconds"]
    with parquet.ParquetWriter(
        file,
        table.schema,
        compression="zstd",
        use_dictionary=texts + numbers,
        store_schema=False,
        write_page_checksum=True,
    ) as writer:
        writer.add_key_value_metadata(_metadata(head, predictions, part))
        writer.write_table(table, row_group_size=GROUP_ROWS)


def _metadata(head: str, p: Predictions, part: Mapping[str, Any] | None) -> dict[str, str]:
    seconds = p.segment_seconds
    videos = {
        "ids": list(p.video_ids),
        "segments": p.segments_per_video.tolist(),
        "segment_seconds": seconds.tolist() if isinstance(seconds, np.ndarray) else float(seconds),
    }
    found = {HEAD_KEY: head, VIDEOS_KEY: json.dumps(videos, ensure_ascii=False)}
    if p.events.seconds is not None:
        found[SECONDS_KEY] = '"of the decoder"'
    return found if part is None else {**found, PART_KEY: json.dumps(part, ensure_ascii=False)}


def _table(p: Predictions) -> Any:
    import pyarrow

    e = p.events
    track = np.repeat(np.arange(len(e.starts) - 1, dtype=np.int32), np.diff(e.starts))
    lengths = np.broadcast_to(np.asarray(p.segment_seconds, np.float64), (len(p.video_ids),))

    def texts(indices: NDArray[np.int32], names: Sequence[str]) -> Any:
        return pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(indices, pyarrow.int32()), pyarrow.array(list(names), pyarrow.string())
        )

    if e.seconds is None:
        times = [in_seconds(x, lengths, track // 3) for x in (e.onset, e.offset)]
    else:
        times = [e.seconds[:, 0], e.seconds[:, 1]]
    columns = [
        texts(track // 3, p.video_ids),
        texts(track % 3, TRACKS),
        texts(e.label, p.labels),
        pyarrow.array(e.onset, pyarrow.int32()),
        pyarrow.array(e.offset, pyarrow.int32()),
        *(pyarrow.array(np.ascontiguousarray(x), pyarrow.float64()) for x in times),
        pyarrow.array(e.score, pyarrow.float64(), mask=np.isnan(e.score)),
    ]
    if e.confidence is not None:
        columns.append(pyarrow.array(e.confidence, pyarrow.float64()))
    return pyarrow.Table.from_arrays(columns, names=[*COLUMNS, CONFIDENCE][: len(columns)])


def in_seconds(
    segments: NDArray[np.int32], lengths: NDArray[np.float64], video: NDArray[np.int32]
) -> NDArray[np.float64]:
    """The times (E,) of numbers of segments (E,), as :func:`..seconds.seconds_of` has them.

    lengths : (N,) of a segment of each video; video : (E,) whose each number is
    """
    known, of_video = np.unique(lengths, return_inverse=True)
    most = int(segments.max(initial=0)) + 1
    pairs, at = np.unique(of_video.reshape(-1)[video] * most + segments, return_inverse=True)
    found = [seconds_of(pair % most, float(known[pair // most])) for pair in pairs.tolist()]
    times: NDArray[np.float64] = np.array(found, np.float64)[at.reshape(-1)]
    return times
