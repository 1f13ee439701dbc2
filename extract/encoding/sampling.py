"""Which frames stand for a segment, a window and a clip, and the list of windows: pure functions of times.

A video is cut into T segments of ``segment_seconds``, counted from its first picture or sound. A window is a half-open
range of segments [start, end); the clip is all of them. T is the duration in segments, rounded to the nearest
(halves up), and at least 1: a clip of 1.2 s has one segment, one of 9.6 s has ten. Where the last segment reaches
beyond the video, the last frame and silence fill the rest.

Two frame rules:

``middle``
    By time. A segment is shown by the frame that is on screen at its middle. A window (and the clip, which is the
    window of all segments) is cut into n equal parts, and the frame on screen at the middle of each part is taken.
``release``
    By frame number, as AV2A's released code does. Segment t is frame floor(t (N-1) / (T-1)) of N, so that the
    first and the last frame are always used; the clip is frames floor(k (N-1) / (n-1)). A window has the frames
    from start * f to end * f - 1, where f = floor(N / T), and of these the ones at floor(k (length-1) / (n-1)).
    Beyond the release: T = 1 shows frame 0, f is at least 1, and a number past the last frame means the last one.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ..command_options import FRAME_RULES, WINDOW_RULES

Indices: TypeAlias = NDArray[np.int64]
Times: TypeAlias = NDArray[np.float64]


def num_segments(duration: float, segment_seconds: float = 1.0) -> int:
    """Segments of a video of ``duration`` seconds: the nearest whole number (halves up), at least 1."""
    return max(1, math.floor(duration / segment_seconds + 0.5))


def frame_at(times: Times, moments: NDArray[np.floating]) -> Indices:
    """The frame on screen at each moment: the last one that has begun, or the first one before anything has.

    ``times`` [N] : when each frame begins, sorted, in seconds; ``moments`` : in seconds, any shape, kept.
    """
    return np.maximum(np.searchsorted(times, moments, side="right") - 1, 0).astype(np.int64)


def segment_frames(times: Times, segments: int, segment_seconds: float = 1.0, rule: str = "middle") -> Indices:
    """[T] frame numbers, one per segment; ``times`` [N] as in `frame_at`, from 0 at the first frame."""
    if _checked(rule) == "middle":
        return frame_at(times, (np.arange(segments) + 0.5) * segment_seconds)
    return _spread(len(times), segments)


def clip_frames(times: Times, segments: int, count: int, segment_seconds: float = 1.0, rule: str = "middle") -> Indices:
    """[count] frame numbers that show the whole clip."""
    if _checked(rule) == "middle":
        found: Indices = window_frames(times, segments, np.array([[0, segments]]), count, segment_seconds, rule)[0]
        return found
    return _spread(len(times), count)


def window_frames(
    times: Times,
    segments: int,
    windows: Indices,
    count: int,
    segment_seconds: float = 1.0,
    rule: str = "middle",
) -> Indices:
    """[W, count] frame numbers that show each window; ``windows`` [W, 2] in segments, half-open."""
    start, end = windows[:, :1], windows[:, 1:]
    if _checked(rule) == "middle":
        parts = (np.arange(count) + 0.5) / count
        return frame_at(times, (start + parts * (end - start)) * segment_seconds)
    per_segment = max(1, len(times) // segments)
    inside = np.arange(count) * ((end - start) * per_segment - 1) // max(1, count - 1)
    found: Indices = np.minimum(start * per_segment + inside, len(times) - 1).astype(np.int64)
    return found


def window_list(segments: int, rule: str = "auto", max_all_segments: int = 16) -> Indices:
    """[W, 2] windows of a video of T segments, sorted by start, then end.

    ``all`` : every (start, end), T (T + 1) / 2 of them; ``multiscale`` : windows of 1, 2, 3, 4, 6, 8, 12, 16 ...
    segments, each moved by half its length (rounded down, at least 1), the last one flush with the end, plus the
    whole clip, fewer than 5 T + 5 log2(T) + 5 in all; ``auto`` : all of them up to ``max_all_segments`` segments,
    else multiscale; ``none``.
    """
    if rule not in WINDOW_RULES:
        raise UsageError(f"there is no window rule {rule!r}; choose one of {', '.join(WINDOW_RULES)}")
    if rule == "none":
        return np.zeros((0, 2), np.int64)
    if has_all(segments, rule, max_all_segments):
        start, end = np.triu_indices(segments)
        return np.stack([start, end + 1], axis=1).astype(np.int64)
    windows = {(0, segments)}
    for length in _scales(segments):
        last = segments - length
        windows.update((s, s + length) for s in (*range(0, last, max(1, length // 2)), last))
    return np.array(sorted(windows), np.int64)


def has_all(segments: int, rule: str, max_all_segments: int) -> bool:
    """Whether a rule gives a video every window there is."""
    return rule == "all" or (rule == "auto" and segments <= max_all_segments)


def most_windows(segments: int, rule: str, max_all_segments: int) -> int:
    """What the number of windows of :func:`window_list` does not pass, and is where it has all, without making them."""
    if rule == "none":
        return 0
    if has_all(segments, rule, max_all_segments):
        return segments * (segments + 1) // 2
    return 5 * segments + 5 * segments.bit_length()


def _scales(segments: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24 ...: powers of two and one length between, shorter than the clip."""
    powers = [2**k for k in range(segments.bit_length())]
    return [length for length in sorted({*powers, *(3 * p for p in powers)}) if length < segments]


def _spread(frames: int, count: int) -> Indices:
    """floor(k (frames - 1) / (count - 1)) for k < count, in whole numbers; 0 for a count of 1."""
    return np.arange(count, dtype=np.int64) * (frames - 1) // max(1, count - 1)


def _checked(rule: str) -> str:
    if rule not in FRAME_RULES:
        raise UsageError(f"there is no frame rule {rule!r}; choose one of {', '.join(FRAME_RULES)}")
    return rule
