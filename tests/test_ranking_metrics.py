"""The ranking metrics against their plain twins, and what each promises: settings alone or together, resamples of the
videos, options, and sentences for what it cannot score."""

from __future__ import annotations

import math
from dataclasses import replace

import golden_frontier as golden
import numpy as np
import pytest
from avreplay.core import reference_ranking as plain
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import TRACKS, Events
from avreplay.core.metrics.base import Truth, checked_score
from avreplay.core.metrics.bootstrap import bootstrap_metric
from avreplay.core.metrics.calibration import Calibration
from avreplay.core.metrics.event_f1 import CollarF1, IntersectionF1
from avreplay.core.metrics.map_tiou import MapTiou
from avreplay.core.metrics.psds import Psds, psds_curves
from avreplay.core.metrics.registry import METRICS
from avreplay.core.metrics.segment_map import SegmentCurves, SegmentMap
from avreplay.core.metrics.segments import pooled_scores, scored_segments
from avreplay.core.metrics.spans import by_group, score_spans
from avreplay.core.metrics.threshold_counts import by_collars, by_intersection, precision_recall_f
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

LABELS = ("bark", "meow", "siren")
NAMES = ("map_tiou", "psds", "intersection_f1", "collar_f1", "segment_map", "segment_curves", "calibration")
TEXTS = (*NAMES, "psds(dtc=0.1,gtc=0.1,alpha_ct=0.5)", "collar_f1(best=true)", "intersection_f1(best=true)")


def made(seed: int, videos: int = 6, settings: int = 1, finer: bool = False) -> tuple[Events, Truth]:
    """Events with confidences of few values, so that many are tied, and truths of a like kind."""
    rng = np.random.default_rng(seed)
    segments = rng.integers(1, 9, videos)

    def events(rows: int, confident: bool) -> Events:
        tracks = []
        for v in range(videos * rows):
            n = int(segments[v % videos])
            video = []
            for _ in TRACKS:
                some = []
                for _ in range(rng.integers(0, 5)):
                    on = int(rng.integers(0, n))
                    some.append((int(rng.integers(0, 3)), on, int(rng.integers(on, n)) + 1))
                video.append(some)
            tracks.append(video)
        found = Events.from_tracks(tracks)
        found = replace(found, num_settings=rows, num_videos=videos)
        e = len(found.label)
        times = np.stack([found.onset, found.offset], axis=1) * 0.5
        times += rng.integers(-1, 2, times.shape) * 0.05
        return replace(
            found,
            confidence=rng.choice([0.2, 0.4, 0.4, 0.6, 0.9], e) if confident else None,
            seconds=np.maximum(times, 0.0) if finer else None,
        )

    truth = Truth(events(1, False), segments, LABELS, np.full(videos, 0.5))
    return events(settings, True), truth


def rows_of(events: Events, truth: Truth, track: str = "audio_visual") -> list[tuple[int, int, float, float, float]]:
    """Video, label, onset, offset and confidence of the events of a track, one after the other."""
    out = []
    for v in range(events.num_videos):
        for i in range(*events.rows(v, track).indices(len(events.label))):
            times = events.seconds[i] if events.seconds is not None else (
                events.onset[i] * truth.seconds[v], events.offset[i] * truth.seconds[v]
            )  # fmt: skip
            value = math.nan if events.confidence is None else float(events.confidence[i])
            out.append((v, int(events.label[i]), float(times[0]), float(times[1]), value))
    return out


