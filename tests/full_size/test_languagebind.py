"""LanguageBind of ViT-L/14: image, video, audio and text towers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from avreplay.extract.backbones._languagebind import published_config
from avreplay.extract.backbones.languagebind import IMAGE
from backbones.contract import (
    assert_batching_changes_nothing,
    assert_half_precision_is_close,
    assert_replay_equals_the_plain_pipeline,
)
from backbones.inputs import languagebind_processor, languagebind_tokens, picture_files, sound_files
from full_size.checks import LABELS, Comparison, Figures, OneModel, at_16_khz, share, window, without_memory
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel


@pytest.fixture(scope="module")
def model(figures: Figures) -> OneModel:
    options = {f"{sense}_weights": f"random:{k}" for k, sense in enumerate(("image", "video", "audio"))}
    made = OneModel("languagebind", figures, **options, batch_size=16)
    made.count(*made()._towers.values())
    return made


@torch.no_grad()
def test_images(model: OneModel, few_pictures: list, equal_rows: Comparison, tmp_path: Path) -> None:
    backbone: Any = model()
    with languagebind_processor("image", backbone) as made:
        inputs = made(images=picture_files(few_pictures, tmp_path))["pixel_values"]
    want = backbone._towers["image"].get_image_features(pixel_values=inputs)
    equal_rows("images", backbone.encode_images(few_pictures), normalize(want, dim=-1).numpy(), 1e-3)


@torch.no_grad()
def test_images_and_texts_are_those_of_clip(
    model: OneModel, few_pictures: list, equal_rows: Comparison, tmp_path: Path
) -> None:
    """The image checkpoint is CLIP of other weights, and transformers' CLIP computes it by other code."""
    backbone: Any = model()
    settings = published_config("image")
    with without_memory():
        clip: Any = CLIPModel(CLIPConfig(**settings)).eval()
    share(clip, {"": backbone._towers["image"]})
    want = clip.get_image_features(pixel_values=IMAGE(few_pictures))
    equal_rows("images, by CLIP", backbone.encode_images(few_pictures), normalize(want, dim=-1).numpy(), 1e-3)
    texts = backbone.prompts(LABELS, "visual")
    ids, mask = languagebind_tokens(texts, tmp_path)
    want = clip.get_text_features(input_ids=ids, attention_mask=mask)
    equal_rows("text, by CLIP", backbone.encode_text(texts, "visual"), normalize(want, dim=-1).numpy(), 1e-3)


@torch.no_grad()
def test_videos(model: OneModel, all_films: list[Path], equal_rows: Comparison) -> None:
    backbone: Any = model()
    with languagebind_processor("video", backbone) as made:
        inputs = [made(images=str(path))["pixel_values"] for path in all_films]
    want = torch.cat([backbone._towers["video"].get_image_features(pixel_values=video) for video in inputs])
    got = backbone.encode_clips([window(path, 8) for path in all_films])[:, 0]
    equal_rows("clips", got, normalize(want, dim=-1).numpy(), 1e-3)


@torch.no_grad()
def test_sounds(model: OneModel, few_sounds: list, equal_rows: Comparison, tmp_path: Path) -> None:
    backbone: Any = model()
    heard = at_16_khz(few_sounds)
    with languagebind_processor("audio", backbone) as made:
        inputs = torch.cat([made(images=path)["pixel_values"] for path in sound_files(heard, tmp_path)])
    want = backbone._towers["audio"].get_image_features(pixel_values=inputs)
    equal_rows("audio", backbone.encode_audio(heard), normalize(want, dim=-1).numpy(), 1e-3)


@torch.no_grad()
def test_texts(model: OneModel, equal_rows: Comparison, tmp_path: Path) -> None:
    backbone: Any = model()
    texts = backbone.prompts(LABELS, "audio")
    want = backbone._towers["image"].get_text_features(*languagebind_tokens(texts, tmp_path))
    equal_rows("text", backbone.encode_text(texts, "audio"), normalize(want, dim=-1).numpy(), 1e-4)


def test_batching(
    model: OneModel, few_pictures: list, few_sounds: list, short_films: list[Path], figures: Figures
) -> None:
    clips = [window(path, 8) for path in short_films]
    figures["change by batching"] = assert_batching_changes_nothing(
        model(), few_pictures, at_16_khz(few_sounds), clips, LABELS
    )


def test_replay(model: OneModel, short_films: list[Path], figures: Figures, tmp_path: Path) -> None:
    figures["events equal to the plain pipeline's"] = events = assert_replay_equals_the_plain_pipeline(
        short_films[0], model(), tmp_path
    )
    assert events >= 3


def test_half_precision(
    model: OneModel, few_pictures: list, few_sounds: list, short_films: list[Path], figures: Figures
) -> None:
    figures["smallest cosine to float32"] = assert_half_precision_is_close(
        model, few_pictures[1:3], at_16_khz(few_sounds)[:2], [window(short_films[0], 8)], LABELS
    )
