"""Where the events of one track of one video may change, over each parameter with an exact response."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..decoders.base import Decoder
from ..params.options import OptionSet
from .axes import PLANE, exact_axes
from .curves import label_scores
from .regions import plane_regions


def breakpoints_of_track(
    decoder: Decoder[Any], bundle: ScoreBundle, params: OptionSet, track: str
) -> dict[str, NDArray[np.float64]]:
    """Rising values in [0, 1] from each of which on (inclusive) the events may be others, the other options as given.

    Parameters
    ----------
    decoder : any; of one without an exact response nothing is known
    bundle : scores of one video
    params : the options
    track : ``audio``, ``visual`` or ``audio_visual``

    Raises: DataError where an array that the setting needs is not in the bundle.
    """
    axes = exact_axes(decoder, params)
    exact = {name for name, axis in axes.items() if axis.exact}
    found = {}
    options: Any = params
    if exact.issuperset(PLANE):
        joint = plane_regions(bundle, options, (track,)).joint((track,))
        cell = max(int(np.searchsorted(joint.cell_start, options.tau0, "right")) - 1, 0)
        first, last = joint.piece_first[cell : cell + 2]
        found = {"tau0": joint.cell_start, "tau_r": joint.piece_start[first:last]}
    if "tau_f" in exact:
        found["tau_f"] = label_scores(bundle, options)[0]
    return found