def mean(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


cases = st.tuples(st.integers(0, 10_000), st.booleans())


@settings(max_examples=25, deadline=None)
@given(cases, st.booleans())
def test_map_is_that_of_the_twin(case, together):
    events, truth = made(case[0], finer=case[1])
    metric = MapTiou(ties="together" if together else "in_order", track="audio")
    found, true = rows_of(events, truth, "audio"), rows_of(truth.events, truth, "audio")
    for k, threshold in enumerate(metric.tiou):
        each = []
        for c in range(len(LABELS)):
            ranked = sorted(((v, on, off, x) for v, label, on, off, x in found if label == c), key=lambda r: -r[3])
            truths = [(v, on, off) for v, label, on, off, _ in true if label == c]
            each.append(plain.tiou_precision(ranked, truths, threshold, together))
        got = checked_score(metric, events, truth).values[0, k + 1]
        np.testing.assert_allclose(got, 100 * mean(each), rtol=0, atol=1e-9)


def changes_of(events: Events, truth: Truth, rule) -> list[list[tuple[float, tuple[int, ...]]]]:
    """By class, ``(value, changes)`` of all videos, where ``rule`` gives those of a video."""
    found, true = rows_of(events, truth), rows_of(truth.events, truth)
    out: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in LABELS]
    for v in range(events.num_videos):
        truths = [[(on, off) for w, label, on, off, _ in true if (w, label) == (v, c)] for c in range(len(LABELS))]
        for c in range(len(LABELS)):
            items = [(x, on, off) for w, label, on, off, x in found if (w, label) == (v, c)]
            out[c] += list(zip((x for x, _, _ in items), rule(items, truths, c), strict=True))
    return out


@settings(max_examples=25, deadline=None)
@given(cases, st.sampled_from(["optimal", "greedy"]), st.sampled_from([6, None]), st.sampled_from([-1.0, 0.5]))
def test_collar_f_is_that_of_the_twin(case, matching, decimals, offset):
    events, truth = made(case[0], finer=case[1])
    scale = 0.0 if decimals is None else 1e6
    metric = CollarF1(onset=0.5, offset=offset, offset_share=0.3, matching=matching, decimals=decimals, best=True)
    changes = changes_of(
        events, truth,
        lambda items, truths, c: plain.collar_changes(
            items, truths[c], (0.5, offset, 0.3), scale, matching == "greedy", False
        ),
    )  # fmt: skip
    truths = [sum(label == c for _, label, *_ in rows_of(truth.events, truth)) for c in range(len(LABELS))]
    each = [math.nan] * len(LABELS)
    for c, n in enumerate(truths):
        if n:
            right, wrong, _, _ = plain.curve_figures(changes[c], n) if changes[c] else (0, 0, math.inf, 0.0)
            each[c] = plain.f1(right, wrong, n)
    got = checked_score(metric, events, truth).values[0, 0]
    np.testing.assert_allclose(got, 100 * mean(each), rtol=0, atol=1e-9)


def without_length(events: Events, labels: tuple[int, ...]) -> Events:
    """The events, those of these labels ending where they begin."""
    if events.seconds is None:
        return events
    seconds = events.seconds.copy()
    flat = np.isin(events.label, labels)
    seconds[flat, 1] = seconds[flat, 0]
    return replace(events, seconds=seconds)


