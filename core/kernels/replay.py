"""The replay kernel: the whole of AV²A for blocks of (setting, video) pairs, from scores to events. Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .candidates import find_candidates
from .jit import inlined, inner, kernel, spliced
from .late_fusion import late_fusion
from .refine_candidates import refine_track
from .scores import fuse, fuse_row, mark_flat, score_row, squash, z_row
from .scratch import BAD, CHOSEN, EVERYTHING, ROW_A, new_scratch
from .thresholds import run_thresholds
from .windows import find_window, mean_of_segments


class ReplayInputs(NamedTuple):
    """A score bundle (:class:`avreplay.core.bundle.ScoreBundle`) as the kernel reads it: N videos, S segments, W
    windows, C labels, R rows per visual score.

    Missing arrays have length zero; all are read-only and C-contiguous.
    """

    first: np.ndarray  # (N + 1,) int64, first segment of each video
    visual_segments: np.ndarray  # (S, C) float32, raw scores
    audio_segments: np.ndarray  # (S, C) float32
    audio_visual_segments: np.ndarray  # (S, C) float32
    audio_clip: np.ndarray  # (N, C) float32
    window_first: np.ndarray  # (N + 1,) int64, first window of each video
    window_start: np.ndarray  # (W,) int64
    window_end: np.ndarray  # (W,) int64
    window_audio: np.ndarray  # (W, C) float32
    window_visual: np.ndarray  # (W, R, C) float32
    cosine: np.ndarray  # (S,) float64, of the visual features of segments t and t + 1
    has_audio: np.ndarray  # (N,) bool
    has_visual: np.ndarray  # (N,) bool
    clip: np.ndarray  # (Q, N, 2, C) float64, clip scores
    rank: np.ndarray  # (C,) int64, alphabetical rank of each label
    tracks: np.ndarray  # (3,) bool, which tracks are wanted


class ReplayOutput(NamedTuple):
    """Where a block of pairs writes its events; E is how many fit."""

    label: np.ndarray  # (E,) int32
    onset: np.ndarray  # (E,) int32, segment
    offset: np.ndarray  # (E,) int32, segment, exclusive
    score: np.ndarray  # (E,) float64, NaN without refinement
    counts: np.ndarray  # (pairs, 3) int32, events of each track
    window_counts: np.ndarray  # (2,) int64, refinement windows asked for, and those of them that are not cached


class TraceArrays(NamedTuple):
    """What happened inside, for a trace of one setting; axis 0 is the track."""

    tau: np.ndarray  # (3, S, C) float64, thresholds
    score: np.ndarray  # (3, S, C) float64, scores of segments
    ratio: np.ndarray  # (3, S, C) float64, label-shift ratios
    active: np.ndarray  # (3, N, C) bool, selected labels


@inlined
def _select(inputs, video, track, params, chosen):
    """Class selection (Eq. 5): labels whose clip score is above tau_f, in label order; returns how many.

    Mirrors :func:`avreplay.core.reference.select_labels`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    chosen : (C,) int64, written
    """
    labels = chosen.shape[0]
    if not params.select:
        for c in range(labels):
            chosen[c] = c
        return labels
    audio = inputs.clip[params.clip_row, video, 0]
    visual = inputs.clip[params.clip_row, video, 1]
    n = 0
    if track == 2:
        alpha, beta, single, tau_f = params.alpha, params.beta, params.single, params.tau_f
        for c in range(labels):
            chosen[n] = c
            n += fuse(audio[c], visual[c], alpha, beta, single) > tau_f
        return n
    score_of = audio if track == 0 else visual
    for c in range(labels):
        chosen[n] = c
        n += score_of[c] > params.tau_f
    return n


@inner
def _audio_row(inputs, video, t, segments, norm_labels, num_norm, params, s):
    """Raw audio scores (C,) of a segment: its own, its chunk's, or the clip's.

    Mirrors :func:`avreplay.core.reference.audio_rows`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    t : int, segment
    segments : int, T of the video
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    if params.audio_chunk == 0:
        return inputs.audio_clip[video]
    if params.audio_chunk == 1:
        return inputs.audio_segments[inputs.first[video] + t]
    start = t // params.audio_chunk * params.audio_chunk
    end = min(start + params.audio_chunk, segments)
    w = find_window(inputs, video, start, end) if inputs.window_audio.shape[0] else -1
    if w >= 0:
        return inputs.window_audio[w]
    mean_of_segments(inputs.audio_segments, inputs.first[video], start, end, norm_labels, num_norm, s.raw[0, 0])
    return s.raw[0, 0]


