"""The size of pictures as encoders want them: resized, and the middle cut out. No torch: decoders use it too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backbones.base import Frame
from .device_resize import resize_on_device
from .pillow_resize import resize_picture


def resized_shape(
    height: int, width: int, size: int, squash: bool = False, ratio_first: bool = False
) -> tuple[int, int]:
    """Height and width to resize to before the cut: the shorter side becomes ``size``, or with ``squash`` both do.

    ``ratio_first`` : compute the longer side as floor((long / short) * size) instead of floor(size * long / short)
    """
    if squash:
        return size, size
    short, long = min(height, width), max(height, width)
    longer = math.floor(long / short * size) if ratio_first else int(size * long / short)
    return (longer, size) if height > width else (size, longer)


def centre_box(height: int, width: int, size: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the middle square, placed as torchvision's CenterCrop does."""
    return round((height - size) / 2), round((width - size) / 2), size, size


@dataclass(frozen=True)
class Resize:
    """Pictures of [size, size, 3] uint8, equal to Pillow's (see `pillow_resize`); one of that size stays as it is.

    Attributes
    ----------
    size : side of the square, in pixels
    squash : resize to the square without keeping the aspect; else the shorter side, and cut the middle out
    method : ``bicubic`` or ``bilinear``
    """

    size: int
    squash: bool = False
    method: str = "bicubic"

    def __call__(self, frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        if height == width == self.size:
            return frame
        resized = resized_shape(height, width, self.size, self.squash)
        box = centre_box(*resized, self.size)
        if isinstance(frame, np.ndarray):
            return resize_picture(frame, resized, box, self.method)
        on_device: Any = resize_on_device(frame, resized, box, self.method)  # a tensor, which stays where it is
        return on_device
