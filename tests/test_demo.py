"""The embedded encoder and the generated world: what they claim, and that AV²A beats the naive baseline on it."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

import av
import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.demo import score_demo
from avreplay.extract.backbones import fit_demo
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.demo.run import extract_demo
from avreplay.extract.demo.world import LABELS, write_demo_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_demo_world(folder, "test", videos=3)
    return folder


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("demo")


def test_the_same_bytes_twice(world, tmp_path):
    write_demo_world(tmp_path, "test", videos=3)
    assert {p.name: p.read_bytes() for p in world.iterdir()} == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_files_are_what_they_claim(world):
    truth = json.loads((world / "annotations.json").read_text())
    assert len(truth["videos"]) == len(list(world.glob("*.mp4"))) == 5
    for name, video in truth["videos"].items():
        for track in ("audio", "visual"):
            assert all(0 <= e["onset"] < e["offset"] <= 10 and e["label"] in LABELS for e in video[track])
        if name.endswith("truncated"):
            continue
        with av.open(str(world / f"{name}.mp4")) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            assert sum(1 for _ in container.decode(video=0)) == 100
            heard = [s.codec_context.name for s in container.streams.audio]
            assert heard == ([] if name.endswith("no_audio") else ["aac"])
    silent = next(v for k, v in truth["videos"].items() if k.endswith("no_audio"))
    assert silent["audio"] == []
    assert silent["visual"]


def test_splits_differ_and_bad_requests_are_refused(tmp_path):
    for split in ("val", "test"):
        write_demo_world(tmp_path / split, split, videos=1)
    one, other = ((tmp_path / s / "annotations.json").read_text() for s in ("val", "test"))
    assert one.split('"videos"')[1] != other.split('"videos"')[1]
    with pytest.raises(UsageError, match="split"):
        write_demo_world(tmp_path, "dev")
    with pytest.raises(UsageError):
        write_demo_world(tmp_path, "test", videos=0)


def test_weights_are_small_and_declared():
    data = files("avreplay.extract.backbones").joinpath("demo_weights.npz").read_bytes()
    assert len(data) < 3e6
    assert load_backbone("demo").declaration()["weights_sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("shape", [(1, 1), (48, 64), (97, 33), (720, 1280)])
def test_any_picture(backbone, shape):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8), np.zeros((*shape, 3), np.uint8)]
    rows = backbone.encode_images(frames)
    assert rows.shape == (2, backbone.spec.visual_dim)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("samples", [0, 1, 8000, 16000, 24001, 160000])
def test_any_sound(backbone, samples):
    rng = np.random.default_rng(0)
    rows = backbone.encode_audio([rng.normal(size=samples).astype(np.float32), np.zeros(samples, np.float32)])
    assert rows.shape == (2, backbone.spec.audio_dim)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("text", ["", "dog", "Crème brûlée", "火事", "a very long " * 50, "<script>"])
def test_any_text(backbone, text):
    rows = backbone.encode_text([text, "siren"], "audio")
    assert rows.shape == (2, backbone.spec.audio_dim)
    assert np.isfinite(rows).all()


def test_text_follows_its_content(backbone):
    siren, again, sirens, clock = backbone.encode_text(["siren", "Siren!", "sirens", "clock"], "visual")
    assert np.allclose(siren, again)
    assert siren @ sirens > 0.4 > siren @ clock


def test_batched_is_one_by_one(backbone):
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(8)]
    sounds = [rng.normal(size=n).astype(np.float32) for n in (16000, 32000, 5000)]
    assert np.array_equal(backbone.encode_images(frames), np.concatenate([backbone.encode_images([f]) for f in frames]))
    assert np.array_equal(backbone.encode_audio(sounds), np.concatenate([backbone.encode_audio([s]) for s in sounds]))
    clip = backbone.encode_clips([frames, frames[::-1]])
    assert clip.shape == (2, 1, backbone.spec.visual_dim)
    np.testing.assert_allclose(clip[0, 0], backbone.encode_images(frames).mean(axis=0), atol=1e-5)


def test_views_of_one_buffer_are_told_apart(backbone):
    pixels = np.random.default_rng(2).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    views = [pixels[:48], pixels[::2]]  # same first byte, same shape
    clips = backbone.encode_clips([[view] for view in views])
    assert np.array_equal(clips[:, 0], backbone.encode_images(views))


def test_present_labels_rank_above_absent_ones_on_held_out_seconds(backbone, tmp_path):
    frames, sounds, seen, heard = fit_demo.read_seconds(write_demo_world(tmp_path, "val", videos=8))
    for modality, rows, present in (
        ("visual", backbone.encode_images(frames), seen > 0),
        ("audio", backbone.encode_audio(sounds), heard > 0),
    ):
        scores = rows @ backbone.encode_text(backbone.prompts(LABELS, modality), modality).T
        some = present.any(axis=1)
        best = np.argmax(scores[some], axis=1)
        hits = present[some][np.arange(some.sum()), best].mean()
        chance = present[some].mean()
        assert chance < 0.2
        assert hits > 0.6, (modality, hits)
        above = np.concatenate([(s[p][:, None] > s[~p]).ravel() for s, p in zip(scores, present, strict=True)])
        assert above.mean() > 0.8, (modality, above.mean())


@pytest.mark.media
def test_fit_runs_again_to_the_same_weights(tmp_path, capsys):
    for name in ("a.npz", "b.npz"):
        fit_demo.main(["--out", str(tmp_path / name), "--videos", "6"])
    one, other = (dict(np.load(tmp_path / n, allow_pickle=False)) for n in ("a.npz", "b.npz"))
    assert one.keys() == other.keys()
    assert all(np.allclose(one[k], other[k], atol=1e-3) for k in one)
    assert "6 videos" in capsys.readouterr().out


def test_av2a_beats_the_naive_baseline_on_held_out_clips(tmp_path, caplog):
    """The whole path; the odd files are recorded, and the report is there."""
    made = extract_demo(tmp_path / "demo", videos=24)
    scored = score_demo(made.store, made.annotations, tmp_path / "demo")
    naive, av2a = (e.metrics for e in scored.evaluations.values())
    for metric in ("type_av_seg", "type_av_event", "event_av_seg", "event_av_event"):
        assert av2a[metric] > naive[metric] + 3, metric
    assert all(30 < naive[m] < av2a[m] < 95 for m in ("type_av_seg", "event_av_event"))
    first = next(iter(scored.evaluations.values()))
    assert (first.videos_scored, first.videos_expected) == (25, 26)
    assert "24 ok" in made.lines[1]
    assert "1 truncated" in made.lines[1]
    assert scored.report.stat().st_size > 1e6
    assert "made from" not in caplog.text


def test_the_demo_empties_only_its_own_folder(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not an earlier demo"):
        extract_demo(tmp_path, videos=1)
    assert (tmp_path / "thesis.txt").exists()
