"""Fine-tuning on a store: what it learns, that it can be repeated and resumed to the bit, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import avreplay  # noqa: E402
from avreplay.cache import StoreWriter, Vocabulary, open_store, verify_store  # noqa: E402
from avreplay.cli import main  # noqa: E402
from avreplay.core.decoders.ovavel import ovavel_events  # noqa: E402
from avreplay.core.errors import AvreplayError, DataError, UsageError  # noqa: E402
from avreplay.core.params.ovavel import make_ovavel_params  # noqa: E402
from avreplay.core.segment_targets import SegmentTargets, segment_figures  # noqa: E402
from avreplay.extract.finetune.checkpoint import load_best, save_best  # noqa: E402
from avreplay.extract.finetune.config import FinetuneConfig  # noqa: E402
from avreplay.extract.finetune.data import load_embeddings, training_videos  # noqa: E402
from avreplay.extract.finetune.run import apply_checkpoint, finetune_store  # noqa: E402
from avreplay.extract.finetune.temporal import TemporalLayer  # noqa: E402
from avreplay.extract.finetune.train import Trainer, inputs  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from ovavebench_made import Sizes, made_targets, write_made_annotations, write_made_store  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

SIZES = Sizes(share=0.02, seen=12, unseen=6, dim=64, signal=0.5, quiet=0.5)
SMALL = FinetuneConfig(hidden=16, feedforward=24, learning_rate=1e-3, epochs=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small store, not to be changed, and its targets."""
    targets = made_targets(SIZES)
    url = tmp_path_factory.mktemp("made") / "s"
    write_made_store(str(url), targets, SIZES)
    return url, targets


@pytest.fixture
def store(made, tmp_path):
    """A copy that may be changed, and the targets."""
    shutil.copytree(made[0], tmp_path / "s")
    return tmp_path / "s", made[1]


def weights(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("best.safetensors", "last.safetensors", "metrics.json")}


def decided(bundle, targets: SegmentTargets, preset: str, fusion: str = "sqrt") -> np.ndarray:
    """(N, T) class of every segment of the targets by one of OV-AVEL's decoders."""
    events = ovavel_events(bundle, make_ovavel_params(preset, values={"fusion": fusion}))
    at = {v: i for i, v in enumerate(bundle.video_ids)}
    out = np.full(targets.classes.shape, targets.background)
    for i, video in enumerate(targets.video_ids):
        for label, onset, offset, _ in events.track(at[video], "audio_visual"):
            out[i, onset:offset] = label
    return out


@pytest.mark.slow
def test_fine_tuning_beats_training_free_on_classes_never_trained_on(store):
    """As in the paper's Table 2: on made data the layers learn what neighbouring segments say."""
    url, targets = store
    config = FinetuneConfig(hidden=32, feedforward=64, learning_rate=1e-3, epochs=8)
    summary = finetune_store(url, targets, config, checkpoint=url.parent / "c")
    unseen = targets.select("test", "unseen")
    opened = open_store(url)
    tuned = decided(opened.bundle("finetuned"), targets, "finetuned")
    free = decided(opened.cosines(), targets, "training_free")
    better, base = (segment_figures(targets, unseen, p[unseen]) for p in (tuned, free))
    assert better["avg"] > base["avg"] + 8
    assert better["event"] > base["event"] + 12
    untrained = decided(opened.cosines(), targets, "finetuned")
    assert better["avg"] > segment_figures(targets, unseen, untrained[unseen])["avg"] + 25
    linear = replace(config, layer="linear", epochs=4)
    alone = finetune_store(url, targets, linear, name="linear", checkpoint=url.parent / "linear")
    assert better["avg"] > alone.figures["unseen"]["avg"] + 8
    # the decoder over the score set decides what the training's own figures are of
    assert summary.figures["unseen"] == pytest.approx(better, abs=1e-9)
    losses = [row["loss"] for row in summary.history]
    assert losses == sorted(losses, reverse=True)
    assert summary.best_epoch == 1 + int(np.argmax([row["val_avg"] for row in summary.history]))
    assert verify_store(url) == []


