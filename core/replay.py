"""Replay: many videos x many parameter settings in one kernel call (the whole of AV²A, from scores to events)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._jit import inlined, inner, kernel
from .bundle import ScoreBundle
from .errors import DataError, UsageError
from .events import TRACKS, Events
from .params import Params, to_records
from .refinement import find_window, late_fusion, mean_of_segments, refine_track
from .scores import clip_scores, fuse, mark_flat, score_row, squash, z_row
from .scratch import BAD, CHOSEN, EVERYTHING, ROW_A, new_scratch
from .thresholds import find_candidates, run_thresholds


class _Inputs(NamedTuple):
    """The bundle as the kernel sees it; arrays that are not there have length zero."""

    first: np.ndarray
    visual_segments: np.ndarray
    audio_segments: np.ndarray
    audio_visual_segments: np.ndarray
    audio_clip: np.ndarray
    window_first: np.ndarray
    window_start: np.ndarray
    window_end: np.ndarray
    window_audio: np.ndarray
    window_visual: np.ndarray
    cosine: np.ndarray
    has_audio: np.ndarray
    has_visual: np.ndarray
    clip: np.ndarray  # (Q, N, 2, C) clip scores
    rank: np.ndarray  # (C,) alphabetical rank of each label
    tracks: np.ndarray  # (3,) which tracks are wanted


class _Output(NamedTuple):
    """Where a block of pairs writes its events; ``tally`` counts refinement windows asked for and not cached."""

    label: np.ndarray
    onset: np.ndarray
    offset: np.ndarray
    score: np.ndarray
    counts: np.ndarray  # (pairs, 3)
    tally: np.ndarray


class _Traces(NamedTuple):
    """(3, S, C) float64 and (3, N, C) bool for a trace of one setting, else empty."""

    tau: np.ndarray
    score: np.ndarray
    ratio: np.ndarray
    active: np.ndarray


@inlined
def _select(inp, video, track, prm, chosen):  # type: ignore[no-untyped-def]
    """Class selection (Eq. 5): labels whose clip score is above tau_f, in label order; returns how many."""
    labels = chosen.shape[0]
    if not prm.select:
        for c in range(labels):
            chosen[c] = c
        return labels
    audio = inp.clip[prm.clip_row, video, 0]
    visual = inp.clip[prm.clip_row, video, 1]
    n = 0
    if track == 2:
        alpha, beta = np.float32(prm.alpha), np.float32(prm.beta)
        for c in range(labels):
            if prm.single:
                v = beta * np.float32(visual[c])
                a = alpha * np.float32(audio[c])
                score = np.float64(np.float32(v + a))
            else:
                score = prm.beta * visual[c] + prm.alpha * audio[c]
            chosen[n] = c
            n += score > prm.tau_f
        return n
    score_of = audio if track == 0 else visual
    for c in range(labels):
        chosen[n] = c
        n += score_of[c] > prm.tau_f
    return n


@inner
def _audio_row(inp, video, t, segments, over, m, prm, s):  # type: ignore[no-untyped-def]
    """Raw audio scores of segment ``t``: its own, its chunk's, or the clip's."""
    if prm.audio_chunk == 0:
        return inp.audio_clip[video]
    if prm.audio_chunk == 1:
        return inp.audio_segments[inp.first[video] + t]
    start = t // prm.audio_chunk * prm.audio_chunk
    end = min(start + prm.audio_chunk, segments)
    w = find_window(inp, video, start, end) if inp.window_audio.shape[0] else -1
    if w >= 0:
        return inp.window_audio[w]
    mean_of_segments(inp.audio_segments, inp.first[video], start, end, over, m, s.raw[0, 0])
    return s.raw[0, 0]


@inlined
def _segment_scores(inp, video, track, segments, n, over, m, prm, s):  # type: ignore[no-untyped-def]
    """Scores (T, n) of every segment for the labels of a track, into ``s.scores`` (Eq. 2, 4)."""
    first = inp.first[video]
    labels, bad = s.whole[CHOSEN], s.steps[BAD]
    given = track == 2 and prm.av_given
    for t in range(segments):
        bad[t] = 0
    if track != 0:
        rows = inp.audio_visual_segments if given else inp.visual_segments
        for t in range(segments):
            bad[t] = not z_row(rows[first + t], labels, n, over, m, s.scores[t * n : t * n + n], prm)
        squash(s.scores, segments * n, prm)
        for t in range(segments):
            if bad[t]:
                bad[t] = mark_flat(s.scores[t * n : t * n + n], n, m, prm)
        if track == 1 or given:
            return
    audio = s.real[ROW_A]
    unknown = False
    for t in range(segments):
        if t == 0 or (prm.audio_chunk > 0 and t % prm.audio_chunk == 0):
            raw = _audio_row(inp, video, t, segments, over, m, prm, s)
            unknown = score_row(raw, labels, n, over, m, audio, prm)
        row = s.scores[t * n : t * n + n]
        if track == 2:
            fuse(row, audio, row, n, prm)
        else:
            for j in range(n):
                row[j] = audio[j]
        bad[t] |= unknown


@inner
def _drop_unwanted(out, start, audio, visual, end, pair, tracks):  # type: ignore[no-untyped-def]
    """Remove the audio or visual events that only served late fusion."""
    to = start
    for i in range(start, end):
        track = 0 if i < start + audio else (1 if i < start + audio + visual else 2)
        if tracks[track]:
            out.label[to] = out.label[i]
            out.onset[to] = out.onset[i]
            out.offset[to] = out.offset[i]
            out.score[to] = out.score[i]
            to += 1
    for track in range(2):
        if not tracks[track]:
            out.counts[pair, track] = 0
    return to


@inner
def _decisions_stand(track, prm, use_cosine):  # type: ignore[no-untyped-def]
    """Whether the decisions of the first segment are those of all, so that no threshold needs to be computed.

    With the clip's row at every segment all active labels share one column of M: their ratio is not negative, and
    the ridge can only lower their thresholds.
    """
    return track == 0 and prm.audio_chunk == 0 and prm.label_shift and not prm.pinv and not use_cosine


@kernel
def replay_block(inp, params, begin, end, out, wide, traces):  # type: ignore[no-untyped-def]
    """Replay pairs ``begin <= p * N + v < end``; returns the first pair not done (``out`` was full) and the
    number of events written. ``wide`` is memory for the inverse and ``traces`` takes a trace, or they are None.

    One long function: each call level adds seconds to its compilation."""
    videos = inp.first.shape[0] - 1
    longest = 1
    for v in range(videos):
        longest = max(longest, inp.first[v + 1] - inp.first[v])
    s = new_scratch(longest, inp.rank.shape[0], inp.window_visual.shape[1])
    chosen = s.whole[CHOSEN]
    position = 0
    setting = -1
    for pair in range(begin, end):
        if pair // videos != setting:
            setting = pair // videos
            for z in range(longest + 1):
                s.decays[z] = math.exp(-params[setting].decay * z)
        prm = params[setting]
        video = pair % videos
        first = inp.first[video]
        segments = inp.first[video + 1] - first
        late = prm.late and inp.tracks[2]
        start = position
        for track in range(3):
            out.counts[pair - begin, track] = 0
            there = (track == 1 or inp.has_audio[video]) and (track == 0 or inp.has_visual[video])
            if not there or not (inp.tracks[track] or late):
                continue
            n = _select(inp, video, track, prm, chosen)
            if traces is not None:
                for j in range(n):
                    traces.active[track, video, chosen[j]] = True
            if n == 0 or segments == 0 or (track == 2 and late):
                continue
            over, m = chosen, n
            if prm.norm == 1 or (prm.norm == 0 and n == 1 and prm.score_all_if_few):
                over, m = s.whole[EVERYTHING], chosen.shape[0]
            _segment_scores(inp, video, track, segments, n, over, m, prm, s)

            use_cosine = prm.cosine and (track != 0 or prm.cosine_audio)
            moving = prm.moving and not _decisions_stand(track, prm, use_cosine)
            if traces is None:
                tau_out = None
                ratio_out = None
            else:
                moving = prm.moving
                tau_out = traces.tau[track, first : first + segments]
                ratio_out = traces.ratio[track, first : first + segments]
                for t in range(segments):
                    for j in range(n):
                        traces.score[track, first + t, chosen[j]] = s.scores[t * n + j]
            cosine = inp.cosine[first : first + segments]
            active = run_thresholds(n, segments, cosine, use_cosine, moving, prm, s, wide, tau_out, ratio_out, chosen)
            found = find_candidates(n, segments, active, prm.min_length, prm.max_gap, s)
            after = refine_track(inp, video, track, chosen, n, over, m, found, segments, prm, s, out, position)
            if after < 0:
                return pair, start
            out.counts[pair - begin, track] = after - position
            position = after
        if late:
            audio, visual = out.counts[pair - begin, 0], out.counts[pair - begin, 1]
            after = late_fusion(out, start, start + audio, position, segments, inp.rank, s)
            if after < 0:
                return pair, start
            out.counts[pair - begin, 2] = after - position
            position = after
            if not (inp.tracks[0] and inp.tracks[1]):
                position = _drop_unwanted(out, start, audio, visual, position, pair - begin, inp.tracks)
    return end, position


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened inside, for one setting. Axis 0 is the track (:data:`TRACKS` order).

    Shapes: tau, score, ratio (3, S, C) float64, NaN where the label was not active (or the track not run);
    active (3, N, C) bool. ``ratio[t]`` is the label-shift ratio of the step from segment t to t + 1, without
    cosine and decay; NaN in a video's last segment and for methods without label shift.
    """

    tau: NDArray[np.float64]
    score: NDArray[np.float64]
    ratio: NDArray[np.float64]
    active: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Replay:
    """Events of all settings and videos, how many refinement windows were asked for and how many of those were not
    cached (mean-pooled segments stood in), and the trace if asked for."""

    events: Events
    windows_asked: int
    windows_pooled: int
    trace: Trace | None = None