@settings(max_examples=60, deadline=None)
@given(
    cases, st.sampled_from([0.0, 0.5]), st.sampled_from([6, None]),
    st.sampled_from([(), (0,), (1, 2)]), st.sampled_from([(), (0,), (2,)]),
)  # fmt: skip
def test_psds_is_that_of_the_twin(case, alpha_ct, decimals, flat_truths, flat_events):
    events, truth = made(case[0], finer=case[1])
    events = without_length(events, flat_events)
    truth = replace(truth, events=without_length(truth.events, flat_truths))
    metric = Psds(dtc=0.4, gtc=0.3, cttc=0.2, alpha_ct=alpha_ct, alpha_st=0.7, max_efpr=5000.0, decimals=decimals)
    scale = 0.0 if decimals is None else 1e6
    changes = changes_of(
        events, truth,
        lambda items, truths, c: plain.intersection_changes(items, truths, c, (0.4, 0.3, 0.2), scale, False),
    )  # fmt: skip
    true = rows_of(truth.events, truth)
    truths = [sum(label == c for _, label, *_ in true) for c in range(len(LABELS))]
    lengths = [sum(off - on for _, label, on, off, _ in true if label == c) for c in range(len(LABELS))]
    seconds = float((truth.segments * truth.seconds).sum())
    curves = [
        plain.roc(changes[c], c, truths, lengths, seconds, alpha_ct, 5000.0) if changes[c] else []
        for c in range(len(LABELS))
        if truths[c]
    ]
    want, of_class = plain.psds(curves, 0.7, 5000.0) if curves else (math.nan, [])
    np.testing.assert_allclose(checked_score(metric, events, truth).values[0, 0], 100 * want, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        [row["psds"] for row in metric.per_class(events, truth).values()], 100 * np.array(of_class), rtol=0, atol=1e-9
    )
    if all(truths):  # the area under the curves that are drawn
        found, there = metric.spans(events, truth)
        counts = by_intersection(found, there, 0.4, 0.3, 0.2, decimals=decimals)
        drawn = psds_curves(counts, truth.segments * truth.seconds, alpha_ct=alpha_ct, alpha_st=0.7, max_efpr=5000.0)
        area = float(np.sum(drawn.etpr[:-1] * np.diff(drawn.efpr))) / 5000.0
        np.testing.assert_allclose(area, want, rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(cases)
def test_segments_are_those_of_the_twin(case):
    events, truth = made(case[0], finer=case[1])
    pooled = []
    ap, best = [], []
    for c in range(len(LABELS)):
        of_class, positives = [], 0
        for v, n in enumerate(truth.segments.tolist()):
            of_video = [
                [(e.onset[i], e.offset[i], *(() if e is truth.events else (e.confidence[i],)))
                 for i in range(*e.rows(v, "audio_visual").indices(len(e.label))) if e.label[i] == c]
                for e in (events, truth.events)
            ]  # fmt: skip
            of_class += plain.covered(*of_video, n)
            positives += sum(any(on <= t < off for on, off in of_video[1]) for t in range(n))
        pooled += of_class
        if positives:
            figures = plain.curve_figures([(x, (int(r), int(not r))) for x, r in of_class], positives) if of_class \
                else (0, 0, math.inf, 0.0)  # fmt: skip
            ap.append(figures[3])
            best.append(plain.f1(figures[0], figures[1], positives))
    np.testing.assert_allclose(SegmentMap().score(events, truth).values[0, 0], 100 * mean(ap), rtol=0, atol=1e-9)
    np.testing.assert_allclose(SegmentCurves().score(events, truth).values[0, 0], 100 * mean(best), rtol=0, atol=1e-9)
    bins = plain.binned(pooled, 5)
    total = sum(n for n, *_ in bins)
    ece = sum(abs(right - value) for n, right, value, _ in bins) / total if total else 1.0
    brier = sum(square for *_, square in bins) / total if total else 1.0
    got = Calibration(bins=5).score(events, truth).values[0]
    np.testing.assert_allclose(got[[0, 2]], [100 * ece, 100 * brier], rtol=0, atol=1e-9)
    assert not total or got[0] == pytest.approx(100 * Calibration(bins=5).reliability(events, truth).ece)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([6, None]), st.booleans(), st.booleans())
