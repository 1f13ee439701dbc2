"""Arrays whose length is not known before. Kernels only."""

from __future__ import annotations

import numpy as np

from ...kernels.jit import inner


@inner
def grown(array, used, length):
    """An array of ``length`` rows that begins as another one; its further rows are not set.

    array : (n, ...) array
    used : int, rows that are kept
    length : int, at least ``used``
    """
    longer = np.empty((length, *array.shape[1:]), array.dtype)
    longer[:used] = array[:used]
    return longer
