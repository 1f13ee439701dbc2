"""Resamples of videos for the bootstrap. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel


@inner
def _mixed(x):  # type: ignore[no-untyped-def]
    """The finaliser of splitmix64: a random number from a counter, so that resamples do not depend on their order."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def resample_block(values, weights, seed, out):  # type: ignore[no-untyped-def]
    """out (B, M): weighted means of ``values`` (N, M) over N videos drawn with replacement, ``weights`` (N,)."""
    videos, figures = values.shape
    step = np.uint64(0x9E3779B97F4A7C15)
    start = _mixed(np.uint64(seed) + step)
    for b in range(out.shape[0]):
        for m in range(figures):
            out[b, m] = 0.0
        total = 0.0
        counter = _mixed(start + np.uint64(b) * step)
        for _ in range(videos):
            counter += step
            # the upper 32 bits times N, shifted down: uniform to within N / 2^32
            v = np.int64(((_mixed(counter) >> np.uint64(32)) * np.uint64(videos)) >> np.uint64(32))
            total += weights[v]
            for m in range(figures):
                out[b, m] += weights[v] * values[v, m]
        for m in range(figures):
            out[b, m] = out[b, m] / total
