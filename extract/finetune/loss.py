"""From embeddings to the loss: cosines with the text, their geometric mean, min-max per segment, cross entropy.

Paper Eq. 1 and 2; the ReLU and the min-max are those of the released code, which uses values in [0, 1] as logits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def unit(x: Tensor) -> Tensor:
    """Rows of length 1; lengths below 1e-8 count as 1e-8, so that a zero row stays zero."""
    found: Tensor = x / x.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    return found


def rescaled(x: Tensor, length: float) -> Tensor:
    """Rows brought to a length; as they are where it is 0."""
    return unit(x) * length if length else x


def fused(audio: Tensor, visual: Tensor) -> Tensor:
    """sqrt(ReLU(audio * visual)) of two cosines of the same shape (Eq. 2): two negative ones give a positive value.

    Where the product is not positive the gradient is exactly 0.
    """
    return torch.sqrt(torch.relu(audio * visual))


def probabilities(scores: Tensor) -> Tensor:
    """Min-max over the last axis: (f - min) / (max - min + 1e-8); all zero where all are equal."""
    # min and max with their index: the gradient goes to a single class, as in the release
    low, high = scores.min(-1, keepdim=True)[0], scores.max(-1, keepdim=True)[0]
    return (scores - low) / (high - low + 1e-8)


def fuse(audio: Tensor, visual: Tensor, audio_text: Tensor, visual_text: Tensor, fusion: str = "sqrt") -> Tensor:
    """Scores (B, T, K) from features (B, T, D) and text of length 1 (K, D), as Table 4 has them.

    ``sqrt`` is :func:`fused` (Eq. 2), ``prob_avg`` the mean of the cosines, ``fea_avg`` the cosine of the mean feature.
    """
    if fusion == "fea_avg":
        return unit((audio + visual) / 2) @ audio_text.T
    audio_cosine, visual_cosine = unit(audio) @ audio_text.T, unit(visual) @ visual_text.T
    return (audio_cosine + visual_cosine) / 2 if fusion == "prob_avg" else fused(audio_cosine, visual_cosine)


def forward_probabilities(
    audio: Tensor, visual: Tensor, audio_text: Tensor, visual_text: Tensor, fusion: str = "sqrt"
) -> Tensor:
    """(B, T, K) in 0 to 1 from features and text, see :func:`fuse`."""
    return probabilities(fuse(audio, visual, audio_text, visual_text, fusion))


def segment_loss(predicted: Tensor, classes: Tensor, present: Tensor | None = None) -> Tensor:
    """Mean cross entropy over the segments that exist.

    Shapes: predicted (B, T, K), used as logits; classes (B, T) int64; present (B, T) bool or None for all.
    """
    if present is not None:
        predicted, classes = predicted[present], classes[present]
    return F.cross_entropy(predicted.reshape(-1, predicted.shape[-1]), classes.reshape(-1))
