"""OV-AVEL's kernels against the plain functions of core/reference.py on made-up, adversarial inputs."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from avreplay.core import reference
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.ovavel import ovavel_events
from avreplay.core.events import Events
from avreplay.core.metrics.ovavel import ovavel_metrics
from avreplay.core.params.ovavel import OvavelParams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
LABELS = ("Other", "dog", "background", "cat", "bell")


def cosines(rng, shape, style):
    x = rng.uniform(-0.3, 0.6, shape)
    if style == "ties":
        x = np.round(x * 5) / 5
    elif style == "negative":
        x = -np.abs(x)
    elif style == "flat":
        x[:] = 0.25
    elif style == "close":  # differences that the normalisation in float32 rounds away
        x = 0.5 + rng.integers(0, 4, shape) * 2e-8
    return x.astype(np.float32)


def bundle(seed, segments, style):
    rng = np.random.default_rng(seed)
    s = int(np.sum(segments))
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(len(segments))],
        labels=LABELS,
        segments_per_video=np.array(segments, np.int64),
        has_audio=rng.random(len(segments)) > 0.1,
        has_visual=rng.random(len(segments)) > 0.1,
        **{f"{m}_segments": cosines(rng, (s, len(LABELS)), style) for m in ("audio", "visual", "audio_visual")},
    )


EVERY_SETTING = [
    OvavelParams(*choice)
    for choice in product(
        ("first_agreement", "per_segment", "fused_argmax"),
        ("other", "background", "none"),
        ("sqrt", "prob_avg", "fea_avg"),
        ("event", "background"),
        ("keep", "zero"),
        ("first", "background"),
    )
]


@pytest.mark.slow
@SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.sampled_from(["normal", "ties", "negative", "flat", "close"]),
)
def test_decoders_equal_the_reference(seed, segments, style):
    b = bundle(seed, segments, style)
    events = ovavel_events(b, EVERY_SETTING)
    first = b.segment_starts
    for i, p in enumerate(EVERY_SETTING):
        for v, t in enumerate(segments):
            rows = slice(first[v], first[v] + t)
            audio, visual, fused = (getattr(b, f"{m}_segments")[rows] for m in ("audio", "visual", "audio_visual"))
            present = b.has_audio[v] and b.has_visual[v]
            want = reference.ovavel_labels(audio, visual, fused, LABELS, p) if present else [None] * t
            got: list[int | None] = [None] * t
            track = events.track(v, "audio_visual", i)
            for label, onset, offset, score in track:
                assert np.isnan(score)
                got[onset:offset] = [label] * (offset - onset)
            assert got == want, p
            # events are maximal: no two of one label touch
            assert all(x[0] != y[0] or x[2] < y[1] for x, y in pairwise(track))
            assert events.track(v, "audio", i) == events.track(v, "visual", i) == []


def tracks(rng, segments, labels, most):
    """Random, overlapping, scored and unscored events."""
    videos = []
    for t in segments:
        events = []
        for _ in range(int(rng.integers(0, most + 1)) if t else 0):
            onset = int(rng.integers(0, t))
            offset = int(rng.integers(onset + 1, t + 1))
            score = float(np.round(rng.random(), 1)) if rng.random() < 0.7 else np.nan
            events.append((int(rng.integers(0, labels)), onset, offset, score))
        videos.append([[], [], events])
    return videos


@SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([0, 1, 2, 10, 63, 64, 65, 130]), min_size=1, max_size=6),
    st.integers(1, 6),
    st.booleans(),
    st.sampled_from([0.3, 0.5, 1.0]),
)
def test_metrics_equal_the_reference(seed, segments, labels, paper, iou):
    rng = np.random.default_rng(seed)
    other = int(rng.integers(-1, labels))
    settings_, truth = [tracks(rng, segments, labels, 4) for _ in range(2)], tracks(rng, segments, labels, 3)
    parts = [Events.from_tracks(p) for p in settings_]
    starts = np.concatenate([parts[0].starts, parts[1].starts[1:] + parts[0].starts[-1]])
    both = Events(
        2, len(segments), starts,
        *(np.concatenate([getattr(p, k) for p in parts]) for k in ("label", "onset", "offset", "score")),
    )  # fmt: skip
    m = ovavel_metrics(
        both, Events.from_tracks(truth), segments, labels, other=other, other_is_background=paper, iou=iou
    )
    for p, predicted in enumerate(settings_):
        for v, t in enumerate(segments):
            x = reference.class_matrix(predicted[v][2], t, labels, other, not paper)
            y = reference.class_matrix(truth[v][2], t, labels, other, False)
            np.testing.assert_allclose(m.f_scores[p, v], reference.ovavel_f_scores(x, y, iou), atol=1e-12, rtol=0)
            assert m.correct[p, v] == reference.ovavel_right_segments(predicted[v][2], y, other)


@SETTINGS
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.one_of(st.none(), st.integers(1, 45)))
def test_averages_equal_the_reference(seed, videos, batch):
    rng = np.random.default_rng(seed)
    segments = rng.integers(1, 11, videos)
    predicted, truth = (Events.from_tracks(tracks(rng, segments, 4, 3)) for _ in range(2))
    m = ovavel_metrics(predicted, truth, segments, 4, other=3)
    some = rng.random(videos) < 0.7
    got = m.table(some, batch)[0]
    if not some.any():
        assert np.isnan(got).all()
        return
    f = m.f_scores[0, some]
    size = batch or len(f)
    means = [f[i : i + size].mean(axis=0) for i in range(0, len(f), size)]
    want = [m.correct[0, some].sum() / segments[some].sum(), *np.mean(means, axis=0)]
    np.testing.assert_allclose(got, 100 * np.array([*want, np.mean(want)]), atol=1e-9, rtol=0)
