"""Scores of the segments of a track (paper Eq. 2, 4). Kernels only."""

from __future__ import annotations

from .jit import spliced
from .lanes import close_lanes
from .scores import mark_flat, score_row, squash, z_row
from .scratch import BAD, CHOSEN, FLAT, ROW_A
from .vectors import LANES, fill
from .windows import find_window, mean_of_segments


@spliced
def _audio_row(inputs, video, t, segments, norm_labels, num_norm, params, s):
    """Raw audio scores (C,) of a segment: its own or its chunk's.

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
    row = s.raw[0, 0]
    if params.audio_chunk == 1:
        row = inputs.audio_segments[inputs.first[video] + t]
    else:
        start = t // params.audio_chunk * params.audio_chunk
        end = min(start + params.audio_chunk, segments)
        w = find_window(inputs, video, start, end) if inputs.window_audio.shape[0] else -1
        if w >= 0:
            row = inputs.window_audio[w]
        else:
            mean_of_segments(inputs.audio_segments, inputs.first[video], start, end, norm_labels, num_norm, s.raw[0, 0])
    return row


@spliced
def score_visual(inputs, video, given, segments, lanes, n, norm_labels, num_norm, params, s):
    """Scores (T, k) of every segment from its visual, or its given audio-visual, row into ``s.visual`` (Eq. 2);
    ``s.steps[BAD]`` marks segments of NaN.

    Mirrors :func:`avreplay.core.reference.segment_scores`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    given : bool, whether audio-visual scores are given
    segments : int, T of the video
    lanes : int, T in lanes
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    first = inputs.first[video]
    labels, bad, out = s.ints[CHOSEN], s.steps[BAD], s.visual
    rows = inputs.audio_visual_segments if given else inputs.visual_segments
    for t in range(segments):
        bad[t] = not z_row(rows[first + t], labels, n, norm_labels, num_norm, out, t, lanes, params)
    squash(out, n * lanes, params)
    for t in range(segments):
        if bad[t]:
            bad[t] = mark_flat(out, t, lanes, n, num_norm, params)
    close_lanes(out, n, segments, lanes)


@spliced
def score_audio(inputs, video, segments, lanes, n, norm_labels, num_norm, params, s):
    """Scores (T, k) of every segment from its audio row, its chunk's or the clip's, into ``s.audio`` (Eq. 2);
    ``s.steps[BAD]`` marks segments of NaN, beside those that are marked.

    Mirrors :func:`avreplay.core.reference.segment_scores`.

    inputs : the scores of all videos (:class:`ReplayInputs`)
    video : int, index of the video
    segments : int, T of the video
    lanes : int, T in lanes
    n : int, k, how many labels are selected
    norm_labels : (>= num_norm,) int64, the labels that the z-score is taken over, the selected ones among them
    num_norm : int, how many these are
    params : one record of :data:`avreplay.core.params.records.PARAM_DTYPE`
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    labels, bad, row, out = s.ints[CHOSEN], s.steps[BAD], s.floats[ROW_A], s.audio
    if params.audio_chunk == 0:
        raw = inputs.audio_clip[video]
        unknown = score_row(raw, labels, n, norm_labels, num_norm, row, params)
        for j in range(n):
            for t in range(0, lanes, LANES):
                fill(out, j * lanes + t, row[j])
        for t in range(segments):
            bad[t] |= unknown
    else:
        for t in range(segments):
            raw = _audio_row(inputs, video, t, segments, norm_labels, num_norm, params, s)
            s.steps[FLAT, t] = not z_row(raw, labels, n, norm_labels, num_norm, out, t, lanes, params)
        squash(out, n * lanes, params)
        for t in range(segments):
            if s.steps[FLAT, t]:
                bad[t] |= mark_flat(out, t, lanes, n, num_norm, params)
    close_lanes(out, n, segments, lanes)
