"""Fine-tuning on a device: twice to the same bytes, and to about the loss that the processor finds."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from avreplay.extract.finetune.checkpoint import BEST
from avreplay.extract.finetune.config import FinetuneConfig
from avreplay.extract.finetune.run import finetune_store
from ovavebench_made import Sizes, made_targets, write_made_store

from .evidence import Evidence


def finetuning(evidence: Evidence, device: str, small: bool) -> None:
    sizes = Sizes(share=0.004 if small else 0.05, dim=32 if small else 1024)
    targets = made_targets(sizes)
    with tempfile.TemporaryDirectory() as folder:
        url = f"{folder}/store"

        def train(place: str, number: int) -> dict[str, Any]:
            if not Path(url).exists():
                write_made_store(url, targets, sizes)
            name = f"{place.partition(':')[0]}{number}"
            checkpoint = Path(folder, name)
            config = FinetuneConfig(epochs=2 if small else 3, threads=2)
            done = finetune_store(url, targets, config, name=name, checkpoint=checkpoint, device=place, progress=False)
            return {
                "trained_videos": done.trained,
                "epoch_seconds": done.epoch_seconds,
                "losses": [row["loss"] for row in done.history],
                "weights_sha256": _tensors_hash(checkpoint / BEST),
                "test_figures": done.figures["total"],
            }

        runs = [evidence.measure(f"on the device, run {k}", lambda k=k: train(device, k)) for k in (1, 2)]
        cpu = evidence.measure("on the processor", lambda: train("cpu", 3))
        if None not in (*runs, cpu):
            evidence.conclude("together", together(*runs, cpu))


def together(one: dict[str, Any], other: dict[str, Any], cpu: dict[str, Any]) -> dict[str, Any]:
    """Two runs on the device beside each other, and beside the processor."""
    return {
        "same_bytes": one["weights_sha256"] == other["weights_sha256"],
        "largest_difference_of_losses_to_the_processor": max(
            abs(a - b) for a, b in zip(one["losses"], cpu["losses"], strict=True)
        ),
    }


def _tensors_hash(path: Path) -> str:
    """Of the tensors alone: the header beside them names the device."""
    from safetensors.numpy import load_file

    digest = hashlib.sha256()
    for name, array in sorted(load_file(path).items()):
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()
