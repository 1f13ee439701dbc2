"""PE-AV: our own preprocessing, shared frames and loading against transformers' processors and joint model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.backbones.pe_av import state_before_norm
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.backbones.weights.fill import randomise
from backbones.contract import (
    LABELS,
    assert_half_precision_is_close,
    assert_made_again_from_its_declaration,
    assert_other_ways_to_compute_are_close,
    assert_replay_equals_the_plain_pipeline,
    clips_of,
    error,
)
from backbones.inputs import PE_AV_PROCESSOR, pe_av_pictures, pe_av_sound
from backbones.layers import same, unit
from backbones.pe_models import SMALL, last_layer
from backbones.small_checkpoints import save_byte_tokenizer
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel, PeAudioVideoConfig, PeAudioVideoModel


@pytest.fixture(scope="module")
def reference() -> Any:
    """The joint model of transformers, all its parts, narrower; the real one has 1.5 billion parameters."""
    model = PeAudioVideoModel(PeAudioVideoConfig.from_dict(SMALL)).eval()
    randomise(model, 3)
    return model


@pytest.fixture(scope="module")
def folder(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as transformers saves it, tied parts once, with a tokenizer and the published processor."""
    place = tmp_path_factory.mktemp("pe-av")
    reference.save_pretrained(place)
    save_byte_tokenizer(place)
    (place / "processor_config.json").write_text(json.dumps(PE_AV_PROCESSOR))
    return place


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("config") / "small.json"
    path.write_text(json.dumps(SMALL))
    return {"weights": "random:3", "config": str(path)}


@torch.no_grad()
def test_text_is_the_state_before_the_final_norm() -> None:
    """Against vectors of the layer itself, made under transformers 4 and 5, which agree on it and not on its name."""
    data = Path(__file__).parents[1] / "data" / "modernbert"
    with np.load(data / "golden.npz", allow_pickle=False) as golden:
        model = ModernBertModel(ModernBertConfig(**json.loads(str(golden["a/config"])), attn_implementation="eager"))
        model.load_state_dict(load_file(data / "a.safetensors"))
        tokens = {key: torch.from_numpy(golden[f"a/{key}"]) for key in ("input_ids", "attention_mask")}
        got = state_before_norm(model.eval(), tokens).numpy()
        real = golden["a/attention_mask"] == 1
        for version in ("tf4.57.6", "tf5.23.0"):
            assert np.abs(got - golden[f"a/{version}/pre_norm"])[real].max() <= 2e-5
            assert np.abs(got - golden[f"a/{version}/post_norm"])[real].max() > 1
    del model.final_norm
    with pytest.raises(UsageError, match="does not end with one final norm"):
        state_before_norm(model, tokens)


@torch.no_grad()
def test_all_towers_equal_the_joint_model_of_transformers(
    reference: Any, folder: Path, pictures: list, sounds: list
) -> None:
    backbone: Any = load_backbone("pe_av", weights=str(folder))
    texts = backbone.prompts(LABELS, "audio")
    assert texts[2] == "church bell"
    tokens = AutoTokenizer.from_pretrained(str(folder))(texts, padding=True, return_tensors="pt")
    text = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    clips = clips_of(pictures, 16)
    videos = torch.stack([pe_av_pictures(clip) for clip in clips])
    got_audio, want_audio, want = backbone.encode_audio(sounds), [], None
    for sound in sounds:
        values, mask = pe_av_sound(sound)
        want = reference(
            **text,
            pixel_values_videos=videos.repeat(2, 1, 1, 1, 1),
            input_values=values.expand(len(texts), -1, -1),
            padding_mask=mask.expand(len(texts), -1),
        )
        want_audio.append(want.audio_embeds[:1])
    assert want is not None
    heads = {"audio": reference.audio_model.text_audio_head, "visual": reference.video_model.text_video_head}
    state = last_layer(reference.text_model, text)[:, 0]
    for got, rows, tolerance in (
        (got_audio, torch.cat(want_audio), 1e-3),
        (backbone.encode_clips(clips)[:, 0], want.video_embeds[: len(clips)], 1e-3),
        (backbone.encode_text(texts, "audio"), heads["audio"](state), 1e-4),
        (backbone.encode_text(texts, "visual"), heads["visual"](state), 1e-4),
    ):
        assert error(got, torch.nn.functional.normalize(rows, dim=-1).numpy()) <= tolerance


@torch.no_grad()
def test_pictures_equal_the_processor_and_a_video_of_one_frame(reference: Any, folder: Path, pictures: list) -> None:
    backbone: Any = load_backbone("pe_av", weights=str(folder))
    theirs = pe_av_pictures(pictures)
    assert (backbone._transform(pictures) - theirs).abs().max() <= 1e-6
    model = reference.video_model
    want = model.video_head(model.video_encoder(theirs.unsqueeze(1), return_dict=True).pooler_output)
    want = torch.nn.functional.normalize(want, dim=-1).numpy()
    assert error(backbone.encode_images(pictures), want) <= 1e-4


