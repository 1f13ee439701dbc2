"""Sweeps against one replay and one evaluation per setting, and the bootstrap against its plain form."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from avreplay.core.decoders.av2a import Av2aDecoder, replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import Events
from avreplay.core.metrics.ave_accuracy import AveAccuracy, ave_accuracy
from avreplay.core.metrics.base import Truth
from avreplay.core.metrics.bootstrap import bootstrap
from avreplay.core.metrics.llp import METRIC_NAMES, LlpMetric, llp_metrics
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.records import NUMBERS, PARAM_DTYPE, table_records, to_records
from avreplay.core.params.table import ParamTable
from avreplay.core.sweep import sweep as sweep_with
from avreplay.core.target import Target
from hypothesis import given, settings
from hypothesis import strategies as st
from test_twin import make_bundle

WEIGHTS = tuple(0.1 * i for i in range(len(METRIC_NAMES)))


def random_table(count: int, seed: int = 0, **more) -> ParamTable:
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(count) * (5 if name == "decay" else 1) for name in NUMBERS}
    return ParamTable(make_params("languagebind"), {**columns, **more})


def some_truth(bundle) -> Events:
    return replay_scores(bundle, Params(tau0=0.6, tau_f=0.4, tau_r=0.4)).events


def sweep(bundle, table, *args, **options):
    return sweep_with(Av2aDecoder(), Inputs(bundle), table, *args, **options)


def target_of(bundle, metric=None) -> Target:
    return Target.on(bundle, some_truth(bundle), metric or LlpMetric())


@pytest.mark.parametrize("kind", ["similarity", "probability"])
def test_records_of_a_table_are_those_of_its_settings(kind):
    count = 37
    rng = np.random.default_rng(3)
    table = random_table(
        count,
        method=rng.choice(["naive", "label_shift", "label_shift_cosine"], count),
        precision=rng.choice(["float32", "float64"], count),
        refine=rng.random(count) < 0.5,
        min_length=rng.integers(1, 4, count),
        audio_scores=rng.choice(["clip", "segment", "2"], count),
    )
    want, _ = to_records([table.params(i) for i in range(count)], kind)
    got, norms = table_records(table, 0, count, kind)
    for name in PARAM_DTYPE.names:
        if name != "clip_row":
            assert np.array_equal(got[name], want[name]), name
    # clip_row numbers the ways of normalising; the number differs, what it stands for does not
    for i in range(count):
        _, own = to_records([table.params(i)], kind)
        assert norms[got["clip_row"][i]] == own[0]
    part, part_norms = table_records(table, 5, 20, kind)
    assert np.array_equal(part["tau_r"], want["tau_r"][5:20])
    assert {part_norms[i] for i in part["clip_row"]} <= set(norms)


def test_a_table_refuses_what_params_refuse():
    base = Params()
    for columns, message in [
        ({}, "at least one column"),
        ({"alpha": [0.1], "tau0": [0.1, 0.2]}, "one length"),
        ({"alpha": [[0.1]]}, "one length"),
        ({"alpha": [0.1, 1.5]}, "alpha is 1.5"),
        ({"decay": [1.0, np.nan]}, "decay is nan"),
        ({"tau_f": [0.1, -0.1]}, "tau_f is -0.1"),
        ({"tau9": [0.1]}, "no option 'tau9'"),
        ({"method": ["naive", "naiv"]}, "did you mean 'naive'"),
    ]:
        with pytest.raises(UsageError, match=message):
            ParamTable(base, columns)


def test_a_sweep_is_one_replay_and_one_evaluation_per_setting():
    bundle = make_bundle(1, [10, 7, 1, 12, 0, 10], 9)
    target = target_of(bundle)
    table = random_table(40, fusion=np.array(["score", "late"] * 20), method=np.array(["naive", "label_shift"] * 20))
    parts = list(sweep(bundle, table, target, WEIGHTS, part=7, threads=1))
    assert [p.begin for p in parts] == [0, 7, 14, 21, 28, 35]
    figures = np.concatenate([p.figures for p in parts])
    objective = np.concatenate([p.objective for p in parts])
    per_video = np.concatenate([p.per_video for p in parts])
    for i in range(len(table)):
        events = replay_scores(bundle, table.params(i), threads=1).events
        m = llp_metrics(events, target.truth.events, bundle.segments_per_video, bundle.num_labels)
        want = m.summary()
        assert figures[i].tolist() == [want[name] for name in METRIC_NAMES]
        assert objective[i] == pytest.approx(sum(w * want[n] for w, n in zip(WEIGHTS, METRIC_NAMES, strict=True)))
    assert per_video.mean(axis=1) == pytest.approx(objective)


def test_threads_and_parts_change_no_bit():
    bundle = make_bundle(2, [10] * 9, 12)
    target, table = target_of(bundle), random_table(60, 1)
    results = []
    for threads, part in itertools.product((1, 2, 5), (None, 1, 11, 60)):
        parts = list(sweep(bundle, table, target, WEIGHTS, threads=threads, part=part))
        results.append(tuple(np.concatenate([getattr(p, k) for p in parts]) for k in ("figures", "per_video")))
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_sweep_goes_on_where_another_stopped():
    bundle = make_bundle(3, [6] * 4, 5)
    target, table = target_of(bundle), random_table(20, 2)
    whole = np.concatenate([p.figures for p in sweep(bundle, table, target, WEIGHTS, part=3)])
    rest = list(sweep(bundle, table, target, WEIGHTS, part=4, begin=13))
    assert rest[0].begin == 13
    assert np.array_equal(np.concatenate([p.figures for p in rest]), whole[13:])
    assert list(sweep(bundle, table, target, WEIGHTS, begin=20)) == []


def test_few_parts_are_in_flight():
    """Memory is bounded: a slow reader is not run ahead of by more than a few parts a thread."""
    bundle = make_bundle(4, [6] * 4, 5)

    class Counting(LlpMetric):
        scored = 0

        def score(self, predicted, truth):
            Counting.scored += 1
            return super().score(predicted, truth)

    parts = sweep(bundle, random_table(500), target_of(bundle, Counting()), WEIGHTS, threads=2, part=1)
    next(parts)
    next(parts)
    assert 2 <= Counting.scored <= 10
    parts.close()


def test_ave_targets_count_segments():
    bundle = make_bundle(5, [10, 4, 8], 6)
    truth = some_truth(bundle)
    for first_only in (True, False):
        target = target_of(bundle, AveAccuracy("release" if first_only else "paper"))
        table = random_table(15, 4)
        parts = list(sweep(bundle, table, target, [1.0], part=4))
        figures = np.concatenate([p.figures for p in parts])
        for i in range(len(table)):
            events = replay_scores(bundle, table.params(i)).events
            correct = ave_accuracy(events, truth, bundle.segments_per_video, 6, first_only=first_only)
            assert figures[i, 0] == 100 * correct.sum() / bundle.segments_per_video.sum()


def test_events_are_fitted_to_other_labels_and_lengths():
    events = Events.from_tracks([
        [[(0, 0, 3), (1, 5, 9)], [(1, 4, 6)], []],
        [[(0, 2, 4)], [], [(1, 0, 2), (0, 1, 5)]],
    ])  # fmt: skip
    truth = Truth(events, np.array([5, 2]), tuple("abcdefgh"), np.ones(2))
    target = Target(LlpMetric(), truth, np.array([7, 3], np.int32), cut=True)
    fitted = target.fitted(events)
    assert [[e[:3] for e in fitted.track(v, k)] for v in range(2) for k in range(3)] == [
        [(7, 0, 3)], [(3, 4, 5)], [], [], [], [(3, 0, 2), (7, 1, 2)],
    ]  # fmt: skip
    again = target.fitted(Events.joined([events, events]))
    assert again.setting(1).track(1, 2)[0][:3] == (3, 0, 2)
    without = Target(LlpMetric(), truth, np.array([7, -1], np.int32)).fitted(events)
    assert [[e[:3] for e in without.track(v, k)] for v in range(2) for k in range(3)] == [
        [(7, 0, 3)], [], [], [(7, 2, 4)], [], [(7, 1, 5)],
    ]  # fmt: skip


def test_a_sweep_names_what_is_missing():
    bundle = make_bundle(6, [4, 4], 3)
    target, table = target_of(bundle), random_table(3)
    with pytest.raises(UsageError, match="9 weights were given for 10 figures"):
        list(sweep(bundle, table, target, WEIGHTS[:-1]))
    with pytest.raises(UsageError, match="at least 1"):
        list(sweep(bundle, table, target, WEIGHTS, threads=0))
    with pytest.raises(DataError, match="no video"):
        list(sweep(bundle.select_videos([]), table, target, WEIGHTS))
    poor = bundle_without(bundle, "visual_segments")
    with pytest.raises(DataError, match="visual_segments"):
        list(sweep(poor, table, target, WEIGHTS))


def bundle_without(bundle, name):
    return replace(bundle, **{name: None})


MASK = 2**64 - 1


def mixed(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def plain_resamples(values, weights, seed, count):
    """The bootstrap in Python integers: splitmix64 from a counter for each resample."""
    step = 0x9E3779B97F4A7C15
    start = mixed((seed + step) & MASK)
    out = []
    for b in range(count):
        counter = mixed((start + b * step) & MASK)
        rows = []
        for _ in values:
            counter = (counter + step) & MASK
            rows.append(((mixed(counter) >> 32) * len(values)) >> 32)
        out.append((weights[rows, None] * values[rows]).sum(axis=0) / weights[rows].sum())
    return np.array(out)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 2**31), st.booleans())
def test_bootstrap_equals_its_plain_form(n, m, seed, weighted):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, m))
    weights = rng.integers(1, 11, n).astype(float) if weighted else np.ones(n)
    got = bootstrap(values, weights=weights if weighted else None, resamples=50, seed=seed)
    want = plain_resamples(values, weights, seed, 50)
    assert got.low == pytest.approx(np.quantile(want, 0.025, axis=0))
    assert got.high == pytest.approx(np.quantile(want, 0.975, axis=0))
    assert got.error == pytest.approx(want.std(axis=0, ddof=1))
    assert got.figure == pytest.approx((weights[:, None] * values).sum(axis=0) / weights.sum())
    other = np.where(got.figure > 0, (want <= 0).mean(axis=0), (want >= 0).mean(axis=0))
    assert got.sign == pytest.approx(np.minimum(1, 2 * other))


def test_bootstrap_covers_as_often_as_it_says():
    """Of intervals at 90 % over samples of a known mean, about 90 % hold it."""
    rng = np.random.default_rng(0)
    samples = rng.exponential(size=(300, 80)) - 1.0
    held = 0
    for i, x in enumerate(samples):
        b = bootstrap(x[:, None], resamples=400, level=0.9, seed=i)
        held += bool(b.low[0] <= 0 <= b.high[0])
    assert 0.83 < held / len(samples) < 0.95


def test_bootstrap_refuses_what_it_cannot_do():
    for values, more, message in [
        (np.zeros((0, 2)), {}, "at least one video"),
        (np.zeros(3), {}, "at least one video"),
        (np.zeros((3, 1)), {"weights": [1, 1]}, "weights"),
        (np.zeros((3, 1)), {"weights": [1, 0, 1]}, "weights"),
    ]:
        with pytest.raises(DataError, match=message):
            bootstrap(values, **more)
    for more in ({"resamples": 0}, {"level": 1.0}):
        with pytest.raises(UsageError, match="resamples at level"):
            bootstrap(np.zeros((3, 1)), **more)
    for seed in (-1, 2**63):
        with pytest.raises(UsageError, match="seed"):
            bootstrap(np.zeros((3, 1)), seed=seed)
