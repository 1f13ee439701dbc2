"""Decoders of thresholds and of change-point boxes, and the confidence of events, in plain Python, one video at a time:
what the kernels mirror."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bundle import ScoreBundle
from .events import TRACKS
from .params.steps import ScoredParams, SebbParams, ThresholdParams
from .reference import runs_of
from .reference_filters import median_filtered


def mean_confidence(bundle: ScoreBundle, video: int, track: str, label: int, onset: int, offset: int) -> float:
    """The mean raw score of a label in some segments of a video (:mod:`.confidence`), 0 where nothing is finite."""
    audio, visual, fused = bundle.audio_segments, bundle.visual_segments, bundle.audio_visual_segments
    streams = []
    if audio is not None and bundle.has_audio[video] and track != "visual":
        streams.append(audio)
    if visual is not None and bundle.has_visual[video] and track != "audio":
        streams.append(visual)
    both = bundle.has_audio[video] and bundle.has_visual[video]
    if track == "audio_visual" and audio is None and visual is None and fused is not None and both:
        streams.append(fused)
    first = int(bundle.segment_starts[video])
    scores = [float(x) for s in streams for x in s[first + onset : first + offset, label]]
    finite = [x for x in scores if math.isfinite(x)]
    return float(np.add.accumulate(finite)[-1]) / len(finite) if finite else 0.0


# --- scores, median filter, hysteresis -----------------------------------------------------------------------------


def normalised(row: Sequence[float], norm: str, scale: float, bias: float) -> list[float]:
    """The scores of the competing labels of a segment (``score_norm``); no numbers where all are equal under
    ``zscore``."""
    if norm == "none":
        return list(row)
    if norm == "sigmoid":
        return [_sigmoid(scale * v + bias) for v in row]
    if len(row) < 2 or not max(row) > min(row):
        return [math.nan] * len(row)
    mean = _total(row) / len(row)
    deviation = math.sqrt(_total([(v - mean) * (v - mean) for v in row]) / (len(row) - 1))
    return [_sigmoid((v - mean) / deviation) for v in row]


def fused(audio: float, visual: float, rule: str, alpha: float) -> float:
    """The audio-visual score of a segment or clip: weighted (``score``), or the lower one (``min``)."""
    if math.isnan(audio) or math.isnan(visual):
        return math.nan
    return min(audio, visual) if rule == "min" else (1 - alpha) * visual + alpha * audio


def hysteresis(x: Sequence[float], threshold: float, low: float) -> list[bool]:
    """Runs above ``low`` in which a score is above the threshold, both strict. With ``low`` at or above the threshold:
    scores above the threshold."""
    found = [False] * len(x)
    for onset, offset in runs_of([v > min(low, threshold) for v in x]):
        found[onset:offset] = [max(x[onset:offset]) > threshold] * (offset - onset)
    return found


def tidied(decided: Sequence[bool], min_length: int, max_gap: int) -> list[bool]:
    """Decisions without runs of fewer than ``min_length`` segments, then with gaps of up to ``max_gap`` bridged."""
    kept = [(a, b) for a, b in runs_of(decided) if b - a >= min_length]
    gaps = [(b, a) for (_, b), (a, _) in pairwise(kept) if a - b <= max_gap]
    return [any(a <= t < b for a, b in (*kept, *gaps)) for t in range(len(decided))]


def _total(values: Iterable[float]) -> float:
    """A sum term by term; Python's own may round otherwise."""
    total = 0.0
    for v in values:
        total += v
    return total


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-min(max(z, -708.0), 708.0)))


# --- change points (cSEBB, arXiv 2406.04212) ----------------------------------------------------------------------

NEAR = 1e-9
"""Of a segment: times that are nearer than this are one."""

EVEN = 1e-12
"""Of the largest score: differences of the step filter up to this are rounding."""

JOIN_MARGIN, LENGTH_MARGIN = 1e-3, 1e-6
"""What the published rule adds to peaks and gaps before it compares them, and to lengths before it divides."""


class Span(NamedTuple):
    """A part of a sequence, in seconds, and the time-weighted mean, the lowest and the highest of its scores."""

    onset: float
    offset: float
    mean: float
    low: float
    high: float


def step_filter_times(segments: int, hop: float, half: float) -> list[float]:
    """Where the step filter can have an extreme: the borders of the segments, and those moved by half its length."""
    end = segments * hop
    borders = [i * hop for i in range(segments + 1)]
    every = sorted([0.0, *(t for b in borders for t in (b, b - half, b + half) if 0 < t <= end)])
    found = every[:1]
    for t in every[1:]:
        if t - found[-1] > NEAR * hop:
            found.append(t)
    return found


def score_between(x: Sequence[float], hop: float, onset: float, offset: float) -> float:
    """The integral of a step function of segments of ``hop`` seconds; it is 0 outside of them."""
    total = 0.0
    i = max(0, math.floor(onset / hop))
    while i < len(x) and i * hop < offset:
        covered = min(offset, (i + 1) * hop) - max(onset, i * hop)
        if covered > 0:
            total += x[i] * covered
        i += 1
    return total


