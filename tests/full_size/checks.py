"""One large model at a time, references that share its memory, and the figures that come of the checks."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avreplay.extract.backbones.base import Backbone
from avreplay.extract.backbones.registry import load_backbone
from backbones.contract import error
from backbones.material import all_frames
from numpy.typing import NDArray

LABELS = ("Dog", "Speech", "Church_bell")
Figures = dict[str, Any]


class OneModel:
    """Makes the backbone in the number type it is asked for, and before that lets go of the one of another type."""

    def __init__(self, name: str, figures: Figures, **options: Any) -> None:
        self._name, self._options, self._figures = name, options, figures
        self._dtype = ""
        self._made: Backbone | None = None
        figures["backbone"] = name

    def __call__(self, dtype: str = "float32") -> Any:
        if dtype != self._dtype:
            self._made = None
            gc.collect()
            began = time.perf_counter()
            self._made = load_backbone(self._name, **self._options, dtype=dtype)
            self._dtype = dtype
            self._figures.setdefault("seconds to build", {})[dtype] = round(time.perf_counter() - began, 1)
        return self._made

    def count(self, *modules: torch.nn.Module) -> None:
        """Notes the number of parameters."""
        distinct = {id(p): p.numel() for module in modules for p in module.parameters()}
        self._figures["million parameters"] = round(sum(distinct.values()) / 1e6)


class Comparison:
    """Rows of a tower against those of its package, with the figures noted."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def __call__(self, tower: str, got: NDArray, want: NDArray, tolerance: float) -> None:
        deviation = error(got, want)
        self._note("deviation from the package", tower, float(f"{deviation:.2e}"))
        length = np.linalg.norm(want, axis=1, keepdims=True)
        cosines = (want / length) @ (want / length).T
        apart = cosines[~np.eye(len(want), dtype=bool)]
        self._note("largest cosine between items", tower, round(float(apart.max()), 6))
        assert deviation <= tolerance, tower

    def _note(self, what: str, tower: str, value: float) -> None:
        self._figures.setdefault(what, {})[tower] = value


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules made inside get their parameters on the meta device; their buffers are real."""
    register = torch.nn.Module.register_parameter

    def light(self: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        register(self, name, parameter if parameter is None else torch.nn.Parameter(parameter.to("meta")))

    torch.nn.Module.register_parameter = light  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = register  # type: ignore[method-assign]


def share(theirs: torch.nn.Module, ours: Mapping[str, torch.nn.Module]) -> None:
    """Give a model made `without_memory` the parameters of our parts, not copied.

    ``ours`` : our module for each prefix of their names; of several the longest counts. What we lack stays as it is.
    """
    for name, module in theirs.named_modules():
        prefix = max((p for p in ours if not p or f"{name}.".startswith(f"{p}.")), key=len, default=None)
        if prefix is None:
            continue
        try:
            source = ours[prefix].get_submodule(name[len(prefix) :].lstrip("."))
        except AttributeError:
            continue
        for key, parameter in source.named_parameters(recurse=False):
            assert module._parameters[key] is not None
            module._parameters[key] = parameter


def window(path: Path, frames: int, distinct: int | None = None) -> list[NDArray[np.uint8]]:
    """Frames spread over a film from the first to the last, as the release takes them; of fewer distinct ones each
    is shown several times."""
    shown = all_frames(path)
    distinct = distinct or frames
    chosen = [shown[k * (len(shown) - 1) // (distinct - 1)] for k in range(distinct)]
    return [chosen[k * distinct // frames] for k in range(frames)]


def at_16_khz(sounds: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Every third sample."""
    return [np.ascontiguousarray(sound[::3]) for sound in sounds]


def peak_gigabytes() -> float:
    """Most memory that this process has had, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)
