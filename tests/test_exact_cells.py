"""Cells of tau0 and pieces of tau_r against the replay and against the plain form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from avreplay.core import reference as plain
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.events import TRACKS
from avreplay.core.exact import reference, regions
from avreplay.core.exact.regions import plane_regions, track_cells
from avreplay.core.params.av2a import Params
from exact_cases import METHODS, events_at, golden_bundle, places, preset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_twin import make_bundle, params_strategy

# many kernels, which each further Python would compile anew
pytestmark = pytest.mark.slow


def tracks_of(params: Params) -> tuple[str, ...]:
    return TRACKS[:2] if params.fusion == "late" else TRACKS


def assert_candidates(bundle, params, seed=0):
    """At every place that matters, and at random ones, the candidates in order are the replay's."""
    rng = np.random.default_rng(seed)
    cells = {track: track_cells(bundle, params, track) for track in tracks_of(params)}
    for v in range(bundle.num_videos):
        starts = np.unique(np.concatenate([c.start[c.first[v] : c.first[v + 1]] for c in cells.values()]))
        taus = places(starts, rng)
        events = events_at(bundle.select_videos([v]), replace(params, refine=False), tau0=taus)
        for track, found in cells.items():
            for p, tau0 in enumerate(taus.tolist()):
                want = [e[:3] for e in events.track(0, track, p)]
                assert found.at(v, tau0) == want, f"video {v}, {track}, tau0 {tau0!r}"


def assert_events(bundle, params, seed=0, count=40):
    """At random settings of the plane, and at the scores of windows, all events are the replay's, with their scores."""
    rng = np.random.default_rng(seed)
    found = plane_regions(bundle, params)
    joint = found.joint()
    levels = np.unique(np.concatenate([rng.random(count), rng.choice(joint.piece_start, count)]))
    tau0 = rng.random(len(levels))
    events = events_at(bundle, params, tau0=tau0, tau_r=levels)
    for p in range(len(levels)):
        want, got = events.setting(p), found.events_at(tau0[p], levels[p])
        for name in ("starts", "label", "onset", "offset", "score"):
            assert np.array_equal(getattr(want, name), getattr(got, name), equal_nan=name == "score"), (p, name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("profile", ["release", "paper"])
def test_golden_candidates_and_events(profile, method):
    bundle = golden_bundle(videos=4, segments=True)
    params = preset(profile, method=method)
    assert_candidates(bundle, params)
    assert_events(bundle, params)


@pytest.mark.parametrize(
    ("dataset", "backbone", "name", "values"),
    [
        ("LLP", "cc", "clip_clap", {}),
        ("LLP", "lb", "languagebind", {"fusion": "late"}),
        ("LLP", "lb", "languagebind", {"select_classes": False}),
        ("LLP", "lb", "languagebind", {"refine": False}),
        ("LLP", "lb", "languagebind", {"tau_f": 0.8}),
        ("AVE", "lb", "languagebind_ave", {}),
        ("AVE", "cc", "clip_clap_ave", {"fusion": "late"}),
    ],
)
def test_golden_variants(dataset, backbone, name, values):
    bundle = golden_bundle(dataset, backbone, videos=3)
    params = preset("release", name, **values)
    assert_candidates(bundle, params)
    assert_events(bundle, params)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    segments=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    labels=st.one_of(st.integers(1, 8), st.integers(9, 30)),
    kind=st.sampled_from(["similarity", "probability"]),
    rows=st.sampled_from([1, 3]),
    windows=st.sampled_from([0.0, 0.5, 1.0]),
    style=st.sampled_from(["normal", "ties", "flat"]),
    params=params_strategy,
    ratio=st.sampled_from(["ridge", "pinv"]),
)
def test_made_up_candidates_and_events(seed, segments, labels, kind, rows, windows, style, params, ratio):
    bundle = make_bundle(seed, segments, labels, kind, rows, windows, style)
    params = replace(params, ratio=ratio)
    assert_candidates(bundle, params, seed)
    assert_events(bundle, params, seed, 10)