def span_of(x: Sequence[float], hop: float, onset: float, offset: float) -> Span:
    """The scores of a part of a sequence."""
    covered = [i for i in range(len(x)) if min(offset, (i + 1) * hop) - max(onset, i * hop) > NEAR * hop]
    values = [x[i] for i in covered]
    if not values:
        return Span(onset, offset, 0.0, 0.0, 0.0)
    return Span(onset, offset, score_between(x, hop, onset, offset) / (offset - onset), min(values), max(values))


def change_point_spans(x: Sequence[float], hop: float, filter_seconds: float) -> list[Span]:
    """Gaps (at even positions) and events between the change points of T segment scores.

    Delta(t) is the mean of the half of the filter after t less that of the half before. An event begins where it stops
    to rise and ends where it stops to fall; of a plateau that is its last point. An open one ends with the sequence.
    """
    half, end = filter_seconds / 2, len(x) * hop
    times = step_filter_times(len(x), hop, half)
    delta = [(score_between(x, hop, t, t + half) - score_between(x, hop, t - half, t)) / half for t in times]
    even = EVEN * max((abs(v) for v in x), default=0.0)
    bounds, is_open = [0.0], False
    for i in range(1, len(times)):
        rises = delta[i] - delta[i - 1] > even
        rose = i > 1 and delta[i - 1] - delta[i - 2] > even
        if is_open == rises and (rose != is_open or (i == 1 and not is_open)):
            bounds.append(times[i - 1])
            is_open = not is_open
    if is_open:
        bounds.append(end)
    bounds.append(end)
    spans = [span_of(x, hop, a, b) for a, b in pairwise(bounds)]
    spans[0] = spans[0]._replace(low=0.0)
    spans[-1] = spans[-1]._replace(low=0.0)
    return spans


def change_point_boxes(
    x: Sequence[float], hop: float, filter_seconds: float, merge_abs: float, merge_rel: float
) -> list[tuple[float, float, float]]:
    """Onset, offset (seconds) and confidence of the boxes of T segment scores.

    Neighbours are joined where both stand out of the gap between them by less than ``merge_abs`` and by less than the
    factor ``merge_rel``. The confidence is the mean score of the box, gaps that were joined included.
    """
    spans = change_point_spans(x, hop, filter_seconds)
    events = spans[1::2]
    if len(events) < 2:
        return [(e.onset, e.offset, e.mean) for e in events]
    found: list[list[float]] = []
    joins = False
    for k, e in enumerate(events):
        if joins:
            found[-1][1] = e.offset
        else:
            found.append([e.onset, e.offset])
        joins = False
        if k + 1 < len(events):
            low = spans[2 * k + 2].low + JOIN_MARGIN
            peaks = [near.high + JOIN_MARGIN for near in (e, events[k + 1])]
            joins = all(p / low < merge_rel and p - low < merge_abs for p in peaks) if low != 0 else False
    return [(a, b, score_between(x, hop, a, b) / (b - a + LENGTH_MARGIN)) for a, b in found]


# --- a video -------------------------------------------------------------------------------------------------------

Event = tuple[int, int, int, float, float, float]
"""Label, onset, offset (segments), confidence, onset, offset (seconds)."""


def competing(labels: Sequence[str]) -> list[int]:
    """The labels that may become events: all but names of the background."""
    return [c for c, name in enumerate(labels) if name.casefold() not in ("other", "background")]


def mean_score(x: Sequence[float]) -> float:
    """The mean of the scores that are finite; 0 without any."""
    finite = [v for v in x if math.isfinite(v)]
    return _total(finite) / len(finite) if finite else 0.0


def video_scores(bundle: ScoreBundle, params: ScoredParams, video: int, track: str) -> NDArray[np.float64] | None:
    """The scores (T, K) of the competing labels in the segments of a track; None without the streams that it needs."""
    rows = slice(*bundle.segment_starts[video : video + 2].tolist())
    has = {"audio": bundle.has_audio[video], "visual": bundle.has_visual[video]}
    if not all(has[t] for t in has if track in (t, "audio_visual")):
        return None
    if track == "audio_visual" and params.fusion != "given":
        both = [video_scores(bundle, params, video, t) for t in ("audio", "visual")]
        return _fused(both[0], both[1], params)
    array = getattr(bundle, f"{track}_segments")[rows]
    return _normalised_rows(bundle, params, array)


def clip_scores(bundle: ScoreBundle, params: ScoredParams, video: int, track: str) -> NDArray[np.float64]:
    """The scores (K,) of the competing labels in the whole clip, those of several rows averaged."""
    if track == "audio_visual":
        both = [clip_scores(bundle, params, video, t)[None] for t in ("audio", "visual")]
        return _fused(both[0], both[1], params).ravel()
    raw = np.atleast_2d(np.asarray(getattr(bundle, f"{track}_clip"))[video])
    rows = _normalised_rows(bundle, params, raw)
    return np.array([_total(column) / len(rows) for column in rows.T])


