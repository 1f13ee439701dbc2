"""AV²A, OV-AVEL's rules and the metrics in plain NumPy, one video at a time: what to read beside the papers.

Written for clarity, in the papers' symbols and in the order of the work. Every kernel names the function here that it
mirrors, and the tests compare the two; a decoder in plain NumPy can start from these functions, and
:func:`track_stages` returns what every stage of one (video, track) computed.

AV²A ("Adapting to the Unknown: Training-Free Audio-Visual Event Perception with Dynamic Thresholds"): P scores, alpha
the weight of audio, C-hat the selected labels, tau thresholds (tau^0 the first), Y decisions, z their number so far, M
the soft confusion matrix, w the label-shift ratio, lambda the decay constant (``decay``). The paper counts segments
from 1, arrays here from 0. Where the released code differs from the equations, an option of
:class:`avreplay.core.params.av2a.Params` decides (``docs/quirks.md``).

Labels are indices into ``bundle.labels``, C of them; T segments; k selected labels. Onset and offset of an event are
in segments, the offset exclusive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bundle import ScoreBundle
from .errors import DataError
from .events import TRACKS, check_tracks
from .params.av2a import Params
from .params.needs import require_arrays
from .params.ovavel import OvavelParams
from .reference_filters import median_filtered

Event = tuple[int, int, int, float]
"""Label, onset, offset (exclusive), score of the refinement (NaN where there was none)."""

Candidate = tuple[int, int, int]
"""Position of the label among the selected ones, onset, offset (exclusive)."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


# --- AV²A: scores ------------------------------------------------------------------------------------------------


def rounded(x: ArrayLike, params: Params) -> Floats:
    """Numbers as float32 holds them (``precision=float32``, as the released code computes), else unchanged."""
    return np.asarray(x, np.float32 if params.precision == "float32" else np.float64).astype(np.float64)


def normalising_labels(bundle: ScoreBundle, params: Params, labels: Labels) -> Labels:
    """The labels over which the z-score of a row is taken: the selected ones, or all (``score_norm=all``, and where
    a single label is left, whose z-score does not exist, by ``single_label=score_all``)."""
    everything = np.arange(bundle.num_labels)
    if bundle.kind == "probability" or params.score_norm == "sigmoid":
        return labels
    alone = len(labels) == 1 and params.single_label == "score_all"
    return everything if params.score_norm == "all" or alone else labels


def row_scores(bundle: ScoreBundle, params: Params, raw: ArrayLike, labels: Labels, over: Labels) -> Floats:
    """Scores (k,) of ``labels`` from one raw row (C,): sigma(FM(C, .)) of Eq. 1, 2 and 9.

    The released sigma is a logistic function of the z-score over the labels ``over``, with divisor n - 1. NaN (or
    0.5, ``flat_scores=half``) where all raw scores are equal, NaN where there is only one.
    """
    x = np.asarray(raw, np.float64)
    if bundle.kind == "probability":
        return x[labels]
    if params.score_norm == "sigmoid":
        logit = params.sigmoid_scale * x[labels] + params.sigmoid_bias
    else:
        row = x[over]
        if len(row) < 2 or np.ptp(row) == 0:
            half = params.flat_scores == "half" and len(row) > 1
            return np.full(len(labels), 0.5 if half else np.nan)
        logit = (x[labels] - row.mean()) / row.std(ddof=1)
    with np.errstate(over="ignore"):
        return rounded(1 / (1 + np.exp(-logit)), params)


def mean_scores(bundle: ScoreBundle, params: Params, rows: ArrayLike, labels: Labels, over: Labels) -> Floats:
    """Scores (k,) of a clip or window of R raw rows (R, C), one a frame: the mean of the rows' scores."""
    scores = [row_scores(bundle, params, raw, labels, over) for raw in np.asarray(rows)]
    return rounded(np.mean(scores, axis=0), params)


def fuse(P_a: Floats, P_v: Floats, params: Params) -> Floats:
    """P_av = alpha P_a + (1 - alpha) P_v (Eq. 3, 4); products and sum in float32 where scores are."""
    alpha = params.alpha
    if params.precision == "float64":
        return (1 - alpha) * P_v + alpha * P_a
    both = np.float32(1 - alpha) * P_v.astype(np.float32) + np.float32(alpha) * P_a.astype(np.float32)
    return both.astype(np.float64)


