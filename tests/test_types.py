"""Datasets, metrics and decoders as types: what the package's own and a stranger's have to do everywhere alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import numpy as np
import pytest
from avreplay.core.decoders.base import Decoder, Inputs, Reads, Stage
from avreplay.core.decoders.registry import DECODERS, decoder_of
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import TRACKS, Events
from avreplay.core.metrics.base import Metric, Scores
from avreplay.core.metrics.registry import METRICS
from avreplay.core.params.options import OptionSet, option
from avreplay.core.params.ovavel import OvavelParams, make_ovavel_params
from avreplay.evaluate.datasets.base import Dataset
from avreplay.evaluate.datasets.registry import DATASETS, load_annotations, metric_of
from avreplay.evaluate.intervals import compare, intervals
from avreplay.evaluate.replay import replay
from avreplay.evaluate.report.build import report_data
from avreplay.evaluate.report.page import write_report
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning import tune
from avreplay.evaluate.tuning.identity import target_digest
from avreplay.evaluate.tuning.problem import make_problem
from test_twin import make_bundle
from tuning_data import LABELS, made, settings_for, write_made


@dataclass(frozen=True)
class CutParams(OptionSet):
    """Options of :class:`Cut`."""

    cut: float = option(0.5, "threshold of a segment", low=0, high=1)
    both: bool = option(True, "audio-visual events are those of both tracks, else of either")
    track: str = option("all", "the tracks that get events", choices=("all", "audio"))


class Cut(Decoder[CutParams]):
    """A static threshold in plain NumPy: what a stranger would write."""

    name = "cut"
    params = CutParams
    presets: ClassVar = {"low": {"cut": 0.2}}

    def decode(self, inputs: Inputs, params: CutParams) -> Events:
        b = inputs.scores
        starts = b.segment_starts
        videos = []
        for v in range(b.num_videos):
            rows = slice(starts[v], starts[v + 1])
            audio, visual = (b.audio_segments[rows] > params.cut, b.visual_segments[rows] > params.cut)
            if params.track == "audio":
                visual = np.zeros_like(visual)
            fused = audio & visual if params.both else audio | visual
            videos.append([[(c, t, t + 1) for t, c in np.argwhere(m)] for m in (audio, visual, fused)])
        return Events.from_tracks(videos)


class MicroF(Metric):
    """One F-score over all segments of all videos: no mean over videos."""

    name = "micro"
    mean_over_videos = False
    headline = ()

    def names(self, truth):
        return ("micro",)

    def score(self, predicted, truth):
        values = []
        for p in range(predicted.num_settings):
            one = predicted if predicted.num_settings == 1 else predicted.setting(p)
            tp = fp = fn = 0
            for v, segments in enumerate(truth.segments.tolist()):
                found, want = (np.zeros((3, segments, len(truth.labels)), bool) for _ in range(2))
                for mask, events in ((found, one), (want, truth.events)):
                    for k in range(3):
                        for c, onset, offset, _ in events.track(v, k):
                            mask[k, onset:offset, c] = True
                tp, fp, fn = tp + (found & want).sum(), fp + (found & ~want).sum(), fn + (want & ~found).sum()
            values.append([200 * tp / max(2 * tp + fp + fn, 1)])
        return Scores(("micro",), np.array(values))


@pytest.fixture
def cut():
    DECODERS.register(Cut(), "cut", replace=True)
    METRICS.register(MicroF(), "micro", replace=True)
    yield Cut()
    DECODERS.unregister("cut")
    METRICS.unregister("micro")


def test_the_package_registers_its_own():
    assert {"av2a", "ovavel"} <= set(DECODERS.names())
    assert {"llp", "ave_accuracy", "ovavel"} <= set(METRICS.names())
    assert {"llp", "ave", "ovavebench", "json"} <= set(DATASETS.names())
    for registry in (DECODERS, METRICS, DATASETS):
        for name in registry.names():
            found = registry.get(name)
            assert found.name == name
            assert found.about
    for name in DATASETS.names():
        assert DATASETS.get(name).metric in METRICS.names()


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["json", "llp", "ave", "ovavebench"])
@pytest.mark.parametrize("profile", ["release", "paper"])
@pytest.mark.parametrize("decoder", ["av2a", "ovavel", "cut"])
def test_what_is_optimised_is_what_is_reported(cut, dataset, profile, decoder):
    """A search's figures of a setting are those that evaluation gives for its predictions, to the last bit."""
    bundle, truth = made(3, videos=8, dataset=dataset, uneven=True)
    used = DECODERS.get(decoder)
    params = used.make_params(values={"background": "none"} if decoder == "ovavel" else {})
    problem = make_problem(bundle, truth, decoder=used, profile=profile)
    found = problem.target.score(used.decode_many(problem.inputs, [params]).events)
    want = evaluate_predictions(replay(bundle, params, decoder=used).predictions(), truth, profile=profile)
    n = len(problem.target.names)
    assert found.values[0, :n].tolist() == [want.metrics[k] for k in problem.target.names]
    # OV-AVEL's accuracy is over segments, its parts are of videos: the same where videos are equally long
    if found.per_video is not None and problem.target.metric.name != "ovavel":
        weights = np.ones(len(want.aligned.truth.video_ids)) if found.weights is None else found.weights
        means = np.average(found.per_video[0], axis=0, weights=weights)
        assert means == pytest.approx(found.values[0, :n])


