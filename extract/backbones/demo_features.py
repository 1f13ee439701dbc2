"""Fixed features under the `demo` backbone: pooled patch responses of pictures and sounds, hashed text.

A picture or a second of sound is cut into patches, which are compared with a dictionary of patches (Coates and Ng,
"Learning feature representations with k-means", 2012); the rectified responses are pooled by mean and maximum.
Each item is computed alone and always in the same shape, so results do not depend on what stands beside it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import zlib

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SAMPLE_RATE = 16000
PICTURE = (48, 64)
"""Rows and columns to which every picture is brought by averaging."""

FFT, HOP, MELS = 512, 256, 32
MEL_RANGE = (60.0, 7800.0)
TEXT_BUCKETS = 4096


def shrink(frame: NDArray[np.uint8]) -> Array:
    """Any (H, W, 3) uint8 RGB picture as (48, 64, 3) float32 in 0..1, by area averaging (aspect is not kept)."""
    steps = [max(1, size // (4 * target)) for size, target in zip(frame.shape, PICTURE, strict=False)]
    pixels = frame[:: steps[0], :: steps[1]]
    rows, columns = _averager(pixels.shape[0], PICTURE[0]), _averager(pixels.shape[1], PICTURE[1])
    tall = rows @ np.ascontiguousarray(pixels, np.float32).reshape(pixels.shape[0], -1)
    tall = tall.reshape(PICTURE[0], pixels.shape[1], 3)
    return np.ascontiguousarray(np.einsum("jx,ixc->ijc", columns, tall, optimize=True)) / np.float32(255)


def picture_patches(picture: Array, size: int, step: int) -> Array:
    """(P, size * size * 3) patches of a (48, 64, 3) picture, in reading order."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size), axis=(0, 1))[::step, ::step]
    return windows.reshape(-1, 3 * size * size)


def halve(picture: Array) -> Array:
    """The picture at half the rows and columns, by averaging 2 x 2 pixels."""
    return (picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) * np.float32(0.25)


def log_mel(second: Array) -> Array:
    """(61, 32) log-mel energies of one second (16000 samples), floored at about -80 dB of full scale."""
    frames = np.lib.stride_tricks.sliding_window_view(second, FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * _HANN, axis=1)) ** 2
    return np.log(power.astype(np.float32) @ _MEL + np.float32(1e-5))


def sound_statistics(mel: Array) -> Array:
    """(6 * 32 + 4 * 16,) level, spread, peak and change per band, and the rhythm of four groups of bands."""
    centred = mel - mel.mean()
    change = np.diff(mel, axis=0)
    bands = centred.reshape(len(mel), 4, -1).mean(axis=2)
    rhythm = np.abs(np.fft.rfft((bands - bands.mean(axis=0)) * _RHYTHM_WINDOW, axis=0))[1:17]
    return np.concatenate(
        [
            mel.mean(axis=0),
            centred.mean(axis=0),
            mel.std(axis=0),
            mel.max(axis=0) - mel.mean(),
            np.abs(change).mean(axis=0),
            change.max(axis=0),
            np.log1p(rhythm).ravel(),
        ]
    ).astype(np.float32)


def sound_patches(mel: Array) -> Array:
    """(P, 8 * 16) patches of a log-mel picture: 8 frames by 16 bands, every 3 frames and 4 bands."""
    windows = np.lib.stride_tricks.sliding_window_view(mel, (8, 16))[::3, ::4]
    return windows.reshape(-1, 8 * 16)


def pooled(patches: Array, dictionary: Array, offset: Array, floor: float) -> Array:
    """(2 K,) mean and maximum, over patches (P, d), of the rectified responses to a dictionary (d, K).

    Patches are centred and scaled to unit deviation plus ``floor``, so that flat ones stay small.
    """
    centred = patches - patches.mean(axis=1, keepdims=True)
    centred /= np.sqrt(np.mean(centred**2, axis=1, keepdims=True)) + np.float32(floor)
    response = np.maximum(centred @ dictionary - offset, 0)
    return np.concatenate([response.mean(axis=0), response.max(axis=0)])


def seconds_of(wave: Array) -> list[Array]:
    """Any mono waveform as pieces of exactly 16000 samples; a last piece of less than half a second is dropped.

    Shorter input and a longer last piece are repeated to a full second; an empty waveform is a second of silence.
    """
    wave = np.ascontiguousarray(wave, np.float32).reshape(-1)
    if len(wave) == 0:
        return [np.zeros(SAMPLE_RATE, np.float32)]
    count = max(1, int(len(wave) / SAMPLE_RATE + 0.5))
    pieces = [wave[k * SAMPLE_RATE : (k + 1) * SAMPLE_RATE] for k in range(count)]
    pieces[-1] = np.resize(pieces[-1], SAMPLE_RATE)
    return pieces


def text_features(text: str) -> Array:
    """(4096,) unit vector of hashed words and character 3- to 5-grams; case, accents and punctuation do not count."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    words = re.findall(r"\w+", "".join(ch for ch in plain if not unicodedata.combining(ch)).replace("_", " "))
    out = np.zeros(TEXT_BUCKETS, np.float32)
    for word in words or [""]:
        marked = f"<{word}>"
        grams = {marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1)}
        weight = np.float32(1 / np.sqrt(max(1, len(grams))))
        for token, size in [(marked, np.float32(1)), *((g, weight) for g in sorted(grams - {marked}))]:
            code = zlib.crc32(token.encode("utf-8"))
            out[code % TEXT_BUCKETS] += size if code >> 31 else -size
    found: Array = out / np.maximum(np.sqrt(np.sum(out**2)), np.float32(1e-6))
    return found


@functools.lru_cache(maxsize=64)
def _averager(size: int, target: int) -> Array:
    """(target, size) weights that average ``size`` samples into ``target`` equal bins, repeating if there are fewer."""
    edges = np.linspace(0, size, target + 1)
    cells = np.arange(size)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(overlap, 0, None)
    found: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _mel_filters() -> Array:
    """(257, 32) triangular filters, equally spaced on the mel scale."""
    low, high = (2595 * np.log10(1 + f / 700) for f in MEL_RANGE)
    edges = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)[:, None]
    rise = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


_HANN = np.hanning(FFT).astype(np.float32)
_MEL = _mel_filters()
_RHYTHM_WINDOW = np.hanning((SAMPLE_RATE - FFT) // HOP + 1)[:, None].astype(np.float32)
