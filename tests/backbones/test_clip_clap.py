"""CLIP and CLAP: our own preprocessing against open_clip's and transformers' on the real architectures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones._clap import all_ten_seconds, ten_seconds
from avreplay.extract.backbones.base import Backbone
from avreplay.extract.backbones.check import check_backbone
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
from backbones.layers import same, unit
from backbones.small_checkpoints import save_byte_tokenizer
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

TINY_CLAP: dict[str, Any] = {
    "projection_dim": 24,
    "text_config": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
        "vocab_size": 300, "max_position_embeddings": 90, "projection_dim": 24,
    },
    "audio_config": {
        "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 32,
        "projection_dim": 24, "num_hidden_layers": 2,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, tiny_clip: str) -> dict[str, Any]:
    """Options of small random models of both architectures."""
    folder = tmp_path_factory.mktemp("architectures")
    (folder / "clap.json").write_text(json.dumps(TINY_CLAP))
    return {
        "clip_model": tiny_clip,
        "clip_weights": "random:1",
        "clap_weights": "random:2",
        "clap_config": str(folder / "clap.json"),
    }


@pytest.fixture(scope="module")
def full() -> Backbone:
    """ViT-B-32-quickgelu and HTSAT-tiny with RoBERTa, as large as they are."""
    return load_backbone("clip_clap", clip_weights="random:1", clap_weights="random:2", batch_size=4)


def reference_clip(name: str, seed: int) -> tuple[Any, Any, Any]:
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=None)
    fill(model, Weights("", None, seed=seed))
    return model.eval(), preprocess, open_clip.get_tokenizer(name)


def reference_clap(config: dict[str, Any], seed: int) -> Any:
    model = ClapModel(ClapConfig.from_dict(config))
    fill(model, Weights("", None, seed=seed))
    return model.eval()


def rows(output: Any) -> Any:
    return (output if torch.is_tensor(output) else output.pooler_output).numpy()


@torch.no_grad()
def test_pictures_and_texts_equal_open_clip_at_full_size(full: Backbone, pictures: list) -> None:
    model, preprocess, tokenize = reference_clip("ViT-B-32-quickgelu", 1)
    inputs = torch.stack([preprocess(Image.fromarray(p)) for p in pictures])
    ours = full._clip.transform(pictures)
    assert (ours - inputs).abs().max() <= 1e-6
    assert error(full.encode_images(pictures), model.encode_image(inputs).numpy()) <= 1e-4
    texts = full.prompts(LABELS, "visual")
    assert error(full.encode_text(texts, "visual"), model.encode_text(tokenize(texts)).numpy()) <= 1e-4


@torch.no_grad()
@pytest.mark.parametrize("fused", [False, True])
def test_sounds_equal_transformers_features_and_model(
    tiny: dict[str, Any], sounds: list, tmp_path: Path, fused: bool
) -> None:
    config = {**TINY_CLAP, "audio_config": {**TINY_CLAP["audio_config"], "enable_fusion": fused}}
    (tmp_path / "clap.json").write_text(json.dumps(config))
    backbone = load_backbone("clip_clap", **{**tiny, "clap_config": str(tmp_path / "clap.json")})
    extractor = ClapFeatureExtractor(
        truncation="fusion" if fused else "rand_trunc", frequency_min=50, frequency_max=14000
    )
    made = extractor(sounds, sampling_rate=48000, return_tensors="pt")["input_features"]
    ours = backbone._clap.features(sounds)
    assert ours.shape == made.shape == (len(sounds), 4 if fused else 1, 1001, 64)
    assert (ours - made).abs().max() <= 1e-3  # decibels
    want = rows(
        reference_clap(config, 2).get_audio_features(made, is_longer=torch.zeros(len(sounds), 1, dtype=torch.bool))
    )
    assert error(backbone.encode_audio(sounds), want) <= 1e-3


@torch.no_grad()
def test_sounds_and_texts_equal_transformers_at_full_size(full: Backbone, sounds: list) -> None:
    model = reference_clap({}, 2)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14000)
    made = extractor(sounds[:3], sampling_rate=48000, return_tensors="pt")["input_features"]
    assert error(full.encode_audio(sounds[:3]), rows(model.get_audio_features(made))) <= 1e-2
    texts = full.prompts(LABELS, "audio")
    want = np.concatenate([rows(model.get_text_features(**full._clap._tokenizer([text]))) for text in texts])
    assert error(full.encode_text(texts, "audio"), want) <= 1e-3


def test_long_sounds_are_cut_in_the_middle_or_with_a_seed() -> None:
    long = np.arange(480000 + 1001, dtype=np.float32)
    assert ten_seconds(long)[0] == 500
    assert ten_seconds(long, seed=3)[0] == ten_seconds(long, seed=3)[0]
    assert len({ten_seconds(long, seed=s)[0] for s in range(20)}) > 10
    assert np.array_equal(ten_seconds(long[:480000]), long[:480000])


@pytest.mark.parametrize("seed", [None, 3])
def test_many_sounds_are_filled_up_as_each_alone(seed: int | None) -> None:
    noise = np.random.default_rng(0).normal(size=500001).astype(np.float32)
    clips = [noise[:n] for n in (1, 7, 48000, 144001, 240000, 240001, 479999, 480000, 480001, 500001)]
    made = all_ten_seconds(clips, seed, torch.device("cpu"))
    assert np.array_equal(made.numpy(), np.stack([ten_seconds(clip, seed) for clip in clips]))


def test_half_precision_is_close(pictures: list, sounds: list, tiny: dict[str, Any]) -> None:
    assert_half_precision_is_close(lambda dtype: load_backbone("clip_clap", **tiny, dtype=dtype), pictures, sounds[:3])


def test_mixed_precision_and_compiling(pictures: list, sounds: list, tiny: dict[str, Any]) -> None:
    assert_other_ways_to_compute_are_close(lambda **o: load_backbone("clip_clap", **tiny, **o), pictures, sounds[:3])


def test_throughput_beside_ready_tensors(tiny: dict[str, Any], films: Path, tmp_path: Path) -> None:
    place = Path(__file__).parents[2] / "benchmarks" / "extract_throughput.py"
    spec = importlib.util.spec_from_file_location("extract_throughput", place)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    videos = bench.gather(tmp_path / "videos", films, 3)
    backbone = load_backbone("clip_clap", **tiny, batch_size=4)
    found = bench.measure(backbone, ExtractSettings(windows="multiscale"), videos, tmp_path)
    assert found["videos"] == 3
    assert found["items"]["pictures"] > 0
    assert found["items"]["sounds"] > 0
    rates = found["videos_per_second"]
    assert found["ratio_to_ready_tensors"] == pytest.approx(
        rates["extraction"] / rates["model with ready tensors"], rel=0.05
    )
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in (0, 255)]
    assert not np.allclose(*backbone.encode_images(pictures))  # it prepares its inputs again


def test_a_store_replays_like_the_plain_pipeline(tiny: dict[str, Any], real_clip: Path, tmp_path: Path) -> None:
    backbone = load_backbone("clip_clap", **tiny)
    assert assert_replay_equals_the_plain_pipeline(real_clip, backbone, tmp_path) >= 6


def test_generated_films_replay_like_the_plain_pipeline(tiny: dict[str, Any], films: Path, tmp_path: Path) -> None:
    backbone = load_backbone("clip_clap", **tiny)
    for film in sorted(films.iterdir()):
        assert assert_replay_equals_the_plain_pipeline(film, backbone, tmp_path / film.stem) >= 3


def test_declaration_makes_the_same_encoder_again(tiny: dict[str, Any]) -> None:
    options = {**tiny, "audio_prompt": "The sound of {words}", "crop_seed": 3, "normalise": True, "dtype": "bfloat16"}
    assert_made_again_from_its_declaration(load_backbone("clip_clap", **options), clap_config=tiny["clap_config"])


def test_weights_from_files_give_the_same_rows_and_another_fingerprint(
    tiny: dict[str, Any], clap_folder: Path, pictures: list, sounds: list, tmp_path: Path
) -> None:
    made = load_backbone("clip_clap", **tiny)
    model, _, _ = reference_clip("tiny-clip", 1)
    save_file(model.state_dict(), tmp_path / "clip.safetensors")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "clip.pt")
    declared = []
    for name in ("clip.safetensors", "clip.pt"):
        read = load_backbone(
            "clip_clap", clip_model="tiny-clip", clip_weights=str(tmp_path / name), clap_weights=str(clap_folder)
        )
        assert np.array_equal(read.encode_images(pictures), made.encode_images(pictures))
        assert np.array_equal(read.encode_audio(sounds), made.encode_audio(sounds))
        declared.append(read.declaration())
    assert len({d["clip"]["weights_sha256"] for d in (*declared, made.declaration())}) == 3
    assert str(tmp_path) not in json.dumps(declared)
    assert "clip_weights" not in declared[0]["options"]


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of CLAP as on the hub, with a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("clap")
    reference_clap(TINY_CLAP, 2).save_pretrained(folder)
    save_byte_tokenizer(folder)
    return folder


@torch.no_grad()
def test_a_checkpoints_own_tokenizer_and_features_are_used(
    tiny: dict[str, Any], clap_folder: Path, tmp_path: Path, sounds: list
) -> None:
    backbone = load_backbone("clip_clap", **{**tiny, "clap_weights": str(clap_folder), "clap_config": None})
    from transformers import AutoTokenizer

    texts = backbone.prompts(LABELS, "audio")
    made = AutoTokenizer.from_pretrained(str(clap_folder))(texts, padding=True, return_tensors="pt")
    want = rows(reference_clap(TINY_CLAP, 2).get_text_features(made["input_ids"], made["attention_mask"]))
    assert error(backbone.encode_text(texts, "audio"), want) <= 1e-4
    (clap_folder / "preprocessor_config.json").write_text(json.dumps({"frequency_min": 0, "frequency_max": 12000}))
    other = load_backbone("clip_clap", **{**tiny, "clap_weights": str(clap_folder), "clap_config": None})
    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=0, frequency_max=12000)
    made = extractor(sounds, sampling_rate=48000, return_tensors="pt")["input_features"]
    assert (other._clap.features(sounds) - made).abs().max() <= 1e-3
    assert other.declaration() != backbone.declaration()
    (clap_folder / "preprocessor_config.json").unlink()


def test_weights_in_several_parts(tiny: dict[str, Any], clap_folder: Path, tmp_path: Path, sounds: list) -> None:
    state = load_file(clap_folder / "model.safetensors")
    names = sorted(state)
    for path in clap_folder.iterdir():
        if path.suffix == ".json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    for k in range(2):
        save_file({name: state[name] for name in names[k::2]}, tmp_path / f"model-{k}-of-2.safetensors")
    table = {name: f"model-{k % 2}-of-2.safetensors" for k, name in enumerate(names)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    whole = load_backbone("clip_clap", **{**tiny, "clap_weights": str(clap_folder), "clap_config": None})
    parts = load_backbone("clip_clap", **{**tiny, "clap_weights": str(tmp_path), "clap_config": None})
    assert np.array_equal(whole.encode_audio(sounds), parts.encode_audio(sounds))
    (tmp_path / "model-1-of-2.safetensors").unlink()
    with pytest.raises(DataError, match=r"lacks model-1-of-2\.safetensors"):
        load_backbone("clip_clap", **{**tiny, "clap_weights": str(tmp_path)})


def test_the_check_warns_of_random_weights(tiny: dict[str, Any]) -> None:
    result = check_backbone(load_backbone("clip_clap", **tiny))
    assert result.problems
    assert all("clip_clap" in problem for problem in result.problems)


def test_what_does_not_fit_is_one_sentence(tiny: dict[str, Any], clap_folder: Path, tmp_path: Path) -> None:
    model, _, _ = reference_clip("tiny-clip", 1)
    state = model.state_dict()
    save_file({key: value for key, value in state.items() if "visual" not in key}, tmp_path / "half.safetensors")
    torch.save({"state_dict": state, "path": Path("x")}, tmp_path / "pickle.pt")
    (tmp_path / "damaged.safetensors").write_bytes(b"\0" * 100)
    for change, kind, words in (
        ({"clip_weights": str(tmp_path / "half.safetensors")}, DataError, "half.safetensors do not fit tiny-clip"),
        ({"clip_weights": str(tmp_path / "pickle.pt")}, DataError, "pickle.pt"),
        ({"clip_weights": str(tmp_path / "damaged.safetensors")}, DataError, "damaged.safetensors"),
        ({"clip_weights": "nowhere"}, UsageError, "no file, no folder and no hub id"),
        ({"clip_weights": "random:x"}, UsageError, "random:0"),
        ({"clip_model": "ViT-B-33"}, UsageError, "no model 'ViT-B-33'"),
        ({"clip_model": "ViT-B-32", "clip_weights": "openai"}, UsageError, "ViT-B-32-quickgelu"),
        ({"clip_model": "ViT-B-32-quickgelu", "clip_weights": "openai"}, UsageError, "not on this machine"),
        ({"clap_weights": "laion/clap-htsat-unfused"}, UsageError, "not on this machine"),
        ({"clap_weights": "laion/clap-htsat-unfused", "download": True}, UsageError, "not on this machine"),
        ({"clap_weights": str(tmp_path)}, DataError, "several files of weights|no weights"),
        ({"clap_weights": str(clap_folder)}, DataError, "do not fit ClapModel"),
        ({"visual_prompt": "a picture"}, UsageError, "no place for the label"),
        ({"dtype": "float8"}, UsageError, "float32, tf32, float16, bfloat16"),
        ({"device": "tpu"}, UsageError, "device 'tpu'"),
        ({"batch_size": 0}, UsageError, "batch_size is 0"),
    ):
        options = {**tiny, **change}
        if "do not fit ClapModel" in words:
            other = {**TINY_CLAP, "projection_dim": 20}
            (tmp_path / "other.json").write_text(json.dumps(other))
            options["clap_config"] = str(tmp_path / "other.json")
        with pytest.raises(kind, match=words) as raised:
            load_backbone("clip_clap", **options)
        assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def small_towers(tiny: dict[str, Any]) -> Any:
    return load_backbone("clip_clap", **tiny)


def test_clip_pictures_are_the_normed_class_token_projected(small_towers: Any, pictures: list) -> None:
    """OpenAI: ``ln_post(x[:, 0, :]) @ proj``."""
    tower = small_towers._clip._model.visual
    same(lambda: small_towers.encode_images(pictures), tower.transformer, lambda x: tower.ln_post(x[:, 0]) @ tower.proj)


def test_clip_text_is_the_normed_last_token_projected(small_towers: Any) -> None:
    """OpenAI: ``ln_final(x)`` at the highest token number, which ends a text, times ``text_projection``."""
    clip = small_towers._clip
    model, prompts = clip._model, small_towers.prompts(LABELS, "visual")
    place = clip._tokenizer(prompts).argmax(dim=-1)
    same(
        lambda: small_towers.encode_text(prompts, "visual"),
        model.transformer,
        lambda x: model.ln_final(x)[torch.arange(len(x)), place] @ model.text_projection,
    )


def test_clap_sounds_are_the_mean_of_the_normed_last_map_projected(small_towers: Any, sounds: list) -> None:
    """LAION: ``avgpool(flatten(norm(x)))``, two linear layers with ReLU between them, length 1."""
    model = small_towers._clap._model
    head = model.audio_projection
    same(
        lambda: small_towers.encode_audio(sounds),
        model.audio_model.audio_encoder.norm,
        lambda x: unit(head.linear2(torch.relu(head.linear1(x.mean(dim=1))))),
    )


def test_clap_text_is_robertas_pooled_first_token_projected(small_towers: Any) -> None:
    """LAION: RoBERTa's ``pooler_output``, tanh of a linear layer of the first token; two linear layers; length 1."""
    model = small_towers._clap._model
    head, pooler = model.text_projection, model.text_model.pooler.dense
    same(
        lambda: small_towers.encode_text(small_towers.prompts(LABELS, "audio"), "audio"),
        model.text_model.encoder.layer[-1],
        lambda x: unit(head.linear2(torch.relu(head.linear1(torch.tanh(pooler(x[:, 0])))))),
    )


def test_a_store_is_not_continued_with_a_tower_that_computes_something_else(
    tiny: dict[str, Any], films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a package takes another tensor of its sound tower: texts and pictures stay, sounds do not."""
    first, *rest = sorted(films.iterdir())
    extract_videos(first, tmp_path / "store", load_backbone("clip_clap", **tiny), LABELS, progress=False)
    backbone: Any = load_backbone("clip_clap", **tiny)
    head = backbone._clap._model.audio_projection
    monkeypatch.setattr(head, "forward", lambda x: head.linear2(torch.tanh(head.linear1(x))))
    with pytest.raises(DataError, match=r"its sounds of the reference inputs is .*% off, .* less than 0\.1%"):
        extract_videos([first, *rest], tmp_path / "store", backbone, LABELS, progress=False)
    extract_videos([first, *rest], tmp_path / "store", load_backbone("clip_clap", **tiny), LABELS, progress=False)
