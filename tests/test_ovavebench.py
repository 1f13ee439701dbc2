"""OV-AVEBench: both forms of its files, its groups and revisions, and its figures on the real annotations."""

from __future__ import annotations

import csv
import gzip
import json

import golden_ovavel as golden
import numpy as np
import pytest
from avreplay.core.decoders.ovavel import runs_of
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import Events
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.ovavebench import LABELS, SEEN, TRAIN_LABELS, UNSEEN
from avreplay.evaluate.datasets.registry import dataset_labels, load_annotations
from avreplay.evaluate.files.predictions import Predictions
from avreplay.evaluate.scoring import evaluate_predictions

ROWS = [
    ("train", "arc welding", "seen", "a1", "0001111000"),
    ("train", "cat purring", "seen", "a2", "0000000000"),
    ("val", "helicopter", "unseen", "b1", "1111111111"),
    ("test", "arc welding", "seen", "c1", "1101000001"),
    ("test", "helicopter", "unseen", "c2", "0000000000"),
    ("test", "volcano explosion", "seen", "c3", "1111100000"),
]


def compact(folder, rows=ROWS):
    text = "split,category,group,video_id,label\n" + "".join(",".join(r) + "\n" for r in rows)
    (folder / "ovavebench.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def authors(folder, rows=ROWS, json_name="released_ovavel_dataset_anno.json"):
    """The files as the authors lay them out: LF, no newline at the end, labels as strings."""
    kind = {"seen": "close", "unseen": "open"}
    lines = ["split,cls_name,cls_type,vid_name", *(f"{s},{c},{kind[g]},{v}" for s, c, g, v, _ in rows)]
    (folder / "ovave_dataset_meta.csv").write_text("\n".join(lines))
    data = {v: {"category": c, "label": json.dumps([int(x) for x in bits])} for _, c, _, v, bits in rows}
    (folder / json_name).write_text(json.dumps(data))
    return folder


def test_vocabularies():
    assert len(SEEN) == 46
    assert len(UNSEEN) == 21
    assert len(LABELS) == 68
    assert len(TRAIN_LABELS) == 47
    assert LABELS[:67] == tuple(sorted(LABELS[:67]))
    assert TRAIN_LABELS[:46] == tuple(sorted(SEEN))
    assert LABELS[67] == TRAIN_LABELS[46] == "other"
    assert dataset_labels("ovavebench") == LABELS
    with pytest.raises(UsageError, match="'json' has no fixed label list"):
        dataset_labels("json")


@pytest.mark.parametrize("write", [compact, authors])
def test_both_forms(tmp_path, write):
    a = load_annotations("ovavebench", write(tmp_path))
    assert a.video_ids == ("c1", "c2", "c3")
    assert a.labels == LABELS
    assert a.group == ("seen", "unseen", "seen")
    assert [a.labels[c] for c in a.category] == ["arc welding", "helicopter", "volcano explosion"]
    c = LABELS.index("arc welding")
    assert [e[:3] for e in a.events.track(0, "audio_visual")] == [(c, 0, 2), (c, 3, 4), (c, 9, 10)]
    assert a.events.track(1, "audio_visual") == a.events.track(0, "audio") == []
    assert a.revision == "unknown"
    assert "neither published" in a.notes[0]
    chosen = a.select([2, 0])
    assert chosen.group == ("seen", "seen")
    assert chosen.category.tolist() == [a.category[2], a.category[0]]
    train = load_annotations("ovavebench", tmp_path, "train")
    assert train.labels == TRAIN_LABELS
    assert [train.labels[c] for c in train.category] == ["arc welding", "cat purring"]
    for file in tmp_path.iterdir():
        assert load_annotations("ovavebench", file).video_ids == a.video_ids


def test_the_released_json_goes_first_and_the_other_has_its_own_path(tmp_path):
    authors(tmp_path)
    other = [(*r[:4], "1111111111") for r in ROWS]
    authors(tmp_path, other, "ovavel_dataset_anno.json")
    assert load_annotations("ovavebench", tmp_path).source.endswith("released_ovavel_dataset_anno.json")
    assert load_annotations("ovavebench", tmp_path / "ovave_dataset_meta.csv").events.offset.tolist() == [2, 4, 10, 5]
    given = load_annotations("ovavebench", tmp_path / "ovavel_dataset_anno.json")
    assert given.events.offset.tolist() == [10, 10, 10]


def test_training_subsets(tmp_path):
    compact(tmp_path)
    with pytest.raises(DataError, match=r"holds no train_subsets.csv.gz, which says what train_25 is"):
        load_annotations("ovavebench", tmp_path, "train_25")
    (tmp_path / "train_subsets.csv").write_text("video_id,in_25,in_50,in_75\na1,0,1,1\na2,1,0,1\n")
    got = {s: load_annotations("ovavebench", tmp_path, f"train_{s}").video_ids for s in (25, 50, 75)}
    assert got == {25: ("a2",), 50: ("a1",), 75: ("a1", "a2")}
    other = tmp_path / "authors"
    other.mkdir()
    authors(other)
    (other / "ovave_trainratio0.25_meta.csv").write_text(
        "split,cls_name,cls_type,vid_name\ntrain,cat purring,close,a2\nval,helicopter,open,b1"
    )
    assert load_annotations("ovavebench", other, "train_25").video_ids == ("a2",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: (*r[:4], "111"), "expected 10 times 0 or 1"),
        (lambda r: (*r[:4], "1111111112"), "expected 10 times 0 or 1"),
        (lambda r: (*r[:3], "c1", r[4]), "the video 'c1' is duplicated"),
        (lambda r: (r[0], "arc weldin", *r[2:]), "the nearest is 'arc welding'"),
    ],
)
@pytest.mark.parametrize("write", [compact, authors])
def test_malformed_rows_are_named(tmp_path, write, change, words):
    rows = [*ROWS, change(("test", "arc welding", "seen", "c9", "1111111111"))]
    with pytest.raises(DataError, match=words) as caught:
        load_annotations("ovavebench", write(tmp_path, rows))
    assert str(tmp_path) in str(caught.value)