def replay_scores(
    bundle: ScoreBundle,
    params: Params | Sequence[Params],
    *,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    trace: bool = False,
) -> Replay:
    """Run AV²A over a score bundle, for one setting or many, in parallel over (setting, video).

    Parameters
    ----------
    bundle : scores of N videos
    params : one setting, or P of them; the events come in the same order
    tracks : which of audio, visual, audio_visual to compute; the others stay empty
    threads : default: the number of cores; results do not depend on it
    trace : also return thresholds, scores, ratios and active labels (one setting only)

    Raises
    ------
    DataError
        an array that the settings need is not in the bundle; the message names it and the option that needs it
    UsageError
        no setting, an unknown track, a trace of several settings
    """
    settings = [params] if isinstance(params, Params) else list(params)
    if not settings:
        raise UsageError("replay needs at least one parameter setting")
    unknown = [t for t in tracks if t not in TRACKS]
    if unknown or not tracks:
        raise UsageError(f"there is no track {unknown[0]!r}; tracks are {', '.join(TRACKS)}" if unknown
                         else "replay needs at least one track")  # fmt: skip
    if trace and len(settings) > 1:
        raise UsageError(f"a trace is of one setting; {len(settings)} were given")
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; it must be at least 1")
    for p in settings:
        require_arrays(bundle, p, tracks)
    records, norms = to_records(settings, bundle.kind)
    records.flags.writeable = False
    inputs = prepare_inputs(bundle, records, norms, tracks)
    traces = _new_traces(bundle) if trace else None
    pairs = len(settings) * bundle.num_videos
    workers = min(threads or os.cpu_count() or 1, max(1, pairs // 64))
    edges = np.linspace(0, pairs, workers * (4 if workers > 1 else 1) + 1).astype(int).tolist()
    blocks = list(pairwise(edges))

    def run(block: tuple[int, int]) -> tuple[list[_Output], NDArray[np.int32], NDArray[np.int64]]:
        return _run_block(inputs, records, block[0], block[1], traces)

    if workers == 1:
        done = [run(b) for b in blocks]
    else:
        run((0, 0))  # compile or load before any thread starts
        with ThreadPoolExecutor(workers) as pool:
            done = list(pool.map(run, blocks))
    tally = sum((d[2] for d in done), np.zeros(2, np.int64))
    events = _join(done, len(settings), bundle.num_videos)
    return Replay(events, int(tally[0]), int(tally[1]), None if traces is None else Trace(*traces))


def replay_records(inputs: _Inputs, records: np.ndarray) -> Events:
    """Replay some settings in the calling thread: the events, as :func:`replay_scores` orders them."""
    videos = len(inputs.first) - 1
    records.flags.writeable = False
    return _join([_run_block(inputs, records, 0, len(records) * videos, None)], len(records), videos)


def _run_block(
    inputs: _Inputs, records: np.ndarray, begin: int, end: int, traces: _Traces | None
) -> tuple[list[_Output], NDArray[np.int32], NDArray[np.int64]]:
    parts: list[_Output] = []
    counts = np.zeros((end - begin, 3), np.int32)
    tally = np.zeros(2, np.int64)
    at, room = begin, 12 * (end - begin) + 64
    wide = None
    if records["pinv"].any():
        labels, longest = len(inputs.rank), int(np.diff(inputs.first).max(initial=1))
        wide = np.empty((2, min(longest, labels) + 1, labels))
    while True:
        out = _Output(
            np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room),
            counts[at - begin :], np.zeros(2, np.int64),
        )  # fmt: skip
        stop, used = replay_block(inputs, records, at, end, out, wide, traces)
        label, onset, offset, score = (x[:used] for x in out[:4])
        parts.append(_Output(label, onset, offset, score, out.counts, out.tally))
        # the pair that did not fit is done again from its start: its tally must not count twice
        if stop == end:
            return parts, counts, tally + sum((p.tally for p in parts), np.zeros(2, np.int64))
        at, room = stop, 2 * room


def _join(done: list[tuple[list[_Output], NDArray[np.int32], NDArray[np.int64]]], settings: int, videos: int) -> Events:
    parts = [p for d in done for p in d[0]]
    counts = np.concatenate([d[1] for d in done]).reshape(-1)
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])

    def joined(field: str) -> NDArray:
        arrays = [getattr(p, field) for p in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    return Events(settings, videos, starts, joined("label"), joined("onset"), joined("offset"), joined("score"))


def _new_traces(bundle: ScoreBundle) -> _Traces:
    s, n, c = int(bundle.segments_per_video.sum()), bundle.num_videos, bundle.num_labels
    tau, score, ratio = (np.full((3, s, c), np.nan) for _ in range(3))
    return _Traces(tau, score, ratio, np.zeros((3, n, c), np.bool_))


def _read_only(array: NDArray | None, shape: tuple[int, ...], dtype: Any) -> NDArray:
    view = np.zeros(shape, dtype) if array is None else np.ascontiguousarray(array, dtype)
    view = view.view()
    view.flags.writeable = False
    return view


def prepare_inputs(bundle: ScoreBundle, records: np.ndarray, norms: list[tuple], tracks: Sequence[str]) -> _Inputs:
    """What the kernel reads, for the settings of some records (:func:`avreplay.core.params.to_records`)."""
    c, n = bundle.num_labels, bundle.num_videos
    audio_clip = _read_only(bundle.audio_clip, (0, c), np.float32)
    visual_clip = _read_only(bundle.visual_clip, (0, 1, c), np.float32)
    has_audio = _read_only(bundle.has_audio, (n,), np.bool_)
    has_visual = _read_only(bundle.has_visual, (n,), np.bool_)
    clip = np.empty((len(norms), n, 2, c))
    if records["select"].any():
        one_each = np.array([int(np.flatnonzero(records["clip_row"] == q)[0]) for q in range(len(norms))])
        chosen = records[one_each].copy()
        # over all labels: the plain z-score is the one over the active labels
        chosen["norm"] = np.where(chosen["norm"] == 0, 1, chosen["norm"])
        chosen.flags.writeable = False
        clip_scores(audio_clip, visual_clip, has_audio, has_visual, chosen, clip)
    order = sorted(range(c), key=lambda i: bundle.labels[i].lower())
    rank = np.empty(c, np.int64)
    rank[order] = np.arange(c)
    return _Inputs(
        first=_read_only(bundle.segment_starts, (), np.int64),
        visual_segments=_read_only(bundle.visual_segments, (0, c), np.float32),
        audio_segments=_read_only(bundle.audio_segments, (0, c), np.float32),
        audio_visual_segments=_read_only(bundle.audio_visual_segments, (0, c), np.float32),
        audio_clip=audio_clip,
        window_first=_read_only(np.searchsorted(bundle.window_video, np.arange(n + 1)), (), np.int64),
        window_start=_read_only(bundle.window_start, (), np.int64),
        window_end=_read_only(bundle.window_end, (), np.int64),
        window_audio=_read_only(bundle.window_audio, (0, c), np.float32),
        window_visual=_read_only(bundle.window_visual, (0, 1, c), np.float32),
        cosine=_read_only(bundle.visual_cosine, (0,), np.float64),
        has_audio=has_audio,
        has_visual=has_visual,
        clip=_read_only(clip, (), np.float64),
        rank=_read_only(rank, (), np.int64),
        tracks=_read_only(np.array([t in tracks for t in TRACKS]), (), np.bool_),
    )


def require_arrays(bundle: ScoreBundle, p: Params, tracks: Sequence[str]) -> None:
    """Refuse a setting whose arrays are not there, naming the array and the option that needs it."""
    late = p.fusion == "late" and "audio_visual" in tracks
    fused = p.fusion == "score" and "audio_visual" in tracks
    audio, visual = "audio" in tracks or late or fused, "visual" in tracks or late or fused
    given = p.av_scores == "given" and fused
    audio_rows = "audio" in tracks or late or (fused and not given)
    visual_rows = "visual" in tracks or late or (fused and not given)
    chunk = p.audio_scores not in ("clip", "segment")
    cosine = p.method in ("cosine", "label_shift_cosine") and (visual or p.cosine_audio)
    pooled_audio = bundle.audio_segments is not None or bundle.audio_clip is not None
    needs: list[tuple[bool, str, str]] = [
        (p.select_classes and audio, "audio_clip", "select_classes=true"),
        (p.select_classes and visual, "visual_clip", "select_classes=true"),
        (audio_rows and p.audio_scores == "clip", "audio_clip", "audio_scores=clip"),
        (audio_rows and p.audio_scores == "segment", "audio_segments", "audio_scores=segment"),
        (audio_rows and chunk and bundle.window_audio is None, "audio_segments", f"audio_scores={p.audio_scores}"),
        (visual_rows, "visual_segments", "the visual or audio_visual track"),
        (given, "audio_visual_segments", "av_scores=given"),
        (cosine, "visual_cosine", f"method={p.method}"),
        (p.refine and visual and bundle.window_visual is None, "visual_segments", "refine=true without window_visual"),
        (p.refine and audio and bundle.window_audio is None and not pooled_audio, "window_audio", "refine=true"),
    ]  # fmt: skip
    for needed, array, option in needs:
        if needed and getattr(bundle, array) is None:
            name = "visual_features" if array == "visual_cosine" else array
            raise DataError(f"the scores hold no {name}, which {option} needs; add the array or change the option")
