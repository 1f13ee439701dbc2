"""The candidates in a trace against the plain reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.decoders.base import Trace
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.events import TRACKS
from avreplay.core.params.av2a import make_params
from avreplay.core.reference import track_stages
from avreplay.evaluate.replay import ReplayResult
from test_twin import make_bundle

pytestmark = pytest.mark.slow

PARAMS = make_params("languagebind")

CASES = [
    {},
    {"fusion": "late"},
    {"refine": False},
    {"refine_rule": "argmax"},
    {"lone_candidate": "check", "all_rejected": "keep_none", "max_gap": 0},
]


@pytest.mark.parametrize("profile", ["release", "paper"])
@pytest.mark.parametrize("values", CASES)
def test_candidates_are_those_of_the_reference(profile, values):
    bundle = make_bundle(3, [10, 6, 1, 8, 12] * 4, 6, "similarity", 2, 0.6, "flat")
    params = make_params("languagebind", profile, {"tau0": 0.45, "tau_f": 0.4, "tau_r": 0.55, **values})
    done = replay_scores(bundle, params, trace=True)
    assert done.trace is not None
    assert done.trace.candidates is not None
    got, kept = done.trace.candidates.events, done.trace.candidates.kept
    seen = 0
    for v in range(bundle.num_videos):
        for track in TRACKS:
            stages = track_stages(bundle, params, v, track)
            rows = got.rows(v, track)
            want = [(int(stages.labels[j]), a, b) for j, a, b in stages.candidates]
            assert [(c, a, b) for c, a, b, _ in got.track(v, track)] == want
            events = {(c, a, b) for c, a, b, _ in done.events.track(v, track)}
            assert kept[rows].tolist() == [candidate in events for candidate in want]
            checked = [float(P[j]) for (j, _, _), P in zip(stages.candidates, stages.P_windows, strict=False)]
            np.testing.assert_allclose(got.score[rows], checked or [np.nan] * len(want), atol=1e-6, equal_nan=True)
            seen += len(want)
    assert seen > 10


def test_a_trace_of_a_decoder_that_tells_none_is_saved_without():
    bundle = make_bundle(3, [4, 6], 3)
    done = replay_scores(bundle, PARAMS, trace=True)
    assert done.trace is not None
    plain = Trace(done.trace.tau, done.trace.score, done.trace.ratio, done.trace.active)
    assert plain.candidates is None
    result = ReplayResult(bundle, (PARAMS,), replace(done, trace=plain), DECODERS.get("av2a"))
    arrays = result.trace_arrays()
    assert "audio_tau" in arrays
    assert not [name for name in arrays if name.startswith("candidates")]
