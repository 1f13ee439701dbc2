"""From trained layers to a score set: what replay reads, for every video of a store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle, adjacent_cosine
from .config import FinetuneConfig
from .data import Embeddings
from .temporal import TemporalLayer
from .train import Text, evaluated


def score_videos(
    layer: TemporalLayer,
    embeddings: Embeddings,
    labels: Sequence[str],
    text: Text,
    config: FinetuneConfig,
    segment_seconds: float,
    device: str = "cpu",
) -> ScoreBundle:
    """The scores of all videos after the layers.

    ``audio_segments`` and ``visual_segments`` are the cosines with the text, ``audio_visual_segments`` their fusion as
    it was trained: with ``sqrt`` Eq. 2, the root of the product (0 where it is negative). A clip's scores are the means
    of its segments'; there are no window scores, so that replay uses the means of segments there too.
    ``visual_cosine`` is that of the layer's output. Where a stream is absent its scores are 0.
    """
    segments = embeddings.segments
    total, count = int(segments.sum()), len(labels)
    audio, visual, both = (np.zeros((total, count), np.float32) for _ in range(3))
    cosine = np.zeros(total)
    row = 0
    place = torch.device(device)
    for scored in evaluated(layer, embeddings, np.arange(len(segments)), text, config, place):
        present = scored.present
        lengths = present.sum(1)
        rows = slice(row, row + int(lengths.sum()))
        for out, values in ((audio, scored.audio), (visual, scored.visual), (both, scored.fused)):
            out[rows] = values.float().cpu().numpy()[present]
        cosine[rows] = adjacent_cosine(scored.visual_features.float().cpu().numpy()[present], lengths)
        row = rows.stop
    audible, visible = (np.repeat(has, segments) for has in (embeddings.has_audio, embeddings.has_visual))
    audio[~audible], visual[~visible], both[~(audible & visible)] = 0, 0, 0
    cosine[~visible] = 0
    return ScoreBundle.create(
        video_ids=embeddings.video_ids,
        labels=labels,
        segments_per_video=segments,
        segment_seconds=segment_seconds,
        audio_segments=audio,
        visual_segments=visual,
        audio_visual_segments=both,
        audio_clip=_means(audio, embeddings.starts),
        visual_clip=_means(visual, embeddings.starts)[:, None],
        visual_cosine=cosine,
        has_audio=embeddings.has_audio,
        has_visual=embeddings.has_visual,
    )


def _means(rows: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean row of each video; every video of a store has segments."""
    if len(starts) == 1:
        return np.zeros((0, rows.shape[1]), np.float32)
    sums = np.add.reduceat(rows.astype(np.float64), starts[:-1], axis=0)
    return (sums / np.diff(starts)[:, None]).astype(np.float32)
