"""The machine itself: versions and switches, decoding of videos on the GPU, and an extraction that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avreplay.cache import open_store
from avreplay.core.errors import AvreplayError, UsageError
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import probe
from avreplay.extract.media.processors import usable_processors
from avreplay.extract.media.torchcodec import load_torchcodec

from .evidence import Evidence
from .models import Models
from .speed import LABELS, linked

PACKAGES = ("torchvision", "transformers", "open_clip_torch", "timm", "torchcodec", "safetensors")


def device_name(device: str) -> str:
    """The GPU's name, or that of the processor."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return "{cpu}, {cores} cores".format(**describe_machine())


def environment(evidence: Evidence, device: str) -> None:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = {
            "machine": describe_machine(),
            "usable_processors": usable_processors(),
            "versions": describe_versions(PACKAGES),
            "float32_by_default": {
                "matrix_products": str(torch.backends.cuda.matmul.fp32_precision),
                "convolutions": str(torch.backends.cudnn.conv.fp32_precision),
            },
        }
        if torch.device(device).type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            found |= {
                "gpu": properties.name,
                "memory_gb": properties.total_memory / 1e9,
                "multiprocessors": properties.multi_processor_count,
                "cuda": torch.version.cuda,
                "cudnn": torch.backends.cudnn.version(),
                "driver": subprocess.run(asked, capture_output=True, text=True).stdout.strip(),
            }
        return found

    evidence.measure("environment", look)


def decoding(evidence: Evidence, device: str, video: Path) -> None:
    """All the frames of one video that windows need, by each reader in one process, and how they differ from PyAV's."""
    kinds = {"pyav": "pyav", "torchcodec": "cpu", **({"nvdec": "cuda"} if device.startswith("cuda") else {})}
    frames: dict[int, Any] = {}

    def read(reader: str) -> dict[str, Any]:
        if reader != "pyav":
            try:
                load_torchcodec(kinds[reader])
            except UsageError as error:
                return {"unusable": str(error)}
        info = probe(video)
        wanted = np.arange(0, len(info.frame_times), 3)
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            found = dict(Decoding(info, wanted, 16000, round(info.duration), reader).frames())
            spent.append(time.perf_counter() - began)
        if reader == "pyav":
            frames.update(found)
        apart = [np.abs(found[n].astype(int) - frames[n]).mean() for n in frames]
        return {
            "seconds_per_video": min(spent),
            "frames": len(found),
            "mean_difference_of_bytes": float(np.mean(apart)) if apart else None,
        }

    for reader in kinds:
        evidence.measure(reader, lambda reader=reader: read(reader))


def kill_and_resume(
    evidence: Evidence,
    device: str,
    video: Path,
    folder: Path,
    models: Models,
    *,
    videos: int,
    shard: int,
    windows: str = "all",
) -> None:
    """An extraction that is killed after its first shards, run again, and one that was left alone: the same bytes."""

    def compare() -> dict[str, Any]:
        linked(video, folder / "killed", videos)
        (folder / "labels.txt").write_text("\n".join(LABELS))
        program = ["-m", "avreplay"]
        if models.architectures is not None:
            program = [str(Path(__file__).with_name("extract.py")), str(models.architectures)]
        command = [
            sys.executable, *program, "extract", str(folder / "killed"), "--backbone", models.name, "--no-calibration",
            "--shard-videos", str(shard), "--windows", windows, "--labels", str(folder / "labels.txt"),
        ]  # fmt: skip
        for key, value in {**models.options, "device": device}.items():
            command += ["--backbone-option", f"{key}={value}"]
        store, whole = folder / "resumed", folder / "whole"
        began = time.monotonic()
        with open(folder / "said.txt", "wb") as said:
            process = subprocess.Popen([*command, "-o", str(store)], stdout=said, stderr=subprocess.STDOUT)
            while process.poll() is None and _stored(store) < shard:
                time.sleep(0.02)
            process.kill()
            code = process.wait()
        killed_at, seconds = _stored(store), time.monotonic() - began
        if code != -signal.SIGKILL or not killed_at < videos:
            raise RuntimeError(f"it ended before it was killed: {(folder / 'said.txt').read_text()[-400:]}")
        for place in (store, whole):
            subprocess.run([*command, "-o", str(place)], check=True, capture_output=True)
        return {
            "killed_after_videos": killed_at,
            "of": videos,
            "seconds_to_the_kill": seconds,
            "same_bytes_as_never_killed": _files(store) == _files(whole),
        }

    evidence.measure(models.name, compare)


def _stored(store: Path) -> int:
    try:
        return len(open_store(store).videos)
    except AvreplayError:
        return 0


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