# what searches of version 0.1.0 wrote into their folders: an unfinished one must be taken up again
DIGESTS = {
    ("json", "release"): "6d13b842bf5c47a5", ("json", "paper"): "6d13b842bf5c47a5",
    ("ave", "release"): "6bada250794d1efa", ("ave", "paper"): "17fd619fd43fa34d",
    ("ovavebench", "release"): "db1c505607557534", ("ovavebench", "paper"): "aa915f7fcdf3d239",
}  # fmt: skip


@pytest.mark.parametrize(("dataset", "profile"), DIGESTS)
def test_digests_of_searches_stay(dataset, profile):
    problem = make_problem(*made(3, dataset=dataset, uneven=True), profile=profile)
    assert target_digest(problem.target)[:16] == DIGESTS[dataset, profile]


def test_a_plain_decoder_is_replayed_and_searched(cut, tmp_path):
    bundle, _ = made()
    settings = [CutParams(cut=c) for c in (0.3, 0.5, 0.7)]
    found = replay(bundle, settings)
    assert found.decoder.name == "cut"
    for i, p in enumerate(settings):
        alone = cut.decode(Inputs(bundle), p)
        assert np.array_equal(found.replay.events.setting(i).label, alone.label)
    assert found.predictions(1).params == {"decoder": "cut", "cut": 0.5, "both": True, "track": "all"}
    only = replay(bundle, settings[0], tracks=("visual",)).replay.events
    assert len(only.label) == sum(len(cut.decode(Inputs(bundle), settings[0]).track(v, 1)) for v in range(12))
    assert decoder_of(settings[0]).name == "cut"
    with pytest.raises(UsageError, match="no thresholds to trace"):
        replay(bundle, settings[0], trace=True)

    store, _ = write_made(tmp_path)
    given = settings_for(tmp_path, tmp_path / "out", decoder="cut", search=(), settings=(), trials=64)
    result = tune(str(store), given)
    assert result.names == ("cut", "both", "track")
    target, weights = result.problem.target, result.objective.weights
    values = []
    for c, both, track in product(np.linspace(0, 1, 50), (True, False), ("all", "audio")):
        events = cut.decode(result.problem.inputs, CutParams(float(c), both, track))
        values.append(float(np.dot(weights, target.score(events).values[0])))
    assert result.found.best_value > max(values) - 3
    text = (tmp_path / "out/best.toml").read_text()
    assert 'decoder = "cut"' in text


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["grid", "sobol", "random"])
def test_ovavel_is_searched(tmp_path, sampler):
    """Its whole space, by brute force: the search finds the best there is."""
    choices = {
        "strategy": ("first_agreement", "per_segment", "fused_argmax"), "fusion": ("sqrt", "prob_avg"),
        "no_positive": ("first", "background"),
    }  # fmt: skip
    store, _ = write_made(tmp_path)
    given = settings_for(
        tmp_path, tmp_path / "out", decoder="ovavel", settings=("background=none",), sampler=sampler, trials=200,
        search=[f"{name}={','.join(values)}" for name, values in choices.items()], metrics="ovavel",
    )  # fmt: skip
    result = tune(str(store), given)
    decoder = DECODERS.get("ovavel")
    every = [
        OvavelParams(background="none", **dict(zip(choices, values, strict=True)))
        for values in product(*choices.values())
    ]
    events = decoder.decode_many(result.problem.inputs, every).events
    values = result.problem.target.score(events).values[:, result.problem.target.names.index("total_avg")]
    assert result.found.best_value == values.max()
    assert result.objective.text == "total_avg"
    with pytest.raises(UsageError, match="a search with"):
        tune(str(store), replace(given, decoder=None, search=("tau0=0.1:0.2",), settings=()))


