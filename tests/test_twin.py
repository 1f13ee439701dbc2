"""The kernels against the plain functions of core/reference.py on made-up, adversarial inputs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from avreplay.core import reference
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import DataError
from avreplay.core.events import TRACKS, Events
from avreplay.core.metrics.ave_accuracy import ave_accuracy
from avreplay.core.metrics.llp import llp_metrics
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.table import ParamTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CLOSE = 1e-5
"""Runs with a comparison closer to its boundary than this may differ by the order of summation."""

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def make_bundle(seed, segments, labels, kind="similarity", rows=1, windows=0.7, style="normal"):
    """A random ragged bundle; ``style`` bends it towards hard cases."""
    rng = np.random.default_rng(seed)
    n, s = len(segments), int(np.sum(segments))

    def raw(*shape):
        if kind == "probability":
            x = rng.random(shape)
            return (np.round(x * 8) / 8 if style == "ties" else x).astype(np.float32)
        x = rng.normal(0.2, 0.05, shape)
        if style == "ties":
            # on a binary grid: sums of equal values are equal, and no z-score is of a difference that is rounding
            x = np.round(x * 16) / 16
        elif style == "flat":
            x[..., :] = np.where(rng.random((*shape[:-1], 1)) < 0.4, 0.25, x)
        return x.astype(np.float32)

    pairs = [
        (v, a, b)
        for v, t in enumerate(segments)
        for a in range(t)
        for b in range(a + 1, min(t, a + 12) + 1)
        if rng.random() < windows
    ]
    index = np.array(pairs, np.int64).reshape(-1, 3)
    base = raw(n, labels)
    drift = np.repeat(base, segments, axis=0)
    mix = 0.7 if kind == "similarity" and style == "normal" else 0.0
    walk = rng.normal(size=(s, 5)).astype(np.float32)
    walk[rng.random(s) < 0.1] = 0
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)],
        labels=[f"label {i:03d}" if i % 2 else f"Label {i:03d}" for i in range(labels)],
        segments_per_video=np.array(segments, np.int64),
        kind=kind,
        visual_segments=mix * drift + (1 - mix) * raw(s, labels),
        visual_features=walk,
        audio_segments=raw(s, labels),
        audio_visual_segments=raw(s, labels),
        audio_clip=base,
        visual_clip=raw(n, rows, labels),
        window_video=index[:, 0],
        window_start=index[:, 1],
        window_end=index[:, 2],
        window_audio=raw(len(index), labels),
        window_visual=raw(len(index), rows, labels),
        has_audio=rng.random(n) < 0.9,
        has_visual=rng.random(n) < 0.9,
    )


def assert_same(bundle: ScoreBundle, params: Params) -> int:
    """Compare every video; returns how many were too close to call and differed."""
    events = replay_scores(bundle, params).events
    excused = 0
    for v in range(bundle.num_videos):
        stages = reference.video_stages(bundle, params, v)
        want = [s.events for s in stages]
        got = [events.track(v, k) for k in range(3)]
        if [[e[:3] for e in t] for t in got] != [[e[:3] for e in t] for t in want] and min(
            s.margin for s in stages
        ) < CLOSE:
            excused += 1
            continue
        for g, w in zip(got, want, strict=True):
            assert [e[:3] for e in g] == [e[:3] for e in w], f"video {v}, {params}"
            np.testing.assert_allclose([e[3] for e in g], [e[3] for e in w], atol=5e-6, rtol=0)
    return excused


unit = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.55, 0.6, 0.75, 0.9, 1.0])
params_strategy = st.builds(
    Params,
    alpha=unit,
    tau0=unit,
    tau_f=unit,
    tau_r=unit,
    decay=st.sampled_from([0.0, 0.5, 1.0, 2.5]),
    method=st.sampled_from(["naive", "label_shift", "cosine", "label_shift_cosine", "decay_only"]),
    fusion=st.sampled_from(["score", "late"]),
    select_classes=st.booleans(),
    refine=st.booleans(),
    refine_rule=st.sampled_from(["threshold", "argmax"]),
    audio_scores=st.sampled_from(["clip", "segment", "2", "3"]),
    av_scores=st.sampled_from(["fused", "given"]),
    ratio_times_score=st.booleans(),
    ridge_weight=st.sampled_from([0.1, 1.0]),
    cosine_audio=st.booleans(),
    cosine_clip=st.booleans(),
    min_length=st.integers(1, 3),
    max_gap=st.integers(0, 2),
    lone_candidate=st.sampled_from(["keep", "check"]),
    all_rejected=st.sampled_from(["keep_best", "keep_none"]),
    score_norm=st.sampled_from(["active", "all", "sigmoid"]),
    sigmoid_scale=st.sampled_from([1.0, 10.0]),
    single_label=st.sampled_from(["none", "score_all"]),
    flat_scores=st.sampled_from(["nan", "half"]),
    precision=st.sampled_from(["float32", "float64"]),
)


@pytest.mark.slow
@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    segments=st.lists(st.one_of(st.integers(0, 12), st.integers(1, 60)), min_size=1, max_size=4),
    labels=st.one_of(st.integers(1, 8), st.integers(9, 70)),
    kind=st.sampled_from(["similarity", "probability"]),
    rows=st.sampled_from([1, 3]),
    windows=st.sampled_from([0.0, 0.5, 1.0]),
    style=st.sampled_from(["normal", "ties", "flat"]),
    params=params_strategy,
)
def test_replay_equals_the_reference(seed, segments, labels, kind, rows, windows, style, params):
    assert_same(make_bundle(seed, segments, labels, kind, rows, windows, style), params)


ARRAYS = ("audio_clip", "visual_clip", "audio_segments", "visual_segments", "audio_visual_segments", "visual_cosine",
          "window_audio", "window_visual")  # fmt: skip


def outcome(run):
    """What a replay gives: its events, or its refusal."""
    try:
        return run()
    except DataError as error:
        return str(error)


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    segments=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    windows=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    absent=st.sets(st.sampled_from(ARRAYS), max_size=5),
    tracks=st.sets(st.sampled_from(TRACKS), min_size=1),
    params=params_strategy,
)
def test_what_is_absent_is_refused_or_not_needed_by_both(seed, segments, windows, absent, tracks, params):
    """Without any of the arrays, and with some windows only: kernel and reference give the same events or the same
    refusal, and so does a sweep; nothing is read where there is nothing."""
    bundle = make_bundle(seed, segments, 4, "probability", 1, windows)
    bundle = replace(bundle, **dict.fromkeys(absent))
    order = [t for t in TRACKS if t in tracks]

    def by_kernel():
        events = replay_scores(bundle, params, tracks=order).events
        return [[[e[:3] for e in events.track(v, t)] for t in order] for v in range(bundle.num_videos)]

    def by_sweep():
        table = ParamTable(params, {"alpha": np.array([params.alpha])})
        events = DECODERS.get("av2a").sweeper(Inputs(bundle), table, order)(0, 1)
        return [[[e[:3] for e in events.track(v, t)] for t in order] for v in range(bundle.num_videos)]

    def by_reference():
        stages = [[reference.track_stages(bundle, params, v, t) for t in order] for v in range(bundle.num_videos)]
        margins.extend(s.margin for video in stages for s in video)
        return [[[e[:3] for e in s.events] for s in video] for video in stages]

    margins = []
    want, got = outcome(by_reference), outcome(by_kernel)
    assert outcome(by_sweep) == got
    if isinstance(want, str):
        assert isinstance(got, str)
        assert got.startswith("the scores hold no ")
    elif min(margins) >= CLOSE:
        assert got == want


@pytest.mark.parametrize(
    ("absent", "values", "array"),
    [
        ({"audio_segments", "audio_clip"}, {"audio_scores": "2", "select_classes": False}, "audio_segments"),
        ({"visual_segments"}, {"av_scores": "given", "audio_scores": "segment"}, "visual_segments"),
    ],
)
def test_a_window_that_nothing_stands_in_for_is_named(absent, values, array):
    full = make_bundle(5, [4, 3], 3, "probability", 1, 1.0)
    bundle = replace(full, **dict.fromkeys(absent), has_audio=np.ones(2, bool), has_visual=np.ones(2, bool))
    p = Params(tau0=0.5, min_length=1).override(values)
    replay_scores(bundle, p, tracks=["audio_visual"] if "av_scores" in values else ["audio"])
    kept = np.flatnonzero(~((bundle.window_video == 1) & (bundle.window_start == 0) & (bundle.window_end == 2)))
    some = {n: getattr(bundle, n)[kept] for n in
            ("window_video", "window_start", "window_end", "window_audio", "window_visual")}  # fmt: skip
    tracks = ["audio_visual"] if "av_scores" in values else ["audio"]
    with pytest.raises(
        DataError, match=rf"no {array}, and window_\w+ lacks the window \[0, 2\) of video 'v1'"
    ) as error:
        replay_scores(replace(bundle, **some), p, tracks=tracks)
    assert "add the array or change the option" in str(error.value)
    unheard = replace(bundle, **some, has_audio=np.array([True, False]), has_visual=np.array([True, False]))
    replay_scores(unheard, p, tracks=tracks)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["release", "paper"])
@pytest.mark.parametrize("labels", [2, 5, 25, 68])
def test_profiles_on_many_videos(profile, labels):
    """With generous thresholds, so that many labels fire; few runs may be too close to call."""
    bundle = make_bundle(labels, [10] * 40, labels, rows=2)
    params = make_params("clip_clap", profile, {"tau0": 0.6, "tau_f": 0.3, "tau_r": 0.5})
    assert assert_same(bundle, params) <= 4


def test_more_labels_than_segments_and_the_other_way_round():
    """Both forms of the linear system, and changes between them within a video."""
    params = Params(tau0=0.4, decay=0.2, select_classes=False, refine=False, method="label_shift", precision="float64")
    for labels, segments in ((3, 60), (70, 8), (12, 40)):
        for ratio in ("ridge", "pinv"):
            values = {"ratio": ratio, "pinv_cutoff": 1e-9}
            assert assert_same(make_bundle(1, [segments] * 5, labels), params.override(values)) <= 2


def test_nan_scores_silence_the_track_from_there_on():
    bundle = make_bundle(3, [10] * 20, 6, style="flat")
    params = Params(tau0=0.5, select_classes=False, refine=False)
    assert_same(bundle, params)


@pytest.mark.slow
@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    segments=st.lists(st.integers(0, 140), min_size=1, max_size=5),
    labels=st.integers(1, 12),
    density=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    iou=st.sampled_from([0.3, 0.5, 0.7, 1.0]),
)
def test_llp_metrics_equal_the_reference(seed, segments, labels, density, iou):
    rng = np.random.default_rng(seed)

    def tracks(t):
        starts = [(c, s) for c in range(labels) for s in range(t) if rng.random() < density]
        return [(c, s, int(rng.integers(s + 1, min(t, s + 9) + 1))) for c, s in starts]

    predicted = [[tracks(t) for _ in range(3)] for t in segments]
    truth = [[tracks(t) for _ in range(3)] for t in segments]
    got = llp_metrics(Events.from_tracks(predicted), Events.from_tracks(truth), segments, labels, iou=iou)
    for v, t in enumerate(segments):
        want = reference.llp_f_scores(predicted[v], truth[v], t, labels, iou)
        np.testing.assert_allclose(got.per_video[0, v], want, atol=1e-12)


@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    segments=st.lists(st.integers(0, 12), min_size=1, max_size=5),
    labels=st.integers(1, 4),
    first_only=st.booleans(),
)
def test_ave_accuracy_equals_the_reference(seed, segments, labels, first_only):
    rng = np.random.default_rng(seed)

    def events(t):
        """A few overlapping events, some of equal score, some without one."""
        found = []
        for _ in range(int(rng.integers(0, 5)) if t else 0):
            onset = int(rng.integers(0, t))
            score = float(rng.choice([0.2, 0.2, 0.9, np.nan]))
            found.append((int(rng.integers(labels)), onset, int(rng.integers(onset + 1, t + 1)), score))
        return found

    predicted, truth = ([[[], [], events(t)] for t in segments] for _ in range(2))
    tables = (Events.from_tracks(x) for x in (predicted, truth))
    got = ave_accuracy(*tables, segments, labels, first_only=first_only)
    for v, t in enumerate(segments):
        assert got[0, v] == reference.ave_right_segments(predicted[v][2], truth[v][2], t, first_only)


def test_stages_are_those_of_the_trace():
    """What the reference says of every stage of a (video, track) is what the kernel traced."""
    bundle = make_bundle(21, [10, 0, 7, 12] * 3, 9)
    for fusion in ("score", "late"):
        params = Params(tau0=0.5, tau_f=0.4, tau_r=0.5, fusion=fusion, cosine_audio=True, audio_scores="segment")
        trace = replay_scores(bundle, params, trace=True).trace
        compared = 0
        for v, (first, last) in enumerate(pairwise(bundle.segment_starts.tolist())):
            for k, s in enumerate(reference.video_stages(bundle, params, v)):
                if s.parts:
                    assert [p.track for p in s.parts] == ["audio", "visual"]
                    assert len(s.P) == 0
                    continue
                assert s.track == ("audio", "visual", "audio_visual")[k]
                np.testing.assert_array_equal(np.flatnonzero(trace.active[k, v]), s.labels)
                if len(s.P) == 0:
                    assert s.events == ()
                    continue
                for got, want in ((trace.score, s.P), (trace.tau, s.tau), (trace.ratio, s.w)):
                    np.testing.assert_allclose(got[k, first:last][:, s.labels], want, atol=1e-5, rtol=0)
                np.testing.assert_array_equal(s.Y, s.tau < s.P)
                np.testing.assert_array_equal(s.z, np.cumsum(s.Y, axis=0))
                assert len(s.P_windows) in (0, len(s.candidates))
                compared += 1
        assert compared > 10


def test_same_bytes_for_any_thread_count_and_batch():
    bundle = make_bundle(7, [10, 3, 0, 25] * 40, 20)
    sweep = [Params(alpha=a, tau0=t) for a in (0.2, 0.5, 0.8) for t in (0.5, 0.6, 0.75)]
    one = replay_scores(bundle, sweep, threads=1).events
    for threads in (2, 5):
        many = replay_scores(bundle, sweep, threads=threads).events
        for name in ("starts", "label", "onset", "offset", "score"):
            assert getattr(one, name).tobytes() == getattr(many, name).tobytes()
    for i, p in enumerate(sweep):
        alone = replay_scores(bundle, p).events
        part = one.setting(i)
        for name in ("starts", "label", "onset", "offset", "score"):
            assert getattr(part, name).tobytes() == getattr(alone, name).tobytes()


def test_tracks_can_be_asked_for_alone():
    bundle = make_bundle(9, [10] * 30, 12)
    for fusion in ("score", "late"):
        params = Params(tau0=0.6, tau_f=0.4, tau_r=0.4, fusion=fusion)
        everything = replay_scores(bundle, params).events
        for k, track in enumerate(("audio", "visual", "audio_visual")):
            alone = replay_scores(bundle, params, tracks=[track]).events
            for v in range(30):
                assert [str(e) for e in alone.track(v, k)] == [str(e) for e in everything.track(v, k)]
                assert all(not alone.track(v, other) for other in range(3) if other != k)


def test_a_full_output_buffer_is_continued():
    """More events than the first guess of their number."""
    bundle = make_bundle(11, [60] * 4, 70, kind="probability")
    params = Params(
        method="naive", select_classes=False, refine=False, tau0=0.5, min_length=1, max_gap=0, fusion="late"
    )
    assert len(replay_scores(bundle, params).events.label) > 4000
    assert_same(bundle, params)


def test_inputs_are_not_changed():
    bundle = make_bundle(13, [10] * 5, 9)
    before = {k: v.copy() for k, v in vars(bundle).items() if isinstance(v, np.ndarray)}
    replay_scores(bundle, Params())
    assert all(np.array_equal(before[k], getattr(bundle, k)) for k in before)