# --- AV²A: class selection ---------------------------------------------------------------------------------------


def clip_scores(bundle: ScoreBundle, params: Params, video: int, track: str) -> Floats:
    """Scores (C,) of the whole clip, over all labels: P_a, P_v (Eq. 1) or P_av (Eq. 3)."""
    everything = np.arange(bundle.num_labels)

    def scores(rows: NDArray[np.float32]) -> Floats:
        return mean_scores(bundle, params, rows, everything, everything)

    if track == "audio":
        return scores(_needed(bundle, "audio_clip")[video : video + 1])
    P_v = scores(_needed(bundle, "visual_clip")[video])
    return P_v if track == "visual" else fuse(scores(_needed(bundle, "audio_clip")[video : video + 1]), P_v, params)


def select_labels(P: Floats, params: Params) -> Labels:
    """C-hat: the labels whose clip score P (C,) is above tau_f (Eq. 5), in label order."""
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(rounded(params.tau_f, params) < P)


# --- AV²A: scores of segments ------------------------------------------------------------------------------------


def window_rows(bundle: ScoreBundle, video: int, onset: int, offset: int, modality: str) -> NDArray[np.float32]:
    """Raw scores (R, C) of a window: the cached ones, else the mean of its segments' (1, C), else the clip's."""
    cached = getattr(bundle, f"window_{modality}")
    if cached is not None:
        for w in np.flatnonzero(bundle.window_video == video):
            if (bundle.window_start[w], bundle.window_end[w]) == (onset, offset):
                found: NDArray[np.float32] = cached[w].reshape(-1, bundle.num_labels)
                return found
    segments = getattr(bundle, f"{modality}_segments")
    if segments is None:
        return _needed(bundle, "audio_clip" if modality == "audio" else "visual_segments")[video : video + 1]
    first = int(bundle.segment_starts[video])
    window = segments[first + onset : first + offset].astype(np.float64)
    pooled: NDArray[np.float32] = window.mean(axis=0, keepdims=True).astype(np.float32)
    return pooled