def test_every_declared_space_is_searchable():
    from avreplay.evaluate.tuning.space import parse_space

    for name in ("av2a", "ovavel"):
        decoder = DECODERS.get(name)
        space = parse_space((), decoder.params(), decoder.search_space())
        assert space
        for preset, profile in product((None, *decoder.presets), (None, "release", "paper")):
            assert isinstance(decoder.make_params(preset, profile), decoder.params)


def test_a_metric_that_is_no_mean_over_videos(cut, tmp_path):
    bundle, truth = made()
    first, second = (replay(bundle, CutParams(cut=c)).predictions() for c in (0.6, 0.45))
    e = evaluate_predictions(first, truth, metrics="micro")
    assert e.per_video == {}
    assert list(e.metrics) == ["micro"]
    spread = intervals(e, resamples=200)["micro"]
    assert spread.figure == e.metrics["micro"]
    assert spread.low < spread.figure < spread.high
    assert intervals(e, resamples=200)["micro"] == spread
    c = compare(first, second, truth, resamples=100, metrics="micro")
    assert c.differences["micro"].figure == pytest.approx(c.second.metrics["micro"] - c.first.metrics["micro"])
    same = compare(first, first, truth, resamples=50, metrics="micro").differences["micro"]
    assert (same.low, same.high) == (0, 0)
    write_report(tmp_path / "r.html", report_data([("a", first), ("b", second)], truth, metrics="micro"), None, 2)
    assert "micro" in (tmp_path / "r.html").read_text()

    store, _ = write_made(tmp_path)
    given = settings_for(tmp_path, tmp_path / "out", decoder="cut", metrics="micro", search=("cut=0:1",), settings=())
    result = tune(str(store), given)
    assert result.ceiling is None
    assert result.as_dict()["ceiling"] is None
    values = [
        MicroF().score(cut.decode(result.problem.inputs, CutParams(cut=float(t))), result.problem.target.truth)
        for t in np.linspace(0.3, 0.7, 9)
    ]
    assert result.found.best_value > max(v.values[0, 0] for v in values) - 5
    again = tune(str(store), replace(given, trials=20))
    assert again.found.new_trials == 8


def test_metrics_refuse_options_that_they_do_not_have():
    bundle, truth = made()
    p = replay(bundle, CutParams(), decoder=Cut()).predictions()
    with pytest.raises(UsageError, match="metric 'llp' has no option batch_size; its options are iou"):
        evaluate_predictions(p, truth, batch_size=4)
    with pytest.raises(UsageError, match="no metric 'lpp'; did you mean 'llp'"):
        evaluate_predictions(p, truth, metrics="lpp")
    with pytest.raises(UsageError, match="no profile 'papre'"):
        evaluate_predictions(p, truth, profile="papre")


