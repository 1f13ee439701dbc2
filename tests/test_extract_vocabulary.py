"""Label lists: reading them, and changing those of a store without any video."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import embed_labels, extract_videos, load_backbone, read_labels
from avreplay.extract.backbones.base import BackboneSpec
from avreplay.extract.backbones.registry import BUILT_IN, BackboneFacts, backbone_registry, register_backbone
from avreplay.extract.labels import encode_labels
from fake_backbone import FakeBackbone
from media_maker import write_media


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone_registry, "_registered", {})
    register_backbone(FakeBackbone)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_reading_labels(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "a.txt", "\ufeffDog\r\n  Church bell \r\nÜbung-漢\r\n\r\n"))
    assert labels == ("Dog", "Church bell", "Übung-漢")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Dog\n\nDog\n", "line 3 .* repeats 'Dog' of line 1"),
        ("\n\n", "has no labels"),
        ("", "has no labels"),
    ],
)
def test_wrong_label_lists(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path / "a.txt", text))


def test_unreadable_label_lists(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        read_labels(write(tmp_path / "a.txt", "Übung", "latin-1"))
    with pytest.raises(DataError, match="there is no label list"):
        read_labels(tmp_path / "absent.txt")
    with pytest.raises(DataError, match="is a folder, and no label list; give a file"):
        read_labels(tmp_path)


@pytest.mark.usefixtures("registered")
def test_new_labels_need_no_video(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in "abc":
        write_media(videos / f"{name}.mp4", seconds=2, channels=1)
    store, fresh = tmp_path / "store", tmp_path / "fresh"
    extract_videos(videos, store, "fake", ["Dog", "Cat"])
    extract_videos(videos, fresh, "fake", ["Cow", "Horse", "Cat"])
    shutil.rmtree(videos)
    before = open_store(store).bundle()
    embed_labels(store, ["Cow", "Horse", "Cat"])
    after, expected = open_store(store).bundle(), open_store(fresh).bundle()
    assert before.labels == ("Dog", "Cat")
    assert after.labels == ("Cow", "Horse", "Cat")
    for name in ("visual_segments", "audio_segments", "audio_clip", "visual_clip", "window_audio", "window_visual"):
        assert np.array_equal(getattr(after, name), getattr(expected, name)), name
    assert np.array_equal(after.visual_segments[:, 2], before.visual_segments[:, 1])
    assert verify_store(store) == []


@pytest.mark.usefixtures("registered")
def test_labels_can_be_added_to_a_store_without_any(tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", seconds=2, channels=1)
    extract_videos(tmp_path / "a.mp4", tmp_path / "store", "fake")
    assert open_store(tmp_path / "store").labels == ()
    embed_labels(tmp_path / "store", ["Dog"])
    assert open_store(tmp_path / "store").bundle().labels == ("Dog",)


@pytest.mark.usefixtures("registered")
def test_labels_of_another_backbone_are_refused(tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", seconds=1)
    extract_videos(tmp_path / "a.mp4", tmp_path / "store", "fake", ["Dog"])
    with pytest.raises(DataError, match="weights was 'a' and is 'b' here"):
        embed_labels(tmp_path / "store", ["Cat"], weights="b")
    with pytest.raises(UsageError, match="backbone 'fake' has no option 'device'"):
        embed_labels(tmp_path / "store", ["Cat"], device="gpu")
    assert open_store(tmp_path / "store").labels == ("Dog",)


def test_wrong_labels_and_text_embeddings() -> None:
    fake = FakeBackbone()
    with pytest.raises(UsageError, match="empty"):
        encode_labels(fake, [])
    with pytest.raises(UsageError, match="label 2 is blank"):
        encode_labels(fake, ["Dog", " "])
    with pytest.raises(UsageError, match="'Dog' is given twice"):
        encode_labels(fake, ["Dog", "Cat", "Dog"])
    vocabulary = encode_labels(fake, ["Dog", "Cat"])
    assert vocabulary.visual_prompts == ("visual: Dog", "visual: Cat")
    assert vocabulary.audio_text.shape == (2, 4)
    fake.encode_text = lambda prompts, modality: np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]], "f4")  # type: ignore[method-assign]
    with pytest.raises(DataError, match="NaN or infinity for the label 'Cat' \\(audio\\)"):
        encode_labels(fake, ["Dog", "Cat"])
    fake.encode_text = lambda prompts, modality: np.zeros((2, 5), "f4")  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"shape \(2, 5\) and should give \(2, 4\)"):
        encode_labels(fake, ["Dog", "Cat"])


def test_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no backbone 'Demo'; did you mean 'demo'\? .*demo, clip_clap, .*module:Obj"):
        load_backbone("Demo")
    (tmp_path / "needs_torch.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(backbone_registry._own, "clip", "needs_torch:Clip")
    monkeypatch.setitem(BUILT_IN, "clip", BackboneFacts("needs_torch:Clip", install="pip install clip"))
    with pytest.raises(UsageError, match=r"a_package_nobody_has, which is not installed: pip install clip"):
        load_backbone("clip")
    monkeypatch.setitem(backbone_registry._own, "clip", "avreplay.extract.backbones.absent:Own")
    with pytest.raises(ModuleNotFoundError):  # a mistake in this package is not taken for a missing one
        load_backbone("clip")


def test_spec_refuses_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="visual_rows is 3"):
        BackboneSpec(4, 4, 16000, window_frames=8, visual_rows=3)
    with pytest.raises(ValueError, match="audio_dim is 0"):
        BackboneSpec(0, 4, 16000)
    assert BackboneSpec(4, 4, 16000).visual_rows == 1
