"""Thresholds of single labels: of each, the one with the best F-score over all segments, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_label_thresholds(
    scores: NDArray[np.float64], annotated: NDArray[np.bool_], default: float
) -> NDArray[np.float64]:
    """The threshold (C,) of each label that maximises 2 TP / (2 TP + FP + FN) over all segments.

    A label's counts change at its own scores alone, so that trying all of these is exact for figures that are means
    over the labels. Figures that are means over the videos (LLP's) join the labels of a video: there this is a good
    start and no optimum.

    scores : (S, C), what is compared with the threshold; NaN where a segment cannot be an event
    annotated : (S, C), which segments are one
    default : of a label that is nowhere annotated

    A threshold lies in the middle between the score that is the last to be above it and the next lower one; of equal
    F-scores the highest threshold is taken. For the lowest score of a label it lies just below that.
    """
    found = np.full(scores.shape[1], default)
    for c in range(scores.shape[1]):
        known = np.isfinite(scores[:, c])
        positives = int(annotated[:, c].sum())  # those without a score are missed at every threshold
        if not (annotated[:, c] & known).any():
            continue
        order = np.argsort(-scores[known, c], kind="stable")
        x, hit = scores[known, c][order], np.cumsum(annotated[known, c][order])
        last = np.flatnonzero(np.append(x[1:] < x[:-1], True))  # all of equal scores are above, or none
        f = 2 * hit[last] / (last + 1 + positives)
        k = int(np.argmax(f))
        at = x[last[k]]
        middle = (at + x[last[k] + 1]) / 2 if last[k] + 1 < len(x) else -np.inf
        found[c] = middle if middle < at and np.isfinite(middle) else np.nextafter(at, -np.inf)
    return found
