"""Why a label is, or is not, an event: the stages of each of the package's decoders, from their plain reference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..params.av2a import Params
from ..params.ovavel import OvavelParams
from ..reference import Stages, is_valid, ovavel_labels, refined, rounded, runs_of, segment_scores, track_stages
from .base import Stage


def av2a_stages(
    bundle: ScoreBundle, params: Params, video: int, track: str, label: int, onset: int, offset: int
) -> list[Stage]:
    """AV²A's stages: stream, selection (Eq. 5), thresholds (Eq. 6-8), candidates, refinement (Eq. 9); or late fusion.

    Raises: DataError for scores that the setting needs and that are missing.
    """
    stages = track_stages(bundle, params, video, track)
    if stages.parts:
        return _late_fusion(stages, bundle, label, onset, offset)
    return _track(stages, bundle, params, video, track, label, onset, offset)


def _track(
    s: Stages, bundle: ScoreBundle, params: Params, video: int, track: str, label: int, onset: int, offset: int
) -> list[Stage]:
    missing = [
        stream
        for stream, present in (("sound", bundle.has_audio[video]), ("pictures", bundle.has_visual[video]))
        if not present and track in ({"sound": "audio", "pictures": "visual"}[stream], "audio_visual")
    ]
    if missing:
        return [Stage("stream", False, f"the video has no {' and no '.join(missing)}")]
    steps = []
    if params.select_classes:
        score, tau_f = float(s.clip_scores[label]), float(rounded(params.tau_f, params))
        passed = score > tau_f
        steps.append(
            Stage("selection", passed, f"clip score {score:.4f}, {_side(passed)} tau_f {tau_f:g}", {"score": score})
        )
        if not passed:
            return steps
    if s.P.size == 0:
        return [*steps, Stage("segments", False, "the video has no segments")]
    j = int(np.flatnonzero(s.labels == label)[0])
    P, tau, Y, kept = s.P[:, j], s.tau[:, j], s.Y[:, j], s.kept[:, j]
    inside = Y[onset:offset]
    if params.median > 1:
        steps.append(_median(bundle, params, s, video, track, j, onset, offset))
    own = [(i, a, b) for i, (k, a, b) in enumerate(s.candidates) if k == j and a < offset and b > onset]
    text = f"{int(inside.sum())} of {offset - onset} segments are above their threshold"
    nearest = _nearest(P[onset:offset] - tau[onset:offset])
    if not inside.any() and nearest is not None:
        t = onset + nearest
        text += f"; the nearest is segment {t}: score {P[t]:.4f}, threshold {tau[t]:.4f}"
    elif offset - onset == 1:
        text += f": score {P[onset]:.4f}, threshold {tau[onset]:.4f}"
    drawn_in = kept[onset:offset].any()
    if not inside.any() and own and not drawn_in:
        text += "; they lie in a gap that is bridged"
    values = {"scores": _floats(P[onset:offset]), "thresholds": _floats(tau[onset:offset])}
    steps.append(Stage("thresholds", bool(drawn_in or own), text, values))
    if params.hysteresis_drop > 0:
        steps.append(_hysteresis(params, P, tau, Y, kept, onset, offset, bool(own)))
    if not drawn_in and not own:
        return steps
    steps.append(Stage("candidates", bool(own), _candidates_text(params, kept, own, onset, offset)))
    if not own:
        return steps
    steps.append(_refinement(s, params, j, own))
    return steps


def _median(
    bundle: ScoreBundle, params: Params, s: Stages, video: int, track: str, j: int, onset: int, offset: int
) -> Stage:
    """What the median filter made of the scores between two segments."""
    raw = segment_scores(bundle, params, video, track, s.labels)[onset:offset, j]
    highest, before = (max((v for v in x.tolist() if v == v), default=math.nan) for x in (s.P[onset:offset, j], raw))
    text = f"the median of {params.median} segments is at most {highest:.4f} there, the score {before:.4f}"
    return Stage("median filter", True, text, {"scores": _floats(raw)})


def _hysteresis(
    params: Params, P: NDArray[np.float64], tau: NDArray[np.float64], Y: NDArray[np.bool_], kept: NDArray[np.bool_],
    onset: int, offset: int, bridged: bool,
) -> Stage:  # fmt: skip
    """Which runs above the lower threshold are kept, and why others are not."""
    with np.errstate(invalid="ignore"):
        low = runs_of(tau - params.hysteresis_drop < P)
    here = [(a, b) for a, b in low if a < offset and b > onset]
    reached = [(a, b) for a, b in here if Y[a:b].any()]
    rule = f"hysteresis_drop {params.hysteresis_drop:g} below the threshold"
    if reached:
        text = f"the runs {spans_text(reached)} above {rule} are kept whole"
    elif here:
        text = f"no segment of {spans_text(here)}, which is above {rule}, is above the threshold"
    else:
        text = f"no segment is above {rule}"
    return Stage("hysteresis", bool(kept[onset:offset].any() or bridged), text)


def _candidates_text(
    params: Params, Y: NDArray[np.bool_], own: Sequence[tuple[int, int, int]], onset: int, offset: int
) -> str:
    """Which candidates there are, and the gaps that they bridge; or which runs are too short."""
    if not own:
        lengths = ", ".join(str(b - a) for a, b in runs_of(Y) if a < offset and b > onset)
        return f"runs of {lengths} segments are shorter than min_length {params.min_length}"
    text = f"candidates {spans_text([(a, b) for _, a, b in own])}"
    gaps = [(a + x, a + y) for _, a, b in own for x, y in runs_of(~Y[a:b])]
    return f"{text}, bridged over {spans_text(gaps)} (max_gap {params.max_gap})" if gaps else text


def _refinement(s: Stages, params: Params, j: int, own: Sequence[tuple[int, int, int]]) -> Stage:
    if not refined(params, s.candidates):
        why = "refine is false" if not params.refine else "the only candidate of a track is kept unchecked"
        return Stage("refinement", True, why)
    kept = {(c, a, b) for c, a, b, _ in s.events}
    parts, passed = [], False
    for i, a, b in own:
        P = s.P_windows[i]
        score = float(P[j])
        valid = is_valid(params, j, P)
        event = (int(s.labels[j]), a, b) in kept
        passed = passed or event
        rule = "the best of its window" if params.refine_rule == "argmax" else f"above tau_r {params.tau_r:g}"
        verdict = (
            rule if valid else f"not {rule}" + (", kept as the best of a track without a valid one" if event else "")
        )
        parts.append(f"window [{a}, {b}) scores {score:.4f}, {verdict}")
    return Stage("refinement", passed, "; ".join(parts), {"scores": tuple(float(s.P_windows[i][j]) for i, _, _ in own)})


def _late_fusion(s: Stages, bundle: ScoreBundle, label: int, onset: int, offset: int) -> list[Stage]:
    steps = []
    for part in s.parts:
        spans = [(a, b) for c, a, b, _ in part.events if c == label and a < offset and b > onset]
        text = (
            f"{part.track} events {spans_text(spans)}"
            if spans
            else f"there is no {part.track} event of this label there"
        )
        steps.append(Stage(part.track, bool(spans), text))
    spans = [(a, b) for c, a, b, _ in s.events if c == label and a < offset and b > onset]
    text = f"both overlap in {spans_text(spans)}" if spans else "audio and visual events do not overlap"
    return [*steps, Stage("late fusion", bool(spans), text)]


def ovavel_stages(
    bundle: ScoreBundle, params: OvavelParams, video: int, track: str, label: int, onset: int, offset: int
) -> list[Stage]:
    """OV-AVEL's stages: streams, and the label that decides in each segment.

    Raises: DataError for scores that the setting needs and that are missing.
    """
    if track != "audio_visual":
        return [Stage("track", False, "the ovavel decoder gives audio-visual events only")]
    if not (bundle.has_audio[video] and bundle.has_visual[video]):
        lacking = "sound" if not bundle.has_audio[video] else "pictures"
        return [Stage("stream", False, f"the video has no {lacking}, so that nothing can agree")]
    if not bundle.segments_per_video[video]:
        return [Stage("segments", False, "the video has no segments")]
    return _agreement(bundle, params, video, label, onset, offset)


def _agreement(
    bundle: ScoreBundle, params: OvavelParams, video: int, label: int, onset: int, offset: int
) -> list[Stage]:
    rows = slice(*bundle.segment_starts[video : video + 2].tolist())
    length = int(bundle.segments_per_video[video])

    def scores(array: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return np.zeros((length, bundle.num_labels), np.float32) if array is None else array[rows]

    decided = ovavel_labels(
        scores(bundle.audio_segments), scores(bundle.visual_segments), scores(bundle.audio_visual_segments),
        bundle.labels, params,
    )  # fmt: skip
    won = [t for t in range(onset, offset) if decided[t] == label]
    others = sorted({bundle.labels[c] if c is not None else "background" for c in decided[onset:offset]})
    rule = f"fused score, fusion={params.fusion}" if params.strategy == "fused_argmax" else params.strategy
    if params.median > 1:
        rule += f", of medians of {params.median} segments"
    if params.min_length > 1 or params.max_gap > 0:
        rule += f", with min_length {params.min_length} and max_gap {params.max_gap}"
    text = f"{len(won)} of {offset - onset} segments are of this label by {rule}"
    if not won:
        text += f"; they are of {', '.join(others)}"
    return [Stage("decision", bool(won), text, {"segments": tuple(float(t) for t in won)})]


def _side(passed: bool) -> str:
    return "above" if passed else "not above"


def _nearest(gap: NDArray[np.float64]) -> int | None:
    """Index of the value nearest to zero from below, None where all are NaN."""
    return None if np.isnan(gap).all() else int(np.nanargmax(gap))


def spans_text(spans: Sequence[tuple[int, int]]) -> str:
    """Half-open spans of segments, as texts have them."""
    return ", ".join(f"[{a}, {b})" for a, b in spans)


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(math.nan if np.isnan(v) else float(v) for v in values)
