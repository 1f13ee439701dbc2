"""Pictures as the towers want them: resized, cut to a square and normalised.

Three kinds of resizing occur in the packages. Pillow rounds to whole bytes after the horizontal and after the vertical
pass; torchvision on tensors of bytes does so with coarser weights; on float tensors it does not round at all. All are
here, since a tower has to get what its package gives it. What Pillow does is done where the frames are decoded
(`resize_at_decode`): little is left to hand on then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from ..media.device_resize import fast_float64, interpolate_on_device
from ..media.resize import Resize, centre_box, resized_shape
from ._batches import in_order, stack
from .base import Frame

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class PictureTransform:
    """How a picture becomes the input of a tower.

    Attributes
    ----------
    size : side of the square, in pixels
    squash : resize to the square without keeping the aspect; else the shorter side to ``size`` and cut the middle out
    method : ``bicubic`` or ``bilinear``
    antialias : widen the filter where the picture shrinks
    rounding : ``pillow``, ``bytes`` (torch's own resizing of bytes, on the CPU) or ``none``
    ratio_first : see `resized_shape`
    mean, std : per channel, of values in [0, 1]
    """

    size: int = 224
    squash: bool = False
    method: str = "bicubic"
    antialias: bool = True
    rounding: str = "pillow"
    ratio_first: bool = False
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    def declaration(self) -> dict[str, Any]:
        """The transform as JSON values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @property
    def resize_at_decode(self) -> Resize | None:
        """What makes frames small before they are handed over, without a change to the result; None: nothing can."""
        return Resize(self.size, self.squash, self.method) if self.rounding == "pillow" else None

    def resized(self, frame: Frame) -> Frame:
        """A frame as small as the tower takes it, where that is in whole bytes, so that resizing it again changes
        nothing; other frames as they are."""
        shape = self._resized(*frame.shape[:2])
        if self.rounding != "bytes" or shape == frame.shape[:2]:
            return frame
        pixels = stack([frame], torch.device("cpu")).permute(0, 3, 1, 2)
        small: Any = self._resize_bytes(pixels, shape)[0].permute(1, 2, 0).contiguous()
        return small.numpy() if isinstance(frame, np.ndarray) else small  # type: ignore[no-any-return]

    def __call__(self, frames: Sequence[Frame], device: torch.device | str = "cpu") -> torch.Tensor:
        """[n, 3, size, size] float32 of n frames [height, width, 3] uint8 of any sizes."""
        device = torch.device(device)
        resize = self.resize_at_decode
        if resize is not None:
            frames = [resize(frame) for frame in frames]
        shapes: dict[tuple[int, ...], list[int]] = {}
        for place, frame in enumerate(frames):
            shapes.setdefault(frame.shape, []).append(place)
        parts = [self._alike([frames[p] for p in places], device) for places in shapes.values()]
        return in_order(parts, list(shapes.values()))

    def _alike(self, frames: Sequence[Frame], device: torch.device) -> torch.Tensor:
        """Frames of one shape."""
        stacked = stack(frames, device).permute(0, 3, 1, 2)
        if self.rounding == "bytes":
            shape = self._resized(*stacked.shape[-2:])
            if fast_float64(device):
                stacked = stacked.to(device, non_blocking=True)
            stacked = self._resize_bytes(stacked, shape)
        return self._batch(stacked.to(device, non_blocking=True).float())

    def _batch(self, pixels: torch.Tensor) -> torch.Tensor:
        """[n, 3, height, width] of values 0 to 255."""
        height, width = self._resized(*pixels.shape[-2:])
        pixels = pixels / 255
        if self.rounding == "none" and tuple(pixels.shape[-2:]) != (height, width):
            pixels = self._resize(pixels, (height, width))
        top, left, height, width = centre_box(height, width, self.size)
        pixels = pixels[..., top : top + height, left : left + width]
        return (pixels - _channels(self.mean, pixels.device)) / _channels(self.std, pixels.device)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        return resized_shape(height, width, self.size, self.squash, self.ratio_first)

    def _resize_bytes(self, pixels: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """The bytes that torch gives on the processor, wherever the pixels are."""
        if shape == tuple(pixels.shape[-2:]):
            return pixels
        if pixels.device.type != "cpu" and self.antialias:
            return interpolate_on_device(pixels, shape, self.method)
        return self._resize(pixels.cpu(), shape)

    def _resize(self, pixels: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        return interpolate(pixels, size=shape, mode=self.method, antialias=self.antialias, align_corners=False)


@lru_cache
def _channels(values: tuple[float, float, float], device: torch.device) -> torch.Tensor:
    """[3, 1, 1], made once: every copy to a device of its own waits for what the device has to do."""
    return torch.tensor(values, device=device).view(3, 1, 1)
