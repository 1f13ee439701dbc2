"""For tests of the real architectures: no network, small models, generated media and the real clips.

They run in environments of their own (``make backbones``), since LanguageBind needs transformers 4 and PE-AV
transformers 5. With the CPU build of torch, torchvision's compiled part does not load: its two operators are declared
here so that the package imports; nothing here calls them.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from media_maker import write_media
from numpy.typing import NDArray

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(2)

TINY_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}

_OPERATORS = torch.library.Library("torchvision", "DEF")
if not hasattr(torch.ops.torchvision, "nms"):
    for _name in ("nms", "qnms"):
        _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach the network fails the test, also where the package would swallow the error."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        pytest.fail("a test of a backbone reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a small CLIP that open_clip knows of."""
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder)
    return "tiny-clip"


@pytest.fixture(scope="session")
def pictures() -> list[NDArray[np.uint8]]:
    """Six generated pictures: wide, upright, square, smaller than the towers' input, and one of the towers' size."""
    rng = np.random.default_rng(5)
    made = []
    for height, width in ((240, 320), (320, 180), (240, 240), (97, 131), (224, 224), (240, 320)):
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x / (7 + 3 * c) + rng.uniform(0, 6)) + np.cos(y / (5 + 2 * c)) for c in range(3)]
        noise = rng.normal(0, 0.3, (height, width, 3))
        made.append(np.clip(127 + 50 * (np.stack(waves, axis=2) + noise), 0, 255).astype(np.uint8))
    return made


@pytest.fixture(scope="session")
def sounds() -> list[NDArray[np.float32]]:
    """Sounds of 1, 10, 3, 1, 2.5 and 7 s at 48 kHz; at 16 kHz take every third sample."""
    rng = np.random.default_rng(6)
    made = []
    for seconds in (1.0, 10.0, 3.0, 1.0, 2.5, 7.0):
        t = np.arange(round(seconds * 48000)) / 48000
        tone = 0.4 * np.sin(2 * np.pi * rng.uniform(100, 3000) * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2
        made.append((tone + rng.normal(0, 0.05, len(t))).astype(np.float32))
    return made


@pytest.fixture(scope="session")
def real_clip(shared_data: Path) -> Path:
    """A real clip of 10 s with sound."""
    return shared_data / "data" / "media" / "BjCEufrlXm4.mp4"


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two generated films of 3 s with sound."""
    folder = tmp_path_factory.mktemp("films")
    for name, size in (("wide", (96, 64)), ("upright", (64, 96))):
        rng = np.random.default_rng(size[0])
        frames = rng.integers(0, 255, (30, 1, 1, 3)) * np.ones((1, size[1], size[0], 1))
        frames[:, ::7] = 255 - frames[:, ::7]
        write_media(folder / f"{name}.mp4", pictures=list(frames.astype(np.uint8)), channels=1)
    return folder
