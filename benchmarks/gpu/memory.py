"""What happens when the device has too little memory: the extraction goes on with less at a time, and its rows stay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avreplay.cache import open_store
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones._torch import TorchBackbone
from avreplay.extract.encoding.encode import METHODS

from .evidence import Evidence
from .models import Models
from .speed import LABELS, Amount, linked

SPARE_BYTES = 2 << 30
"""What is left beside the weights and the libraries' own memory."""


def out_of_memory(evidence: Evidence, models: Models, device: str, video: Path, folder: Path, amount: Amount) -> None:
    """An extraction with too large a batch for a limit on the memory, beside one without the limit."""

    def compare() -> dict[str, Any]:
        backbone = models(device, "fp32")
        settings = ExtractSettings(windows=amount.windows, shard_videos=4)
        videos = linked(video, folder / "few", 2)
        plenty = extract_videos(videos, folder / "plenty", backbone, LABELS, settings, progress=False)
        batch = 64 * backbone.batch_size
        backbone.batch_size, backbone.items_per_call = batch, 8 * batch
        said = _Said()
        logging.getLogger("avreplay").addHandler(said)
        try:
            with _little_memory(backbone) as limit:
                little = extract_videos(videos, folder / "little", backbone, LABELS, settings, progress=False)
        finally:
            logging.getLogger("avreplay").removeHandler(said)
        return {
            "limit": limit,
            "batch_size_at_first": batch,
            "batch_size_at_the_end": backbone.batch_size,
            "times_out_of_memory": said.count,
            "statuses": little.counts,
            "seconds": {"with_plenty": plenty.seconds, "with_little": little.seconds},
            "embeddings": _compared(folder / "plenty", folder / "little"),
        }

    evidence.measure("fp32", compare)


@contextmanager
def _little_memory(backbone: TorchBackbone) -> Iterator[str]:
    """A limit on the device's memory; on a processor an encoder that says so itself when its batch is large."""
    if backbone.device.type == "cuda":
        torch.cuda.empty_cache()
        device = torch.cuda.current_device() if backbone.device.index is None else backbone.device.index
        whole = torch.cuda.get_device_properties(device).total_memory
        fraction = (torch.cuda.memory_reserved(device) + SPARE_BYTES) / whole
        torch.cuda.set_per_process_memory_fraction(fraction, device)
        try:
            yield f"{fraction:.4f} of {whole / 1e9:.1f} GB"
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    methods = {name: getattr(backbone, name) for name in METHODS.values()}

    def limited(name: str) -> Any:
        def encode(items: Any) -> Any:
            if min(len(items), backbone.batch_size) > 8:
                raise RuntimeError("CUDA error: out of memory (made up)")
            return methods[name](items)

        return encode

    for name in methods:
        setattr(backbone, name, limited(name))
    try:
        yield "made up: batches of 8"
    finally:
        for name in methods:
            delattr(backbone, name)


class _Said(logging.Handler):
    """Counts what is logged about memory."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "ran out of memory" in record.getMessage()


def _compared(one: Path, other: Path) -> dict[str, Any]:
    """Stored embeddings of two stores: whether their bytes are the same, and how far they are apart."""
    first, second = open_store(one).embeddings(), open_store(other).embeddings()
    found: dict[str, Any] = {}
    for name in ("audio_segments", "visual_segments", "window_audio", "window_visual"):
        if first[name].shape != second[name].shape:
            found[name] = "videos failed"
        if first[name].shape != second[name].shape or not first[name].size:  # none without windows
            continue
        a, b = (np.asarray(x[name], np.float32).reshape(len(x[name]), -1) for x in (first, second))
        spread = float(np.sqrt(((a - a.mean(axis=0)) ** 2).mean()))
        found[name] = {
            "same_bytes": bool(np.array_equal(a, b)),
            "deviation_of_spread": float(np.abs(a - b).max() / spread) if spread else None,
        }
    return found