def test_scores_are_those_of_the_layers(store):
    url, targets = store
    config = replace(SMALL, layers=2, heads=2, attention="both", dtype="float64")
    finetune_store(url, targets, config, checkpoint=url.parent / "c")
    bundle = open_store(url).bundle("finetuned")
    layer, read, _ = load_best(url.parent / "c", 64)
    assert read == config
    embeddings = load_embeddings(open_store(url))
    assert embeddings.video_ids == bundle.video_ids
    some = np.array([3, 400, 17])
    audio, visual, keys = inputs(embeddings, some, config, torch.device("cpu"), torch.float64)
    np.testing.assert_allclose(audio.norm(dim=-1), 20, rtol=1e-12)
    np.testing.assert_allclose(visual.norm(dim=-1), 1, rtol=1e-12)
    with torch.no_grad():
        features = [x.numpy() for x in layer.eval()(audio, visual, keys)]
    text = open_store(url).vocabulary.audio_text.astype(np.float64)
    heard, seen = (
        np.einsum("btd,kd->btk", x / np.linalg.norm(x, axis=-1, keepdims=True),
                  text / np.linalg.norm(text, axis=1, keepdims=True)) for x in features
    )  # fmt: skip
    rows = bundle.segment_starts[some][:, None] + np.arange(10)
    np.testing.assert_allclose(bundle.audio_segments[rows], heard, atol=1e-6)
    np.testing.assert_allclose(bundle.visual_segments[rows], seen, atol=1e-6)
    np.testing.assert_allclose(bundle.audio_visual_segments[rows], np.sqrt(np.maximum(heard * seen, 0)), atol=1e-6)
    np.testing.assert_allclose(bundle.audio_clip[some], heard.mean(1), atol=1e-6)
    np.testing.assert_allclose(bundle.visual_clip[some, 0], seen.mean(1), atol=1e-6)
    v = features[1]
    pairs = (v[:, :-1] * v[:, 1:]).sum(-1) / np.linalg.norm(v[:, :-1], axis=-1) / np.linalg.norm(v[:, 1:], axis=-1)
    np.testing.assert_allclose(bundle.visual_cosine[rows][:, :-1], pairs, atol=1e-6)
    assert np.all(bundle.visual_cosine[rows][:, -1] == 0)


def test_the_same_training_twice_gives_the_same_bytes(store):
    url, targets = store
    for name, threads in (("a", 1), ("b", 2)):
        torch.set_num_threads(threads)  # the caller's threads are not the training's
        finetune_store(url, targets, SMALL, name=name, checkpoint=url.parent / name)
        assert torch.get_num_threads() == threads
    assert weights(url.parent / "a") == weights(url.parent / "b")
    sets = open_store(url).score_sets
    assert sets["a"]["config"] == sets["b"]["config"]
    first, second = (open_store(url).bundle(name) for name in "ab")
    assert first.audio_segments.tobytes() == second.audio_segments.tobytes()
    finetune_store(url, targets, replace(SMALL, seed=4), name="c", checkpoint=url.parent / "c")
    assert weights(url.parent / "c")["best.safetensors"] != weights(url.parent / "a")["best.safetensors"]


@pytest.mark.parametrize("switches", [{}, {"layer": "linear"}, {"attention": "cross", "window": 3}])
def test_a_resumed_training_is_an_uninterrupted_one_bit_for_bit(store, monkeypatch, switches):
    url, targets = store
    config = replace(SMALL, **switches)
    finetune_store(url, targets, config, name="whole", checkpoint=url.parent / "whole")
    epoch, calls = Trainer.run_epoch, []

    def interrupted(self, after_step=lambda: None):
        def step():
            calls.append(1)
            if len(calls) in (13, 20):
                raise KeyboardInterrupt

        return epoch(self, step)

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    folder = url.parent / "parts"
    for done in (1, 1):
        with pytest.raises(AvreplayError, match=f"{done} of 3 epochs are in .*run the same command again"):
            finetune_store(url, targets, config, name="parts", checkpoint=folder)
    assert list(open_store(url).score_sets) == ["whole"]
    summary = finetune_store(url, targets, config, name="parts", checkpoint=folder)
    assert (summary.resumed, summary.epochs) == (1, 3)
    assert weights(folder) == weights(url.parent / "whole")
    again = finetune_store(url, targets, config, name="parts", checkpoint=folder)
    assert (again.resumed, again.figures) == (3, summary.figures)