def test_changes_are_those_of_the_twin_at_every_value(seed, decimals, joins, in_turn):
    """Frames and events whose values are tied, 0.0 and -0.0, infinite; truths that overlap, and without length."""
    rng = np.random.default_rng(seed)
    scale, labels, hop = 0.0 if decimals is None else 1e6, 3, 0.5
    scores = rng.choice([-np.inf, -0.5, -0.0, 0.0, 0.25, 0.3, np.inf] if seed % 2 else [0.1, 0.2], (2, 6, labels))
    frames = score_spans(list(scores), [np.arange(7) * hop] * 2, labels)
    if not joins:
        frames = replace(frames, joins=False, offset=frames.onset + rng.choice([0.0, 0.5, 1.0, 2.0], len(frames.value)))
        frames = frames.taken(rng.permutation(len(frames.value)))
    n = int(rng.integers(0, 8))
    onset = rng.integers(0, 6, n) * hop
    truth = golden.spans(
        2, labels, np.sort(rng.integers(0, 2, n)), rng.integers(0, labels, n), onset,
        onset + rng.choice([0.0, 0.5, 1.0, 1.3], n),
    )  # fmt: skip
    of_collars = by_collars(frames, truth, 0.5, 0.5, 0.3, greedy=in_turn, decimals=decimals)
    of_shares = by_intersection(frames, truth, 0.6, 0.5, 0.4, decimals=decimals)
    without = by_intersection(frames, truth, 0.6, 0.5, decimals=decimals)
    for c in range(labels):
        collars, shares = [], []
        for v in range(2):
            items = [
                (frames.value[i], frames.onset[i], frames.offset[i])
                for i in np.flatnonzero((frames.video == v) & (frames.label == c))
            ]
            truths = [
                [(truth.onset[i], truth.offset[i]) for i in np.flatnonzero((truth.video == v) & (truth.label == k))]
                for k in range(labels)
            ]
            values = [x for x, _, _ in items]
            if len(truths[c]) < 4:
                got = plain.collar_changes(items, truths[c], (0.5, 0.5, 0.3), scale, in_turn, joins)
                collars += zip(values, got, strict=True)
            got = plain.intersection_changes(items, truths, c, (0.6, 0.5, 0.4), scale, joins)
            shares += zip(values, got, strict=True)
        few = all(((truth.video == v) & (truth.label == c)).sum() < 4 for v in range(2))
        for changes, want in ((of_collars, collars if few else None), (of_shares, shares), (without, shares)):
            if want is None:
                continue
            a, b = changes.starts[c], changes.starts[c + 1]
            rows = np.column_stack([changes.tp[a:b], changes.fp[a:b], changes.crossed[a:b]] if len(changes.crossed)
                                   else [changes.tp[a:b], changes.fp[a:b]])  # fmt: skip
            by_value = dict.fromkeys(changes.value[a:b].tolist(), 0)
            for value, row in zip(changes.value[a:b].tolist(), rows, strict=True):
                by_value[value] = by_value[value] + row
            wanted: dict[float, np.ndarray] = {}
            for value, row in want:
                wanted[value] = wanted.get(value, 0) + np.array(row[: rows.shape[1]])
            assert {k: x.tolist() for k, x in by_value.items() if x.any()} == {
                k: x.tolist() for k, x in wanted.items() if x.any()
            }


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 700])
@pytest.mark.parametrize("kind", ["any", "few", "near", "falling", "like"])
def test_items_are_in_the_order_of_the_twin(n, kind):
    rng = np.random.default_rng(n)
    value = {
        "any": rng.normal(size=n),
        "few": rng.choice([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf], n),
        "near": 1.0 + rng.random(n) * 1e-12,  # the upper halves of the numbers are the same
        "falling": -(1.0 + np.arange(n) * 2.0**-50),
        "like": np.ones(n),
    }[kind]
    group = rng.integers(0, 2, n)
    order, starts = by_group(group, value, 3)
    assert order.tolist() == plain.grouped_order(list(zip(group.tolist(), value.tolist(), strict=True)))
    assert starts.tolist() == [0, int((group == 0).sum()), n, n]


def test_scores_that_are_no_numbers_are_refused():
    scores, edges = np.array([[0.5], [np.nan]]), [np.arange(3.0)]
    truth = golden.spans(1, 1, [0], [0], [0.0], [1.0])
    for ranked in (
        lambda: by_collars(score_spans([scores], edges, 1), truth, 0.2, 0.2, 0.2),
        lambda: by_intersection(score_spans([scores], edges, 1), truth, 0.5, 0.5),
        lambda: pooled_scores([scores], edges, truth, 1.0),
        lambda: scored_segments(scores, scores > 0, [2]),
    ):
        with pytest.raises(DataError, match="has the score NaN, which cannot be ranked"):
            ranked()


