"""Frame and window choice against definitions written out with loops and fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from avreplay.core.errors import UsageError
from avreplay.extract.encoding.sampling import (
    clip_frames,
    frame_at,
    num_segments,
    segment_frames,
    window_frames,
    window_list,
)
from hypothesis import given
from hypothesis import strategies as st

frame_times = st.lists(st.integers(1, 200), min_size=0, max_size=80).map(
    lambda gaps: np.concatenate([[0], np.cumsum(gaps)]) / 64
)


def shown_at(times: np.ndarray, moment: float) -> int:
    """The frame whose interval [begin, next begin) holds the moment."""
    for number in range(len(times) - 1, -1, -1):
        if times[number] <= moment:
            return number
    return 0


@pytest.mark.parametrize(
    ("duration", "segments"),
    [(10.0, 10), (10.027, 10), (9.6, 10), (9.4, 9), (1.2, 1), (1.5, 2), (0.04, 1), (0.0, 1), (3600.2, 3600)],
)
def test_segments_are_the_nearest_whole_number_and_at_least_one(duration: float, segments: int) -> None:
    assert num_segments(duration) == segments


def test_segments_of_another_length() -> None:
    assert num_segments(10.0, 2.0) == 5
    assert num_segments(10.0, 0.5) == 20
    assert num_segments(10.0, 30.0) == 1


@given(frame_times, st.integers(1, 12), st.sampled_from([0.5, 1.0, 2.0]))
def test_middle_rule_takes_the_frame_on_screen_at_the_middle(times: np.ndarray, segments: int, seconds: float) -> None:
    expected = [shown_at(times, (t + 0.5) * seconds) for t in range(segments)]
    assert segment_frames(times, segments, seconds, "middle").tolist() == expected


@given(frame_times, st.integers(1, 12), st.integers(1, 9), st.sampled_from([0.5, 1.0, 2.0]))
def test_middle_rule_cuts_windows_into_equal_parts(
    times: np.ndarray, segments: int, count: int, seconds: float
) -> None:
    windows = window_list(segments, "all")
    got = window_frames(times, segments, windows, count, seconds, "middle")
    for (start, end), frames in zip(windows.tolist(), got.tolist(), strict=True):
        moments = [(start + (k + 0.5) / count * (end - start)) * seconds for k in range(count)]
        assert frames == [shown_at(times, moment) for moment in moments]
    whole = clip_frames(times, segments, count, seconds, "middle")
    assert whole.tolist() == got[windows.tolist().index([0, segments])].tolist()


@given(st.integers(1, 5000), st.integers(1, 120))
def test_release_rule_spreads_segments_over_all_frames(frames: int, segments: int) -> None:
    got = segment_frames(np.arange(frames) / 30, segments, rule="release")
    if segments == 1:
        assert got.tolist() == [0]
        return
    assert got.tolist() == [math.floor(Fraction(t * (frames - 1), segments - 1)) for t in range(segments)]
    assert got[0] == 0
    assert got[-1] == frames - 1


@given(st.integers(1, 900), st.integers(1, 20), st.sampled_from([1, 2, 8]))
def test_release_rule_for_clips_and_windows(frames: int, segments: int, count: int) -> None:
    times = np.arange(frames) / 30
    clip = clip_frames(times, segments, count, rule="release").tolist()
    assert clip == [math.floor(Fraction(k * (frames - 1), max(1, count - 1))) for k in range(count)]
    windows = window_list(segments, "all")
    got = window_frames(times, segments, windows, count, rule="release").tolist()
    fps = max(1, frames // segments)
    for (start, end), chosen in zip(windows.tolist(), got, strict=True):
        inside = list(range(start * fps, end * fps))
        expected = [inside[math.floor(Fraction(k * (len(inside) - 1), max(1, count - 1)))] for k in range(count)]
        assert chosen == [min(number, frames - 1) for number in expected]


def test_release_window_of_ten_seconds_is_not_the_whole_clip_unless_ten_divides_the_frames() -> None:
    times = np.arange(299) / 30
    last = window_frames(times, 10, np.array([[0, 10]]), 8, rule="release")[0, -1]
    assert last == 289
    assert clip_frames(times, 10, 8, rule="release")[-1] == 298


@given(frame_times, st.lists(st.floats(0, 200), max_size=20))
def test_frame_at_keeps_the_shape_and_never_looks_ahead(times: np.ndarray, moments: list[float]) -> None:
    got = frame_at(times, np.array(moments, float).reshape(-1, 1))
    assert got.shape == (len(moments), 1)
    assert got.ravel().tolist() == [shown_at(times, m) for m in moments]


@pytest.mark.parametrize("segments", [1, 2, 10, 16])
def test_all_windows(segments: int) -> None:
    expected = [[s, e] for s in range(segments) for e in range(s + 1, segments + 1)]
    assert window_list(segments).tolist() == expected
    assert len(expected) == segments * (segments + 1) // 2


def test_windows_change_kind_beyond_the_bound() -> None:
    assert len(window_list(16)) == 136
    assert len(window_list(17)) < 17 * 18 // 2
    assert window_list(17).tolist() == window_list(17, "multiscale").tolist()
    assert len(window_list(17, "auto", max_all_segments=20)) == 17 * 18 // 2
    assert window_list(17, "all").tolist() == window_list(17, "auto", 17).tolist()
    assert window_list(10, "none").shape == (0, 2)


@pytest.mark.parametrize("segments", [1, 2, 3, 5, 17, 60, 61, 601, 3600])
def test_multiscale_windows_are_few_and_leave_no_gap(segments: int) -> None:
    windows = window_list(segments, "multiscale")
    rows = [tuple(row) for row in windows.tolist()]
    assert rows == sorted(set(rows))
    assert windows.min() == 0
    assert windows.max() == segments
    assert (windows[:, 0] < windows[:, 1]).all()
    assert (0, segments) in rows
    assert len(rows) < 5 * segments + 5 * math.log2(segments) + 5
    lengths = sorted({end - start for start, end in rows})
    wanted = sorted({length for k in range(13) for length in (2**k, 3 * 2**k) if length < segments} | {segments})
    assert lengths == wanted
    for length in lengths:
        starts = [start for start, end in rows if end - start == length]
        assert starts[0] == 0
        assert starts[-1] == segments - length
        assert all(b - a <= max(1, length // 2) for a, b in pairwise(starts))


def test_unknown_rules_are_named() -> None:
    with pytest.raises(UsageError, match=r"frame rule 'centre'.*middle, release"):
        segment_frames(np.zeros(1), 1, rule="centre")
    with pytest.raises(UsageError, match="window rule 'some'"):
        window_list(3, "some")
