"""What the kernels share or leave out changes nothing: settings that share scores, thresholds that are not followed to
the end, blocks of settings and videos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from avreplay.core import reference
from avreplay.core.decoders import replay_blocks
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.kernels.word_ratio import MOST, SEGMENTS
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.records import NUMBERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_twin import make_bundle, params_strategy

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
unit = st.one_of(st.sampled_from([0.0, 0.5, 0.55, 0.6, 1.0]), st.floats(0, 1))
numbers = st.fixed_dictionaries({"alpha": unit, "tau0": unit, "tau_f": unit, "tau_r": unit, "decay": st.floats(0, 5)})
bundles = st.builds(
    make_bundle,
    seed=st.integers(0, 2**32 - 1),
    segments=st.lists(st.sampled_from([0, 1, 2, 10, 16, 17, SEGMENTS, SEGMENTS + 1, 70]), min_size=1, max_size=3),
    labels=st.sampled_from([1, 2, 7, MOST, MOST + 1, 65, 130]),
    kind=st.sampled_from(["similarity", "probability"]),
    rows=st.sampled_from([1, 3]),
    windows=st.sampled_from([0.0, 0.5]),
    style=st.sampled_from(["normal", "ties", "flat"]),
)
both_ratios = st.builds(
    lambda p, ratio: replace(p, ratio=ratio), params_strategy, st.sampled_from(["ridge", "ridge", "pinv"])
)


def bytes_of(events) -> list[bytes]:
    return [getattr(events, name).tobytes() for name in ("starts", "label", "onset", "offset", "score")]


@pytest.mark.slow
@SETTINGS
@given(bundles, both_ratios, st.lists(numbers, min_size=1, max_size=9), st.lists(both_ratios, max_size=2))
def test_many_settings_give_what_each_gives_alone(bundle, base, values, others):
    table = [base.override(v) for v in values] + others + [base]
    together = replay_scores(bundle, table, threads=1)
    alone = [replay_scores(bundle, p, threads=1) for p in table]
    for i, replay in enumerate(alone):
        assert bytes_of(together.events.setting(i)) == bytes_of(replay.events)
    assert together.windows_asked == sum(r.windows_asked for r in alone)
    assert together.windows_pooled == sum(r.windows_pooled for r in alone)


@pytest.mark.slow
@SETTINGS
@given(bundles, both_ratios, numbers)
def test_a_trace_has_the_same_events(bundle, base, values):
    """Without one, thresholds are followed only until no score is close enough to them to matter."""
    params = base.override(values)
    assert bytes_of(replay_scores(bundle, params, trace=True).events) == bytes_of(replay_scores(bundle, params).events)


@pytest.mark.parametrize(("segments", "labels"), [(10, 25), (SEGMENTS, MOST), (SEGMENTS + 1, 8), (12, MOST + 1)])
@pytest.mark.parametrize("profile", ["release", "paper"])
def test_both_ways_of_following_thresholds_agree(segments, labels, profile):
    """By classes of labels, and label by label where there is no room: the thresholds of the plain form."""
    bundle = make_bundle(4, [segments] * 3, labels, "probability")
    params = make_params("languagebind", profile).override({"tau0": 0.8, "tau_f": 0.1, "single_label": "none"})
    trace = replay_scores(bundle, params, trace=True).trace
    compared = 0
    for v in range(bundle.num_videos):
        rows = slice(*bundle.segment_starts[v : v + 2])
        for k, stages in enumerate(reference.video_stages(bundle, params, v)):
            if stages.margin < 1e-6:
                continue
            np.testing.assert_allclose(trace.tau[k, rows][:, stages.labels], stages.tau, atol=1e-8, rtol=0)
            compared += len(stages.labels)
    assert compared > 0


def test_blocks_change_nothing(monkeypatch):
    """Few settings and few videos a block, and too little room for the events of one."""
    bundle = make_bundle(11, [10, 3, 10, 12, 0, 10, 8], 9)
    rng = np.random.default_rng(0)
    base = Params(fusion="late", min_length=1, tau0=0.3)
    table = [base.override({n: float(rng.random()) for n in NUMBERS}) for _ in range(40)]
    table += [p.override({"method": "naive"}) for p in table]
    whole = replay_scores(bundle, table, threads=1)
    monkeypatch.setattr(replay_blocks, "SETTINGS_A_BLOCK", 7)
    monkeypatch.setattr(replay_blocks, "EVENTS_A_PAIR", 0)
    for threads in (1, 3):
        parts = replay_scores(bundle, table, threads=threads)
        assert bytes_of(parts.events) == bytes_of(whole.events)
        assert parts.windows_pooled == whole.windows_pooled
