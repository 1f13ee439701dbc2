"""What a store of imported embeddings is good for: text, replay, probe, fine-tuning; and what its import survives."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import avreplay
import numpy as np
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.imports.embeddings import run as import_run
from avreplay.cache.imports.embeddings.mapping import read_embeddings_mapping
from avreplay.cache.imports.embeddings.plan import ArrayPlan, ModalityPlan, Where, made_most
from avreplay.cache.imports.embeddings.rows import segments_of
from avreplay.cache.imports.embeddings.videos import VideoReader
from avreplay.cli import main
from avreplay.core.errors import AvreplayError, DataError, Interrupted
from avreplay.core.segment_targets import SegmentTargets
from avreplay.evaluate.probe.run import probe
from avreplay.extract import embed_labels, import_embeddings
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

LABELS = ("dog", "bell", "rain")
MAPPING = """
[embeddings]
[embeddings.audio]
path = "{id}_a.npy"
[embeddings.visual]
path = "{id}_v.npy"
"""


def made(folder: Path, audio: int = 6, visual: int = 6, videos: int = 12, text: str = "") -> Path:
    """Files of videos in which label k holds in the second half, and their mapping."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    directions = {"a": rng.normal(size=(3, audio)), "v": rng.normal(size=(3, visual))}
    for i in range(videos):
        for name, of_label in directions.items():
            rows = 0.1 * rng.normal(size=(10, of_label.shape[1]))
            rows[5:] += of_label[i % 3]
            np.save(folder / f"v{i:02}_{name}.npy", rows.astype(np.float32))
    for name, of_label in directions.items() if text else ():
        np.save(folder / f"text_{name}.npy", of_label.astype(np.float32))
    (folder / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    mapping = folder.parent / "mapping.toml"
    mapping.write_text(MAPPING + text, encoding="utf-8")
    return mapping


TEXT = """
[embeddings.text]
labels = "labels.txt"
audio = { path = "text_a.npy" }
visual = { path = "text_v.npy" }
"""


def annotations(file: Path, videos: int = 12) -> Path:
    of_video = {}
    for i in range(videos):
        event = [{"label": LABELS[i % 3], "onset": 5, "offset": 10}]
        of_video[f"v{i:02}"] = {"segments": 10, "audio": event, "visual": event}
    held = {"schema": "avreplay.annotations/1", "labels": LABELS, "split": "test", "videos": of_video}
    file.write_text(json.dumps(held), encoding="utf-8")
    return file


def test_text_from_arrays_makes_replay_and_tuning_work(tmp_path):
    mapping = made(tmp_path / "source", audio=6, visual=9, text=TEXT)
    summary = import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    assert {"replay", "tune", "finetune"} <= set(summary.works)
    store = open_store(tmp_path / "s")
    assert store.labels == LABELS
    found = avreplay.replay(store, avreplay.make_params(values={"select_classes": False, "refine": False}))
    truth = avreplay.load_annotations("json", annotations(tmp_path / "truth.json"))
    assert avreplay.evaluate_predictions(found.predictions(), truth).metrics["audio_seg"] > 50


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], True),
        (["--preset", "languagebind"], True),
        (["--set", "audio_scores=segment"], False),
        (["--set", "audio_scores=clip"], False),
        (["--profile", "paper"], False),
    ],
)
def test_audio_events_that_span_the_video_are_not_without_a_word(given, said, tmp_path):
    mapping = made(tmp_path / "source", audio=6, visual=6, text=TEXT)
    import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    done = CliRunner().invoke(main, ["replay", str(tmp_path / "s"), *given, "--out", str(tmp_path / "p.json")])
    assert done.exit_code == 0, done.output
    assert ("--set audio_scores=segment takes each segment's own" in done.stderr) == said


DEMO = '[embeddings.text]\nbackbone = "demo"\nlabels = "labels.txt"\n'


