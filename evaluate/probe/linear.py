"""Linear classifiers on embeddings: one logistic regression a label, or one over all classes and background."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...core.errors import DataError, UsageError
from ...core.installation import install_command

MAX_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Weights (K, D) and biases (K,) on standardised features. K labels, each for itself; with ``one_class`` the last
    of K is background and the largest wins."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    one_class: bool
    converged: bool

    def decide(self, embeddings: NDArray[Any]) -> NDArray[np.bool_]:
        """Which labels hold, (n, C), for embeddings (n, D)."""
        logits = ((embeddings.astype(np.float64) - self.mean) / self.scale) @ self.weights.T + self.biases
        if not self.one_class:
            return logits > 0
        found: NDArray[np.bool_] = (logits.argmax(axis=1)[:, None] == np.arange(len(self.biases)))[:, :-1]
        return found


def fit_probe(
    embeddings: NDArray[Any], targets: NDArray[np.bool_], strength: float = 1.0, *, one_class: bool = False
) -> LinearProbe:
    """Fit by L2-penalised maximum likelihood (lbfgs, which draws no random numbers), on one thread.

    Shapes: embeddings (n, D), targets (n, C). A label that holds never, or always, in training is predicted so.
    With ``one_class`` a row with several labels counts for the first, a row without any for background.

    Raises
    ------
    DataError
        embeddings that are not finite
    UsageError
        scikit-learn is not installed
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise UsageError(f"the linear probe needs scikit-learn: {install_command('probe')}") from None
    x = embeddings.astype(np.float64)
    if not np.isfinite(x).all():
        raise DataError("the embeddings hold NaN or infinity; `avreplay verify` tells whether the store is damaged")
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    x = (x - mean) / scale
    count = targets.shape[1]
    weights = np.zeros((count + one_class, x.shape[1]))
    biases = np.full(count + one_class, -np.inf)
    done = True

    def fit(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        nonlocal done
        model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
        model.fit(x, y)
        done = done and int(model.n_iter_.max()) < MAX_ITERATIONS
        return model.classes_, model.coef_, model.intercept_

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of slow convergence, which the result tells
        if one_class:
            y = np.where(targets.any(axis=1), targets.argmax(axis=1), count)
            classes = np.unique(y)
            if len(classes) == 1:
                biases[classes[0]] = 0.0
            else:
                classes, w, b = fit(y)
                # of two classes only the difference is fitted
                weights[classes[-len(w) :]], biases[classes[-len(w) :]] = w, b
                if len(classes) == 2:
                    biases[classes[0]] = 0.0
        else:
            for c in range(count):
                share = targets[:, c].mean()
                if share in (0.0, 1.0):
                    biases[c] = np.inf if share else -np.inf
                else:
                    _, weights[c : c + 1], biases[c : c + 1] = fit(targets[:, c])
    return LinearProbe(mean, scale, weights, biases, one_class, done)
