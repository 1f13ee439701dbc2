"""Scores of frames pooled to segments: the kernel against the plain rule, and its limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import DataError, UsageError
from avreplay.core.pooling import Pool, parse_pool, pool_frames
from avreplay.core.reference_pooling import pooled_row
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

RULES = ("mean", "max", "topk:1", "topk:3", "topk:25", "noisy_or")


def bundle(frames: Any, **more: Any) -> ScoreBundle:
    """One video of these frames."""
    frames = np.asarray(frames, np.float32)
    labels = [f"label {c}" for c in range(frames.shape[2])]
    return ScoreBundle.create(
        video_ids=["v"], labels=labels, segments_per_video=[len(frames)], audio_frames=frames, **more
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(0, 4), st.sampled_from([1, 3, 25]), st.integers(1, 3)),
    st.sampled_from([0.1, 3.0, 60.0, 900.0]),
    st.sampled_from(RULES),
    st.booleans(),
)
def test_every_segment_and_label_is_pooled_by_the_plain_rule(
    seed: int, shape: tuple[int, int, int], scale: float, rule: str, probability: bool
) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.random(shape) if probability else rng.normal(-1, scale, shape)
    pool = parse_pool(rule)
    found = bundle(frames, kind="probability" if probability else "similarity")
    if pool.k > shape[1]:
        if shape[0]:
            with pytest.raises(UsageError, match=f"choose K from 1 to {shape[1]}"):
                pool_frames(found, pool)
        return
    got = pool_frames(found, pool)
    assert got.audio_frames is None
    assert got.audio_segments is not None
    assert got.audio_segments.shape == (shape[0], shape[2])
    held = found.audio_frames
    assert held is not None
    want = [[pooled_row(held[s, :, c].tolist(), pool, probability) for c in range(shape[2])] for s in range(shape[0])]
    np.testing.assert_allclose(got.audio_segments, np.reshape(want, (-1, shape[2])), rtol=1e-6, atol=1e-7 * scale)


def test_noisy_or_of_logits_is_the_logit_of_one_minus_the_product() -> None:
    x = np.array([-2.0, 0.5, 1.0])
    wanted = 1 - np.prod(1 - 1 / (1 + np.exp(-x)))
    for got in (pooled_row(x.tolist(), Pool("noisy_or")), pool_frames(bundle(x[None, :, None]), Pool("noisy_or"))):
        logit = got if isinstance(got, float) else float(np.asarray(got.audio_segments)[0, 0])
        assert 1 / (1 + math.exp(-logit)) == pytest.approx(wanted, rel=1e-6)
    for size in (-2000.0, -40.0, 40.0, 2000.0):  # never infinite
        row = pool_frames(bundle(np.full((1, 25, 1), size)), Pool("noisy_or")).audio_segments
        assert row is not None
        assert row[0, 0] == pytest.approx(size + math.log(25) if size < 0 else 25 * size, rel=1e-6)


@pytest.mark.parametrize("rule", ["", "median", "topk", "topk:", "topk:0", "topk:x", "topk:²", "mean:3", "MAX"])
def test_other_rules_are_refused_by_name(rule: str) -> None:
    with pytest.raises(UsageError, match="choose mean, max, topk:K or noisy_or"):
        parse_pool(rule)


def test_scores_without_frames_are_refused() -> None:
    plain = ScoreBundle.create(video_ids=["v"], labels=["a"], segments_per_video=[1], audio_segments=[[0.5]])
    with pytest.raises(DataError, match="no audio_frames, which pooling by topk:2 needs"):
        pool_frames(plain, Pool("topk", 2))


def test_frames_follow_their_segments_and_labels() -> None:
    rng = np.random.default_rng(1)
    frames = rng.normal(size=(5, 4, 3)).astype(np.float32)
    made = ScoreBundle.create(
        video_ids=["a", "b"], labels=["x", "y", "z"], segments_per_video=[2, 3], audio_frames=frames
    )
    assert np.array_equal(np.asarray(made.select_videos([1]).audio_frames), frames[2:])
    assert np.array_equal(np.asarray(made.select_labels([2, 0]).audio_frames), frames[..., [2, 0]])
    added = ScoreBundle.create(
        video_ids=["a", "b"], labels=["w"], segments_per_video=[2, 3], audio_frames=frames[..., :1]
    )
    assert np.array_equal(np.asarray(made.with_labels(added).audio_frames)[..., 3:], frames[..., :1])
    bad = frames.copy()
    bad[3, 1, 1] = np.nan
    with pytest.raises(DataError, match="audio_frames of video 'b' holds nan"):
        ScoreBundle.create(video_ids=["a", "b"], labels=["x", "y", "z"], segments_per_video=[2, 3], audio_frames=bad)