def test_damaged_files(tmp_path):
    compact(tmp_path)
    file = tmp_path / "ovavebench.csv.gz"
    for split, words in (("tset", "no split 'tset'"), ("val", "no video of the split 'val'")):
        compact(tmp_path, ROWS[:2])
        with pytest.raises((DataError, UsageError), match=words):
            load_annotations("ovavebench", tmp_path, split)
    file.write_bytes(b"")
    with pytest.raises(DataError, match="is cut short"):
        load_annotations("ovavebench", file)
    file.write_bytes(gzip.compress(b"x" * 100)[:-6])
    with pytest.raises(DataError, match="is cut short; pack it again"):
        load_annotations("ovavebench", file)
    compact(tmp_path, [("test", "arc welding", "sen", "c1", "1111111111")])
    with pytest.raises(DataError, match="line 2: the group is 'sen'"):
        load_annotations("ovavebench", file)
    (tmp_path / "plain.csv").write_text("split,category,group,video_id,label\ntest,arc welding\n")
    with pytest.raises(DataError, match="line 2: 2 columns, expected 5 separated by commas"):
        load_annotations("ovavebench", tmp_path / "plain.csv")


def test_authors_files_must_fit_together(tmp_path):
    authors(tmp_path)
    file = tmp_path / "released_ovavel_dataset_anno.json"
    data = json.loads(file.read_text())
    for change, words in (
        ({"c1": {"category": "helicopter", "label": "[]"}}, "is 'arc welding' here and 'helicopter' in"),
        ({"c1": {"category": "arc welding"}}, "'c1': object missing required field label"),
        ({"c1": {"category": "arc welding", "label": "[0, 1"}}, "the label of video 'c1' is not readable JSON"),
        (
            {"c1": {"category": "arc welding", "label": "[0, 2]"}},
            "the label of video 'c1', number 2: expected int <= 1",
        ),
        ({"c1": {"category": "arc welding", "label": "[0, 1]"}}, "expected 10 times 0 or 1"),
        ({"c1": {"category": "arc welding", "label": [True] * 10}}, "'c1', 'label', number 1: expected int, got bool"),
    ):
        file.write_text(json.dumps({**data, **change}))
        with pytest.raises(DataError, match=words):
            load_annotations("ovavebench", tmp_path)
    del data["c1"]
    file.write_text(json.dumps(data))
    with pytest.raises(DataError, match="line 5: the video 'c1' has no labels"):
        load_annotations("ovavebench", tmp_path)
    file.write_text("[]")
    with pytest.raises(DataError, match="expected"):
        load_annotations("ovavebench", tmp_path)
    file.write_text("{")
    with pytest.raises(DataError, match="not readable JSON"):
        load_annotations("ovavebench", tmp_path)


# the real files


@pytest.fixture(scope="module")
def bench(shared_data) -> dict[str, Annotations]:
    folder = shared_data / "data" / "ovavebench"
    return {s: load_annotations("ovavebench", folder, s) for s in ("train", "val", "test")}


@pytest.mark.slow
def test_counts_of_the_paper(bench, shared_data):
    folder = shared_data / "data" / "ovavebench"
    assert {s: len(a.video_ids) for s, a in bench.items()} == {"train": 13182, "val": 5798, "test": 5820}
    assert {s: (a.group.count("seen"), a.group.count("unseen")) for s, a in bench.items()} == {
        "train": (13182, 0), "val": (1651, 4147), "test": (1664, 4156),
    }  # fmt: skip
    assert [len(load_annotations("ovavebench", folder, f"train_{p}").video_ids) for p in (25, 50, 75)] == [
        3308, 6598, 9900,
    ]  # fmt: skip
    assert len(set(bench["train"].category.tolist())) == 46
    assert {bench["test"].labels[c] for c in bench["test"].category} == set(LABELS[:67])
    full = empty = 0
    for a in bench.values():
        covered = np.bincount(
            np.repeat(np.arange(len(a.video_ids)), np.diff(a.events.starts)[2::3]),
            a.events.offset - a.events.onset,
            len(a.video_ids),
        )
        full, empty = full + (covered == 10).sum(), empty + (covered == 0).sum()
    assert (full, empty) == (10782, 6019)
    for name, groups in (("seen", SEEN), ("unseen", UNSEEN)):
        a = bench["test"]
        assert {a.labels[c] for c, g in zip(a.category, a.group, strict=True) if g == name} == set(groups)


