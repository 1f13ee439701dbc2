"""LAION's own CLAP: our waveforms and loading against the package's, with the real sound tower."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.backbones import _laion_clap
from avreplay.extract.backbones._laion_clap import sixteen_bits
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.backbones.weights import convert_file
from backbones.contract import (
    LABELS,
    Company,
    assert_half_precision_is_close,
    assert_made_again_from_its_declaration,
    assert_other_ways_to_compute_are_close,
    assert_same_in_any_company,
    error,
)
from backbones.published import laion_clap_file
from backbones.reference import FOLDER, laion_features
from backbones.small_checkpoints import save_byte_tokenizer


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


def test_the_models_are_those_of_the_newest_release() -> None:
    """The extra installs the last release that does not ask for NumPy 1; beside it lies the newest one."""
    spec = find_spec("laion_clap")
    assert spec is not None
    assert spec.submodule_search_locations
    installed, newest = Path(spec.submodule_search_locations[0]), FOLDER / "laion_clap"
    names = ["model.py", "htsat.py", "feature_fusion.py", "pann_model.py", "loss.py"]
    names += [str(p.relative_to(newest / "clap_module")) for p in (newest / "clap_module/model_configs").glob("*.json")]
    assert len(names) > 8
    for name in names:
        assert (installed / "clap_module" / name).read_bytes() == (newest / "clap_module" / name).read_bytes(), name


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


def test_a_row_does_not_depend_on_what_is_beside_it(backbone: Any, company: Company, monkeypatch: Any) -> None:
    for fixed in (True, False):
        monkeypatch.setattr(backbone, "fixed_batch", fixed)
        assert_same_in_any_company(backbone, company)


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


def state_of(backbone: Any) -> dict[str, torch.Tensor]:
    """The tensors of the model under the names of the package."""
    model = backbone._clap._model
    state = dict(model.state_dict())
    extractors = model.audio_branch.logmel_extractor._module[0]  # kept apart, in float32
    for name, part in zip(("spectrogram_extractor", "logmel_extractor"), extractors, strict=True):
        state.update({f"audio_branch.{name}.{key}": value for key, value in part.state_dict().items()})
    return state


def test_a_checkpoint_as_laion_saves_it(backbone: Any, options: dict[str, Any], sounds: list, tmp_path: Path) -> None:
    """One in a newer pickle is read once it is converted, to the same rows and the same licence as the hub's card."""
    state, path = state_of(backbone), tmp_path / "630k-audioset-best.pt"
    laion_clap_file(path, state)
    save_byte_tokenizer(tmp_path / "roberta")
    read = {**options, "clap_weights": str(path), "clap_tokenizer": str(tmp_path / "roberta")}
    loaded = load_backbone("clip_clap", **read)
    assert error(loaded.encode_audio(sounds), backbone.encode_audio(sounds)) <= 1e-6
    assert loaded.declaration() != backbone.declaration()
    assert loaded.spec.licence == "CLIP as its weights, CLAP CC0-1.0"
    newer = tmp_path / "newer.pt"  # not over the file that is in use: its rows are read from there
    laion_clap_file(newer, state, protocol=4)
    with pytest.raises(DataError, match="convert it with `avreplay convert-weights"):
        load_backbone("clip_clap", **{**read, "clap_weights": str(newer)})
    convert_file(newer, tmp_path / "a.safetensors")
    again = load_backbone("clip_clap", **{**read, "clap_weights": str(tmp_path / "a.safetensors")})
    assert np.array_equal(again.encode_audio(sounds[:2]), loaded.encode_audio(sounds[:2]))


def test_files_for_another_architecture_name_it(backbone: Any, options: dict[str, Any], tmp_path: Path) -> None:
    """``music_*`` are of HTSAT-base; fusion files have layers that mix short and whole sounds."""
    state = state_of(backbone)
    first = "audio_branch.patch_embed.proj.weight"
    less = {key: value for key, value in state.items() if key != "audio_branch.bn0.weight"}
    fusion = {**state, "audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(96, 1, 4, 12)}
    for name, changed, words in (
        (
            "music.pt",
            {**state, first: torch.zeros(128, 1, 4, 4)},
            r"they are of HTSAT-base: choose clap_model=HTSAT-base",
        ),
        ("fusion.pt", fusion, r"with feature fusion, .* clap_weights=laion/clap-htsat-fused"),
        ("less.pt", less, r"1 missing .*; choose the architecture they were trained for"),
    ):
        laion_clap_file(tmp_path / name, changed)
        with pytest.raises(DataError, match=rf"{name} do not fit CLAP: .*{words}") as raised:
            load_backbone("clip_clap", **{**options, "clap_weights": str(tmp_path / name)})
        assert "\n" not in str(raised.value)


def test_what_is_not_there_is_one_sentence(options: dict[str, Any], tmp_path: Path) -> None:
    torch.save({}, tmp_path / "a.pt")
    for change, kind, words in (
        ({"clap_model": "HTSAT-huge"}, UsageError, "choose one of HTSAT-base, "),
        ({"clap_package": "clap"}, UsageError, "choose transformers or laion_clap"),
        ({"clap_weights": str(tmp_path / "a.pt")}, DataError, "do not fit CLAP"),
        ({"clap_tokenizer": "FacebookAI/roberta-large"}, UsageError, "roberta-large are not on this machine"),
    ):
        with pytest.raises(kind, match=words) as raised:
            load_backbone("clip_clap", **{**options, **change})
        assert "\n" not in str(raised.value)
