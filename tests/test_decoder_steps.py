"""Decoders of thresholds, with their filters, and of change-point boxes: kernels against the plain versions, and both
against what published packages gave."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import avreplay
import numpy as np
import pytest
from avreplay.core import reference_steps as plain
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import TRACKS, Events
from avreplay.core.label_thresholds import best_label_thresholds
from avreplay.core.params.steps import EDGES, OFF, MedianParams, SebbParams, ThresholdParams
from avreplay.core.params.table import ParamTable
from avreplay.evaluate.datasets.annotations import Annotations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

FOLDER = Path(os.environ.get("AVREPLAY_GOLDEN_FRONTIER", Path(__file__).parent / "data" / "frontier"))
"""Numbers that published packages gave on made scores; another folder of the same format can be named."""


@cache
def golden(name):
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def probabilities(x, labels=None, hop=1.0):
    """A bundle of (N, T, C) scores, taken as they are, in the audio and the visual stream."""
    n, t, c = x.shape
    rows = np.ascontiguousarray(x.reshape(n * t, c), np.float32)
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)], labels=labels or [f"l{i}" for i in range(c)], kind="similarity",
        segments_per_video=[t] * n, audio_segments=rows, visual_segments=rows, segment_seconds=hop,
    )  # fmt: skip


def decided(name, x, **values):
    """Which segments (N, T) the audio events of one label cover."""
    decoder = DECODERS.get(name)
    params = decoder.make_params(values={"score_norm": "none", **values})
    events = decoder.decode(Inputs(probabilities(x[:, :, None])), params)
    found = np.zeros(x.shape, bool)
    for v in range(len(x)):
        for _, onset, offset, _ in events.track(v, "audio"):
            found[v, onset:offset] = True
    return found


CASES = ("t10", "t37")


@pytest.mark.parametrize("case", CASES)
def test_hysteresis_is_that_of_skimage(case):
    data = golden("filters")
    x = data[f"{case}/x"]
    names = [k for k in data if k.startswith(f"{case}/hyst_")]
    assert names
    for name in names:
        low, high = map(float, name.rsplit("_", 2)[1:])
        assert np.array_equal(decided("hysteresis", x, threshold=high, hysteresis_low=low), data[name]), name
        as_float32 = float(np.float32(high)), float(np.float32(low))
        assert np.array_equal([plain.hysteresis(row.tolist(), *as_float32) for row in x], data[name])


def _medians(case):
    """Name, window and edge of each array of medians."""
    for name in golden("filters"):
        if name.startswith(f"{case}/signal_medfilt_"):
            yield name, int(name.rsplit("_", 1)[1]), "zeros"
        elif name.startswith(f"{case}/ndimage_"):
            _, edge, size = name.split("/")[1].split("_")
            yield name, int(size), {"constant": "zeros"}.get(edge, edge)
        elif name.endswith("_mid") and name.startswith(f"{case}/sse_"):
            yield name, int(float(name.split("_")[2])), "minus_inf"


@pytest.mark.parametrize("case", CASES)
def test_medians_are_those_of_scipy_and_sed_scores_eval(case):
    data = golden("filters")
    x = data[f"{case}/x"]
    every = list(_medians(case))
    assert {edge for _, _, edge in every} == set(EDGES)
    for name, size, edge in every:
        found = [plain.median_filtered(row.tolist(), size, edge) for row in x.astype(np.float64)]
        assert np.array_equal(found, data[name].astype(np.float64)), name
        trace = DECODERS.get("median").decode_many(
            Inputs(probabilities(x[:, :, None])),
            [DECODERS.get("median").make_params(values={"score_norm": "none", "median": size, "median_edge": edge})],
            trace=True,
        ).trace  # fmt: skip
        assert np.array_equal(trace.score[0, :, 0].reshape(x.shape), data[name].astype(np.float64)), name
        for tau in (0.25, 0.5):
            got = decided("median", x, threshold=tau, median=size, median_edge=edge)
            assert np.array_equal(got, data[name] > tau), name


def by_key(rows, keys):
    """Rows by their first columns, in order."""
    found = {}
    for row in rows.tolist():
        found.setdefault(tuple(map(int, row[:keys])), []).append(row[keys:])
    return {key: np.array(values) for key, values in found.items()}


@pytest.mark.parametrize("case", ["second_dyadic", "second", "quarter"])
def test_boxes_are_those_of_the_published_package(case):
    data = golden("csebb")
    scores, hop = data[f"{case}/scores"], float(data[f"{case}/hop"])
    boxes, merges = by_key(data[f"{case}/boxes"], 4), data[f"{case}/merge_abs_rel"]
    candidates = by_key(data[f"{case}/candidates"], 3)
    seen = 0
    for f, length in enumerate(data[f"{case}/step_filter_length"].tolist()):
        for n in range(len(scores)):
            for c in range(scores.shape[2]):
                x = scores[n, :, c].tolist()
                spans = np.array(plain.change_point_spans(x, hop, length))
                want = candidates[f, n, c]
                assert np.array_equal(spans[:, :2], want[:, :2])
                assert np.abs(spans - want).max() < 1e-12
                for m, (absolute, relative) in enumerate(merges.tolist()):
                    want = boxes.get((f, m, n, c), np.zeros((0, 3)))
                    got = np.array(plain.change_point_boxes(x, hop, length, absolute, relative)).reshape(-1, 3)
                    assert np.array_equal(got[:, :2], want[:, :2])
                    assert np.abs(got - want).max(initial=0) < 1e-12
                    seen += len(want)
    assert seen == len(data[f"{case}/boxes"])


@pytest.mark.parametrize("case", ["second_dyadic", "second", "quarter"])
def test_the_decoder_gives_these_boxes(case):
    """In float32, as stores have scores; so the plain version is the reference but for dyadic numbers, which are as
    they were given."""
    data = golden("csebb")
    scores, hop = data[f"{case}/scores"], float(data[f"{case}/hop"])
    bundle, decoder = probabilities(scores, hop=hop), DECODERS.get("sebb")
    every, published = by_key(data[f"{case}/boxes"], 3), 0
    for f, length in enumerate(data[f"{case}/step_filter_length"].tolist()):
        for m, (absolute, relative) in enumerate(data[f"{case}/merge_abs_rel"].tolist()):
            params = decoder.make_params(
                values={"score_norm": "none", "threshold": -1, "filter_seconds": length,
                        "merge_abs": min(absolute, OFF), "merge_rel": min(relative, OFF)}
            )  # fmt: skip
            events = decoder.decode(Inputs(bundle), params)
            for v in range(len(scores)):
                rows = events.rows(v, "audio")
                got = sorted(zip(events.label[rows].tolist(), *events.seconds[rows].T.tolist(), strict=True))
                if case == "second_dyadic":
                    assert got == sorted(map(tuple, every[f, m, v][:, :3].tolist()))
                    published += len(got)
                mine = plain.track_events(bundle, params, v, "audio") if m % 5 == 0 and v < 6 else []
                if mine:
                    assert got == sorted((c, a, b) for c, _, _, _, a, b in mine)
    assert published == (len(data[f"{case}/boxes"]) if case == "second_dyadic" else 0)


# --- the kernel against the plain version -------------------------------------------------------------------------


@st.composite
def bundles(draw):
    """Scores with plateaus, ties, flat rows, absent streams, videos of no and of one segment."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    lengths = draw(st.lists(st.sampled_from([0, 1, 2, 3, 10, 23]), min_size=1, max_size=4))
    labels = draw(st.sampled_from([["a", "b", "other", "c"], ["a", "b"], ["Background", "a", "b", "c", "d"]]))
    n, s, c = len(lengths), sum(lengths), len(labels)
    grid = draw(st.sampled_from([4, 1000]))

    def scores(*shape):
        x = rng.integers(0, grid, shape) / grid
        x[rng.random(shape[:-1]) < 0.1] = 0.5
        return x.astype(np.float32)

    audible, visible = rng.random((2, n)) < 0.85
    audio, visual, fused = (scores(s, c) for _ in range(3))
    audio[np.repeat(~audible, lengths)] = np.nan  # rows of an absent stream are let be
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)], labels=labels, segments_per_video=lengths,
        kind=draw(st.sampled_from(["similarity", "probability"])), segment_seconds=draw(st.sampled_from([1.0, 0.25])),
        audio_segments=audio, visual_segments=visual, audio_visual_segments=fused, audio_clip=scores(n, c),
        visual_clip=scores(n, 2, c), has_audio=audible, has_visual=visible,
    )  # fmt: skip