def test_frames_join_to_events_as_the_twin_joins_them():
    items = [(0.5, 0.0, 1.0), (0.7, 1.0, 2.0), (0.1, 2.0, 3.0), (0.5, 3.0, 4.0)]
    assert plain.detected(items, 0.5, True) == [(0.0, 2.0), (3.0, 4.0)]
    assert plain.detected(items, 0.1, True) == [(0.0, 4.0)]
    assert plain.ordered([0.3, 0.1, 0.3]) == [1, 0, 2]
    assert plain.pooled(items, 1.5, 3.0) == 0.7
    assert plain.at_least(0.1 + 0.2, 0.3, 0.0)
    assert plain.within(0.30000000000000004, 0.3, 1e6)
    assert not plain.within(0.30000000000000004, 0.3, 0.0)


@pytest.mark.parametrize("text", TEXTS)
def test_settings_together_are_settings_alone_to_the_bit(text):
    metric = METRICS.get(text)
    events, truth = made(3, settings=4)
    together = checked_score(metric, events, truth)
    for p in range(4):
        alone = checked_score(metric, events.setting(p), truth)
        np.testing.assert_array_equal(alone.values[0], together.values[p])
    assert together.values.shape == (4, len(metric.names(truth)))


@pytest.mark.parametrize("text", TEXTS)
def test_resamples_are_what_scoring_them_anew_gives(text):
    metric = METRICS.get(text)
    events, truth = made(11, videos=8)
    draws = np.random.default_rng(0).integers(0, 8, (5, 8))
    found = metric.resampled(events, truth, draws)
    anew = [checked_score(metric, events.select(d), truth.select(d)).values[0] for d in draws]
    np.testing.assert_allclose(found, np.stack(anew), rtol=0, atol=1e-9)
    interval = bootstrap_metric(metric, [events, events], truth, resamples=20)
    np.testing.assert_array_equal(interval.figure[~np.isnan(interval.figure)], 0.0)


@pytest.mark.parametrize("text", TEXTS)
def test_the_order_of_the_videos_does_not_matter(text):
    metric = METRICS.get(text)
    events, truth = made(5, videos=7)
    shuffled = np.random.default_rng(1).permutation(7)
    np.testing.assert_allclose(
        metric.score(events.select(shuffled), truth.select(shuffled)).values, metric.score(events, truth).values,
        rtol=0, atol=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_annotated_and_nothing_predicted(text):
    metric = METRICS.get(text)
    events, truth = made(2)
    nothing = events.where(np.zeros(len(events.label), np.bool_))
    empty = replace(truth, events=truth.events.where(np.zeros(len(truth.events.label), np.bool_)))
    assert metric.score(nothing, truth).values.shape == metric.score(events, empty).values.shape
    if not text.startswith("calibration"):
        assert np.isnan(metric.score(events, empty).values[0, 0])
        assert metric.score(nothing, truth).values[0, 0] == 0.0
    else:
        assert (metric.score(nothing, truth).values == 100.0).all()
    assert metric.per_class(events, empty) == {}


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"intersection_f1", "collar_f1"}))
def test_events_without_confidence_are_refused_with_the_mend(name):
    events, truth = made(1)
    with pytest.raises(DataError, match=f"'{name}' ranks events by their confidence.*replay the store again"):
        METRICS.get(name).score(replace(events, confidence=None), truth)


def test_f_at_the_operating_point_needs_no_confidence():
    events, truth = made(1)
    plainly = replace(events, confidence=None)
    for metric in (CollarF1(), IntersectionF1()):
        np.testing.assert_array_equal(metric.score(plainly, truth).values, metric.score(events, truth).values)
        with pytest.raises(DataError, match="replay the store again"):
            replace(metric, best=True).score(plainly, truth)


def truth_of(*tracks: list[tuple[int, int, int]], seconds: float = 1.0) -> Truth:
    """Audio-visual events of videos of 10 segments."""
    events = Events.from_tracks([[[], [], list(track)] for track in tracks])
    return Truth(events, np.full(len(tracks), 10), LABELS, np.full(len(tracks), seconds))