def test_more_epochs_go_on_from_fewer(store):
    url, targets = store
    finetune_store(url, targets, SMALL, name="whole", checkpoint=url.parent / "whole")
    finetune_store(url, targets, replace(SMALL, epochs=2), checkpoint=url.parent / "c")
    with pytest.raises(UsageError, match="has a score set 'finetuned' already"):
        finetune_store(url, targets, SMALL, checkpoint=url.parent / "c")
    summary = finetune_store(url, targets, SMALL, checkpoint=url.parent / "c", overwrite=True)
    assert summary.resumed == 2
    assert finetune_store(url, targets, SMALL, checkpoint=url.parent / "c").resumed == 3
    a, b = (load_best(url.parent / name, 64)[2]["weights_sha256"] for name in ("whole", "c"))
    assert a == b
    with pytest.raises(UsageError, match="has 3 epochs already and 1 are requested"):
        finetune_store(url, targets, replace(SMALL, epochs=1), name="d", checkpoint=url.parent / "c")
    assert json.loads((url.parent / "c" / "config.json").read_text())["config"]["epochs"] == 3


@pytest.mark.parametrize("fusion", ["prob_avg", "fea_avg"])
def test_other_fusions_are_trained_and_decided_by(store, fusion):
    """Paper Table 4: the decoder with the same fusion decides what the training's own figures are of."""
    url, targets = store
    summary = finetune_store(url, targets, replace(SMALL, fusion=fusion), checkpoint=url.parent / "c")
    params = make_ovavel_params("finetuned", values={"fusion": fusion})
    bundle = avreplay.replay(url, params, scores="finetuned").bundle
    tuned = decided(bundle, targets, "finetuned", fusion)
    rows = targets.select("test")
    assert segment_figures(targets, rows, tuned[rows]) == pytest.approx(summary.figures["total"], abs=1e-9)
    if fusion == "prob_avg":
        mean = (bundle.audio_segments + bundle.visual_segments) / 2
        np.testing.assert_allclose(bundle.audio_visual_segments, mean, atol=1e-6)
    other = Vocabulary(*([targets.labels] * 3), *np.random.default_rng(0).normal(size=(2, 19, 64)).astype(np.float32))
    with StoreWriter.open(url, open_store(url).config, []) as writer:
        writer.set_vocabulary(other)
    if fusion == "fea_avg":
        refused(DataError, "their features have no mean", url, targets, replace(SMALL, fusion=fusion), name="b")


def test_a_checkpoint_scores_another_store(store, tmp_path):
    url, targets = store
    finetune_store(url, targets, SMALL, checkpoint=tmp_path / "c")
    other = replace(SIZES, share=0.01)
    write_made_store(str(tmp_path / "o"), made_targets(other), other)
    summary = apply_checkpoint(tmp_path / "o", tmp_path / "c", name="from-afar")
    assert summary.scored == open_store(tmp_path / "o").bundle("from-afar").num_videos
    first = open_store(url).bundle("finetuned")
    shutil.rmtree(url / "score_sets")
    apply_checkpoint(url, tmp_path / "c")
    assert open_store(url).bundle("finetuned").audio_segments.tobytes() == first.audio_segments.tobytes()


def test_selection_by_validation_test_or_not_at_all(store):
    url, targets = store
    expected = {"val": ("val", None), "val_seen": ("val", "seen"), "test_as_released": ("test", "seen")}
    for select, (split, group) in expected.items():
        asked = []

        def score(_, rows, predicted, asked=asked):
            asked.append(rows)
            assert predicted.shape == (len(rows), 10)
            return {"avg": [5.0, 7.0, 7.0][len(asked) - 1]}

        summary = finetune_store(
            url, targets, replace(SMALL, select=select), name=select, checkpoint=url.parent / select, score=score
        )
        assert all(np.array_equal(rows, targets.select(split, group)) for rows in asked)
        assert len(asked) == 3
        assert summary.best_epoch == 2  # strictly better, as released
    summary = finetune_store(url, targets, replace(SMALL, select="last"), name="l", checkpoint=url.parent / "l")
    assert summary.best_epoch == 3
    with pytest.raises(UsageError, match="select is 'test'"):
        replace(SMALL, select="test")


