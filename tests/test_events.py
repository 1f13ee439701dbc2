"""Tables of events: whatever is picked, cut or joined, an event keeps its score, confidence and seconds."""

import numpy as np
import pytest
from avreplay.core.events import Events
from avreplay.core.target import Target
from hypothesis import given, settings
from hypothesis import strategies as st


@st.composite
def _tables(draw, videos=None):
    """Events of 1 setting; with or without a confidence, and seconds; each told apart by its score."""
    width = draw(st.sampled_from([4, 5, 7]))
    number = draw(st.integers(0, 5)) if videos is None else videos
    rng = np.random.default_rng(draw(st.integers(0, 1000)))

    def event():
        onset = int(rng.integers(0, 9))
        offset = int(rng.integers(onset + 1, 11))
        times = 0.5 * onset + 0.4 * rng.random(), 0.5 * offset - 0.05 * rng.random()
        return (int(rng.integers(0, 4)), onset, offset, rng.random(), rng.random(), *times)[:width]

    tracks = [[[event() for _ in range(rng.integers(0, 4))] for _ in range(3)] for _ in range(number)]
    return tracks, Events.from_tracks(tracks)


def _listed(events, setting=0):
    """The events as they were given to from_tracks."""
    found = []
    for v in range(events.num_videos):
        of_video = []
        for k in range(3):
            at = events.rows(v, k, setting)
            columns = [events.label[at], events.onset[at], events.offset[at], events.score[at]]
            columns += [] if events.confidence is None else [events.confidence[at]]
            columns += [] if events.seconds is None else [events.seconds[at, 0], events.seconds[at, 1]]
            of_video.append(list(zip(*(c.tolist() for c in columns), strict=True)))
        found.append(of_video)
    return found


def _has(events, like):
    return (events.confidence is None) == (like.confidence is None) and (events.seconds is None) == (
        like.seconds is None
    )


@settings(max_examples=25, deadline=None)
@given(_tables(), st.data())
def test_what_is_picked_keeps_everything(case, data):
    tracks, events = case
    assert _listed(events) == tracks
    videos = data.draw(st.lists(st.integers(0, max(0, len(tracks) - 1)), max_size=6)) if tracks else []
    chosen = events.select(videos)
    assert _listed(chosen) == [tracks[v] for v in videos]
    assert _has(chosen, events)
    first = data.draw(st.integers(0, len(tracks)))
    assert _listed(events.first_videos(first)) == tracks[:first]
    kept = events.where(events.label != 2)
    assert _listed(kept) == [[[e for e in t if e[0] != 2] for t in v] for v in tracks]
    assert _has(kept, events)
    twice = Events.joined([events, kept])
    assert _listed(twice, 0) == tracks
    assert _listed(twice.setting(1)) == _listed(kept)
    assert _has(twice, events)
    both = Events.of_videos([twice, twice])
    assert _listed(both, 0) == tracks + tracks
    assert _listed(both, 1) == 2 * _listed(kept)
    # blocks of videos without events have nothing to tell, with or without the columns
    empty = Events.from_tracks([[[], [], []]])
    assert _has(Events.of_videos([events, empty]), events) or not len(events.label)


@settings(max_examples=25, deadline=None)
@given(_tables(), st.lists(st.integers(1, 10), min_size=5, max_size=5))
def test_a_cut_is_in_segments_and_in_seconds(case, limits):
    tracks, events = case
    limits = np.array(limits[: len(tracks)], np.int64)
    cut = events.cut(limits, 0.5)
    for v, limit in enumerate(limits.tolist()):
        for k in range(3):
            expected = []
            for e in tracks[v][k]:
                if e[1] < limit and (len(e) < 7 or e[5] < limit * 0.5):
                    times = [min(t, limit * 0.5) for t in e[5:]]
                    expected.append((e[0], e[1], min(e[2], limit), *e[3:5], *times))
            assert _listed(cut)[v][k] == expected
    assert _has(cut, events)


def test_of_tables_that_disagree_nothing_is_made_up():
    sure = Events.from_tracks([[[(0, 1, 2, 0.5, 0.7)], [], []]])
    unsure = Events.from_tracks([[[(0, 1, 2, 0.5)], [], []]])
    assert Events.joined([sure, unsure]).confidence is None
    with pytest.raises(ValueError, match="3, 4, 5 or 7"):
        Events.from_tracks([[[(0, 1, 2, 0.5, 0.7), (0, 1, 2)], [], []]])


def test_a_search_brings_both_to_the_annotations():
    events = Events.from_tracks([[[(0, 0, 4, 0.5, 0.7, 0.1, 1.9), (1, 0, 1, 0.5, 0.6, 0.0, 0.5)], [], []]])
    truth = Events.from_tracks([[[], [], []]])

    class Seconds:
        seconds, segments = np.array([0.5]), np.array([3])
        events = truth

    target = Target(None, Seconds, np.array([2, -1], np.int32), cut=True)
    fitted = target.fitted(events)
    assert fitted.label.tolist() == [2]
    assert fitted.confidence.tolist() == [0.7]
    assert fitted.seconds.tolist() == [[0.1, 1.5]]
