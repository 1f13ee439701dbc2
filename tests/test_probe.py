"""The linear probe: it learns what the embeddings hold and nothing else, on every kind of annotation."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, open_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import Events
from avreplay.core.reference import runs_of
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.ave import LABELS as AVE_LABELS
from avreplay.evaluate.datasets.llp import LABELS as LLP_LABELS
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.predictions import read_predictions
from avreplay.evaluate.probe.linear import fit_probe
from avreplay.evaluate.probe.run import probe, runs, weakened
from avreplay.evaluate.scoring import evaluate_predictions
from click.testing import CliRunner
from made_store import CONFIG

LABELS = ("dog", "cat", "bell")
T = 6


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def annotations(masks, split, labels=LABELS, names=None) -> Annotations:
    """Annotations of masks (N, 2, T, C): audio and visual."""
    tracks = [
        [[(c, *r) for c in range(len(labels)) for r in runs_of(mask[:, c])] for mask in video] + [[]] for video in masks
    ]
    ids = names or tuple(f"{split}{i}" for i in range(len(masks)))
    counts = np.full(len(masks), masks.shape[2], np.int64)
    return Annotations("json", split, labels, ids, counts, Events.from_tracks(tracks), split)


def store(url, ids, audio, visual, **config):
    """A store of given segment embeddings (N, T, D); a video of NaN has no such stream."""
    dims = {"audio": audio.shape[2], "visual": visual.shape[2], "visual_rows": 1}
    with StoreWriter.open(url, {**CONFIG, "dims": dims, **config}, ids, shard_videos=16) as writer:
        at = {name: i for i, name in enumerate(ids)}
        for index, names in writer.pending():
            rows = []
            for name in names:
                a, v = audio[at[name]], visual[at[name]]
                silent = bool(np.isnan(a).any())
                sound = {} if silent else {"audio_segments": a, "audio_clip": a[0], "window_audio": a[:0]}
                rows.append((
                    VideoRecord(name, "no_audio" if silent else "ok", "", len(v), float(len(v))),
                    VideoEmbeddings(np.zeros((0, 2), np.int64), visual_segments=v, visual_clip=v[:1],
                                    window_visual=v[:0, None], **sound),
                ))  # fmt: skip
            writer.write_shard(index, rows)
    return open_store(url)


def masks_of(rng, videos, density=0.25, labels=3, segments=T):
    return rng.random((videos, 2, segments, labels)) < density


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Visual embeddings show the visual events; audio embeddings are noise."""
    folder = tmp_path_factory.mktemp("probe")
    rng = np.random.default_rng(0)
    train, test = masks_of(rng, 60), masks_of(rng, 40)
    ids = [f"train{i}" for i in range(60)] + [f"test{i}" for i in range(40)]
    seen = np.concatenate([train, test])[:, 1]
    visual = np.concatenate([seen, np.zeros((100, T, 2))], axis=2) @ rng.normal(size=(5, 8)) + 3
    visual = (visual + rng.normal(0, 0.15, visual.shape)) * np.array([1, 50, 1, 0.01, 1, 1, 1, 1])
    made = store(folder / "s", ids, rng.normal(size=(100, T, 6)), visual)
    pair = annotations(train, "train"), annotations(test, "test")
    write_annotations(folder / "train.json", pair[0])
    write_annotations(folder / "test.json", pair[1])
    return folder, made, *pair


def constant(test: Annotations, track: int, label: int | None) -> float:
    """Segment F1 of the track when the same is said of every second."""
    events = Events.from_tracks([
        [[(label, 0, int(n))] if k == track and label is not None else [] for k in range(3)]
        for n in test.segments_per_video
    ])  # fmt: skip
    from avreplay.evaluate.files.predictions import Predictions

    said = Predictions(test.labels, {}, test.video_ids, test.segments_per_video, events)
    return evaluate_predictions(said, test).metrics[("audio_seg", "visual_seg")[track]]


def test_a_probe_beats_chance_clearly_and_a_shuffled_one_does_not(world):
    _, made, train, test = world
    chance = max(constant(test, 1, c) for c in (None, 0, 1, 2))
    learned = probe(made, "visual", train, test).metrics
    assert set(learned) == {"visual_seg", "visual_event"}
    assert learned["visual_seg"] > chance + 40
    for seed in range(3):
        assert probe(made, "visual", train, test, shuffle_labels=True, seed=seed).metrics["visual_seg"] < chance + 5


