"""What the events of the demo world look like: moving sprites and textures, drawn with NumPy.

A sight is a function of local coordinates. ``u`` grows to the right and ``v`` downwards, both (1, h, w) and about
-1..1 over the sprite; ``time`` is (F, 1, 1) seconds. It returns layers, bottom first, each a colour (r, g, b in 0..1)
and a mask that broadcasts to (F, h, w) in 0..1.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 128, 96, 10

Array = NDArray[np.floating]
Colour = tuple[float, float, float]
Layers = list[tuple[Colour, Array]]


@dataclass(frozen=True)
class Style:
    """How one occurrence differs from the others of its class."""

    hue_shift: float
    brightness: float
    rate: float
    seed: int

    def colour(self, hue: float, saturation: float, value: float) -> Colour:
        return colorsys.hsv_to_rgb(
            (hue + self.hue_shift) % 1.0, saturation, min(1.0, max(0.0, value * self.brightness))
        )


@dataclass(frozen=True)
class Sight:
    """How a class is drawn: ``fills``: whether it is a texture over the whole frame or a sprite."""

    draw: Callable[[Array, Array, Array, Style], Layers]
    fills: bool = False
    speed: float = 1.0


def _soft(distance: Array, edge: float = 12.0) -> Array:
    """A mask from a signed distance: 1 inside (positive), 0 outside, about one pixel of slope."""
    found: Array = np.clip(distance * np.float32(edge) + np.float32(0.5), 0, 1)
    return found


def _disc(u: Array, v: Array, x: float | Array, y: float | Array, rx: float, ry: float | None = None) -> Array:
    ry = rx if ry is None else ry
    return _soft((1 - np.sqrt(((u - x) / rx) ** 2 + ((v - y) / ry) ** 2)) * min(rx, ry))


def _box(u: Array, v: Array, x: float | Array, y: float | Array, half_w: float, half_h: float | Array) -> Array:
    return _soft(np.minimum(half_w - np.abs(u - x), half_h - np.abs(v - y)))


def _bar(u: Array, v: Array, angle: Array | np.floating, length: float, half_width: float) -> Array:
    """A bar from the origin in the direction of ``angle``."""
    along, across = u * np.cos(angle) + v * np.sin(angle), np.abs(v * np.cos(angle) - u * np.sin(angle))
    return _soft(np.minimum(np.minimum(along, length - along), half_width - across))


def _siren(u: Array, v: Array, time: Array, style: Style) -> Layers:
    flash = np.mod(time * 2.0 * style.rate, 1.0) < 0.5
    lamp = _box(u, v, 0, -0.62, 0.28, 0.16)
    return [
        (style.colour(0.0, 0.0, 0.92), _box(u, v, 0, 0.05, 0.95, 0.5)),
        (style.colour(0.6, 0.9, 0.75), _box(u, v, 0, 0.15, 0.95, 0.12)),
        ((0.05, 0.05, 0.08), np.maximum(_disc(u, v, -0.5, 0.6, 0.24), _disc(u, v, 0.5, 0.6, 0.24))),
        ((1.0, 0.08, 0.1), lamp * flash),
        ((0.1, 0.2, 1.0), lamp * ~flash),
    ]


def _church_bell(u: Array, v: Array, time: Array, style: Style) -> Layers:
    swing = 0.45 * np.sin(2 * np.pi * 0.7 * style.rate * time)
    x, y = u * np.cos(swing) - (v + 0.8) * np.sin(swing), u * np.sin(swing) + (v + 0.8) * np.cos(swing) - 0.8
    width = 0.3 + 0.12 * (y + 0.8) + 0.28 * np.clip(y - 0.2, 0, 1) ** 1.5
    bell = _soft(np.minimum(width - np.abs(x), 0.72 - np.abs(y)))
    return [
        (style.colour(0.12, 0.85, 0.85), bell),
        (style.colour(0.13, 0.5, 1.0), bell * _box(x, y, -0.12, -0.05, 0.06, 0.5)),
        (
            style.colour(0.08, 0.9, 0.4),
            np.maximum(_disc(x, y, 0, 0.82, 0.13), _box(x, y, 0, 0.6, 0.75, 0.05)),
        ),
    ]


def _drum(u: Array, v: Array, time: Array, style: Style) -> Layers:
    beat = 0.25 * np.abs(np.sin(np.pi * 2.5 * style.rate * time))
    body = _box(u, v, 0, 0.25, 0.75, 0.45)
    zigzag = np.abs(np.mod(u * 2.5, 1.0) - 0.5) * 1.4 - 0.35
    sticks = np.maximum(
        _bar(u - 0.15, v + 0.2 + beat, np.float32(-0.9), 0.9, 0.05),
        _bar(u + 0.15, v + 0.45 - beat, np.float32(-2.25), 0.9, 0.05),
    )
    return [
        (style.colour(0.98, 0.85, 0.7), body),
        (style.colour(0.14, 0.6, 0.9), body * _soft(0.06 - np.abs(v - 0.25 - zigzag))),
        (style.colour(0.1, 0.1, 0.95), _disc(u, v, 0, -0.2, 0.78, 0.22)),
        (style.colour(0.08, 0.6, 0.55), sticks),
    ]


def _bird(u: Array, v: Array, time: Array, style: Style) -> Layers:
    flap = 0.6 * np.sin(2 * np.pi * 3.1 * style.rate * time)
    return [
        (style.colour(0.58, 0.65, 0.85), _disc(u, v, 0, 0.1, 0.6, 0.3)),
        (style.colour(0.58, 0.45, 1.0), _disc(u, v + 0.2, 0.5, 0.05, 0.25)),
        (style.colour(0.12, 0.95, 1.0), _box(u, v, 0.82, -0.12, 0.14, 0.06)),
        (style.colour(0.62, 0.9, 0.5), _bar(u + 0.1, v - 0.05, np.float32(-1.9) + flap, 0.85, 0.17)),
        ((0.0, 0.0, 0.0), _disc(u, v, 0.58, -0.22, 0.07)),
    ]


def _helicopter(u: Array, v: Array, time: Array, style: Style) -> Layers:
    turn = np.abs(np.cos(2 * np.pi * 1.7 * style.rate * time)).astype(np.float32)
    return [
        (style.colour(0.8, 0.75, 0.6), np.maximum(_disc(u, v, 0.25, 0.1, 0.5, 0.36), _box(u, v, -0.5, 0, 0.45, 0.08))),
        (style.colour(0.52, 0.5, 0.9), _disc(u, v, 0.45, 0.02, 0.22)),
        (style.colour(0.0, 0.0, 0.15), _soft(np.minimum(0.25 + 0.7 * turn - np.abs(u - 0.2), 0.05 - np.abs(v + 0.42)))),
        (
            style.colour(0.0, 0.0, 0.25),
            np.maximum(_box(u, v, 0.25, 0.62, 0.5, 0.05), _box(u, v, -0.9, -0.1, 0.05, 0.25)),
        ),
    ]  # fmt: skip


def _clock(u: Array, v: Array, time: Array, style: Style) -> Layers:
    second = np.floor(time * style.rate) * (np.pi / 4)
    face = _disc(u, v, 0, 0, 0.72)
    radius, angle = np.sqrt(u**2 + v**2), np.arctan2(v, u)
    marks = _soft(np.minimum(0.06 - np.abs(radius - 0.58), np.cos(angle * 12) - 0.6))
    return [
        (style.colour(0.07, 0.75, 0.35), _disc(u, v, 0, 0, 0.92)),
        (style.colour(0.13, 0.08, 1.0), face),
        ((0.1, 0.1, 0.1), marks),
        ((0.05, 0.05, 0.05), _bar(u, v, np.float32(style.seed), 0.4, 0.06)),
        ((0.8, 0.05, 0.05), _bar(u, v, second, 0.6, 0.045)),
    ]


def _motorcycle(u: Array, v: Array, time: Array, style: Style) -> Layers:
    v = v + 0.04 * np.sin(2 * np.pi * 4.3 * style.rate * time)
    wheels = np.maximum(_disc(u, v, -0.58, 0.4, 0.36), _disc(u, v, 0.58, 0.4, 0.36))
    hubs = np.maximum(_disc(u, v, -0.58, 0.4, 0.17), _disc(u, v, 0.58, 0.4, 0.17))
    return [
        ((0.06, 0.06, 0.07), wheels),
        (style.colour(0.0, 0.0, 0.6), hubs),
        (style.colour(0.05, 0.95, 0.95), np.maximum(_disc(u, v, 0.1, -0.05, 0.42, 0.2), _box(u, v, 0, 0.2, 0.4, 0.09))),
        (
            (0.1, 0.1, 0.12),
            np.maximum(_disc(u, v, -0.38, -0.22, 0.3, 0.1), _bar(u - 0.3, v - 0.1, np.float32(-1.2), 0.65, 0.05)),
        ),
    ]  # fmt: skip


def _frog(u: Array, v: Array, time: Array, style: Style) -> Layers:
    v = v + 0.3 * np.abs(np.sin(np.pi * 1.1 * style.rate * time)) - 0.1
    eyes = np.maximum(_disc(u, v, -0.3, -0.38, 0.2), _disc(u, v, 0.3, -0.38, 0.2))
    pupils = np.maximum(_disc(u, v, -0.3, -0.4, 0.09), _disc(u, v, 0.3, -0.4, 0.09))
    legs = np.maximum(_disc(u, v, -0.68, 0.42, 0.28, 0.16), _disc(u, v, 0.68, 0.42, 0.28, 0.16))
    return [
        (style.colour(0.33, 0.9, 0.45), legs),
        (style.colour(0.31, 0.8, 0.75), _disc(u, v, 0, 0.1, 0.68, 0.48)),
        (style.colour(0.2, 0.4, 0.95), eyes),
        ((0.0, 0.0, 0.0), np.maximum(pupils, _box(u, v, 0, 0.1, 0.3, 0.04))),
    ]


def _piano(u: Array, v: Array, time: Array, style: Style) -> Layers:
    keys = _box(u, v, 0, 0, 0.98, 0.5)
    position = (u + 1) * 4
    pressed = np.floor(np.mod(style.seed + 3 * np.floor(time * 2.5 * style.rate), 8))
    lines = np.abs(np.mod(position + 0.5, 1.0) - 0.5) < 0.07
    black = (np.abs(np.mod(position + 0.5, 1.0) - 0.5) < 0.28) & (v < 0.05) & (np.mod(np.floor(position + 0.5), 4) > 0)
    return [
        ((0.05, 0.03, 0.03), _box(u, v, 0, -0.1, 1.05, 0.68)),
        (style.colour(0.1, 0.03, 1.0), keys),
        (style.colour(0.85, 0.45, 0.95), keys * (np.floor(position) == pressed)),
        ((0.02, 0.02, 0.02), keys * (lines | black)),
    ]


def _scrolled(tile: Array, shift: NDArray[np.int64], height: int, width: int) -> Array:
    """(F, h, w): the tile moved down by ``shift`` rows in each frame, wrapping around."""
    rows = (np.arange(height) - shift[:, None]) % tile.shape[0]
    found: Array = tile[rows][:, :, :width]
    return found


def _rain(u: Array, v: Array, time: Array, style: Style) -> Layers:
    rng = np.random.default_rng(style.seed)
    height, width = np.broadcast_shapes(u.shape, v.shape)[1:]
    drops = (rng.random((2 * height, width + height)) < 0.006).astype(np.float32)
    streaks = sum((np.roll(drops, (k // 2, k // 6 + k % 2), (0, 1)) for k in range(24)), np.zeros_like(drops))
    shift = np.round(time.ravel() * 95 * style.rate).astype(np.int64)
    streak = np.minimum(_scrolled(streaks, shift, height, width), 1)
    return [
        (style.colour(0.6, 0.35, 0.4), np.full((1, 1, 1), 0.35, np.float32)),
        (style.colour(0.58, 0.25, 1.0), 0.8 * streak),
    ]


def _ocean_waves(u: Array, v: Array, time: Array, style: Style) -> Layers:
    bend = 0.25 * np.sin(2.2 * u + 1.1 * style.rate * time + style.seed)
    phase = 9 * v + 5 * bend - 2.4 * style.rate * time
    water = _soft(v - 0.05 - 0.12 * np.sin(3 * u + 2 * style.rate * time), 10)
    crest = np.clip(np.sin(phase) * 2.2 - 1.2, 0, 1)
    return [
        (style.colour(0.52, 0.85, 0.5), water),
        (style.colour(0.48, 0.5, 0.85), water * np.clip(np.sin(phase + 1.2), 0, 1) * 0.7),
        ((0.95, 1.0, 1.0), water * crest),
    ]


def _fire(u: Array, v: Array, time: Array, style: Style) -> Layers:
    rng = np.random.default_rng(style.seed)
    height, width = np.broadcast_shapes(u.shape, v.shape)[1:]
    coarse = rng.random((2 * height // 8, width // 8 + 1)).astype(np.float32)
    tile = np.kron(coarse, np.ones((8, 8), np.float32))
    tile = (tile + np.roll(tile, 3, 0) + np.roll(tile, -3, 1) + np.roll(tile, (-4, 4), (0, 1))) / 4
    shift = -np.round(time.ravel() * 45 * style.rate).astype(np.int64)
    heat = _scrolled(tile, shift, height, width) * 1.1 + 0.75 * v - 0.55 * np.abs(u) - 0.15
    return [
        (style.colour(0.02, 0.95, 0.85), _soft(heat - 0.28, 6)),
        (style.colour(0.08, 0.95, 1.0), _soft(heat - 0.45, 6)),
        (style.colour(0.14, 0.6, 1.0), _soft(heat - 0.65, 6)),
    ]


SIGHTS: dict[str, Sight] = {
    "siren": Sight(_siren),
    "church bell": Sight(_church_bell, speed=0.3),
    "drum": Sight(_drum, speed=0.3),
    "bird": Sight(_bird, speed=2.0),
    "rain": Sight(_rain, fills=True),
    "helicopter": Sight(_helicopter, speed=1.5),
    "clock": Sight(_clock, speed=0.2),
    "ocean waves": Sight(_ocean_waves, fills=True),
    "fire": Sight(_fire, fills=True),
    "motorcycle": Sight(_motorcycle, speed=1.5),
    "frog": Sight(_frog, speed=0.6),
    "piano": Sight(_piano, speed=0.2),
}


class Film:
    """The picture of one video: a background to which sights are added; ``frames`` is (F, 96, 128, 3) in 0..1."""

    def __init__(self, rng: np.random.Generator, seconds: int) -> None:
        self.num_frames: int = seconds * FPS
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        base = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.0, 0.45), rng.uniform(0.2, 0.8))
        slope = rng.uniform(-0.3, 0.3, 2)
        shade = 1 + slope[0] * (y / HEIGHT - 0.5) + slope[1] * (x / WIDTH - 0.5)
        grain = np.kron(rng.normal(0, rng.uniform(0.01, 0.06), (HEIGHT // 4, WIDTH // 4)), np.ones((4, 4)))
        still = shade[:, :, None] * np.array(base) + grain[:, :, None]
        flicker = 1 + 0.05 * rng.standard_normal(self.num_frames)
        self.frames: NDArray[np.float32] = (still[None] * flicker[:, None, None, None]).astype(np.float32)

    def add(self, sight: Sight, first: int, strength: NDArray[np.floating], rng: np.random.Generator) -> None:
        """Draw a sight from frame ``first`` on; ``strength`` (n,) is its opacity in each of its n frames."""
        n = len(strength)
        style = Style(rng.normal(0, 0.02), rng.uniform(0.75, 1.1), rng.uniform(0.8, 1.25), int(rng.integers(1 << 16)))
        time = (np.arange(n, dtype=np.float32) / FPS).reshape(n, 1, 1) + np.float32(rng.random())
        if sight.fills:
            y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
            u, v = (x / WIDTH * 2 - 1)[None], (y / HEIGHT * 2 - 1)[None]
            origin = np.zeros((n, 2), np.int64)
        else:
            radius = rng.uniform(15, 27)
            half = int(radius * 1.1)
            grid = np.arange(-half, half + 1, dtype=np.float32) / np.float32(radius)
            u, v = grid[None, None, :] * (1 if rng.random() < 0.5 else -1), grid[None, :, None]
            origin = self._path(rng, n, sight.speed) - half
        size = np.broadcast_shapes(u.shape, v.shape)[1:]
        layers = [
            (np.array(rgb, np.float32), np.broadcast_to(mask, (n, *size))[..., None])
            for rgb, mask in sight.draw(u, v, time, style)
        ]
        for k in range(n):
            self._paste(first + k, origin[k], [(rgb, mask[k]) for rgb, mask in layers], float(strength[k]))

    def add_distractor(self, rng: np.random.Generator) -> None:
        """Draw a plain disc or box of any colour that drifts through some seconds and means nothing."""
        n = int(rng.integers(2 * FPS, 6 * FPS))
        first = int(rng.integers(0, max(1, self.num_frames - n)))
        colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.0, 0.9), rng.uniform(0.1, 1.0))
        half = int(rng.integers(6, 20))
        grid = np.arange(-half, half + 1, dtype=np.float32) / half
        u, v = grid[None, :], grid[:, None] * np.float32(rng.uniform(1, 2))
        mask = _disc(u, v, 0, 0, 0.9) if rng.random() < 0.5 else _box(u, v, 0, 0, 0.9, 0.9)
        path = self._path(rng, n, 1.5) - half
        layers = [(np.array(colour, np.float32), mask[..., None])]
        opacity = rng.uniform(0.5, 1.0)
        for k in range(n):
            self._paste(first + k, path[k], layers, opacity)

    def pixels(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """(F, 96, 128, 3) RGB with sensor noise."""
        noise = rng.standard_normal((HEIGHT, 2 * WIDTH, 3), np.float32) * np.float32(rng.uniform(0.005, 0.04))
        out = np.empty(self.frames.shape, np.uint8)
        for k, offset in enumerate(rng.integers(0, WIDTH, self.num_frames).tolist()):
            out[k] = np.clip((self.frames[k] + noise[:, offset : offset + WIDTH]) * 255, 0, 255)
        return out

    def _path(self, rng: np.random.Generator, n: int, speed: float) -> NDArray[np.int64]:
        """(n, 2) rows and columns of a centre that drifts and bounces inside the frame."""
        time = np.arange(n) / FPS
        out = np.empty((n, 2), np.int64)
        for axis, size in enumerate((HEIGHT, WIDTH)):
            low, high = 0.2 * size, 0.8 * size
            travel = rng.uniform(low, high) + speed * rng.uniform(-9, 9) * time - low
            out[:, axis] = np.round(low + np.abs((travel + (high - low)) % (2 * (high - low)) - (high - low)))
        return out

    def _paste(self, frame: int, origin: NDArray[np.int64], layers: list[tuple[Array, Array]], opacity: float) -> None:
        """Draw layers of a colour (3,) and a mask (h, w, 1) as one group of the given opacity, cut at the edges."""
        height, width = layers[0][1].shape[:2]
        top, left = int(origin[0]), int(origin[1])
        y0, x0, y1, x1 = max(0, top), max(0, left), min(HEIGHT, top + height), min(WIDTH, left + width)
        if y0 >= y1 or x0 >= x1:
            return
        inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        below = self.frames[frame, y0:y1, x0:x1]
        group = below
        for colour, mask in layers:
            cover = mask[inside]
            group = group + cover * (colour - group)
        below += np.float32(opacity) * (group - below)
