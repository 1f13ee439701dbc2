"""For checks of the published sizes: few items, one model at a time, and the figures at the end.

``make full-size`` runs every file in a process of its own, in the environments of ``make backbones``. Where
AVREPLAY_FULL_SIZE_OUT names a JSON file, each adds its figures there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from avreplay.evaluate.bench.environment import describe_machine
from backbones.material import REAL_CLIPS, media, pictures, sounds, write_film
from backbones.shims import no_sockets
from full_size.checks import Comparison, Figures, peak_gigabytes
from numpy.typing import NDArray

__all__ = ["no_sockets", "pictures", "sounds"]

_FIGURES: Figures = {}


@pytest.fixture(scope="session")
def figures() -> Figures:
    """What is measured."""
    return _FIGURES


@pytest.fixture(scope="session")
def equal_rows(figures: Figures) -> Comparison:
    return Comparison(figures)


@pytest.fixture(autouse=True)
def _timed(request: pytest.FixtureRequest, figures: Figures) -> Iterator[None]:
    """Notes how long each test took, builds included."""
    began = time.perf_counter()
    yield
    name = request.node.name.removeprefix("test_").replace("_", " ")
    figures.setdefault("seconds to test", {})[name] = round(time.perf_counter() - began, 1)


@pytest.fixture(scope="session")
def few_pictures(pictures: list) -> list[NDArray[np.uint8]]:
    """Two generated pictures, one of each real clip."""
    return [*pictures[:2], *pictures[6::2]]


@pytest.fixture(scope="session")
def few_sounds(sounds: list) -> list[NDArray[np.float32]]:
    """Generated sounds of 2.5 and 3 s at 48 kHz, 4 s of a real clip."""
    return [sounds[4], sounds[2], *sounds[6:]]


@pytest.fixture(scope="session")
def short_films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two generated films of 3 s, 12 frames and sound."""
    folder = tmp_path_factory.mktemp("films")
    sizes = {"wide": (96, 64), "upright": (64, 96)}
    return [write_film(folder / f"{name}.mp4", size, fps=4) for name, size in sizes.items()]


@pytest.fixture(scope="session")
def all_films(short_films: list[Path]) -> list[Path]:
    """The generated films and the real clips."""
    return [*short_films, *(media(name) for name in REAL_CLIPS if media(name).is_file())]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if "backbone" not in _FIGURES:
        return
    found = {
        **_FIGURES,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "peak GB": peak_gigabytes(),
    }
    name = found.pop("backbone")
    terminalreporter.section(f"{name} at its published size")
    terminalreporter.write_line(json.dumps(_short(found), indent=1))
    if out := os.environ.get("AVREPLAY_FULL_SIZE_OUT"):
        path = Path(out)
        kept = json.loads(path.read_text()) if path.is_file() else {}
        machine = describe_machine()
        kept |= {"machine": f"{machine['cpu']}, {machine['cores']} cores", name: found}
        path.write_text(json.dumps(_short(kept), indent=1) + "\n")


def _short(value: Any) -> Any:
    """Numbers with six digits, at any depth."""
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value
