"""LAION's own CLAP: our waveforms and loading against the package's, with the real sound tower."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.backbones import _laion_clap
from avreplay.extract.backbones._laion_clap import sixteen_bits
from avreplay.extract.backbones.registry import load_backbone
from backbones.contract import (
    LABELS,
    assert_batching_changes_nothing,
    assert_half_precision_is_close,
    assert_made_again_from_its_declaration,
    assert_other_ways_to_compute_are_close,
    error,
    save_byte_tokenizer,
)
from backbones.reference import laion_features


@pytest.fixture(scope="module")
def options(tiny_clip: str) -> Iterator[dict[str, Any]]:
    """One layer of RoBERTa instead of twelve; the sound tower, HTSAT-tiny, is as large as it is."""
    before = dict(_laion_clap.ROBERTA)
    _laion_clap.ROBERTA.update(num_hidden_layers=1, vocab_size=300)
    yield {
        "clip_model": tiny_clip,
        "clip_weights": "random:1",
        "clap_package": "laion_clap",
        "clap_weights": "random:2",
        "batch_size": 4,
    }
    _laion_clap.ROBERTA.clear()
    _laion_clap.ROBERTA.update(before)


@pytest.fixture(scope="module")
def backbone(options: dict[str, Any]) -> Any:
    return load_backbone("clip_clap", **options)


@torch.no_grad()
def test_sounds_equal_the_packages_waveforms_and_model(
    backbone: Any, sounds: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = (sounds[0] * 30).astype(np.float32)
    with laion_features(monkeypatch) as data:
        made = []
        for sound in (*sounds, loud):
            rounded = data.int16_to_float32(data.float32_to_int16(sound))
            assert np.array_equal(sixteen_bits(sound), rounded)
            made.append(data.get_audio_features({}, torch.from_numpy(rounded), 480000, "rand_trunc", "repeatpad", {}))
    want = backbone._clap._model.get_audio_embedding(made).numpy()
    assert error(backbone.encode_audio([*sounds, loud]), want) <= 1e-3


@torch.no_grad()
def test_texts_equal_the_packages_model(backbone: Any) -> None:
    texts = backbone.prompts(LABELS, "audio")
    want = np.concatenate([backbone._clap._model.get_text_embedding(backbone._clap._tokenizer([t])) for t in texts])
    assert error(backbone.encode_text(texts, "audio"), want) <= 1e-4


def test_batching_changes_nothing(backbone: Any, pictures: list, sounds: list) -> None:
    assert_batching_changes_nothing(backbone, pictures, sounds)


def test_half_precision_is_close(
    options: dict[str, Any], pictures: list, sounds: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_laion_clap.ROBERTA, "num_hidden_layers", 12)
    assert_half_precision_is_close(lambda d: load_backbone("clip_clap", **options, dtype=d), pictures, sounds[:3])


def test_mixed_precision_and_compiling(
    options: dict[str, Any], pictures: list, sounds: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_laion_clap.ROBERTA, "num_hidden_layers", 12)
    assert_other_ways_to_compute_are_close(lambda **o: load_backbone("clip_clap", **options, **o), pictures, sounds[:3])


def test_declaration_makes_the_same_encoder_again(backbone: Any) -> None:
    assert_made_again_from_its_declaration(backbone)


def test_a_checkpoint_as_laion_saves_it(backbone: Any, options: dict[str, Any], sounds: list, tmp_path: Path) -> None:
    """With the state of the training loop, ``module.`` before every name and the positions of older transformers."""
    model = backbone._clap._model
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    extractors = model.audio_branch.logmel_extractor._module[0]  # kept apart, in float32
    for name, part in zip(("spectrogram_extractor", "logmel_extractor"), extractors, strict=True):
        state.update({f"module.audio_branch.{name}.{key}": value for key, value in part.state_dict().items()})
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"epoch": 3, "loss": np.float64(0.5), "state_dict": state}, tmp_path / "630k.pt")
    save_byte_tokenizer(tmp_path / "roberta")
    read = {**options, "clap_weights": str(tmp_path / "630k.pt"), "clap_tokenizer": str(tmp_path / "roberta")}
    loaded = load_backbone("clip_clap", **read)
    assert error(loaded.encode_audio(sounds), backbone.encode_audio(sounds)) <= 1e-6
    assert loaded.declaration() != backbone.declaration()
    del state["module.audio_branch.bn0.weight"]
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(DataError, match=r"less\.pt do not fit CLAP: .* 1 missing"):
        load_backbone("clip_clap", **{**read, "clap_weights": str(tmp_path / "less.pt")})


def test_what_is_not_there_is_one_sentence(options: dict[str, Any], tmp_path: Path) -> None:
    torch.save({}, tmp_path / "a.pt")
    for change, kind, words in (
        ({"clap_model": "HTSAT-huge"}, UsageError, "choose one of HTSAT-base, "),
        ({"clap_package": "clap"}, UsageError, "choose transformers or laion_clap"),
        ({"clap_weights": str(tmp_path / "a.pt")}, DataError, "do not fit CLAP"),
        ({"clap_tokenizer": "FacebookAI/roberta-large"}, DataError, "roberta-large cannot be read here"),
    ):
        with pytest.raises(kind, match=words) as raised:
            load_backbone("clip_clap", **{**options, **change})
        assert "\n" not in str(raised.value)
