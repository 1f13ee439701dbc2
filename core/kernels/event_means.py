"""The mean segment score of every event. A kernel only."""

from __future__ import annotations

from .jit import inlined, lean_kernel


@inlined
def _added(scores, first, label, onset, offset, total, count):
    """Add the finite scores of some segments to a sum and its count.

    Mirrors :func:`avreplay.core.reference_steps.mean_confidence`.

    scores : (S, C) float32
    first : int, first segment of the video
    label : int
    onset : int, segment of the video
    offset : int, exclusive
    total : float, the sum so far
    count : int, of how many
    """
    for t in range(first + onset, first + offset):
        x = scores[t, label]
        if abs(x) < float("inf"):
            total += x
            count += 1
    return total, count


@lean_kernel
def event_means(
    begin, end, first, audio, visual, fused, has_audio, has_visual, starts, label, onset, offset, confidence
):
    """The mean score of the segments of each event: of the stream of its track, in the audio-visual track of both.

    Of the audio-visual track, with neither audio nor visual scores, the fused ones. Only finite scores of a stream that
    the video has count; without any the mean is 0.

    Mirrors :func:`avreplay.core.reference_steps.mean_confidence`.

    begin : int, the first (setting, video, track) whose events are done
    end : int, exclusive
    first : (N + 1,) int64, first segment of each video
    audio : (S, C) float32, (0, C) for none
    visual : (S, C) float32, likewise
    fused : (S, C) float32, likewise
    has_audio : (N,) bool, whether the video has sound
    has_visual : (N,) bool, whether it has pictures
    starts : (P * N * 3 + 1,) int64, where the events of (setting, video, track) begin
    label : (E,) int32
    onset : (E,) int32
    offset : (E,) int32
    confidence : (E,) float64, written
    """
    videos = has_audio.shape[0]
    only_fused = audio.shape[0] == 0 and visual.shape[0] == 0 and fused.shape[0] > 0
    for row in range(begin, end):
        video, track = row // 3 % videos, row % 3
        for i in range(starts[row], starts[row + 1]):
            total, count = 0.0, 0
            at, c, a, b = first[video], label[i], onset[i], offset[i]
            if track != 1 and audio.shape[0] > 0 and has_audio[video]:
                total, count = _added(audio, at, c, a, b, total, count)
            if track != 0 and visual.shape[0] > 0 and has_visual[video]:
                total, count = _added(visual, at, c, a, b, total, count)
            if track == 2 and only_fused and has_audio[video] and has_visual[video]:
                total, count = _added(fused, at, c, a, b, total, count)
            confidence[i] = total / count if count > 0 else 0.0
