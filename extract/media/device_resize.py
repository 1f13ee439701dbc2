"""Resizing pictures of bytes on a device, to the bytes that Pillow (`pillow_resize`) or torch give on a processor: both
sum whole numbers, and so do products of whole numbers in float64, which holds the sums exactly in any order."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .pillow_resize import FILTERS, PLACES, resampling_weights

if TYPE_CHECKING:
    import torch


def resize_on_device(
    picture: torch.Tensor, resized: tuple[int, int], box: tuple[int, int, int, int], method: str
) -> torch.Tensor:
    """A picture resized, and of that a box, where the picture is.

    Parameters
    ----------
    picture : [height, width, 3] uint8, on a device that has float64
    resized, box, method : as `pillow_resize.resize_picture` takes them

    Returns
    -------
    [box height, box width, 3] uint8, equal to what `pillow_resize.resize_picture` gives, byte for byte
    """
    import torch

    top, left, height, width = box
    first_row, rows = _as_pillow(picture.shape[0], resized[0], top, height, method, picture.device)
    first_column, columns = _as_pillow(picture.shape[1], resized[1], left, width, method, picture.device)
    part = picture[first_row : first_row + rows.shape[1], first_column : first_column + columns.shape[1]]
    narrow = _whole_bytes(part.permute(0, 2, 1).to(torch.float64) @ columns.T, PLACES)
    small = _whole_bytes(rows @ narrow.reshape(len(narrow), -1), PLACES).view(height, 3, width)
    return small.permute(0, 2, 1).to(torch.uint8).contiguous()


def interpolate_on_device(pictures: torch.Tensor, resized: tuple[int, int], method: str) -> torch.Tensor:
    """Pictures resized where they are.

    Parameters
    ----------
    pictures : [n, channels, height, width] uint8, on a device that has float64
    resized : height and width
    method : ``bicubic`` or ``bilinear``

    Returns
    -------
    [n, channels, resized height, resized width] uint8 with channels last, equal to what
    ``torch.nn.functional.interpolate(..., antialias=True)`` gives on a processor, byte for byte
    """
    import torch

    count, channels, height, width = pictures.shape
    out = torch.empty(count, *resized, channels, dtype=torch.uint8, device=pictures.device).permute(0, 3, 1, 2)
    for picture, target in zip(pictures, out, strict=True):  # float64 of one of them at a time
        now = picture.to(torch.float64)
        if width != resized[1]:
            columns, places = _as_torch(width, resized[1], method, pictures.device)
            now = _whole_bytes(now @ columns.T, places)
        if height != resized[0]:
            rows, places = _as_torch(height, resized[0], method, pictures.device)
            now = _whole_bytes(rows @ now, places)
        target.copy_(now)
    return out


def fast_float64(device: torch.device) -> bool:
    """Whether float64 is at least half as fast as float32 there, as on NVIDIA's GPUs for computing."""
    import torch

    return device.type == "cuda" and torch.cuda.get_device_capability(device) in _FAST


_FAST = ((6, 0), (7, 0), (8, 0), (9, 0), (10, 0))
"""P100, V100, A100, H100 and H200, B200."""


def _whole_bytes(sums: torch.Tensor, places: int) -> torch.Tensor:
    return sums.add_(float(1 << (places - 1))).mul_(1.0 / (1 << places)).floor_().clamp_(0, 255)


@lru_cache(maxsize=64)
def _as_pillow(
    size: int, resized: int, first: int, kept: int, method: str, device: torch.device
) -> tuple[int, torch.Tensor]:
    """The first pixel of a line that is taken, and [kept, pixels taken] float64: what each kept pixel takes of each."""
    import torch

    starts, weights = resampling_weights(size, resized, first, kept, method)
    begin, taps = int(starts.min()), weights.shape[1]
    dense = np.zeros((kept, int(starts.max()) + taps - begin))
    places = (starts - begin)[:, None] + np.arange(taps)
    np.put_along_axis(dense, places, weights, axis=1)
    return begin, torch.from_numpy(dense).to(device)


@lru_cache(maxsize=64)
def _as_torch(size: int, resized: int, method: str, device: torch.device) -> tuple[torch.Tensor, int]:
    """[resized, size] float64, what each pixel takes of a line in units of 2**-places; and places."""
    import torch

    dense, places = torch_weights(size, resized, method)
    return torch.from_numpy(dense).to(device), places


def torch_weights(size: int, resized: int, method: str) -> tuple[NDArray[np.float64], int]:
    """What torch's kernel for bytes takes for each pixel of a line of ``resized`` pixels from one of ``size``, whole
    numbers of 16 bits (``aten/src/ATen/native/cpu/UpSampleKernel.cpp``): [resized, size], and their binary places."""
    function, reach = FILTERS[method]
    scale = size / resized
    widened = max(scale, 1.0)
    narrowing = 1.0 / scale if scale >= 1 else 1.0
    support = reach * widened
    most = math.ceil(support) * 2 + 1
    dense = np.zeros((resized, size))
    for place in range(resized):
        centre = scale * (place + 0.5)
        start = max(int(centre - support + 0.5), 0)
        count = min(max(min(int(centre + support + 0.5), size) - start, 0), most)
        taken = [function((x + start - centre + 0.5) * narrowing) for x in range(count)]
        total = sum(taken)
        dense[place, start : start + count] = [weight / total for weight in taken] if total else taken
    largest, places = float(dense.max()), 0
    while places < 22 and int(0.5 + largest * (1 << (places + 1))) < 1 << 15:
        places += 1
    dense *= 1 << places
    whole: NDArray[np.float64] = np.trunc(dense + np.copysign(0.5, dense))
    return whole, places
