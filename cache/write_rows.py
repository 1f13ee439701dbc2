"""Writing scores into a store block by block, one array after the other, so that memory is set by the block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from .layout.array_rows import Runs
from .layout.location import Location
from .layout.score_arrays import VIDEO_ARRAYS, Column, write_columns, write_scores
from .layout.score_shapes import rows_of
from .score_blocks import BLOCK_MEMORY, Rows, block_slices

_BLOCK = 64 << 20
"""Bytes that the scores of the videos of one block take, all arrays together; one array of them is in memory."""


class Columns(Rows, Protocol):
    """Scores of which some arrays of some videos can be read.

    columns : the arrays of scores, by name with the shape of a row
    windows : the number of windows
    """

    @property
    def columns(self) -> Mapping[str, tuple[int, ...]]: ...

    @property
    def windows(self) -> int: ...

    def read(self, runs: Runs, names: Sequence[str] | None = None) -> ScoreBundle: ...


ReadEach: TypeAlias = Callable[[Sequence[slice], Sequence[str]], Iterator[ScoreBundle]]
"""Gives, in order, some arrays of the scores of each of some slices of the videos."""


def write_rows(
    place: Location,
    group: str,
    rows: Columns,
    extra: Mapping[str, Any],
    *,
    memory: int = BLOCK_MEMORY,
    read_each: ReadEach | None = None,
) -> None:
    """Write scores into a group, its commit marker last: the bytes that :func:`.score_arrays.write_scores` writes of
    the whole bundle.

    ``memory``: scores of so many bytes or fewer are written from one bundle, others block by block. ``read_each``: what
    reads the blocks instead, as other machines do.

    Raises: DataError where scores are damaged.
    """
    if read_each is None and int(rows.bytes_per_video.sum()) <= memory:
        write_scores(place, group, rows.read([(0, len(rows.video_ids))]), extra)
        return
    blocks = partial(row_blocks, rows, memory, read_each=read_each)
    n = len(rows.video_ids)
    length = {"segments": int(rows.segments_per_video.sum()), "clip": n, "windows": rows.windows}
    columns: dict[str, Column] = {}
    for name, tail in rows.columns.items():
        dtype = np.dtype(np.float64 if name == "visual_cosine" else np.float32)
        columns[name] = Column(dtype, (length[rows_of(name)], *tail), partial(blocks, name))
    for name in VIDEO_ARRAYS:
        dtype = np.dtype(np.int64 if name == "segments_per_video" else np.bool_)
        columns[name] = Column(dtype, (n,), partial(blocks, name))
    columns["window_index"] = Column(np.dtype(np.int64), (rows.windows, 3), partial(blocks, "window_index"))
    write_columns(place, group, rows, columns, extra)


def row_blocks(rows: Columns, memory: int, name: str, *, read_each: ReadEach | None = None) -> Iterator[NDArray[Any]]:
    """The rows of one array of scores, block by block; ``window_index`` counts all videos.

    Raises: DataError where scores are damaged.
    """
    wanted = () if name in VIDEO_ARRAYS else (name,)
    parts = list(block_slices(rows.bytes_per_video, rows.cuts, min(_BLOCK, memory)))
    bundles: Iterator[ScoreBundle]
    if read_each is None or not wanted:
        bundles = (rows.read([(part.start, part.stop)], wanted) for part in parts)
    else:
        bundles = read_each(parts, wanted)
    for part, bundle in zip(parts, bundles, strict=True):
        times = [bundle.window_video + part.start, bundle.window_start, bundle.window_end]
        yield np.stack(times, axis=1) if name == "window_index" else getattr(bundle, name)
