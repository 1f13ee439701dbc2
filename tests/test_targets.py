"""Targets of a segment classifier, from annotations and by hand."""

from __future__ import annotations

import json

import golden_ovavel as golden
import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.core.segment_targets import SegmentTargets, segment_figures
from avreplay.evaluate.datasets.ovavebench import LABELS, TRAIN_LABELS
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.segment_targets import load_targets, segment_targets
from avreplay.extract.finetune.config import FinetuneConfig
from avreplay.extract.finetune.data import training_videos

GOOD = {
    "video_ids": ["a", "b", "c"],
    "labels": ["cat", "dog", "other"],
    "train_labels": ["dog", "other"],
    "classes": [[1, 2], [0, 2], [1, 1]],
    "splits": [0, 2, 1],
}


def test_classes_of_training_are_columns_of_their_own():
    made = SegmentTargets.create(**GOOD, mask=[[1, 1], [1, 0], [1, 1]], groups=[0, 1, 0], categories=[1, 0, -1])
    assert made.background == 2
    assert made.train_classes.tolist() == [-1, 0, 1]
    assert made.select("test").tolist() == made.select("test", "unseen").tolist() == [1]
    assert made.select("test", "seen").tolist() == []
    assert made.take(np.array([2, 0])).video_ids == ("c", "a")
    with pytest.raises(UsageError, match="no split 'dev'"):
        made.select("dev")
    with pytest.raises(UsageError, match="no group 'x'"):
        made.select("val", "x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"video_ids": ["a", "a", "c"]}, "a video id is duplicated"),
        ({"labels": ["cat", "dog", "none"]}, "must both end with the background label"),
        ({"train_labels": ["cow", "other"]}, "the training label 'cow' is not one of the 3 labels"),
        ({"classes": [1, 2, 3]}, "classes has shape"),
        ({"classes": [[1, 3], [0, 2], [1, 1]]}, "an index that is not one of the 3 labels"),
        ({"classes": [[0, 2], [0, 2], [1, 1]]}, "the training video 'a' has a class that is not known in training"),
        ({"mask": [[1], [1], [1]]}, "mask has shape"),
        ({"splits": [0, 1, 3]}, "splits holds 3"),
        ({"groups": [0, 1]}, "groups has shape"),
        ({"categories": [0, 1, -2]}, "categories holds"),
    ],
)
def test_bad_targets_are_refused(change, words):
    with pytest.raises(DataError, match=words):
        SegmentTargets.create(**{**GOOD, **change})


def test_figures_are_those_of_the_released_metrics():
    raw = golden.load("v1_metrics")
    names = [str(i) for i in range(68)]
    n = len(raw["pred_class"])
    targets = SegmentTargets.create(
        video_ids=list(map(str, range(n))), labels=names, train_labels=names, classes=raw["full_label"],
        splits=np.full(n, 2),
    )  # fmt: skip
    some = np.arange(n)[::-1]
    figures = segment_figures(targets, some, raw["pred_class"][some])
    for name, per_video in (("acc", "acc"), ("seg", "segF"), ("event", "eveF")):
        assert figures[name] == pytest.approx(100 * raw[f"{per_video}_per_video"].mean(), abs=1e-5)
    assert figures["avg"] == pytest.approx(np.mean([figures[k] for k in ("acc", "seg", "event")]), abs=1e-9)


@pytest.mark.slow
def test_ovavebench_as_the_paper_counts_it(shared_data):
    targets = load_targets("ovavebench", shared_data / "data" / "ovavebench")
    assert (targets.labels, targets.train_labels) == (LABELS, TRAIN_LABELS)
    assert [len(targets.select(s)) for s in ("train", "val", "test")] == [13182, 5798, 5820]
    assert [len(targets.select("test", g)) for g in ("seen", "unseen")] == [1664, 4156]
    assert len(targets.select("train", "unseen")) == 0
    train = targets.select("train")
    assert (targets.classes[train] == targets.background).all(1).sum() == 3211
    assert (targets.classes[train] == targets.background).mean() == pytest.approx(0.3787, abs=5e-5)
    assert (targets.categories >= 0).all()
    assert targets.mask.all()
    renamed = load_targets("ovavebench", shared_data / "data" / "ovavebench", background="background")
    assert (renamed.labels, renamed.train_labels) == ((*LABELS[:-1], "background"), (*TRAIN_LABELS[:-1], "background"))
    np.testing.assert_array_equal(renamed.classes, targets.classes)
    quarter = load_targets("ovavebench", shared_data / "data" / "ovavebench", train_split="train_25")
    for ratio, count in ((0.25, 3308), (0.5, 6598), (0.75, 9900)):
        assert len(training_videos(targets, FinetuneConfig(train_ratio=ratio))) == count
    assert len(quarter.select("train")) == 3308
    assert quarter.train_labels == TRAIN_LABELS


def test_ave_gets_a_background(tmp_path):
    rows = {"train": "Bus&aa&good&0&10\nCat&bb&good&2&4", "val": "bus&cc&good&1&2", "test": "bark&dd&good&0&1"}
    for split, text in rows.items():
        (tmp_path / f"{split}Set.txt").write_text(text)
    targets = load_targets("ave", tmp_path)
    assert (len(targets.labels), targets.train_labels) == (29, ("bus", "cat", "other"))
    assert targets.classes[1].tolist() == [28, 28, 6, 6, *[28] * 6]
    assert targets.groups.tolist() == [0, 0, 0, 1]


def own(split, videos, labels=("dog", "cat", "bell")):
    tracks = {
        name: {
            "segments": length, "audio": [], "visual": [],
            "audio_visual": [{"label": c, "onset": a, "offset": b} for c, a, b in events],
        }
        for name, (length, *events) in videos.items()
    }  # fmt: skip
    return json.dumps({"schema": "avreplay.annotations/1", "labels": labels, "split": split, "videos": tracks})


def test_own_files_with_overlaps_and_classes_never_trained_on(tmp_path):
    (tmp_path / "train.json").write_text(own("train", {"a": (3, ("dog", 0, 2), ("bell", 1, 3)), "b": (2,)}))
    (tmp_path / "test.json").write_text(own("test", {"c": (4, ("cat", 1, 2)), "d": (1,)}))
    targets = load_targets("json", tmp_path)
    assert targets.labels == ("dog", "cat", "bell", "other")
    assert targets.train_labels == ("dog", "bell", "other")
    assert targets.classes.tolist() == [[0, 0, 2, 3], [3, 3, 3, 3], [3, 1, 3, 3], [3, 3, 3, 3]]
    assert targets.mask.sum(1).tolist() == [3, 2, 4, 1]
    assert targets.groups.tolist() == [0, -1, 1, -1]
    assert targets.categories.tolist() == [0, -1, 1, -1]
    named = load_targets("json", tmp_path, background="Cat")
    assert named.labels == ("dog", "bell", "Cat")
    with pytest.raises(DataError, match=r"holds no all\.json"):
        load_targets("json", tmp_path, train_split="all")
    with pytest.raises(UsageError, match="train among them"):
        segment_targets({"test": load_annotations("json", tmp_path / "test.json", "test")})
    (tmp_path / "train.json").write_text(own("train", {"b": (2,)}))
    with pytest.raises(DataError, match="holds no audio-visual event; there is nothing to train on"):
        load_targets("json", tmp_path)