def test_training_ratio_takes_a_share_of_each_class_rounded_up(made):
    _, targets = made
    full = training_videos(targets, SMALL)
    sets = {}
    for ratio in (0.25, 0.5):
        part = training_videos(targets, replace(SMALL, train_ratio=ratio))
        assert set(part) < set(full)
        for category in np.unique(targets.categories[full]):
            count = int((targets.categories[full] == category).sum())
            assert (targets.categories[part] == category).sum() == -(-count * ratio // 1)
        sets[ratio] = part
        np.testing.assert_array_equal(part, training_videos(targets, replace(SMALL, train_ratio=ratio)))
    assert not np.array_equal(sets[0.25], training_videos(targets, replace(SMALL, train_ratio=0.25, seed=9)))


@pytest.mark.slow
def test_short_long_and_silent_videos(tmp_path):
    """Videos of one to seven segments, some without sound: padding changes no score, absent streams score 0."""
    url = str(tmp_path / "s")
    words = ("dog", "cat", "other")
    rng = np.random.default_rng(0)
    text = rng.normal(size=(3, 6)).astype(np.float32)
    import made_store

    config = {**made_store.CONFIG, "dims": {"audio": 6, "visual": 6, "visual_rows": 2}}
    with StoreWriter.open(url, config, made_store.names(60)) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [_narrow(made_store.video(v)) for v in ids])
        writer.set_vocabulary(Vocabulary(words, words, words, text, text))
    records = {r.id: r for r in open_store(url).videos}
    names = [v for v in records if records[v].has_data]
    classes = rng.integers(0, 3, (len(names), 5))
    mask = np.arange(5) < np.array([records[v].segments for v in names])[:, None]
    splits = np.arange(len(names)) // 5 % 3
    targets = SegmentTargets.create(
        video_ids=names, labels=words, train_labels=words, classes=classes, mask=mask, splits=splits
    )
    with pytest.raises(DataError, match=r"of \d+ training videos have no audio and visual embeddings .*--skip-missing"):
        finetune_store(url, targets, SMALL, checkpoint=tmp_path / "c")
    config = replace(SMALL, window=3, distance_bias=True, power_norm=True, batch_size=4)
    summary = finetune_store(url, targets, config, checkpoint=tmp_path / "c", skip_missing=True)
    bundle = open_store(url).bundle("finetuned")
    tested = targets.select("test")
    assert any(records[targets.video_ids[i]].status == "no_audio" for i in tested)
    tuned = decided(bundle, targets, "finetuned")[tested]
    assert summary.figures["total"] == pytest.approx(segment_figures(targets, tested, tuned), abs=1e-9)
    silent = [v for v, r in records.items() if r.status == "no_audio"]
    layer, _, _ = load_best(tmp_path / "c", 6)
    embeddings = load_embeddings(open_store(url))
    unit_text = text / np.linalg.norm(text, axis=1, keepdims=True)
    for i, name in enumerate(bundle.video_ids):
        rows = slice(bundle.segment_starts[i], bundle.segment_starts[i + 1])
        audio, visual, keys = inputs(embeddings, np.array([i]), config, torch.device("cpu"), torch.float32)
        assert keys is None
        with torch.no_grad():
            seen = layer.eval()(audio, visual)[1][0].numpy()
        want = (seen / np.linalg.norm(seen, axis=1, keepdims=True)) @ unit_text.T
        np.testing.assert_allclose(bundle.visual_segments[rows], want, atol=1e-5)
        if name in silent:
            assert not bundle.has_audio[i]
            assert np.all(bundle.audio_segments[rows] == 0)
            assert np.all(bundle.audio_visual_segments[rows] == 0)
    assert silent