@pytest.mark.parametrize(("segments", "labels"), [(130, 3), (3, 60)])
def test_long_videos_and_many_labels(segments, labels):
    """More segments than a word has bits; more labels than segments, whose system is over the segments."""
    bundle = make_bundle(3, [segments], labels, windows=0.0)
    bundle = replace(bundle, has_audio=np.ones(1, bool), has_visual=np.ones(1, bool))
    params = Params(select_classes=False, audio_scores="segment", refine=False)
    for track in ("audio_visual",):
        cells = track_cells(bundle, params, track)
        taus = places(cells.start[:: max(1, len(cells.start) // 60)], np.random.default_rng(1))
        events = events_at(bundle, params, tau0=taus)
        for p, tau0 in enumerate(taus.tolist()):
            assert cells.at(0, tau0) == [e[:3] for e in events.track(0, track, p)]


def test_states_that_do_not_fit_in_memory(monkeypatch):
    bundle, params = golden_bundle(videos=3), preset("release")
    want = track_cells(bundle, params, "audio_visual")
    monkeypatch.setattr(regions, "_STATES_MOST", 0)
    got = track_cells(bundle, params, "audio_visual")
    assert np.array_equal(got.start, want.start)
    assert np.array_equal(got.candidates, want.candidates)


@pytest.mark.parametrize("style", ["normal", "ties", "flat"])
@pytest.mark.parametrize("ratio", ["ridge", "pinv"])
def test_cells_and_pieces_equal_the_plain_form(style, ratio):
    bundle = make_bundle(7, [5, 1, 8], 6, "probability" if style == "ties" else "similarity", 2, 0.5, style)
    params = Params(ratio=ratio, tau_f=0.4, audio_scores="segment", min_length=1, precision="float64")
    for track in TRACKS:
        cells = track_cells(bundle, params, track)
        k = TRACKS.index(track)
        found = plane_regions(bundle, params).tracks[k]
        for v in range(bundle.num_videos):
            stages = plain.track_stages(bundle, params, v, track)
            if len(stages.labels) == 0 or stages.P.size == 0:
                assert cells.of_video(v) == [(0.0, [])]
                continue
            rows = slice(*bundle.segment_starts[v : v + 2])
            want = reference.cells(stages.P, bundle.visual_cosine[rows], track, params)
            got = cells.of_video(v)
            wide = [
                i for i, (a, b) in enumerate(zip(want, [*want[1:], (1.0, None)], strict=True)) if b[0] - a[0] > 1e-9
            ]
            assert [[(int(stages.labels[j]), s, e) for j, s, e in want[i][1]] for i in wide] == [
                c for (start, c), (end, _) in zip(got, [*got[1:], (1.0, [])], strict=True) if end - start > 1e-9
            ]
            for (start, candidates), b in zip(want, range(cells.first[v], cells.first[v + 1]), strict=False):
                assert cells.start[b] == pytest.approx(start, rel=1e-9)
                scores = [plain.window_scores(bundle, params, v, track, stages.labels, s, e) for _, s, e in candidates]
                for p, (tau_r, events) in enumerate(reference.pieces(params, stages.labels, candidates, scores)):
                    # neighbouring pieces with the same events are one
                    q = found.piece_first[b] + np.searchsorted(
                        found.piece_start[found.piece_first[b] : found.piece_first[b + 1]], tau_r * (1 + 1e-12), "right"
                    )
                    chosen = found.piece_list[q - 1]
                    held = found.events[found.list_first[chosen] : found.list_first[chosen + 1]].tolist()
                    assert [list(e[:3]) for e in events] == held, (v, track, p)


def test_scores_of_zero_are_decided_for_above_tau0_zero():
    """A threshold below zero: at tau0 = 0 exactly it is zero, and a score of zero is not above it."""
    bundle = make_bundle(0, [4], 3, "probability", 1, 0.0, "ties")
    zero = np.zeros_like(bundle.visual_segments)
    zero[:, 0] = 1.0
    bundle = replace(bundle, visual_segments=zero, has_visual=np.ones(1, bool))
    params = Params(method="decay_only", decay=0.0, select_classes=False, refine=False, min_length=1, max_gap=0)
    cells = track_cells(bundle, params, "visual")
    assert cells.start[:2].tolist() == [0.0, 5e-324]
    for tau0 in (0.0, 1e-12, 0.5):
        events = replay_scores(bundle, replace(params, tau0=tau0)).events
        assert cells.at(0, tau0) == [e[:3] for e in events.track(0, "visual")]
    assert cells.at(0, 0.0) != cells.at(0, 1e-12)


def test_late_fusion_in_the_plain_form():
    bundle, params = golden_bundle(videos=3), preset("release", fusion="late")
    found = plane_regions(bundle, params)
    joint = found.joint(("audio", "visual"))
    both = found.joint(("audio_visual",))
    video = joint.video
    for m in range(0, len(joint.lists), 7):
        v = int(video[m])
        parts = [found.events_of(joint.lists[m : m + 1], (t,)).track(0, t) for t in TRACKS[:2]]
        want = plain.late_fusion(*parts, int(bundle.segments_per_video[v]), bundle.labels)
        lists = both.lists[both.combination_first[v] : both.combination_first[v + 1]]
        made = [found.events_of(row[None]).track(0, 2) for row in lists]
        assert [e[:3] for e in want] in [[e[:3] for e in events] for events in made]
