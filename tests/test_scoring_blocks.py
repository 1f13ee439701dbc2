"""Figures from blocks of videos: to the bit those of all at once, whatever the blocks, the metric and the options."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from avreplay import Annotations, Metric, Scores, compare, evaluate_predictions, intervals
from avreplay.core.errors import DataError
from avreplay.core.events import Events
from avreplay.core.metrics.counted import CountedMetric, Partial, PartialJoin
from avreplay.core.metrics.llp import LlpMetric
from avreplay.core.metrics.registry import METRICS
from avreplay.evaluate.files.prediction_blocks import PredictionBlocks, prediction_blocks
from avreplay.evaluate.files.predictions import Predictions
from avreplay.evaluate.files.predictions_writer import prediction_writer

LABELS = ("Speech", "dog bark", "Accordion", "other")
N = 37
OPTIONS = [
    {"profile": profile, "mask_short": short, **more}
    for profile in ("release", "paper")
    for short in (False, True)
    for more in ({}, {"iou": 0.3}, {"audio_from_visual": True}, {"batch_size": 4})
]


def events(rng, segments, single=False):
    videos = []
    for t in segments.tolist():
        tracks = [
            [(int(rng.integers(4)), a, int(rng.integers(a + 1, t + 1)), rng.choice([rng.random(), math.nan]))
             for a in rng.integers(0, t, rng.integers(0, 4)).tolist()] for _ in range(3)
        ]  # fmt: skip
        videos.append([[], [], tracks[2][:1]] if single else tracks)
    return Events.from_tracks(videos)


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(3)
    segments = rng.integers(1, 12, N)
    return Annotations(
        "json", "test", LABELS, tuple(f"v{i}" for i in range(N)), segments, events(rng, segments), "made",
        category=rng.integers(-1, 4, N), group=tuple(rng.choice(["seen", "unseen"], N).tolist()),
    )  # fmt: skip


def sure(p):
    """The same with a confidence for each event, as metrics that rank them read."""
    rng = np.random.default_rng(len(p.events.label))
    return replace(p, events=replace(p.events, confidence=np.round(rng.random(len(p.events.label)), 2)))


def predicted(seed):
    """Of most of the videos and some others, in another order, some longer or shorter, with other names of labels."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation([*(f"v{i}" for i in range(0, N, 1 + seed % 2)), "w0", "w1"]).tolist()
    segments = rng.integers(1, 12, len(ids))
    labels = ("Dog-Bark", "speech", "Squeezebox", "OTHER")
    return Predictions(labels, {}, tuple(ids), segments, events(rng, segments))


ALIASES = {"squeezebox": "Accordion"}


def same(a, b):
    """Whether two evaluations are the same to the bit."""
    assert repr(a.as_dict(per_class=True)) == repr(b.as_dict(per_class=True))
    assert list(a.per_video) == list(b.per_video)
    for name in a.per_video:
        assert a.per_video[name].tobytes() == b.per_video[name].tobytes()
    assert (a.weights is None) == (b.weights is None)
    counts = [e.counts for e in (a, b)]
    assert (counts[0] is None) == (counts[1] is None)
    assert counts[0] is None or np.array_equal(*counts)
    assert repr(intervals(a, resamples=20)) == repr(intervals(b, resamples=20))


@pytest.mark.parametrize("name", list(METRICS))
@pytest.mark.parametrize("options", OPTIONS, ids=repr)
def test_figures_do_not_depend_on_the_blocks(name, options, truth):
    metric = METRICS.get(name)
    known = metric.declared(truth.truth()) | vars(metric)
    options = {k: v for k, v in options.items() if k in ("profile", "mask_short") or k in known}
    p = sure(predicted(len(repr(options))))
    want = evaluate_predictions(p, truth, metrics=name, aliases=ALIASES, **options)
    for size in (1, 2, 5, 36, 100):
        blocks = PredictionBlocks.of(p, size)
        same(
            evaluate_predictions(blocks, truth, metrics=name, aliases=ALIASES, per_class=size % 2 == 1, **options), want
        )
    other = sure(predicted(7))
    pair = [compare(x, y, truth, metrics=name, aliases=ALIASES, profile=options["profile"], resamples=30)
            for x, y in ((p, other), (PredictionBlocks.of(p, 5), PredictionBlocks.of(other, 3)))]  # fmt: skip
    assert repr(pair[0].as_dict()) == repr(pair[1].as_dict())


