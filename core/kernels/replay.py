"""The replay kernel: all of AV²A for a block of videos under many settings, from scores to events. Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .candidates import find_candidates
from .every_label import follow_every_label
from .filtered_thresholds import extend_decisions, smooth_scores
from .firing_words import word_thresholds
from .fusion import fuse_segments
from .groups import GROUP_FIRST, GROUP_SORTED, chosen_labels, group_settings
from .jit import lean_kernel
from .lanes import lanes_of
from .late_fusion import late_fusion
from .refine_candidates import refine_track
from .scratch import BAD, CHOSEN, EVERYTHING, LIVE
from .segment_scores import score_audio, score_visual
from .thresholds import decisions_stand, first_decisions, last_known, order_active
from .word_ratio import MOST, SEGMENTS


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
    counts: np.ndarray  # (videos, P, 3) int32, events of each setting and track, as zeros
    first: np.ndarray  # (videos, P, 3) int64, where they begin
    window_counts: np.ndarray  # (2,) int64, refinement windows asked for, and those of them that are not cached


class TraceArrays(NamedTuple):
    """What happened inside, for a trace of one setting; axis 0 is the track."""

    tau: np.ndarray  # (3, S, C) float64, thresholds
    score: np.ndarray  # (3, S, C) float64, scores of segments
    ratio: np.ndarray  # (3, S, C) float64, label-shift ratios
    active: np.ndarray  # (3, N, C) bool, selected labels


@lean_kernel
def replay_block(inputs, records, order, kinds, begin, end, out, s, every, pinv_work, filters, traces):
    """Replay the videos ``begin <= v < end`` under P settings; returns the first video not done (``out`` was full) and
    the number of events written. Events stand video by video and track by track; ``out.first`` says where.

    Settings of one kind (which may differ in alpha, decay and thresholds) that select the same labels share the scores
    of segments and windows. One long function: each call level adds seconds to its compilation.

    Mirrors :func:`avreplay.core.reference.video_stages`.

    Named tuples come by reference (:class:`avreplay.core.kernels.by_reference.ByReference`).

    inputs : the scores of all videos (:class:`ReplayInputs`)
    records : (P,) records of :data:`avreplay.core.params.records.PARAM_DTYPE`
    order : (P,) int64, the settings, one kind after the other
    kinds : (K + 1,) int64, where each kind begins in ``order``
    begin : int, first video
    end : int, end of the videos
    out : where events go (:class:`ReplayOutput`)
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`) for the longest video and P settings, in
        which no window is remembered yet
    every : working memory (:class:`avreplay.core.kernels.scratch.EveryScratch`), or None where no setting and video
        can need it; the compiler then leaves out a third of the code
    pinv_work : (2, q, C) float64, working memory of the inverse, or None where no setting needs it
    filters : working memory (:class:`avreplay.core.kernels.scratch.FilterScratch`), or None where no setting has a
        median filter or hysteresis; the compiler then leaves both out
    traces : takes what happened inside (:class:`TraceArrays`), of one setting, or None
    """
    num_labels = inputs.rank.shape[0]
    for p in range(order.shape[0]):
        for z in range(s.decays.shape[1]):
            s.decays[p, z] = math.exp(-records[p].decay * z)
    chosen = s.ints[CHOSEN]
    position = 0
    number = 0
    for video in range(begin, end):
        first = inputs.first[video]
        segments = inputs.first[video + 1] - first
        lanes = lanes_of(segments)
        start, asked, missing = position, out.window_counts[0], out.window_counts[1]
        full = False
        for kind in range(kinds.shape[0] - 1):
            low, high = kinds[kind], kinds[kind + 1]
            shared = records[order[low]]
            late = shared.late and inputs.tracks[2]
            for track in range(3):
                present = (track == 1 or inputs.has_audio[video]) and (track == 0 or inputs.has_visual[video])
                if full or not present or not (inputs.tracks[track] or late):
                    continue
                given = track == 2 and shared.av_given
                use_cosine = shared.cosine and (track != 0 or shared.cosine_audio)
                moving = shared.moving and not (traces is None and decisions_stand(track, shared, use_cosine))
                cosine = inputs.cosine[first : first + segments]
                groups = group_settings(inputs, records, order, low, high, video, track, num_labels, s)
                for g in range(groups):
                    number += 1
                    members, after_members = s.group[GROUP_FIRST, g], s.group[GROUP_FIRST, g + 1]
                    words = (num_labels + 63) // 64
                    at = (s.group[GROUP_SORTED, members] - low) * words
                    n = chosen_labels(s.masks, at, num_labels, chosen)
                    if traces is not None:
                        for j in range(n):
                            traces.active[track, video, chosen[j]] = True
                    if n == 0 or segments == 0 or (track == 2 and late):
                        continue
                    norm_labels, num_norm = chosen, n
                    if shared.norm == 1 or (shared.norm == 0 and n == 1 and shared.score_all_if_single):
                        norm_labels, num_norm = s.ints[EVERYTHING], num_labels
                    for t in range(segments):
                        s.steps[BAD, t] = 0
                    if track != 0:
                        score_visual(inputs, video, given, segments, lanes, n, norm_labels, num_norm, shared, s)
                    if track == 0 or (track == 2 and not given):
                        score_audio(inputs, video, segments, lanes, n, norm_labels, num_norm, shared, s)
                    for member in range(members, after_members):
                        setting = order[s.group[GROUP_SORTED, member]]
                        params = records[setting]
                        scores = s.audio if track == 0 else s.visual
                        if track == 2 and not given:
                            fuse_segments(s.audio, s.visual, s.fused, n * lanes, params)
                            scores = s.fused
                        if filters is not None:  # noqa: SIM102 (alone, so that the compiler leaves it out)
                            if params.median > 1:
                                smooth_scores(scores, n, segments, lanes, params, filters, s)
                                scores = filters.scores
                        if traces is None:
                            if filters is None:  # noqa: SIM108 (likewise)
                                tau_out = None
                            else:
                                tau_out = filters.tau[0, 0:segments]
                            ratio_out = None
                        else:
                            tau_out = traces.tau[track, first : first + segments]
                            ratio_out = traces.ratio[track, first : first + segments]
                            for t in range(segments):
                                for j in range(n):
                                    traces.score[track, first + t, chosen[j]] = scores[j * lanes + t]
                                    if not moving:
                                        tau_out[t, chosen[j]] = params.tau0
                        num_live = first_decisions(scores, n, segments, lanes, moving, params, s)
                        last = last_known(segments, moving, params, s)
                        if moving and (not params.label_shift or num_live > MOST or segments > SEGMENTS):
                            if every is not None:
                                follow_every_label(
                                    scores, n, segments, lanes, last, cosine, use_cosine, params, s.decays[setting], s,
                                    every, pinv_work, tau_out, ratio_out, chosen,
                                )  # fmt: skip
                        elif moving and (num_live or traces is not None):
                            word_thresholds(
                                scores, n, lanes, s.ints[LIVE], num_live, last, cosine, use_cosine, params,
                                s.decays[setting], s.fired, s.words, s.classes, pinv_work, tau_out, ratio_out, chosen,
                            )  # fmt: skip
                        if filters is not None:  # noqa: SIM102
                            if params.hysteresis_drop > 0.0:
                                extend_decisions(
                                    scores, n, segments, lanes, last, moving, tau_out, chosen, params, s
                                )  # fmt: skip
                        active = order_active(n, segments, s)
                        found = find_candidates(segments, active, params.min_length, params.max_gap, s)
                        after = refine_track(
                            inputs, video, track, chosen, n, norm_labels, num_norm, found, segments, number, params,
                            s, out, position,
                        )  # fmt: skip
                        if after < 0:
                            full = True
                            break
                        out.first[video - begin, setting, track] = position
                        out.counts[video - begin, setting, track] = after - position
                        position = after
                    if full:
                        break
            if late and not full:
                for i in range(low, high):
                    place, count = out.first[video - begin, order[i]], out.counts[video - begin, order[i]]
                    after = late_fusion(
                        out, place[0], place[0] + count[0], place[1], place[1] + count[1], position, segments,
                        inputs.rank, s,
                    )  # fmt: skip
                    if after < 0:
                        full = True
                        break
                    place[2] = position
                    count[2] = after - position
                    position = after
                    for track in range(2):
                        if not inputs.tracks[track]:
                            count[track] = 0
        if full:
            out.counts[video - begin] = 0
            out.window_counts[0], out.window_counts[1] = asked, missing
            return video, start
    return end, position
