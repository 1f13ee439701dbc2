"""CueRator's rule in plain NumPy, one video at a time: what to read beside the paper.

a and v are the scores (T, K) of the segments by sound and by pictures, of the K labels that compete; j the lower one of
both, A and V the means of j and either. R(x) is the best of the other labels minus x, and m the mean over segments.
Everything is float32, in the released code's order of operations, down to how PyTorch adds the segments up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_TWO = np.float32(2)


def levelled_sum(x: Floats) -> Floats:
    """Sums (K,) over the rows of x (n, K): sixteen rows, then sixteen such sums, and so on, as PyTorch's mean adds."""
    level = [np.zeros(x.shape[1], np.float32) for _ in range(4)]
    for n, row in enumerate(x, 1):
        level[0] = level[0] + row
        for i in range(1, 4):
            if n % 16**i:
                break
            level[i], level[i - 1] = level[i] + level[i - 1], np.zeros(x.shape[1], np.float32)
    return level[0] + level[1] + level[2] + level[3]


def mean_of_segments(x: Floats) -> Floats:
    """m(x) (K,) of x (T, K): whole groups of columns are added row by row, of the others every fourth row together."""
    T, K = x.shape
    whole = K // 32 * 32 if K >= 8 else K // 4 * 4
    fours = T // 4 * 4
    lanes = [levelled_sum(x[lane:fours:4, whole:]) for lane in range(4)]
    for row in x[fours:, whole:]:
        lanes[0] = lanes[0] + row
    total = np.concatenate([levelled_sum(x[:, :whole]), lanes[0] + lanes[1] + lanes[2] + lanes[3]])
    mean: Floats = (total / np.float32(T)).astype(np.float32)
    return mean


def gaps(x: Floats) -> Floats:
    """R(x) (..., K): the best of the other labels minus each; 0 for two that are equally best."""
    ordered = np.sort(x, axis=-1)
    leads = np.arange(x.shape[-1]) == x.argmax(axis=-1)[..., None]
    found: Floats = np.where(leads, ordered[..., -2:-1], ordered[..., -1:]) - x
    return found


def cues(a: Floats, v: Floats) -> tuple[Floats, Floats]:
    """The cues (T, 4, K) of the audio and of the visual threshold, in the order of their weights."""
    joint = np.minimum(a, v)
    A, V = (a + joint) / _TWO, (v + joint) / _TWO
    mean_A, mean_V = mean_of_segments(A), mean_of_segments(V)
    whole_A, whole_V = (np.broadcast_to(gaps(m), a.shape) for m in (mean_A, mean_V))
    of_audio = np.stack([gaps(A), gaps(v), whole_A, a - mean_A], axis=1)
    of_visual = np.stack([gaps(V), whole_V, v - mean_V, gaps(a)], axis=1)
    return of_audio, of_visual


def thresholds(a: Floats, v: Floats, p: Sequence[float]) -> tuple[Floats, Floats]:
    """The audio and the visual threshold (T, K) of every label, from ten weights p."""
    weights = np.asarray(p, np.float32)
    found = []
    for weight, cue in zip((weights[:5], weights[5:]), cues(a, v), strict=True):
        total = weight[0] + weight[1] * cue[:, 0]
        for i in range(1, 4):
            total = total + weight[i + 1] * cue[:, i]
        found.append(total)
    return found[0], found[1]


def votes(a: Floats, v: Floats, p: Sequence[float]) -> tuple[list[int], list[int], list[int]]:
    """The label of every segment by sound, by pictures, and where both agree; -1 for background.

    A label is a candidate where its score is above its threshold. The vote is the candidate with the highest score,
    not the one furthest above its threshold; the first of equals.
    """
    sides = []
    for x, theta in zip((a, v), thresholds(a, v, p), strict=True):
        with np.errstate(invalid="ignore"):
            candidates = x > theta
        kept = np.where(candidates, x, -np.inf)
        sides.append([int(row.argmax()) if there.any() else -1 for row, there in zip(kept, candidates, strict=True)])
    by_sound, by_sight = sides
    return by_sound, by_sight, [s if s == p else -1 for s, p in zip(by_sound, by_sight, strict=True)]
