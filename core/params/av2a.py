"""The parameters of replay: five numbers of the paper's Table 1, the method, and one option for each difference
between the paper's equations and the released code. Presets and profiles are bundles of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..arguments import typed_arguments
from ..errors import UsageError
from .options import (
    Column,
    Need,
    Option,
    OptionSet,
    list_options,
    option_set,
    present_names,
    preset_and_profile,
    quirk_profiles,
)
from .options import option as _option
from .presets import PRESETS
from .steps import EDGES, check_median

_AUDIO, _VISUAL = ("audio", "audio_visual"), ("visual", "audio_visual")
"""The tracks that use the scores of a modality."""

_COSINE = ("cosine", "label_shift_cosine")
_LABEL_SHIFT = ("label_shift", "label_shift_cosine")

ONLY_DECIDED = _LABEL_SHIFT
"""Methods that, but for their cosine factor, move a threshold only after a decision for its label, by the ratio."""

NEVER_NEGATIVE = ("ridge",)
"""Ratios that are not negative where all segments have the same scores.

With both, and without the cosine factor, the thresholds of a track of equal segments only fall, and only those of
labels that are decided for: the decisions of its first segment are those of all, and the kernel computes no threshold
(the audio track of the release). A new method or ratio that keeps to this may be listed; one that does not is slower
and right.
"""


def _number(name: str, *, rounded: bool = False, scores: bool = False) -> Column:
    return Column(name, kind="float", rounded=rounded, scores=scores)


def _flag(name: str, *values: str, scores: bool = False) -> Column:
    """1 for any of some values of the option."""
    return Column(name, lambda value: value in values, scores=scores)


def _needs_rows(
    track: str,
    arrays: tuple[str, ...],
    when: Mapping[str, tuple[Any, ...]],
    unless: Mapping[str, tuple[Any, ...]],
    because: str = "",
    windows: Callable[[Any, int], Iterable[tuple[int, int]]] | None = None,
) -> tuple[Need, ...]:
    """Segment scores of a modality: for its own track, and for the audio-visual one unless its scores are given."""
    late, fused = {"fusion": ("late",)}, {"fusion": ("score",), "av_scores": ("fused",)}
    return (
        Need(arrays, (track,), when, unless, because, windows),
        *(Need(arrays, ("audio_visual",), {**when, **other}, unless, because, windows) for other in (late, fused)),
    )


def _candidate_windows(params: Any, segments: int) -> Iterator[tuple[int, int]]:
    """Every window that a candidate may have: refinement asks for those of the candidates that it finds."""
    for start in range(segments):
        for end in range(start + params.min_length, segments + 1):
            yield start, end


def _chunk_windows(params: Any, segments: int) -> Iterator[tuple[int, int]]:
    """The chunks of segments that share their audio scores."""
    size = int(params.audio_scores)
    for start in range(0, segments, size):
        yield start, min(start + size, segments)


def _audio_scores(value: Any) -> str:
    text = str(value)
    if text not in ("clip", "segment") and not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise ValueError(text)
    return "segment" if text == "1" else text


def _chunk(audio_scores: str) -> int:
    """How many segments share their audio scores; 0: all."""
    return {"clip": 0, "segment": 1}[audio_scores] if audio_scores in ("clip", "segment") else int(audio_scores)


@option_set
class Params(OptionSet):
    """One setting of AV²A. Defaults are LanguageBind's column of Table 1 under the ``release`` profile.

    Raises
    ------
    UsageError
        an unknown choice, a wrong type or a number outside its range, naming the option and what it takes.
    """

    alpha: float = _option(
        0.5,
        "weight of audio in the audio-visual score (Eq. 3, 4)",
        low=0,
        high=1,
        columns=(_number("alpha", rounded=True), Column("beta", lambda alpha: 1.0 - alpha, "float", rounded=True)),
    )
    tau0: float = _option(
        0.75,
        "threshold of the first segment (paper: tau^0)",
        low=0,
        high=1,
        columns=(_number("tau0"),),
    )
    tau_f: float = _option(
        0.55,
        "class selection: keep labels whose clip score is above it (Eq. 5)",
        low=0,
        high=1,
        columns=(_number("tau_f", rounded=True),),
    )
    tau_r: float = _option(
        0.75,
        "refinement: accept candidates whose window score is above it",
        low=0,
        high=1,
        columns=(_number("tau_r", rounded=True),),
    )
    decay: float = _option(
        2.5,
        "decay constant of the threshold updates (paper: lambda, Eq. 8)",
        low=0,
        columns=(_number("decay"),),
    )
    method: str = _option(
        "label_shift_cosine",
        "how thresholds move: not at all, by the label-shift ratio, by the cosine, by both, by the decay alone",
        choices=("naive", "label_shift", "cosine", "label_shift_cosine", "decay_only"),
        needs=(
            Need(("visual_cosine",), _VISUAL, {"method": _COSINE}),
            Need(("visual_cosine",), ("audio",), {"method": _COSINE, "cosine_audio": (True,)}),
        ),
        columns=(
            Column("moving", lambda method: method != "naive"),
            _flag("label_shift", *_LABEL_SHIFT),
            _flag("cosine", *_COSINE),
            _flag("only_decided", *ONLY_DECIDED),
        ),
    )
    fusion: str = _option(
        "score",
        "audio-visual events: from fused scores, or late: where final audio and visual events agree",
        choices=("score", "late"),
        columns=(_flag("late", "late"),),
    )
    select_classes: bool = _option(
        True,
        "select classes on clip scores before anything else (Eq. 5)",
        needs=(
            Need(("audio_clip",), _AUDIO, {"select_classes": (True,)}),
            Need(("visual_clip",), _VISUAL, {"select_classes": (True,)}),
        ),
        columns=(Column("select"),),
    )
    refine: bool = _option(
        True,
        "check candidates on their own window (Eq. 9)",
        needs=(
            Need(
                ("window_audio", "audio_segments", "audio_clip"),
                _AUDIO,
                {"refine": (True,)},
                windows=_candidate_windows,
            ),
            Need(
                ("visual_segments", "window_visual"),
                _VISUAL,
                {"refine": (True,)},
                because="refine=true without window_visual",
                windows=_candidate_windows,
            ),
        ),
        columns=(Column("refine"),),
    )
    refine_rule: str = _option(
        "threshold",
        "a candidate passes above tau_r, or (the release on AVE) as the best label of its window",
        choices=("threshold", "argmax"),
        paper="threshold",
        release_by_preset=True,
        columns=(_flag("argmax", "argmax"),),
    )
    audio_scores: str = _option(
        "clip",
        "audio scores of a segment: `clip` (the clip's row repeated), `segment` (its own row), or a number n of "
        "segments (chunks of n, each repeated; the code of early 2025 used 2)",
        paper="segment",
        release_by_preset=True,
        parse=_audio_scores,
        expects="clip, segment or a number of segments",
        needs=(
            *_needs_rows("audio", ("audio_clip",), {"audio_scores": ("clip",)}, {}),
            *_needs_rows("audio", ("audio_segments",), {"audio_scores": ("segment",)}, {}),
            *_needs_rows(
                "audio",
                ("audio_segments", "window_audio"),
                {},
                {"audio_scores": ("clip", "segment")},
                windows=_chunk_windows,
            ),
        ),
        columns=(Column("audio_chunk", _chunk),),
    )
    av_scores: str = _option(
        "fused",
        "audio-visual segment scores: alpha-fused, or `given` (the model's own array audio_visual_segments)",
        choices=("fused", "given"),
        needs=(
            *_needs_rows("visual", ("visual_segments",), {}, {}, because="the visual or audio_visual track"),
            Need(("audio_visual_segments",), ("audio_visual",), {"av_scores": ("given",), "fusion": ("score",)}),
        ),
        columns=(_flag("av_given", "given"),),
    )
    ratio: str = _option(
        "ridge",
        "label-shift ratio (Eq. 7): ridge solution, or the inverse (Moore-Penrose where singular)",
        choices=("ridge", "pinv"),
        paper="pinv",
        columns=(_flag("pinv", "pinv"), _flag("never_negative", *NEVER_NEGATIVE)),
    )
    ratio_times_score: bool = _option(
        True,
        "multiply the label-shift ratio by the segment's scores",
        paper=False,
        columns=(Column("times_score"),),
    )
    ridge_weight: float = _option(
        1.0,
        "weight of the ridge in the label-shift ratio; above 0",
        low=0,
        columns=(_number("ridge"),),
    )
    pinv_cutoff: float = _option(
        1e-12,
        "singular values below this share of the largest count as zero in the inverse",
        low=0,
        high=1,
        columns=(_number("pinv_cutoff"),),
    )
    cosine_audio: bool = _option(
        False,
        "use the visual cosine factor in the audio track too",
        paper=True,
        columns=(Column("cosine_audio"),),
    )
    cosine_clip: bool = _option(
        False,
        "clip the cosine factor to [0, 1] (the code of early 2025)",
        columns=(Column("cosine_clip"),),
    )
    min_length: int = _option(
        2,
        "drop runs of active segments shorter than this, before bridging",
        low=1,
        paper=1,
        release_by_preset=True,
        columns=(Column("min_length"),),
    )
    max_gap: int = _option(
        1,
        "bridge gaps of up to this many inactive segments",
        low=0,
        paper=0,
        release_by_preset=True,
        columns=(Column("max_gap"),),
    )
    median: int = _option(
        1,
        "window in segments of a median filter of each label's scores, before anything is compared with a threshold; "
        "1: none",
        low=1,
        columns=(Column("median"),),
        later=True,
    )
    median_edge: str = _option(
        "reflect",
        "what the median filter sees beyond the ends: zeros (scipy.signal), reflect (scipy.ndimage), minus_inf "
        "(sed_scores_eval), nearest, mirror, wrap",
        choices=EDGES,
        columns=(Column("median_edge", EDGES.index),),
        later=True,
    )
    hysteresis_drop: float = _option(
        0.0,
        "keep the whole run above the moving threshold less this of a label that is above the threshold in some "
        "segment of it; 0: no hysteresis",
        low=0,
        high=1,
        columns=(_number("hysteresis_drop"),),
        later=True,
    )
    lone_candidate: str = _option(
        "keep",
        "a track's only candidate: kept unchecked, or checked like any other",
        choices=("keep", "check"),
        paper="check",
        columns=(_flag("check_lone", "check"),),
    )
    all_rejected: str = _option(
        "keep_best",
        "when refinement rejects every candidate of a track: keep the best one, or none",
        choices=("keep_best", "keep_none"),
        paper="keep_none",
        columns=(_flag("keep_best", "keep_best"),),
    )
    score_norm: str = _option(
        "active",
        "scores from similarities: z-score over the active labels then sigmoid, z-score over all labels then "
        "sigmoid, or plain sigmoid with scale and bias",
        choices=("active", "all", "sigmoid"),
        columns=(Column("norm", ("active", "all", "sigmoid").index, scores=True),),
    )
    sigmoid_scale: float = _option(
        1.0,
        "scale of the plain sigmoid",
        columns=(_number("scale", scores=True),),
    )
    sigmoid_bias: float = _option(
        0.0,
        "bias of the plain sigmoid",
        columns=(_number("bias", scores=True),),
    )
    single_label: str = _option(
        "none",
        "with one active label, whose z-score does not exist: predict nothing, or score over all labels",
        choices=("none", "score_all"),
        paper="score_all",
        aliases=("few_labels",),
        value_aliases={"silent": "none"},
        columns=(_flag("score_all_if_single", "score_all"),),
    )
    flat_scores: str = _option(
        "nan",
        "similarities equal for all labels (no z-score): NaN, which silences the track from there on, or 0.5",
        choices=("nan", "half"),
        paper="half",
        columns=(_flag("flat_half", "half", scores=True),),
    )
    precision: str = _option(
        "float32",
        "scores and their comparison with tau_f and tau_r",
        choices=("float32", "float64"),
        paper="float64",
        columns=(_flag("single", "float32", scores=True),),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_median(self.median)
        if self.ratio == "ridge" and self.ridge_weight == 0:
            raise UsageError("ridge_weight is 0, which leaves the system singular; use ratio=pinv instead")


AV2A_STEPS_SPACE = ("median=1,3,5,7", "hysteresis_drop=0:0.5")
"""Ranges for a search of the steps that are off by default; to be added to the space of Table 1."""

PROFILES: dict[str, dict[str, Any]] = quirk_profiles(Params)
"""``release``: what the authors' last commit computes; ``paper``: what the equations say."""


def options() -> list[Option]:
    """Every option of :class:`Params`, in order, for help texts and the quirk table."""
    return list_options(Params)


@typed_arguments
def make_params(
    preset: str | None = None, profile: str | None = None, values: Mapping[str, Any] | None = None
) -> Params:
    """Params from layers: defaults, then preset, then profile, then single values; later wins.

    The profile ``release`` leaves what a preset says of ``refine_rule``, ``audio_scores``, ``min_length`` and
    ``max_gap``: the rule on that dataset, and those of models that the release does not hold.
    """
    layers = preset_and_profile(Params, preset, PRESETS, profile, PROFILES)
    return Params().override({**layers, **present_names(Params, values or {})})
