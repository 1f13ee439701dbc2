"""The parameters of the two-state Viterbi decoder."""

from __future__ import annotations

from typing import Any

from .options import Need, OptionSet, option, option_set

_BOTH = tuple(
    Need((array,), (own, "audio_visual"), because="the viterbi decoder")
    for array, own in (("audio_segments", "audio"), ("visual_segments", "visual"))
)


@option_set
class ViterbiParams(OptionSet):
    """One setting of the two-state decoder: costs are in nats, of the logarithm of odds.

    Raises
    ------
    UsageError
        an unknown choice or a number outside its range, naming the option and what it takes.
    """

    threshold: float = option(
        0.75,
        "the probability that speaks neither for a label nor against it",
        low=0.001,
        high=0.999,
        needs=_BOTH,
    )
    slope: float = option(
        1.0, "how much the log-odds of a segment count: the slope of their calibration", low=0.01, high=100.0
    )
    enter: float = option(1.0, "cost of a change from off to on between two segments", low=0.0)
    leave: float = option(1.0, "cost of a change from on to off between two segments", low=0.0)
    score_norm: str = option(
        "zscore",
        "probabilities from similarities: z-score over the labels (divisor C - 1) then sigmoid, or plain sigmoid with "
        "scale and bias; given probabilities are taken as they are",
        choices=("zscore", "sigmoid"),
    )
    sigmoid_scale: float = option(1.0, "scale of the plain sigmoid")
    sigmoid_bias: float = option(0.0, "bias of the plain sigmoid")
    fusion: str = option(
        "score",
        "audio-visual path: of the audio and the visual probability weighted by alpha, of the lower of the two, or "
        "`late`: where the audio and the visual path are both on",
        choices=("score", "min", "late"),
    )
    alpha: float = option(0.5, "fusion=score: weight of audio in the audio-visual probability", low=0.0, high=1.0)


VITERBI_SPACE = ("threshold=0.3:0.95", "slope=0.3:3", "enter=0:6", "leave=0:6", "alpha=0:1")
"""What a search changes where nothing is given."""

VITERBI_PRESETS: dict[str, dict[str, Any]] = {
    "no_memory": {"enter": 0.0, "leave": 0.0},
    "steady": {"enter": 2.0, "leave": 2.0},
}
"""``no_memory`` is a plain threshold on every segment, to compare with. Nobody has published values for this field."""