def audio_rows(bundle: ScoreBundle, params: Params, video: int) -> NDArray[np.float32]:
    """Raw audio scores (T, C) of the segments: their own, those of their chunk of n segments, or the clip's."""
    T = int(bundle.segments_per_video[video])
    if params.audio_scores == "clip":
        return np.repeat(_needed(bundle, "audio_clip")[video : video + 1], T, axis=0)
    if params.audio_scores == "segment":
        return _segments(bundle, video, "audio_segments")
    n = int(params.audio_scores)
    chunks = [(t // n * n, min(t // n * n + n, T)) for t in range(T)]
    return np.stack([window_rows(bundle, video, *chunk, "audio")[0] for chunk in chunks])


def segment_scores(bundle: ScoreBundle, params: Params, video: int, track: str, labels: Labels) -> Floats:
    """P (T, k): scores of the selected labels in every segment, P_a^t, P_v^t (Eq. 2) or P_av^t (Eq. 4)."""
    over = normalising_labels(bundle, params, labels)

    def scores(rows: NDArray[np.float32]) -> Floats:
        return np.stack([row_scores(bundle, params, raw, labels, over) for raw in rows])

    if track == "audio":
        return scores(audio_rows(bundle, params, video))
    if track == "visual":
        return scores(_segments(bundle, video, "visual_segments"))
    if params.av_scores == "given":
        return scores(_segments(bundle, video, "audio_visual_segments"))
    P_a, P_v = scores(audio_rows(bundle, params, video)), scores(_segments(bundle, video, "visual_segments"))
    return fuse(P_a, P_v, params)


def smoothed(P: Floats, params: Params) -> Floats:
    """P (T, k) after the median filter of each label; NaN counts as the lowest score, and where such a one is the
    median there is no score."""
    if params.median == 1:
        return P
    columns = [median_filtered(x, params.median, params.median_edge) for x in P.T.tolist()]
    found = np.array(columns, np.float64).T
    return np.where(np.isneginf(found), np.nan, found)


# --- AV²A: dynamic thresholds ------------------------------------------------------------------------------------


def confusion_matrix(P: Floats, Y: NDArray[np.bool_]) -> Floats:
    """M (k, k) = (1 / N) M_p' M_y (between Eq. 6 and 7), of the N segments so far: scores P and decisions Y (N, k).

    Rows are the labels scored, columns those decided for: that of a label without a decision so far is zero.
    """
    return P.T @ Y.astype(np.float64) / len(P)


def label_shift_ratio(M: Floats, P_next: Floats, params: Params) -> Floats:
    """w (k,) of the next segment, whose scores are P_next (k,): M^-1 P (Eq. 7) without its cosine factor.

    The Moore-Penrose inverse where M is singular (``ratio=pinv``), or the ridge solution of the released code, which
    multiplies it by P once more (``ratio_times_score``).
    """
    if params.ratio == "pinv":
        unknown = np.isnan(M).any() or np.isnan(P_next).any()
        w = np.full(len(M), np.nan) if unknown else np.linalg.pinv(M, rcond=params.pinv_cutoff) @ P_next
    else:
        w = np.linalg.solve(M.T @ M + params.ridge_weight * np.eye(len(M)), M.T @ P_next)
    return w * P_next if params.ratio_times_score else w


def threshold_step(z: NDArray[np.int64], w: Floats | None, cosine: float | None, params: Params) -> Floats:
    """What is taken off the thresholds (k,) before the next segment: tau^0 e^(-lambda z) w (Eq. 7, 8).

    z (k,) counts the decisions so far; without label shift ``w`` is None, without the factor ``cosine`` is.
    """
    step = params.tau0 * np.exp(-params.decay * z)
    if cosine is not None:
        factor = float(rounded(cosine, params))
        step = step * (min(max(factor, 0.0), 1.0) if params.cosine_clip else factor)
    found: Floats = step if w is None else step * w
    return found


def dynamic_thresholds(
    P: Floats, cosine: Floats, track: str, params: Params
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """tau, w and Y, all (T, k), from scores P (T, k) (Eq. 6, 7, 8).

    ``cosine`` (T,) compares the visual features of segments t and t + 1. ``w[t]`` is the ratio of the step from t to
    t + 1: NaN in the last row, and for methods without label shift.
    """
    T, k = P.shape
    tau, w = np.empty((T, k)), np.full((T, k), np.nan)
    Y = np.zeros((T, k), np.bool_)
    z = np.zeros(k, np.int64)
    tau[0] = params.tau0
    with_cosine = "cosine" in params.method and (track != "audio" or params.cosine_audio)
    for t in range(T):
        with np.errstate(invalid="ignore"):
            Y[t] = P[t] > tau[t]  # Eq. 6
        z += Y[t]
        if t + 1 == T:
            break
        tau[t + 1] = tau[t]
        if params.method == "naive":
            continue
        if "label_shift" in params.method:
            w[t] = label_shift_ratio(confusion_matrix(P[: t + 1], Y[: t + 1]), P[t + 1], params)
        shift = w[t] if "label_shift" in params.method else None
        tau[t + 1] -= threshold_step(z, shift, cosine[t] if with_cosine else None, params)
    return tau, w, Y


def extended(P: Floats, tau: Floats, Y: NDArray[np.bool_], params: Params) -> NDArray[np.bool_]:
    """Decisions (T, k) with the whole run of scores above tau - ``hysteresis_drop`` around each of Y (T, k)."""
    found = Y.copy()
    if params.hysteresis_drop == 0:
        return found
    with np.errstate(invalid="ignore"):
        above = tau - params.hysteresis_drop < P
    for j in range(Y.shape[1]):
        for onset, offset in runs_of(above[:, j]):
            found[onset:offset, j] = Y[onset:offset, j].any()
    return found


# --- AV²A: candidates, refinement, late fusion -------------------------------------------------------------------


def runs_of(mask: ArrayLike) -> list[tuple[int, int]]:
    """Maximal runs of True in a (T,) mask as (onset, offset), the offset exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(mask, np.int64), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def find_candidates(Y: NDArray[np.bool_], params: Params) -> list[Candidate]:
    """The candidates S_k (below Eq. 8) of decisions Y (T, k).

    Runs shorter than ``min_length`` are dropped, then gaps of up to ``max_gap`` bridged. Labels come in the order of
    their first decision, equals in label order.
    """
    found = []
    active = [j for j in range(Y.shape[1]) if Y[:, j].any()]
    for j in sorted(active, key=lambda j: (int(np.argmax(Y[:, j])), j)):
        merged: list[list[int]] = []
        for onset, offset in runs_of(Y[:, j]):
            if offset - onset < params.min_length:
                continue
            if merged and onset - merged[-1][1] <= params.max_gap:
                merged[-1][1] = offset
            else:
                merged.append([onset, offset])
        found += [(j, onset, offset) for onset, offset in merged]
    return found


def window_scores(
    bundle: ScoreBundle, params: Params, video: int, track: str, labels: Labels, onset: int, offset: int
) -> Floats:
    """P' (k,): scores of the selected labels on a candidate's own window (Eq. 9), fused by Eq. 3."""
    over = normalising_labels(bundle, params, labels)

    def scores(modality: str) -> Floats:
        return mean_scores(bundle, params, window_rows(bundle, video, onset, offset, modality), labels, over)

    if track != "audio_visual":
        return scores(track)
    return fuse(scores("audio"), scores("visual"), params)


def refined(params: Params, candidates: Sequence[Candidate]) -> bool:
    """Whether the candidates of a track are checked on their windows: a lone one is kept by ``lone_candidate``."""
    return params.refine and not (len(candidates) == 1 and params.lone_candidate == "keep")


def is_valid(params: Params, j: int, P: Floats) -> bool:
    """Whether a candidate of the label at position j is valid: its own score P'[c] of the window's P (k,) is above
    tau_r, or (``refine_rule=argmax``, the release on AVE) the highest of the window, the first of equals."""
    if params.refine_rule == "argmax":
        return not np.isnan(P).all() and int(np.nanargmax(P)) == j
    return bool(P[j] > rounded(params.tau_r, params))


def refine(params: Params, labels: Labels, candidates: Sequence[Candidate], P_windows: Sequence[Floats]) -> list[Event]:
    """The events of a track: its valid candidates, each with its scores P' (k,) in ``P_windows``.

    Where none is valid, the one with the highest score is kept (``all_rejected``).
    """
    checked = list(zip(candidates, P_windows, strict=True))
    scored: list[Event] = [(int(labels[j]), onset, offset, float(P[j])) for (j, onset, offset), P in checked]
    accepted = [e for e, ((j, _, _), P) in zip(scored, checked, strict=True) if is_valid(params, j, P)]
    known = [e for e in scored if not math.isnan(e[3])]
    if not accepted and known and params.all_rejected == "keep_best":
        return [max(known, key=lambda e: e[3])]
    return accepted


def late_fusion(audio: Sequence[Event], visual: Sequence[Event], segments: int, names: Sequence[str]) -> list[Event]:
    """Audio-visual events where the final audio and visual events of a label overlap (``fusion=late``).

    Labels in the alphabetical order of their lower-case ``names`` (C); the events have no score.
    """
    shared = {e[0] for e in audio} & {e[0] for e in visual}
    found = []
    for label in sorted(shared, key=lambda c: (names[c].lower(), c)):
        both = _timeline(audio, label, segments) & _timeline(visual, label, segments)
        found += [(label, onset, offset, math.nan) for onset, offset in runs_of(both)]
    return found


# --- AV²A: a whole track -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stages:
    """What each stage of AV²A computed for one track of one video, in the order of the work.

    Attributes
    ----------
    clip_scores : (C,) float64, P of Eq. 1 or 3; empty without class selection
    labels : (k,) int64, C-hat of Eq. 5, indices into the bundle's labels
    P : (T, k) float64, scores of the segments (Eq. 2, 4), after the median filter
    tau : (T, k) float64, thresholds (Eq. 8)
    w : (T, k) float64, label-shift ratios of the step from t to t + 1 (Eq. 7, without the cosine factor); NaN in the
        last row and for methods without label shift
    Y : (T, k) bool, decisions (Eq. 6)
    kept : (T, k) bool, the same with what hysteresis adds
    candidates : of which each is (position in ``labels``, onset, offset)
    P_windows : for each candidate (k,) float64, scores on its own window (Eq. 9); empty where none is checked
    events : the final ones
    parts : the stages of the audio and the visual track where late fusion made the events; all else is empty then

    A track whose stream the video does not have, or in which no label is selected, ends with empty arrays.
    """

    track: str
    params: Params
    clip_scores: Floats = field(default_factory=lambda: np.zeros(0))
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int64))
    P: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    tau: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    w: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    Y: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), np.bool_))
    kept: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), np.bool_))
    candidates: tuple[Candidate, ...] = ()
    P_windows: tuple[Floats, ...] = ()
    events: tuple[Event, ...] = ()
    parts: tuple[Stages, ...] = ()

    @property
    def z(self) -> NDArray[np.int64]:
        """(T, k): how often each label was decided for, up to and including each segment (Eq. 8)."""
        return np.cumsum(self.Y, axis=0, dtype=np.int64)

    @property
    def margin(self) -> float:
        """Distance of the closest comparison to its boundary: where it is below about 1e-6, another order of
        summation may decide otherwise."""
        p = self.params
        distances = [s.margin for s in self.parts]
        distances += [_closest(self.clip_scores, float(rounded(p.tau_f, p))), _closest(self.P, self.tau)]
        if p.hysteresis_drop:
            distances.append(_closest(self.P, self.tau - p.hysteresis_drop))
        checked = list(zip(self.candidates, self.P_windows, strict=True)) if self.P_windows else []
        own = np.array([P[j] for (j, _, _), P in checked])
        if p.refine_rule == "argmax":
            distances += [_lead(P) for P in self.P_windows if not np.isnan(P).any()]
        else:
            distances.append(_closest(own, float(rounded(p.tau_r, p))))
        if p.all_rejected == "keep_best" and not any(is_valid(p, j, P) for (j, _, _), P in checked):
            distances.append(_lead(own[~np.isnan(own)]))
        return min(distances)


def track_stages(bundle: ScoreBundle, params: Params, video: int, track: str) -> Stages:
    """Every stage of one track of one video.

    Parameters
    ----------
    bundle : scores of N videos
    params : one setting
    video : its index, 0 to N - 1
    track : ``audio``, ``visual`` or ``audio_visual``

    Raises
    ------
    DataError
        an array that the setting needs is not in the bundle
    UsageError
        an unknown track
    """
    check_tracks((track,))
    if track == "audio_visual" and params.fusion == "late":
        return _late_stages(bundle, params, video, *(track_stages(bundle, params, video, t) for t in TRACKS[:2]))
    require_arrays(bundle, params, [track])
    made: dict[str, Any] = {"track": track, "params": params}
    T = int(bundle.segments_per_video[video])
    streams = (track != "visual", bundle.has_audio[video]), (track != "audio", bundle.has_visual[video])
    if not all(there for needed, there in streams if needed):
        return Stages(**made)
    labels = np.arange(bundle.num_labels)
    if params.select_classes:
        made["clip_scores"] = clip_scores(bundle, params, video, track)
        labels = select_labels(made["clip_scores"], params)
    made["labels"] = labels
    if len(labels) == 0 or T == 0:
        return Stages(**made)
    P = smoothed(segment_scores(bundle, params, video, track, labels), params)
    cosine = np.zeros(T) if bundle.visual_cosine is None else _segments(bundle, video, "visual_cosine")
    tau, w, Y = dynamic_thresholds(P, cosine, track, params)
    kept = extended(P, tau, Y, params)
    candidates = find_candidates(kept, params)
    made |= {"P": P, "tau": tau, "w": w, "Y": Y, "kept": kept, "candidates": tuple(candidates)}
    if not refined(params, candidates):
        return Stages(**made, events=tuple((int(labels[j]), s, e, math.nan) for j, s, e in candidates))
    P_windows = [window_scores(bundle, params, video, track, labels, s, e) for _, s, e in candidates]
    events = refine(params, labels, candidates, P_windows)
    return Stages(**made, P_windows=tuple(P_windows), events=tuple(events))


def video_stages(bundle: ScoreBundle, params: Params, video: int) -> tuple[Stages, Stages, Stages]:
    """:func:`track_stages` of the audio, the visual and the audio-visual track of a video."""
    audio, visual = (track_stages(bundle, params, video, track) for track in TRACKS[:2])
    if params.fusion == "late":
        return audio, visual, _late_stages(bundle, params, video, audio, visual)
    return audio, visual, track_stages(bundle, params, video, "audio_visual")


def video_events(bundle: ScoreBundle, params: Params, video: int) -> list[list[Event]]:
    """The events of the audio, the visual and the audio-visual track of a video."""
    return [list(s.events) for s in video_stages(bundle, params, video)]


def _late_stages(bundle: ScoreBundle, params: Params, video: int, audio: Stages, visual: Stages) -> Stages:
    T = int(bundle.segments_per_video[video])
    events = late_fusion(audio.events, visual.events, T, bundle.labels)
    return Stages("audio_visual", params, events=tuple(events), parts=(audio, visual))


def _needed(bundle: ScoreBundle, name: str) -> NDArray[Any]:
    """One of the bundle's arrays. Raises DataError where the bundle lacks it."""
    array = getattr(bundle, name)
    if array is None:
        raise DataError(f"the scores hold no {name}, which this setting needs; add the array or change the setting")
    found: NDArray[Any] = array
    return found


def _segments(bundle: ScoreBundle, video: int, name: str) -> NDArray[Any]:
    """The rows of a video in one of the bundle's arrays of segments."""
    starts = bundle.segment_starts
    return _needed(bundle, name)[starts[video] : starts[video + 1]]


def _timeline(events: Sequence[tuple[Any, ...]], label: int, segments: int) -> NDArray[np.bool_]:
    """(T,) True in the segments that events of a label cover."""
    mask = np.zeros(segments, np.bool_)
    for c, onset, offset, *_ in events:
        if c == label:
            mask[onset:offset] = True
    return mask


def _closest(values: Floats, boundary: Floats | float) -> float:
    """The smallest distance of any value to its boundary, infinite where there is none."""
    distance = np.abs(values - boundary)
    return float(np.nanmin(distance)) if np.isfinite(distance).any() else math.inf


def _lead(values: Floats) -> float:
    """How far the highest value is above the second, infinite where there are not two."""
    ordered = np.sort(values)
    return float(ordered[-1] - ordered[-2]) if len(ordered) > 1 else math.inf


# --- metrics: LLP and AVE ----------------------------------------------------------------------------------------


def f_score(tp: float, fp: float, fn: float) -> float:
    """2 TP / (2 TP + FP + FN)."""
    return 2 * tp / (2 * tp + fp + fn)


def intersection_over_union(x: tuple[int, int], y: tuple[int, int]) -> float:
    """Of two runs (onset, offset)."""
    common = max(0, min(x[1], y[1]) - max(x[0], y[0]))
    return common / (x[1] - x[0] + y[1] - y[0] - common)


def event_counts(
    predicted: Sequence[tuple[int, int]], truth: Sequence[tuple[int, int]], iou: float
) -> tuple[int, int, int]:
    """TP, FP, FN of the runs of one class: a predicted run is right where some annotated one has at least ``iou``, an
    annotated run is missed where no predicted one has."""
    hit = [any(intersection_over_union(x, y) >= iou for y in truth) for x in predicted]
    found = [any(intersection_over_union(x, y) >= iou for x in predicted) for y in truth]
    return sum(hit), len(hit) - sum(hit), len(found) - sum(found)


def llp_f_scores(
    predicted: Sequence[Sequence[tuple[Any, ...]]],
    truth: Sequence[Sequence[tuple[Any, ...]]],
    segments: int,
    num_labels: int,
    iou: float = 0.5,
) -> Floats:
    """(4, 2) F-scores of one video: audio, visual, audio-visual, Event@AV; of segments and of events.

    ``predicted`` and ``truth`` hold the events of the three tracks. An F-score is the mean over the labels that the
    predictions or the annotations have, 1 where there is none; Event@AV adds the counts of audio and visual.
    """
    counts = np.zeros((4, 2, num_labels, 3))
    for k in range(3):
        for c in range(num_labels):
            p, g = _timeline(predicted[k], c, segments), _timeline(truth[k], c, segments)
            counts[k, 0, c] = (p & g).sum(), (p & ~g).sum(), (~p & g).sum()
            counts[k, 1, c] = event_counts(runs_of(p), runs_of(g), iou)
    counts[3] = counts[0] + counts[1]
    out = np.ones((4, 2))
    for k in range(4):
        for level in range(2):
            per_class = [f_score(*c) for c in counts[k, level].tolist() if sum(c) > 0]
            if per_class:
                out[k, level] = np.mean(per_class)
    return out


def label_of_segment(events: Sequence[tuple[Any, ...]], t: int) -> int:
    """The label of segment t: that of the event with the highest score, the first of equals, -1 without an event. An
    event without a score gives way to one with."""
    best, label = -math.inf, -1
    for c, onset, offset, *score in events:
        value = score[0] if score and not math.isnan(score[0]) else -1.0
        if onset <= t < offset and value > best:
            best, label = value, c
    return label


def ave_right_segments(
    predicted: Sequence[tuple[Any, ...]], truth: Sequence[tuple[Any, ...]], segments: int, first_only: bool = True
) -> int:
    """Segments of one video whose audio-visual label is annotated, or that are background in both.

    With ``first_only`` (the released evaluation of AVE) just the first event of either list counts.
    """
    if first_only:
        predicted, truth = predicted[:1], truth[:1]
    right = 0
    for t in range(segments):
        annotated = {c for c, onset, offset, *_ in truth if onset <= t < offset} or {-1}
        right += label_of_segment(predicted, t) in annotated
    return right


# --- OV-AVEL ("Towards Open-Vocabulary Audio-Visual Event Localization") -----------------------------------------


def cosines(x: NDArray[Any], text: NDArray[Any]) -> Floats:
    """s^a or s^v (Eq. 1): cosines (..., K) of embeddings (..., D) with K texts (K, D); norms are at least 1e-8."""
    x, text = x.astype(np.float64), text.astype(np.float64)
    norm = np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-8)
    found: Floats = (x / norm) @ (text / np.maximum(np.linalg.norm(text, axis=-1, keepdims=True), 1e-8)).T
    return found


def competing_labels(labels: Sequence[str], params: OvavelParams) -> tuple[Labels, int | None]:
    """Columns of the labels that compete, and that of the text that stands for background (None: no such text)."""
    names = [name.casefold() for name in labels]
    columns = [i for i, name in enumerate(names) if name == params.background or name not in ("other", "background")]
    special = names.index(params.background) if params.background != "none" else None
    return np.array(columns, np.int64), special


def agreed_labels(best: Sequence[tuple[int, int]], special: int | None, params: OvavelParams) -> list[int | None]:
    """The label of every segment, None for background, from its best audio and its best visual label (section 3.1).

    Where the two agree the segment has that label, or (``first_agreement``, released) that of the first segment of
    the video in which they agree. Agreement on the background text ``special`` counts by ``agreed_other``.
    """
    counts = params.strategy == "first_agreement" and params.agreed_other == "event"
    decided: list[int | None] = []
    category = None
    for best_a, best_v in best:
        agree = best_a == best_v and (best_a != special or counts)
        if agree and (category is None or params.strategy == "per_segment"):
            category = best_a
        decided.append(category if agree else None)
    return decided


def fused_scores(
    s_a: NDArray[np.float32], s_v: NDArray[np.float32], s_mean: NDArray[np.float32], params: OvavelParams
) -> NDArray[np.float32]:
    """Scores (K,) of the labels that compete in one segment, in float32: the root of the product of the cosines
    (Eq. 2), their mean, or the cosine of the mean feature (Table 4)."""
    if params.fusion == "fea_avg":
        return s_mean
    if params.fusion == "prob_avg":
        return (s_a + s_v) * np.float32(0.5)
    f = np.sqrt(np.maximum(s_a * s_v, np.float32(0)))
    if params.negative_pairs == "zero":
        f[s_a < 0] = 0
    found: NDArray[np.float32] = f
    return found


def fused_label(
    s_a: NDArray[np.float32], s_v: NDArray[np.float32], s_mean: NDArray[np.float32], params: OvavelParams
) -> int | None:
    """Position of the highest fused score, the first of equals; None where no product of cosines is positive and
    ``no_positive=background``. Arguments (K,) as in :func:`fused_scores`.

    The released code normalises the scores to 0..1 first, which can make equals of some that differ in the last bit.
    """
    f = fused_scores(s_a, s_v, s_mean, params)
    if params.fusion == "sqrt" and not f.any():
        return None if params.no_positive == "background" else 0
    return int(np.argmax((f - f.min()) / (f.max() - f.min() + np.float32(1e-8))))


def ovavel_labels(
    audio: NDArray[np.float32],
    visual: NDArray[np.float32],
    mean: NDArray[np.float32],
    labels: Sequence[str],
    params: OvavelParams,
) -> list[int | None]:
    """The label of every segment of one video, None for background.

    ``audio``, ``visual`` (T, C) float32 are cosines of the segments' embeddings, ``mean`` those of the mean of both,
    of which a setting reads either the first two or (``fusion=fea_avg``) the last.
    """
    audio, visual, mean = (filtered_cosines(x, params) for x in (audio, visual, mean))
    return tidied_labels(_labels_of_segments(audio, visual, mean, labels, params), params)


def filtered_cosines(scores: NDArray[np.float32], params: OvavelParams) -> NDArray[np.float32]:
    """Scores (T, C) after the median filter of each label."""
    if params.median == 1:
        return scores
    columns = [median_filtered(x, params.median, params.median_edge) for x in scores.T.tolist()]
    return np.array(columns, np.float32).reshape(scores.T.shape).T


def tidied_labels(decided: Sequence[int | None], params: OvavelParams) -> list[int | None]:
    """The labels of the segments without runs of fewer than ``min_length``, then with background of up to ``max_gap``
    segments between two runs of one label bridged."""
    found = list(decided)
    for label in set(found) - {None}:
        for onset, offset in runs_of([c == label for c in decided]):
            if offset - onset < params.min_length:
                found[onset:offset] = [None] * (offset - onset)
    for onset, offset in runs_of([c is None for c in found]):
        inside = onset > 0 and offset < len(found) and offset - onset <= params.max_gap
        if inside and found[onset - 1] == found[offset]:
            found[onset:offset] = [found[offset]] * (offset - onset)
    return found


def _labels_of_segments(
    audio: NDArray[np.float32],
    visual: NDArray[np.float32],
    mean: NDArray[np.float32],
    labels: Sequence[str],
    params: OvavelParams,
) -> list[int | None]:
    columns, special = competing_labels(labels, params)
    rows = list(zip(audio[:, columns], visual[:, columns], mean[:, columns], strict=True))
    if params.strategy == "fused_argmax":
        best = [fused_label(*row, params) for row in rows]
        decided = [None if j is None else int(columns[j]) for j in best]
        return [None if label == special else label for label in decided]
    return agreed_labels([(int(columns[a.argmax()]), int(columns[v.argmax()])) for a, v, _ in rows], special, params)


def class_matrix(
    events: Sequence[tuple[Any, ...]], segments: int, num_labels: int, other: int, other_covers: bool
) -> NDArray[np.bool_]:
    """(C + 1, T) bool: the classes of a video's segments, background in the last row.

    Events of the label ``other`` have no class; with ``other_covers`` (released) their segments are not background
    either.
    """
    out = np.zeros((num_labels + 1, segments), np.bool_)
    covered = np.zeros(segments, np.bool_)
    for label, onset, offset, *_ in events:
        if label != other:
            out[label, onset:offset] = True
        if label != other or other_covers:
            covered[onset:offset] = True
    out[-1] = ~covered
    return out


def ovavel_f_scores(p: NDArray[np.bool_], g: NDArray[np.bool_], iou: float = 0.5) -> tuple[float, float]:
    """Segment and event F of one video from its predicted and annotated :func:`class_matrix`: means over the classes
    that either has."""
    segment, event = [], []
    for x, y in zip(p, g, strict=True):
        if x.any() or y.any():
            segment.append(f_score((x & y).sum(), (x & ~y).sum(), (~x & y).sum()))
            event.append(f_score(*event_counts(runs_of(x), runs_of(y), iou)))
    return (float(np.mean(segment)), float(np.mean(event))) if segment else (1.0, 1.0)


def ovavel_right_segments(events: Sequence[tuple[Any, ...]], g: NDArray[np.bool_], other: int) -> int:
    """Segments of one video whose label the annotated :func:`class_matrix` has; ``other`` counts as background."""
    labels = [label_of_segment(events, t) for t in range(g.shape[1])]
    return sum(int(g[-1 if label == other else label, t]) for t, label in enumerate(labels))


# --- bootstrap ---------------------------------------------------------------------------------------------------

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15


def mixed(x: int) -> int:
    """The finaliser of splitmix64: 64 random bits from a counter."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def resampled_videos(videos: int, resamples: int, seed: int) -> Iterator[list[int]]:
    """The videos of each resample of a bootstrap, drawn with replacement."""
    start = mixed((seed + _STEP) & _MASK)
    for b in range(resamples):
        counter = mixed((start + b * _STEP) & _MASK)
        yield [((mixed((counter + (i + 1) * _STEP) & _MASK) >> 32) * videos) >> 32 for i in range(videos)]
