"""What the events of the demo world sound like: tones, chirps, pulses and noises, synthesised with NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000

Array = NDArray[np.float64]
Sound = Callable[[int, np.random.Generator], Array]
"""A function of a number of samples (16 kHz) and a random generator that gives a mono waveform of any level."""


def _seconds(n: int) -> Array:
    return np.arange(n) / SAMPLE_RATE


def _tone(frequency: Array | float, n: int) -> Array:
    """A sine whose frequency in Hz may vary from sample to sample."""
    return np.sin(2 * np.pi * np.cumsum(np.broadcast_to(frequency, n)) / SAMPLE_RATE)


def _noise(n: int, rng: np.random.Generator, low: float, high: float, slope: float = 0.0) -> Array:
    """Noise between two frequencies in Hz, its amplitude falling as frequency to the power ``-slope``."""
    frequency = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    shape = np.clip((frequency - low) / 100 + 0.5, 0, 1) * np.clip((high - frequency) / 100 + 0.5, 0, 1)
    shape *= np.maximum(frequency, 20) ** -slope
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)


def _strokes(n: int, rng: np.random.Generator, gap: float, jitter: float, stroke: Callable[[], Array]) -> Array:
    """A stroke every ``gap`` seconds, give or take the fraction ``jitter``."""
    out = np.zeros(n)
    at = rng.uniform(0, 0.5 * gap)
    while (start := int(at * SAMPLE_RATE)) < n:
        wave = stroke()[: n - start]
        out[start : start + len(wave)] += wave
        at += gap * (1 + rng.uniform(-jitter, jitter))
    return out


def _decay(seconds: float, rate: float) -> Array:
    return np.exp(-rate * _seconds(int(seconds * SAMPLE_RATE)))


def _siren(n: int, rng: np.random.Generator) -> Array:
    low, rate = rng.uniform(500, 750), rng.uniform(0.5, 1.1)
    sweep = low * (1 + 0.45 * (1 + np.sin(2 * np.pi * (rate * _seconds(n) + rng.random()))))
    return np.tanh(2 * _tone(sweep, n))


def _church_bell(n: int, rng: np.random.Generator) -> Array:
    root = rng.uniform(220, 360)
    partials = [
        (0.5, 0.6, 0.8),
        (1.0, 1.0, 1.2),
        (1.19, 0.8, 1.6),
        (1.5, 0.5, 2.0),
        (2.0, 0.7, 2.4),
        (2.74, 0.4, 4.0),
    ]

    def stroke() -> Array:
        body = [
            level * _decay(2.5, rate) * _tone(root * ratio, int(2.5 * SAMPLE_RATE)) for ratio, level, rate in partials
        ]
        found: Array = np.sum(body, axis=0)
        return found

    return _strokes(n, rng, rng.uniform(0.8, 1.3), 0.05, stroke)


def _drum(n: int, rng: np.random.Generator) -> Array:
    pitch = rng.uniform(70, 110)

    def stroke() -> Array:
        fall = _decay(0.25, 14)
        thump = _tone(pitch * (1 + fall), len(fall)) * fall
        return rng.uniform(0.6, 1) * (thump + 0.25 * rng.standard_normal(len(fall)) * fall**4)

    return _strokes(n, rng, 1 / rng.uniform(2.5, 5), 0.08, stroke)


def _bird(n: int, rng: np.random.Generator) -> Array:
    centre = rng.uniform(2800, 4600)

    def stroke() -> Array:
        m = int(rng.uniform(0.05, 0.14) * SAMPLE_RATE)
        bend = np.linspace(-1, 1, m) * rng.choice([-1, 1]) * rng.uniform(300, 900)
        return _tone(centre + rng.uniform(-300, 300) + bend, m) * np.hanning(m)

    return _strokes(n, rng, rng.uniform(0.14, 0.25), 0.5, stroke)


def _rain(n: int, rng: np.random.Generator) -> Array:
    drops = np.where(rng.random(n) < 0.004, rng.standard_normal(n) * 4, 0)
    return _noise(n, rng, 900, 7800) + 0.6 * np.convolve(drops, _decay(0.004, 900), "same")


def _helicopter(n: int, rng: np.random.Generator) -> Array:
    phase = np.mod(rng.uniform(9, 14) * _seconds(n), 1.0)
    found: Array = _noise(n, rng, 60, 900, 0.5) * (0.08 + np.exp(-6 * phase))
    return found


def _clock(n: int, rng: np.random.Generator) -> Array:
    pitches = rng.uniform(1500, 2600) * np.array([1.0, 0.8])
    ticks = iter(range(1 << 30))

    def stroke() -> Array:
        fall = _decay(0.05, 130)
        return _tone(pitches[next(ticks) % 2], len(fall)) * fall + 0.4 * rng.standard_normal(len(fall)) * fall**3

    return _strokes(n, rng, rng.choice([0.25, 0.33, 0.5]), 0.01, stroke)


def _ocean_waves(n: int, rng: np.random.Generator) -> Array:
    swell = np.sin(np.pi * (rng.uniform(0.15, 0.3) * _seconds(n) + rng.random())) ** 2
    return _noise(n, rng, 60, 4000, 0.8) * (0.3 + swell)


def _fire(n: int, rng: np.random.Generator) -> Array:
    cracks = np.where(rng.random(n) < 0.0012, rng.exponential(1.0, n), 0)
    crackle = np.convolve(cracks, _decay(0.012, 400), "same") * rng.standard_normal(n)
    rumble = _noise(n, rng, 30, 300, 0.3)
    found: Array = crackle + 0.25 * rumble / np.std(rumble) * np.std(crackle)
    return found


def _motorcycle(n: int, rng: np.random.Generator) -> Array:
    rev = rng.uniform(55, 95) * (1 + 0.25 * np.sin(2 * np.pi * (rng.uniform(0.2, 0.5) * _seconds(n) + rng.random())))
    phase = np.mod(np.cumsum(rev) / SAMPLE_RATE, 1.0)
    return (2 * phase - 1) ** 3 + 0.15 * rng.standard_normal(n) * phase


def _frog(n: int, rng: np.random.Generator) -> Array:
    pitch, pulse = rng.uniform(420, 700), rng.uniform(26, 40)

    def stroke() -> Array:
        m = int(rng.uniform(0.2, 0.35) * SAMPLE_RATE)
        flutter = 0.5 * (1 + np.sin(2 * np.pi * pulse * _seconds(m))) ** 2
        return (_tone(pitch, m) + 0.5 * _tone(pitch * 2.1, m)) * flutter * np.hanning(m)

    return _strokes(n, rng, rng.uniform(0.4, 0.6), 0.15, stroke)


def _piano(n: int, rng: np.random.Generator) -> Array:
    root, scale = rng.uniform(240, 420), 2.0 ** (np.array([0, 2, 4, 7, 9, 12]) / 12)

    def stroke() -> Array:
        pitch, m = root * rng.choice(scale), int(0.9 * SAMPLE_RATE)
        overtones = [_tone(pitch * k, m) * np.exp(-(2.5 + k) * _seconds(m)) / k for k in range(1, 6)]
        found: Array = np.sum(overtones, axis=0)
        return found

    return _strokes(n, rng, rng.uniform(0.22, 0.36), 0.05, stroke)


SOUNDS: dict[str, Sound] = {
    "siren": _siren,
    "church bell": _church_bell,
    "drum": _drum,
    "bird": _bird,
    "rain": _rain,
    "helicopter": _helicopter,
    "clock": _clock,
    "ocean waves": _ocean_waves,
    "fire": _fire,
    "motorcycle": _motorcycle,
    "frog": _frog,
    "piano": _piano,
}


class Soundtrack:
    """The sound of one video: background noise to which sounds are added; ``wave`` is (n,) float64 mono."""

    def __init__(self, rng: np.random.Generator, seconds: int) -> None:
        n = seconds * SAMPLE_RATE
        hiss = _noise(n, rng, 30, 7900, rng.uniform(0.0, 1.0))
        self.wave: NDArray[np.float64] = rng.uniform(0.008, 0.03) * hiss / np.std(hiss)

    def add(
        self, sound: Sound, first: int, strength: NDArray[np.floating], level: float, rng: np.random.Generator
    ) -> None:
        """Mix a sound in from second ``first`` on; ``strength`` (n,) is its gain in each of its n seconds."""
        n = len(strength) * SAMPLE_RATE
        wave = sound(n, rng)
        wave = wave / max(float(np.sqrt(np.mean(wave**2))), 1e-6)
        centres = np.arange(len(strength)) + 0.5
        gain = np.interp(_seconds(n), centres, strength) * np.clip(_seconds(n) / 0.05, 0, 1)
        gain *= np.clip((n / SAMPLE_RATE - _seconds(n)) / 0.05, 0, 1)
        start = first * SAMPLE_RATE
        self.wave[start : start + n] += level * gain * wave

    def add_distractor(self, rng: np.random.Generator) -> None:
        """Mix in a hum, a thud or a hiss that means nothing."""
        seconds = int(rng.integers(1, 4))
        first = int(rng.integers(0, max(1, len(self.wave) // SAMPLE_RATE - seconds)))
        n = seconds * SAMPLE_RATE
        kind = int(rng.integers(3))
        if kind == 0:
            wave = _tone(rng.uniform(90, 1500), n) * np.hanning(n)
        elif kind == 1:
            wave = _noise(n, rng, 40, rng.uniform(300, 1500), 0.5) * np.exp(-3 * _seconds(n))
        else:
            low = rng.uniform(300, 4000)
            wave = _noise(n, rng, low, low + 2000) * np.hanning(n)
        level = rng.uniform(0.03, 0.12) / max(float(np.sqrt(np.mean(wave**2))), 1e-9)
        self.wave[first * SAMPLE_RATE : first * SAMPLE_RATE + n] += level * wave

    def samples(self) -> NDArray[np.float32]:
        """(n,) float32 within -1..1."""
        return np.tanh(self.wave).astype(np.float32)
