"""ImageBind-Huge: picture, audio and text towers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from avreplay.extract.backbones._packages import import_models
from avreplay.extract.backbones.imagebind import HUGE
from backbones.contract import (
    assert_batching_changes_nothing,
    assert_half_precision_is_close,
    assert_replay_equals_the_plain_pipeline,
)
from backbones.inputs import imagebind_pictures, imagebind_sounds, imagebind_texts
from full_size.checks import LABELS, Comparison, Figures, OneModel, at_16_khz, share, without_memory


@pytest.fixture(scope="module")
def model(figures: Figures) -> OneModel:
    made = OneModel("imagebind", figures, weights="random:4", batch_size=4)
    made.count(made()._model, made()._scaling)
    return made


def reference(backbone: Any) -> Any:
    """The package's model with our tensors; the senses we do not use have none."""
    (package,) = import_models("imagebind", ["models.imagebind_model"])
    with without_memory():
        made = package.ImageBindModel(**HUGE).eval()
    share(made, {"": backbone._model, "modality_postprocessors": backbone._scaling})
    return made


@torch.no_grad()
def test_pictures(model: OneModel, few_pictures: list, equal_rows: Comparison, tmp_path: Path) -> None:
    want = reference(model())({"vision": imagebind_pictures(few_pictures, tmp_path)})["vision"]
    equal_rows("images", model().encode_images(few_pictures), want.numpy(), 5e-3)


@torch.no_grad()
def test_sounds(model: OneModel, few_sounds: list, equal_rows: Comparison, tmp_path: Path) -> None:
    heard, package = at_16_khz(few_sounds), reference(model())
    want = torch.cat([package({"audio": inputs})["audio"] for inputs in imagebind_sounds(heard, tmp_path)])
    equal_rows("audio", model().encode_audio(heard), want.numpy(), 1e-3)


@torch.no_grad()
def test_texts(model: OneModel, equal_rows: Comparison) -> None:
    want = reference(model())({"text": imagebind_texts(LABELS)})["text"]
    equal_rows("text", model().encode_text(LABELS, "audio"), want.numpy(), 1e-4)


def test_batching(model: OneModel, few_pictures: list, few_sounds: list, figures: Figures) -> None:
    """Without windows: they are pictures encoded one by one."""
    figures["change by batching"] = assert_batching_changes_nothing(
        model(), few_pictures, at_16_khz(few_sounds), (), LABELS
    )


def test_replay(model: OneModel, short_films: list[Path], figures: Figures, tmp_path: Path) -> None:
    figures["events equal to the plain pipeline's"] = events = assert_replay_equals_the_plain_pipeline(
        short_films[0], model(), tmp_path
    )
    assert events >= 3


def test_half_precision(model: OneModel, few_pictures: list, few_sounds: list, figures: Figures) -> None:
    figures["smallest cosine to float32"] = assert_half_precision_is_close(
        model, few_pictures[1:3], at_16_khz(few_sounds)[:2], (), LABELS
    )
