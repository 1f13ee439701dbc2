"""The scrambled Sobol sequence, point for point as `scipy.stats.qmc.Sobol` draws it, without SciPy.

Direction numbers are those of S. Joe and F. Y. Kuo (new-joe-kuo-6.21201), scrambled by random lower triangular
matrices and a digital shift (J. Matousek).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BITS = 30
_POINTS = 1 << 16
_JOE_KUO = """
1: 3:1 7:1,3 11:1,3,1 13:1,1,1 19:1,1,3,3 25:1,3,5,13 37:1,1,5,5,17 41:1,1,5,5,5 47:1,1,7,11,19 55:1,1,5,1,1
59:1,1,1,3,11 61:1,3,5,5,31 67:1,3,3,9,7,49 91:1,1,1,15,21,21 97:1,3,1,13,27,49 103:1,1,1,15,7,5
109:1,3,1,15,13,25 115:1,1,5,5,19,61 131:1,3,7,11,23,15,103 137:1,3,7,13,13,15,69 143:1,1,3,13,7,35,63
145:1,3,5,9,1,25,53 157:1,3,1,13,9,35,107 167:1,3,1,5,27,61,31 171:1,1,5,11,19,41,61 185:1,3,5,3,3,13,69
191:1,1,7,13,1,19,1 193:1,3,7,5,13,19,59 203:1,1,3,9,25,29,41 211:1,3,5,13,23,1,55 213:1,3,7,3,13,59,17
229:1,3,1,3,5,53,69 239:1,1,5,5,23,33,13 241:1,1,7,7,1,61,123 247:1,1,7,9,13,61,49 253:1,3,3,5,3,55,33
285:1,3,1,15,31,13,49,245 299:1,3,5,15,31,59,63,97 301:1,3,1,11,11,11,77,249 333:1,3,1,11,27,43,71,9
351:1,1,7,15,21,11,81,45 355:1,3,7,3,25,31,65,79 357:1,3,1,1,19,11,3,205 361:1,1,5,9,19,21,29,157
369:1,3,7,11,1,33,89,185 391:1,3,3,3,15,9,79,71 397:1,3,7,11,15,39,119,27 425:1,1,3,1,11,31,97,225
451:1,1,1,3,23,43,57,177 463:1,3,7,7,17,17,37,71 487:1,3,1,5,27,63,123,213 501:1,1,3,5,11,43,53,133
529:1,3,5,5,29,17,47,173,479 539:1,3,3,11,3,1,109,9,69 545:1,1,1,5,17,39,23,5,343 557:1,3,1,5,25,15,31,103,499
563:1,1,1,11,11,17,63,105,183 601:1,1,5,11,9,29,97,231,363 607:1,1,5,15,19,45,41,7,383
617:1,3,7,7,31,19,83,137,221 623:1,1,1,3,23,15,111,223,83 631:1,1,5,13,31,15,55,25,161
637:1,1,3,13,25,47,39,87,257
"""
"""Of each dimension a primitive polynomial, as the bits of a number, and the first direction numbers."""


class Sobol:
    """Points of the scrambled sequence of a seed in ``dimensions`` dimensions, by their numbers.

    Dimensions beyond the 64 of the table, which no search of this package has, are drawn independently.
    """

    def __init__(self, dimensions: int, seed: int) -> None:
        self._seed, self._dimensions = seed, dimensions
        vectors = _directions()[:dimensions]
        size = len(vectors)
        rng = np.random.default_rng(seed)
        powers = 1 << np.arange(_BITS, dtype=np.int64)
        self._shift = rng.integers(0, 2, (size, _BITS), dtype=np.uint32).astype(np.int64) @ powers
        lower = np.tril(rng.integers(0, 2, (size, _BITS, _BITS), dtype=np.uint32), -1).astype(np.int64)
        lower |= np.eye(_BITS, dtype=np.int64)
        bits = (vectors[:, :, None] >> np.arange(_BITS - 1, -1, -1)) & 1  # (size, vector, bit), the highest first
        scrambled = np.einsum("dpk,dvk->dvp", lower, bits) & 1
        self._vectors = scrambled @ powers[::-1]

    def points(self, first: int, count: int) -> NDArray[np.float64]:
        """Points ``first`` to ``first + count`` (count, dimensions) in [0, 1)."""
        found = np.empty((count, self._dimensions))
        for begin in range(0, count, _POINTS):
            number = first + np.arange(begin, min(begin + _POINTS, count))
            gray = number ^ (number >> 1)
            x = np.broadcast_to(self._shift, (len(number), len(self._shift))).copy()
            for bit in range(_BITS):
                x ^= ((gray >> bit) & 1)[:, None] * self._vectors[:, bit]
            found[begin : begin + len(number), : len(self._shift)] = x / (1 << _BITS)
        for d in range(len(self._shift), self._dimensions):
            found[:, d] = np.random.default_rng([self._seed, d]).random(first + count)[first:]
        return found


def _directions() -> NDArray[np.int64]:
    """Direction numbers (64, 30) as integers of 30 bits."""
    rows = []
    for dimension, text in enumerate(_JOE_KUO.split()):
        polynomial, _, firsts = text.partition(":")
        bits, degree = int(polynomial), int(polynomial).bit_length() - 1
        v = [1] * _BITS if dimension == 0 else [int(n) for n in firsts.split(",")]
        for j in range(len(v), _BITS):
            new = v[j - degree]
            for k in range(degree):
                if (bits >> (degree - 1 - k)) & 1:
                    new ^= v[j - k - 1] << (k + 1)
            v.append(new)
        rows.append([n << (_BITS - 1 - j) for j, n in enumerate(v[:_BITS])])
    return np.array(rows, np.int64)
