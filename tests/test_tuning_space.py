"""What a search may change and maximise, how settings are drawn, and which videos are searched on."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
from avreplay.core.decoders.av2a import Av2aDecoder
from avreplay.core.errors import DataError, UsageError
from avreplay.core.metrics.ave_accuracy import AveAccuracy
from avreplay.core.metrics.llp import METRIC_NAMES, LlpMetric
from avreplay.core.params.av2a import Params
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.problem import class_stratified, make_problem
from avreplay.evaluate.tuning.sampling import grid_table, sobol_table
from avreplay.evaluate.tuning.space import Dimension, parse_space
from hypothesis import given, settings
from hypothesis import strategies as st
from tuning_data import START, made

BASE = Params()
DEFAULT = Av2aDecoder().search_space()
LLP = LlpMetric()

FORMS = [
    ("alpha=0.2:0.6", Dimension("alpha", (), 0.2, 0.6)),
    (" alpha = 0.2 : 0.6 ", Dimension("alpha", (), 0.2, 0.6)),
    ("decay=0.1:10:log", Dimension("decay", (), 0.1, 10.0, True)),
    ("tau0=0.1:0.3:0.05", Dimension("tau0", (0.1, 0.15, 0.2, 0.25, 0.3))),
    ("tau0=0:0.3:0.1", Dimension("tau0", (0.0, 0.1, 0.2, 0.3))),
    ("tau0=0:1:0.3", Dimension("tau0", (0.0, 0.3, 0.6, 0.9))),
    ("tau0=0.4:1:5", Dimension("tau0", (0.4,))),
    ("pinv_cutoff=1e-15:3e-15:1e-15", Dimension("pinv_cutoff", (1e-15, 2e-15, 3e-15))),
    ("sigmoid_bias=-0.2:0.1:0.1", Dimension("sigmoid_bias", (-0.2, -0.1, 0.0, 0.1))),
    ("min_length=1:4", Dimension("min_length", (1, 2, 3, 4))),
    ("max_gap=0:4:2", Dimension("max_gap", (0, 2, 4))),
    ("tau_f=0.3,0.1,0.2", Dimension("tau_f", (0.3, 0.1, 0.2))),
    ("refine=true,false", Dimension("refine", (True, False))),
    ("refine = no", Dimension("refine", (False,))),
    ("method=naive, cosine", Dimension("method", ("naive", "cosine"))),
    ("audio_scores=clip,1,4", Dimension("audio_scores", ("clip", "segment", "4"))),
]


@pytest.mark.parametrize(("text", "want"), FORMS)
def test_forms_of_a_range(text, want):
    (found,) = parse_space([text], BASE, DEFAULT)
    assert found == want
    assert list(map(type, found.choices)) == list(map(type, want.choices))
    assert parse_space([found.as_text()], BASE, DEFAULT) == (found,)


def test_the_default_is_table_1():
    assert [d.name for d in parse_space([], BASE, DEFAULT)] == ["alpha", "tau0", "tau_f", "tau_r", "decay"]
    assert parse_space([], BASE, DEFAULT) == parse_space(DEFAULT, BASE, DEFAULT)


BAD_RANGES = [
    (["alpha"], "'alpha' is not a search range; write name=low:high"),
    (["alpha="], "not a search range"),
    (["=0:1"], "there is no option ''"),
    (["alpha=0:1:0.1:2"], "not a search range"),
    (["alpha=0:1:"], "not a search range"),
    (["alpha=0:1:logs"], "not a search range"),
    (["refine=0:1"], "not a search range"),
    (["audio_scores=2:8"], "not a search range"),
    (["alpa=0:1"], "did you mean 'alpha'"),
    (["alpa=0.1,0.2"], "did you mean 'alpha'"),
    (["alpha=0:2"], "alpha is '2'; expected a number from 0 to 1"),
    (["alpha=low:1"], "alpha is 'low'"),
    (["alpha=0.1,,0.2"], "alpha is ''"),
    (["alpha=0.1,2"], "alpha is '2'"),
    (["decay=0:inf"], "decay is 'inf'"),
    (["decay=nan:1"], "decay is 'nan'"),
    (["method=naive,cosin"], "did you mean 'cosine'"),
    (["refine=true,maybe"], "refine is 'maybe'; expected true or false"),
    (["min_length=0:3"], "min_length is '0'"),
    (["min_length=1:3:0.5"], "min_length is 1.5; expected a whole number"),
    (["alpha=0.6:0.2"], "from 0.6 to 0.2; the first must be below the second"),
    (["alpha=0.5:0.5"], "the first must be below the second"),
    (["alpha=0:1:log"], "starts at 0; a log scale needs a start above 0"),
    (["min_length=1:8:log"], "no log scale"),
    (["alpha=0:1:0"], "the step of alpha is 0; it must be above 0"),
    (["alpha=0:1:-0.1"], "the step of alpha is -0.1"),
    (["alpha=0:1:nan"], "the step of alpha is nan"),
    (["alpha=0:1:inf"], "the step of alpha is inf"),
    (["alpha=0:1:1e-9"], "at most 10000 values"),
    (["alpha=0:1:5e-324"], "at most 10000 values"),
    (["min_length=1:1000000000"], "the step of min_length is 1; it must be above 0 and give at most 10000"),
    (["alpha=0.1,0.2,0.1"], "alpha is given the value 0.1 twice"),
    (["audio_scores=segment,1"], "audio_scores is given the value segment twice"),
    (["alpha=0:1", "tau0=0:1", "alpha=0.5"], "alpha is searched twice"),
    (["ridge_weight=0:1"], "use ratio=pinv"),
]


@pytest.mark.parametrize(("texts", "words"), BAD_RANGES, ids=[" ".join(t) for t, _ in BAD_RANGES])
def test_other_ranges_are_refused_in_one_sentence(texts, words):
    with pytest.raises(UsageError) as error:
        parse_space(texts, BASE, DEFAULT)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_grid_is_the_product_of_its_values():
    space = parse_space(["alpha=0.2:0.8", "refine=true,false", "decay=0.1:10:log", "min_length=1:3"], BASE, DEFAULT)
    table = grid_table(BASE, space, 4)
    values = [[0.2, 0.4, 0.6, 0.8], [True, False], [0.1, 10 ** (-1 / 3), 10 ** (1 / 3), 10], [1, 2, 3]]
    want = list(itertools.product(*values))
    assert len(table) == len(want)
    for i, row in enumerate(want):
        got = table.values(i)
        assert list(got) == ["alpha", "refine", "decay", "min_length"]
        assert list(map(type, got.values())) == [float, bool, float, int]
        np.testing.assert_allclose(list(got.values()), row, rtol=1e-12)
    assert {table.values(i)["decay"] for i in (0, len(table) - 1)} == {0.1, 10.0}
    with pytest.raises(UsageError, match="at least 2 points"):
        grid_table(BASE, space, 1)
    with pytest.raises(UsageError, match="more than 50,000,000"):
        grid_table(BASE, parse_space([], BASE, DEFAULT), 100)


@pytest.mark.parametrize("seed", [0, 7])
def test_more_trials_begin_with_the_same_points(seed):
    space = parse_space(
        ["alpha=0.2:0.8", "method=naive,cosine,label_shift", "decay=0.1:10:log", "max_gap=0:3"], BASE, DEFAULT
    )
    few, many = sobol_table(BASE, space, 100, seed), sobol_table(BASE, space, 512, seed)
    for name in few.columns:
        assert np.array_equal(few.columns[name], many.columns[name][:100])
    assert ((many.columns["alpha"] >= 0.2) & (many.columns["alpha"] <= 0.8)).all()
    assert ((many.columns["decay"] >= 0.1) & (many.columns["decay"] <= 10)).all()
    # a low-discrepancy sequence: every choice its share, half of a log range below its geometric middle
    names, counts = np.unique(many.columns["method"], return_counts=True)
    assert set(names) == {"naive", "cosine", "label_shift"}
    assert np.ptp(counts) <= 8
    assert np.bincount(many.columns["max_gap"]).tolist() == [128] * 4
    assert abs((many.columns["decay"] < 1).sum() - 256) <= 2
    assert not np.array_equal(few.columns["alpha"], sobol_table(BASE, space, 100, seed + 1).columns["alpha"])
    with pytest.raises(UsageError, match="at least 1 trial"):
        sobol_table(BASE, space, 0, seed)


def test_sobol_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert len(sobol_table(BASE, parse_space([], BASE, DEFAULT), 8, 0)) == 8


def test_objectives():
    def weights(text):
        found = parse_objective(text, METRIC_NAMES, LLP).weights
        return {n: w for n, w in zip(METRIC_NAMES, found, strict=True) if w}

    assert weights("av_seg") == {"av_seg": 1}
    assert weights(" 0.25 * av_seg + .5*audio_event") == {"av_seg": 0.25, "audio_event": 0.5}
    assert weights("type_av_seg-2*event_av_seg") == {"type_av_seg": 1, "event_av_seg": -2}
    assert weights("-av_seg") == {"av_seg": -1}
    assert weights("1e-3*av_seg+1.5E+2*av_event") == {"av_seg": 0.001, "av_event": 150}
    assert weights("av_seg+av_seg") == {"av_seg": 2}
    pooled = dict.fromkeys(["type_av_seg", "type_av_event", "event_av_seg", "event_av_event"], 0.25)
    assert weights(None) == weights(LLP.default_objective(METRIC_NAMES)) == pooled
    assert parse_objective(None, ("accuracy",), AveAccuracy()).weights == (1.0,)


BAD_OBJECTIVES = [
    ("type_av_segs", "did you mean 'type_av_seg'"),
    ("accuracy", "there is no figure 'accuracy'"),
    ("0*av_seg", "weighs every figure with zero"),
    ("av_seg-av_seg", "weighs every figure with zero"),
    ("0.5av_seg", "not of the form"),
    ("av_seg*0.5", "not of the form"),
    ("0.5*", "not of the form"),
    ("av_seg+", "not of the form"),
    ("av_seg,av_event", "not of the form"),
    ("--av_seg", "not of the form"),
    ("1.2.3*av_seg", "not of the form"),
    ("nan*av_seg", "there is no figure 'nan'"),
    ("AV_seg", "did you mean 'av_seg'"),
    ("f1", "there is no figure 'f1'"),
    ("1e999*av_seg", "not from 1e-100 to 1e+100"),
    ("1e999*av_seg-1e999*av_seg", "not from 1e-100 to 1e+100"),
    ("1e308*av_seg+1e308*av_event", "not from 1e-100 to 1e+100"),
    ("9e99*av_seg-9e99*av_event", "not from 1e-100 to 1e+100"),
    ("1e-320*av_seg", "not from 1e-100 to 1e+100"),
]


@pytest.mark.parametrize(("text", "words"), BAD_OBJECTIVES)
def test_other_objectives_are_refused(text, words):
    with pytest.raises(UsageError) as error:
        parse_objective(text, METRIC_NAMES, LLP)
    assert words in str(error.value)


def shares(annotations, videos=None):
    """Share of the videos in which each class is annotated."""
    chosen = annotations if videos is None else annotations.select(videos)
    n = len(chosen.video_ids)
    owner = np.repeat(np.arange(n), np.diff(chosen.events.starts[::3]))
    has = np.zeros((n, len(chosen.labels)))
    has[owner, chosen.events.label] = 1
    return has.mean(axis=0)


@pytest.mark.parametrize(("split", "count"), [("val", 50), ("val", 200), ("test", 200)])
def test_a_subset_has_the_classes_of_its_split(shared_data, split, count):
    truth = load_annotations("llp", shared_data / "data" / "llp", split)
    whole = shares(truth)
    off, off_random = [], []
    for seed in range(5):
        chosen = class_stratified(truth, count, seed)
        assert chosen == class_stratified(truth, count, seed)
        assert len(set(chosen)) == count
        assert chosen == sorted(chosen)
        found = shares(truth, chosen)
        # a class that is owed at least one video has one
        assert (found[whole * count >= 1] > 0).all()
        off.append(np.abs(found - whole).max())
        rng = np.random.default_rng(seed)
        off_random.append(np.abs(shares(truth, rng.choice(len(truth.video_ids), count, replace=False)) - whole).max())
    assert max(off) <= 1 / count
    assert max(off) < min(off_random)
    assert class_stratified(truth, count, 0) != class_stratified(truth, count, 1)


def test_subsets_of_odd_splits():
    _, truth = made()
    total = len(truth.video_ids)
    for count in (total, total + 5):
        assert class_stratified(truth, count, 0) == list(range(total))
    assert len(class_stratified(truth, total - 1, 0)) == total - 1
    assert len(class_stratified(truth, 1, 0)) == 1
    assert class_stratified(truth.select([3]), 1, 0) == [0]
    silent = truth.select([total - 2])
    assert class_stratified(silent, 1, 0) == [0]
    mute = truth.select([total - 2] * 3)
    assert len(class_stratified(mute, 2, 0)) == 2


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["json", "ave"]), st.booleans(), st.sampled_from(["release", "paper"]))
def test_a_problem_scores_as_evaluation_does(seed, dataset, uneven, profile):
    bundle, truth = made(seed, videos=7, dataset=dataset, uneven=uneven)
    problem = make_problem(bundle, truth, profile=profile)
    assert (problem.expected, problem.available, problem.bundle.num_videos) == (9, 7, 7)
    assert problem.bundle.video_ids == problem.annotations.video_ids
    params = [START.override({"tau0": t, "tau_f": 0.3}) for t in (0.3, 0.45, 0.6)]
    found = problem.target.score(replay(problem.bundle, params).replay.events)
    stored = replay(bundle, params)
    for i in range(len(params)):
        want = evaluate_predictions(stored.predictions(i), truth, profile=profile)
        assert dict(zip(problem.target.names, found.values[i].tolist(), strict=True)) == want.metrics
        assert np.array_equal(found.per_video[i], np.stack(list(want.per_video.values()), axis=1))


def test_ids_of_llp_match_with_and_without_their_times():
    bundle, truth = made(dataset="llp")
    clips = replace(truth, video_ids=tuple(f"{v}_30_40" for v in truth.video_ids))
    problem = make_problem(bundle, clips)
    assert [f"{v}_30_40" for v in problem.bundle.video_ids] == list(problem.annotations.video_ids)
    figures = problem.target.score(replay(problem.bundle, START).replay.events).values
    scored = evaluate_predictions(replay(bundle, START).predictions(), clips)
    assert figures[0].tolist() == list(scored.metrics.values())


def test_a_subset_is_of_the_videos_that_are_there():
    bundle, truth = made()
    problem = make_problem(bundle, truth, 5, seed=3)
    assert (problem.expected, problem.available, problem.bundle.num_videos) == (14, 12, 5)
    assert problem.bundle.video_ids == problem.annotations.video_ids
    assert set(problem.bundle.video_ids) <= set(bundle.video_ids)
    assert make_problem(bundle, truth, 5, seed=3).bundle.video_ids == problem.bundle.video_ids
    assert make_problem(bundle, truth, 99).bundle.num_videos == 12


def test_what_makes_no_problem():
    bundle, truth = made()
    with pytest.raises(UsageError, match="at least one video"):
        make_problem(bundle, truth, 0)
    with pytest.raises(DataError, match="none of the 12 videos of the store is annotated in made up"):
        make_problem(replace(bundle, video_ids=tuple("abcdefghijkl")), truth)
    with pytest.raises(DataError, match=r"a label 'fish' that json does not have.*embed-text"):
        make_problem(replace(bundle, labels=("fish", *bundle.labels[1:])), truth)
    with pytest.raises(DataError, match=r"segments of 0.5 s, and video 'val .*' is annotated in segments of 1 s"):
        make_problem(replace(bundle, segment_seconds=0.5), truth)
