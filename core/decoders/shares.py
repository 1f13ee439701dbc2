"""Settings or videos in shares of about one size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def shares(count: int, parts: int) -> list[slice]:
    """Consecutive shares of ``count`` things, as many as ``parts``; all of them empty where there is nothing."""
    return [slice(*pair) for pair in pairwise(np.linspace(0, count, parts + 1).astype(int).tolist())]