def test_a_metric_that_reads_scores_refuses_events_without():
    class Ranking(MicroF):
        name = "ranking"
        reads = frozenset({"events", "scores"})

    bundle, truth = made()
    p = replay(bundle, CutParams(), decoder=Cut()).predictions()
    evaluate_predictions(p, truth, metrics=Ranking())
    p = replace(p, events=replace(p.events, confidence=None))
    with pytest.raises(DataError, match="'ranking' ranks events by their scores, and no event has one"):
        evaluate_predictions(p, truth, metrics=Ranking())


def test_hand_made_annotations_are_scored_with_llps_metric_or_the_one_they_name():
    _, truth = made()
    assert metric_of(truth).name == "llp"
    assert metric_of(replace(truth, dataset="mine")).name == "llp"
    assert metric_of(replace(truth, dataset="mine", metric="ave_accuracy")).name == "ave_accuracy"


def test_a_decoder_gets_the_embeddings_and_texts_it_asks_for(tmp_path):
    from avreplay.cache import open_store
    from avreplay.evaluate.inputs import decoder_inputs
    from made_store import write_store

    write_store(str(tmp_path / "s"), 8)
    store = open_store(tmp_path / "s")
    inputs = decoder_inputs(store, Reads(embeddings=True, text=True))
    b = inputs.scores
    total = int(b.segments_per_video.sum())
    assert len(inputs.embeddings.audio_segments) == len(inputs.embeddings.visual_segments) == total
    assert len(inputs.text.audio) == len(inputs.text.visual) == b.num_labels
    # scores are the products of both, row by row
    v = inputs.embeddings.visual_segments @ inputs.text.visual.T
    there = np.repeat(b.has_visual, b.segments_per_video)
    assert v[there] == pytest.approx(b.visual_segments[there], abs=1e-2)
    some = inputs.select([1, 0])
    first = int(b.segments_per_video[0])
    assert np.array_equal(
        some.embeddings.visual_segments[-first:], inputs.embeddings.visual_segments[:first], equal_nan=True
    )
    with pytest.raises(DataError, match="a score bundle does not hold"):
        decoder_inputs(b, Reads(text=True))


# --- explanations


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["release", "paper"])
@pytest.mark.parametrize("fusion", ["score", "late"])
@pytest.mark.parametrize("refine_rule", ["threshold", "argmax"])
def test_an_explanation_agrees_with_the_events(profile, fusion, refine_rule):
    """Every label of every track: all stages passed exactly where the decoder gives an event."""
    decoder = DECODERS.get("av2a")
    for seed in range(4):
        bundle = make_bundle(seed, [10, 6, 1, 8], 6)
        values = {"fusion": fusion, "refine_rule": refine_rule, "tau0": 0.5, "tau_f": 0.4, "tau_r": 0.5}
        params = decoder.make_params("languagebind", profile, values)
        events = decoder.decode(Inputs(bundle), params)
        for v, track, c in product(range(4), TRACKS, range(6)):
            why = decoder.explain(Inputs(bundle), params, v, track, c)
            has = any(e[0] == c for e in events.track(v, track))
            assert (why.lost_at == "") == has, why.text()
            assert len(why.text().splitlines()) == len(why.stages) > 0
            for t in range(int(bundle.segments_per_video[v]) if seed == 0 else 0):  # a bridged gap too
                why = decoder.explain(Inputs(bundle), params, v, track, c, t, t + 1)
                here = any(e[0] == c and e[1] <= t < e[2] for e in events.track(v, track))
                assert (why.lost_at == "") == here, why.text()


@pytest.mark.parametrize("preset", ["training_free_no_other", "finetuned"])
def test_an_explanation_of_ovavel_agrees_with_the_events(preset):
    decoder = DECODERS.get("ovavel")
    bundle, _ = made(5)
    params = make_ovavel_params(preset, values={"background": "none"})
    events = decoder.decode(Inputs(bundle), params)
    for v, c in product(range(12), range(len(LABELS))):
        why = decoder.explain(Inputs(bundle), params, v, "audio_visual", c)
        assert (why.lost_at == "") == any(e[0] == c for e in events.track(v, 2)), why.text()
    assert decoder.explain(Inputs(bundle), params, 0, "audio", 0).lost_at == "track"


