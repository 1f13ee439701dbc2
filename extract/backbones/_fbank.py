"""Spectrograms as the audio towers want them, in plain torch: Kaldi's filter bank and CLAP's log-mel."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch.nn.functional import pad

EPSILON = 1.1920928955078125e-07
"""Smallest energy before the logarithm: the spacing of float32 at 1."""


def kaldi_fbank(waves: torch.Tensor, bins: int, sample_rate: int = 16000) -> torch.Tensor:
    """Log energies of Kaldi's mel filter bank, as torchaudio.compliance.kaldi.fbank computes them for AST-like models.

    Frames of 25 ms every 10 ms (whole ones only), mean removed, pre-emphasis 0.97, symmetric Hann window, power
    spectrum, no dither, no energy. Sounds shorter than a frame are filled up with zeros to one.

    Parameters
    ----------
    waves : [n, samples] float32
    bins : mel bands between 20 Hz and half the sample rate

    Returns
    -------
    [n, 1 + (samples - 400) // 160, bins] float32 at 16 kHz
    """
    length, step = int(sample_rate * 0.025), int(sample_rate * 0.010)
    size = 1 << (length - 1).bit_length()
    waves = pad(waves, (0, max(0, length - waves.shape[-1])))
    frames = waves.unfold(-1, length, step)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    frames = frames - 0.97 * torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    frames = frames * torch.hann_window(length, periodic=False, device=waves.device)
    power = torch.fft.rfft(frames, n=size).abs().pow(2)
    banks = _mel_banks(bins, size, sample_rate, waves.device)
    return torch.matmul(power, banks.T).clamp_min(EPSILON).log()


@lru_cache
def _mel_banks(bins: int, size: int, sample_rate: int, device: torch.device) -> torch.Tensor:
    """[bins, size / 2 + 1] triangles that are straight on Kaldi's mel scale; the last column is 0."""

    def mel(hertz: torch.Tensor | float) -> torch.Tensor:
        return 1127.0 * (1.0 + torch.as_tensor(hertz) / 700.0).log()

    low, high = 1127.0 * math.log(1.0 + 20.0 / 700.0), 1127.0 * math.log(1.0 + sample_rate / 2 / 700.0)
    delta = (high - low) / (bins + 1)
    index = torch.arange(bins).unsqueeze(1)
    left, centre, right = low + index * delta, low + (index + 1.0) * delta, low + (index + 2.0) * delta
    at = mel(sample_rate / size * torch.arange(size // 2)).unsqueeze(0)
    triangles = torch.minimum((at - left) / (centre - left), (right - at) / (right - centre)).clamp_min(0)
    return pad(triangles, (0, 1)).to(device)


def log_mel(waves: torch.Tensor, filters: torch.Tensor, size: int, step: int) -> torch.Tensor:
    """Mel power spectrogram in decibels with centred, reflected frames, as CLAP's feature extractor computes it.

    In double precision, since quiet bands lie 100 dB below loud ones.

    Parameters
    ----------
    waves : [n, samples] float32
    filters : [size / 2 + 1, bands] float64, on the same device
    size, step : samples of a frame and between frames

    Returns
    -------
    [n, 1 + samples // step, bands] float32
    """
    window = torch.hann_window(size, dtype=torch.float64, device=waves.device)
    spectrum = torch.stft(waves.double(), size, step, window=window, pad_mode="reflect", return_complex=True)
    # abs() takes a root that pow(2) would undo
    power = spectrum.real.square().add_(spectrum.imag.square())
    mel = torch.matmul(power.transpose(1, 2), filters)
    return (10 * mel.clamp_min(1e-10).log10()).float()
