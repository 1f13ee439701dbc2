"""The parameters of SCoPE."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from .options import Need, OptionSet, option, option_set
from .presets import MadeFor

_DENSE = {"read_out": ("dense",)}


@option_set
class ScopeParams(OptionSet):
    """One setting of SCoPE. Defaults are version 6, as its authors run it.

    Raises
    ------
    UsageError
        an unknown choice or a number outside its range, naming the option and what it takes.
    """

    read_out: str = option(
        "zscore",
        "decisions from the z-score of the weights (`zscore`), from their largest step (`gap`), or, without a mixture, "
        "from the z-score of the cosines (`dense`)",
        choices=("zscore", "gap", "dense"),
        needs=(
            Need(("audio_segments",), ("audio", "audio_visual"), _DENSE),
            Need(("visual_segments",), ("visual", "audio_visual"), _DENSE),
        ),
    )
    stages: int = option(2, "solutions: 1, each modality alone; 2, again with what the other one found", low=1, high=2)
    lambda_audio: float = option(0.3, "price of a weight in the audio mixture", low=0.0, high=1.0)
    lambda_visual: float = option(0.3, "price of a weight in the visual mixture", low=0.0, high=1.0)
    kappa: float = option(4.0, "stage 2: weight of what the other modality finds in the segment", low=0.0, high=16.0)
    eta: float = option(1.0, "stage 2: how much labels of the other modality become cheaper", low=0.0, high=16.0)
    rho_low: float = option(0.1, "stage 2: smallest share of the price", low=0.0, high=1.0)
    rho_high: float = option(1.0, "stage 2: largest share of the price", low=0.0, high=1.0)
    prior: str = option(
        "share",
        "stage 2: a label's prior is its highest share of a segment's weight in the video, or its highest reliability",
        choices=("share", "reliability"),
    )
    prior_mode: str = option(
        "full",
        "stage 2: the prior of the video alone (`video`), or with what is found in the segment",
        choices=("full", "video"),
    )
    active_set: str = option(
        "all",
        "stage 2: all labels, or those that stage 1 gives weight in the segment",
        choices=("all", "stage1"),
    )
    normalised: str = option(
        "active",
        "zscore: over the labels with weight, or over all",
        choices=("active", "all"),
    )
    temperature: str = option(
        "adaptive",
        "zscore: divided by a temperature that rises with the number of labels with weight, or not",
        choices=("adaptive", "fixed"),
    )
    temperature_labels: float = option(16.0, "zscore: the number of labels whose temperature is 1", low=1.0, high=64.0)
    temperature_low: float = option(0.25, "zscore: lowest temperature", low=0.01)
    temperature_high: float = option(1.25, "zscore: highest temperature", low=0.01)
    threshold: float = option(0.75, "zscore, dense: a segment above it has the label", low=0.0, high=1.0)
    alpha: float = option(0.45, "gap: weight of audio in the audio-visual weights", low=0.0, high=1.0)
    min_segments: int = option(2, "labels decided in fewer segments of a video are dropped", low=1, high=100)
    rounds: int = option(200, "rounds of the solver", low=1, high=100_000)
    means: str = option(
        "store",
        "what segments are centred by: `store`, the mean of each modality over the segments of the store; `none`; or a "
        "file, .npz with `audio` and `visual`",
        expects="store, none or an .npz file",
        file_unless=("store", "none"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for low, high in (("rho_low", "rho_high"), ("temperature_low", "temperature_high")):
            if getattr(self, low) > getattr(self, high):
                raise UsageError(f"{low} is {getattr(self, low):g}, above {high}, {getattr(self, high):g}; swap them")


_STAGE1 = {"stages": 1}
_BASELINE = {"read_out": "dense", "min_segments": 1}

SCOPE_PRESETS: dict[str, dict[str, Any]] = {
    "v6": {},
    "v6_fixed_temperature": {"temperature": "fixed"},
    "stage1": _STAGE1,
    "v5": {"prior": "reliability"},
    "largest_gap": {"read_out": "gap", "min_segments": 1},
    "dense": {**_BASELINE, "threshold": 0.75},
    "dense_streaming": {**_BASELINE, "threshold": 0.85},
}
"""``v6`` is what the authors report on LLP, ``stage1`` its first solution, ``v5`` the prior of the version before,
``largest_gap`` the read-out of their streaming code, ``dense`` and ``dense_streaming`` their baselines."""

SCOPE_MADE_FOR: dict[str, MadeFor] = {name: MadeFor(("clip_clap",)) for name in SCOPE_PRESETS}
"""The authors report CLIP (ViT-L/14) with CLAP, on LLP."""