common = {
    "threshold": st.sampled_from([0.25, 0.5, 0.6]), "score_norm": st.sampled_from(["zscore", "sigmoid", "none"]),
    "sigmoid_scale": st.sampled_from([1.0, 4.0]), "sigmoid_bias": st.sampled_from([0.0, -2.0]),
    "alpha": st.sampled_from([0.0, 0.3, 1.0]), "select_classes": st.booleans(), "tau_f": st.sampled_from([0.3, 0.5]),
    "label_thresholds": st.sampled_from(["", '{"a": 0.4}', ["b=0.7", "a=0.1"]]),
}  # fmt: skip
thresholds = st.fixed_dictionaries(
    {**common, "fusion": st.sampled_from(["score", "min", "late", "given"]), "hysteresis": st.booleans(),
     "hysteresis_low": st.sampled_from([0.1, 0.25, 0.9]), "median": st.sampled_from([1, 2, 3, 4, 5, 9, 60]),
     "median_edge": st.sampled_from(EDGES), "min_length": st.integers(1, 3), "max_gap": st.integers(0, 3)}
)  # fmt: skip
boxes = st.fixed_dictionaries(
    {**common, "fusion": st.sampled_from(["score", "min", "given"]), "filter_seconds": st.sampled_from([0.3, 0.5, 3.0]),
     "merge_abs": st.sampled_from([0.0, 0.2, OFF]), "merge_rel": st.sampled_from([1.0, 2.0, OFF])}
)  # fmt: skip


