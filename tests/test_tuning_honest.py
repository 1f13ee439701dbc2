"""What a search is worth on other videos: cross-validation, bootstrap of the optimum, the recommended setting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Decoder, Inputs
from avreplay.core.decoders.replayed import replayed
from avreplay.core.events import Events
from avreplay.core.metrics.base import Metric, Scores, Truth
from avreplay.core.params.options import OptionSet, option, option_set
from avreplay.core.params.table import ParamTable
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.tuning.honest import optimum, region
from avreplay.evaluate.tuning.honest.cross_validation import cross_validated
from avreplay.evaluate.tuning.honest.folds import others, stratified_folds
from avreplay.evaluate.tuning.honest.optimum import bootstrap_optimum, leave_one_out
from avreplay.evaluate.tuning.honest.recommendation import Rule, choose
from avreplay.evaluate.tuning.honest.region import safe_region
from avreplay.evaluate.tuning.honest.repeat import Procedure
from avreplay.evaluate.tuning.honest.scored import ScoredOne, ScoredTogether, combined_by
from avreplay.evaluate.tuning.honest.several import shared_honest_stage
from avreplay.evaluate.tuning.honest.spread import Spread
from avreplay.evaluate.tuning.honest.stage import honest_stage
from avreplay.evaluate.tuning.honest.subsets import of_each_video, on_subsets, video_weights
from avreplay.evaluate.tuning.honest.text import honest_lines, start_lines
from avreplay.evaluate.tuning.honest.tried import Tried
from avreplay.evaluate.tuning.local import LocalSearch
from avreplay.evaluate.tuning.objective import Objective, parse_objective
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.space import parse_space
from tuning_data import DIMENSIONS, START, made

CELLS, PLATEAU = 500, (0.5, 0.9)
CHANCE = np.random.default_rng(0).random((CELLS, 40))


@option_set
class Place(OptionSet):
    x: float = option(0.1, "Where.", low=0.0, high=1.0)
    side: str = option("left", "No matter.", choices=("left", "right"))


class Response(Decoder[Place]):
    """A known response to ``x``: below 0.5 each of 500 cells is right for a random 45 % of the videos, so that the best
    cell is one that chance favours; from 0.5 to 0.9 the same 60 % are right; none beyond."""

    name = "response"
    about = "made up"
    params = Place
    tracks = ("audio_visual",)

    def decode(self, inputs: Inputs, params: Place) -> Events:
        numbers = [int(name) for name in inputs.scores.video_ids]
        if params.x < PLATEAU[0]:
            cell = int(params.x / PLATEAU[0] * CELLS)
            right = (CHANCE[cell, numbers] < 0.45).tolist()
        else:
            right = [params.x <= PLATEAU[1] and v % 5 < 3 for v in numbers]
        return Events.from_tracks([[[], [], [(0, 0, 1)] if r else []] for r in right])


@dataclass(frozen=True)
class Found(Metric):
    """The share of the videos with an event; ``squared``, which is no mean over videos."""

    name = "found"
    squared: bool = False

    @property
    def mean_over_videos(self) -> bool:
        return not self.squared

    def names(self, truth: Truth) -> tuple[str, ...]:
        return ("found",)

    def score(self, predicted: Events, truth: Truth) -> Scores:
        starts = predicted.starts.reshape(-1)
        right = (np.diff(starts).reshape(predicted.num_settings, -1, 3).sum(axis=2) > 0).astype(np.float64)
        if self.squared:
            return Scores(("found",), 100 * right.mean(axis=1, keepdims=True) ** 2)
        return Scores(("found",), 100 * right.mean(axis=1, keepdims=True), 100 * right[:, :, None])


SPACE = parse_space(["x=0:1", "side=left,right"], Place(), ())


def response(videos: int = 40, metric: Metric | None = None, numbers: Sequence[int] = ()):
    """The problem, and its objective."""
    names = [str(v) for v in (numbers or range(videos))]
    n = len(names)
    bundle = ScoreBundle.create(
        video_ids=names, labels=["a"], segments_per_video=np.ones(n, int), kind="probability",
        visual_segments=np.zeros((n, 1)),
    )  # fmt: skip
    events = Events.from_tracks([[[], [], [(0, 0, 1)]]] * n)
    truth = Annotations("json", "val", ("a",), tuple(names), np.ones(n, np.int64), events, "made up")
    problem = make_problem(bundle, truth, decoder=Response(), metrics=metric or Found())
    return problem, parse_objective(None, problem.target.names, problem.target.metric)


def rounds(trials: int = 512, seed: int = 0) -> Procedure:
    return Procedure("the whole search", begin=lambda: LocalSearch(Place(), SPACE, seed), trials=trials)


def all_of(problem, objective, procedure) -> Tried:
    everybody = np.arange(problem.bundle.num_videos)
    return procedure.repeated(ScoredOne(problem, objective), [everybody], 1)[0]


def stage(problem, objective, procedure=None, **options):
    procedure = procedure or rounds()
    given = {"folds": 5, "resamples": 50, "seed": 0, "threads": 1, **options}
    tried = all_of(problem, objective, procedure)
    return honest_stage(problem, tried, procedure, Place(), SPACE, objective, **given)


def written(h) -> str:
    """All that a stage found, as text."""
    cross = None if h.cross_validation is None else h.cross_validation.as_dict()
    spans = {n: s.as_dict() for n, s in h.region.items()}
    return json.dumps([vars(h.choice), spans, cross, h.optimum.as_dict(SPACE), h.leave_one_out])


@pytest.mark.parametrize("squared", [False, True])
def test_the_spike_is_sharp_and_the_plateau_recommended(squared):
    problem, objective = response(metric=Found(squared))
    h = stage(problem, objective, rounds(512), resamples=10 if squared else 200)
    c, v = h.choice, h.cross_validation.values
    assert c.sharp["x"] < PLATEAU[0] <= h.recommended["x"] <= PLATEAU[1]
    assert c.sharp_value > h.recommended_value
    assert c.sharp_mean < c.smooth_mean
    level = 100 * 0.6 ** (2 if squared else 1)
    assert h.recommended_value == pytest.approx(level)
    assert v["smoothed"].value == pytest.approx(level)
    assert v["sharp"].value < c.sharp_value - 12
    gain = v["smoothed_minus_sharp"]
    assert gain.value == pytest.approx(v["smoothed"].value - v["sharp"].value)
    assert gain.low < gain.value < gain.high
    assert h.leave_one_out["value"] <= c.sharp_value
    assert h.optimum.out_of_bag < h.optimum.value.mean()
    x = h.region["x"]
    assert PLATEAU[0] <= x.low < PLATEAU[0] + 0.02 and PLATEAU[1] - 0.02 < x.high <= PLATEAU[1]  # noqa: PT018
    assert not x.whole
    assert h.region["side"].as_dict() == {"values": ["left", "right"], "whole_range": True}


@pytest.mark.parametrize("squared", [False, True])
def test_threads_change_nothing(squared):
    problem, objective = response(20, Found(squared))
    one, two = (written(stage(problem, objective, rounds(96), resamples=9, threads=t)) for t in (1, 2))
    assert one == two
    assert one != written(stage(problem, objective, rounds(96), resamples=9, seed=1))


PROBLEMS = {
    "means": lambda: make_problem(*made(1)),
    "weighted means": lambda: make_problem(*made(1, dataset="ave", uneven=True)),
    "no mean": lambda: response(12, Found(True))[0],
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_subsets_of_one_sweep_are_sweeps_of_the_subsets(kind):
    problem = PROBLEMS[kind]()
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    table = sobol_table(Place(), SPACE, 20, 0) if kind == "no mean" else sobol_table(START, DIMENSIONS, 20, 0)
    subsets = [np.array(videos) for videos in ([0, 1, 2, 5], [11, 3, 3, 3, 4], list(range(12)))]
    found = on_subsets(problem, table, objective, subsets, 1)
    for column, videos in zip(found.T, subsets, strict=True):
        part = problem.select(videos)
        for i, value in enumerate(column.tolist()):
            events = replayed(part.decoder, part.inputs, [table.params(i)]).events
            assert value == pytest.approx(objective.of(part.target.score(events).values)[0], abs=1e-9)
    assert len({round(v, 6) for v in found[:, 0].tolist()}) > 3


def test_searches_side_by_side_are_searches_alone():
    problem = make_problem(*made(2))
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    training = [others(f, 12) for f in stratified_folds(problem.annotations, 3, 0)]
    procedure = Procedure("", begin=lambda: LocalSearch(START, DIMENSIONS, 4), trials=101)
    steps: list[int] = []
    together = procedure.repeated(ScoredOne(problem, objective), training, 2, steps.append)
    for videos, tried in zip(training, together, strict=True):
        alone = all_of(problem.select(videos), objective, procedure)
        assert len(tried.table) == 101
        assert all(np.array_equal(c, alone.table.columns[n]) for n, c in tried.table.columns.items())
        np.testing.assert_allclose(tried.values, alone.values, atol=1e-9)
    assert 101 < sum(steps) < 3 * 101  # what all try is replayed once
    table = sobol_table(START, DIMENSIONS, 30, 0)
    of_table = Procedure("", table).repeated(ScoredOne(problem, objective), training, 1)
    assert [len(t.table) for t in of_table] == [30] * 3


def test_held_out_figures_are_of_videos_that_the_setting_has_not_seen():
    problem = make_problem(*made(5, dataset="ave", uneven=True))
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    procedure = Procedure("all", sobol_table(START, DIMENSIONS, 60, 0))
    found = cross_validated(
        problem, procedure, START, DIMENSIONS, objective, Rule(candidates=4, perturbations=2), folds=4, seed=3,
        resamples=30, threads=1,
    )  # fmt: skip
    weights = video_weights(problem)
    right = {"sharp": 0.0, "smoothed": 0.0, "start": 0.0}
    for fold, c in zip(stratified_folds(problem.annotations, 4, 3), found.choices, strict=True):
        part = problem.select(others(fold, 12))
        best = max(objective.of(score(part, procedure.fixed.params(i)))[0] for i in range(60))
        assert c.sharp_value == pytest.approx(best, abs=1e-9)
        for rule, changes in (("sharp", c.sharp), ("smoothed", c.smooth), ("start", {})):
            value = objective.of(score(problem.select(fold), START.override(changes)))[0]
            right[rule] += value * weights[fold].sum() / weights.sum()
    for rule, value in right.items():
        assert found.values[rule].value == pytest.approx(value, abs=1e-9)
        assert found.metrics[rule]["accuracy"] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("share", ["mean", "worst"])
def test_a_shared_setting_is_held_out_of_every_data_set(share):
    """Fold i of each data set has the setting that is best for the others of all of them."""
    combined = combined_by(share)
    problems = [make_problem(*made(5, dataset="ave", uneven=True)), make_problem(*made(8, videos=9))]
    each = [(p, parse_objective(None, p.target.names, p.target.metric)) for p in problems]
    scored = ScoredTogether(tuple(ScoredOne(*e) for e in each), combined)
    procedure = Procedure("all", sobol_table(START, DIMENSIONS, 40, 0))
    values = scored.values(procedure.fixed, [scored.whole()], 1)[:, 0]
    h = shared_honest_stage(
        scored, Tried(procedure.fixed, values), procedure, START, DIMENSIONS, folds=3, resamples=40, seed=3, threads=1,
        rule=Rule(candidates=4, perturbations=2),
    )  # fmt: skip
    folds = [stratified_folds(p.annotations, 3, 3) for p in problems]
    rules = {"sharp": lambda c: c.sharp, "smoothed": lambda c: c.smooth, "start": lambda c: {}}
    right = {rule: [0.0, 0.0] for rule in rules}
    for i, c in enumerate(h.choices):
        parts = [p.select(others(of[i], p.num_videos)) for p, of in zip(problems, folds, strict=True)]
        tried = [
            combined([np.array([o.of(score(part, procedure.fixed.params(k)))[0]])
                      for part, (_, o) in zip(parts, each, strict=True)])[0]
            for k in range(40)
        ]  # fmt: skip
        assert c.sharp_value == pytest.approx(max(tried), abs=1e-9)
        for rule, changes in rules.items():
            for d, (problem, objective) in enumerate(each):
                w, fold = video_weights(problem), folds[d][i]
                value = objective.of(score(problem.select(fold), START.override(changes(c))))[0]
                right[rule][d] += value * w[fold].sum() / w.sum()
    for rule, of_each in right.items():
        assert [of[rule] for of in h.of_each] == pytest.approx(of_each, abs=1e-9)
        assert h.values[rule].value == pytest.approx(combined([np.array([v]) for v in of_each])[0], abs=1e-9)
        assert h.values[rule].low <= h.values[rule].value <= h.values[rule].high
    gain = h.values["smoothed_minus_sharp"]
    assert gain.value == pytest.approx(h.values["smoothed"].value - h.values["sharp"].value)
    assert h.smoothed == (gain.value >= -gain.error - 1e-9)


def test_a_shared_setting_of_any_metric_and_of_few_videos():
    """A metric that is no mean over videos is scored anew on the resamples; one video leaves nothing to choose on."""
    both = ScoredTogether(tuple(ScoredOne(*response(n, Found(True))) for n in (8, 6)), combined_by("mean"))

    def judged(of, folds=3):
        tried = rounds(30).repeated(of, [of.whole()], 1)[0]
        return shared_honest_stage(
            of, tried, rounds(30), Place(), SPACE, folds=folds, resamples=20, seed=0, threads=1,
            rule=Rule(candidates=4, perturbations=2),
        )  # fmt: skip

    h = judged(both)
    assert h.folds == 3
    assert h.values["sharp"].low < h.values["sharp"].high
    few = judged(both, folds=7)
    assert (few.folds, few.note) == (6, "one data set has 6 videos: 6 folds, not 7")
    assert judged(both, folds=0).cross_validated() is None


def score(problem, params):
    return problem.target.score(replayed(problem.decoder, problem.inputs, [params]).events).values


def test_bootstrap_and_leave_one_out_are_those_of_trying_everything():
    problem = make_problem(*made(6, videos=7, dataset="ave", uneven=True))
    objective = Objective("accuracy", (1.0,))
    table = sobol_table(START, DIMENSIONS, 40, 0)
    tried = Tried(table, on_subsets(problem, table, objective, [np.arange(7)], 1)[:, 0]).best(25)
    parts, w = of_each_video(problem, tried.table, objective, 1), video_weights(problem)
    found = bootstrap_optimum(problem, tried, objective, resamples=60, seed=2, threads=1, parts=parts)
    outside = []
    for b, draw in enumerate(np.random.default_rng(2).integers(0, 7, (60, 7))):
        values = (parts[:, draw] * w[draw]).sum(axis=1) / w[draw].sum()
        assert found.value[b] == pytest.approx(values.max(), abs=1e-9)
        assert found.setting[b] == np.argmax(np.round(values, 9))
        rest = np.setdiff1d(np.arange(7), draw)
        if len(rest):
            outside.append((parts[found.setting[b], rest] * w[rest]).sum() / w[rest].sum())
    assert found.out_of_bag == pytest.approx(np.mean(outside), abs=1e-9)
    left = leave_one_out(problem, tried, objective, resamples=20, seed=0, threads=1, parts=parts)
    held = 0.0
    for v in range(7):
        rest = others(np.array([v]), 7)
        values = np.round((parts[:, rest] * w[rest]).sum(axis=1) / w[rest].sum(), 9)
        held += parts[np.argmax(values), v] * w[v]
    assert left["value"] == pytest.approx(held / w.sum(), abs=1e-9)
    assert left["low"] <= left["value"] <= left["high"]


def test_scored_anew_is_the_same_as_by_parts(monkeypatch):
    """The slow way, which any metric takes, on a metric that has parts."""
    problem, objective = response(9)
    tried = all_of(problem, objective, rounds(30)).best(12)
    parts = of_each_video(problem, tried.table, objective, 1)
    monkeypatch.setattr(optimum, "candidates_for", lambda *_: 12)
    fast, slow = (
        bootstrap_optimum(problem, tried, objective, resamples=40, seed=1, threads=1, parts=p) for p in (parts, None)
    )
    assert np.array_equal(fast.setting, slow.setting)
    np.testing.assert_allclose(fast.value, slow.value, atol=1e-9)
    assert fast.out_of_bag == pytest.approx(slow.out_of_bag, abs=1e-9)
    one, other = (
        leave_one_out(problem, tried, objective, resamples=10, seed=1, threads=1, parts=p) for p in (parts, None)
    )
    assert one == pytest.approx(other)


def test_folds_share_out_the_classes():
    problem = make_problem(*made(7, videos=30))
    folds = stratified_folds(problem.annotations, 4, 0)
    assert sorted(np.concatenate(folds).tolist()) == list(range(30))
    assert sorted(map(len, folds)) == [7, 7, 8, 8]
    again, other = (stratified_folds(problem.annotations, 4, seed) for seed in (0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(folds, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(folds, other, strict=True))
    a = problem.annotations
    owner = np.repeat(np.arange(30), np.diff(a.events.starts[::3]))
    has = np.zeros((30, 4))
    has[owner, a.events.label] = 1

    def uneven(parts):
        return sum(np.abs(has[f].mean(axis=0) - has.mean(axis=0)).sum() for f in parts)

    rng = np.random.default_rng(0)
    chance = [uneven(np.array_split(rng.permutation(30), 4)) for _ in range(50)]
    assert uneven(folds) < min(chance)


def test_one_video_few_videos_and_none_where_the_objective_is_defined():
    one = stage(*response(1), rounds(20))
    assert (one.cross_validation.folds, one.leave_one_out) == (0, None)
    assert "one video" in one.cross_validation.note
    few = stage(*response(3), rounds(20))
    assert few.cross_validation.folds == 3
    assert few.cross_validation.note == "there are 3 videos: 3 folds, not 5"
    problem, objective = response(10, OfGroup())
    h = stage(problem, objective, rounds(20))
    assert h.cross_validation.folds == 0
    assert "undefined" in h.cross_validation.note
    assert h.choice.sharp_value > 0


@dataclass(frozen=True)
class OfGroup(Metric):
    """Undefined without the first video."""

    name = "of_group"
    mean_over_videos = False

    def names(self, truth: Truth) -> tuple[str, ...]:
        return ("found",)

    def score(self, predicted: Events, truth: Truth) -> Scores:
        whole = len(truth.segments) == 10
        values = Found().score(predicted, truth).values
        return Scores(("found",), values if whole else np.full_like(values, np.nan))


def test_an_objective_that_does_not_change_is_safe_everywhere():
    problem, objective = response(numbers=[0, 1, 5, 6])
    space = parse_space(["x=0.5:0.9", "side=left,right"], Place(), ())
    tried = Tried(sobol_table(Place(x=0.6), space, 16, 0), np.full(16, 100.0))
    found = choose(ScoredOne(problem, objective), tried, space, Rule(), 0, 1)
    assert found.sharp == found.smooth == tried.table.values(0)
    spans = safe_region(problem, Place(**found.smooth), space, objective, seed=0, threads=1)
    assert spans["x"].as_dict() == {"low": 0.5, "high": 0.9, "whole_range": True}
    assert all(span.whole for span in spans.values())


def test_a_space_without_ranges_has_no_neighbours():
    problem, objective = response(10)
    space = parse_space(["x=0.1,0.6,0.95", "side=left,right"], Place(), ())
    table = ParamTable(Place(), {"x": np.array([0.1, 0.6, 0.95]), "side": np.array(["left", "left", "right"])})
    values = on_subsets(problem, table, objective, [np.arange(10)], 1)[:, 0]
    found = choose(ScoredOne(problem, objective), Tried(table, values), space, Rule(), 0, 1)
    assert found.sharp == found.smooth == {"x": 0.6, "side": "left"}
    spans = safe_region(problem, Place(x=0.6), space, objective, seed=0, threads=1)
    assert 0.6 in spans["x"].values and 0.95 not in spans["x"].values  # noqa: PT018


@pytest.mark.parametrize("tried", [1, 31, 32, 100, 511, 512, 8192])
def test_a_short_search_is_not_smoothed_with_more_settings_than_it_tried(tried):
    rule = Rule.after(tried)
    assert 2 <= rule.candidates <= Rule().candidates
    assert rule.settings <= max(tried, 2 * rule.perturbations)
    assert (rule == Rule()) == (tried >= 512)
    assert f"of the {rule.candidates} best" in rule.text


def plain_region(problem, setting, space, objective, most) -> dict[str, dict]:
    """All values of each dimension scored at once, and those around the setting kept."""
    here, found = setting.as_dict(), {}
    count = min(max(most // max(sum(not d.choices for d in space), 1), region.FEWEST), region.POINTS)
    for d in space:
        line = list(d.points(count)) if d.choices else np.unique([*d.points(count), here[d.name]]).tolist()
        rows = [here, *({**here, d.name: v} for v in line)]
        table = ParamTable(setting, {e.name: np.array([r[e.name] for r in rows]) for e in space})
        lost, error = region._losses(problem, table, objective, 0, 1, lambda _: None)
        kept = (lost <= error + 1e-9)[1:].tolist()
        if d.choices:
            found[d.name] = {"values": [c for c, k in zip(d.choices, kept, strict=True) if k]}
            continue
        low = high = line.index(here[d.name])
        while low > 0 and kept[low - 1]:
            low -= 1
        while high + 1 < len(line) and kept[high + 1]:
            high += 1
        found[d.name] = {"low": line[low], "high": line[high]}
    return found


@pytest.mark.parametrize("numbers", [[0, 1, 5, 6], [3, 4, 8, 2, 9, 7]])
@pytest.mark.parametrize("x", [0.1, 0.31, 0.62, 0.9])
@pytest.mark.parametrize("most", [1, 60, 10_000])
def test_the_region_of_values_tried_outwards_is_that_of_all(numbers, x, most):
    problem, objective = response(numbers=numbers)
    space = parse_space(["x=0.1:0.9", "side=left,right"], Place(), ())
    calls = []
    got = safe_region(problem, Place(x=x), space, objective, seed=0, most=most, threads=1, step=calls.append)
    want = plain_region(problem, Place(x=x), space, objective, most)
    for name, span in got.items():
        assert {k: v for k, v in span.as_dict().items() if k != "whole_range"} == want[name]
    assert sum(calls) <= max(most, region.FEWEST) + 1 + 2 + len(region._REACHES)


def test_smoothing_that_costs_is_not_followed():
    """By more than a standard error, held out: the sharp setting is recommended, and the output says so."""
    problem, objective = response(30)
    lost = Spread(-3.0, -5.0, -1.0, 1.0)
    h = stage(problem, objective, rounds(24), resamples=5)
    assert h.smoothed
    cv = replace(h.cross_validation, values={**h.cross_validation.values, "smoothed_minus_sharp": lost})
    costly = replace(h, cross_validation=cv)
    assert not costly.smoothed
    assert costly.recommended == h.choice.sharp
    assert costly.cross_validated()["recommended"] == costly.cross_validated()["sharp"]
    assert any("the sharp setting is the recommended one" in line for line in honest_lines(costly))
    within = replace(cv, values={**cv.values, "smoothed_minus_sharp": replace(lost, error=3.5)})
    assert replace(h, cross_validation=within).smoothed


def test_a_start_that_nothing_beats_is_said():
    values = {"start": Spread(70.5), "sharp": Spread(66.0), "smoothed": Spread(67.25)}
    assert "3.25 below the start" in start_lines(values, "smoothed")[0]
    assert start_lines({**values, "smoothed": Spread(70.5)}, "smoothed") == []
    assert start_lines({}, "sharp") == []
