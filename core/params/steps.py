"""The options of the decoders that compare segment scores with thresholds, and of change-point boxes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from .options import Need, OptionSet, option, option_set

EDGES = ("zeros", "reflect", "minus_inf", "nearest", "mirror", "wrap")
"""What a median filter sees beyond the ends of a video."""

WIDEST = 100_000
"""Segments of the window of a median filter."""


def _label_thresholds(value: Any) -> str:
    """Thresholds of labels as JSON text, in the order of the names; empty for none. Raises: ValueError."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return ""
        value = json.loads(text) if text[0] in "[{" else [text]
    if isinstance(value, Mapping):
        return json.dumps({str(name): _number(value[name]) for name in sorted(value)}, ensure_ascii=False)
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    if not value:
        return ""
    if not all(isinstance(one, str) for one in value):
        return json.dumps([_number(one) for one in value])
    named = [str(one).rpartition("=") for one in value]
    found = {name.strip(): _number(float(number)) for name, _, number in named}
    if len(found) < len(named) or "" in found:
        raise ValueError(value)
    return _label_thresholds(found)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


_BOTH = tuple(
    Need((array,), tracks, when)
    for array, own in (("audio_segments", "audio"), ("visual_segments", "visual"))
    for tracks, when in (((own,), {}), (("audio_visual",), {"fusion": ("score", "min", "late")}))
)


def check_median(median: int) -> None:
    """Raises: UsageError for a window of more than :data:`WIDEST` segments."""
    if median > WIDEST:
        raise UsageError(f"median is {median}; a window has at most {WIDEST} segments")


@option_set
class ScoredParams(OptionSet):
    """Which segment scores are compared with which thresholds: what decoders of thresholds and of boxes share.

    Raises
    ------
    UsageError
        a value that an option does not take, naming the option and what it takes
    """

    threshold: float = option(0.75, "an event needs a score above it")
    label_thresholds: str = option(
        "",
        "thresholds of single labels in place of `threshold`: in a file a list of texts `label=number`, or of a number "
        "for each label of the store in order; with --set the same as JSON",
        parse=_label_thresholds,
        expects="a list of texts `label=number` or of numbers, or JSON of such a list or of an object",
    )
    score_norm: str = option(
        "zscore",
        "scores from similarities: z-score over the labels (divisor C - 1) then sigmoid, plain sigmoid with scale and "
        "bias, or as they are; probabilities are always taken as they are",
        choices=("zscore", "sigmoid", "none"),
    )
    sigmoid_scale: float = option(1.0, "scale of the plain sigmoid")
    sigmoid_bias: float = option(0.0, "bias of the plain sigmoid")
    fusion: str = option(
        "score",
        "audio-visual score of a segment: audio and visual weighted by alpha, or the lower of the two",
        choices=("score", "min"),
        needs=_BOTH,
    )
    alpha: float = option(0.5, "fusion=score: weight of audio in the audio-visual score", low=0, high=1)
    select_classes: bool = option(
        False,
        "leave out labels whose score of the whole clip is not above tau_f",
        needs=tuple(
            Need((array,), (own, "audio_visual"), {"select_classes": (True,)})
            for array, own in (("audio_clip", "audio"), ("visual_clip", "visual"))
        ),
    )
    tau_f: float = option(0.5, "class selection: the score that the whole clip needs")


@option_set
class ThresholdParams(ScoredParams):
    """One setting of the decoders of thresholds.

    The steps, in this order, for each label of a track: median filter of the scores, threshold or hysteresis, short
    runs dropped, short gaps bridged.

    Raises: as :class:`ScoredParams`.
    """

    fusion: str = option(
        "score",
        "audio-visual events: of audio and visual scores weighted by alpha, of the lower of the two, `late`: segments "
        "that the audio and the visual track both decide, or `given`: of the model's own scores "
        "(audio_visual_segments)",
        choices=("score", "min", "late", "given"),
        needs=(*_BOTH, Need(("audio_visual_segments",), ("audio_visual",), {"fusion": ("given",)})),
    )
    hysteresis: bool = option(
        False, "keep the whole run above `hysteresis_low` of a label that is above its threshold in some segment of it"
    )
    hysteresis_low: float = option(
        0.5, "hysteresis: the lower threshold; one above the threshold is taken for it, which is no hysteresis"
    )
    median: int = option(1, "window of the median filter in segments; 1: none", low=1)
    median_edge: str = option(
        "reflect",
        "what the median filter sees beyond the ends: zeros (scipy.signal), reflect (scipy.ndimage), minus_inf "
        "(sed_scores_eval), nearest, mirror, wrap",
        choices=EDGES,
    )
    min_length: int = option(1, "drop runs of fewer segments, before bridging", low=1)
    max_gap: int = option(0, "bridge gaps of up to this many segments", low=0)


