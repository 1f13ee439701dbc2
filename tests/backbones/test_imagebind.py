"""ImageBind: our own preprocessing and batches against the package's loaders and its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.backbones._fbank import kaldi_fbank
from avreplay.extract.backbones._packages import import_models
from avreplay.extract.backbones.imagebind import HUGE, mel_input
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.backbones.weights.fill import fill
from avreplay.extract.backbones.weights.found import Weights
from backbones.contract import (
    LABELS,
    assert_half_precision_is_close,
    assert_made_again_from_its_declaration,
    assert_other_ways_to_compute_are_close,
    assert_replay_equals_the_plain_pipeline,
    error,
)
from backbones.inputs import imagebind_pictures, imagebind_sounds, imagebind_texts
from backbones.reference import loaders

SMALL = {
    "out_embed_dim": 32,
    "vision_embed_dim": 64, "vision_num_blocks": 2, "vision_num_heads": 4,
    "text_embed_dim": 48, "text_num_blocks": 2, "text_num_heads": 4,
    "audio_embed_dim": 48, "audio_num_blocks": 2, "audio_num_heads": 4,
    "depth_embed_dim": 24, "depth_num_blocks": 1, "depth_num_heads": 2,
    "thermal_embed_dim": 24, "thermal_num_blocks": 1, "thermal_num_heads": 2,
    "imu_embed_dim": 24, "imu_num_blocks": 1, "imu_num_heads": 2,
}  # fmt: skip
"""All of Huge's layers, narrower and fewer; Huge itself is 1.2 billion parameters."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("imagebind") / "small.json"
    path.write_text(json.dumps(SMALL))
    return {"weights": "random:4", "config": str(path)}


def reference() -> Any:
    (package,) = import_models("imagebind", ["models.imagebind_model"])
    model = package.ImageBindModel(**{**HUGE, **SMALL})
    fill(model, Weights("", None, seed=4))
    return model.eval()


@pytest.fixture(scope="module")
def speech(sounds: list) -> list:
    """The sounds at 16 kHz."""
    return [np.ascontiguousarray(sound[::3]) for sound in sounds]


@torch.no_grad()
def test_pictures_equal_the_packages_loader_and_model(small: dict[str, Any], pictures: list, tmp_path: Path) -> None:
    backbone = load_backbone("imagebind", **small)
    inputs = imagebind_pictures(pictures, tmp_path)
    assert (backbone._transform(pictures) - inputs).abs().max() <= 1e-6
    want = reference()({"vision": inputs})["vision"].numpy()
    got = backbone.encode_images(pictures)
    assert error(got, want) <= 1e-4
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


@torch.no_grad()
def test_sounds_equal_the_packages_loader_and_model(small: dict[str, Any], speech: list, tmp_path: Path) -> None:
    backbone, model = load_backbone("imagebind", **small), reference()
    longer = [sound for sound in speech if len(sound) >= 32000]
    assert len(longer) >= 4
    want = [model({"audio": made})["audio"].numpy() for made in imagebind_sounds(longer, tmp_path)]
    assert error(backbone.encode_audio(longer), np.concatenate(want)) <= 1e-3


@torch.no_grad()
def test_a_second_is_repeated_to_two_as_in_ov_avel(small: dict[str, Any], speech: list) -> None:
    backbone, model = load_backbone("imagebind", **small), reference()
    seconds = [speech[1][16000 * t : 16000 * (t + 1)] for t in range(10)]
    with loaders("imagebind", "data") as (data,):
        made = [data.waveform2melspec(torch.from_numpy(second).repeat(2)[None], 16000, 128, 204) for second in seconds]
    inputs = (torch.stack(made) + 4.268) / 9.138
    ours = mel_input(torch.from_numpy(np.stack(seconds)))
    assert (ours - inputs).abs().max() <= 1e-4
    got = backbone.encode_audio(seconds)
    assert error(got, model({"audio": inputs})["audio"].numpy()) <= 1e-3
    assert np.allclose(np.linalg.norm(got, axis=1), 20, atol=1e-3)


@torch.no_grad()
def test_texts_equal_the_packages_tokens_and_model(small: dict[str, Any]) -> None:
    backbone = load_backbone("imagebind", **small)
    want = reference()({"text": imagebind_texts(LABELS)})["text"].numpy()
    assert backbone.prompts(LABELS, "audio") == list(LABELS)
    assert error(backbone.encode_text(LABELS, "audio"), want) <= 1e-4


@pytest.mark.parametrize(("bins", "samples"), [(128, 32000), (112, 160000), (112, 16000), (23, 400)])
def test_filter_bank_equals_torchaudios(bins: int, samples: int) -> None:
    waves = torch.randn(3, samples, generator=torch.Generator().manual_seed(bins)) * 0.2
    waves[1] = torch.sin(torch.arange(samples) * 0.3)
    waves[2] = 0
    options = {"htk_compat": True, "window_type": "hanning", "num_mel_bins": bins, "dither": 0.0}
    with loaders("imagebind", "data"):
        import torchaudio

        want = torch.stack([torchaudio.compliance.kaldi.fbank(wave[None], **options) for wave in waves])
    got = kaldi_fbank(waves, bins)
    assert got.shape == want.shape
    assert (got - want).abs().max() <= 2e-3
    assert (got - want).abs().mean() <= 1e-5


def test_half_precision_is_close(small: dict[str, Any], pictures: list, speech: list) -> None:
    assert_half_precision_is_close(lambda dtype: load_backbone("imagebind", **small, dtype=dtype), pictures, speech)


def test_mixed_precision_and_compiling(pictures: list, speech: list, small: dict[str, Any]) -> None:
    assert_other_ways_to_compute_are_close(lambda **o: load_backbone("imagebind", **small, **o), pictures, speech[:3])


def test_a_store_replays_like_the_plain_pipeline(small: dict[str, Any], real_clip: Path, tmp_path: Path) -> None:
    assert assert_replay_equals_the_plain_pipeline(real_clip, load_backbone("imagebind", **small), tmp_path) >= 6


def test_declaration_makes_the_same_encoder_again(small: dict[str, Any]) -> None:
    backbone = load_backbone("imagebind", **small, prompt="a {words}")
    assert_made_again_from_its_declaration(backbone, config=small["config"])


def test_weights_from_a_file_and_what_does_not_fit(
    small: dict[str, Any], pictures: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(reference().state_dict(), tmp_path / "small.pth")
    read = load_backbone("imagebind", weights=str(tmp_path / "small.pth"), config=small["config"])
    made = load_backbone("imagebind", **small)
    assert np.array_equal(read.encode_images(pictures), made.encode_images(pictures))
    assert read.declaration()["weights_sha256"] != made.declaration()["weights_sha256"]
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**SMALL, "audio_num_blocks": 3}))
    with pytest.raises(DataError, match=r"small.pth do not fit ImageBindModel: .* missing"):
        load_backbone("imagebind", weights=str(tmp_path / "small.pth"), config=str(other))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"imagebind_huge\.pth are not on this machine"):
        load_backbone("imagebind", download=True)
