"""PE-Core, SigLIP 2 and MobileCLIP2 against open_clip's own preprocessing, tokenizer, towers and logits."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import open_clip  # noqa: E402
from avreplay.cache import open_store  # noqa: E402
from avreplay.core.decoders.av2a import replay_scores  # noqa: E402
from avreplay.core.errors import DataError, UsageError  # noqa: E402
from avreplay.core.params.av2a import make_params  # noqa: E402
from avreplay.extract import ExtractSettings, extract_videos  # noqa: E402
from avreplay.extract.backbones.base import Backbone, backbone_declaration  # noqa: E402
from avreplay.extract.backbones.checkpoints import CHECKPOINTS  # noqa: E402
from avreplay.extract.backbones.registry import BUILT_IN, backbone_class, load_backbone  # noqa: E402
from avreplay.extract.doctor import in_child  # noqa: E402
from avreplay.extract.for_explorer.words import NewWords  # noqa: E402
from avreplay.extract.labels import embed_labels  # noqa: E402
from backbones.contract import (  # noqa: E402
    LABELS,
    assert_half_precision_is_close,
    assert_made_again_from_its_declaration,
    assert_other_ways_to_compute_are_close,
    assert_replay_equals_the_plain_pipeline,
    error,
)
from backbones.small_checkpoints import save_byte_tokenizer  # noqa: E402
from backbones.test_clip_clap import TINY_CLAP  # noqa: E402
from backbones.tiny_image_models import (  # noqa: E402
    PREPROCESSING,
    TINY,
    copy_without,
    known_to_open_clip,
    save_checkpoint,
)
from PIL import Image  # noqa: E402

FAMILIES = sorted(TINY)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A repository of each family, as open_clip publishes them."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("published")
    known_to_open_clip(folder)
    save_byte_tokenizer(folder / "bytes")
    tokenizer = AutoTokenizer.from_pretrained(folder / "bytes")
    for family in FAMILIES:
        save_checkpoint(family, folder / family, tokenizer=tokenizer if family == "siglip2" else None)
    return {family: folder / family for family in FAMILIES}


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("clap") / "clap.json"
    path.write_text(json.dumps(TINY_CLAP))
    return {"clap_weights": "random:2", "clap_config": str(path), "batch_size": 4}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def options(family: str, published: dict[str, Path], clap: dict[str, Any]) -> dict[str, Any]:
    return {**clap, "model": f"tiny-{family}", "weights": str(published[family])}


@pytest.fixture
def backbone(family: str, options: dict[str, Any]) -> Backbone:
    return load_backbone(family, **options)


@torch.no_grad()
def test_pictures_texts_and_scores_equal_open_clip_on_the_published_form(
    family: str, backbone: Any, published: dict[str, Path], pictures: list, tmp_path: Path
) -> None:
    place = f"local-dir:{published[family]}"
    model, _, preprocess = open_clip.create_model_and_transforms(place)
    tokenize = open_clip.get_tokenizer(place)
    # Pillow 13 squashes tall pictures by rows first, and the models' training went by columns first, as we do
    pictures = [picture for picture in pictures if picture.shape[0] <= picture.shape[1]]
    inputs = torch.stack([preprocess(Image.fromarray(p)) for p in pictures])
    assert (backbone._image.transform(pictures) - inputs).abs().max() <= 1e-6
    model.eval()
    texts = backbone.prompts(LABELS, "visual")
    tokens = tokenize(texts)
    assert torch.equal(backbone._image._tokenizer(texts), tokens)
    assert tokens.shape[1] == TINY[family]["text_cfg"]["context_length"]
    seen, said = backbone.encode_images(pictures), backbone.encode_text(texts, "visual")
    assert error(seen, model.encode_image(inputs, normalize=True).numpy()) <= 1e-4
    assert error(said, model.encode_text(tokens, normalize=True).numpy()) <= 1e-4
    scale, bias = backbone.logits["visual"]
    want, _ = model.get_logits(inputs, tokens)
    np.testing.assert_allclose(scale * (seen @ said.T) + bias, want.numpy(), atol=2e-3)
    assert (bias == -16.5) == (family == "siglip2") == (backbone.declaration()["image"]["trained_with"] == "sigmoid")


@torch.no_grad()
def test_the_scores_of_a_store_are_the_models_logits_and_its_probabilities(
    family: str, options: dict[str, Any], films: Path, tmp_path: Path
) -> None:
    backbone: Any = load_backbone(family, **options, audio_scale=8.0, audio_bias=-2.5)
    extract_videos(films, tmp_path / "store", backbone, LABELS, ExtractSettings(dtype="float32"), progress=False)
    store = open_store(tmp_path / "store")
    bundle, cosines = store.bundle(), store.cosines()
    (visual, visual_bias), (audio, audio_bias) = backbone.logits["visual"], (8.0, -2.5)
    np.testing.assert_allclose(bundle.visual_segments, visual * cosines.visual_segments + visual_bias, atol=1e-3)
    np.testing.assert_allclose(bundle.audio_segments, audio * cosines.audio_segments + audio_bias, atol=1e-4)
    assert store.config["backbone"]["logits"] == {"visual": [visual, visual_bias], "audio": [8.0, -2.5]}
    params = make_params("clip_clap", "release", {"score_norm": "sigmoid", "tau0": 0.0, "tau_f": 0.0, "min_length": 1})
    _, visual_events, _ = (replay_scores(bundle, params).events.track(0, k) for k in range(3))
    first = 1 / (1 + np.exp(-(visual * cosines.visual_segments.astype(np.float64) + visual_bias)))
    for label, onset, offset, score in visual_events:
        assert first[onset:offset, label].min() - 1e-3 <= score <= first[onset:offset, label].max() + 1e-3
    words = NewWords(store, backbone=backbone)
    more = words.scores(["Rain"])
    embed_labels(store.url, ["Dog", "Rain"], backbone=backbone)
    again = open_store(store.url).bundle()
    np.testing.assert_allclose(more.visual_segments[:, 0], again.visual_segments[:, 1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(again.visual_segments[:, 0], bundle.visual_segments[:, 0], rtol=1e-5, atol=1e-5)


def test_half_precision_is_close(family: str, options: dict[str, Any], pictures: list, sounds: list) -> None:
    heard = sounds[: family == "pe_core"]  # all have the same CLAP
    assert_half_precision_is_close(lambda dtype: load_backbone(family, **options, dtype=dtype), pictures[:3], heard)
    halves = [load_backbone(family, **options, dtype=dtype).logits for dtype in ("float32", "float16")]
    assert halves[0] == halves[1]


def test_mixed_precision_and_compiling(family: str, options: dict[str, Any], pictures: list, sounds: list) -> None:
    assert_other_ways_to_compute_are_close(lambda **o: load_backbone(family, **options, **o), pictures[:3], sounds[:2])


def test_a_store_replays_like_the_plain_pipeline(clap: dict[str, Any], published: dict, films: Path, tmp_path) -> None:
    random = load_backbone("pe_core", **clap, model="tiny-pe_core", weights="random:4")
    random.logits = {}  # the plain pipeline takes products
    assert assert_replay_equals_the_plain_pipeline(min(films.iterdir()), random, tmp_path) >= 3


def test_rates_are_those_listed(family: str, backbone: Backbone) -> None:
    facts, spec = BUILT_IN[family], backbone.spec
    assert (facts.sample_rate, facts.window_frames) == (spec.sample_rate, spec.window_frames)
    assert facts.licence == spec.licence


def test_declaration_makes_the_same_encoder_again(family: str, options: dict[str, Any]) -> None:
    given = {**options, "weights": "random:1", "audio_scale": 3.0, "visual_prompt": "A {label}"}
    backbone = load_backbone(family, **given)
    assert_made_again_from_its_declaration(backbone, clap_config=options["clap_config"])
    changed = load_backbone(family, **{**given, "audio_scale": 4.0})
    assert backbone_declaration(changed) != backbone_declaration(backbone)


def test_preprocessing_is_that_of_the_checkpoint_then_of_its_tag_then_of_the_family(
    family: str, options: dict[str, Any], published: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def transform(folder: Path) -> dict[str, Any]:
        made = load_backbone(family, **{**options, "weights": str(folder)}).declaration()["image"]["picture"]
        return {key: made[key] for key in ("mean", "std", "method", "squash", "size")}

    def wanted(config: dict[str, Any]) -> dict[str, Any]:
        return {
            "mean": config["mean"], "std": config["std"], "method": config["interpolation"],
            "squash": config["resize_mode"] == "squash", "size": 64,
        }  # fmt: skip

    own = {"mean": [0.1, 0.2, 0.3], "std": [0.7, 0.8, 0.9], "interpolation": "bicubic", "resize_mode": "shortest"}
    other = copy_without(published[family], tmp_path / "own")
    written = {"model_cfg": TINY[family], "preprocess_cfg": own}
    (other / "open_clip_config.json").write_text(json.dumps(written))
    assert transform(other) == wanted(own)
    bare = copy_without(published[family], tmp_path / "bare", "open_clip_config.json")
    assert transform(bare) == wanted(PREPROCESSING[family])
    tag = {**own, "std": [0.4, 0.4, 0.4]}
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda model: ["some"])
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda model, name: tag if name == "some" else {})
    assert transform(bare) == wanted(tag)


def test_the_check_up_tries_the_default_architecture(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert getattr(in_child, family)() == {}
    model = inspect.signature(backbone_class(family)).parameters["model"].default
    monkeypatch.setattr(open_clip, "list_models", lambda: ["RN50", model[:-1]])
    with pytest.raises(ImportError, match=f"has no {model}"):
        getattr(in_child, family)()


def test_families_have_the_preprocessing_of_their_default_checkpoints(family: str) -> None:
    taken = inspect.signature(backbone_class(family)).parameters
    model, tag = taken["model"].default, taken["weights"].default
    published = open_clip.get_pretrained_cfg(model, tag)
    own: Any = backbone_class(family)
    keys = (
        ("interpolation", "resize_mode") if family == "mobileclip2" else ("mean", "std", "interpolation", "resize_mode")
    )
    assert {key: own.picture_defaults[key] for key in keys} == {key: published[key] for key in keys}
    config = open_clip.get_model_config(model)
    facts = BUILT_IN[family]
    assert facts.dims == f"audio 512, visual {config['embed_dim']}"
    assert ("init_logit_bias" in config) == (family == "siglip2")


@pytest.mark.parametrize("name", ["clip_clap", *FAMILIES])
def test_listed_checkpoints_are_tags_of_open_clip_with_their_sizes(name: str) -> None:
    prefix = "clip_" if name == "clip_clap" else ""
    taken = inspect.signature(backbone_class(name)).parameters
    listed = [c for c in CHECKPOINTS[name] if f"{prefix}model" in c.options]
    assert all(listed[0].options[option] == taken[option].default for option in listed[0].options)
    for c in listed:
        model, tag = c.options[f"{prefix}model"], c.options[f"{prefix}weights"]
        assert open_clip.get_pretrained_cfg(model, tag)
    smallest = min(listed, key=lambda c: c.parameters)  # the others take seconds each
    made = open_clip.create_model(smallest.options[f"{prefix}model"], pretrained=None, device="meta")
    assert sum(p.numel() for p in made.parameters()) == smallest.parameters


def test_what_does_not_fit_is_one_sentence(published: dict[str, Path], clap: dict[str, Any], tmp_path: Path) -> None:
    untold = copy_without(published["siglip2"], tmp_path / "untold", "tokenizer.json", "tokenizer_config.json")
    for family, change, kind, words in (
        ("pe_core", {"weights": str(published["siglip2"])}, DataError, "do not fit tiny-pe_core"),
        ("siglip2", {"weights": str(published["pe_core"])}, DataError, "do not fit tiny-siglip2"),
        ("siglip2", {"weights": str(untold)}, UsageError, "tokenizer nowhere/tiny-SigLIP2 of tiny-siglip2"),
        ("siglip2", {"model": "ViT-B-16-SigLIP2", "weights": "webli"}, UsageError, "not on this machine"),
        ("pe_core", {"model": "PE-Core-XXL"}, UsageError, "no model 'PE-Core-XXL'"),
        ("pe_core", {"audio_scale": 0}, UsageError, "audio_scale is 0; it must be above 0"),
        ("pe_core", {"audio_bias": "low"}, UsageError, "audio_bias is 'low'; give a number"),
        ("pe_core", {"visual_prompt": "a photo"}, UsageError, "no place for the label"),
    ):
        given = {**clap, "model": f"tiny-{family}", "weights": str(published[family]), **change}
        with pytest.raises(kind, match=words) as raised:
            load_backbone(family, **given)
        assert "\n" not in str(raised.value)
