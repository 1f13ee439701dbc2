"""The replay kernel: the whole of AV²A for blocks of (setting, video) pairs, from scores to events. Kernels only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .jit import inlined, inner, kernel, spliced
from .refinement import find_window, late_fusion, mean_of_segments, refine_track
from .scores import fuse, mark_flat, score_row, squash, z_row
from .scratch import BAD, CHOSEN, EVERYTHING, ROW_A, new_scratch
from .thresholds import find_candidates, run_thresholds


class ReplayInputs(NamedTuple):
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


class ReplayOutput(NamedTuple):
    """Where a block of pairs writes its events; ``tally`` counts refinement windows asked for and not cached."""

    label: np.ndarray
    onset: np.ndarray
    offset: np.ndarray
    score: np.ndarray
    counts: np.ndarray  # (pairs, 3)
    tally: np.ndarray


class TraceArrays(NamedTuple):
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


@spliced
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


@spliced
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


@spliced
def _decisions_stand(track, prm, use_cosine):  # type: ignore[no-untyped-def]
    """Whether the decisions of the first segment are those of all, so that no threshold needs to be computed.

    With the clip's row at every segment all active labels share one column of M: their ratio is not negative, and
    the ridge can only lower their thresholds.
    """
    return track == 0 and prm.audio_chunk == 0 and prm.only_decided and prm.never_negative and not use_cosine


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
            if prm.norm == 1 or (prm.norm == 0 and n == 1 and prm.score_all_if_single):
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