@pytest.mark.slow
def test_revisions_are_told_by_content(bench, shared_data, tmp_path):
    assert {a.revision for a in bench.values()} == {"released"}
    assert all(not a.notes for a in bench.values())
    folder = shared_data / "data" / "ovavebench"
    with gzip.open(folder / "ovavebench.csv.gz", "rt") as file:
        rows = [tuple(r.values()) for r in csv.DictReader(file)]
    revisions = csv.DictReader((folder / "label_revisions.csv").read_text().splitlines())
    earlier = {r["video_id"]: r["label_unreleased_json"] for r in revisions}
    # under the other file's name
    authors(tmp_path, [(*r[:4], earlier.get(r[3], r[4])) for r in rows])
    for split in ("train", "val", "test"):
        a = load_annotations("ovavebench", tmp_path, split)
        assert a.revision == "earlier"
        assert "12 of 24,800" in a.notes[0]
    authors(tmp_path, rows)
    a = load_annotations("ovavebench", tmp_path)
    assert a.revision == "released"
    assert a.video_ids == bench["test"].video_ids
    np.testing.assert_array_equal(a.events.offset, bench["test"].events.offset)


def predictions(a: Annotations, events: Events) -> Predictions:
    return Predictions(LABELS, {}, a.video_ids, a.segments_per_video, events)


def agreement_events(flags, category) -> Events:
    said = np.where(flags, np.asarray(category, np.int32)[:, None], -1).astype(np.int32)
    return runs_of(said.reshape(1, -1), np.full(len(said), 10))


def figures(e, group) -> list[float]:
    return [e.metrics[f"{group}_{name}"] / 100 for name in ("acc", "seg", "event")]


@pytest.mark.slow
@pytest.mark.parametrize("style", ["v0", "v1"])
def test_noisy_predictions_on_real_annotations(bench, style):
    """Per video and as logged for both batch sizes, for total, seen and unseen."""
    g, results = golden.load("real_test_metrics"), golden.load_json("real_test_metrics")
    a = bench["test"].select(g["test_index"].tolist())
    if style == "v0":
        events = agreement_events(g["v0_is_event"] == 1, g["v0_class"])
    else:
        said = g["v1_seg_class"].astype(np.int32)
        events = runs_of(
            np.where(said == golden.OTHER, -1, said).astype(np.int32).reshape(1, -1), np.full(len(said), 10)
        )
    e = evaluate_predictions(predictions(a, events), a)
    for name, key, tolerance in (("acc", "acc", 1e-12), ("seg", "segF", 1e-6), ("event", "eveF", 1e-12)):
        np.testing.assert_allclose(e.per_video[f"total_{name}"] / 100, g[f"{style}_{key}"], atol=tolerance, rtol=0)
    np.testing.assert_allclose(figures(e, "total"), results["total"][f"{style}_exact_mean"], atol=1e-6, rtol=0)
    for size in (4, 32):
        e = evaluate_predictions(predictions(a, events), a, batch_size=size)
        for group in ("total", "seen", "unseen"):
            assert e.groups[group] == results[group]["n"]
            want = results[group][f"{style}_bs{size}"]
            np.testing.assert_allclose(figures(e, group), want, atol=1e-6, rtol=0)
            assert figures(e, group)[2] == pytest.approx(want[2], abs=1e-12)


def test_trivial_predictors(bench):
    a = bench["test"]
    n = len(a.video_ids)
    truth = np.zeros((n, 10), bool)
    for v in range(n):
        for _, onset, offset, _ in a.events.track(v, 2):
            truth[v, onset:offset] = True
    everything, nothing = np.ones((n, 10), bool), np.zeros((n, 10), bool)
    results = golden.load_json("trivial_predictors")
    made = {
        "all_background(no agreement)": (nothing, a.category),
        "all_agree_on_other(v01 quirk)": (everything, np.full(n, golden.OTHER)),
        "always_class_0": (everything, np.zeros(n, int)),
        "oracle_category_all_segments": (everything, a.category),
        "oracle_localisation_wrong_class": (truth, (a.category + 1) % 67),
        "perfect": (truth, a.category),
    }
    assert made.keys() == results.keys()
    for name, (flags, category) in made.items():
        for style in ("v0", "v1"):
            # a class per segment knows no event of `other`
            shown = flags & (style == "v0" or category[:, None] != golden.OTHER)
            e = evaluate_predictions(predictions(a, agreement_events(shown, category)), a, batch_size=4)
            for group in ("total", "seen", "unseen"):
                want = results[name][group][f"{style}_functions_bs4"]
                np.testing.assert_allclose(figures(e, group), want, atol=1e-6, rtol=0)
