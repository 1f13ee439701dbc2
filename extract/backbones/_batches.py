"""Items into batches of tensors, and batches of rows back into the order of the items.

A copy between the processor and a CUDA device that is not from pinned memory waits for all that the device has to do;
so inputs go there from pinned memory, and only the finished rows of a whole call are waited for.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from .base import Embeddings, Frame, Waveform

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive slices of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def stack(arrays: Sequence[Any], device: torch.device) -> torch.Tensor:
    """Arrays of one shape as one tensor, still of the processor; in pinned memory if it will go to a CUDA device, so
    that the copy is not waited for. Where some of them are tensors on a device, one there."""
    tensors = [array for array in arrays if isinstance(array, torch.Tensor)]
    if tensors:
        there = tensors[0].device
        return torch.stack([array if isinstance(array, torch.Tensor) else _moved(array, there) for array in arrays])
    kind = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype
    stacked = torch.empty(len(arrays), *arrays[0].shape, dtype=kind, pin_memory=device.type == "cuda")
    np.stack(arrays, out=stacked.numpy())
    return stacked


def _moved(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.array(array)).to(device)


def index_of(rows: Any, device: torch.device) -> torch.Tensor:
    """Numbers of rows as int64 on the device, without waiting for it."""
    numbers = torch.from_numpy(np.asarray(rows, np.int64))
    return (numbers.pin_memory() if device.type == "cuda" else numbers).to(device, non_blocking=True)


def in_order(parts: Sequence[torch.Tensor], places: Sequence[Sequence[int]]) -> torch.Tensor:
    """The parts' rows, each at its place."""
    joined = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
    order = np.concatenate([np.asarray(some, np.int64) for some in places])
    if np.array_equal(order, np.arange(len(order))):
        return joined
    return joined[index_of(np.argsort(order), joined.device)]


def distinct_frames(clips: Sequence[Sequence[Frame]]) -> tuple[list[Frame], list[list[int]]]:
    """The frames of clips, which share them, each once; and where the frames of each clip are among them."""
    distinct = {id(frame): frame for clip in clips for frame in clip}
    place = {key: k for k, key in enumerate(distinct)}
    return list(distinct.values()), [[place[id(frame)] for frame in clip] for clip in clips]


def by_length(
    clips: Sequence[Waveform], size: int, device: torch.device, *, fill: bool = False
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Sounds of equal length stacked: (places, [n, samples] float32), n at most ``size``; shortest first.

    ``fill`` : repeat the last one until n is ``size``; there are fewer places then.
    """
    groups: dict[int, list[int]] = {}
    for place, clip in enumerate(clips):
        if len(clip) == 0:
            raise ValueError("a sound without samples cannot be encoded")
        groups.setdefault(len(clip), []).append(place)
    for length in sorted(groups):
        for places in batches(groups[length], size):
            filled = [*places, *[places[-1]] * (size - len(places) if fill else 0)]
            waves = stack([clips[p].astype(np.float32, copy=False) for p in filled], device)
            yield list(places), waves.to(device, non_blocking=True)


def features_of(
    clips: Sequence[Waveform], function: Callable[[torch.Tensor], torch.Tensor], size: int, device: torch.device
) -> torch.Tensor:
    """Features of every sound, in order: ``function`` takes [n, samples] of equal length, n at most ``size``, and
    gives features of one shape for all lengths."""
    made, places = [], []
    for some, waves in by_length(clips, size, device):
        made.append(function(waves))
        places.append(some)
    return in_order(made, places) if made else torch.zeros(0)


def chooser(seed: int, *content: NDArray[Any]) -> np.random.Generator:
    """Random choices that follow from the seed and from what they are made for, not from the order of the work."""
    return np.random.default_rng([seed, *(zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in content)])


def to_rows(parts: Iterable[torch.Tensor], width: int) -> Embeddings:
    """Batches of embeddings as one [n, width] float32 array; waits for the device once, after the last batch."""
    rows = list(parts)
    return host_array(torch.cat(rows)) if rows else np.zeros((0, width), np.float32)


def host_array(rows: torch.Tensor) -> Embeddings:
    """Rows in the processor's memory, as float32."""
    array: Embeddings = rows.detach().float().cpu().numpy()
    return array


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Rows scaled to length 1, in float32."""
    return torch.nn.functional.normalize(rows.float(), dim=-1)


def scatter(parts: Iterable[tuple[list[int], torch.Tensor]], width: int) -> Embeddings:
    """Rows put back to their places: [n, width] float32."""
    found = list(parts)
    places, rows = [some for some, _ in found], [part for _, part in found]
    return host_array(in_order(rows, places)) if rows else np.zeros((0, width), np.float32)