def rows_of(events, setting=0):
    """The events of each video and track: label, onset, offset, confidence, seconds."""
    found = []
    for v in range(events.num_videos):
        for k in range(3):
            at = events.rows(v, k, setting)
            seconds = np.zeros((at.stop - at.start, 2)) if events.seconds is None else events.seconds[at]
            columns = (events.label[at], events.onset[at], events.offset[at], events.confidence[at], *seconds.T)
            found.append(list(zip(*(x.tolist() for x in columns), strict=True)))
    return found


def assert_plain(bundle, params, events, setting=0):
    expected = [track for v in range(bundle.num_videos) for track in plain.video_events(bundle, params, v)]
    for got, want in zip(rows_of(events, setting), expected, strict=True):
        assert [e[3] for e in got] == pytest.approx([e[3] for e in want], abs=1e-12)
        # scores that differ in the last bit may trade places
        assert sorted(e[:3] for e in got) == sorted(e[:3] for e in want)
        if events.seconds is not None:
            assert sorted(e[4:] for e in got) == sorted(e[4:] for e in want)


@pytest.mark.parametrize(("name", "options"), [("threshold", thresholds), ("sebb", boxes)])
def test_the_kernel_is_the_plain_version(name, options):
    decoder = DECODERS.get(name)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(bundles(), st.lists(options, min_size=1, max_size=3), st.sampled_from([1, 3]))
    def check(bundle, values, threads):
        every = [decoder.make_params(values=v) for v in values]
        events = decoder.decode_many(Inputs(bundle), every, threads=threads).events
        for i, params in enumerate(every):
            assert_plain(bundle, params, events, i)

    check()


def _random(n=20, t=10, c=6, seed=0, **more):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, n * t, c)).astype(np.float32)
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)], labels=[f"l{i}" for i in range(c)], segments_per_video=[t] * n,
        audio_segments=x[0], visual_segments=x[1], **more,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["threshold", "hysteresis", "median", "sebb"])
def test_a_sweep_is_the_settings_one_by_one(name):
    decoder, bundle, rng = DECODERS.get(name), _random(n=40), np.random.default_rng(1)
    columns = {"threshold": rng.random(9), "alpha": rng.random(9)}
    if name == "sebb":
        columns["merge_rel"] = 1 + rng.random(9)
    else:
        columns |= {"median": np.tile([1, 3, 4], 3), "fusion": np.repeat(["score", "late", "min"], 3)}
    columns["score_norm"] = np.tile(["zscore", "sigmoid", "none"], 3)
    table = ParamTable(decoder.make_params(), columns)
    inputs = Inputs(bundle)
    together = decoder.sweeper(inputs, table)(2, 9)
    for i in range(2, 9):
        alone = decoder.decode(inputs, table.params(i))
        assert rows_of(together, i - 2) == rows_of(alone)
    one = decoder.decode_many(inputs, [table.params(3)], tracks=("visual",)).events
    assert rows_of(one)[1::3] == rows_of(together, 1)[1::3]
    assert not any(rows_of(one)[::3] + rows_of(one)[2::3])


