"""How near extraction comes to what its encoder can do: videos per second of a whole extraction, beside those of the
same model fed with ready tensors, in one run.

The model alone encodes as many items of each kind, in batches of the same size, from tensors prepared beforehand;
it is timed before and after the extraction, and the mean of both counts. Writes JSON with the machine, the device and
the versions: ``python benchmarks/extract_throughput.py --backbone clip_clap --set clip_weights=random:1
--set clap_weights=random:2 --media FOLDER --out FILE``. On a GPU add ``--set device=cuda``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.extract import ExtractSettings, extract_videos, find_videos, load_backbone
from avreplay.extract.backbones._torch import TorchBackbone
from avreplay.extract.backbones.options import parse_options
from avreplay.extract.demo.world import LABELS, write_demo_world
from avreplay.extract.encoding.encode import METHODS
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media.prefetch import FrameBatch, Sound, decode_items
from result_file import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--backbone", default="clip_clap")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="option of the backbone")
    parser.add_argument(
        "--media", type=Path, help="folder or file; it is copied until there are enough [default: demo]"
    )
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--windows", default="all", choices=("all", "multiscale", "none"))
    parser.add_argument("--decode-in", default="auto", choices=("auto", "threads", "processes"))
    options = parser.parse_args()
    backbone = load_backbone(options.backbone, **parse_options(options.set))
    if not isinstance(backbone, TorchBackbone):
        raise SystemExit("this needs an encoder of torch, whose model can be fed with ready tensors")
    settings = ExtractSettings(windows=options.windows, decode_in=options.decode_in)
    with tempfile.TemporaryDirectory() as folder:
        videos = gather(Path(folder, "videos"), options.media, options.videos)
        found = {**measure(backbone, settings, videos, Path(folder)), "options": options.set}
    write_result(found, options.out)


def gather(folder: Path, media: Path | None, count: int) -> list[Path]:
    """So many video files: those that are given, again and again, or generated ones."""
    if media is None:
        write_demo_world(folder, "test", videos=count)
        return sorted(folder.glob("demo_test_[0-9]*.mp4"))
    given = [video.path for video in find_videos(media) if video.path is not None]
    folder.mkdir()
    return [
        Path(shutil.copy(given[k % len(given)], folder / f"{k:04d}{given[k % len(given)].suffix}"))
        for k in range(count)
    ]


def measure(backbone: TorchBackbone, settings: ExtractSettings, videos: list[Path], folder: Path) -> dict[str, Any]:
    warm = extract_videos(videos[:1], folder / "warm", backbone, LABELS, settings, progress=False)
    ready = ReadyTensors(backbone, settings, videos[0])
    per_run = {kind: count * len(videos) // max(1, warm.new) for kind, count in warm.encoded.items()}
    before = ready.seconds(per_run)
    summary = extract_videos(videos, folder / "store", backbone, LABELS, settings, progress=False)
    alone = (before + ready.seconds(summary.encoded)) / 2
    machine = describe_machine()
    return {
        "machine": "{cpu}, {cores} cores".format(**machine),
        "device": device_name(backbone),
        "versions": describe_versions(),
        "backbone": backbone.name,
        "number_type": backbone.declaration()["dtype"],
        "windows": settings.windows,
        "videos": len(videos),
        "video_seconds": round(summary.media_seconds / len(videos), 2),
        "items": summary.encoded,
        "videos_per_second": {
            "extraction": round(len(videos) / summary.seconds, 4),
            "model with ready tensors": round(len(videos) / alone, 4),
        },
        "ratio_to_ready_tensors": round(alone / summary.seconds, 3),
        "encoder_busy": round(summary.encoder_busy, 3),
        "stages_seconds": {stage: round(seconds, 2) for stage, seconds in summary.stages.items()},
    }


def device_name(backbone: TorchBackbone) -> str:
    import torch

    if backbone.device.type == "cuda":
        return torch.cuda.get_device_name(backbone.device)
    return f"{backbone.device.type}, {torch.get_num_threads()} threads"


class ReadyTensors:
    """The backbone with everything before its model taken out: each call gets tensors that are already where and as
    the model takes them."""

    def __init__(self, backbone: TorchBackbone, settings: ExtractSettings, video: Path) -> None:
        self._backbone = backbone
        spec = backbone.spec
        items = decode_items(
            find_videos(video)[0], Planner.of(backbone.spec, settings), spec.sample_rate, settings.segment_seconds,
            resize=backbone.resize_at_decode,
        )  # fmt: skip
        _, plan = next(items)
        self._items: dict[str, list[Any]] = {kind: [] for kind in METHODS}
        self._made: dict[tuple[str, int], list[Any]] = {}
        for item in items:
            if isinstance(item, FrameBatch):
                self._items["pictures"] += [frame for _, frame in item.pictures]
                self._items["sequences"] += [frames for _, frames in item.sequences]
            elif isinstance(item, Sound):
                per = spec.sample_rate * settings.segment_seconds
                self._items["sounds"] += [
                    item.samples[round(a * per) : round(b * per)] for a, b in plan.sounds.tolist()
                ]

    def seconds(self, counts: dict[str, int]) -> float:
        """Seconds of the model for so many items of each kind."""
        return sum(self._seconds(kind, count) for kind, count in counts.items() if count)

    def _seconds(self, kind: str, count: int) -> float:
        backbone, encode = self._backbone, getattr(self._backbone, METHODS[kind])
        items = [self._items[kind][k % len(self._items[kind])] for k in range(count)]
        per_call = backbone.items_per_call or count
        made = self._made.setdefault((kind, count), [])
        prepare = backbone._prepared
        backbone._prepared = lambda *inputs: made.append(prepare(*inputs)) or made[-1]  # type: ignore[method-assign]
        try:
            if not made:
                for first in range(0, count, per_call):  # every batch of the run, made ready
                    encode(items[first : first + per_call])
            ready = iter(made)
            backbone._prepared = lambda *inputs: next(ready)  # type: ignore[method-assign]
            began = time.perf_counter()
            for first in range(0, count, per_call):
                encode(items[first : first + per_call])
            return time.perf_counter() - began
        finally:
            del backbone._prepared


if __name__ == "__main__":
    main()