def found_of(*tracks: list[tuple[int, int, int]], confidence: list[float]) -> Events:
    events = Events.from_tracks([[[], [], list(track)] for track in tracks])
    return replace(events, confidence=np.array(confidence, np.float64))


def test_ties_together_or_in_order():
    truth = truth_of([(0, 0, 5)], [])
    events = found_of([(0, 0, 5)], [(0, 0, 5)], confidence=[0.5, 0.5])
    assert MapTiou().score(events, truth).values[0, 0] == pytest.approx(50.0)
    assert MapTiou(ties="in_order").score(events, truth).values[0, 0] == pytest.approx(100.0)


def test_duplicated_truths_are_kept_or_dropped():
    truth = truth_of([(0, 0, 5), (0, 0, 5)])
    events = found_of([(0, 0, 5)], confidence=[0.5])
    assert MapTiou().score(events, truth).values[0, 0] == pytest.approx(50.0)
    assert MapTiou(drop_duplicates=True).score(events, truth).values[0, 0] == pytest.approx(100.0)


def test_strict_counts_an_event_of_a_label_without_a_truth_for_another_one():
    truth = truth_of([(1, 0, 5), (2, 6, 8)])
    events = found_of([(1, 0, 5), (2, 6, 8), (0, 6, 7)], confidence=[0.5, 0.5, 0.9])
    assert MapTiou().score(events, truth).values[0, 0] == pytest.approx(100.0)
    # label 0 has no truth; the first of those with one is label 1, which gets a false detection
    assert MapTiou(strict=True).score(events, truth).values[0, 0] == pytest.approx(75.0)


def test_strict_thresholds_are_those_of_linspace():
    truth, events = truth_of([(0, 0, 10)]), found_of([(0, 0, 3)], confidence=[0.5])
    names = MapTiou().names(truth)
    ours, theirs = (m.score(events, truth).values[0, names.index("map_30")] for m in (MapTiou(), MapTiou(strict=True)))
    assert (ours, theirs) == (100.0, 0.0)


def test_a_second_best_truth_is_hit_when_the_best_is_taken():
    truth = truth_of([(0, 0, 4), (0, 1, 5)])
    events = found_of([(0, 0, 4), (0, 0, 4)], confidence=[0.9, 0.8])
    names = MapTiou().names(truth)
    assert MapTiou().score(events, truth).values[0, names.index("map_50")] == pytest.approx(100.0)


def test_a_class_of_which_nothing_is_found_counts_as_zero_or_not():
    truth = truth_of([(0, 0, 4), (1, 5, 8)])
    events = found_of([(0, 0, 4)], confidence=[0.9])
    for metric in (CollarF1(), IntersectionF1()):
        assert metric.score(events, truth).values[0, 0] == pytest.approx(50.0)
        assert metric.score(events, truth).values[0, 1] == pytest.approx(100.0)  # nothing detected: precision 1
        assert replace(metric, unfound="leave_out").score(events, truth).values[0, 0] == pytest.approx(100.0)


def test_times_right_at_a_collar_are_rounded_or_not():
    truth = truth_of([(0, 1, 5)], seconds=0.1)
    events = replace(found_of([(0, 1, 5)], confidence=[0.9]), seconds=np.array([[0.1 + 0.2, 0.5]]))
    metric = CollarF1(onset=0.2, offset=0.2, offset_share=0.0)
    assert abs(0.1 + 0.2 - 0.1) > 0.2
    assert metric.score(events, truth).values[0, 0] == 100.0
    assert replace(metric, decimals=None).score(events, truth).values[0, 0] == 0.0


