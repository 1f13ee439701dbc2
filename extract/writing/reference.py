"""The rows of an encoder for two fixed texts, by which a store notices other weights (see `cache.reference`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..backbones.base import Backbone, Modality

PROMPTS = ("a dog barks", "rain falls on a roof")


def reference_rows(backbone: Backbone) -> dict[str, NDArray[np.float32]]:
    """Rows (2, D) of the fixed texts, for sound and for pictures; none from an encoder that takes only its own labels.

    Texts are cheap, and weights come as a whole: who has another file of them has other texts too.
    """
    rows = {}
    modalities: tuple[Modality, ...] = ("audio", "visual")
    for modality in modalities:
        try:
            found = np.asarray(backbone.encode_text(PROMPTS, modality), np.float32)
        except Exception:  # whatever fails here fails with the labels too, and is told there
            continue
        if found.ndim == 2 and np.isfinite(found).all():
            rows[f"{modality}_text"] = found
    return rows
