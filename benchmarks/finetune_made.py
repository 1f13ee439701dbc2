"""Fine-tuning at the size of OV-AVEBench (24,800 videos, 1024-d), on a made-up store: time, memory and what it gives.

Writes JSON with the machine and the versions: ``python benchmarks/finetune_made.py --out FILE``. The figures say that
the path works at this size; they are of made-up data and say nothing about OV-AVEBench.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from avreplay.cache import open_store
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.ovavel import ovavel_events
from avreplay.core.params.ovavel import make_ovavel_params
from avreplay.core.segment_targets import SegmentTargets, segment_figures
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.extract.finetune.config import FinetuneConfig
from avreplay.extract.finetune.data import load_embeddings
from avreplay.extract.finetune.run import finetune_store
from avreplay.extract.finetune.train import find_device
from ovavebench_made import Sizes, made_targets, write_made_store
from result_file import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the videos")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    result = measure(options.share, options.epochs, options.threads, find_device(options.device))
    write_result(result, options.out)


def measure(share: float, epochs: int, threads: int, device: str) -> dict:
    sizes = Sizes(share=share)
    targets = made_targets(sizes)
    with tempfile.TemporaryDirectory() as folder:
        url = f"{folder}/store"
        write_made_store(url, targets, sizes)
        began = time.perf_counter()
        load_embeddings(open_store(url))
        loading = time.perf_counter() - began
        base = _peak()
        config = FinetuneConfig(epochs=epochs, threads=threads)
        summary = finetune_store(url, targets, config, checkpoint=f"{folder}/checkpoint", device=device)
        peak = _peak()
        store = open_store(url)
        free = _figures(store.cosines(), targets, "training_free")
        tuned = _figures(store.bundle("finetuned"), targets, "finetuned")
        stored = sum(f.stat().st_size for f in Path(url).rglob("*") if f.is_file())
    return {
        "machine": describe_machine(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else f"cpu, threads: {threads}",
        "versions": describe_versions(),
        "videos": {"all": len(targets.video_ids), "trained": summary.trained, "selection": summary.selected_on},
        "dim": sizes.dim,
        "store_gb": round(stored / 1e9, 2),
        "loading_seconds": round(loading, 2),
        "epoch_seconds": [round(s, 1) for s in summary.epoch_seconds],
        "whole_run_seconds": round(summary.seconds, 1),
        "peak_memory_gb": {"before_training": round(base, 2), "after": round(peak, 2)},
        "best_epoch": summary.best_epoch,
        "made_up_test_figures": {"training_free": free, "finetuned": tuned},
    }


def _figures(bundle: ScoreBundle, targets: SegmentTargets, preset: str) -> dict[str, dict[str, float]]:
    events = ovavel_events(bundle, make_ovavel_params(preset))
    at = {v: i for i, v in enumerate(bundle.video_ids)}
    out = {}
    for group in ("seen", "unseen"):
        rows = targets.select("test", group)
        said = np.full((len(rows), targets.classes.shape[1]), targets.background)
        for row, i in zip(said, rows.tolist(), strict=True):
            for label, onset, offset, _ in events.track(at[targets.video_ids[i]], "audio_visual"):
                row[onset:offset] = label
        out[group] = {k: round(v, 1) for k, v in segment_figures(targets, rows, said).items()}
    return out


def _peak() -> float:
    """Largest resident memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
