"""Bootstrap intervals against the plain reference, and the comparison of two runs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.core.metrics.bootstrap import bootstrap
from avreplay.core.metrics.llp import METRIC_NAMES
from avreplay.core.reference import resampled_videos
from avreplay.evaluate.intervals import compare, intervals
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.text_tables import comparison_text, interval_text
from hypothesis import given, settings
from hypothesis import strategies as st
from tuning_data import START, made


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 30), st.integers(1, 4), st.integers(2, 60), st.integers(0, 2**63 - 1), st.booleans(), st.booleans()
)
def test_bootstrap_equals_the_reference(videos, figures, resamples, seed, weighted, flat):
    rng = np.random.default_rng(seed)
    values = np.full((videos, figures), 3.0) if flat else rng.normal(size=(videos, figures))
    weights = rng.integers(1, 9, videos).astype(float) if weighted else None
    got = bootstrap(values, weights=weights, resamples=resamples, level=0.9, seed=seed)
    w = np.ones(videos) if weights is None else weights
    means = np.array([np.average(values[v], axis=0, weights=w[v]) for v in resampled_videos(videos, resamples, seed)])
    np.testing.assert_allclose(got.figure, np.average(values, axis=0, weights=w), rtol=1e-12)
    np.testing.assert_allclose(got.low, np.quantile(means, 0.05, axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.high, np.quantile(means, 0.95, axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.error, means.std(axis=0, ddof=1), rtol=1e-6, atol=1e-12)
    across = np.where(got.figure > 0, (means <= 0).mean(axis=0), (means >= 0).mean(axis=0))
    np.testing.assert_allclose(got.sign, np.minimum(1, 2 * across), atol=1e-12)


def test_intervals_cover_as_often_as_they_say():
    """The mean of 60 normal numbers lies in its 90 % interval about nine times of ten."""
    rng = np.random.default_rng(5)
    inside = 0
    for seed in range(300):
        i = bootstrap(rng.normal(size=(60, 1)), resamples=400, level=0.9, seed=seed)
        inside += i.low[0] <= 0 <= i.high[0]
    assert 0.84 < inside / 300 < 0.94


def test_bootstraps_that_make_no_sense():
    for values in (np.zeros((0, 2)), np.zeros(3)):
        with pytest.raises(DataError, match="at least one video"):
            bootstrap(values)
    for wrong in ({"resamples": 0}, {"level": 0.0}, {"level": 1.0}):
        with pytest.raises(UsageError, match="give at least 1, and a level between 0 and 1"):
            bootstrap(np.zeros((3, 1)), **wrong)
    for weights in (np.ones(2), np.array([1, 0, 1]), np.array([1, -1, 1])):
        with pytest.raises(DataError, match="weights of a bootstrap"):
            bootstrap(np.zeros((3, 1)), weights=weights)


def runs(dataset="json", seed=2, videos=20, uneven=False):
    bundle, truth = made(seed, videos, dataset=dataset, uneven=uneven)
    both = replay(bundle, [START.override({"tau0": t, "tau_f": 0.3}) for t in (0.65, 0.45)])
    return both.predictions(0), both.predictions(1), truth


@pytest.mark.parametrize("dataset", ["json", "ave"])
def test_a_comparison_is_paired_over_videos(dataset):
    first, second, truth = runs(dataset, uneven=True)
    a, b = evaluate_predictions(first, truth), evaluate_predictions(second, truth)
    c = compare(first, second, truth, resamples=300, level=0.9, seed=4)
    assert (c.first.metrics, c.second.metrics) == (a.metrics, b.metrics)
    assert list(c.differences) == (["accuracy"] if dataset == "ave" else list(METRIC_NAMES))
    lengths = a.aligned.truth.segments_per_video
    weights = lengths.astype(float) if dataset == "ave" else None
    for name, spread in c.differences.items():
        part = (b.per_video[name] - a.per_video[name])[:, None]
        want = bootstrap(part, weights=weights, resamples=300, level=0.9, seed=4)
        parts = [x[0] for x in (want.figure, want.low, want.high, want.error, want.sign)]
        np.testing.assert_allclose(list(vars(spread).values()), parts, rtol=1e-12, atol=1e-12)
        assert spread.figure == pytest.approx(b.metrics[name] - a.metrics[name], abs=1e-9)
        assert spread.low <= spread.figure <= spread.high
    own = intervals(a, resamples=300)
    for name, spread in own.items():
        assert spread.figure == pytest.approx(a.metrics[name], abs=1e-9)
        assert 0 <= spread.low <= spread.figure <= spread.high <= 100
    assert len(set(lengths.tolist())) > 1


def test_a_run_against_itself_differs_nowhere():
    first, _, truth = runs()
    c = compare(first, first, truth, resamples=50)
    assert all((s.figure, s.low, s.high, s.error, s.p) == (0, 0, 0, 0, 1) for s in c.differences.values())


def some(predictions, videos):
    return replace(
        predictions,
        video_ids=tuple(predictions.video_ids[v] for v in videos),
        segments_per_video=predictions.segments_per_video[videos],
        events=predictions.events.select(videos),
    )


def test_only_videos_that_both_runs_have_are_compared():
    first, second, truth = runs()
    c = compare(some(first, list(range(15))), some(second, list(range(19, 4, -1))), truth, resamples=50)
    want = compare(some(first, list(range(5, 15))), some(second, list(range(5, 15))), truth, resamples=50)
    assert c.as_dict()["differences"] == want.as_dict()["differences"]
    assert set(c.first.aligned.truth.video_ids) == {f"val {i}" for i in range(5, 15)}
    for e in (c.first, c.second):
        assert (e.videos_scored, e.videos_expected) == (10, 22)
    assert "10 of 22 videos of json val that both runs have" in comparison_text(c)
    with pytest.raises(DataError, match="no video of made up in common"):
        compare(some(first, [0, 1]), some(second, [2, 3]), truth)


def test_one_resample_has_no_error_and_is_still_json():
    first, second, truth = runs(videos=3)
    c = compare(first, second, truth, resamples=1)
    found = json.loads(json.dumps(c.as_dict(), allow_nan=False))
    assert found["differences"]["av_seg"]["error"] is None
    assert found["resamples"] == 1


def test_intervals_as_text():
    first, _, truth = runs(videos=5)
    spread = intervals(evaluate_predictions(first, truth), resamples=50)
    lines = interval_text(spread).strip().splitlines()
    assert len(lines) == 10
    s = spread["audio_seg"]
    assert lines[0].split(maxsplit=1) == ["audio_seg", f"{s.figure:.1f} [{s.low:.1f}, {s.high:.1f}]"]
