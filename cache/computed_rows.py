"""Scores that are computed from a store's embeddings, of some videos: whole shards are computed, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import ScoreBundle
from .committed_shards import CommittedShards
from .join_shards import join_scores
from .layout.array_rows import Runs
from .layout.schema import VideoRecord, Vocabulary
from .layout.score_shapes import rows_of
from .similarity import PRODUCTS, products, shard_cosines, shard_products, shard_visual_cosine

Arrays: TypeAlias = dict[str, NDArray[Any]]
Compute: TypeAlias = Callable[[Sequence[VideoRecord], Mapping[str, NDArray[Any]], Sequence[str] | None], Arrays]
_FLAGS_AND_COUNT = 10


class ComputedRows:
    """The scores of the videos with data of the committed shards; a shard's values do not depend on the other shards.

    Attributes
    ----------
    video_ids, labels, kind, segment_seconds, segments_per_video : as in a `ScoreBundle`
    cuts : (K + 1,) int64, the first video of each shard, and N
    bytes_per_video : (N,) int64, on average over its shard
    """

    kind = "similarity"

    def __init__(
        self,
        shards: CommittedShards,
        labels: Sequence[str],
        segment_seconds: float,
        names: Sequence[str],
        compute: Compute,
        nothing: Mapping[str, NDArray[Any]] | None,
    ) -> None:
        """
        names : of the arrays of embeddings that are needed
        compute : the arrays of scores of a shard, from the records of its videos with data and its arrays; all, or
            those of the names given
        nothing : arrays without rows where there is no shard; None for no scores then
        """
        self._shards = shards
        self._names = names
        self._compute = compute
        self._nothing = nothing
        self._kept: tuple[tuple[int, Sequence[str] | None], Arrays] | None = None
        self.labels: tuple[str, ...] = tuple(labels)
        self.segment_seconds: float = segment_seconds
        ids: list[str] = []
        segments: list[int] = []
        cuts = [0]
        for index in shards.indices:
            records = self._records(index)
            ids += [r.id for r in records]
            segments += [r.segments for r in records]
            cuts.append(len(ids))
        self.video_ids: tuple[str, ...] = tuple(ids)
        self.segments_per_video: NDArray[np.int64] = np.array(segments, np.int64)
        self.cuts: NDArray[np.int64] = np.array(cuts, np.int64)
        self._windows = shards.window_counts() if "window_index" in names else [0] * len(shards.indices)
        self.bytes_per_video: NDArray[np.int64] = self._bytes()

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """The arrays of scores that :meth:`read` gives, by name with the shape of a row."""
        if not self._shards.indices:
            return {}
        clip = (self._shards.visual_rows, len(self.labels))
        found: dict[str, tuple[int, ...]] = {name: (len(self.labels),) for name in PRODUCTS if name in self._names}
        found |= {"visual_clip": clip, "window_visual": clip, "visual_cosine": ()}
        if "audio_frames" in found:
            found["audio_frames"] = (self._shards.audio_frames, len(self.labels))
        return {name: tail for name, tail in found.items() if any(self._windows) or not name.startswith("window")}

    @property
    def windows(self) -> int:
        """The number of windows."""
        return sum(self._windows)

    def _records(self, index: int) -> list[VideoRecord]:
        return [r for r in self._shards.records(index) if r.has_data]

    def _bytes(self) -> NDArray[np.int64]:
        """The bytes of each video in a bundle: its segments', and its share of its shard's windows."""
        row = 4 * len(self.labels)
        clips = "audio_clip" in self._names
        rows = self._shards.visual_rows if clips else 0
        fused = "audio_visual_segments" in (self._nothing or {}) or "audio_visual_segments" in self._names
        frames = self._shards.audio_frames if "audio_frames" in self._names else 0
        per_segment = row * (2 + fused + frames) + (8 if clips else 0)
        per_clip = (row * (1 + rows) if clips else 0) + _FLAGS_AND_COUNT
        videos = np.maximum(np.diff(self.cuts), 1)
        share = -(-np.array(self._windows, np.int64) * (row * (1 + rows) + 24) // videos)
        return self.segments_per_video * per_segment + per_clip + np.repeat(share, np.diff(self.cuts))

    def read(self, runs: Runs, names: Sequence[str] | None = None) -> ScoreBundle:
        """The scores of runs of consecutive videos, one after the other, no video twice; ``names``: only these arrays.

        Raises: DataError where an array is missing or damaged.
        """
        parts: list[Arrays] = []
        records: list[list[VideoRecord]] = []
        for first, last in runs:
            for k in range(int(np.searchsorted(self.cuts, first, "right")) - 1, len(self.cuts) - 1):
                begin, end = int(self.cuts[k]), int(self.cuts[k + 1])
                if begin >= last:
                    break
                if begin == end:
                    continue
                of_shard = self._records(self._shards.indices[k])
                own = slice(max(first, begin) - begin, min(last, end) - begin)
                arrays = self._of_shard(k, of_shard, names, whole=own == slice(0, end - begin))
                parts.append(_select(arrays, of_shard, own))
                records.append(of_shard[own])
        if not parts:
            return self._empty()
        windows = any(self._windows) and (names is None or any(name.startswith("window") for name in names))
        return join_scores(parts, records, self.labels, self.segment_seconds, windows=windows)

    def _some(self, k: int, records: list[VideoRecord], names: Sequence[str]) -> Arrays:
        """Some of the scores of the k-th shard, from the embeddings that they need."""
        needed = {"visual_segments" if name == "visual_cosine" else name for name in names}
        if any(name.startswith("window") for name in names):
            needed.add("window_index")
        arrays = self._shards.arrays(self._shards.indices[k], sorted(needed))
        return self._compute(records, arrays, names)

    def _of_shard(self, k: int, records: list[VideoRecord], names: Sequence[str] | None, *, whole: bool) -> Arrays:
        """The scores of the k-th shard, or some of them; those that are read in parts are kept for the next part."""
        kept, these = self._kept, (k, None if names is None else tuple(names))
        if kept is not None and kept[0] == these:
            return kept[1]
        self._kept = None
        if names is not None:
            arrays = self._some(k, records, names)
        else:
            arrays = self._compute(records, self._shards.arrays(self._shards.indices[k], self._names), None)
        self._kept = None if whole else (these, arrays)
        return arrays

    def _empty(self) -> ScoreBundle:
        """The bundle of no video."""
        indices = self._shards.indices
        if indices:
            arrays = self._shards.arrays(indices[0], self._names)
            nothing = [self._compute([], {name: array[:0] for name, array in arrays.items()}, None)]
        else:
            nothing = [] if self._nothing is None else [dict(self._nothing)]
        windows = any(self._windows)
        return join_scores(nothing, [[]] * len(nothing), self.labels, self.segment_seconds, windows=windows)


def _select(arrays: Arrays, records: Sequence[VideoRecord], own: slice) -> Arrays:
    """The rows of some consecutive videos of a shard, which do not keep the others alive."""
    if own == slice(0, len(records)):
        return arrays
    ends = np.cumsum([0, *(r.segments for r in records)])
    rows = {"clip": own, "segments": slice(int(ends[own.start]), int(ends[own.stop]))}
    out = {}
    index = arrays.get("window_index")
    windows = None if index is None else (index[:, 0] >= own.start) & (index[:, 0] < own.stop)
    for name, array in arrays.items():
        of = rows_of(name)
        out[name] = array[windows] if of == "windows" else array[rows[of]].copy()
    if index is not None:
        out["window_index"] = out["window_index"] - np.array([own.start, 0, 0], index.dtype)
    return out


def product_rows(shards: CommittedShards, vocabulary: Vocabulary, segment_seconds: float) -> ComputedRows:
    """The products of all embeddings with the texts of a vocabulary."""

    def compute(
        records: Sequence[VideoRecord], arrays: Mapping[str, NDArray[Any]], names: Sequence[str] | None
    ) -> Arrays:
        segments = np.array([r.segments for r in records], np.int64)
        if names is None:
            return {**shard_products(arrays, vocabulary, segments), "window_index": arrays["window_index"]}
        out: Arrays = {name: products(arrays[name], vocabulary, name) for name in names if name in PRODUCTS}
        if "visual_cosine" in names:
            out["visual_cosine"] = shard_visual_cosine(arrays["visual_segments"], segments)
        return out | {name: array for name, array in arrays.items() if name == "window_index"}

    return ComputedRows(shards, vocabulary.labels, segment_seconds, shards.names, compute, None)


def cosine_rows(
    shards: CommittedShards, vocabulary: Vocabulary, segment_seconds: float, dims: Mapping[str, int], *, fused: bool
) -> ComputedRows:
    """The cosines of the segments with the texts of a vocabulary; ``dims`` are the widths of audio and visual rows."""
    names = ("audio_segments", "visual_segments")

    def compute(_: Sequence[VideoRecord], arrays: Mapping[str, NDArray[Any]], __: Sequence[str] | None) -> Arrays:
        audio, visual = (arrays[name] for name in names)
        return dict(shard_cosines(audio, visual, vocabulary, fused=fused))

    nothing = compute([], {name: np.zeros((0, dims[name.partition("_")[0]])) for name in names}, None)
    return ComputedRows(shards, vocabulary.labels, segment_seconds, names, compute, nothing)
