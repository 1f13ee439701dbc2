"""Thresholds by words of decisions against the plain twin: labels that fire together, apart, and in words of which one
is the sum of others, so that systems are singular but for the ridge."""

from __future__ import annotations

import numpy as np
import pytest
from avreplay.core import reference
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.params.av2a import Params

WORDS = {
    "one": [[1, 0, 0]],
    "repeated": [[1, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0]],
    "staggered": [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 1, 1]],
}


def probabilities(words: str, segments: int, labels: int, seed: int) -> ScoreBundle:
    """One silent video of probabilities: about 0.9 where a label is to fire, about 0.1 where not."""
    rng = np.random.default_rng(seed)
    if words == "random":
        fires = rng.random((segments, labels)) < 0.4
    else:
        fires = np.resize(np.tile(WORDS[words], (1, -(-labels // 3)))[:, :labels], (segments, labels)) > 0
    scores = np.where(fires, 0.9, 0.1) + rng.uniform(-0.08, 0.08, (segments, labels))
    return ScoreBundle.create(
        video_ids=["v"],
        labels=[f"label {i}" for i in range(labels)],
        segments_per_video=np.array([segments]),
        kind="probability",
        visual_segments=scores.astype(np.float32),
        visual_features=rng.normal(size=(segments, 4)).astype(np.float32),
        has_audio=np.array([False]),
        has_visual=np.array([True]),
    )


@pytest.mark.parametrize("ratio", ["ridge", "pinv"])
@pytest.mark.parametrize("words", [*WORDS, "random"])
@pytest.mark.parametrize(("segments", "labels"), [(1, 1), (2, 3), (10, 2), (10, 25), (17, 16), (33, 17), (64, 32)])
def test_thresholds_are_the_twins(ratio, words, segments, labels):
    for seed, weight in enumerate((1.0, 0.1, 1e-4)):
        bundle = probabilities(words, segments, labels, seed)
        params = Params(
            tau0=0.5, decay=0.3, select_classes=False, refine=False, min_length=1, max_gap=0, method="label_shift",
            precision="float64", ratio=ratio, ridge_weight=weight, pinv_cutoff=1e-9,
        )  # fmt: skip
        want = reference.track_stages(bundle, params, 0, "visual")
        traced = replay_scores(bundle, params, tracks=["visual"], threads=1, trace=True)
        plain = replay_scores(bundle, params, tracks=["visual"], threads=1)
        assert [e[:3] for e in plain.events.track(0, "visual")] == [e[:3] for e in traced.events.track(0, "visual")]
        if want.margin < 1e-6:
            continue
        assert [e[:3] for e in plain.events.track(0, "visual")] == [e[:3] for e in want.events]
        np.testing.assert_allclose(traced.trace.tau[1], want.tau, rtol=1e-7, atol=1e-9)