@option_set
class HysteresisParams(ThresholdParams):
    """:class:`ThresholdParams` with hysteresis.

    Raises: as :class:`ScoredParams`.
    """

    hysteresis: bool = option(True, ThresholdParams.__dataclass_fields__["hysteresis"].metadata["help"])


@option_set
class MedianParams(ThresholdParams):
    """:class:`ThresholdParams` with a median filter.

    Raises: as :class:`ScoredParams`.
    """

    median: int = option(3, ThresholdParams.__dataclass_fields__["median"].metadata["help"], low=1)


@option_set
class SebbParams(ScoredParams):
    """One setting of change-point boxes (cSEBB). Defaults are those of its class, over segments of any length.

    Raises: as :class:`ScoredParams`.
    """

    fusion: str = option(
        "score",
        "audio-visual boxes: of audio and visual scores weighted by alpha, of the lower of the two, or `given`: of the "
        "model's own scores (audio_visual_segments)",
        choices=("score", "min", "given"),
        needs=(*_BOTH, Need(("audio_visual_segments",), ("audio_visual",), {"fusion": ("given",)})),
    )
    filter_seconds: float = option(0.5, "length of the step filter in seconds", low=1e-3)
    merge_abs: float = option(
        1.0, "join boxes whose peaks are higher than the gap between them by less; 1e9: whatever the difference", low=0
    )
    merge_rel: float = option(
        2.0, "join boxes whose peaks are higher than the gap between them by a lower factor; 1e9: whatever it is", low=0
    )


THRESHOLD_SPACE = ("threshold=0:1", "alpha=0:1", "hysteresis=false,true", "hysteresis_low=0:1", "median=1,3,5,7")
HYSTERESIS_SPACE = ("threshold=0:1", "alpha=0:1", "hysteresis_low=0:1")
MEDIAN_SPACE = ("threshold=0:1", "alpha=0:1", "median=1,3,5,7,9")
SEBB_SPACE = ("threshold=0:1", "alpha=0:1", "filter_seconds=0.25:4", "merge_abs=0:1", "merge_rel=1:4")
"""What a search changes of each decoder where nothing is given; scores that are no probabilities need other ranges."""

SEBB_TUNER = ("filter_seconds=0.32,0.48,0.64", "merge_abs=0.15,0.2,0.3", "merge_rel=1.5,2,3")
"""What the published tuner tries; it tries one of the two ways of joining at a time, with the other without a bound."""

OFF = 1e9
"""Of ``merge_abs`` or ``merge_rel``: a bound that nothing reaches."""

STEPS_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # the static thresholds of weakly supervised models' released evaluations
    "threshold": {
        "static_mgn_ma": {"threshold": 0.5},
        "static_jomold": {"threshold": 0.5},
        "static_cmpae": {"threshold": 0.25},
    },
    # double thresholding of weakly supervised sound event detection (Dinkel et al., 2021)
    "hysteresis": {"double_threshold": {"threshold": 0.75, "hysteresis_low": 0.2}},
    "median": {
        "scipy_signal": {"median_edge": "zeros"},
        "scipy_ndimage": {"median_edge": "reflect"},
        "sed_scores_eval": {"median_edge": "minus_inf"},
    },
    "sebb": {
        "csebb": {"filter_seconds": 0.5, "merge_abs": 1.0, "merge_rel": 2.0},
        "csebb_abs": {"filter_seconds": 0.48, "merge_abs": 0.2, "merge_rel": OFF},
        "csebb_rel": {"filter_seconds": 0.48, "merge_abs": OFF, "merge_rel": 2.0},
    },
}
