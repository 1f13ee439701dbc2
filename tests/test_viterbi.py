"""The two-state decoder: its plain twin against all paths there are, its kernel against the twin."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import golden_rivals as golden
import numpy as np
import pytest
from avreplay.core import reference_viterbi as reference
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.viterbi import ViterbiDecoder
from avreplay.core.errors import DataError
from avreplay.core.events import TRACKS
from avreplay.core.params.table import ParamTable
from avreplay.core.params.viterbi import ViterbiParams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
DECODER = ViterbiDecoder()
LABELS = ("dog", "Background", "cat", "bell", "other", "car")


def earned(path, gain, p: ViterbiParams) -> float:
    steps = np.diff(np.asarray(path, int))
    return float(np.asarray(path) @ gain) - p.enter * (steps > 0).sum() - p.leave * (steps < 0).sum()


@SETTINGS
@given(
    st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]), max_size=8),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.sampled_from([0.0, 1.0, 1.5]),
)
def test_no_path_earns_more(gain, enter, leave):
    p = ViterbiParams(enter=enter, leave=leave)
    found = reference.best_path(np.array(gain), p)
    best = max(earned(path, gain, p) for path in product((0, 1), repeat=len(gain))) if gain else 0.0
    assert earned(found, gain, p) == best
    if enter == leave == 0:  # a gain of nothing is earned in both states
        assert all(state == (g > 0) for state, g in zip(found, gain, strict=True) if g)


def made(seed, segments, labels, style):
    rng = np.random.default_rng(seed)
    s = int(np.sum(segments))
    kind = "probability" if style == "probability" else "similarity"
    scores = {}
    for name in ("audio_segments", "visual_segments"):
        x = rng.random((s, labels)) if kind == "probability" else rng.normal(0, 0.3, (s, labels))
        if style == "ties":
            x = np.round(x * 2) / 2
        elif style == "flat":
            x[rng.random(s) < 0.5] = 0.25
        scores[name] = x.astype(np.float32)
    b = ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(len(segments))], labels=LABELS[:labels],
        segments_per_video=np.array(segments, np.int64), kind=kind, has_audio=rng.random(len(segments)) > 0.15,
        has_visual=rng.random(len(segments)) > 0.15, **scores,
    )  # fmt: skip
    if style == "nan":
        x = np.array(b.visual_segments)
        x[rng.random(len(x)) < 0.2] = np.nan
        b = replace(b, visual_segments=x)
    return b


EVERY = [
    ViterbiParams(),
    ViterbiParams(threshold=0.5, slope=2.0, enter=0.0, leave=0.0, fusion="late"),
    ViterbiParams(threshold=0.6, enter=2.0, leave=0.5, fusion="min", alpha=0.2),
    ViterbiParams(threshold=0.5, score_norm="sigmoid", sigmoid_scale=8.0, sigmoid_bias=-1.0, alpha=0.8),
    ViterbiParams(threshold=0.4, score_norm="sigmoid", sigmoid_scale=3000.0, enter=5.0, leave=5.0),
]


@SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 14), min_size=1, max_size=4),
    st.sampled_from([1, 3, 6]),
    st.sampled_from(["normal", "ties", "flat", "nan", "probability"]),
)
def test_the_kernel_equals_the_twin(seed, segments, labels, style):
    b = made(seed, segments, labels, style)
    usable = [p for p in EVERY if labels > 1 or p.score_norm == "sigmoid" or b.kind == "probability"]
    events = DECODER.decode_many(Inputs(b), usable).events
    competes = np.array([name.casefold() not in ("other", "background") for name in b.labels])
    for i, p in enumerate(usable):
        for v, t in enumerate(segments):
            rows = slice(b.segment_starts[v], b.segment_starts[v] + t)
            with np.errstate(invalid="ignore"):
                P_a, P_v = (reference.probabilities(x[rows], b.kind, p) for x in (b.audio_segments, b.visual_segments))
            want = [reference.paths(P_a, p) & b.has_audio[v], reference.paths(P_v, p) & b.has_visual[v]]
            late = p.fusion == "late"
            both = want[0] & want[1] if late else reference.paths(reference.fused(P_a, P_v, p), p)
            for track, path in zip(TRACKS, [*want, both & b.has_audio[v] & b.has_visual[v]], strict=True):
                got = golden.decisions(events.setting(i).select([v]), track, t, labels)[0]
                np.testing.assert_array_equal(got, path & competes, f"{p} {track}")


def test_a_search_finds_what_a_replay_finds():
    b = made(2, (10, 3, 0, 7), 6, "normal")
    columns = {
        "threshold": [0.6, 0.5, 0.7, 0.5], "enter": [0.0, 1.0, 2.0, 0.5], "fusion": ["late", "min", "score", "late"],
        "score_norm": ["zscore", "sigmoid", "zscore", "zscore"],
    }  # fmt: skip
    table = ParamTable(ViterbiParams(sigmoid_scale=4.0), columns)
    found = DECODER.sweeper(Inputs(b), table, ("audio", "audio_visual"))(1, 4)
    want = DECODER.decode_many(Inputs(b), [table.params(i) for i in range(1, 4)], tracks=("audio", "audio_visual"))
    for name in ("starts", "label", "onset", "offset"):
        np.testing.assert_array_equal(getattr(found, name), getattr(want.events, name))
    assert found.of_each_track()[1] == 0
    assert len(found.label)


@pytest.mark.parametrize("params", EVERY[:4])
def test_reasons_and_traces_agree_with_the_events(params):
    b = made(9, (6, 4, 5), 6, "normal")
    b = replace(b, has_audio=np.array([True, True, False]), has_visual=np.ones(3, bool))
    replayed = DECODER.decode_many(Inputs(b), [params], trace=True)
    assert len(replayed.events.label)
    assert replayed.trace.active[:, 0, 0].all()
    assert not replayed.trace.active[[0, 2], 2].any()
    for v in range(3):
        for track in TRACKS:
            decided = golden.decisions(replayed.events.select([v]), track, int(b.segments_per_video[v]), 6)[0]
            for label, t in np.ndindex(6, len(decided)):
                why = DECODER.explain(Inputs(b), params, v, track, label, t, t + 1)
                assert (not why.lost_at) == decided[t, label], why.text()


def test_costs_bridge_gaps_and_drop_what_is_short():
    p = np.array([[0.9, 0.9, 0.4, 0.9, 0.1, 0.1, 0.6, 0.1]], np.float32).T
    b = ScoreBundle.create(
        video_ids=["v"], labels=["dog"], segments_per_video=[8], kind="probability", audio_segments=p, visual_segments=p
    )
    found = [
        DECODER.decode(Inputs(b), ViterbiParams(threshold=0.5, enter=c, leave=c)).track(0, "audio") for c in (0, 1)
    ]
    assert [e[1:3] for e in found[0]] == [(0, 2), (3, 4), (6, 7)]
    assert [e[1:3] for e in found[1]] == [(0, 4)]


def test_one_label_has_no_z_score():
    b = made(1, (3,), 1, "normal")
    with pytest.raises(DataError, match="score_norm=zscore compares labels with each other; set score_norm=sigmoid"):
        DECODER.decode(Inputs(b), ViterbiParams())
    with pytest.raises(DataError, match="no audio_segments, which the viterbi decoder needs"):
        DECODER.decode(Inputs(replace(b, audio_segments=None)), ViterbiParams(score_norm="sigmoid"))
