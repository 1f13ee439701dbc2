"""`pillow_resize` on a device: the same bytes, by products of whole numbers that float64 holds exactly."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .pillow_resize import PLACES, resampling_weights

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
    first_row, rows = _taken(picture.shape[0], resized[0], top, height, method, picture.device)
    first_column, columns = _taken(picture.shape[1], resized[1], left, width, method, picture.device)
    part = picture[first_row : first_row + rows.shape[1], first_column : first_column + columns.shape[1]]
    # sums of bytes times weights are whole and below 2**53, so that no order of summing rounds them
    narrow = _whole_bytes(part.permute(0, 2, 1).to(torch.float64) @ columns.T)
    small = _whole_bytes(rows @ narrow.reshape(len(narrow), -1)).view(height, 3, width)
    return small.permute(0, 2, 1).to(torch.uint8).contiguous()


def _whole_bytes(sums: torch.Tensor) -> torch.Tensor:
    return sums.add_(float(1 << (PLACES - 1))).mul_(1.0 / (1 << PLACES)).floor_().clamp_(0, 255)


@lru_cache(maxsize=64)
def _taken(
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