def _normalised_rows(bundle: ScoreBundle, params: ScoredParams, array: NDArray[Any]) -> NDArray[np.float64]:
    labels = competing(bundle.labels)
    norm = "none" if bundle.kind == "probability" else params.score_norm
    values = [
        normalised([float(row[c]) for c in labels], norm, params.sigmoid_scale, params.sigmoid_bias) for row in array
    ]
    return np.array(values, np.float64).reshape(len(array), len(labels))


def _fused(audio: Any, visual: Any, params: ScoredParams) -> NDArray[np.float64]:
    rule = "min" if params.fusion == "min" else "score"
    pairs = zip(audio.ravel().tolist(), visual.ravel().tolist(), strict=True)
    found = np.array([fused(a, v, rule, params.alpha) for a, v in pairs], np.float64)
    return found.reshape(np.shape(audio))


def as_scores(bundle: ScoreBundle, params: ScoredParams, threshold: float) -> float:
    """A threshold as scores have it: float32 where these are taken as they are, so that 0.6 is not above 0.6. That of
    boxes, whose confidence is a mean, is left as it is."""
    raw = bundle.kind == "probability" or params.score_norm == "none"
    return float(np.float32(threshold)) if raw and isinstance(params, ThresholdParams) else threshold


def thresholds_of(bundle: ScoreBundle, params: ScoredParams) -> list[float]:
    """The threshold of each label."""
    own: Any = json.loads(params.label_thresholds) if params.label_thresholds else {}
    if isinstance(own, dict):
        own = [own.get(label, params.threshold) for label in bundle.labels]
    return [as_scores(bundle, params, float(threshold)) for threshold in own]


def decided_segments(
    bundle: ScoreBundle, params: ThresholdParams, video: int, track: str, scores: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which segments (T, K) of a track are events, from its scores."""
    if track == "audio_visual" and params.fusion == "late":
        both = [(t, video_scores(bundle, params, video, t)) for t in ("audio", "visual")]
        first, second = (decided_segments(bundle, params, video, t, x) for t, x in both if x is not None)
        return first & second
    found = np.zeros(scores.shape, np.bool_)
    tau = thresholds_of(bundle, params)
    kept = clip_scores(bundle, params, video, track) > params.tau_f if params.select_classes else None
    for j, c in enumerate(competing(bundle.labels)):
        if kept is not None and not kept[j]:
            continue
        y = scores[:, j].tolist()
        if params.median > 1:
            y = median_filtered(y, params.median, params.median_edge)
        low = as_scores(bundle, params, params.hysteresis_low) if params.hysteresis else tau[c]
        decided = hysteresis(y, tau[c], low)
        found[:, j] = tidied(decided, params.min_length, params.max_gap)
    return found


def track_events(bundle: ScoreBundle, params: ScoredParams, video: int, track: str) -> list[Event]:
    """The events of a track, the most confident first; equals by label, then onset."""
    scores = video_scores(bundle, params, video, track)
    if scores is None or not len(scores):
        return []
    hop, tau = bundle.segment_seconds, thresholds_of(bundle, params)
    found: list[Event] = []
    if isinstance(params, ThresholdParams):
        decided = decided_segments(bundle, params, video, track, scores)
        for j, c in enumerate(competing(bundle.labels)):
            for a, b in runs_of(decided[:, j]):
                found.append((c, a, b, mean_score(scores[a:b, j].tolist()), a * hop, b * hop))
    elif isinstance(params, SebbParams):
        kept = clip_scores(bundle, params, video, track) > params.tau_f if params.select_classes else None
        for j, c in enumerate(competing(bundle.labels)):
            if kept is not None and not kept[j]:
                continue
            x = [v if math.isfinite(v) else 0.0 for v in scores[:, j].tolist()]
            boxes = change_point_boxes(x, hop, params.filter_seconds, params.merge_abs, params.merge_rel)
            for onset, offset, confidence in boxes:
                if confidence > tau[c] and onset < offset:
                    found.append((c, *segments_of(onset, offset, hop, len(x)), confidence, onset, offset))
    return sorted(found, key=lambda e: -e[3])


def segments_of(onset: float, offset: float, hop: float, segments: int) -> tuple[int, int]:
    """The segments whose middle lies in a box; of a box without one, the segment that its own middle lies in."""
    inside = [t for t in range(segments) if math.ceil(onset / hop - 0.5) <= t < math.ceil(offset / hop - 0.5)]
    if inside:
        return inside[0], inside[-1] + 1
    t = min(max(math.floor((onset + offset) / 2 / hop), 0), segments - 1)
    return t, t + 1


def video_events(bundle: ScoreBundle, params: ScoredParams, video: int) -> list[list[Event]]:
    """The events of the three tracks of a video."""
    return [track_events(bundle, params, video, track) for track in TRACKS]