def test_a_folder_of_parts_is_scored_part_by_part(truth, tmp_path, monkeypatch):
    p = predicted(2)
    with prediction_writer(tmp_path / "p.parquet", p.labels, {}, p.video_ids, part_videos=6) as writer:
        writer.write(p)
    sizes, partial = [], LlpMetric.partial

    def counted(self, predicted, truth, **more):
        sizes.append(predicted.num_videos)
        return partial(self, predicted, truth, **more)

    want = evaluate_predictions(p, truth, aliases=ALIASES, metrics="llp", per_class=True)
    monkeypatch.setattr(LlpMetric, "partial", counted)
    blocks = prediction_blocks(tmp_path / "p.parquet")
    found = evaluate_predictions(blocks, truth, aliases=ALIASES, metrics="llp", per_class=True)
    assert found.as_dict(per_class=True) == want.as_dict(per_class=True)
    assert max(sizes) <= 6
    assert sum(sizes) == found.videos_scored
    assert "predicted" not in vars(found.aligned)  # never in memory at once


@dataclass(frozen=True)
class Whole(Metric):
    """A metric without partial counts."""

    name: ClassVar[str] = "whole"
    mean_over_videos: ClassVar[bool] = False

    def names(self, truth):
        return ("events",)

    def score(self, predicted, truth):
        return Scores(("events",), np.array([[float(len(predicted.label))]]))


def test_a_metric_without_partial_counts_gets_all_in_memory_which_is_said(truth, caplog):
    p = predicted(4)
    want = evaluate_predictions(p, truth, aliases=ALIASES, metrics=Whole())
    assert not caplog.records
    found = evaluate_predictions(PredictionBlocks.of(p, 5), truth, aliases=ALIASES, metrics=Whole())
    assert found.metrics == want.metrics
    assert "the metric whole has no partial counts: all 37 videos are held in memory" in caplog.text


class Scored(LlpMetric):
    reads: ClassVar[frozenset[str]] = frozenset({"events", "scores"})


def test_scores_are_missed_only_where_no_block_has_one(truth):
    p = predicted(4)
    score = np.full(len(p.events.label), np.nan)
    none = Predictions(p.labels, {}, p.video_ids, p.segments_per_video,
                       Events(1, p.events.num_videos, p.events.starts, p.events.label, p.events.onset,
                              p.events.offset, score))  # fmt: skip
    with pytest.raises(DataError, match="no event has one"):
        evaluate_predictions(PredictionBlocks.of(none, 5), truth, aliases=ALIASES, metrics=Scored())
    score[len(score) // 2] = 0.5
    found = evaluate_predictions(PredictionBlocks.of(none, 5), truth, aliases=ALIASES, metrics=Scored())
    assert found.videos_scored == N


@dataclass(frozen=True)
class Broken(LlpMetric):
    fault: int = 1

    def partial(self, predicted, truth, *, notes=False, classes=False):
        found = super().partial(predicted, truth)
        f = found.videos["f"]
        return {1: found.videos, 2: Partial({"f": f[:, :1]}, {}), 3: Partial(found.videos, {"x": np.ones(1)}),
                4: Partial({f"f of {predicted.num_videos}": f}, {})}[self.fault]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "words"),
    [(1, "gave dict, not Partial"), (2, "is of shape"), (3, "sums are counts"), (4, "arrays of other names")],
)
def test_what_a_metric_keeps_is_checked(fault, words, truth):
    with pytest.raises(DataError, match=words):
        evaluate_predictions(PredictionBlocks.of(predicted(4), 5), truth, aliases=ALIASES, metrics=Broken(fault=fault))


def test_counts_of_no_block_are_none():
    assert PartialJoin(3).result().videos == {}
    assert issubclass(LlpMetric, CountedMetric)