@pytest.mark.parametrize("how", ["labels", "list", "values", "embed-text"])
@pytest.mark.parametrize("text", [TEXT, DEMO], ids=["arrays", "backbone"])
def test_a_store_keeps_its_labels_until_it_is_asked(text, how, tmp_path):
    source, place = tmp_path / "source", tmp_path / "s"
    mapping = made(source, 48, 48, text=text)
    import_embeddings(source, place, mapping)
    labels: Any = None
    if how == "embed-text" and text is DEMO:
        embed_labels(place, ("siren", "drum"))
    elif how == "labels":
        labels = ("a", "b", "c")
    elif how == "values" and text is TEXT:
        np.save(source / "text_a.npy", np.ones((3, 48), np.float32))
    else:
        (source / "labels.txt").write_text("\n".join(LABELS[::-1]), encoding="utf-8")
    before = files_of(place)
    if how == "values" and text is DEMO:
        (source / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
        assert import_embeddings(source, place, mapping).new == 0
    else:
        with pytest.raises(DataError) as caught:
            import_embeddings(source, place, mapping, labels=labels)
        words = "embed-text" if text is DEMO else "a new store"
        assert words in str(caught.value)
        assert str(place) in str(caught.value)
        assert how == "values" or "'" + open_store(place).labels[0] + "'" in str(caught.value)
    assert files_of(place) == before
    if text is DEMO:
        mapping.write_text(MAPPING + DEMO.replace("labels", "#"))
        import_embeddings(source, place, mapping)
        assert files_of(place) == before


def test_text_of_an_installed_backbone_and_embed_text(tmp_path):
    mapping = made(tmp_path / "source", 48, 48, text='[embeddings.text]\nbackbone = "demo"\nlabels = "labels.txt"\n')
    (tmp_path / "source" / "labels.txt").write_text("siren\ndrum\n", encoding="utf-8")
    summary = import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    assert "embed-text" in summary.works
    assert open_store(tmp_path / "s").labels == ("siren", "drum")
    embed_labels(tmp_path / "s", ("bird", "rain", "drum"))
    assert open_store(tmp_path / "s").labels == ("bird", "rain", "drum")
    assert not verify_store(tmp_path / "s")


def test_what_needs_text_says_how_to_get_it(tmp_path):
    mapping = made(tmp_path / "source")
    import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    for call in (
        lambda: embed_labels(tmp_path / "s", LABELS),
        lambda: open_store(tmp_path / "s").bundle(),
    ):
        with pytest.raises(DataError, match=r"\[embeddings\.text\]"):
            call()


def test_the_command_line_imports_probes_informs_and_says_why_not(tmp_path):
    made(tmp_path / "source", audio=6, visual=9)
    run = CliRunner()
    source, store, mapping = (str(tmp_path / name) for name in ("source", "s", "mapping.toml"))
    guessed = run.invoke(main, ["import", "--guess", source])
    assert guessed.exit_code == 0
    assert 'path = "{id}_a.npy"' in guessed.stdout
    done = run.invoke(main, ["import", source, store, "--mapping", mapping])
    assert (done.exit_code, "12 videos (12 ok)" in done.stdout) == (0, True), done.output
    told = run.invoke(main, ["info", store])
    assert "made up      windows: none" in told.stdout
    truth = annotations(tmp_path / "truth.json")
    learned = annotations(tmp_path / "learned.json", 6)
    held = json.loads(learned.read_text())
    held["split"] = "train"
    learned.write_text(json.dumps(held))
    held = json.loads(truth.read_text())
    held["videos"] = {id: video for id, video in held["videos"].items() if id >= "v06"}
    truth.write_text(json.dumps(held))
    bundle = ["import", str(tmp_path / "scores.npz"), str(tmp_path / "b"), "--labels", str(tmp_path / "labels.txt")]
    formatted = ["import", source, store, "--mapping", mapping, "--format", "npz"]
    for arguments in (["import", source], ["import", "--guess", source, store], bundle, formatted):
        assert run.invoke(main, arguments).exit_code == 2
    (tmp_path / "labels.txt").write_text("dog", encoding="utf-8")
    refused = run.invoke(main, ["embed-text", store, "--labels", str(tmp_path / "labels.txt")])
    assert refused.exit_code == 1

    train, test = (avreplay.load_annotations("json", f, split=s) for f, s in ((learned, "train"), (truth, "test")))
    assert probe(open_store(store), "visual", train, test).metrics["visual_seg"] > 90


@pytest.mark.parametrize(("layer", "attention"), [("temporal", "intra"), ("linear", "intra")])
def test_layers_of_two_widths_are_trained_and_applied(layer, attention, tmp_path):
    pytest.importorskip("torch")
    from avreplay.extract.finetune.config import FinetuneConfig
    from avreplay.extract.finetune.run import apply_checkpoint, finetune_store

    mapping = made(tmp_path / "source", audio=6, visual=9, text=TEXT)
    import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    config = FinetuneConfig(
        layer=layer, attention=attention, hidden=8, feedforward=12, epochs=2, learning_rate=1e-3, select="last"
    )
    summary = finetune_store(tmp_path / "s", targets(), config, checkpoint=tmp_path / "c", progress=False)
    assert summary.scored == 12
    again = apply_checkpoint(tmp_path / "s", tmp_path / "c", name="again")
    assert again.scored == 12
    stored = open_store(tmp_path / "s")
    assert np.array_equal(stored.bundle("again").visual_segments, stored.bundle("finetuned").visual_segments)
    import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    other = made(tmp_path / "narrow", audio=6, visual=6, text=TEXT)
    import_embeddings(tmp_path / "narrow", tmp_path / "n", other)
    with pytest.raises(DataError, match=r"6 \(audio\) and 9 \(visual\)"):
        apply_checkpoint(tmp_path / "n", tmp_path / "c", name="again")


def test_modalities_of_two_widths_cannot_attend_to_each_other(tmp_path):
    pytest.importorskip("torch")
    from avreplay.extract.finetune.config import FinetuneConfig
    from avreplay.extract.finetune.run import finetune_store

    mapping = made(tmp_path / "source", audio=6, visual=9, text=TEXT)
    import_embeddings(tmp_path / "source", tmp_path / "s", mapping)
    config = FinetuneConfig(attention="both", hidden=8, feedforward=12, epochs=1, select="last")
    with pytest.raises(DataError, match="attention=intra"):
        finetune_store(tmp_path / "s", targets(), config, checkpoint=tmp_path / "c", progress=False)


def targets() -> SegmentTargets:
    classes = np.full((12, 10), 2)
    for i in range(12):
        classes[i, 5:] = i % 2
    return SegmentTargets.create(
        video_ids=[f"v{i:02}" for i in range(12)], labels=LABELS, train_labels=LABELS, classes=classes,
        categories=np.arange(12) % 2, splits=np.zeros(12, np.int64), groups=np.full(12, -1),
    )  # fmt: skip


# --- what it survives ------------------------------------------------------------------------------------------------


def test_interrupted_anywhere_it_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    mapping = made(tmp_path / "source", text=TEXT)
    monkeypatch.setattr(import_run, "_SHARD_BYTES", 2000)  # several shards
    import_embeddings(tmp_path / "source", tmp_path / "whole", mapping)
    assert len(open_store(tmp_path / "whole").plan) > 3
    read, stop = VideoReader.read, [0]

    def interrupted(self: VideoReader, video: Any) -> Any:
        stop[0] -= 1
        if stop[0] == 0:
            raise KeyboardInterrupt
        return read(self, video)

    monkeypatch.setattr(VideoReader, "read", interrupted)
    for k in (1, 5, 3, 2):
        stop[0] = k
        with pytest.raises(Interrupted, match="run the same command again"):
            import_embeddings(tmp_path / "source", tmp_path / "parts", mapping)
    import_embeddings(tmp_path / "source", tmp_path / "parts", mapping)
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def as_npy(path: Path, array: np.ndarray) -> None:
    np.save(path, array)


def as_npz(path: Path, array: np.ndarray) -> None:
    np.savez_compressed(path, x=array)


def as_safetensors(path: Path, array: np.ndarray) -> None:
    from safetensors.numpy import save_file

    save_file({"x": array}, path)


def as_tensors(path: Path, array: np.ndarray) -> None:
    import torch

    torch.save({"x": torch.tensor(array)}, path)


def as_pickle(path: Path, array: np.ndarray) -> None:
    import torch

    torch.save({"x": Trap(str(path) + ".sprung")}, path)


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.parametrize(
    ("suffix", "save"),
    [("npy", as_npy), ("npz", as_npz), ("safetensors", as_safetensors), ("pt", as_tensors), ("pth", as_pickle)],
)
def test_damaged_files_of_a_video_cost_only_that_video(suffix, save, tmp_path):
    pytest.importorskip("torch")
    folder = tmp_path / "source"
    folder.mkdir()
    array = np.random.default_rng(0).normal(size=(10, 6)).astype(np.float32)
    (as_tensors if suffix == "pth" else save)(folder / f"good.{suffix}", array)
    save(folder / f"base.{suffix}", array)
    base = (folder / f"base.{suffix}").read_bytes()
    random_ = random.Random(3)
    for k in range(60):
        broken = bytearray(base)
        for _ in range(random_.choice((1, 3, 20))):
            broken[random_.randrange(len(broken))] = random_.randrange(256)
        if k % 3 == 0:
            broken = broken[: random_.randrange(len(broken))]
        (folder / f"bad{k:02}.{suffix}").write_bytes(broken)
    (tmp_path / "mapping.toml").write_text(f'embeddings.audio.path = "{{id}}.{suffix}"\n')
    store = tmp_path / "s"
    summary = import_embeddings(folder, store, tmp_path / "mapping.toml")
    status = {r.id: r.status for r in open_store(store).videos}
    assert status["good"] == "no_video"
    assert summary.counts["unreadable"] >= 10
    assert set(status.values()) <= {"no_video", "unreadable"}
    assert not verify_store(store)
    assert not list(folder.glob("*.sprung"))
    if suffix == "pth":
        assert status["base"] == "unreadable"


@given(
    st.integers(1, 60),
    st.floats(0.05, 7) | st.just(900.0),
    st.floats(0.1, 5),
    st.sampled_from(["mean", "max", "first"]),
)
@example(5, 900.0, 3.0, "mean")  # just as many segments as may be made
def test_segments_hold_the_embeddings_whose_middle_lies_in_them(n, seconds, segment, how):
    rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    plan = ModalityPlan(
        "audio", ArrayPlan(Where("{id}.npy", None), ("segment", "width"), {}), None, seconds, how, "none", 1.0, None
    )
    count = max(1, math.ceil(n * (seconds / segment) - 1e-6))
    if count > made_most(n):
        with pytest.raises(DataError, match="check seconds"):
            segments_of(rows, plan, segment)
        return
    found = segments_of(rows, plan, segment)
    middles = (np.arange(n) + 0.5) * seconds
    assert len(found) == count
    for t, row in enumerate(found):
        near = np.abs(middles / segment - np.round(middles / segment)) < 1e-5
        inside = rows[(middles >= t * segment) & (middles < (t + 1) * segment)]
        if near.any() or t == len(found) - 1:
            continue  # rounding decides on which side of an edge it lies
        if len(inside):
            expected = {"mean": inside.astype(np.float64).mean(0), "max": inside.max(0), "first": inside[0]}[how]
            assert np.allclose(row, expected, atol=1e-6)
        else:
            assert np.array_equal(row, rows[min(int((t + 0.5) * segment / seconds), n - 1)])


@given(st.text(max_size=80))
def test_any_text_in_a_mapping_is_read_or_refused_in_one_sentence(text):
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8", errors="replace") as file:
        file.write(f"[embeddings]\n[embeddings.audio]\npath = {json.dumps(text)}\nkey = {json.dumps(text[::-1])}\n")
        file.flush()
        message = ""
        try:
            read_embeddings_mapping(file.name)
        except AvreplayError as error:
            message = str(error)
        assert "\n" not in message