def test_a_video_alone_has_the_same_events():
    bundle = _random(n=30)
    for name in ("median", "sebb"):
        decoder = DECODERS.get(name)
        params = decoder.make_params()
        every = rows_of(decoder.decode_many(Inputs(bundle), [params], threads=2).events)
        alone = decoder.decode(Inputs(bundle.select_videos([7, 3])), params)
        assert rows_of(alone) == every[21:24] + every[9:12]


def test_more_events_than_there_was_room_for():
    rng = np.random.default_rng(3)
    x = np.tile([0.9, 0.1], 150)[None, :, None] * np.ones((3, 1, 8)) + rng.random((3, 300, 8)) / 100
    decoder = DECODERS.get("threshold")
    params = decoder.make_params(values={"score_norm": "none", "threshold": 0.5})
    events = decoder.decode(Inputs(probabilities(x)), params)
    assert len(events.label) == 3 * 3 * 8 * 150
    assert all((np.diff([e[3] for e in track]) <= 0).all() for track in rows_of(events))


@pytest.mark.parametrize("name", ["threshold", "sebb"])
def test_the_trace_is_what_is_compared(name):
    bundle, decoder = _random(n=3), DECODERS.get(name)
    params = decoder.make_params(values={"label_thresholds": {"l2": 0.9}})
    trace = decoder.decode_many(Inputs(bundle), [params], trace=True).trace
    assert trace.tau[:, :, 2].tolist() == np.full((3, 30), 0.9).tolist()
    assert set(np.unique(trace.tau)) == {0.75, 0.9}
    assert trace.active.all()
    for v in range(3):
        for k, track in enumerate(TRACKS):
            expected = plain.video_scores(bundle, params, v, track)
            assert np.allclose(trace.score[k, 10 * v : 10 * v + 10], expected, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(bundles(), thresholds, boxes, st.randoms(use_true_random=False))
def test_every_stage_is_told(bundle, of_thresholds, of_boxes, random):
    """The stages say of every label and span whether an event of it is there."""
    for name, values in (("threshold", of_thresholds), ("sebb", of_boxes)):
        decoder = DECODERS.get(name)
        params = decoder.make_params(values=values)
        for v in [v for v in range(bundle.num_videos) if bundle.segments_per_video[v]]:
            track, label = random.choice(TRACKS), random.randrange(bundle.num_labels)
            onset = random.randrange(int(bundle.segments_per_video[v]))
            told = decoder.explain(Inputs(bundle), params, v, track, label, onset, onset + 1)
            events = plain.track_events(bundle, params, v, track)
            there = any(c == label and a <= onset < b for c, a, b, *_ in events)
            assert (told.lost_at == "") == there, told.text()


# --- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "kept"),
    [("", ""), ([], ""), (["b: c=0.5", "a=0.1"], '{"a": 0.1, "b: c": 0.5}'), ([0.1, 1], "[0.1, 1.0]"),
     ({"x=y": 1}, '{"x=y": 1.0}'), ("a=0.5", '{"a": 0.5}'), ('["x=y=2"]', '{"x=y": 2.0}')],
)  # fmt: skip
def test_thresholds_of_labels_are_kept_in_one_form(given_, kept):
    params = ThresholdParams(label_thresholds=given_)
    assert params.label_thresholds == kept
    assert ThresholdParams(**json.loads(json.dumps(params.as_dict()))) == params


@pytest.mark.parametrize(
    "value", ["a", "a=b", "0.5", "=0.5", "a=nan", '{"a": true}', "[1", [None], [1, "a=2"], ["a=1", "a=2"], 3]
)
def test_what_are_no_thresholds_of_labels_is_refused(value):
    with pytest.raises(UsageError, match=r"label_thresholds is .*; expected a list of texts"):
        SebbParams(label_thresholds=value)


def test_thresholds_of_other_labels_are_refused():
    bundle = probabilities(np.zeros((1, 2, 3)), ["dog", "cat", "other"])
    decoder = DECODERS.get("threshold")
    for value, words in (('{"Dog": 1}', "'Dog', which none of the 3 labels is.*dog"), ("[1, 2]", "2 numbers and the")):
        with pytest.raises(DataError, match=words):
            decoder.decode(Inputs(bundle), decoder.make_params(values={"label_thresholds": value}))


