"""Resizing pictures of bytes exactly as Pillow does, several times as fast: columns first, then rows, each pass
rounded to whole bytes, with weights of 22 binary places. (Pillow 13 goes by rows first where that is less work; the
papers' code ran on older versions.)

Only the part that is kept is computed, so that a centre crop saves work. The kernel holds no interpreter lock: decoder
threads resize side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...core.kernels.jit import kernel

PLACES = 22
"""Binary places of a weight: a sum of bytes times weights fits 32 bits."""

ROWS = 16

Weights = tuple[NDArray[np.int32], NDArray[np.int32]]


def _bilinear(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _bicubic(x: float) -> float:
    """Keys' cubic with a = -0.5, in Pillow's order: sums half-way between two bytes depend on the last bit."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


FILTERS: dict[str, tuple[Callable[[float], float], float]] = {"bilinear": (_bilinear, 1.0), "bicubic": (_bicubic, 2.0)}
"""Each filter and how far it reaches, in pixels of the smaller picture."""


@lru_cache(maxsize=256)
def resampling_weights(size: int, resized: int, first: int, kept: int, method: str) -> Weights:
    """What each kept pixel of a line of ``resized`` pixels takes from a line of ``size``, widened where it shrinks.

    Parameters
    ----------
    first, kept : of the resized line, the pixels first to first + kept - 1
    method : ``bicubic`` or ``bilinear``

    Returns
    -------
    starts : [kept] int32, the first pixel taken
    weights : [kept, taps] int32 in units of 2**-22; taps beyond the line are 0
    """
    function, reach = FILTERS[method]
    scale = size / resized
    widened = max(scale, 1.0)
    narrowing = 1.0 / widened
    support = reach * widened
    starts = np.zeros(kept, np.int32)
    weights = np.zeros((kept, math.ceil(support) * 2 + 1), np.int32)
    for place in range(kept):
        centre = (first + place + 0.5) * scale
        start, end = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), size)
        taken = [function((x - centre + 0.5) * narrowing) for x in range(start, end)]
        total = sum(taken)
        starts[place] = start
        for tap, weight in enumerate(taken):
            share = weight / total * (1 << PLACES)
            weights[place, tap] = int(share + math.copysign(0.5, share))
    used = int(np.flatnonzero(weights.any(axis=0)).max()) + 1
    weights = np.ascontiguousarray(weights[:, :used])
    # a tap of weight 0 must not lie beyond the line either
    over = np.maximum(starts + used - size, 0)
    for place in np.flatnonzero(over).tolist():
        starts[place] -= over[place]
        weights[place] = np.roll(weights[place], over[place])
    starts.flags.writeable = weights.flags.writeable = False
    return starts, weights


def resize_picture(
    picture: NDArray[np.uint8],
    resized: tuple[int, int],
    box: tuple[int, int, int, int] | None = None,
    method: str = "bicubic",
) -> NDArray[np.uint8]:
    """A picture resized, and of that a box.

    Parameters
    ----------
    picture : [height, width, 3] uint8
    resized : height and width to resize to
    box : top, left, height and width of the part to keep, inside of ``resized``; None: all
    method : ``bicubic`` or ``bilinear``

    Returns
    -------
    [box height, box width, 3] uint8, equal to ``Image.resize`` and ``Image.crop`` of Pillow before version 13
    """
    top, left, height, width = box or (0, 0, *resized)
    columns = resampling_weights(picture.shape[1], resized[1], left, width, method)
    rows = resampling_weights(picture.shape[0], resized[0], top, height, method)
    out: NDArray[np.uint8] = _resample(np.ascontiguousarray(picture), *columns, *rows)
    return out


@kernel
def _resample(picture, column_starts, column_weights, row_starts, row_weights):  # type: ignore[no-untyped-def]
    """[rows, columns, 3] uint8 of [height, width, 3] uint8."""
    width, column_taps = column_weights.shape
    height, row_taps = row_weights.shape
    top, bottom = row_starts[0], row_starts[height - 1] + row_taps
    left, right = column_starts[0], column_starts[width - 1] + column_taps
    half = np.int32(1 << (PLACES - 1))
    lines = picture.reshape(picture.shape[0], picture.shape[1] * 3)
    narrow = np.empty((bottom - top, width * 3), np.uint8)
    # lanes[x, channel * ROWS + row]: ROWS lines go through the same arithmetic side by side
    lanes = np.empty((right - left, 3 * ROWS), np.uint8)
    sums = np.empty(3 * ROWS, np.int32)
    for y0 in range(top, bottom, ROWS):
        count = min(ROWS, bottom - y0)
        for row in range(count):
            line = lines[y0 + row, left * 3 : right * 3]
            for x in range(right - left):
                for channel in range(3):
                    lanes[x, channel * ROWS + row] = line[x * 3 + channel]
        for place in range(width):
            sums[:] = half
            start = column_starts[place] - left
            for tap in range(column_taps):
                weight = column_weights[place, tap]
                source = lanes[start + tap]
                for k in range(3 * ROWS):
                    sums[k] += np.int32(source[k]) * weight
            for row in range(count):
                for channel in range(3):
                    value = sums[channel * ROWS + row] >> np.int32(PLACES)
                    narrow[y0 - top + row, place * 3 + channel] = min(max(value, 0), 255)
    out = np.empty((height, width, 3), np.uint8)
    line_sums = np.empty(width * 3, np.int32)
    for y in range(height):
        line_sums[:] = half
        start = row_starts[y] - top
        for tap in range(row_taps):
            weight = row_weights[y, tap]
            source = narrow[start + tap]
            for k in range(width * 3):
                line_sums[k] += np.int32(source[k]) * weight
        target = out[y].reshape(width * 3)
        for k in range(width * 3):
            target[k] = min(max(line_sums[k] >> np.int32(PLACES), 0), 255)
    return out
