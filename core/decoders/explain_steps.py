"""Why a label is, or is not, an event of the decoders of thresholds and boxes: their stages."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import reference_steps as plain
from ..bundle import ScoreBundle
from ..params.steps import ScoredParams, SebbParams, ThresholdParams
from ..reference import runs_of
from ..reference_filters import median_filtered
from .base import Stage
from .explain import spans_text


def step_stages(
    bundle: ScoreBundle, params: ScoredParams, video: int, track: str, label: int, onset: int, offset: int
) -> list[Stage]:
    """Stream, class selection, then filter and thresholds, or boxes."""
    labels = plain.competing(bundle.labels)
    if label not in labels:
        return [Stage("label", False, f"{bundle.labels[label]!r} stands for background and never is an event")]
    scores = plain.video_scores(bundle, params, video, track)
    if scores is None:
        has = (("sound", bundle.has_audio[video], "audio"), ("pictures", bundle.has_visual[video], "visual"))
        lacking = [what for what, there, own in has if not there and track in (own, "audio_visual")]
        return [Stage("stream", False, f"the video has no {' and no '.join(lacking)}")]
    if not len(scores):
        return [Stage("segments", False, "the video has no segments")]
    j, steps = labels.index(label), []
    if params.select_classes and params.fusion != "late":
        clip = float(plain.clip_scores(bundle, params, video, track)[j])
        side = "above" if clip > params.tau_f else "not above"
        steps.append(Stage("selection", clip > params.tau_f, f"clip score {clip:.4f}, {side} tau_f {params.tau_f:g}"))
        if not steps[-1].passed:
            return steps
    tau = plain.thresholds_of(bundle, params)[label]
    if isinstance(params, SebbParams):
        return [*steps, *_boxes(bundle, params, scores[:, j], tau, onset, offset)]
    assert isinstance(params, ThresholdParams)
    return [*steps, *_thresholds(bundle, params, video, track, scores, j, tau, onset, offset)]


def _thresholds(
    bundle: ScoreBundle, params: ThresholdParams, video: int, track: str, scores: Any, j: int, tau: float, onset: int,
    offset: int,
) -> list[Stage]:  # fmt: skip
    decided = plain.decided_segments(bundle, params, video, track, scores)[:, j]
    spans = [(a, b) for a, b in runs_of(decided) if a < offset and b > onset]
    if track == "audio_visual" and params.fusion == "late":
        text = (
            f"both tracks decide {spans_text(spans)}" if spans else "the audio and the visual track do not both decide"
        )
        return [Stage("late fusion", bool(spans), text)]
    steps, y, what = [], scores[:, j].tolist(), "score"
    if params.median > 1:
        filtered = median_filtered(y, params.median, params.median_edge)
        best, raw = max(filtered[onset:offset]), float(np.nanmax([*y[onset:offset], -np.inf]))
        text = f"the median of {params.median} segments is at most {best:.4f} there, the score {raw:.4f}"
        steps.append(Stage("median filter", True, text))
        y, what = filtered, "median"
    best = max((v for v in y[onset:offset] if v == v), default=float("nan"))
    text = f"the highest {what} there is {best:.4f}, the threshold {tau:g}"
    if params.hysteresis:
        low = min(plain.as_scores(bundle, params, params.hysteresis_low), tau)
        run = [(a, b) for a, b in runs_of([v > low for v in y]) if a < offset and b > onset]
        reached = [(a, b) for a, b in run if max(y[a:b]) > tau]
        text += f", the lower one {low:g}; "
        text += (
            f"above both in {spans_text(reached)}" if reached
            else f"{spans_text(run)} never passes the threshold" if run
            else "no segment is above the lower one"
        )  # fmt: skip
        passed = bool(reached)
    else:
        passed = best > tau
    values: dict[str, float | tuple[float, ...]] = {"scores": tuple(map(float, y[onset:offset])), "threshold": tau}
    steps.append(Stage("hysteresis" if params.hysteresis else "threshold", passed or bool(spans), text, values))
    if passed or spans:
        rule = f"min_length {params.min_length}, max_gap {params.max_gap}"
        said = f"events {spans_text(spans)} ({rule})" if spans else f"the runs there are too short ({rule})"
        steps.append(Stage("runs", bool(spans), said))
    return steps


def _boxes(bundle: ScoreBundle, params: SebbParams, scores: Any, tau: float, onset: int, offset: int) -> list[Stage]:
    hop = bundle.segment_seconds
    x = [v if np.isfinite(v) else 0.0 for v in scores.tolist()]
    boxes = plain.change_point_boxes(x, hop, params.filter_seconds, params.merge_abs, params.merge_rel)
    placed = [(plain.segments_of(a, b, hop, len(x)), a, b, sure) for a, b, sure in boxes if a < b]
    here = [(a, b, sure) for (first, last), a, b, sure in placed if first < offset and last > onset]
    if not here:
        return [Stage("boxes", False, "the scores rise and fall around no box there")]
    told = "; ".join(f"{a:g}–{b:g} s" for a, b, _ in here)
    steps = [Stage("boxes", True, f"change points give {told}")]
    kept = [sure > tau for _, _, sure in here]
    said = "; ".join(f"confidence {sure:.4f}" for _, _, sure in here)
    steps.append(Stage("threshold", any(kept), f"{said}, threshold {tau:g}", {"threshold": tau}))
    return steps