def test_scores_that_a_setting_cannot_use_are_refused():
    one = probabilities(np.zeros((1, 2, 2)), ["dog", "other"])
    decoder = DECODERS.get("sebb")
    with pytest.raises(DataError, match=r"one label, 'dog'.*score_norm=sigmoid"):
        decoder.decode(Inputs(one), decoder.make_params())
    with pytest.raises(DataError, match="no label besides background"):
        decoder.decode(Inputs(one.select_labels([1])), decoder.make_params(values={"score_norm": "none"}))
    with pytest.raises(DataError, match=r"no audio_visual_segments.*fusion=given"):
        decoder.decode(Inputs(one), decoder.make_params(values={"score_norm": "none", "fusion": "given"}))
    with pytest.raises(UsageError, match="median is 1000000000; a window has at most"):
        DECODERS.get("median").decode(Inputs(one), MedianParams(score_norm="none", median=10**9))
    with pytest.raises(DataError, match=r"no audio_clip.*select_classes"):
        decoder.decode(Inputs(one), decoder.make_params(values={"score_norm": "none", "select_classes": True}))


def test_every_preset_and_range_is_taken():
    from avreplay.evaluate.tuning.space import parse_space

    for name in ("threshold", "hysteresis", "median", "sebb"):
        decoder = DECODERS.get(name)
        for preset in decoder.presets:
            decoder.make_params(preset)
        assert len(parse_space(decoder.search_space(), decoder.make_params(), ())) > 2


# --- thresholds of labels, fitted ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 1000]), st.integers(1, 30))
def test_no_threshold_of_a_label_is_better(seed, grid, segments):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, grid, (segments, 3)) / grid
    x[rng.random(x.shape) < 0.1] = np.nan
    annotated = rng.random(x.shape) < rng.random(3)
    found = best_label_thresholds(x, annotated, 0.5)

    def f_score(c, tau):
        above = x[:, c] > tau
        tp, wrong = (above & annotated[:, c]).sum(), (above != annotated[:, c]).sum()
        return 2 * tp / max(2 * tp + wrong, 1)

    for c in range(3):
        known = x[np.isfinite(x[:, c]), c]
        every = [f_score(c, tau) for tau in (*known, *(known - 1e-9))]
        assert f_score(c, found[c]) == pytest.approx(max(every, default=0.0)) or found[c] == 0.5
        assert found[c] != 0.5 or grid == 3 or max(every, default=0.0) == 0.0


def test_thresholds_are_fitted_to_annotations():
    bundle = _random(n=12, t=10, c=3)
    truth = Annotations(
        "json", "val", ("l1", "l0", "l2"), bundle.video_ids, bundle.segments_per_video,
        Events.from_tracks([[[(1, 0, 4)], [(0, 2, 6)], []]] * 12), "hand made",
    )  # fmt: skip
    start = ThresholdParams(median=3)
    params = avreplay.fit_label_thresholds(bundle, start, truth, track="audio")
    assert list(json.loads(params.label_thresholds)) == ["l0", "l1", "l2"]
    assert json.loads(params.label_thresholds)["l2"] == start.threshold
    with pytest.raises(UsageError, match="fusion=late has no audio-visual score"):
        avreplay.fit_label_thresholds(bundle, ThresholdParams(fusion="late"), truth)


def _f_of_label(bundle, params, label):
    events = DECODERS.get("threshold").decode(Inputs(bundle), params)
    found = np.zeros((bundle.num_videos, 10), bool)
    for v in range(bundle.num_videos):
        for c, onset, offset, _ in events.track(v, "audio"):
            found[v, onset:offset] |= c == label
    truth = np.zeros_like(found)
    truth[:, :4] = True
    return 2 * (found & truth).sum() / (2 * (found & truth).sum() + (found != truth).sum())


def test_the_fitted_threshold_is_the_best_of_the_decoder():
    bundle = _random(n=12, t=10, c=3)
    truth = Annotations(
        "json", "val", bundle.labels, bundle.video_ids, bundle.segments_per_video,
        Events.from_tracks([[[(0, 0, 4)], [], []]] * 12), "hand made",
    )  # fmt: skip
    params = avreplay.fit_label_thresholds(bundle, ThresholdParams(), truth, track="audio")
    tried = [_f_of_label(bundle, ThresholdParams(threshold=t), 0) for t in np.linspace(0, 1, 200).tolist()]
    assert _f_of_label(bundle, params, 0) >= max(tried)
