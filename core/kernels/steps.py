"""Decoders of thresholds and of change-point boxes: from segment scores to events. Kernels only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .change_points import find_boxes
from .decided_segments import decide_segments, median_filter, tidy_runs
from .jit import inlined, inner, lean_kernel
from .sigmoid import sigmoid

ZSCORE, SIGMOID, NONE = 0, 1, 2
"""How scores are normalised."""
SCORE, MIN, LATE, GIVEN = 0, 1, 2, 3
"""How audio and visual scores become audio-visual ones."""
ORDERED = 64
"""Events of a track that are put in order as they come; those of a track with more are as yet in no order behind these:
one by one they would take the square of their number, which is thousands in an hour."""


class StepInputs(NamedTuple):
    """The scores of N videos; of an array that is not there or not read, no row.

    first : (N + 1,) int64; audio, visual, fused : (S, C) float32; audio_clip : (N, C) float32
    visual_clip : (N, R, C) float32; has_audio, has_visual : (N,) bool
    competing : (K,) int64, the labels that may become events; tracks : (3,) bool, which are asked for
    """

    first: np.ndarray
    audio: np.ndarray
    visual: np.ndarray
    fused: np.ndarray
    audio_clip: np.ndarray
    visual_clip: np.ndarray
    has_audio: np.ndarray
    has_visual: np.ndarray
    competing: np.ndarray
    tracks: np.ndarray


class StepSettings(NamedTuple):
    """P settings, a column of each option.

    order : (P,) int64, so that settings of equal scores follow one another; scores : (P,) int64, equal where they are
    thresholds : (P, C) float64; the others (P,), numbers float64, words and switches int64
    """

    order: np.ndarray
    scores: np.ndarray
    thresholds: np.ndarray
    norm: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    fusion: np.ndarray
    alpha: np.ndarray
    select: np.ndarray
    tau_f: np.ndarray
    hysteresis: np.ndarray
    low: np.ndarray
    median: np.ndarray
    edge: np.ndarray
    min_length: np.ndarray
    max_gap: np.ndarray
    boxes: np.ndarray
    filter_seconds: np.ndarray
    merge_abs: np.ndarray
    merge_rel: np.ndarray


class StepWork(NamedTuple):
    """Working memory for videos of up to L segments.

    scores : (3, K, L) float64, of audio, visual and audio-visual; given : (K, L) float64; clip : (4, K) float64, of
    audio, visual and audio-visual, and of one row; decided : (2, K, L) uint8; filtered : (L,) float64
    window : (longest median,) float64; times : (3 L + 4,) float64; found : (3, 3 L + 6) float64
    """

    scores: np.ndarray
    given: np.ndarray
    clip: np.ndarray
    decided: np.ndarray
    now: np.ndarray
    filtered: np.ndarray
    window: np.ndarray
    times: np.ndarray
    found: np.ndarray


class StepEvents(NamedTuple):
    """Events as they are found: label, onset, offset (room,) int32, score (room,) float64, seconds (room, 2) float64;
    first, counts (videos, P, 3) int64, where those of a video, setting and track begin, and how many they are."""

    label: np.ndarray
    onset: np.ndarray
    offset: np.ndarray
    score: np.ndarray
    seconds: np.ndarray
    first: np.ndarray
    counts: np.ndarray


class StepTraces(NamedTuple):
    """What happened inside: tau, score (3, S, C) float64 and active (3, N, C) bool."""

    tau: np.ndarray
    score: np.ndarray
    active: np.ndarray


@inner
def normalise_row(row, competing, norm, scale, bias, out, t):
    """The scores of the competing labels of a segment or clip, into a column of ``out``.

    Mirrors :func:`avreplay.core.reference_steps.normalised`.

    row : (C,) float32
    competing : (K,) int64
    norm : int, one of the constants of this module
    scale : float, of the plain sigmoid
    bias : float, of the plain sigmoid
    out : (K, >= t + 1) float64, written
    t : int
    """
    k = competing.shape[0]
    if norm != ZSCORE:
        for j in range(k):
            x = np.float64(row[competing[j]])
            out[j, t] = x if norm == NONE or x != x else sigmoid(scale * x + bias)
        return
    total, low, high = 0.0, np.inf, -np.inf
    for j in range(k):
        x = np.float64(row[competing[j]])
        total += x
        low, high = min(low, x), max(high, x)
    mean, squares = total / k, 0.0
    for j in range(k):
        x = np.float64(row[competing[j]]) - mean
        squares += x * x
    deviation = np.sqrt(squares / max(k - 1, 1))
    for j in range(k):
        x = np.float64(row[competing[j]]) - mean
        out[j, t] = sigmoid(x / deviation) if high > low and squares == squares else np.nan


@inner
def fuse(audio, visual, fusion, alpha):
    """The audio-visual score of a segment or clip.

    Mirrors :func:`avreplay.core.reference_steps.fused`.

    audio : float
    visual : float
    fusion : int, MIN for the lower of the two, else they are weighted
    alpha : float, weight of audio
    """
    both = (1.0 - alpha) * visual + alpha * audio
    return min(audio, visual) if fusion == MIN and both == both else both


@inlined
def _segment_scores(inputs, video, segments, p, settings, work):
    """The normalised audio, visual and given scores of a video.

    Mirrors :func:`avreplay.core.reference_steps.video_scores`.

    inputs : :class:`StepInputs`
    video : int
    segments : int, T
    p : int, the setting
    settings : :class:`StepSettings`
    work : :class:`StepWork`, written
    """
    norm, scale, bias = settings.norm[p], settings.scale[p], settings.bias[p]
    first = inputs.first[video]
    for t in range(segments):
        if inputs.audio.shape[0]:
            normalise_row(inputs.audio[first + t], inputs.competing, norm, scale, bias, work.scores[0], t)
        if inputs.visual.shape[0]:
            normalise_row(inputs.visual[first + t], inputs.competing, norm, scale, bias, work.scores[1], t)
        if inputs.fused.shape[0]:
            normalise_row(inputs.fused[first + t], inputs.competing, norm, scale, bias, work.given, t)
    k = inputs.competing.shape[0]
    if inputs.audio_clip.shape[0]:
        normalise_row(inputs.audio_clip[video], inputs.competing, norm, scale, bias, work.clip[0:1].T, 0)
    if inputs.visual_clip.shape[0]:
        rows = inputs.visual_clip.shape[1]
        for j in range(k):
            work.clip[1, j] = 0.0
        for r in range(rows):
            normalise_row(inputs.visual_clip[video, r], inputs.competing, norm, scale, bias, work.clip[3:4].T, 0)
            for j in range(k):
                work.clip[1, j] += work.clip[3, j]
        for j in range(k):
            work.clip[1, j] /= rows


@inlined
def _emit(events, at, label, onset, offset, score, start, end, begin):
    """Put an event among those of its track from ``begin`` on: the highest score first, equals as they come, and behind
    them where they are :data:`ORDERED`; False where there is no room.

    Mirrors :func:`avreplay.core.reference_steps.track_events`.

    events : :class:`StepEvents`, written
    at : int, how many there are
    label : int
    onset : int, segment
    offset : int, exclusive
    score : float
    start : float, onset in seconds
    end : float, offset in seconds
    begin : int, the first event of the track
    """
    if at == events.label.shape[0]:
        return False
    i = at
    while at - begin < ORDERED and i > begin and events.score[i - 1] < score:
        events.label[i], events.onset[i], events.offset[i] = (
            events.label[i - 1],
            events.onset[i - 1],
            events.offset[i - 1],
        )
        events.score[i] = events.score[i - 1]
        events.seconds[i, 0], events.seconds[i, 1] = events.seconds[i - 1, 0], events.seconds[i - 1, 1]
        i -= 1
    events.label[i], events.onset[i], events.offset[i], events.score[i] = label, onset, offset, score
    events.seconds[i, 0], events.seconds[i, 1] = start, end
    return True


@inner
def _mean_score(x, onset, offset):
    """The mean of the scores of some segments that are numbers; 0 without any.

    Mirrors :func:`avreplay.core.reference_steps.mean_score`.

    x : (>= T,) float64
    onset : int
    offset : int, exclusive
    """
    total, count = 0.0, 0
    for t in range(onset, offset):
        if abs(x[t]) < np.inf:
            total += x[t]
            count += 1
    return total / count if count else 0.0


@inlined
def _emit_boxes(events, at, work, segments, p, settings, label, threshold, hop, begin):
    """The boxes of a label's scores whose confidence is above its threshold, as events; returns how many events there
    are, -1 where there is no room.

    Mirrors :func:`avreplay.core.reference_steps.track_events`.

    events : :class:`StepEvents`, written
    at : int, how many there are
    work : :class:`StepWork`, with the scores in ``filtered``
    segments : int, T
    p : int, the setting
    settings : :class:`StepSettings`
    label : int
    threshold : float
    hop : float, length of a segment in seconds
    begin : int, the first event of the track
    """
    boxes = find_boxes(
        work.filtered, segments, hop, settings.filter_seconds[p], settings.merge_abs[p], settings.merge_rel[p],
        work.times, work.found,
    )  # fmt: skip
    for i in range(boxes):
        onset, offset, sure = work.found[0, i], work.found[1, i], work.found[2, i]
        if not sure > threshold or onset >= offset:
            continue
        a = min(max(int(np.ceil(onset / hop - 0.5)), 0), segments - 1)
        b = min(max(int(np.ceil(offset / hop - 0.5)), 0), segments)
        if b <= a:
            a = min(max(int(np.floor((onset + offset) / 2 / hop)), 0), segments - 1)
            b = a + 1
        if not _emit(events, at, label, a, b, sure, onset, offset, begin):
            return -1
        at += 1
    return at


@inlined
def _emit_runs(events, at, work, x, segments, label, hop, begin):
    """The runs of segments in ``work.now`` as events of a label; returns how many events there are, -1 where there is
    no room.

    Mirrors :func:`avreplay.core.reference_steps.track_events`.

    events : :class:`StepEvents`, written
    at : int, how many there are
    work : :class:`StepWork`
    x : (>= T,) float64, the scores
    segments : int, T
    label : int
    hop : float, length of a segment in seconds
    begin : int, the first event of the track
    """
    t = 0
    while t < segments:
        if not work.now[t]:
            t += 1
            continue
        a = t
        while t < segments and work.now[t]:
            t += 1
        if not _emit(events, at, label, a, t, _mean_score(x, a, t), a * hop, t * hop, begin):
            return -1
        at += 1
    return at


@lean_kernel
def decode_steps(inputs, settings, work, events, begin, stop, start_at, hop, traces):
    """Events of videos ``begin`` to ``stop`` under P settings: ``(next video, events)``; the next video is before
    ``stop`` where there was no room for its events.

    Mirrors :func:`avreplay.core.reference_steps.video_events`.

    inputs : :class:`StepInputs`
    settings : :class:`StepSettings`
    work : :class:`StepWork`
    events : :class:`StepEvents`, written
    begin : int, the first video
    stop : int, exclusive
    start_at : int, the video that row 0 of first and counts is of
    hop : float, length of a segment in seconds
    traces : :class:`StepTraces`, written, of one setting; None
    """
    at = 0
    k = inputs.competing.shape[0]
    for video in range(begin, stop):
        before, first = at, inputs.first[video]
        segments = inputs.first[video + 1] - first
        made = -1
        for number in range(settings.order.shape[0]):
            p = settings.order[number]
            if settings.scores[p] != made:
                _segment_scores(inputs, video, segments, p, settings, work)
                made = settings.scores[p]
            fusion = settings.fusion[p]
            for track in range(3):
                from_at = at
                audible, visible = inputs.has_audio[video], inputs.has_visual[video]
                there = audible if track == 0 else visible if track == 1 else audible and visible
                late = track == 2 and fusion == LATE
                helps = inputs.tracks[2] and fusion == LATE and track < 2
                events.first[video - start_at, p, track] = at
                events.counts[video - start_at, p, track] = 0
                if segments == 0 or not there or not (inputs.tracks[track] or helps):
                    continue
                for j in range(k):
                    c = inputs.competing[j]
                    x = work.given[j] if track == 2 and fusion == GIVEN else work.scores[track, j]
                    if track == 2 and fusion != GIVEN:
                        for t in range(segments):
                            x[t] = fuse(work.scores[0, j, t], work.scores[1, j, t], fusion, settings.alpha[p])
                    if late:
                        for t in range(segments):
                            work.now[t] = work.decided[0, j, t] and work.decided[1, j, t]
                    else:
                        if settings.select[p]:
                            clip = work.clip[track, j]
                            if track == 2:
                                clip = fuse(work.clip[0, j], work.clip[1, j], fusion, settings.alpha[p])
                            if not clip > settings.tau_f[p]:
                                if track < 2:
                                    for t in range(segments):
                                        work.decided[track, j, t] = 0
                                continue
                        if traces is not None:
                            traces.active[track, video, c] = True
                        y = x
                        if settings.median[p] > 1:
                            median_filter(x, segments, settings.median[p], settings.edge[p], work.window, work.filtered)
                            y = work.filtered
                        threshold = settings.thresholds[p, c]
                        if traces is not None:
                            for t in range(segments):
                                traces.tau[track, first + t, c] = threshold
                                traces.score[track, first + t, c] = y[t]
                        if settings.boxes[p]:
                            for t in range(segments):
                                work.filtered[t] = x[t] if abs(x[t]) < np.inf else 0.0
                            at = _emit_boxes(events, at, work, segments, p, settings, c, threshold, hop, from_at)
                            if at < 0:
                                return video, before
                            continue
                        low = settings.low[p] if settings.hysteresis[p] else threshold
                        decide_segments(y, segments, threshold, low, work.now)
                        tidy_runs(work.now, segments, settings.min_length[p], settings.max_gap[p])
                        if track < 2:
                            for t in range(segments):
                                work.decided[track, j, t] = work.now[t]
                    if not inputs.tracks[track]:
                        continue
                    at = _emit_runs(events, at, work, x, segments, c, hop, from_at)
                    if at < 0:
                        return video, before
                events.counts[video - start_at, p, track] = at - from_at
    return stop, at
