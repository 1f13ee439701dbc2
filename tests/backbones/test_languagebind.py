"""LanguageBind: every tower against the package's processors and models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.backbones import _languagebind
from avreplay.extract.backbones._images import PictureTransform
from avreplay.extract.backbones._languagebind import build_tower, published_config
from avreplay.extract.backbones._packages import import_models
from avreplay.extract.backbones._tokenizers import clip_tokens
from avreplay.extract.backbones.languagebind import IMAGE, VIDEO
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.backbones.weights.fill import randomise
from avreplay.extract.backbones.weights.found import Weights
from backbones import languagebind_golden as golden
from backbones.contract import (
    LABELS,
    assert_half_precision_is_close,
    assert_made_again_from_its_declaration,
    assert_other_ways_to_compute_are_close,
    assert_replay_equals_the_plain_pipeline,
    clips_of,
    error,
)
from backbones.inputs import languagebind_processor, languagebind_tokens, picture_files, sound_files
from backbones.layers import same, unit
from backbones.material import all_frames
from safetensors.torch import save_file

SENSES = ("image", "video", "audio")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("languagebind")
    options: dict[str, Any] = {}
    for k, sense in enumerate(SENSES):
        (folder / f"{sense}.json").write_text(json.dumps(golden.config(sense)))
        options |= {f"{sense}_weights": f"random:{k}", f"{sense}_config": str(folder / f"{sense}.json")}
    return options


@pytest.fixture(scope="module")
def speech(sounds: list) -> list:
    """The sounds at 16 kHz."""
    return [np.ascontiguousarray(sound[::3]) for sound in sounds]


@torch.no_grad()
@pytest.mark.parametrize("lora", [0, 4])
@pytest.mark.parametrize("sense", SENSES)
def test_towers_compute_what_they_did_before_transformers_4_46(sense: str, lora: int) -> None:
    want = np.load(Path(__file__).parents[1] / "data" / "languagebind_4_44.npz")
    tower = build_tower(sense, Weights("", None, seed=golden.SEED), golden.config(sense, lora)).eval()
    got = tower.get_image_features(pixel_values=golden.inputs(sense)).numpy()
    assert error(got, want[f"{sense}_{lora}"]) <= 1e-4
    ids, mask = golden.tokens()
    text = tower.get_text_features(input_ids=ids, attention_mask=mask).numpy()
    assert error(text, want[f"{sense}_{lora}_text"]) <= 1e-4


@torch.no_grad()
def test_images_equal_the_packages_processor(small: dict[str, Any], pictures: list, tmp_path: Path) -> None:
    backbone: Any = load_backbone("languagebind", **small)
    with languagebind_processor("image", backbone) as made:
        inputs = made(images=picture_files(pictures, tmp_path))["pixel_values"]
    assert (IMAGE(pictures) - inputs).abs().max() <= 1e-4
    want = backbone._towers["image"].get_image_features(pixel_values=inputs)
    assert error(backbone.encode_images(pictures), torch.nn.functional.normalize(want, dim=-1).numpy()) <= 1e-3


@torch.no_grad()
def test_videos_equal_the_packages_processor_from_the_file_on(
    small: dict[str, Any], films: Path, real_clip: Path
) -> None:
    backbone: Any = load_backbone("languagebind", **small)
    rows, clips = [], []
    for path in (real_clip, *sorted(films.iterdir())):
        with languagebind_processor("video", backbone) as made:
            inputs = made(images=str(path))["pixel_values"]
        frames = all_frames(path)
        clips.append([frames[k * (len(frames) - 1) // 7] for k in range(8)])
        assert (VIDEO(clips[-1]).transpose(0, 1) - inputs[0]).abs().max() <= 1e-4
        rows.append(backbone._towers["video"].get_image_features(pixel_values=inputs))
    want = torch.nn.functional.normalize(torch.cat(rows), dim=-1).numpy()
    assert error(backbone.encode_clips(clips)[:, 0], want) <= 1e-3


@torch.no_grad()
def test_sounds_equal_the_packages_processor(small: dict[str, Any], speech: list, tmp_path: Path) -> None:
    backbone: Any = load_backbone("languagebind", **small)
    with languagebind_processor("audio", backbone) as made:
        pixels = torch.cat([made(images=path)["pixel_values"] for path in sound_files(speech, tmp_path)])
    assert (backbone.sound_pictures(speech) - pixels).abs().max() <= 1e-3
    want = torch.nn.functional.normalize(backbone._towers["audio"].get_image_features(pixel_values=pixels), dim=-1)
    assert error(backbone.encode_audio(speech), want.numpy()) <= 1e-3


def test_long_sounds_are_taken_from_fixed_places_or_with_a_seed(small: dict[str, Any], tmp_path: Path) -> None:
    backbone: Any = load_backbone("languagebind", **small)
    long = np.random.default_rng(0).normal(0, 0.1, 16000 * 13).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", long, 16000, subtype="FLOAT")
    with languagebind_processor("audio", backbone) as made:
        chosen = np.random.choice
        np.random.choice = lambda part: part[0]  # type: ignore[assignment]
        try:
            want = made(images=str(tmp_path / "long.wav"))["pixel_values"][0]
        finally:
            np.random.choice = chosen  # type: ignore[assignment]
    assert (backbone.sound_pictures([long])[0] - want).abs().max() <= 1e-3
    seeded: Any = load_backbone("languagebind", **small, release_seed=1)
    once, again = seeded.sound_pictures([long]), seeded.sound_pictures([long[:200000], long])
    assert torch.equal(once[0], again[1])
    assert not torch.equal(once[0], want)


def test_videos_are_mirrored_only_if_asked_and_always_the_same_way(small: dict[str, Any], pictures: list) -> None:
    straight = load_backbone("languagebind", **small)
    clips = clips_of(pictures, 8)
    mirrored = [[np.ascontiguousarray(frame[:, ::-1]) for frame in clip] for clip in clips]
    plain, flipped = straight.encode_clips(clips), straight.encode_clips(mirrored)
    seen = set()
    for seed in range(6):
        backbone = load_backbone("languagebind", **small, release_seed=seed)
        got = backbone.encode_clips(clips)
        assert np.array_equal(got, backbone.encode_clips(clips))
        for row, a, b in zip(got, plain, flipped, strict=True):
            near = [np.abs(row - x).max() for x in (a, b)]
            assert min(near) < 1e-5 < max(near)
            seen.add(int(np.argmin(near)))
        assert np.array_equal(backbone.encode_images(pictures), straight.encode_images(pictures))
    assert seen == {0, 1}


@torch.no_grad()
def test_texts_equal_the_packages_tokenizer(small: dict[str, Any], tmp_path: Path) -> None:
    backbone: Any = load_backbone("languagebind", **small)
    texts = [*backbone.prompts(LABELS, "audio"), "A " + "very " * 90 + "long label"]
    assert texts[2] == "A church bell"
    want = backbone._towers["image"].get_text_features(*languagebind_tokens(texts, tmp_path))
    want = torch.nn.functional.normalize(want, dim=-1).numpy()
    assert error(backbone.encode_text(texts, "visual"), want) <= 1e-4


def test_half_precision_is_close(small: dict[str, Any], pictures: list, speech: list) -> None:
    assert_half_precision_is_close(lambda d: load_backbone("languagebind", **small, dtype=d), pictures, speech)


def test_mixed_precision_and_compiling(pictures: list, speech: list, small: dict[str, Any]) -> None:
    assert_other_ways_to_compute_are_close(
        lambda **o: load_backbone("languagebind", **small, **o), pictures, speech[:3]
    )


def test_a_store_replays_like_the_plain_pipeline(small: dict[str, Any], real_clip: Path, tmp_path: Path) -> None:
    assert assert_replay_equals_the_plain_pipeline(real_clip, load_backbone("languagebind", **small), tmp_path) >= 6


def test_generated_films_replay_like_the_plain_pipeline(small: dict[str, Any], films: Path, tmp_path: Path) -> None:
    backbone = load_backbone("languagebind", **small)
    for film in sorted(films.iterdir()):
        assert assert_replay_equals_the_plain_pipeline(film, backbone, tmp_path / film.stem) >= 3


def test_declaration_makes_the_same_encoder_again(small: dict[str, Any]) -> None:
    local = {key: value for key, value in small.items() if key.endswith("_config")}
    assert_made_again_from_its_declaration(load_backbone("languagebind", **small, release_seed=2), **local)


@torch.no_grad()
@pytest.mark.parametrize("lora", [0, 4])
def test_checkpoints_with_and_without_adapters_load(
    small: dict[str, Any], tmp_path: Path, lora: int, pictures: list, speech: list
) -> None:
    """In folders as on the hub; adapters as the peft of 2023 saved them, the size of spectrograms as a list."""
    options = {}
    for k, sense in enumerate(SENSES):
        config = golden.config(sense, lora)
        modeling, configuration = import_models(
            "languagebind", [f"{sense}.modeling_{sense}", f"{sense}.configuration_{sense}"]
        )
        name = f"LanguageBind{sense.capitalize()}"
        settings = getattr(configuration, f"{name}Config")(**config)
        for part in (settings, settings.vision_config, settings.text_config):
            part._attn_implementation = "eager"
        model = getattr(modeling, name)(settings)
        randomise(model, k)
        state = {key.replace(".base_layer.", "."): value for key, value in model.state_dict().items()}
        assert (len(state) > len([key for key in state if "lora" not in key])) == bool(lora)
        folder = tmp_path / f"LanguageBind_{sense}"
        folder.mkdir()
        if sense == "audio":
            config["vision_config"]["image_size"] = [112, 1036]
        (folder / "config.json").write_text(json.dumps(config))
        if sense == "video":
            torch.save(state, folder / "pytorch_model.bin")
        else:
            save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors")
        options[f"{sense}_weights"] = str(folder)
    read: Any = load_backbone("languagebind", **options)
    for k, sense in enumerate(SENSES):
        tower = build_tower(sense, Weights("", None, seed=k), golden.config(sense, lora)).eval()
        inputs = golden.inputs(sense)
        want = tower.get_image_features(pixel_values=inputs).numpy()
        assert error(read._towers[sense].get_image_features(pixel_values=inputs).numpy(), want) <= 1e-6
    assert str(tmp_path) not in json.dumps(read.declaration())
    (tmp_path / "LanguageBind_image" / "config.json").unlink()
    with pytest.raises(UsageError, match=r"no config.json beside them"):
        load_backbone("languagebind", **options)


def test_attention_is_torchs_own_and_gives_what_the_packages_gives(
    small: dict[str, Any], pictures: list, monkeypatch: Any
) -> None:
    backbone: Any = load_backbone("languagebind", **small)
    own, calls = torch.nn.functional.scaled_dot_product_attention, []
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: (calls.append(1), own(*a, **k))[1]
    )
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 32000)).astype(np.float32)
    encode: dict[str, Any] = {
        "image": lambda: backbone.encode_images(pictures),
        "video": lambda: backbone.encode_clips(clips_of(pictures, 8)),
        "audio": lambda: backbone.encode_audio(list(noise)),
    }
    texts = backbone.prompts(LABELS, "visual")
    for sense, run in encode.items():
        config = backbone._towers[sense].config
        rows, seen = [], []
        for kind in ("sdpa", "eager"):
            for part in (config, config.vision_config, config.text_config):
                part._attn_implementation = kind
            calls.clear()
            rows.append([run(), backbone.encode_text(texts, "visual")] if sense == "image" else [run()])
            seen.append(len(calls) > 0)
        assert seen == [True, False]
        assert all(error(a, b) <= 1e-4 for a, b in zip(*rows, strict=True)), sense


def test_frames_of_windows_are_prepared_in_batches(small: dict[str, Any], pictures: list, monkeypatch: Any) -> None:
    sizes: list[int] = []
    prepare = PictureTransform.__call__

    def noted(self: Any, frames: Any, *more: Any) -> Any:
        sizes.append(len(frames))
        return prepare(self, frames, *more)

    monkeypatch.setattr(PictureTransform, "__call__", noted)
    clips = clips_of(pictures, 8)
    rows = {}
    for batch_size in (64, 3):
        sizes.clear()
        rows[batch_size] = load_backbone("languagebind", **small, batch_size=batch_size).encode_clips(clips)
        distinct = len({id(frame) for clip in clips for frame in clip})
        assert sum(sizes) == distinct > 3
        assert max(sizes) == min(distinct, batch_size)
    assert error(rows[3], rows[64]) <= 1e-4


def test_what_does_not_fit_is_one_sentence(small: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    save_file({"logit_scale": torch.zeros(())}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"model.safetensors do not fit LanguageBindAudio: .* missing"):
        load_backbone("languagebind", **{**small, "audio_weights": str(tmp_path / "model.safetensors")})
    with pytest.raises(UsageError, match="image_weights LanguageBind/LanguageBind_Image are not on this machine"):
        load_backbone("languagebind")
    monkeypatch.setattr("transformers.__version__", "5.3.0")
    with pytest.raises(UsageError, match=r"needs transformers 4 and transformers 5\.3\.0 is installed"):
        load_backbone("languagebind", **small)


def test_published_sizes_are_those_of_the_checkpoints() -> None:
    """Parameters without the weights: on the meta device."""
    millions = {}
    for sense in SENSES:
        modeling, configuration = import_models(
            "languagebind", [f"{sense}.modeling_{sense}", f"{sense}.configuration_{sense}"]
        )
        name = f"LanguageBind{sense.capitalize()}"
        settings = getattr(configuration, f"{name}Config")(**published_config(sense))
        model_class = getattr(modeling, name)
        model_class.resize_pos = lambda self, embeddings, config: None
        with torch.device("meta"):
            model = model_class(settings)
        millions[sense] = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions["image"] == pytest.approx(427.6, abs=0.1)
    assert millions["video"] == pytest.approx(528.6, abs=0.1)
    assert _languagebind.PUBLISHED["audio"]["num_mel_bins"] == 112


@pytest.mark.parametrize("sense", SENSES)
def test_towers_are_the_normed_class_token_projected(
    small: dict[str, Any], pictures: list, speech: list, sense: str
) -> None:
    """``post_layernorm`` of the class token, of a video the mean over its frames; projected; length 1."""
    languagebind: Any = load_backbone("languagebind", **small)
    tower = languagebind._towers[sense]
    frames = languagebind.spec.window_frames if sense == "video" else 1
    clips = clips_of(pictures, languagebind.spec.window_frames)
    encode = {
        "image": lambda: languagebind.encode_images(pictures),
        "video": lambda: languagebind.encode_clips(clips)[:, 0],
        "audio": lambda: languagebind.encode_audio(speech),
    }[sense]

    def defined(x: torch.Tensor) -> torch.Tensor:
        first = tower.vision_model.post_layernorm(x[:, 0])
        return unit(tower.visual_projection(first.reshape(-1, frames, first.shape[-1]).mean(dim=1)))

    same(encode, tower.vision_model.encoder.layers[-1], defined)


def test_text_is_the_normed_last_token_projected(small: dict[str, Any]) -> None:
    """The image tower's text: ``final_layer_norm`` at the end of the text, projected; length 1."""
    languagebind: Any = load_backbone("languagebind", **small)
    tower, prompts = languagebind._towers["image"], languagebind.prompts(LABELS, "audio")
    place = clip_tokens(prompts).argmax(dim=-1)
    same(
        lambda: languagebind.encode_text(prompts, "audio"),
        tower.text_model.encoder.layers[-1],
        lambda x: unit(tower.text_projection(tower.text_model.final_layer_norm(x)[torch.arange(len(x)), place])),
    )