def _narrow(video):
    record, e = video
    if e is None:
        return video
    cut = {k: None if v is None else v[..., :6] for k, v in vars(e).items() if k != "windows"}
    return record, replace(e, **cut)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"layer": "conv"}, UsageError, "layer is 'conv'; choose one of temporal, linear"),
        ({"attention": "self"}, UsageError, "choose one of intra, cross, both"),
        ({"heads": 3}, UsageError, "hidden is 16, which 3 heads cannot share evenly"),
        ({"epochs": 0}, UsageError, "epochs is 0; it must be at least 1"),
        ({"train_ratio": 0.0}, UsageError, "train_ratio is 0.0"),
        ({"dropout": 1.0}, UsageError, "dropout is 1.0"),
        ({"learning_rate": float("nan")}, UsageError, "learning_rate is nan"),
        ({"audio_norm": -1.0}, UsageError, "audio_norm is -1.0"),
        ({"dtype": "float16"}, UsageError, "dtype is 'float16'"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(change, error, words):
    with pytest.raises(error, match=words) as caught:
        replace(SMALL, **change)
    assert "\n" not in str(caught.value)


def refused(error, words, *arguments, **options):
    with pytest.raises(error, match=words) as caught:
        finetune_store(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_bad_data_is_refused_in_one_sentence(store, tmp_path):
    url, targets = store
    folder = tmp_path / "c"
    extra = replace(targets, video_ids=("nowhere", *targets.video_ids[1:]))
    refused(DataError, r"1 of 264 training videos have no .*'nowhere' for one", url, extra, SMALL, checkpoint=folder)
    none = targets.take(np.flatnonzero(targets.splits > 0))
    refused(DataError, "the annotations hold no training video", url, none, SMALL, checkpoint=folder)
    no_val = targets.take(np.flatnonzero(targets.splits != 1))
    refused(DataError, "no video of the split 'val' to select by", url, no_val, SMALL, checkpoint=folder)
    foreign = replace(targets, video_ids=tuple(f"x{v}" for v in targets.video_ids))
    refused(DataError, "the store has no training video with embeddings", url, foreign, SMALL, checkpoint=folder,
            skip_missing=True)  # fmt: skip
    names = ("jingle", *targets.labels[1:])
    labelled = SegmentTargets.create(
        **{**vars(targets), "labels": names, "train_labels": [n for n in names if n not in targets.labels
                                                              or n in targets.train_labels]},
    )  # fmt: skip
    refused(DataError, "has no text of 1 of 19 labels, 'jingle' for one", url, labelled, SMALL, checkpoint=folder)
    ungrouped = replace(targets, groups=np.full(len(targets.groups), -1))
    refused(UsageError, "needs videos marked as seen or unseen", url, ungrouped, replace(SMALL, select="val_seen"),
            checkpoint=folder)  # fmt: skip
    refused(UsageError, "cannot be the name of a score set", url, targets, SMALL, name="../x", checkpoint=folder)
    refused(UsageError, "there is no device 'tpu' here", url, targets, SMALL, device="tpu", checkpoint=folder)
    assert not folder.exists()


def test_nan_in_the_store_is_named_by_its_video(store):
    url, targets = store
    file = next((url / "shards/00000/visual_segments/c").rglob("*"))
    file = file if file.is_file() else next(p for p in (url / "shards/00000/visual_segments").rglob("0") if p.is_file())
    content = bytearray(file.read_bytes())
    content[23 * 64 * 2 : 23 * 64 * 2 + 2] = np.float16(np.nan).tobytes()
    file.write_bytes(content)
    refused(DataError, "the visual embeddings of video 'train000002' hold NaN or infinity", url, targets, SMALL)


def test_nan_in_every_step_ends_the_training(store):
    url, targets = store
    config = replace(SMALL, learning_rate=9e5, clip=9e5)
    with pytest.raises(DataError, match="every step of this epoch gave NaN; lower the learning rate"):
        finetune_store(url, targets, replace(config, audio_norm=0, visual_norm=9e5, layer="linear", layers=9),
                       checkpoint=url.parent / "c")  # fmt: skip


def test_checkpoints_of_something_else_are_refused(store, tmp_path):
    url, targets = store
    folder = tmp_path / "c"
    finetune_store(url, targets, SMALL, checkpoint=folder)
    before = weights(folder)
    refused(DataError, r"another training: config\.layers is 1 in the checkpoint and 2 in this run", url, targets,
            replace(SMALL, layers=2), name="b", checkpoint=folder)  # fmt: skip
    part = targets.take(np.flatnonzero((targets.splits > 0) | (np.arange(len(targets.splits)) % 2 == 0)))
    refused(DataError, "train_sha256 is", url, part, SMALL, name="b", checkpoint=folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused(DataError, "is not empty and no checkpoint", url, targets, SMALL, name="b", checkpoint=tmp_path / "mine")
    assert weights(folder) == before

    finetune_store(url, targets, replace(SMALL, layers=2), name="two", checkpoint=tmp_path / "two")
    shutil.copy(tmp_path / "two" / "last.safetensors", folder / "last.safetensors")
    refused(DataError, r"another architecture: .*a_sa_blocks\.1\..* is \(.*\) there and absent here", url, targets,
            replace(SMALL, epochs=4), name="b", checkpoint=folder)  # fmt: skip
    (folder / "last.safetensors").write_bytes(before["last.safetensors"][:5000])
    refused(DataError, r"last\.safetensors is damaged", url, targets, replace(SMALL, epochs=4), name="b",
            checkpoint=folder)  # fmt: skip
    narrow = replace(SIZES, dim=32)
    write_made_store(str(tmp_path / "n"), made_targets(narrow), narrow)
    with pytest.raises(DataError, match="is for embeddings of width 64, those of the store are 32 wide"):
        apply_checkpoint(tmp_path / "n", tmp_path / "two")
    with pytest.raises(UsageError, match="there is no checkpoint"):
        apply_checkpoint(url, tmp_path / "nowhere")


def test_a_checkpoint_whose_metadata_lie_is_refused(tmp_path):
    """Metadata of another type or value, and tensors that are not the declared ones: a sentence with file and mend."""
    config = FinetuneConfig(hidden=4, feedforward=4)
    layer = TemporalLayer(8, config)
    good = {"format": "avreplay.finetune", "version": 1, "dim": 8, "config": config.as_dict()}
    save_best(tmp_path, layer, good, 3)
    assert load_best(tmp_path, 8)[2]["state"] == {"epoch": 3}
    file = tmp_path / "best.safetensors"
    tensors = load_file(file)
    whole = {"declaration": good, "state": {"epoch": 3}}

    def lied(key, value):
        return {**whole, "declaration": {**good, key: value}}

    def configured(key, value):
        return lied("config", {**good["config"], key: value})

    some = next(iter(tensors))
    for meta, changed, words in (
        ([1], {}, "metadata: expected object"),
        ("{", {}, "metadata is not readable JSON"),
        ({"state": {"epoch": 1}}, {}, "missing required field declaration"),
        ({**whole, "state": 3}, {}, "'state'"),
        ({**whole, "state": {"epoch": "3"}}, {}, "'epoch'"),
        (lied("format", 3), {}, "'format'"),
        (lied("format", "else"), {}, "is not a checkpoint of"),
        (lied("version", 99), {}, "upgrade"),
        (lied("dim", True), {}, "'dim'"),
        (lied("dim", 16), {}, "is for embeddings of width 16"),
        (lied("config", []), {}, "'config'"),
        (configured("layers", 10**9), {}, "layers"),
        (configured("layers", 10**6), {}, "declares 1000000 layers"),
        (configured("hidden", 2**19), {}, "another architecture"),
        (configured("dtype", "float128"), {}, "dtype is 'float128'"),
        (configured("heads", "1"), {}, "heads = '1'"),
        (configured("nonsense", 1), {}, "unknown entry 'nonsense'"),
        (whole, {some: tensors[some].int()}, "torch.int32"),
        (whole, {some: tensors[some][:1]}, "another architecture"),
    ):
        text = meta if isinstance(meta, str) else json.dumps(meta)
        save_file({**tensors, **changed}, file, {"avreplay": text})
        with pytest.raises(DataError, match=re.escape(words)) as caught:
            load_best(tmp_path, 8)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_without_torch_one_line_says_what_to_install(made, monkeypatch, package):
    from importlib.util import find_spec

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else find_spec(name))
    words = rf'fine-tuning needs {package}, which is not installed: pip install .*\[train\]"'
    refused(UsageError, words, *made, SMALL)
    with pytest.raises(UsageError, match=words):
        apply_checkpoint(made[0], "anywhere")


def test_torch_is_not_imported_before_it_is_needed():
    code = "import sys, avreplay.cli, avreplay.extract.finetune.command; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kill_minus_nine_costs_an_epoch_at_most(store, tmp_path):
    url, targets = store
    config = replace(SMALL, epochs=6)
    finetune_store(url, targets, config, name="whole", checkpoint=tmp_path / "whole")
    code = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from test_finetune import *\n"
        "finetune_store(sys.argv[1], made_targets(SIZES), replace(SMALL, epochs=6), name='k', checkpoint=sys.argv[2])"
    )
    folder = tmp_path / "c"
    command = [sys.executable, "-c", code, str(url), str(folder), str(Path(__file__).parent)]
    process = subprocess.Popen(command)
    while not (folder / "last.safetensors").exists() and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert verify_store(url) == []
    summary = finetune_store(url, targets, config, name="k", checkpoint=folder)
    assert 1 <= summary.resumed < 6
    assert weights(folder) == weights(tmp_path / "whole")


def test_progress_keeps_to_terminals(store, capsys):
    url, targets = store
    finetune_store(url, targets, SMALL, name="quiet", checkpoint=url.parent / "quiet")
    assert capsys.readouterr() == ("", "")
    finetune_store(url, targets, SMALL, name="loud", checkpoint=url.parent / "loud", progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = [line for line in shown.err.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 3
    assert "val_avg" in lines[0]
    assert "best" in lines[0]


@pytest.mark.slow
def test_from_the_command_line_to_figures(store, tmp_path):
    url, targets = store
    write_made_annotations(tmp_path / "truth", targets)

    def run(*arguments):
        return CliRunner().invoke(main, [str(a) for a in arguments])

    options = ["--hidden", 16, "--feedforward", 24, "--learning-rate", 1e-3, "--epochs", 2, "--name", "tuned",
               "--checkpoint", tmp_path / "c"]  # fmt: skip
    truth = ["--dataset", "json", "--annotations", tmp_path / "truth"]
    done = run("finetune", url, *truth, *options, "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (summary["epochs"], summary["trained"]) == (2, 264)
    assert json.loads((tmp_path / "c" / "config.json").read_text())["config"]["hidden"] == 16
    assert len(json.loads((tmp_path / "c" / "metrics.json").read_text())["epochs"]) == 2
    out = tmp_path / "p.json"
    replayed = run("replay", url, "--scores", "tuned", "--decoder", "ovavel", "--preset", "finetuned", "--out", out)
    assert replayed.exit_code == 0, replayed.output
    scored = run("evaluate", out, "--dataset", "json", "--annotations", tmp_path / "truth" / "test.json",
                 "--metrics", "ovavel", "--json")  # fmt: skip
    assert scored.exit_code == 0, scored.output
    figures = json.loads(scored.stdout)["metrics"]
    assert figures["total"]["avg"] == pytest.approx(summary["figures"]["total"]["avg"], abs=1e-9)
    assert run("replay", url, "--scores", "tuned", "--preset", "languagebind").exit_code == 0
    tuning = ["tune", url, "--dataset", "json", "--annotations", tmp_path / "truth" / "val.json", "--trials", 4,
              "--videos", 20, "--search", "tau0=0.5:0.9", "--report-split", ""]  # fmt: skip
    values = []
    for scores in ([], ["--scores", "tuned"]):
        tuned = run(*tuning, *scores, "--out", tmp_path / f"tuned{len(scores)}", "--json")
        assert tuned.exit_code == 0, tuned.output
        values.append(json.loads(tuned.stdout)["best_value"])
    assert values[0] != values[1]
    assert run(*tuning, "--scores", "none", "--out", tmp_path / "t").exit_code == 2
    text = run("finetune", url, *truth, *options)
    assert "kept (select=val" in text.output
    applied = run("finetune", url, "--apply", tmp_path / "c", "--name", "again")
    assert applied.exit_code == 0, applied.output
    for arguments, code in (
        (["finetune", url], 2),
        (["finetune", url, "--apply", tmp_path / "c", "--epochs", 3], 2),
        (["finetune", url, *truth, *options, "--name", "b", "--layers", 2], 1),
    ):
        wrong = run(*arguments)
        assert wrong.exit_code == code, wrong.output
        assert "Error: " in wrong.output
    assert "epochs has no meaning" in run("finetune", url, "--apply", tmp_path / "c", "--epochs", 3).output


def test_the_result_is_part_of_the_public_api(store):
    url, targets = store
    finetune_store(url, targets, SMALL, checkpoint=url.parent / "c")
    result = avreplay.replay(url, make_ovavel_params("finetuned"), scores="finetuned")
    assert result.predictions().labels == targets.labels
    with pytest.raises(UsageError, match="fusion=fea_avg needs"):
        avreplay.replay(url, make_ovavel_params("finetuned", values={"fusion": "fea_avg"}), scores="finetuned")
