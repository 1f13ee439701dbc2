"""What fine-tuning reads: the segment embeddings of a store in memory, text of labels, and batches of both."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import Store
from ...cache.places import cannot_write
from ...cache.score_blocks import BLOCK_MEMORY
from ...core.errors import DataError, UsageError
from ...core.segment_targets import SegmentTargets
from .config import FinetuneConfig


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Segment embeddings of N videos, flat over their S segments, as stored (float16 or float32).

    Shapes: audio (S, Da), visual (S, Dv), zero where a stream is absent; starts (N + 1,) int64; has_audio, has_visual
    (N,) bool.
    """

    video_ids: tuple[str, ...]
    starts: NDArray[np.int64]
    audio: NDArray[Any]
    visual: NDArray[Any]
    has_audio: NDArray[np.bool_]
    has_visual: NDArray[np.bool_]

    @property
    def dim(self) -> int:
        """The width of the audio embeddings."""
        return int(self.audio.shape[1])

    @property
    def visual_dim(self) -> int:
        """The width of the visual embeddings."""
        return int(self.visual.shape[1])

    @property
    def segments(self) -> NDArray[np.int64]:
        """(N,) segments of each video."""
        return np.diff(self.starts)

    def batch(self, videos: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_] | None]:
        """Audio (B, T, Da) and visual (B, T, Dv) of some videos, T that of the longest; which segments exist
        (None: all)."""
        lengths = self.segments[videos]
        longest = int(lengths.max(initial=1))
        at = np.arange(longest)
        present = at < lengths[:, None]
        rows = self.starts[videos][:, None] + np.minimum(at, lengths[:, None] - 1)
        return self.audio[rows], self.visual[rows], None if present.all() else present


def load_embeddings(store: Store, memory: int = BLOCK_MEMORY) -> Embeddings:
    """All segment embeddings of a store, one shard after the other; windows and clips are not read.

    Training takes videos in any order, so that it needs all of them at hand. Where they take more bytes than
    ``memory``, they lie in a file without a name in the folder for temporary files (``TMPDIR``), which is mapped: what
    is not in use, the system may drop from memory.

    Raises
    ------
    DataError
        a store of scores, NaN or infinity in a stream of a video, no room for the file
    """
    if store.kind == "scores":
        raise DataError(f"{store.url} holds imported scores and no embeddings; fine-tuning needs an extracted store")
    dims, dtype = store.config["dims"], np.dtype(store.config["dtype"])
    kept = {i: [r for r in store.records_of(i) if r.has_data] for i in store.committed}
    records = [r for rs in kept.values() for r in rs]
    starts = np.concatenate([[0], np.cumsum([r.segments for r in records])]).astype(np.int64)
    shapes = {name: (int(starts[-1]), int(dims[name])) for name in ("audio", "visual")}
    mapped = sum(rows * dim for rows, dim in shapes.values()) * dtype.itemsize > memory
    out = {name: _mapped(shape, dtype) if mapped else np.zeros(shape, dtype) for name, shape in shapes.items()}
    row = 0
    for shard, rs in kept.items():
        arrays = store.shard_arrays(shard, ("audio_segments", "visual_segments"))
        count = sum(r.segments for r in rs)
        for name, target in out.items():
            values = arrays[f"{name}_segments"]
            if values.shape != (count, dims[name]):
                raise DataError(
                    f"{name}_segments of shard {shard} of {store.url} has shape {values.shape}; expected "
                    f"{(count, dims[name])}: run `avreplay verify {store.url}`"
                )
            present = np.repeat([getattr(r, f"has_{name}") for r in rs], [r.segments for r in rs])
            bad = np.flatnonzero(present & ~np.isfinite(values).all(1))
            if len(bad):
                video = rs[int(np.searchsorted(np.cumsum([r.segments for r in rs]), bad[0], "right"))].id
                raise DataError(
                    f"the {name} embeddings of video {video!r} hold NaN or infinity; extract it again, or verify the "
                    f"store with `avreplay verify {store.url}`"
                )
            target[row : row + count][present] = values[present]
        row += count
    return Embeddings(
        tuple(r.id for r in records), starts, out["audio"], out["visual"],
        np.array([r.has_audio for r in records], np.bool_), np.array([r.has_visual for r in records], np.bool_),
    )  # fmt: skip