@torch.no_grad()
def test_random_weights_and_files_give_the_same_architecture(small: dict[str, Any], folder: Path, sounds: list) -> None:
    made: Any = load_backbone("pe_av", **small)
    read: Any = load_backbone("pe_av", weights=str(folder))
    assert {k: v.shape for k, v in made._towers.state_dict().items()} == {
        k: v.shape for k, v in read._towers.state_dict().items()
    }
    assert made.declaration()["weights_sha256"] != read.declaration()["weights_sha256"]
    assert str(folder) not in json.dumps(read.declaration())


def test_tied_parts_are_found_under_any_of_their_names(folder: Path, tmp_path: Path, pictures: list) -> None:
    state = load_file(folder / "model.safetensors")
    for old, new in (
        ("text_model.", "audio_model.text_model."),
        ("audio_model.audio_encoder.", "audio_video_encoder.embedder.audio_encoder."),
        ("video_model.video_encoder.", "audio_video_encoder.embedder.video_encoder."),
    ):
        assert any(key.startswith(old) for key in state)
        state = {new + k.removeprefix(old) if k.startswith(old) else k: v for k, v in state.items()}
    for path in folder.iterdir():
        if path.suffix == ".json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    save_file(state, tmp_path / "model.safetensors")
    one, other = (load_backbone("pe_av", weights=str(place)) for place in (folder, tmp_path))
    assert np.array_equal(one.encode_images(pictures), other.encode_images(pictures))
    assert np.array_equal(one.encode_text(["dog", "cat"], "audio"), other.encode_text(["dog", "cat"], "audio"))


def test_half_precision_is_close(small: dict[str, Any], pictures: list, sounds: list) -> None:
    assert_half_precision_is_close(lambda dtype: load_backbone("pe_av", **small, dtype=dtype), pictures, sounds)


def test_mixed_precision_and_compiling(pictures: list, sounds: list, small: dict[str, Any]) -> None:
    assert_other_ways_to_compute_are_close(lambda **o: load_backbone("pe_av", **small, **o), pictures, sounds[:3])


def test_a_store_replays_like_the_plain_pipeline(small: dict[str, Any], real_clip: Path, tmp_path: Path) -> None:
    backbone = load_backbone("pe_av", **small, frames=4)
    assert assert_replay_equals_the_plain_pipeline(real_clip, backbone, tmp_path) >= 6


def test_declaration_makes_the_same_encoder_again(small: dict[str, Any]) -> None:
    backbone = load_backbone("pe_av", **small, frames=8, dtype="bfloat16")
    assert backbone.spec.window_frames == 8
    assert_made_again_from_its_declaration(backbone, config=small["config"])


def test_what_does_not_fit_is_one_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["audio_video_config"]["audio_config"]["num_hidden_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"do not fit _?Towers: .* missing"):
        load_backbone("pe_av", weights=str(tmp_path))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "processor_config.json").write_text(json.dumps({"size": {"shortest_edge": 336}}))
    with pytest.raises(UsageError, match="not supported"):
        load_backbone("pe_av", weights=str(tmp_path))
    with pytest.raises(UsageError, match="weights facebook/pe-av-large-16-frame are not on this machine"):
        load_backbone("pe_av")
    with pytest.raises(UsageError, match="frames is 0"):
        load_backbone("pe_av", weights=str(folder), frames=0)
    monkeypatch.setattr("transformers.__version__", "4.57.6")
    with pytest.raises(UsageError, match=r"needs transformers 5 and transformers 4\.57\.6 is installed"):
        load_backbone("pe_av", weights=str(folder))


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_text_is_the_first_token_of_the_last_layer_before_the_final_norm(small: dict[str, Any], modality: Any) -> None:
    """Meta: the state of ModernBERT's last layer, without its final norm, through the modality's own head; length 1."""
    pe_av: Any = load_backbone("pe_av", **small, frames=4)
    towers = pe_av._towers
    head = towers.audio_model.text_audio_head if modality == "audio" else towers.video_model.text_video_head
    same(
        lambda: pe_av.encode_text(pe_av.prompts(LABELS, modality), modality),
        towers.audio_model.text_model.layers[-1],
        lambda x: unit(head(x[:, 0])),
    )


@pytest.mark.parametrize("sense", ["images", "clips", "audio"])
def test_towers_are_the_normed_class_token(small: dict[str, Any], pictures: list, sounds: list, sense: str) -> None:
    """The class token of the last layer, normed and through ``output``, then the tower's head; length 1."""
    pe_av: Any = load_backbone("pe_av", **small, frames=4)
    towers = pe_av._towers
    audio, video = towers.audio_model, towers.video_model
    encoder, head = (
        (audio.audio_encoder, audio.audio_head) if sense == "audio" else (video.video_encoder, video.video_head)
    )
    encode = {
        "images": lambda: pe_av.encode_images(pictures),
        "clips": lambda: pe_av.encode_clips(clips_of(pictures, 4))[:, 0],
        "audio": lambda: np.concatenate([pe_av.encode_audio([sound]) for sound in sounds]),
    }[sense]
    same(encode, encoder.layers[-1], lambda x: unit(head(encoder.output(encoder.norm(x))[:, 0])))