def test_the_default_explanation_names_the_events():
    bundle, _ = made()
    decoder, params = Cut(), CutParams()
    events = decoder.decode(Inputs(bundle), params)
    for v, track, c in product(range(12), TRACKS, range(len(LABELS))):
        why = decoder.explain(Inputs(bundle), params, v, track, c)
        assert why.stages[0].passed == any(e[0] == c for e in events.track(v, track))
    assert isinstance(why.stages[0], Stage)
    for bad in ({"video": 12}, {"label": 9}, {"track": "smell"}, {"onset": 5, "offset": 4}, {"offset": 99}):
        with pytest.raises(UsageError):
            decoder.explain(Inputs(bundle), params, **{"video": 0, "track": "audio", "label": 0, **bad})


# --- what goes wrong inside an object of a stranger


class BrokenCut(Cut):
    name = "broken"

    def decode(self, inputs, params):
        return 1 / 0


class BrokenMicro(MicroF):
    name = "broken"

    def score(self, predicted, truth):
        raise KeyError("no such thing")


def test_errors_inside_plug_ins_name_the_plug_in():
    bundle, truth = made()
    with pytest.raises(
        DataError, match=r"the decoder 'broken' failed \(ZeroDivisionError: division by zero\)"
    ) as caught:
        replay(bundle, CutParams(), decoder=BrokenCut())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    p = replay(bundle, CutParams(), decoder=Cut()).predictions()
    with pytest.raises(DataError, match=r"the metric 'broken' failed \(KeyError: 'no such thing'\)"):
        evaluate_predictions(p, truth, metrics=BrokenMicro())


class Off(MicroF):
    """Gives what it is told to give."""

    name = "off"

    def __init__(self, scores=None, names=("micro",), **more):
        self.given, self.declared = scores, names
        for name, function in more.items():
            setattr(self, name, function)

    def names(self, truth):
        return self.declared

    def score(self, predicted, truth):
        return self.given


GOOD = Scores(("micro",), np.array([[1.0]]))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (Off(None), "gave NoneType, not Scores"),
        (Off({"micro": 1.0}), "gave dict, not Scores"),
        (Off(Scores(("micro",), [[1.0]])), "no array of floating-point numbers"),
        (Off(Scores(("micro",), np.array([["a"]]))), "no array of floating-point numbers"),
        (Off(Scores(("micro",), np.array([[np.inf]]))), "infinite"),
        (Off(Scores((), np.zeros((1, 0))), ()), "a name of its own"),
        (Off(Scores(("a", "a"), np.zeros((1, 2))), ("a", "a")), "a name of its own"),
        (Off(Scores(("b",), np.zeros((1, 1)))), "it declares"),
        (Off(Scores(("micro",), np.zeros((2, 1)))), "it declares"),
        (Off(GOOD, per_class=lambda *_: 1 / 0), "ZeroDivisionError"),
        (Off(GOOD, per_class=lambda *_: [1]), "TypeError"),
        (Off(GOOD, title=lambda *_: 1 / 0), "ZeroDivisionError"),
        (Off(GOOD, notes=lambda *_: (_ for _ in ()).throw(SystemExit(0))), "SystemExit"),
    ],
)
def test_a_metric_is_held_to_what_it_declares(metric, message):
    bundle, truth = made()
    p = replay(bundle, CutParams(), decoder=Cut()).predictions()
    with pytest.raises(DataError, match=rf"metric 'off' .*{message}"):
        _ = evaluate_predictions(p, truth, metrics=metric).per_class


