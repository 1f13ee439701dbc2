"""Counts and F-scores of predicted against annotated events (LLP's metrics), and AVE accuracy.

A track's prediction for one label is a string of bits, one a segment: segment counts are popcounts, events are runs
of ones. Everything comes from counts (TP, FP, FN), which are returned too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._jit import inner, kernel
from .errors import DataError, UsageError
from .events import Events

PARTS = ("audio", "visual", "audio_visual", "event_av")
"""The part axis of the F-scores: three tracks, and audio and visual counts pooled (Event@AV)."""

LEVELS = ("segment", "event")

METRIC_NAMES = (
    "audio_seg", "audio_event", "visual_seg", "visual_event", "av_seg", "av_event",
    "type_av_seg", "type_av_event", "event_av_seg", "event_av_event",
)  # fmt: skip


@inner
def set_bits(words, start, end):  # type: ignore[no-untyped-def]
    for t in range(start, end):
        words[t >> 6] |= np.uint64(1) << np.uint64(t & 63)


@inner
def popcount(x):  # type: ignore[no-untyped-def]
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inner
def find_runs(words, segments, starts, ends):  # type: ignore[no-untyped-def]
    """Maximal runs of ones as half-open ranges; returns how many there are."""
    found = 0
    inside = False
    for t in range(segments):
        one = (words[t >> 6] >> np.uint64(t & 63)) & np.uint64(1)
        if one and not inside:
            starts[found] = t
            inside = True
        elif inside and not one:
            ends[found] = t
            found += 1
            inside = False
    if inside:
        ends[found] = segments
        found += 1
    return found


@inner
def count_runs(ps, pe, num_p, gs, ge, num_g, iou, counts):  # type: ignore[no-untyped-def]
    """A predicted run is TP if some annotated run has IoU >= iou, else FP; an annotated run without one is FN."""
    hits = 0
    for i in range(num_p):
        for j in range(num_g):
            common = min(pe[i], ge[j]) - max(ps[i], gs[j])
            if common > 0 and common / (max(pe[i], ge[j]) - min(ps[i], gs[j])) >= iou:
                hits += 1
                break
    found = 0
    for j in range(num_g):
        for i in range(num_p):
            common = min(pe[i], ge[j]) - max(ps[i], gs[j])
            if common > 0 and common / (max(pe[i], ge[j]) - min(ps[i], gs[j])) >= iou:
                found += 1
                break
    counts[0] = hits
    counts[1] = num_p - hits
    counts[2] = num_g - found


@inner
def f_score(tp, fp, fn):  # type: ignore[no-untyped-def]
    return 2.0 * tp / (2.0 * tp + (fp + fn))


@kernel
def count_block(  # type: ignore[no-untyped-def]
    p_starts, p_label, p_onset, p_offset, g_starts, g_label, g_onset, g_offset, segments, num_labels, iou,
    audio_from_visual, f_out, totals, class_sum, class_videos, annotated,
):  # fmt: skip
    """Counts of P settings x N videos.

    f_out (P, N, 4, 2): the F-scores of each video; totals (P, C, 3, 2, 3): TP, FP, FN over all videos by class, track
    and level; class_sum (P, C, 4, 2), class_videos (P, C): sums for the per-class table; annotated (C, 2): videos and
    segments with an audio-visual annotation. The last four are None together, where only the F-scores are wanted.
    """
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    words = (longest + 63) // 64
    predicted = np.zeros((3, num_labels, words), np.uint64)
    truth = np.zeros((3, num_labels, words), np.uint64)
    seen = np.zeros(num_labels, np.bool_)
    touched = np.empty(num_labels, np.int64)
    ps, pe = np.empty(longest, np.int64), np.empty(longest, np.int64)
    gs, ge = np.empty(longest, np.int64), np.empty(longest, np.int64)
    counts = np.zeros((4, 2, 3), np.int64)
    for p in range(f_out.shape[0]):
        for v in range(videos):
            n = 0
            for k in range(3):
                row = (p * videos + v) * 3 + (1 if k == 0 and audio_from_visual else k)
                for i in range(p_starts[row], p_starts[row + 1]):
                    c = p_label[i]
                    if not seen[c]:
                        seen[c] = True
                        touched[n] = c
                        n += 1
                    set_bits(predicted[k, c], p_onset[i], p_offset[i])
                row = v * 3 + k
                for i in range(g_starts[row], g_starts[row + 1]):
                    c = g_label[i]
                    if not seen[c]:
                        seen[c] = True
                        touched[n] = c
                        n += 1
                    set_bits(truth[k, c], g_onset[i], g_offset[i])
            # in label order, so that sums do not depend on the order of events
            for a in range(1, n):
                c = touched[a]
                b = a
                while b > 0 and touched[b - 1] > c:
                    touched[b] = touched[b - 1]
                    b -= 1
                touched[b] = c
            present = np.zeros((4, 2), np.int64)
            for a in range(n):
                c = touched[a]
                for k in range(3):
                    tp = fp = fn = 0
                    for w in range(words):
                        x, y = predicted[k, c, w], truth[k, c, w]
                        tp += popcount(x & y)
                        fp += popcount(x & ~y)
                        fn += popcount(y & ~x)
                    counts[k, 0, 0], counts[k, 0, 1], counts[k, 0, 2] = tp, fp, fn
                    if tp + fp + fn == 0:
                        counts[k, 1, :] = 0
                    else:
                        num_p = find_runs(predicted[k, c], segments[v], ps, pe) if tp + fp else 0
                        num_g = find_runs(truth[k, c], segments[v], gs, ge) if tp + fn else 0
                        count_runs(ps, pe, num_p, gs, ge, num_g, iou, counts[k, 1])
                for level in range(2):
                    for x in range(3):
                        counts[3, level, x] = counts[0, level, x] + counts[1, level, x]
                        if totals is not None:
                            for k in range(3):
                                totals[p, c, k, level, x] += counts[k, level, x]
                in_av = counts[2, 0, 0] + counts[2, 0, 1] + counts[2, 0, 2] > 0
                for k in range(4):
                    for level in range(2):
                        tp, fp, fn = counts[k, level, 0], counts[k, level, 1], counts[k, level, 2]
                        if tp + fp + fn > 0:
                            f = f_score(tp, fp, fn)
                            f_out[p, v, k, level] += f
                            present[k, level] += 1
                        else:
                            f = 1.0
                        if totals is not None and in_av:
                            class_sum[p, c, k, level] += f
                if totals is not None and in_av:
                    class_videos[p, c] += 1
                    length = counts[2, 0, 0] + counts[2, 0, 2]
                    if p == 0 and length > 0:
                        annotated[c, 0] += 1
                        annotated[c, 1] += length
                predicted[:, c] = 0
                truth[:, c] = 0
                seen[c] = False
            for k in range(4):
                for level in range(2):
                    f_out[p, v, k, level] = f_out[p, v, k, level] / present[k, level] if present[k, level] else 1.0


@dataclass(frozen=True, eq=False)
class Metrics:
    """LLP metrics of P settings on N videos (spec: F per video over the classes present, then the mean over videos).

    Shapes
    ------
    per_video : (P, N, 4, 2) float64 in 0..1, axes :data:`PARTS` and :data:`LEVELS`; 1.0 where no class is present
    totals : (P, C, 3, 2, 3) int64, TP, FP, FN of each class, track and level summed over the videos
    per_class : (P, C, 4, 2) float64 in 0..1, mean over the videos in which the class has an annotated or predicted
        audio-visual event; NaN where there is none
    class_videos : (P, C) int64, how many those are
    class_length : (C,) float64, mean number of audio-visual segments where the class is annotated; NaN where nowhere
    """

    per_video: NDArray[np.float64]
    totals: NDArray[np.int64]
    per_class: NDArray[np.float64]
    class_videos: NDArray[np.int64]
    class_length: NDArray[np.float64]

    def table(self) -> NDArray[np.float64]:
        """(P, 10) percent, columns :data:`METRIC_NAMES`; NaN without videos."""
        if self.per_video.shape[1] == 0:
            return np.full((self.per_video.shape[0], len(METRIC_NAMES)), np.nan)
        return named_columns(100.0 * self.per_video.mean(axis=1))

    def summary(self, setting: int = 0) -> dict[str, float]:
        """The ten figures of one setting, in percent, by name."""
        return dict(zip(METRIC_NAMES, self.table()[setting].tolist(), strict=True))


def named_columns(f: NDArray[np.float64]) -> NDArray[np.float64]:
    """F-scores (..., 4, 2) as columns :data:`METRIC_NAMES` (..., 10); Type@AV is the mean of the three tracks."""
    type_av = f[..., :3, :].mean(axis=-2, keepdims=True)
    return np.concatenate([f[..., :3, :], type_av, f[..., 3:, :]], axis=-2).reshape(*f.shape[:-2], 10)


def llp_metrics(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    iou: float = 0.5,
    audio_from_visual: bool = False,
) -> Metrics:
    """The ten LLP figures and the counts behind them, for every setting in ``predicted``.

    Parameters
    ----------
    predicted : events of P settings on N videos
    truth : annotated events of the same N videos (one setting)
    segments_per_video : (N,) segments that are scored
    iou : a predicted event matches an annotated one from this intersection over union on
    audio_from_visual : score the visual track as audio, as the released main.py does

    Raises
    ------
    UsageError
        an iou outside (0, 1]
    DataError
        tables of different videos, an event outside its video or with an unknown label index
    """
    tables, segments = checked_tables(predicted, truth, segments_per_video, num_labels, iou)
    n = len(segments)
    p = predicted.num_settings
    f = np.zeros((p, n, 4, 2))
    totals = np.zeros((p, num_labels, 3, 2, 3), np.int64)
    class_sum = np.zeros((p, num_labels, 4, 2))
    class_videos = np.zeros((p, num_labels), np.int64)
    annotated = np.zeros((num_labels, 2), np.int64)
    count_block(
        *tables, segments, num_labels, float(iou), bool(audio_from_visual),
        f, totals, class_sum, class_videos, annotated,
    )  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        per_class = class_sum / class_videos[:, :, None, None]
        length = annotated[:, 1] / annotated[:, 0]
    return Metrics(f, totals, per_class, class_videos, length)


def llp_f_scores(
    predicted: Events, truth: Events, segments_per_video: ArrayLike, num_labels: int, *, iou: float = 0.5
) -> NDArray[np.float64]:
    """``llp_metrics(...).per_video`` (P, N, 4, 2) alone: a sweep over a large vocabulary need not hold its counts."""
    tables, segments = checked_tables(predicted, truth, segments_per_video, num_labels, iou)
    f = np.zeros((predicted.num_settings, len(segments), 4, 2))
    count_block(*tables, segments, num_labels, float(iou), False, f, None, None, None, None)
    return f


def checked_tables(
    predicted: Events, truth: Events, segments_per_video: ArrayLike, num_labels: int, iou: float
) -> tuple[list[NDArray], NDArray[np.int64]]:
    """The arrays of both tables as the kernel takes them, and the segments; raises as :func:`llp_metrics`."""
    if not 0 < iou <= 1:
        raise UsageError(f"iou is {iou}; it must be above 0 and at most 1")
    segments = np.ascontiguousarray(segments_per_video, np.int64)
    n = len(segments)
    if predicted.num_videos != n or truth.num_videos != n or truth.num_settings != 1:
        raise DataError(
            f"predictions are of {predicted.num_videos} videos, annotations of {truth.num_videos}, segments of {n}; "
            "align them first"
        )
    for name, events in (("predicted", predicted), ("annotated", truth)):
        _check_events(events, segments, num_labels, name)
    tables = [x for e in (predicted, truth) for x in (e.starts, e.label, e.onset, e.offset)]
    return list(map(np.ascontiguousarray, tables)), segments


def _check_events(events: Events, segments: NDArray[np.int64], num_labels: int, name: str) -> None:
    if len(events.label) == 0:
        return
    if events.label.min() < 0 or events.label.max() >= num_labels:
        raise DataError(f"a {name} event has label index {int(events.label.max())}; there are {num_labels} labels")
    limit = np.repeat(np.tile(np.repeat(segments, 3), events.num_settings), np.diff(events.starts))
    bad = np.flatnonzero((events.onset < 0) | (events.offset <= events.onset) | (events.offset > limit))
    if len(bad):
        i = int(bad[0])
        raise DataError(
            f"a {name} event [{int(events.onset[i])}, {int(events.offset[i])}) is empty or lies outside the "
            f"{int(limit[i])} segments of its video"
        )


@kernel
def accuracy_block(  # type: ignore[no-untyped-def]
    p_starts, p_label, p_onset, p_offset, p_score, g_starts, g_label, g_onset, g_offset, segments, first_only, correct,
):  # fmt: skip
    """correct (P, N): segments whose label is right; the label is that of the audio-visual event, -1 for none."""
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    said = np.empty(longest, np.int64)
    best = np.empty(longest)
    for p in range(correct.shape[0]):
        for v in range(videos):
            said[:] = -1
            best[:] = -np.inf
            row = (p * videos + v) * 3 + 2
            last = p_starts[row + 1]
            if first_only:
                last = min(last, p_starts[row] + 1)
            for i in range(p_starts[row], last):
                # an event without a score gives way to one with, and to an earlier one without
                score = p_score[i] if p_score[i] == p_score[i] else -1.0
                for t in range(p_onset[i], p_offset[i]):
                    if score > best[t]:
                        best[t] = score
                        said[t] = p_label[i]
            row = v * 3 + 2
            last = g_starts[row + 1]
            if first_only:
                last = min(last, g_starts[row] + 1)
            for t in range(segments[v]):
                background = True
                right = False
                for i in range(g_starts[row], last):
                    if g_onset[i] <= t < g_offset[i]:
                        background = False
                        right = right or g_label[i] == said[t]
                if background:
                    right = said[t] == -1
                correct[p, v] += right


def ave_accuracy(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    first_only: bool = True,
) -> NDArray[np.int64]:
    """Correct segments (P, N) of the audio-visual track: the label of the segment, or background where none is.

    With ``first_only`` (release) just the first predicted and the first annotated event of a video count; otherwise
    every one, a segment's label being that of the event with the higher score, and any annotated label is right.
    The paper's accuracy is 100 * correct.sum() / segments.sum().

    Raises: DataError as :func:`llp_metrics`.
    """
    segments = np.ascontiguousarray(segments_per_video, np.int64)
    if predicted.num_videos != len(segments) or truth.num_videos != len(segments):
        raise DataError(
            f"predictions are of {predicted.num_videos} videos, annotations of {truth.num_videos}; align them first"
        )
    for name, events in (("predicted", predicted), ("annotated", truth)):
        _check_events(events, segments, num_labels, name)
    correct = np.zeros((predicted.num_settings, len(segments)), np.int64)
    arrays = [predicted.starts, predicted.label, predicted.onset, predicted.offset, predicted.score,
              truth.starts, truth.label, truth.onset, truth.offset]  # fmt: skip
    accuracy_block(*map(np.ascontiguousarray, arrays), segments, bool(first_only), correct)
    return correct
