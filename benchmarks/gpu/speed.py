"""Videos a second: whole extractions, the model alone with ready tensors, and the released code's order of work."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones._torch import TorchBackbone
from extract_throughput import ReadyTensors
from extract_vs_released import released

from .evidence import Evidence
from .models import Models

PAPER_SECONDS = 2.49
"""Of AV2A for one video, in the paper; the hardware is not named."""

LABELS = tuple(f"Label {k:02d}" for k in range(25))
"""As many as LLP has."""

WINDOWS = ((0, 4), (2, 8), (5, 10), (0, 10))
"""Candidates of one video that the released order asks about, one query each: with those of the clip and the segments
six queries, about as many as on the demo videos with weights that mean something (5.6)."""


BATCHES = (16, 256)
"""Beside the encoder's own."""


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    Attributes
    ----------
    seconds : that one extraction shall take, about; 0: it is not repeated with more videos
    first : videos of the first extraction
    windows : rule of the windows
    batches : sizes at which the model alone is measured
    """

    seconds: float = 6.0
    first: int = 4
    windows: str = "all"
    batches: tuple[int, ...] = BATCHES

    @property
    def settings(self) -> ExtractSettings:
        return ExtractSettings(windows=self.windows, shard_videos=64)


LITTLE = Amount(seconds=0, first=2, windows="none", batches=(4,))


def throughput(evidence: Evidence, models: Models, device: str, video: Path, folder: Path, amount: Amount) -> None:
    """Whole extractions by number type; batch sizes by the rate of the model alone.

    ``video`` : one file, linked under as many names as it takes
    """

    def extraction(precision: str) -> None:
        evidence.measure(
            f"extraction {precision}", lambda: _extraction(models(device, precision), video, folder, amount)
        )

    def released_order(precision: str) -> None:
        evidence.measure(f"released order {precision}", lambda: _released(models(device, precision), video))

    # those of the same weights after each other
    extraction("fp16")
    released_order("fp16")
    for batch in amount.batches:
        evidence.measure(
            f"model alone fp16, batch {batch}",
            lambda batch=batch: _alone(models(device, "fp16", batch), video, amount),
        )
    released_order("fp32")
    extraction("tf32")
    extraction("fp32")
    extraction("bf16")


def _extraction(backbone: TorchBackbone, video: Path, folder: Path, amount: Amount) -> dict[str, Any]:
    settings, seconds = amount.settings, amount.seconds
    extract_videos(linked(video, folder / "warm", 2), _new(folder), backbone, LABELS, settings, progress=False)
    count = amount.first
    while True:
        _reset_peak()
        paths = linked(video, folder / "videos", count)
        summary = extract_videos(paths, _new(folder), backbone, LABELS, settings, progress=False)
        if summary.seconds > seconds / 2 or count >= 512:
            break
        count = min(512, max(2 * count, round(count * seconds / summary.seconds)))
    rate = count / summary.seconds
    alone = _alone(backbone, video, amount)
    return {
        "videos": count,
        "batch_size": backbone.batch_size,
        "items_per_video": {kind: round(n / count, 1) for kind, n in summary.encoded.items()},
        "videos_per_second": rate,
        "seconds_per_video": 1 / rate,
        "paper_seconds_over_ours": PAPER_SECONDS * rate,
        "ready_tensors_videos_per_second": alone["videos_per_second"],
        "ratio_to_ready_tensors": rate / alone["videos_per_second"],
        "encoder_busy": summary.encoder_busy,
        "stages_seconds": summary.stages,
        "decoders": settings.decoders(),
        "peak_gb": _peak(),
    }


def _alone(backbone: TorchBackbone, video: Path, amount: Amount) -> dict[str, Any]:
    """The model fed with ready tensors, whole calls, best of two passes."""
    ready = ReadyTensors(backbone, amount.settings, video)
    each = {kind: len(items) for kind, items in ready._items.items()}
    ready.seconds(each)
    spent = ready.seconds(each)
    whole_calls = max(1, backbone.items_per_call // max(each.values()))
    count = int(np.clip(amount.seconds / 6 / spent, 1, whole_calls))
    _reset_peak()
    many = {kind: count * n for kind, n in each.items()}
    best = min(ready.seconds(many) for _ in range(2))
    return {"videos": count, "videos_per_second": count / best, "peak_gb": _peak()}


def _released(backbone: TorchBackbone, video: Path) -> dict[str, Any]:
    """One video at a time; each query is decoded and its texts are encoded anew, one call of the model for each."""
    released(backbone, video, list(WINDOWS[:1]))
    began, count = time.perf_counter(), 0
    while count < 2 or (count < 8 and time.perf_counter() - began < 4):
        released(backbone, video, list(WINDOWS))
        count += 1
    spent = (time.perf_counter() - began) / count
    return {"videos": count, "queries_per_video": 2 + len(WINDOWS), "seconds_per_video": spent}


def linked(video: Path, folder: Path, count: int) -> list[Path]:
    """The file under so many names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{k:04d}{video.suffix}" for k in range(count)]
    for path in paths:
        if not path.exists():
            os.link(video, path)
    return paths


def _new(folder: Path) -> Path:
    """A store's place that is not taken."""
    return folder / f"store{sum(1 for _ in folder.iterdir())}"


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float | None:
    """Of this process on the GPU, in GB."""
    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None
