"""A model's own logit of each modality: scale times product of embedding and text plus bias."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .errors import DataError


def checked_logits(given: Mapping[Any, Any]) -> dict[str, tuple[float, float]]:
    """Scale and bias by modality, as plain numbers.

    Raises: DataError for another modality than audio, visual and audio_visual, and for what is not a finite scale above
    0 with a finite bias.
    """
    out = {}
    for modality, pair in given.items():
        try:
            scale, bias = (float(number) for number in pair)
        except (TypeError, ValueError):
            scale = bias = math.nan
        if modality not in ("audio", "visual", "audio_visual") or not math.isfinite(scale + bias) or scale <= 0:
            raise DataError(
                f"the logits of {modality!r} are {pair!r}; give audio, visual or audio_visual a scale above 0 and a "
                "bias, both finite"
            )
        out[modality] = (scale, bias)
    return out
