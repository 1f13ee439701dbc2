"""Scores of segments from scores of frames: some encoders of sound score every 40 ms, and decoders read segments.

Of the F frames of a segment and a label, x_1 ... x_F:

``mean``
    their mean
``max``
    the largest
``topk:K``
    the mean of the K largest
``noisy_or``
    the segment has the label unless every frame lacks it: 1 - (1 - p_1) ... (1 - p_F). Similarities are taken as
    logits, p = sigmoid(x), and the result is a logit again, so that ``score_norm=sigmoid`` gives that probability; with
    the scale and bias of a model that was trained with a sigmoid these are its own probabilities

All is computed in float64 and kept in float32; plainly, for one segment and label, by
:func:`avreplay.core.reference_pooling.pooled_row`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .bundle import ScoreBundle
from .errors import DataError, UsageError

POOL = "pool:"
"""Beginning of what stands for a store's own scores with the frames pooled where the name of a score set may stand:
``pool:max``. No score set has such a name."""

RULES = ("mean", "max", "topk", "noisy_or")
RULES_SHOWN = "mean, max, topk:K or noisy_or"


@dataclass(frozen=True)
class Pool:
    """A rule of pooling.

    Attributes
    ----------
    rule : one of :data:`RULES`
    k : of ``topk``, how many of the frames count; 0 for the others
    """

    rule: str
    k: int = 0

    def __str__(self) -> str:
        return f"{self.rule}:{self.k}" if self.rule == "topk" else self.rule


def parse_pool(text: str) -> Pool:
    """The rule that ``--pool`` names. Raises: UsageError for anything but mean, max, topk:K and noisy_or."""
    rule, colon, count = str(text).partition(":")
    if rule == "topk" and count.isascii() and count.isdigit() and 1 <= len(count) <= 9 and int(count) >= 1:
        return Pool(rule, int(count))
    if rule in RULES and rule != "topk" and not colon:
        return Pool(rule)
    raise UsageError(f"the pooling rule is {str(text)[:40]!r}; choose {RULES_SHOWN}, K a whole number of at least 1")


def pool_of(scores: str | None) -> Pool | None:
    """The rule of ``pool:RULE``; None for a score set, and for nothing. Raises: UsageError as :func:`parse_pool`."""
    return parse_pool(scores.removeprefix(POOL)) if scores is not None and scores.startswith(POOL) else None


def pool_frames(bundle: ScoreBundle, pool: Pool) -> ScoreBundle:
    """The bundle with its audio scores of frames pooled to ``audio_segments``; the frames are left out.

    Shapes: audio_frames (S, F, C) to audio_segments (S, C) float32.

    Raises
    ------
    DataError
        a bundle without scores of frames
    UsageError
        ``topk`` of more frames than a segment has
    """
    frames = bundle.audio_frames
    if frames is None:
        raise DataError(
            f"the scores have no audio_frames, which pooling by {pool} needs; give a store of an encoder that scores "
            "frames (pe_a_frame), or leave the pooling out"
        )
    count = frames.shape[1]
    if pool.k > count and len(frames):
        raise UsageError(f"the pooling rule is {pool} and a segment has {count} frames; choose K from 1 to {count}")
    from .kernels.pooling import pool_scores

    pooled = np.empty((len(frames), frames.shape[2]), np.float32)
    pool_scores(frames, RULES.index(pool.rule), pool.k, bundle.kind == "probability", pooled, np.empty(max(1, count)))
    pooled.flags.writeable = False
    return replace(bundle, audio_segments=pooled, audio_frames=None)
