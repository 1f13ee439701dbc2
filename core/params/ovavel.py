"""The parameters of OV-AVEL's decoders, and one option for each difference between the paper and the released code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arguments import typed_arguments
from .options import (
    Need,
    Option,
    OptionSet,
    list_options,
    option,
    option_set,
    present_names,
    preset_and_profile,
    quirk_profiles,
)
from .presets import OVAVEL_PRESETS
from .steps import EDGES, check_median

OVAVEL_EDGES = tuple(edge for edge in EDGES if edge != "minus_inf")
"""Beyond the ends there are cosines, of which products and roots are taken: none is infinite."""

OVAVEL_STEPS_SPACE = ("median=1,3,5,7", "min_length=1,2,3", "max_gap=0,1,2")
"""Ranges for a search of the steps that are off by default; to be added to the decoder's own space."""

_AGREEMENT = ("first_agreement", "per_segment")


@option_set
class OvavelParams(OptionSet):
    """One setting of OV-AVEL's decoders. Defaults are the training-free baseline under the ``release`` profile.

    Raises
    ------
    UsageError
        an unknown choice, naming the option and what it takes.
    """

    strategy: str = option(
        "first_agreement",
        "category of a segment: first_agreement (segments whose best audio and visual label agree, all with the label "
        "of the first such segment), per_segment (each with its own), fused_argmax (the best fused score: the rule of "
        "the fine-tuned model)",
        choices=("first_agreement", "per_segment", "fused_argmax"),
        paper="per_segment",
        needs=tuple(
            Need((array,), when=when)
            for array in ("audio_segments", "visual_segments")
            for when in (
                {"strategy": _AGREEMENT},
                {"strategy": ("fused_argmax",), "fusion": ("sqrt", "prob_avg")},
            )
        ),
    )
    background: str = option(
        "other",
        "the text that stands for background and competes with the labels; none: only the labels compete",
        choices=("other", "background", "none"),
    )
    fusion: str = option(
        "sqrt",
        "fused_argmax: square root of the product of audio and visual cosines (Eq. 2), their mean, or the cosine of "
        "the mean feature (Table 4)",
        choices=("sqrt", "prob_avg", "fea_avg"),
        needs=(Need(("audio_visual_segments",), when={"strategy": ("fused_argmax",), "fusion": ("fea_avg",)}),),
    )
    agreed_other: str = option(
        "event",
        "first_agreement: segments that agree on the background text count as agreeing (`event`), or are background",
        choices=("event", "background"),
        paper="background",
    )
    negative_pairs: str = option(
        "keep",
        "sqrt: the product of two negative cosines is positive (`keep`), or counts as zero",
        choices=("keep", "zero"),
        paper="zero",
    )
    no_positive: str = option(
        "first",
        "sqrt: a segment without any positive product gets the first label, or is background",
        choices=("first", "background"),
        paper="background",
    )
    median: int = option(
        1,
        "window in segments of a median filter of each label's scores, before labels are compared; 1: none",
        low=1,
        later=True,
    )
    median_edge: str = option(
        "reflect",
        "what the median filter sees beyond the ends: zeros (scipy.signal), reflect (scipy.ndimage), nearest, "
        "mirror, wrap",
        choices=OVAVEL_EDGES,
        later=True,
    )
    min_length: int = option(1, "drop runs of fewer segments of one label, before bridging", low=1, later=True)
    max_gap: int = option(
        0, "bridge background of up to this many segments between two runs of one label", low=0, later=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_median(self.median)


OVAVEL_PROFILES = quirk_profiles(OvavelParams)
"""``release``: what the authors' code computes; ``paper``: what the text says. The fine-tuned model's ``fused_argmax``
is the same in both (:func:`make_ovavel_params`)."""


def ovavel_options() -> list[Option]:
    """Every option of :class:`OvavelParams`, in order."""
    return list_options(OvavelParams)


@typed_arguments
def make_ovavel_params(
    preset: str | None = None, profile: str | None = None, values: Mapping[str, Any] | None = None
) -> OvavelParams:
    """Params from layers: defaults, then preset, then profile, then single values; later wins.

    A profile leaves the strategy of a preset of the fine-tuned model alone.
    """
    layers = preset_and_profile(OvavelParams, preset, OVAVEL_PRESETS, profile, OVAVEL_PROFILES)
    if preset is not None and OVAVEL_PRESETS[preset]["strategy"] == "fused_argmax":
        layers["strategy"] = "fused_argmax"
    return OvavelParams().override({**layers, **present_names(OvavelParams, values or {})})