@pytest.mark.parametrize(
    ("attribute", "given", "message"),
    [
        ("decode", lambda *_: None, "gave NoneType, not Events"),
        ("decode", lambda *_: [], "gave list, not Events"),
        ("decode", lambda *_: Events.from_tracks([]), "expected 1 and 12"),
        ("decode", lambda *_: (_ for _ in ()).throw(SystemExit(0)), "SystemExit"),
        ("reads", lambda *_: None, "gave NoneType, not Reads"),
    ],
)
def test_a_decoder_is_held_to_what_it_declares(attribute, given, message):
    bundle, _ = made()
    decoder = Cut()
    setattr(decoder, attribute, given)
    with pytest.raises(DataError, match=rf"decoder 'cut' .*{message}"):
        replay(bundle, CutParams(), decoder=decoder)


@pytest.mark.parametrize("given", [lambda b, e: None, lambda b, e: Events.from_tracks([[[], [], []]] * 11)])
def test_a_sweeper_is_held_to_the_settings_it_was_asked_for(cut, tmp_path, given):
    store, _ = write_made(tmp_path)
    decoder = DECODERS.get("cut")
    decoder.sweeper = lambda *_: given
    options = settings_for(tmp_path, tmp_path / "out", decoder="cut", search=("cut=0:1",), settings=(), trials=8)
    with pytest.raises(DataError, match=r"decoder 'cut' failed .*(not Events|expected . and 12)"):
        tune(str(store), options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: None, "gave NoneType"),
        (lambda a: {"videos": []}, "gave dict"),
        (lambda a: replace(a, events=a.events.select([0])), "no table of one setting"),
        (lambda a: replace(a, segments_per_video=a.segments_per_video.tolist()), "no array of"),
        (lambda a: replace(a, video_ids=(a.video_ids[0],) * len(a.video_ids)), "several times"),
        (lambda a: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_dataset_is_held_to_what_it_declares(tmp_path, change, message):
    class Changed(Dataset):
        name = "changed"

        def load(self, path, split):
            return change(made()[1])

    DATASETS.register(Changed(), "changed", replace=True)
    try:
        with pytest.raises(DataError, match=rf"dataset 'changed' failed .*{message}"):
            load_annotations("changed", tmp_path)
    finally:
        DATASETS.unregister("changed")


def test_a_foreign_object_with_a_name_of_ours_is_told_apart():
    class Av2a(Cut):
        name = "av2a"

    class Llp(MicroF):
        name = "llp"

    bundle, truth = made()
    p = replay(bundle, CutParams(), decoder=Av2a()).predictions()
    assert p.params["decoder"].endswith("Av2a")
    assert evaluate_predictions(p, truth, metrics=Llp()).as_dict()["metric"].endswith("Llp")


def test_a_decoder_that_is_not_registered_is_stored_by_its_class(tmp_path):
    """What ``--params best.toml`` then finds again."""
    bundle, _ = made()
    stored = replay(bundle, CutParams(), decoder=Cut()).predictions().params
    assert stored["decoder"] == f"{Cut.__module__}:Cut"
    assert replay(bundle, make_ovavel_params("training_free_no_other")).predictions().params["decoder"] == "ovavel"


def test_ovavel_is_searched_by_default_on_labels_without_background(tmp_path):
    store, _ = write_made(tmp_path)
    given = settings_for(
        tmp_path, tmp_path / "out", decoder="ovavel", settings=("background=none",), search=(), trials=16
    )
    assert "background" not in tune(str(store), given).names


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_an_objective_that_is_never_defined_is_one_sentence(cut, tmp_path, sampler):
    class Undefined(MicroF):
        def score(self, predicted, truth):
            return Scores(("micro",), np.full((predicted.num_settings, 1), np.nan))

    METRICS.register(Undefined(), "micro", replace=True)
    store, _ = write_made(tmp_path)
    given = settings_for(
        tmp_path, tmp_path / "out", decoder="cut", metrics="micro", search=("cut=0:1",), settings=(), trials=8,
        sampler=sampler,
    )  # fmt: skip
    with pytest.raises(DataError, match="undefined for all"):
        tune(str(store), given)