def test_matching_as_many_as_possible_or_in_turn():
    # the first truth takes the event that is the only one for the second
    truth = truth_of([(0, 2, 6), (0, 1, 6)])
    events = found_of([(0, 2, 6), (0, 3, 6)], confidence=[0.9, 0.8])
    metric = CollarF1(onset=1.0, offset=0.0, offset_share=0.0)
    assert metric.score(events, truth).values[0, 0] == 100.0
    assert replace(metric, matching="greedy").score(events, truth).values[0, 0] == 50.0


def test_offsets_may_not_matter():
    truth, events = truth_of([(0, 2, 6)]), found_of([(0, 2, 9)], confidence=[0.9])
    assert CollarF1(offset_share=0.0).score(events, truth).values[0, 0] == 0.0
    assert CollarF1(offset=-1.0, offset_share=0.0).score(events, truth).values[0, 0] == 100.0


def test_cross_triggers_cost_what_alpha_says():
    truth = truth_of([(0, 0, 4), (1, 6, 9)])
    events = found_of([(0, 0, 4), (0, 6, 9), (1, 6, 9)], confidence=[0.5, 0.5, 0.5])
    wide = Psds(alpha_st=0.0, max_efpr=1000.0)
    without, with_cost = (m.score(events, truth).values[0, 0] for m in (wide, replace(wide, alpha_ct=0.5)))
    # one false alarm in 10 s: 360 an hour; one cross trigger in 3 s of the other class: 1200, half of it
    assert without == pytest.approx(100 * (1 + (1000 - 360) / 1000) / 2)
    assert with_cost == pytest.approx(100 * (1 + (1000 - 360 - 600) / 1000) / 2)


def test_other_tracks_have_names_of_their_own():
    _, truth = made(4)
    assert SegmentMap(track="audio").names(truth)[0] == "audio_segment_map"
    both = METRICS.get("segment_map,segment_map(track=visual)")
    assert both.names(truth)[::2] == ("segment_map", "visual_segment_map")
    assert both.title("visual_segment_map") == ("Visual", "segment map")
    assert both.title("segment_map") == ("", "segment map")
    with pytest.raises(UsageError, match=r"two of the metrics .* have a figure 'psds'"):
        METRICS.get("psds,psds(dtc=0.1)").names(truth)


def test_several_metrics_have_the_figures_of_each():
    events, truth = made(4, settings=2)
    joint = METRICS.get("map_tiou(tiou=0.5:0.7:0.1),llp,psds")
    parts = [METRICS.get("map_tiou(tiou=0.5/0.6/0.7)"), METRICS.get("llp"), METRICS.get("psds")]
    found = checked_score(joint, events, truth)
    np.testing.assert_array_equal(
        found.values, np.concatenate([checked_score(part, events, truth).values for part in parts], axis=1)
    )
    assert found.names == ("map", "map_50", "map_60", "map_70", *parts[1].names(truth), "psds")
    assert joint.reads >= {"events", "scores", "durations"}
    assert set(joint.per_class(events.setting(0), truth)) <= set(LABELS)
    assert joint.default_objective(found.names) == "map"
    assert METRICS.get("calibration").default_objective(("ece",)) == "-1*ece"


@pytest.mark.parametrize("text", [
    "psds(dtc=0.1,alpha_ct=0.5)", "map_tiou(tiou=0.25/0.75,ties=in_order)", "collar_f1(best=true,decimals=none)",
    "map_tiou,collar_f1(onset=0.5)", "segment_map(track=audio)", "calibration(scale=4.0)", "psds",
])  # fmt: skip
def test_a_metric_is_spelled_as_it_was_asked_for(text):
    metric = METRICS.get(text)
    assert METRICS.name_of(metric, metric.name) == text
    assert METRICS.name_of(METRICS.get("llp"), "llp") == "llp"