def test_noise_teaches_nothing(world):
    _, made, train, test = world
    chance = max(constant(test, 0, c) for c in (None, 0, 1, 2))
    assert probe(made, "audio", train, test).metrics["audio_seg"] < chance + 5


def test_same_result_each_time_and_seeds_differ(world):
    _, made, train, test = world
    one, two = (probe(made, "visual", train, test) for _ in range(2))
    assert one.as_dict() == two.as_dict()
    for name in ("starts", "label", "onset", "offset"):
        assert getattr(one.predictions.events, name).tobytes() == getattr(two.predictions.events, name).tobytes()
    dealt = [probe(made, "visual", train, test, shuffle_labels=True, seed=s, strength=1e4).metrics for s in (1, 1, 2)]
    assert dealt[0] == dealt[1]
    frequent = [annotations(masks_of(np.random.default_rng(5), 60, density=0.5), "train"), test]
    few = [probe(made, "audio", *frequent, shuffle_labels=True, seed=s).predictions.events.label for s in (1, 2)]
    assert few[0].tolist() != few[1].tolist()


def test_the_command_and_its_predictions(world):
    folder, made, train, test = world
    done = run("probe", made.url, "--dataset", "json", "--annotations", folder / "test.json", "--train-annotations",
               folder / "train.json", "--modality", "visual", "--out", folder / "p.json", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    want = probe(made, "visual", train, test)
    assert shown == want.as_dict()
    assert (shown["train_videos"], shown["train_segments"], shown["labels_learned"]) == (60, 360, 3)
    assert (shown["videos_scored"], shown["videos_expected"]) == (40, 40)
    read = read_predictions(folder / "p.json")
    assert read.params["probe"] == "visual"
    scored = run("evaluate", folder / "p.json", "--dataset", "json", "--annotations", folder / "test.json", "--json")
    figures = json.loads(scored.stdout)["metrics"]
    assert {k: figures[k] for k in shown["metrics"]} == shown["metrics"]
    text = run("probe", made.url, "--dataset", "json", "--annotations", folder / "test.json", "--train-annotations",
               folder / "train.json", "--modality", "visual", "--train-labels", "video").stdout  # fmt: skip
    assert "labels of their video" in text
    assert "trained on 360 segments of 60 videos" in text


def test_weak_labels_hold_in_the_whole_video_and_every_track():
    masks = np.zeros((2, 2, 4, 3), bool)
    masks[0, 0, 1, 2] = masks[0, 1, 0, 0] = True
    weak = weakened(annotations(masks, "train"))
    for track in range(3):
        assert [e[:3] for e in weak.events.track(0, track)] == [(0, 0, 4), (2, 0, 4)]
        assert weak.events.track(1, track) == []


def test_weak_labels_are_worse_where_events_are_short(world):
    _, made, train, test = world
    weak = probe(made, "visual", train, test, train_labels="video")
    assert weak.train_labels == "video"
    assert weak.metrics["visual_seg"] < probe(made, "visual", train, test).metrics["visual_seg"] - 20


def test_videos_without_the_stream_are_not_learned_from_and_stay_empty(tmp_path):
    rng = np.random.default_rng(3)
    masks = masks_of(rng, 30)
    audio = np.concatenate([masks[:, 0], rng.normal(size=(30, T, 3))], axis=2) * 4.0
    audio[[2, 25]] = np.nan
    ids = [f"train{i}" for i in range(20)] + [f"test{i}" for i in range(10)]
    made = store(tmp_path / "s", ids, audio, rng.normal(size=(30, T, 8)))
    result = probe(made, "audio", annotations(masks[:20], "train"), annotations(masks[20:], "test"))
    assert (result.train_videos, result.train_segments) == (19, 19 * T)
    at = result.predictions.video_ids.index("test5")
    assert result.predictions.events.track(at, "audio") == []
    assert result.metrics["audio_seg"] > 80
    assert result.evaluation.videos_scored == 10


def test_videos_longer_or_shorter_than_annotated(world):
    """Seconds without an annotation teach nothing, those without an embedding are predicted empty."""
    _, made, train, test = world
    for segments in (T - 2, T + 3):
        masks = np.zeros((60, 2, segments, 3), bool)
        for v in range(60):
            masks[v, :, :T] = _mask(train, v, LABELS)[:, :segments]
        result = probe(made, "visual", annotations(masks, "train"), test)
        assert result.train_segments == 60 * min(T, segments)
        assert result.metrics["visual_seg"] > 80


def test_train_videos_from_another_store(world, tmp_path):
    """Split over two stores, with the labels in another order: the same figures."""
    _, made, train, test = world
    records, visual = made.segment_embeddings("visual")
    _, audio = made.segment_embeddings("audio")
    audio, visual = (x.astype(np.float64).reshape(len(records), T, -1) for x in (audio, visual))
    ids = [r.id for r in records]
    first = store(tmp_path / "train", ids[:60], audio[:60], visual[:60])
    second = store(tmp_path / "test", ids[60:], audio[60:], visual[60:])
    masks = np.stack([_mask(train, v, LABELS[::-1]) for v in range(60)])
    turned = annotations(masks, "train", LABELS[::-1])
    both = probe(second, "visual", turned, test, train_store=first)
    assert both.metrics == probe(made, "visual", train, test).metrics
    other = store(tmp_path / "other", ids[:60], audio[:60], visual[:60], backbone={"name": "other", "weights": "none"})
    with pytest.raises(DataError, match="different configurations"):
        probe(second, "visual", train, test, train_store=other)
    with pytest.raises(DataError, match="has visual of no video of json train"):
        probe(second, "visual", train, test)


def _mask(a: Annotations, video: int, labels):
    mask = np.zeros((2, T, len(labels)), bool)
    for k in range(2):
        for c, s, e, _ in a.events.track(video, k):
            mask[k, s:e, labels.index(a.labels[c])] = True
    return mask


def test_ave_is_one_class_or_background_a_second(tmp_path):
    rng = np.random.default_rng(4)
    lines: dict[str, list[str]] = {"trainSet.txt": [], "testSet.txt": []}
    ids, shown = [], []
    for i in range(60):
        label, (a, b) = int(rng.integers(4)), sorted(rng.choice(11, 2, replace=False).tolist())
        ids.append(f"v{i}")
        lines["trainSet.txt" if i < 40 else "testSet.txt"].append(f"{AVE_LABELS[label]}&v{i}&good&{a}&{b}")
        one = np.zeros((10, 5))
        one[:, 4] = 1
        one[a:b] = np.eye(5)[label]
        shown.append(one @ np.random.default_rng(0).normal(size=(5, 8)))
    for name, rows in lines.items():
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    visual = np.stack(shown) + rng.normal(0, 0.1, (60, 10, 8))
    made = store(tmp_path / "s", ids, rng.normal(size=(60, 10, 6)), visual)
    done = run("probe", made.url, "--dataset", "ave", "--annotations", tmp_path, "--modality", "visual", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found["metrics"]) == {"accuracy"}
    assert found["metrics"]["accuracy"] > 97
    assert (found["train_split"], found["labels_learned"]) == ("train", 4)
    noise = run("probe", made.url, "--dataset", "ave", "--annotations", tmp_path, "--modality", "audio", "--json")
    background = np.mean([10 - (int(r.split("&")[4]) - int(r.split("&")[3])) for r in lines["testSet.txt"]]) * 10
    assert json.loads(noise.stdout)["metrics"]["accuracy"] < background + 8


@pytest.mark.slow
def test_llp_learns_from_val_or_from_the_weak_train_split(tmp_path, shared_data):
    """The real csv files with made-up embeddings that show the annotated visual events."""
    folder = shared_data / "data" / "llp"
    for file in folder.glob("AVVP_*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    rng = np.random.default_rng(6)
    basis = rng.normal(size=(25, 48))
    ids, embeddings = [], []
    for split, count in (("val", 120), ("test", 60)):
        truth = load_annotations("llp", folder, split)
        for v in range(count):
            mask = np.zeros((10, 25))
            for c, s, e, _ in truth.events.track(v, "visual"):
                mask[s:e, c] = 1
            ids.append(truth.video_ids[v].rsplit("_", 2)[0])
            embeddings.append(mask @ basis + rng.normal(0, 0.3, (10, 48)))
    weak = [f"weak{i}" for i in range(50)]
    labels = rng.integers(25, size=50)
    rows = [f"{name}_0_10\t{LLP_LABELS[c]}" for name, c in zip(weak, labels, strict=True)]
    (tmp_path / "AVVP_train.csv").write_text("filename\tevent_labels\n" + "\n".join(rows) + "\n")
    embeddings += [np.tile(basis[c], (10, 1)) + rng.normal(0, 0.3, (10, 48)) for c in labels]
    made = store(tmp_path / "s", ids + weak, rng.normal(size=(230, 10, 6)), np.stack(embeddings))
    common = ["probe", made.url, "--dataset", "llp", "--annotations", tmp_path, "--modality", "visual", "--json"]
    strong = json.loads(run(*common).stdout)
    assert (strong["train_split"], strong["train_labels"], strong["train_videos"]) == ("val", "segment", 120)
    assert (strong["videos_scored"], strong["videos_expected"]) == (60, 1200)
    assert strong["metrics"]["visual_seg"] > 80
    weakly = json.loads(run(*common, "--train-split", "train").stdout)
    assert (weakly["train_split"], weakly["train_labels"], weakly["train_videos"]) == ("train", "video", 50)
    assert weakly["labels_learned"] == len(set(labels.tolist()))
    assert weakly["metrics"]["visual_seg"] > 30
    other_way = json.loads(run(*common, "--train-split", "test", "--split", "val").stdout)
    assert (other_way["split"], other_way["videos_scored"]) == ("val", 120)
    refused = run(*common, "--train-split", "train", "--train-labels", "segment")
    assert refused.exit_code == 2
    assert "no labels per segment" in refused.stderr
    (tmp_path / "AVVP_train.csv").unlink()
    missing = run(*common, "--train-split", "train")
    assert missing.exit_code == 1
    assert "AVVP_train.csv" in missing.stderr


def test_bad_requests_are_one_sentence(world, tmp_path, monkeypatch):
    _, made, train, test = world
    with pytest.raises(UsageError, match="no modality 'sound'"):
        probe(made, "sound", train, test)
    with pytest.raises(UsageError, match="strength is 0"):
        probe(made, "visual", train, test, strength=0)
    with pytest.raises(UsageError, match="train_labels is 'weak'"):
        probe(made, "visual", train, test, train_labels="weak")
    with pytest.raises(DataError, match="40 videos are in the training and in the scored split, 'test0' for one"):
        probe(made, "visual", test, test)
    slow = Annotations(**{**vars(train), "segment_seconds": 2.0})
    with pytest.raises(DataError, match="'train0' is annotated in segments of 2 s"):
        probe(made, "visual", slow, test)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(UsageError, match=r'pip install .*\[probe\]"'):
        probe(made, "visual", train, test)


def test_a_store_of_scores_has_nothing_to_probe(tmp_path):
    np.savez(tmp_path / "b.npz", video_ids=["a"], labels=["x"], segments_per_video=[1], visual_segments=np.ones((1, 1)))
    assert run("import", tmp_path / "b.npz", tmp_path / "s").exit_code == 0
    with pytest.raises(DataError, match="no embeddings"):
        open_store(tmp_path / "s").segment_embeddings("visual")


def test_labels_that_hold_never_or_always_are_predicted_so():
    rng = np.random.default_rng(8)
    x, targets = rng.normal(size=(50, 3)), np.zeros((50, 3), bool)
    targets[:, 1] = True
    targets[:, 2] = x[:, 0] > 0
    decided = fit_probe(x, targets).decide(x)
    assert not decided[:, 0].any()
    assert decided[:, 1].all()
    assert (decided[:, 2] == targets[:, 2]).mean() > 0.9


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_one_class_with_any_number_of_classes(classes):
    """Also two, of which only the difference is fitted, and classes that do not come up; background is the last."""
    rng = np.random.default_rng(9)
    y = rng.integers(classes, size=90)
    x = np.eye(3)[y] * 5 + rng.normal(size=(90, 3))
    for order in ([0, 2, 4], [4, 1, 3]):  # of 5 classes: 4 labels and background
        truth = np.array(order)[y]
        targets = truth[:, None] == np.arange(4)
        decided = fit_probe(x, targets, one_class=True).decide(x)
        assert (decided == targets).all(axis=1).mean() > 0.95


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="NaN or infinity"):
        fit_probe(np.full((4, 2), np.nan), np.ones((4, 1), bool))


def test_runs_are_those_of_the_reference():
    rng = np.random.default_rng(10)
    for segments in (0, 1, 5, 12):
        mask = rng.random((segments, 4)) < 0.5
        assert runs(mask) == [(c, *r) for c in range(4) for r in runs_of(mask[:, c])]
