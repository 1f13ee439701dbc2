"""Reference rows: an encoder that declares the same and has other weights is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import StoreWriter, open_store, verify_store
from avreplay.cache.reference import TOLERANCE
from avreplay.core.errors import DataError
from avreplay.extract import extract_videos
from avreplay.extract.labels import embed_labels
from avreplay.extract.writing import reference
from avreplay.extract.writing.fill import fill_store
from avreplay.extract.writing.retry import retry_videos
from fake_backbone import FakeBackbone
from made_store import CONFIG, names
from media_maker import write_media
from store_files import tree

LABELS = ("Dog", "Speech")


class OtherWeights(FakeBackbone):
    """Declares what its base declares."""

    def __init__(self, share: float = 1.0) -> None:
        super().__init__()
        self.share = share

    def encode_text(self, prompts, modality):  # type: ignore[no-untyped-def]
        rows = super().encode_text(prompts, modality)
        return rows + self.share * rows[:, ::-1]


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    for k in range(2):
        write_media(tmp_path / "videos" / f"v{k}.mp4", pictures=[np.full((48, 64, 3), 90, np.uint8)] * 20)
    (tmp_path / "videos" / "v2.mp4").write_bytes(b"")
    extract_videos(tmp_path / "videos", tmp_path / "s", FakeBackbone(), LABELS)
    return tmp_path / "s"


@pytest.mark.media
def test_other_weights_are_noticed_by_whatever_encodes_again(extracted: Path) -> None:
    videos, before = extracted.parent / "videos", tree(extracted)
    assert "reference/audio_text/c/0/0" in before
    assert verify_store(extracted) == []
    other = OtherWeights()
    write_media(videos / "v2.mp4", pictures=[np.full((48, 64, 3), 90, np.uint8)] * 20)
    with pytest.raises(DataError, match=r"audio_text of the reference prompts is \d+% off"):
        embed_labels(extracted, ["rain"], backbone=other)
    with pytest.raises(DataError, match="use the same weights"):
        extract_videos(videos, extracted, other, ["rain"])
    with pytest.raises(DataError, match="use the same weights"):
        retry_videos(videos, extracted, other)
    assert tree(extracted) == before
    embed_labels(extracted, ["rain"], backbone=OtherWeights(TOLERANCE / 10))
    assert open_store(extracted).labels == ("rain",)
    retry_videos(videos, extracted, FakeBackbone())
    assert verify_store(extracted) == []


@pytest.mark.media
def test_windows_are_not_added_with_other_weights(tmp_path: Path) -> None:
    from avreplay.extract import ExtractSettings

    write_media(tmp_path / "v0.mp4", pictures=[np.full((48, 64, 3), 90, np.uint8)] * 30)
    extract_videos(tmp_path / "v0.mp4", tmp_path / "s", FakeBackbone(), LABELS, ExtractSettings(windows="none"))
    before = tree(tmp_path / "s")
    with pytest.raises(DataError, match="use the same weights"):
        fill_store(tmp_path / "v0.mp4", tmp_path / "s", OtherWeights(), settings=ExtractSettings(windows="all"))
    assert {k: v for k, v in tree(tmp_path / "s").items() if k.startswith("shards/")} == {
        k: v for k, v in before.items() if k.startswith("shards/")
    }
    assert verify_store(tmp_path / "s") == []


TOWERS = {"audio_text": 0.01, "visual_text": 0.01, "pictures": 0.01, "clips": 0.01, "sounds": 0.002}


class Watched(FakeBackbone):
    """Has each of its towers watched; ``changed`` computes something else by a share."""

    def __init__(self, changed: str = "", share: float = 0.0) -> None:
        super().__init__()
        self.changed, self.share = changed, share

    def reference_tolerances(self) -> dict[str, float]:
        return TOWERS

    def _of(self, tower: str, rows: np.ndarray) -> np.ndarray:
        return rows * (1 + self.share) if tower == self.changed else rows

    def encode_text(self, prompts, modality):  # type: ignore[no-untyped-def]
        return self._of(f"{modality}_text", super().encode_text(prompts, modality))

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        return self._of("pictures", super().encode_images(frames))

    def encode_clips(self, clips):  # type: ignore[no-untyped-def]
        return self._of("clips", super().encode_clips(clips))

    def encode_audio(self, clips):  # type: ignore[no-untyped-def]
        return self._of("sounds", super().encode_audio(clips))


@pytest.mark.media
def test_a_tower_that_a_package_has_changed_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos").mkdir()
    write_media(tmp_path / "videos" / "v0.mp4", pictures=[np.full((48, 64, 3), 90, np.uint8)] * 20)
    monkeypatch.setattr(reference, "version", lambda name: "1.0")
    extract_videos(tmp_path / "videos", tmp_path / "s", Watched(), LABELS)
    marker = json.loads((tmp_path / "s" / "reference" / "zarr.json").read_text())["attributes"]
    assert marker["made_with"]["numpy"] == "1.0"
    assert marker["made_with"]["device"].startswith("cpu")
    assert {f"reference/{name}/c/0/0" for name in TOWERS} <= set(tree(tmp_path / "s"))
    write_media(tmp_path / "videos" / "v1.mp4", pictures=[np.full((48, 64, 3), 60, np.uint8)] * 20)
    before = tree(tmp_path / "s")
    monkeypatch.setattr(reference, "version", lambda name: "2.0")
    for tower, most in TOWERS.items():
        with pytest.raises(DataError, match=rf"its {tower} of the reference \w+ is .*% off") as raised:
            extract_videos(tmp_path / "videos", tmp_path / "s", Watched(tower, 1.2 * most), LABELS)
        text = str(raised.value)
        assert "numpy 1.0" in text.split("here are")[0]
        assert "numpy 2.0" in text.split("here are")[1]
        assert f"less than {100 * most:g}%" in text
        assert "\n" not in text
        if not tower.endswith("text"):  # labels need no other tower than that of text
            embed_labels(tmp_path / "s", LABELS, backbone=Watched(tower, 1.2 * most))
    assert {k: v for k, v in tree(tmp_path / "s").items() if k.startswith("shards/")} == {
        k: v for k, v in before.items() if k.startswith("shards/")
    }
    assert extract_videos(tmp_path / "videos", tmp_path / "s", Watched("sounds", 0.001), LABELS).new == 1
    assert verify_store(tmp_path / "s") == []


@pytest.mark.media
def test_a_store_of_an_earlier_version_has_rows_of_texts_only_and_goes_on(extracted: Path) -> None:
    """It says neither the packages nor the device, and nothing is added to it: what is here now made none of it."""
    videos = extracted.parent / "videos"
    write_media(videos / "v3.mp4", pictures=[np.full((48, 64, 3), 60, np.uint8)] * 20)
    store = extracted.parent / "old"
    with StoreWriter.open(store, open_store(extracted).config, names(1)) as writer:
        writer.keep_reference(reference.PROMPTS, reference.reference_rows(FakeBackbone()))
    before = {k: v for k, v in tree(store).items() if k.startswith("reference/")}
    assert "made_with" not in before["reference/zarr.json"].decode()
    assert extract_videos(videos, store, Watched("sounds", 0.5), LABELS).new >= 3
    assert {k: v for k, v in tree(store).items() if k.startswith("reference/")} == before
    assert verify_store(store) == []


def test_rows_are_kept_once_and_by_the_first_writer(tmp_path: Path) -> None:
    rows = {"audio_text": np.ones((2, 6), np.float32)}
    with StoreWriter.open(tmp_path / "s", CONFIG, names(16), shard_videos=8, part=(1, 2)) as writer:
        writer.keep_reference(["a", "b"], rows)
    before = tree(tmp_path / "s")
    assert "reference/audio_text/c/0/0" in before
    with StoreWriter.open(tmp_path / "s", CONFIG, names(16), shard_videos=8, part=(2, 2)) as writer:
        writer.keep_reference(["a", "b"], {"audio_text": rows["audio_text"] * (1 + TOLERANCE / 2)})
        assert {k: v for k, v in tree(tmp_path / "s").items() if not k.startswith(".locks/")} == before
        with pytest.raises(DataError, match="10% off"):
            writer.keep_reference(["a", "b"], {"audio_text": rows["audio_text"] * 1.1112})
        with pytest.raises(DataError, match="inf"):
            writer.keep_reference(["a", "b"], {"audio_text": np.ones((2, 7), np.float32)})