@pytest.mark.parametrize(("text", "said"), [
    ("psds(dtc=0.5", "not of the form"),
    ("psds(dtc=0.5,gtc=0.5,dtc=0.6)", "'dtc' of the metric 'psds' is given twice"),
    ("map_tiou(tiou=0.5/0.7/0.5)", "give each threshold once"),
    ("map_tiou(tiou=0.1/0.100000000001)", "give each threshold once"),
    ("map_tiou(tiou=0:1:1e-320)", "give numbers such as"),
    ("map_tiou(tiou=0:inf:0.1)", "give numbers such as"),
    ("calibration(scale=nan)", "scale is nan; give a finite number"),
    ("calibration(scale=1,bias=inf)", "bias is inf; give a finite number"),
    ("calibration(bias=2)", "bias is 2 and scale is not given"),
    ("psds(max_efpr=inf)", "max_efpr is inf; it must be at least 0 and finite"),
    ("map_tiou(tiou=0.1:0.5:nan)", "give numbers such as"),
    ("psds)", "not of the form"),
    ("map_tiou,,psds", "not of the form"),
    ("psds(dtc=0.5)x", "not of the form"),
    ("psds(dtc)", "not of the form option=value"),
    ("psds(dct=0.5)", "no option 'dct'; did you mean 'dtc'"),
    ("llp(what=1)", "no option 'what'"),
    ("psds(dtc=high)", "dtc of the metric 'psds' is 'high'; give a number"),
    ("calibration(bins=1.5)", "give a whole number"),
    ("collar_f1(best=perhaps)", "give true or false"),
    ("map_tiou(tiou=0.9:0.1:0.1)", "give numbers such as"),
    ("map_tiou(tiou=0)", "tiou is 0.0; it must be above 0 to 1"),
    ("map_tiou(ties=no)", "choose together or in_order"),
    ("psds(track=smell)", "there is no track 'smell'"),
    ("psds(max_efpr=0)", "max_efpr is 0"),
    ("psds(alpha_st=-1)", "alpha_st is -1.0"),
    ("collar_f1(matching=best)", "choose optimal or greedy"),
    ("collar_f1(onset=-1)", "the collars are"),
    ("collar_f1(offset_share=-1)", "offset_share"),
    ("collar_f1(decimals=99)", "decimals is 99"),
    ("intersection_f1(gtc=2)", "gtc is 2.0"),
    ("intersection_f1(unfound=maybe)", "choose zero or leave_out"),
    ("calibration(bins=0)", "bins is 0"),
    ("no_such_metric,psds", "there is no metric 'no_such_metric'"),
])  # fmt: skip
def test_wrong_texts_are_told(text, said):
    with pytest.raises(UsageError) as error:
        METRICS.get(text)
    assert said in str(error.value)


def test_options_of_joint_metrics():
    joint = METRICS.get("llp,psds")
    assert joint.configured(iou=0.3).parts[0].iou == 0.3
    with pytest.raises(UsageError, match="none of the metrics llp,psds has an option batch_size"):
        joint.configured(batch_size=3)
    with pytest.raises(UsageError, match="there is no profile"):
        joint.configured("papers")


def test_calibration_table_and_picture():
    truth = truth_of([(0, 0, 4)])
    events = found_of([(0, 0, 8)], confidence=[0.75])
    found = Calibration(bins=4).reliability(events, truth)
    assert found.columns()["segments"] == [0, 0, 8, 0]
    assert found.columns()["accuracy"] == [None, None, 0.5, None]
    assert found.ece == pytest.approx(0.25)
    assert "expected calibration error 25.00 %" in found.text()
    assert found.svg().startswith("<svg")
    assert found.svg().count("<rect") == 2
    with pytest.raises(DataError, match=r"confidences from 0 to 1.*calibration\(scale=10\)"):
        Calibration().score(replace(events, confidence=np.array([1.5])), truth)
    squeezed = Calibration(bins=4, scale=0.0).reliability(replace(events, confidence=np.array([1.5])), truth)
    assert squeezed.columns()["segments"] == [0, 8, 0, 0]


def test_counts_without_a_truth_have_no_recall():
    p, r, f = precision_recall_f(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]))
    assert np.isnan(r[0])
    assert r[1] == 0.0
    assert p.tolist() == [0.0, 1.0]
    assert f.tolist() == [0.0, 0.0]
