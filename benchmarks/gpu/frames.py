"""Frames that NVDEC leaves on the GPU: the right bytes on the right device, what it saves, what becomes of a decoding
process that is killed, and of the memory."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avreplay.cache import open_store
from avreplay.core.errors import UsageError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones._batches import batches, stack
from avreplay.extract.backbones.base import BackboneSpec
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media.cuda_frames import CudaFrames
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.device_frames import FramePlace, fetched
from avreplay.extract.media.device_resize import fast_float64, interpolate_on_device
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.prefetch import FrameBatch
from avreplay.extract.media.resize import Resize
from avreplay.extract.media.torchcodec import load_torchcodec
from avreplay.extract.media.trouble import Trouble
from avreplay.extract.media.video_readers import READERS
from torch.nn.functional import interpolate

from .evidence import Absent, Evidence
from .models import Models
from .parts import TESTS
from .speed import LABELS, linked

SPEC = BackboneSpec(audio_dim=1, visual_dim=1, sample_rate=16000, window_frames=8)
ENCODERS = ("clip_clap", "pe_av", "imagebind", "languagebind")

SLACK_BYTES = 64 << 20
"""By which what is free on a device may differ between two looks."""


def nvdec_frames(
    evidence: Evidence, device: str, video: Path, folder: Path, small: bool, encoders: Sequence[str] = ENCODERS
) -> None:
    """On a processor the same with a stand-in for the device's memory, and the reader that is there.

    ``encoders`` : small ones, of which videos are extracted in each way
    """
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        number = torch.cuda.current_device() if ":" not in device else int(device.partition(":")[2])
        reader, place = "nvdec", CudaFrames(f"cuda:{number}")
    else:
        reader, place = _stand_in()
    large = _large_video(folder, *((50, 480, 360) if small else (100, 1280, 720)))  # of several batches
    job = DecodeJob(Planner.of(SPEC, ExtractSettings(windows="all")), 16000, 1.0, reader=reader)

    def usable() -> None:
        if on_gpu:
            try:
                load_torchcodec(place.device)
            except UsageError as error:
                raise Absent(str(error)) from error

    def frames(decoders: Decoders) -> dict[str, Any]:
        usable()
        found: dict[str, Any] = {}
        for name, path in (("clip", video), ("720p", large)):
            for resize in (None, Resize(224)):
                with _said() as said:
                    there = _frames_of(decoders, path, replace(job, place=place, resize=resize))
                host = _frames_of(decoders, path, replace(job, resize=resize))
                found[f"{name}{', resized' if resize else ''}"] = {
                    "frames": len(host),
                    "tensors_on_the_device": sum(
                        isinstance(f, torch.Tensor) and str(f.device) == place.device for f in there
                    ),
                    "same_bytes": len(there) == len(host) and all(map(np.array_equal, fetched(there), host)),
                    "went_another_way": said,
                }
        return found

    def seconds(decoders: Decoders) -> dict[str, Any]:
        usable()
        ways = {"pyav": replace(job, reader="pyav"), "on the host": job, "on the device": replace(job, place=place)}
        found: dict[str, Any] = {}
        for name, path in (("clip", video), ("720p", large)):
            for resize in (None, Resize(224)):
                spent: dict[str, float] = {}
                for way, one in list(ways.items()) * (1 if small else 3):
                    began = time.perf_counter()
                    frames = _frames_of(decoders, path, replace(one, resize=resize))
                    for some in batches(frames, 32):  # as encoders take them
                        stack(some, torch.device(place.device)).to(place.device, non_blocking=True)
                    if on_gpu:
                        torch.cuda.synchronize(place.device)
                    spent[way] = min(time.perf_counter() - began, spent.get(way, 1e9))
                found[f"{name}{', resized' if resize else ''}"] = spent
        return found

    def killed(decoders: Decoders) -> dict[str, Any]:
        """In the middle of the frames of the first of two videos."""
        usable()
        wanted = replace(job, place=place)
        items = decoders.items(VideoFile("a", large), wanted)
        first = next(item for item in items if isinstance(item, FrameBatch))
        held = [frame for _, frame in first.pictures]
        before = fetched(held)
        (child,) = decoders._busy
        os.kill(child.pid, signal.SIGKILL)
        said = ""
        try:
            for _ in items:
                pass
        except Trouble as error:
            said = str(error)
        other = _frames_of(decoders, video, wanted)
        host = _frames_of(decoders, video, job)
        return {
            "said_of_its_video": said,
            "same_bytes_of_what_it_gave_before": all(map(np.array_equal, fetched(held), before)),
            "same_bytes_of_the_next_video": len(other) == len(host) and all(map(np.array_equal, fetched(other), host)),
        }

    with Decoders() as decoders:  # whose processes take seconds to begin
        for name, work in (("frames", frames), ("seconds_a_video", seconds), ("killed", killed)):
            evidence.measure(name, partial(work, decoders))

    def memory() -> dict[str, Any]:
        """What is free on the device before, while videos are decoded, and after all of it is let go."""
        usable()
        time.sleep(2 if on_gpu else 0)  # until those of the measurements before have gone
        before, lowest = _free(place.device), []
        with Decoders() as decoders:
            for item in [*decoders.items(VideoFile("a", large), replace(job, place=place))]:
                lowest.append(_free(place.device))
                del item
        deadline = time.monotonic() + 10
        while before - _free(place.device) > SLACK_BYTES and time.monotonic() < deadline:
            time.sleep(0.1)  # the driver clears up behind a process
        after = _free(place.device)
        return {
            "free_before_gb": before / 1e9,
            "free_lowest_gb": min(lowest) / 1e9,
            "free_after_gb": after / 1e9,
            "back": before - after <= SLACK_BYTES,
        }

    evidence.measure("memory", memory)

    def resizing() -> dict[str, Any]:
        """Pictures of 720p to PE-AV's size and CLIP's, one by one as decoded, or 32 together, beside the processor."""
        rng = np.random.default_rng(1)
        height, width = (48, 64) if small else (720, 1280)
        count = 2 if small else 32
        pictures = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]
        here = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        there = here.to(device)
        resize = Resize(224)
        works: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "as torch, to 336": (
                lambda: interpolate(here, size=(336, 336), mode="bilinear", antialias=True),
                lambda: interpolate_on_device(there, (336, 336), "bilinear"),
            ),
            "as Pillow, to 224": (
                lambda: torch.from_numpy(np.stack([resize(picture) for picture in pictures])),
                lambda: torch.stack([resize(picture) for picture in there.permute(0, 2, 3, 1)]),
            ),
        }
        found: dict[str, Any] = {"fast_float64": fast_float64(torch.device(place.device))}
        for name, (on_host, on_device) in works.items():
            spent = [_seconds(work, device) for work in (on_host, on_device)]
            found[name] = {
                "same_bytes": bool(torch.equal(on_device().cpu(), on_host())),
                "ms_a_picture": {"processor": spent[0] / count * 1e3, "device": spent[1] / count * 1e3},
            }
        return found

    evidence.measure("resizing", resizing)
    for name in encoders:
        evidence.measure(
            f"extraction {name}",
            partial(_extractions, name, device, reader, place, video, large, folder, usable),
        )


def _extractions(
    name: str,
    device: str,
    reader: str,
    place: FramePlace,
    video: Path,
    large: Path,
    folder: Path,
    usable: Callable[[], None],
) -> dict[str, Any]:
    """Stores of a small encoder, with frames that stay on the device and with frames that do not."""
    import transformers
    from avreplay.extract.backbones.registry import backbone_facts

    usable()
    wants = {"languagebind": "4.", "pe_av": "5."}.get(name, "")
    if backbone_facts(name).missing or not transformers.__version__.startswith(wants):
        raise Absent(f"{name} cannot be made here")
    own = folder / f"nvdec_{name}"
    own.mkdir()
    backbone = Models(name, True, own)(device, "fp32", 8)
    backbone.fixed_batch = backbone.device.type == "cpu"  # whose kernels round by the thread that computes a row
    videos = [*linked(video, own / "videos", 2), *linked(large, own / "videos", 3)[2:]]
    stores: dict[str, dict[str, Any]] = {}
    spent, said = {}, {}
    with ExitStack() as stack:
        if not isinstance(place, CudaFrames):
            before = READERS[reader]
            READERS[reader] = replace(before, place=lambda _: place)
            stack.callback(READERS.__setitem__, reader, before)
        # a child's start is in the first
        for way, decode_in in (("device", "processes"), ("host", "processes"), ("device", "threads")):
            backbone.frame_device = place.device if way == "device" else None
            settings = ExtractSettings(windows="multiscale", video_reader=reader, decode_in=decode_in, workers=2)
            store = own / f"{way}_{decode_in}"
            with _said() as told:
                summary = extract_videos(videos, store, backbone, LABELS[:3], settings, progress=False)
            stores[f"{way}, {decode_in}"] = open_store(store).embeddings()
            spent[f"{way}, {decode_in}"] = summary.seconds
            said[f"{way}, {decode_in}"] = told
            if not set(summary.counts) <= {"ok", "no_audio"}:
                raise RuntimeError(f"statuses {summary.counts} with frames on the {way} from {decode_in}")
    want = stores["host, processes"]
    return {
        "same_bytes": {
            way: all(np.array_equal(made[key], want[key], equal_nan=True) for key in want)
            for way, made in stores.items()
        },
        "seconds": spent,
        "went_another_way": said,
    }


def _frames_of(decoders: Decoders, path: Path, job: DecodeJob) -> list[Any]:
    """Every frame that is wanted, by number, whatever the batches are: what a later one needs, too, is in both."""
    wanted, found = None, {}
    for item in decoders.items(VideoFile("a", path), job):
        if isinstance(item, tuple):
            wanted = item[1]
        elif isinstance(item, FrameBatch):
            assert wanted is not None
            found.update((int(wanted.pictures[row]), frame) for row, frame in item.pictures)
            for row, frames in item.sequences:
                found.update(zip(wanted.sequences[row].tolist(), frames, strict=True))
    return [found[number] for number in sorted(found)]


def _seconds(work: Callable[[], Any], device: str) -> float:
    """The shortest of three, after one that warms up."""
    spent = []
    for _ in range(4):
        began = time.perf_counter()
        work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        spent.append(time.perf_counter() - began)
    return min(spent[1:])


def _stand_in() -> tuple[str, FramePlace]:
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    from mapped_frames import MappedFrames

    try:
        load_torchcodec("cpu")
    except UsageError:
        return "pyav", MappedFrames()
    return "torchcodec", MappedFrames()


def _large_video(folder: Path, count: int, width: int, height: int) -> Path:
    """Moving colours, 10 frames a second, without sound."""
    import av

    path = folder / "large.mp4"
    if path.exists():
        return path
    y, x = np.mgrid[:height, :width].astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "superfast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for k in range(count):
            waves = [np.sin(x / 31 + k / 3), np.cos(y / 27 + k / 5), np.sin((x + y) / 41 + k / 7)]
            pixels = (127.5 + 120 * np.stack(waves, axis=2)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _free(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


@contextmanager
def _said() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler = Kept()
    logging.getLogger("avreplay").addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger("avreplay").removeHandler(handler)
