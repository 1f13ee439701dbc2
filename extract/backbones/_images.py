"""Pictures as the towers want them: resized, cut to a square and normalised, in plain torch.

Three kinds of resizing occur in the packages. Pillow rounds to whole bytes after the horizontal and after the vertical
pass; torchvision on tensors of bytes does so with coarser weights; on float tensors it does not round at all. All are
here, since a tower has to get what its package gives it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from ..backbone import Frame

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
    ratio_first : compute the longer side as floor((long / short) * size) instead of floor(size * long / short)
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

    def __call__(self, frames: Sequence[Frame], device: torch.device | str = "cpu") -> torch.Tensor:
        """[n, 3, size, size] float32 of n frames [height, width, 3] uint8 of any sizes."""
        out = torch.empty(len(frames), 3, self.size, self.size, device=device)
        shapes: dict[tuple[int, ...], list[int]] = {}
        for place, frame in enumerate(frames):
            shapes.setdefault(frame.shape, []).append(place)
        for places in shapes.values():
            stacked = torch.from_numpy(np.stack([frames[p] for p in places])).permute(0, 3, 1, 2)
            if self.rounding == "bytes":
                stacked = self._resize(stacked, self._resized(*stacked.shape[-2:]))
            out[places] = self._batch(stacked.to(device).float())
        return out

    def _batch(self, pixels: torch.Tensor) -> torch.Tensor:
        """[n, 3, height, width] of values 0 to 255."""
        height, width = self._resized(*pixels.shape[-2:])
        if self.rounding == "pillow":
            # columns first and rows second, each rounded: what Pillow does
            for shape in ((pixels.shape[-2], width), (height, width)):
                if tuple(pixels.shape[-2:]) != shape:
                    pixels = self._resize(pixels, shape).round_().clamp_(0, 255)
        pixels = pixels / 255
        if self.rounding == "none" and tuple(pixels.shape[-2:]) != (height, width):
            pixels = self._resize(pixels, (height, width))
        top, left = round((height - self.size) / 2), round((width - self.size) / 2)
        pixels = pixels[..., top : top + self.size, left : left + self.size]
        mean = torch.tensor(self.mean, device=pixels.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(3, 1, 1)
        return (pixels - mean) / std

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self.squash:
            return self.size, self.size
        short, long = min(height, width), max(height, width)
        longer = math.floor(long / short * self.size) if self.ratio_first else int(self.size * long / short)
        return (longer, self.size) if height > width else (self.size, longer)

    def _resize(self, pixels: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        return interpolate(pixels, size=shape, mode=self.method, antialias=self.antialias, align_corners=False)
