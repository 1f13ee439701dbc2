"""SCoPE in plain NumPy, one video at a time: what to read beside the authors' code.

Each segment is written as a sparse, non-negative mixture of the label texts: z~ (T, D) are the segments and C~ (C, D)
the texts, both centred and of length 1, and W (T, C) the weights that minimise ||z~ - W C~||^2 + sum lambda W. What
the other modality finds makes labels cheaper in a second solution. Everything is float32, as released; sums over D are
taken in float64 and rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .params.scope import ScopeParams

Floats = NDArray[np.float32]

_F = np.float32


def f32(x: Any) -> Floats:
    """Rounded to float32."""
    return np.asarray(x).astype(np.float32)


def unit(x: Floats) -> Floats:
    """Rows of length 1; norms are at least 1e-8."""
    norm = f32(np.sqrt((x.astype(np.float64) ** 2).sum(axis=-1, keepdims=True)))
    return f32(x / np.maximum(norm, _F(1e-8)))


def products(x: Floats, y: Floats) -> Floats:
    """Dot products (n, m) of the rows of x (n, D) and y (m, D)."""
    return f32(x.astype(np.float64) @ y.astype(np.float64).T)


def centred_texts(text: Floats) -> Floats:
    """C~ (C, D): texts of length 1 less their mean, of length 1 again."""
    t = unit(text)
    return unit(t - f32(t.astype(np.float64).mean(axis=0)))


def centred_segments(x: Floats, mean: Floats) -> Floats:
    """z~ (T, D): segments of length 1 less the mean of the modality, of length 1 again."""
    return unit(unit(x) - mean)


def step_length(gram: Floats) -> np.float32:
    """1 / L of the texts' products (C, C), L = 2.1 times the largest eigenvalue."""
    largest = float(np.linalg.eigvalsh(gram.astype(np.float64))[-1])
    return _F(1 / (2 * 1.05 * largest + 1e-6))


def momentum(rounds: int) -> Floats:
    """(t - 1) / t+ of every round, t+ = (1 + sqrt(1 + 4 t^2)) / 2 from 1 on."""
    t, found = 1.0, []
    for _ in range(rounds):
        after = (1 + np.sqrt(1 + 4 * t * t)) / 2
        found.append((t - 1) / after)
        t = after
    return np.array(found, np.float32)


def lasso(b: Floats, gram: Floats, penalty: Floats, step: np.float32, rounds: int) -> Floats:
    """W (T, C) by FISTA from zero: b = z~ C~' (T, C), the texts' products (C, C), penalties lambda (T, C).

    A fixed number of rounds, without a stop or a restart: with more labels than dimensions it has not converged.
    """
    W = np.zeros_like(b)
    Y = W
    for m in momentum(rounds):
        total = np.zeros_like(b)
        for c in range(b.shape[1]):  # one label after the other: the order of the sum is fixed
            total = total + Y[:, c : c + 1] * gram[c]
        after = np.maximum(Y - (_F(2) * (total - b) + penalty) * step, _F(0))
        Y = after + m * (after - W)
        W = after
    return W


@dataclass(frozen=True, eq=False)
class Found:
    """One solution of a modality: weights W, shares s, reliability g (T, C), quality q (T,), prior pi (C,)."""

    W: Floats
    s: Floats
    q: Floats
    g: Floats
    pi: Floats


def described(W: Floats, b: Floats, gram: Floats, params: ScopeParams) -> Found:
    """s = W / max W; q, the cosine of a segment and its mixture, within 0 to 1; g = s q; pi, the highest of a video."""
    s = W / (W.max(axis=1, keepdims=True) + _F(1e-8))
    dot = (W.astype(np.float64) * b).sum(axis=1)
    length = np.sqrt(np.maximum((W.astype(np.float64) @ gram.astype(np.float64) * W).sum(axis=1), 0))
    q = f32(np.clip(dot / np.maximum(length, 1e-8), 0, 1))
    g = s * q[:, None]
    return Found(W, s, q, g, (g if params.prior == "reliability" else s).max(axis=0))


def help_of(other: Found, params: ScopeParams) -> NDArray[np.float64]:
    """H (T, C), how much cheaper what one modality found makes labels for the other one."""
    H = other.pi.astype(np.float64)
    full = params.prior_mode == "full"
    return H * (1 + params.kappa * other.g) if full else np.broadcast_to(H, other.g.shape)


def cheaper(own: float, H: NDArray[np.float64], params: ScopeParams) -> Floats:
    """lambda (T, C) of a modality whose penalty is ``own``, by the help of the other one."""
    return f32(own * np.clip(np.exp(-params.eta * H), params.rho_low, params.rho_high))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Of one modality of a video: b = z~ C~' (T, C) and the products of the texts (C, C)."""

    b: Floats
    gram: Floats


def mixture_inputs(x: Floats, mean: Floats, text: Floats) -> Inputs:
    """From segments (T, D), the mean of the modality (D,) and texts (C, D); 0 for a segment that is no number."""
    texts = centred_texts(text)
    return Inputs(np.nan_to_num(products(centred_segments(x, mean), texts)), products(texts, texts))


