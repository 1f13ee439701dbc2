"""PE-AV and PE-A-Frame with everything narrower, for tests; the published ones have 1.5 billion parameters each."""

from __future__ import annotations

from typing import Any

import torch
from gpu.models import SMALL as ENCODERS

SMALL: dict[str, Any] = ENCODERS["pe_av"]["config"]


def last_layer(text_model: Any, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the last layer gives: Meta's code takes this state, transformers 5 calls another one by its name."""
    made: list[Any] = []
    hook = text_model.layers[-1].register_forward_hook(lambda _, inputs, output: made.append(output))
    text_model(**tokens)
    hook.remove()
    return made[0][0] if isinstance(made[0], tuple) else made[0]


SMALL_SOUND: dict[str, Any] = {
    "text_config": SMALL["text_config"],
    "audio_config": SMALL["audio_video_config"]["audio_config"],
}
"""Of PE-A-Frame."""
