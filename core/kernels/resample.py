"""Resamples of videos for the bootstrap. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import inner, kernel


@inner
def _mixed(x):
    """The finaliser of splitmix64: a random number from a counter, so that resamples do not depend on their order.

    Mirrors :func:`avreplay.core.reference.mixed`.

    x : uint64
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def resample_block(values, weights, seed, out):
    """Weighted means over N videos drawn with replacement, B times.

    Mirrors :func:`avreplay.core.reference.resampled_videos`.

    values : (N, M) float64
    weights : (N,) float64, of the videos
    seed : int64
    out : (B, M) float64, written
    """
    videos, metrics = values.shape
    step = np.uint64(0x9E3779B97F4A7C15)
    start = _mixed(np.uint64(seed) + step)
    for b in range(out.shape[0]):
        for k in range(metrics):
            out[b, k] = 0.0
        total = 0.0
        counter = _mixed(start + np.uint64(b) * step)
        for _ in range(videos):
            counter += step
            # the upper 32 bits times N, shifted down: uniform to within N / 2^32
            v = np.int64(((_mixed(counter) >> np.uint64(32)) * np.uint64(videos)) >> np.uint64(32))
            total += weights[v]
            for k in range(metrics):
                out[b, k] += weights[v] * values[v, k]
        for k in range(metrics):
            out[b, k] = out[b, k] / total