def _mapped(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros in a file that is gone when nothing maps it any more."""
    try:
        with tempfile.TemporaryFile(prefix="avreplay-") as file:
            # all of it now: a disk that gets full later kills the process
            os.posix_fallocate(file.fileno(), 0, max(1, shape[0] * shape[1] * dtype.itemsize))
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise cannot_write(tempfile.gettempdir(), error) from None


def text_embeddings(store: Store, labels: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Text for audio and for visual comparison of some labels of the store's vocabulary, each (K, D).

    Raises: DataError where the store has no such label; case does not count.
    """
    vocabulary = store.vocabulary
    known = () if vocabulary is None else vocabulary.labels
    at = {name.casefold(): i for i, name in enumerate(known)}
    missing = [name for name in labels if name.casefold() not in at]
    if vocabulary is None or missing:
        raise DataError(
            f"{store.url} has no text of {len(missing)} of {len(labels)} labels, {missing[0]!r} for one; "
            f"{_all_labels(store)}"
        )
    rows = [at[name.casefold()] for name in labels]
    return vocabulary.audio_text[rows], vocabulary.visual_text[rows]


def _all_labels(store: Store) -> str:
    mend = store.text_mend()
    return "give it all of them with `avreplay embed-text`" if "embed-text" in mend else mend


@dataclass(frozen=True, eq=False)
class Chosen:
    """Videos that are trained on or selected with: their rows in the targets and in the embeddings, (n,) each."""

    targets: NDArray[np.int64]
    embeddings: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)


def choose(
    targets: SegmentTargets, embeddings: Embeddings, wanted: NDArray[np.int64], what: str, skip_missing: bool
) -> Chosen:
    """The wanted videos (rows of the targets) that have both embeddings.

    Raises: DataError where some have none, unless they are to be skipped; where none is left.
    """
    at = {v: i for i, v in enumerate(embeddings.video_ids)}
    found = np.array([at.get(targets.video_ids[i], -1) for i in wanted.tolist()], np.int64)
    both = embeddings.has_audio & embeddings.has_visual
    present = np.array([i >= 0 and bool(both[i]) for i in found.tolist()], np.bool_)
    if not present.all() and not skip_missing:
        first = targets.video_ids[int(wanted[~present][0])]
        raise DataError(
            f"{int((~present).sum())} of {len(wanted)} {what} videos have no audio and visual embeddings in the store, "
            f"{first!r} for one; extract them, or leave them out with --skip-missing"
        )
    if not present.any():
        raise DataError(f"the store has no {what} video with embeddings; check the dataset, or extract that split")
    return Chosen(wanted[present], found[present])


def training_videos(targets: SegmentTargets, config: FinetuneConfig) -> NDArray[np.int64]:
    """Rows of the training videos, in order: all, or a share of those of each class, rounded up, drawn by the seed.

    Raises: DataError where present are none.
    """
    rows = targets.select("train")
    if not len(rows):
        raise DataError("the annotations hold no training video; fine-tuning needs the split train")
    if config.train_ratio == 1:
        return rows
    rng = np.random.default_rng([config.seed, 1])
    drawn = []
    for category in np.unique(targets.categories[rows]).tolist():
        of_class = rows[targets.categories[rows] == category]
        drawn.append(rng.permutation(of_class)[: int(np.ceil(round(config.train_ratio * len(of_class), 9)))])
    return np.sort(np.concatenate(drawn))


def selection_videos(targets: SegmentTargets, select: str) -> NDArray[np.int64] | None:
    """Rows of the videos that choose the epoch; None where none do.

    Raises: DataError where present are none.
    """
    if select == "last":
        return None
    split, group = {"val": ("val", None), "val_seen": ("val", "seen"), "test_as_released": ("test", "seen")}[select]
    if group is not None and (targets.groups < 0).all():
        raise UsageError(f"select={select} needs videos marked as seen or unseen, which this dataset lacks; use val")
    rows = targets.select(split, group)
    if not len(rows):
        raise DataError(f"the annotations hold no video of the split {split!r} to select by; use --select last")
    return rows
