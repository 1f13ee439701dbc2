"""PE-AV of the default configuration: picture, video, sound and text towers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from avreplay.extract.backbones._tokenizers import byte_tokens
from backbones.contract import (
    assert_batching_changes_nothing,
    assert_half_precision_is_close,
    assert_replay_equals_the_plain_pipeline,
)
from backbones.inputs import pe_av_pictures, pe_av_sound
from full_size.checks import LABELS, Comparison, Figures, OneModel, share, window, without_memory
from torch.nn.functional import normalize
from transformers import PeAudioVideoConfig, PeAudioVideoModel

DISTINCT = 4
"""Frames of a window that differ, so that a picture tower of 300 million parameters has not sixteen to look at."""


@pytest.fixture(scope="module")
def model(figures: Figures) -> OneModel:
    made = OneModel("pe_av", figures, weights="random:3", batch_size=4)
    backbone = made()
    made.count(backbone._towers, backbone._pictures, *codec(backbone))
    return made


def codec(backbone: Any) -> Any:
    return backbone._towers.audio_model.audio_encoder.embedder._codec


def reference(backbone: Any) -> tuple[Any, Any]:
    """The models for sounds and videos in the joint model of transformers, with our parameters."""
    with without_memory():
        made: Any = PeAudioVideoModel(PeAudioVideoConfig.from_dict({})).eval()
    towers, (encoder, bottleneck) = backbone._towers, codec(backbone)
    sound = "audio_model.audio_encoder.embedder"
    share(
        made,
        {
            "audio_model": towers.audio_model,
            f"{sound}.dac_encoder": encoder,
            f"{sound}.bottleneck": bottleneck,
            "video_model": towers.video_model,
            "video_model.text_model": towers.audio_model.text_model,
            "video_model.video_encoder.embedder.vision_model": backbone._pictures,
        },
    )
    return made.audio_model, made.video_model


@torch.no_grad()
def test_videos(model: OneModel, all_films: list[Path], equal_rows: Comparison) -> None:
    backbone, (_, package) = model(), reference(model())
    tokens = byte_tokens(backbone.prompts(LABELS[:1], "visual"))
    clips = [window(path, 16, DISTINCT) for path in all_films]
    want = [package(**tokens, pixel_values_videos=pe_av_pictures(clip)[None]).video_embeds for clip in clips]
    equal_rows("clips", backbone.encode_clips(clips)[:, 0], normalize(torch.cat(want), dim=-1).numpy(), 1e-3)


@torch.no_grad()
def test_pictures(model: OneModel, few_pictures: list, equal_rows: Comparison) -> None:
    backbone, (_, package) = model(), reference(model())
    tokens = byte_tokens(backbone.prompts(LABELS[:1], "visual"))
    videos = [pe_av_pictures([picture])[None] for picture in few_pictures]
    want = [package(**tokens, pixel_values_videos=video).video_embeds for video in videos]
    equal_rows("images", backbone.encode_images(few_pictures), normalize(torch.cat(want), dim=-1).numpy(), 1e-3)


@torch.no_grad()
def test_sounds_and_texts(model: OneModel, few_sounds: list, few_pictures: list, equal_rows: Comparison) -> None:
    backbone, (hearing, seeing) = model(), reference(model())
    texts = backbone.prompts(LABELS, "audio")
    tokens = byte_tokens(texts)
    one = {key: value[:1] for key, value in tokens.items()}
    want = []
    for sound in few_sounds:
        values, mask = pe_av_sound(sound)
        want.append(hearing(**one, input_values=values, padding_mask=mask).audio_embeds)
    equal_rows("audio", backbone.encode_audio(few_sounds), normalize(torch.cat(want), dim=-1).numpy(), 1e-3)
    second = pe_av_sound(few_sounds[0][:48000])[0]
    rows = hearing(**tokens, input_values=second).text_audio_embeds
    equal_rows("audio text", backbone.encode_text(texts, "audio"), normalize(rows, dim=-1).numpy(), 1e-4)
    picture = pe_av_pictures(few_pictures[:1])[None]
    rows = seeing(**tokens, pixel_values_videos=picture).text_video_embeds
    equal_rows("visual text", backbone.encode_text(texts, "visual"), normalize(rows, dim=-1).numpy(), 1e-4)


def test_batching(
    model: OneModel, few_pictures: list, few_sounds: list, short_films: list[Path], figures: Figures
) -> None:
    clips = [window(path, 16, DISTINCT) for path in short_films]
    figures["change by batching"] = assert_batching_changes_nothing(model(), few_pictures, few_sounds, clips, LABELS)


def test_replay(model: OneModel, short_films: list[Path], figures: Figures, tmp_path: Path) -> None:
    figures["events equal to the plain pipeline's"] = events = assert_replay_equals_the_plain_pipeline(
        short_films[0], model(), tmp_path
    )
    assert events >= 3


def test_half_precision(
    model: OneModel, few_pictures: list, few_sounds: list, short_films: list[Path], figures: Figures
) -> None:
    """One flat picture of the film is rounded badly by the picture tower of random weights in bfloat16 (0.996); its
    others, and the frames and windows of the real clips, keep above 0.9998."""
    figures["smallest cosine to float32"] = assert_half_precision_is_close(
        model,
        few_pictures[1:3],
        few_sounds[:2],
        [window(short_films[0], 16, DISTINCT)],
        LABELS,
        {"bfloat16 clips": 0.99},
    )
