"""Stores with some of the made videos, and what of two bundles is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.cache import StoreWriter, Vocabulary
from avreplay.core.bundle import ScoreBundle
from made_store import CONFIG, video, vocabulary


def write_videos(
    url: str | Path,
    ids: Sequence[str],
    *,
    shard_videos: int = 3,
    config: dict[str, Any] | None = None,
    texts: Vocabulary | None = None,
    last: int | None = None,
) -> None:
    """A store of these videos; with ``last`` only its first shards are written."""
    texts = vocabulary() if texts is None else texts
    with StoreWriter.open(str(url), {**CONFIG, **(config or {})}, list(ids), shard_videos=shard_videos) as writer:
        for index, of_shard in writer.pending()[:last]:
            writer.write_shard(index, [video(v) for v in of_shard])
        writer.set_vocabulary(texts)
        writer.finish()


def restricted(bundle: ScoreBundle, ids: Sequence[str]) -> ScoreBundle:
    """A bundle of those of its videos that are among ids, in its order."""
    wanted = set(ids)
    return bundle.select_videos([i for i, id in enumerate(bundle.video_ids) if id in wanted])


def assert_same(a: ScoreBundle, b: ScoreBundle) -> None:
    """To the bit; an array without rows may be absent."""
    for f in fields(ScoreBundle):
        x, y = getattr(a, f.name), getattr(b, f.name)
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            assert x.dtype == y.dtype, f.name
            assert x.tobytes() == y.tobytes(), f.name
        elif isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
            assert len(x if y is None else y) == 0, f.name
        else:
            assert x == y, f.name


def events_of(predictions: Any) -> dict[str, Any]:
    """The events of each video by its id, with scores as bits."""
    found: dict[str, Any] = {}
    for i, id in enumerate(predictions.video_ids):
        rows = [predictions.events.track(i, k) for k in range(3)]
        found[id] = [[(*row[:3], np.float64(row[3]).tobytes()) for row in track] for track in rows]
    return found
