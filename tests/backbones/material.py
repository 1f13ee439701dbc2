"""Pictures, sounds and films that the tests of backbones encode: generated ones, and the real clips."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from backbones.small_checkpoints import encoders_here, small_checkpoint
from media_maker import write_media
from numpy.typing import NDArray

REAL_CLIPS = ("BjCEufrlXm4.mp4", "no_audio_portrait.mp4")


@pytest.fixture(scope="session")
def pictures() -> list[NDArray[np.uint8]]:
    """Six generated pictures (wide, upright, square, small, of the towers' size), and frames of the real
    clips where they are at hand."""
    rng = np.random.default_rng(5)
    made = []
    for height, width in ((240, 320), (320, 180), (240, 240), (97, 131), (224, 224), (240, 320)):
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x / (7 + 3 * c) + rng.uniform(0, 6)) + np.cos(y / (5 + 2 * c)) for c in range(3)]
        noise = rng.normal(0, 0.3, (height, width, 3))
        made.append(np.clip(127 + 50 * (np.stack(waves, axis=2) + noise), 0, 255).astype(np.uint8))
    return [*made, *(frame for name in REAL_CLIPS for frame in frames_of(name))]


@pytest.fixture(scope="session")
def sounds() -> list[NDArray[np.float32]]:
    """Sounds of 1, 10, 3, 1, 2.5 and 7 s at 48 kHz; at 16 kHz take every third sample. Where the
    real clips are at hand, also 4 s of one."""
    rng = np.random.default_rng(6)
    made = []
    for seconds in (1.0, 10.0, 3.0, 1.0, 2.5, 7.0):
        t = np.arange(round(seconds * 48000)) / 48000
        tone = 0.4 * np.sin(2 * np.pi * rng.uniform(100, 3000) * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2
        made.append((tone + rng.normal(0, 0.05, len(t))).astype(np.float32))
    return [*made, *sound_of(REAL_CLIPS[0])]


@pytest.fixture(scope="session", params=encoders_here())
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Each encoder of this environment with the options that load a small checkpoint."""
    return request.param, small_checkpoint(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def company(pictures: list[NDArray[np.uint8]], sounds: list[NDArray[np.float32]]) -> dict[str, list[Any]]:
    """Of each kind an item to look at and two others: 1 s of sound beside 5 s and another second; pictures, of which
    the first and the last have one size; texts of several lengths."""
    return {
        "pictures": [pictures[0], pictures[1], pictures[5]],
        "sounds": [sounds[0], sounds[1][: 5 * 48000], sounds[3]],
        "texts": ["Dog", "Violin, fiddle, and a much longer text", "Cat"],
    }


def media(name: str) -> Path:
    """Where a real clip is, if it is at hand."""
    folder = Path(os.environ.get("AVREPLAY_DATA") or Path(__file__).resolve().parents[3] / "shared")
    return folder / "data" / "media" / name


def frames_of(name: str) -> list[NDArray[np.uint8]]:
    """Two frames of a real clip; none where it is not at hand."""
    if not media(name).is_file():
        return []
    frames = all_frames(media(name))
    return [frames[len(frames) // 3], frames[-1]]


def all_frames(path: Path) -> list[NDArray[np.uint8]]:
    """Every picture of a file, in order."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write_film(path: Path, size: tuple[int, int], fps: int = 10) -> Path:
    """A generated film of 3 s with sound; ``size`` is (width, height)."""
    rng = np.random.default_rng(size[0])
    frames = rng.integers(0, 255, (3 * fps, 1, 1, 3)) * np.ones((1, size[1], size[0], 1))
    frames[:, ::7] = 255 - frames[:, ::7]
    return write_media(path, pictures=list(frames.astype(np.uint8)), fps=fps, channels=1)


def sound_of(name: str) -> list[NDArray[np.float32]]:
    """4 s of a real clip at 48 kHz; none where it is not at hand."""
    if not media(name).is_file():
        return []
    with av.open(str(media(name))) as container:
        resampler = av.AudioResampler("fltp", "mono", 48000)
        parts = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    return [np.concatenate([part.to_ndarray()[0] for part in parts])[48000 : 48000 * 5]]


@pytest.fixture(scope="session")
def real_clip(shared_data: Path) -> Path:
    """A real clip of 10 s with sound."""
    return shared_data / "data" / "media" / REAL_CLIPS[0]


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two generated films of 3 s with sound."""
    folder = tmp_path_factory.mktemp("films")
    for name, size in (("wide", (96, 64)), ("upright", (64, 96))):
        write_film(folder / f"{name}.mp4", size)
    return folder