def weights(audio: Inputs | None, visual: Inputs | None, params: ScopeParams) -> tuple[Floats | None, Floats | None]:
    """W (T, C) of both modalities, None for one that the video has not."""
    sides = (audio, visual)
    penalties = (params.lambda_audio, params.lambda_visual)
    first: list[Found | None] = []
    for side, own in zip(sides, penalties, strict=True):
        if side is None:
            first.append(None)
            continue
        W = lasso(side.b, side.gram, np.full_like(side.b, own), step_length(side.gram), params.rounds)
        first.append(described(W, side.b, side.gram, params))
    if params.stages == 1:
        return tuple(None if one is None else one.W for one in first)  # type: ignore[return-value]
    second: list[Floats | None] = []
    for side, own, mine, other in zip(sides, penalties, first, first[::-1], strict=True):
        if side is None or mine is None:
            second.append(None)
            continue
        penalty = np.full_like(side.b, own) if other is None else cheaper(own, help_of(other, params), params)
        if params.active_set == "stage1":
            penalty = np.where(_F(1e-6) >= mine.W, _F(1e6), penalty)
        second.append(lasso(side.b, side.gram, penalty, step_length(side.gram), params.rounds))
    return second[0], second[1]


def z_scores(x: Floats, over: NDArray[np.bool_]) -> tuple[Floats, np.float32]:
    """z (C,) over some labels of one row, and the standard deviation; both with the number of labels as divisor.

    The released code adds up whole rows with NumPy. Where all values are equal, the mean may differ from them in the
    last bit, and by the order of the sum: all of z is then 1 or -1.
    """
    n = _F(over.sum())
    mean = np.where(over, x, _F(0)).sum() / n
    sd = np.sqrt(np.where(over, (x - mean) ** 2, _F(0)).sum() / n)
    return (x - mean) / max(sd, _F(1e-8)), sd


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), in float64 and rounded."""
    return f32(1 / (1 + np.exp(-x.astype(np.float64))))


def temperature_of(K: Any, params: ScopeParams) -> Any:
    """What z-scores are divided by where K labels, one number or an array, have weight."""
    return np.clip(K / (params.temperature_labels + 1e-8), params.temperature_low, params.temperature_high)


def probabilities(W: Floats, params: ScopeParams) -> Floats:
    """p (T, C) of weights, 0 where a label has none: logistic of the z-score over the labels with weight."""
    found = np.zeros_like(W)
    for t, row in enumerate(W):
        active = np.abs(row) > _F(1e-8)
        K = int(active.sum())
        if K == 0 and params.normalised == "active":
            continue
        temperature = temperature_of(K, params)
        over = active if params.normalised == "active" else np.ones_like(active)
        z, sd = z_scores(row, over)
        if params.normalised == "active" and (K == 1 or sd <= _F(1e-8)):
            found[t, active] = 1
            continue
        if sd <= _F(1e-8):
            z = np.zeros_like(z)
        scale = _F(temperature if params.temperature == "adaptive" else 1)
        found[t, over] = logistic(np.clip(z / scale, _F(-50), _F(50)))[over]
    return found


def dense_probabilities(x: Floats) -> Floats:
    """p (T, C) of cosines: logistic of the z-score over all labels."""
    found = []
    for row in x:
        z, sd = z_scores(row, np.ones(len(row), np.bool_))
        found.append(logistic(z if sd > _F(1e-8) else np.zeros_like(z)))
    return np.array(found, np.float32).reshape(x.shape)


def above_largest_gap(W: Floats) -> NDArray[np.bool_]:
    """Which labels (C,) of one row stand above the first largest step of its sorted positive weights, 0 at the end."""
    order = [c for c in np.argsort(-W, kind="stable") if W[c] > _F(1e-6)]
    steps = [W[c] - (W[order[i + 1]] if i + 1 < len(order) else _F(0)) for i, c in enumerate(order)]
    kept = np.zeros(len(W), np.bool_)
    if order:
        kept[order[: int(np.argmax(steps)) + 1]] = True
    return kept


def joint_weights(a: Floats, v: Floats, params: ScopeParams) -> Floats:
    """Audio-visual weights (T, C): the weighted mean of both where both are there, else 0."""
    alpha = _F(params.alpha)
    return np.where((a > _F(1e-6)) & (v > _F(1e-6)), alpha * a + (_F(1) - alpha) * v, _F(0))


def enough_segments(decided: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Decisions (T, C) without labels that have fewer than ``least`` segments in all."""
    kept: NDArray[np.bool_] = decided & (decided.sum(axis=0) >= least)
    return kept


def decisions(
    a: Floats | None, v: Floats | None, params: ScopeParams, shape: tuple[int, int]
) -> list[NDArray[np.bool_]]:
    """Decisions (T, C) of the three tracks, from the weights, or for the dense baseline from the cosines."""
    nothing = np.zeros(shape, np.bool_)
    sides = []
    for x in (a, v):
        if x is None:
            sides.append(nothing)
        elif params.read_out == "gap":
            sides.append(np.array([above_largest_gap(row) for row in x], np.bool_).reshape(shape))
        else:
            p = dense_probabilities(x) if params.read_out == "dense" else probabilities(x, params)
            sides.append(p > _F(params.threshold))
    audio, visual = (enough_segments(side, params.min_segments) for side in sides)
    if params.read_out != "gap":
        return [audio, visual, audio & visual]
    if a is None or v is None:
        return [audio, visual, nothing]
    kept = np.array([above_largest_gap(row) for row in joint_weights(a, v, params)], np.bool_).reshape(shape)
    return [audio, visual, enough_segments(kept, params.min_segments)]
