"""Median filter and hysteresis in AV²A and OV-AVEL: off they change nothing, on they equal the plain form."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from avreplay.core import reference
from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.ovavel import OvavelDecoder, ovavel_events
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import UsageError
from avreplay.core.events import TRACKS
from avreplay.core.exact.axes import exact_axes, require_exact
from avreplay.core.exact.breakpoints import breakpoints_of_track
from avreplay.core.exact.regions import plane_regions
from avreplay.core.kernels.ovavel_steps import filter_rows
from avreplay.core.params.av2a import AV2A_STEPS_SPACE, Params
from avreplay.core.params.ovavel import OVAVEL_EDGES, OVAVEL_STEPS_SPACE, OvavelParams
from avreplay.core.params.presets import PRESETS
from avreplay.core.params.steps import EDGES, WIDEST
from avreplay.core.reference_filters import median_filtered
from avreplay.evaluate.replay import stored_params
from avreplay.evaluate.tuning.identity import difference
from avreplay.evaluate.tuning.space import parse_space
from test_ovavel_twin import EVERY_SETTING, LABELS
from test_ovavel_twin import bundle as cosine_bundle
from test_pinning import ALL_PARTS
from test_twin import CLOSE, make_bundle

pytestmark = pytest.mark.slow  # a form of the kernel of its own

METHODS = ("naive", "label_shift", "cosine", "label_shift_cosine", "decay_only")
NAMES = ("median", "median_edge", "hysteresis_drop")


def settings_of(rng, count):
    """Settings with steps, of every method."""

    def pick(*values):
        return values[int(rng.integers(len(values)))]

    return [
        Params(
            alpha=pick(0.0, 0.3, 0.5), tau0=pick(0.3, 0.5, 0.6, 0.75), tau_f=pick(0.25, 0.5), tau_r=pick(0.3, 0.5),
            decay=pick(0.0, 0.5, 1.0), method=METHODS[i % 5], fusion=pick("score", "late"),
            select_classes=pick(True, False), refine=pick(True, False), audio_scores=pick("clip", "segment", "2"),
            ratio=pick("ridge", "pinv"), pinv_cutoff=1e-9, cosine_audio=pick(True, False), min_length=pick(1, 2, 3),
            max_gap=pick(0, 1, 2), score_norm=pick("active", "all", "sigmoid"), sigmoid_scale=10.0,
            flat_scores=pick("nan", "half"), precision=pick("float32", "float64"), median=pick(1, 2, 3, 5, 9),
            median_edge=pick(*EDGES), hysteresis_drop=pick(0.0, 0.05, 0.2, 0.6),
        )
        for i in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("style", ["normal", "ties", "flat"])
@pytest.mark.parametrize("kind", ["similarity", "probability"])
def test_av2a_with_steps_equals_the_reference(style, kind):
    """Videos of no, one and many segments (more than a word has bits), few labels and more than are followed by
    words."""
    rng = np.random.default_rng(len(style) + len(kind))
    compared = changed = 0
    for labels, segments in ((2, (0, 1, 6, 11)), (6, (9, 2, 70)), (40, (5, 8))):
        bundle = make_bundle(int(rng.integers(1 << 30)), segments, labels, kind, 1, 0.5, style)
        settings = settings_of(rng, 20)
        events = replay_scores(bundle, [*settings, ALL_PARTS], threads=1).events
        off = [replace(p, median=1, hysteresis_drop=0.0) for p in settings]
        plain = replay_scores(bundle, [*off, ALL_PARTS], threads=1).events
        for i, p in enumerate(settings):
            for v in range(len(segments)):
                stages = reference.video_stages(bundle, p, v)
                got = [[e[:3] for e in events.track(v, k, i)] for k in range(3)]
                changed += got != [[e[:3] for e in plain.track(v, k, i)] for k in range(3)]
                if min(s.margin for s in stages) >= CLOSE:
                    assert got == [[e[:3] for e in s.events] for s in stages], p
                    compared += 1
    assert compared > 60
    assert changed > 20


def test_traces_and_reasons_show_the_steps():
    rng = np.random.default_rng(4)
    decoder, seen = Av2aDecoder(), set()
    for p in settings_of(rng, 12):
        params = replace(p, method="label_shift", ratio="ridge", fusion="score", select_classes=False, refine=False)
        bundle = make_bundle(7, (8, 5), 4, "similarity", 1, 0.5, "flat")
        done = replay_scores(bundle, params, trace=True, threads=1)
        for v in range(2):
            rows = slice(*bundle.segment_starts[v : v + 2])
            for k, track in enumerate(TRACKS):
                stages = reference.track_stages(bundle, params, v, track)
                if stages.margin < CLOSE or not stages.P.size:
                    continue
                np.testing.assert_allclose(done.trace.score[k, rows], stages.P, atol=1e-6)
                np.testing.assert_allclose(done.trace.tau[k, rows], stages.tau, atol=1e-6)
                for label, t in np.ndindex(4, int(bundle.segments_per_video[v])):
                    why = decoder.explain(Inputs(bundle), params, v, track, label, t, t + 1)
                    found = any(c == label and a <= t < b for c, a, b, _ in done.events.track(v, k))
                    assert (not why.lost_at) == found, why.text()
                    seen |= {s.name for s in why.stages}
    assert {"median filter", "hysteresis"} <= seen


@pytest.mark.parametrize(
    "values", [{"median": 3, "median_edge": "zeros"}, {"median": 4, "median_edge": "minus_inf", "min_length": 1}]
)
@pytest.mark.parametrize("audio", ["clip", "segment"])
def test_the_plane_is_exact_with_a_median_filter(values, audio):
    bundle = make_bundle(11, [7, 1, 12, 4], 6, "similarity", 1, 0.6, "flat")
    params = Params(tau_f=0.4, audio_scores=audio, method="label_shift", **values)
    regions = plane_regions(bundle, params)
    rng = np.random.default_rng(2)
    points = rng.random((40, 2))
    settings = [params.override({"tau0": a, "tau_r": b}) for a, b in points.tolist()]
    events = replay_scores(bundle, [*settings, ALL_PARTS], threads=1).events
    assert any(events.track(v, k, i) for i in range(40) for v in range(4) for k in range(3))
    for i, (tau0, tau_r) in enumerate(points.tolist()):
        at = regions.events_at(tau0, tau_r)
        for v in range(4):
            for k in range(3):
                assert [e[:3] for e in at.track(v, k)] == [e[:3] for e in events.track(v, k, i)], (tau0, tau_r)


def test_hysteresis_has_no_exact_response_over_tau0():
    params, decoder = Params(hysteresis_drop=0.1), Av2aDecoder()
    axes = exact_axes(decoder, params)
    assert not axes["tau0"].exact
    assert axes["tau_f"].exact
    assert exact_axes(decoder, replace(params, hysteresis_drop=0.0, median=3))["tau0"].exact
    with pytest.raises(UsageError, match="tau0 is not exact: with hysteresis_drop above 0 the lower threshold is no"):
        require_exact(decoder, params, None, ("tau0", "tau_r"))
    bundle = make_bundle(3, [5], 3, "probability")
    assert set(breakpoints_of_track(decoder, bundle, params, "visual")) == {"tau_f"}


def test_ovavel_with_steps_equals_the_reference():
    rng = np.random.default_rng(0)
    for style in ("normal", "ties", "negative", "flat", "close"):
        segments = [0, 1, *rng.integers(1, 14, 6).tolist()]
        b = cosine_bundle(int(rng.integers(1 << 30)), segments, style)
        settings = [
            EVERY_SETTING[int(rng.integers(len(EVERY_SETTING)))].override({
                "median": int(rng.integers(1, 8)), "median_edge": str(rng.choice(OVAVEL_EDGES)),
                "min_length": int(rng.integers(1, 4)), "max_gap": int(rng.integers(0, 4)),
            })
            for _ in range(60)
        ]  # fmt: skip
        events = ovavel_events(b, settings)
        for i, p in enumerate(settings):
            for v, t in enumerate(segments):
                rows = slice(b.segment_starts[v], b.segment_starts[v] + t)
                scores = [getattr(b, f"{m}_segments")[rows] for m in ("audio", "visual", "audio_visual")]
                there = b.has_audio[v] and b.has_visual[v]
                want = reference.ovavel_labels(*scores, LABELS, p) if there else [None] * t
                got: list[int | None] = [None] * t
                for label, onset, offset, _ in events.track(v, "audio_visual", i):
                    got[onset:offset] = [label] * (offset - onset)
                assert got == want, p


@pytest.mark.parametrize("size", [*range(1, 9), 63, 64, 65, 66, 500, 20_001, WIDEST])
@pytest.mark.parametrize("edge", EDGES)
def test_a_median_of_any_window_is_that_of_the_reference(size, edge):
    """Also of the widest, on many labels: sorted by insertion these windows would take minutes."""
    segments, labels = ([1, 7], 60) if size == WIDEST else ([0, 1, 2, 9, 70 if size < 1000 else 3], 3)
    rng = np.random.default_rng(size)
    first = np.append(0, np.cumsum(segments))
    rows = np.round(rng.normal(size=(first[-1], labels)), 1).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    out = np.empty_like(rows)
    filter_rows(first, rows, size, EDGES.index(edge), np.empty((2, max(segments))), np.empty(size), out)
    for a, b in pairwise(first.tolist()):
        for c in (0, labels - 1):
            want = median_filtered(rows[a:b, c].tolist(), size, edge)
            assert out[a:b, c].tolist() == np.array(want, np.float32).tolist()


def test_short_runs_and_gaps_of_ovavel_by_hand():
    tidied = reference.tidied_labels
    decided = [1, 1, None, 1, 2, 1, None, None, 1]
    assert tidied(decided, OvavelParams(max_gap=1)) == [1, 1, 1, 1, 2, 1, None, None, 1]
    assert tidied(decided, OvavelParams(min_length=2)) == [1, 1, *[None] * 7]
    assert tidied([1, 1, 2, 1, 1], OvavelParams(min_length=2, max_gap=1)) == [1] * 5
    b = replace(cosine_bundle(3, [9, 8], "ties"), has_audio=np.ones(2, bool), has_visual=np.ones(2, bool))
    params = OvavelParams(strategy="per_segment", background="none", median=3, min_length=2)
    why = OvavelDecoder().explain(Inputs(b), params, 0, "audio_visual", 1, 0, 4)
    assert "of medians of 3 segments, with min_length 2 and max_gap 0" in why.text()


@pytest.mark.parametrize(("name", "space"), [("av2a", AV2A_STEPS_SPACE), ("ovavel", OVAVEL_STEPS_SPACE)])
def test_steps_are_off_unless_they_are_asked_for(name, space):
    """No default, preset, space or stored setting knows of them; a search takes them by name."""
    decoder = DECODERS.get(name)
    steps = {f.name for f in fields(decoder.params) if f.metadata["later"]}
    assert {text.partition("=")[0] for text in space} < steps
    assert not steps & {text.partition("=")[0] for text in decoder.search_space()}
    assert not any(steps & set(values) for values in decoder.presets.values() if decoder.presets is not PRESETS)
    assert not any(set(NAMES) & set(values) for values in PRESETS.values())
    start = decoder.params()
    assert not steps & set(stored_params(decoder, start))
    dimensions = parse_space(list(space), start, ())
    for d in dimensions:
        last = d.choices[-1] if d.choices else d.high
        held = stored_params(decoder, start.override({d.name: last}))
        assert held[d.name] == last
        assert decoder.params().override({k: v for k, v in held.items() if k != "decoder"}) == start.override(
            {d.name: last}
        )


def test_steps_that_make_no_sense_are_refused_in_a_sentence():
    with pytest.raises(UsageError, match="median_edge is 'minus_inf'; expected one of zeros"):
        OvavelParams(median_edge="minus_inf")
    with pytest.raises(UsageError, match=r"hysteresis_drop is -0\.1; expected a number from 0 to 1"):
        Params(hysteresis_drop=-0.1)
    for of in (Params, OvavelParams):
        with pytest.raises(UsageError, match="median is 100001; a window has at most 100000 segments"):
            of(median=100_001)
    with pytest.raises(UsageError, match="no option 'hysteresis_drop'"):
        OvavelParams().override({"hysteresis_drop": 0.1})


@pytest.mark.parametrize("name", ["av2a", "ovavel"])
def test_a_search_from_a_start_with_a_step_is_another_one_and_says_so(name):
    """Steps that are off are not stored; a message about them says no more than that."""
    decoder = DECODERS.get(name)
    plain = decoder.params()
    for f in fields(decoder.params):
        if f.metadata["later"]:
            value = next(c for c in f.metadata["choices"] if c != f.default) if f.metadata["choices"] else 1 + f.default
            starts = [{"start": stored_params(decoder, p)} for p in (plain, plain.override({f.name: value}))]
            for found, now in (starts, starts[::-1]):
                text = difference(found, now)
                assert text is not None
                assert f"another {f.name} (" in text
                assert "not given" in text
                assert "None" not in text
            assert difference(starts[1], starts[1]) is None
