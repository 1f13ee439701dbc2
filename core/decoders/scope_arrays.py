"""Everything that SCoPE computes between embeddings and decisions, for who wants to look at it or build on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .. import reference_scope as reference
from ..params.scope import ScopeParams
from .base import Inputs
from .scope import mixed, mixtures
from .segment_events import competing_labels

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ScopeSide:
    """One modality, float32. S segments of all videos, N videos, K labels that compete, D dimensions.

    Shapes
    ------
    centred_text : (K, D); centred : (S, D), segments less the mean; NaN or 0 for a segment that is none
    cosine : (S, K), of segments and texts, neither centred
    dense_score : (S, K), what the dense baseline compares with its threshold
    W1, W2 : (S, K), weights of the first and of the second solution; W2 is W1 with ``stages=1``
    H : (S, K), how much cheaper the *other* modality makes labels; penalty : (S, K), the prices that follow from it, of
        the second solution
    s : (S, K), W1 by the largest weight of the segment; q : (S,), quality; g : (S, K), s times q
    pi : (N, K), prior of each video
    recon_centred : (S,), cosine of a segment and its mixture, both centred: q before it is cut to 0 to 1
    recon : (S,), cosine of a segment and its mixture with the mean added again
    p1, p2 : (S, K), what is compared with the threshold after each solution
    active1, active2 : (S,) int64, labels with weight; temperature1, temperature2 : (S,), what z-scores are divided by
    """

    centred_text: Floats
    centred: Floats
    cosine: Floats
    dense_score: Floats
    W1: Floats
    W2: Floats
    H: Floats
    penalty: Floats
    s: Floats
    q: Floats
    g: Floats
    pi: Floats
    recon_centred: Floats
    recon: Floats
    p1: Floats
    p2: Floats
    active1: NDArray[np.int64]
    active2: NDArray[np.int64]
    temperature1: Floats
    temperature2: Floats


@dataclass(frozen=True, eq=False)
class ScopeArrays:
    """What SCoPE computes under one setting: ``labels`` (K,), which of the store's compete, and both modalities."""

    labels: NDArray[np.int64]
    audio: ScopeSide
    visual: ScopeSide


def scope_arrays(inputs: Inputs, params: ScopeParams) -> ScopeArrays:
    """All arrays of SCoPE under one setting; its weights are those that the decoder decides from.

    Other read-outs follow from the weights: :func:`.reference_scope.probabilities` under other temperatures,
    :func:`.reference_scope.above_largest_gap` of rows of W2 or of :func:`.reference_scope.joint_weights`.

    Parameters
    ----------
    inputs : with embeddings, texts and the means that ``params`` names
    params : ``read_out`` does not matter

    Raises
    ------
    DataError
        embeddings, texts or means are not there, or fewer than two labels
    """
    params = params.override({"read_out": "zscore"})
    b = inputs.scores
    labels = competing_labels(b.labels, "scope", 2)
    m = mixed(inputs, params.means, labels)
    first = mixtures(inputs, m, params.override({"stages": 1}), labels)
    second = first if params.stages == 1 else mixtures(inputs, m, params, labels)
    assert inputs.embeddings is not None
    assert inputs.text is not None
    starts, length = b.segment_starts, b.segments_per_video
    found, sides = [], []
    for i, name in enumerate(("audio", "visual")):
        k, W = len(labels), first[i]
        gram, dots = m.gram[i, :k, :k], m.b[i][:, :k]
        every = reference.described(W, dots, gram, params)
        prior = every.g if params.prior == "reliability" else every.s
        pi = np.zeros((b.num_videos, k), np.float32)
        for v in np.flatnonzero(length).tolist():
            pi[v] = prior[starts[v] : starts[v + 1]].max(axis=0)
        x, text = getattr(inputs.embeddings, f"{name}_segments"), getattr(inputs.text, name)[labels]
        mean = np.zeros(x.shape[1], np.float32)
        if params.means != "none":
            mean = reference.f32(getattr(inputs.means[params.means], name))
        H = reference.help_of(replace(every, pi=np.repeat(pi, length, axis=0)), params)
        found.append((every, pi, H))
        sides.append((x, text, mean, W, second[i]))
    made = []
    for i, own in enumerate((params.lambda_audio, params.lambda_visual)):
        x, text, mean, W1, W2 = sides[i]
        every, pi, _ = found[i]
        H = found[1 - i][2]
        there = np.repeat((b.has_visual, b.has_audio)[i], length)[:, None]
        penalty = np.where(there, reference.cheaper(own, H, params), np.float32(own))
        if params.active_set == "stage1":
            penalty = np.where(np.float32(1e-6) >= W1, np.float32(1e6), penalty)
        unit, texts = reference.unit(x), reference.centred_texts(text)
        centred = reference.unit(unit - mean)
        made_of = reference.f32(W1.astype(np.float64) @ texts.astype(np.float64))
        cosine = reference.products(unit, reference.unit(text))
        active, temperature = zip(*(_temperatures(W, params) for W in (W1, W2)), strict=True)
        made.append(ScopeSide(
            texts, centred, cosine, reference.dense_probabilities(cosine), W1, W2, reference.f32(H), penalty, every.s,
            every.q, every.g, pi, _cosines(made_of, centred), _cosines(reference.unit(made_of) + mean, unit),
            reference.probabilities(W1, params), reference.probabilities(W2, params), *active, *temperature,
        ))  # fmt: skip
    return ScopeArrays(labels, *made)


def _temperatures(W: Floats, params: ScopeParams) -> tuple[NDArray[np.int64], Floats]:
    """How many labels of each segment have weight, and the temperature that follows."""
    active = (np.abs(W) > np.float32(1e-8)).sum(axis=1)
    return active, reference.f32(reference.temperature_of(active, params))


def _cosines(x: Floats, y: Floats) -> Floats:
    """Cosines (n,) of rows."""
    return reference.f32((reference.unit(x).astype(np.float64) * reference.unit(y)).sum(axis=1))