@spliced
def _segment_scores(inputs, video, track, segments, n, norm_labels, num_norm, params, s):
    """Scores (T, k) of every segment for the labels of a track, into ``s.scores`` (Eq. 2, 4); ``s.steps[BAD]`` marks
    segments of NaN.

    Mirrors :func:`avreplay.core.reference.segment_scores`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    track : int, 0 audio, 1 visual, 2 audio-visual
    segments : int, T of the video
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    first = inputs.first[video]
    labels, bad = s.ints[CHOSEN], s.steps[BAD]
    given = track == 2 and params.av_given
    for t in range(segments):
        bad[t] = 0
    if track != 0:
        rows = inputs.audio_visual_segments if given else inputs.visual_segments
        for t in range(segments):
            bad[t] = not z_row(rows[first + t], labels, n, norm_labels, num_norm, s.scores[t * n : t * n + n], params)
        squash(s.scores, segments * n, params)
        for t in range(segments):
            if bad[t]:
                bad[t] = mark_flat(s.scores[t * n : t * n + n], n, num_norm, params)
        if track == 1 or given:
            return
    audio = s.floats[ROW_A]
    unknown = False
    for t in range(segments):
        if t == 0 or (params.audio_chunk > 0 and t % params.audio_chunk == 0):
            raw = _audio_row(inputs, video, t, segments, norm_labels, num_norm, params, s)
            unknown = score_row(raw, labels, n, norm_labels, num_norm, audio, params)
        row = s.scores[t * n : t * n + n]
        if track == 2:
            fuse_row(audio, row, row, n, params)
        else:
            for j in range(n):
                row[j] = audio[j]
        bad[t] |= unknown


@spliced
def _drop_unwanted(out, start, audio, visual, end, pair, tracks):
    """Remove the audio or visual events that only served late fusion; returns how many events are left in all.

    out : where events go (:class:`ReplayOutput`)
    start : int, first event of the pair
    audio : int, its audio events
    visual : int, its visual events
    end : int, end of its events
    pair : int, row of ``out.counts``
    tracks : (3,) bool, which are wanted
    """
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


@spliced
def _decisions_stand(track, params, use_cosine):
    """Whether the decisions of the first segment are those of all, so that no threshold needs to be computed.

    With the clip's row at every segment, all labels decided for share one column of M: their ratio is not negative,
    and by methods that move only their thresholds these can only fall. Which methods and ratios are so is declared
    with them (``ONLY_DECIDED`` and ``NEVER_NEGATIVE`` of :mod:`avreplay.core.params.av2a`).

    Mirrors :func:`avreplay.core.reference.dynamic_thresholds`.

    track : int, 0 audio, 1 visual, 2 audio-visual
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    use_cosine : bool, whether the cosine factor is used in the track
    """
    return track == 0 and params.audio_chunk == 0 and params.only_decided and params.never_negative and not use_cosine


@kernel
def replay_block(inputs, records, begin, end, out, pinv_work, traces):
    """Replay pairs ``begin <= p * N + v < end``; returns the first pair not done (``out`` was full) and the number of
    events written.

    One long function: each call level adds seconds to its compilation.

    Mirrors :func:`avreplay.core.reference.video_stages`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    records : (P,) records of :data:`avreplay.core.params.records.PARAM_DTYPE`
    begin : int, first pair
    end : int, end of the pairs
    out : where events go (:class:`ReplayOutput`)
    pinv_work : (2, q, C) float64, working memory of the inverse, or None where no setting needs it
    traces : takes what happened inside (:class:`TraceArrays`), of one setting, or None
    """
    videos = inputs.first.shape[0] - 1
    longest = 1
    for v in range(videos):
        longest = max(longest, inputs.first[v + 1] - inputs.first[v])
    s = new_scratch(longest, inputs.rank.shape[0], inputs.window_visual.shape[1])
    chosen = s.ints[CHOSEN]
    position = 0
    setting = -1
    for pair in range(begin, end):
        if pair // videos != setting:
            setting = pair // videos
            for z in range(longest + 1):
                s.decays[z] = math.exp(-records[setting].decay * z)
        params = records[setting]
        video = pair % videos
        first = inputs.first[video]
        segments = inputs.first[video + 1] - first
        late = params.late and inputs.tracks[2]
        start = position
        for track in range(3):
            out.counts[pair - begin, track] = 0
            present = (track == 1 or inputs.has_audio[video]) and (track == 0 or inputs.has_visual[video])
            if not present or not (inputs.tracks[track] or late):
                continue
            n = _select(inputs, video, track, params, chosen)
            if traces is not None:
                for j in range(n):
                    traces.active[track, video, chosen[j]] = True
            if n == 0 or segments == 0 or (track == 2 and late):
                continue
            norm_labels, num_norm = chosen, n
            if params.norm == 1 or (params.norm == 0 and n == 1 and params.score_all_if_single):
                norm_labels, num_norm = s.ints[EVERYTHING], chosen.shape[0]
            _segment_scores(inputs, video, track, segments, n, norm_labels, num_norm, params, s)

            use_cosine = params.cosine and (track != 0 or params.cosine_audio)
            moving = params.moving and not _decisions_stand(track, params, use_cosine)
            if traces is None:
                tau_out = None
                ratio_out = None
            else:
                moving = params.moving
                tau_out = traces.tau[track, first : first + segments]
                ratio_out = traces.ratio[track, first : first + segments]
                for t in range(segments):
                    for j in range(n):
                        traces.score[track, first + t, chosen[j]] = s.scores[t * n + j]
            cosine = inputs.cosine[first : first + segments]
            active = run_thresholds(
                n, segments, cosine, use_cosine, moving, params, s, pinv_work, tau_out, ratio_out, chosen
            )
            found = find_candidates(n, segments, active, params.min_length, params.max_gap, s)
            after = refine_track(
                inputs, video, track, chosen, n, norm_labels, num_norm, found, segments, params, s, out, position
            )
            if after < 0:
                return pair, start
            out.counts[pair - begin, track] = after - position
            position = after
        if late:
            audio, visual = out.counts[pair - begin, 0], out.counts[pair - begin, 1]
            after = late_fusion(out, start, start + audio, position, segments, inputs.rank, s)
            if after < 0:
                return pair, start
            out.counts[pair - begin, 2] = after - position
            position = after
            if not (inputs.tracks[0] and inputs.tracks[1]):
                position = _drop_unwanted(out, start, audio, visual, position, pair - begin, inputs.tracks)
    return end, position
