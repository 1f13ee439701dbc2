"""What the torch backbones share: where they compute, in which number type, and in batches."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ..backbone import Backbone, Embeddings, Waveform

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
T = TypeVar("T")


def choose_device(device: str | None) -> torch.device:
    """The named device; None: CUDA or MPS where there is one, else the CPU.

    Raises
    ------
    UsageError
        no such device on this machine
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"the device {device!r} cannot be used ({reason}); choose cpu, cuda, cuda:N or mps") from error
    return chosen


class TorchBackbone(Backbone):
    """A backbone of torch modules: moves them, feeds them in batches, and gives float32 rows back.

    Parameters
    ----------
    device : ``cpu``, ``cuda``, ``cuda:N``, ``mps``; None: the best there is
    dtype : ``float32``, ``float16`` or ``bfloat16``: of the weights and activations; part of the declaration
    batch_size : items that go through a tower at once; it bounds memory and does not change results beyond rounding
    """

    def __init__(self, device: str | None, dtype: str, batch_size: int) -> None:
        if dtype not in DTYPES:
            raise UsageError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1")
        self.device = choose_device(device)
        self.dtype = dtype
        self.batch_size = batch_size
        self.items_per_call = 8 * batch_size  # so that few of the batches are part empty

    def _ready(self, module: torch.nn.Module) -> Any:
        """The module on the device, in the number type, for inference."""
        return module.requires_grad_(False).eval().to(device=self.device, dtype=DTYPES[self.dtype])

    def _move(self, features: torch.Tensor) -> torch.Tensor:
        """Inputs on the device; floating point ones in the number type of the weights."""
        kind = DTYPES[self.dtype] if features.is_floating_point() else features.dtype
        return features.to(device=self.device, dtype=kind)

    def _prepared(self, transform: Callable[..., torch.Tensor], *inputs: Any) -> torch.Tensor:
        """What a transform makes of its inputs, where and as the towers take it."""
        with self.preprocessing():
            return self._move(transform(*inputs))

    @property
    def feature_device(self) -> torch.device:
        """Where inputs are prepared: MPS lacks float64 and antialiased resizing."""
        return torch.device("cpu") if self.device.type == "mps" else self.device


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive slices of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def by_length(clips: Sequence[Waveform], size: int) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Sounds of equal length stacked: (places, [n, samples] float32), n at most ``size``; shortest first."""
    groups: dict[int, list[int]] = {}
    for place, clip in enumerate(clips):
        if len(clip) == 0:
            raise ValueError("a sound without samples cannot be encoded")
        groups.setdefault(len(clip), []).append(place)
    for length in sorted(groups):
        for places in batches(groups[length], size):
            yield list(places), torch.from_numpy(np.stack([clips[p] for p in places]).astype(np.float32, copy=False))


def features_of(
    clips: Sequence[Waveform], function: Callable[[torch.Tensor], torch.Tensor], size: int, device: torch.device
) -> torch.Tensor:
    """Features of every sound, in order: ``function`` takes [n, samples] of equal length, n at most ``size``, and
    gives features of one shape for all lengths."""
    out: torch.Tensor | None = None
    for places, waves in by_length(clips, size):
        made = function(waves.to(device))
        out = made.new_empty(len(clips), *made.shape[1:]) if out is None else out
        out[places] = made
    return torch.zeros(0) if out is None else out


def chooser(seed: int, *content: NDArray[Any]) -> np.random.Generator:
    """Random choices that follow from the seed and from what they are made for, not from the order of the work."""
    return np.random.default_rng([seed, *(zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in content)])


def to_rows(parts: Iterable[torch.Tensor], width: int) -> Embeddings:
    """Batches of embeddings as one [n, width] float32 array."""
    rows = [part.detach().to(device="cpu", dtype=torch.float32).numpy() for part in parts]
    return np.concatenate(rows) if rows else np.zeros((0, width), np.float32)


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Rows scaled to length 1, in float32."""
    return torch.nn.functional.normalize(rows.float(), dim=-1)


def scatter(parts: Iterable[tuple[list[int], torch.Tensor]], count: int, width: int) -> Embeddings:
    """Rows put back to their places: [count, width] float32."""
    out: NDArray[np.float32] = np.zeros((count, width), np.float32)
    for places, rows in parts:
        out[places] = rows.detach().to(device="cpu", dtype=torch.float32).numpy()
    return out


def text_of(labels: Sequence[str], template: str) -> list[str]:
    """A prompt per label: ``{label}`` is the label as it is, ``{words}`` in lower case with spaces for underscores."""
    return [template.replace("{label}", label).replace("{words}", label.lower().replace("_", " ")) for label in labels]


def checked_template(template: str) -> str:
    """The template, if it has a place for the label.

    Raises
    ------
    UsageError
        it has none, so that all labels would get the same text
    """
    if "{label}" not in template and "{words}" not in template:
        raise UsageError(f"the prompt {template!r} has no place for the label; write {{label}} or {{words}} in it")
    return template
