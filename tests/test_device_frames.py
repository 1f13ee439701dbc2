"""Frames that stay on the encoder's device though another process decodes them: bytes, order, lifetimes, and what
happens where memory cannot be shared. The device is a stand-in (`mapped_frames`); `make gpu-check` tries real ones."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media import cuda_driver, device_frames
from avreplay.extract.media.cuda_driver import DriverError, SharedDeviceMemory, copy_on_device
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.device_frames import NoRoom, Takes, fetched
from avreplay.extract.media.device_resize import interpolate_on_device, resize_on_device
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.pillow_resize import resize_picture
from avreplay.extract.media.prefetch import FrameBatch, Sound
from avreplay.extract.media.resize import Resize
from avreplay.extract.media.shared_memory import ON_DEVICE, receive_item
from avreplay.extract.media.trouble import Trouble
from avreplay.extract.media.video_readers import READERS
from fake_backbone import FakeBackbone
from mapped_frames import ROOMS, MappedFrames
from media_maker import noise, write_media
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

PLANNER = Planner.of(FakeBackbone().spec, ExtractSettings(windows="all"))
HOST = DecodeJob(PLANNER, 16000, 1.0)
THERE = replace(HOST, place=MappedFrames())


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {
        "small": write_media(folder / "a.mp4", seconds=4, channels=1),
        # several batches, larger than those of the other film
        "large": write_media(folder / "b.mp4", pictures=noise(40, 640, 480), codec="mpeg4", channels=1),
    }


@pytest.fixture(autouse=True)
def _no_rooms_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not ROOMS


def items_of(decoders: Decoders, path: Path, job: DecodeJob) -> list[Any]:
    return list(decoders.items(VideoFile("v", path), job))


def assert_the_same(there: list[Any], host: list[Any], kind: type | None = None) -> None:
    """The same frames in the same rows, each one object wherever it is in a batch, and the same sound."""
    got, want = (
        [(row, frame) for item in items if isinstance(item, FrameBatch) for row, frame in item.pictures]
        for items in (there, host)
    )
    assert [row for row, _ in got] == [row for row, _ in want]
    assert all(np.array_equal(np.asarray(a), b) for (_, a), (_, b) in zip(got, want, strict=True))
    got_some, want_some = (
        [(row, frames) for item in items if isinstance(item, FrameBatch) for row, frames in item.sequences]
        for items in (there, host)
    )
    for (row, some), (other, same) in zip(got_some, want_some, strict=True):
        assert row == other
        assert all(np.array_equal(np.asarray(a), b) for a, b in zip(some, same, strict=True))
    frames = [frame for _, frame in got] + [frame for _, some in got_some for frame in some]
    assert kind is None or {type(frame) for frame in frames} == {kind}
    sounds = [[item.samples for item in items if isinstance(item, Sound)] for items in (there, host)]
    assert all(np.array_equal(a, b) for a, b in zip(*sounds, strict=True))


@pytest.mark.parametrize("resize", [None, Resize(48)])
def test_the_bytes_of_the_host_way(films: dict[str, Path], resize: Resize | None) -> None:
    """In one process, videos after each other: its room grows, is used again, and is another one after other work."""
    with Decoders() as decoders:
        for name in ("small", "large", "small"):
            there = items_of(decoders, films[name], replace(THERE, resize=resize))
            host = items_of(decoders, films[name], replace(HOST, resize=resize))
            assert_the_same(there, host, torch.Tensor)
            assert len(decoders._idle) == 1
        (batch,) = [item for item in items_of(decoders, films["small"], THERE) if isinstance(item, FrameBatch)]
        shown = {id(frame) for _, frame in batch.pictures}
        assert shown & {id(frame) for _, some in batch.sequences for frame in some}, "sent once"
        assert sum(isinstance(item, FrameBatch) for item in items_of(decoders, films["large"], THERE)) > 1


@pytest.mark.parametrize("refused", ["here", "there", "later"])
def test_without_shared_memory_frames_go_the_other_way_and_it_is_said_once(
    films: dict[str, Path], refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = replace(THERE, place=MappedFrames(refused=refused))
    with caplog.at_level(logging.WARNING), Decoders() as decoders:
        for name in ("large", "small"):
            host = items_of(decoders, films[name], HOST)
            # a device that is full shares again later; one that cannot never does
            assert_the_same(items_of(decoders, films[name], job), host, None if refused == "later" else np.ndarray)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert said[0].startswith("frames decoded on cpu go through the processor's memory: made up: ")


def test_a_process_that_is_killed_costs_its_video_and_no_frame_that_is_there(films: dict[str, Path]) -> None:
    with Decoders() as decoders:
        items = decoders.items(VideoFile("v", films["large"]), THERE)
        first = next(item for item in items if isinstance(item, FrameBatch))
        before = [np.asarray(frame).copy() for _, frame in first.pictures]
        (child,) = decoders._busy
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(Trouble, match="killed"):
            list(items)
        assert not ROOMS
        assert all(
            np.array_equal(np.asarray(frame), kept) for (_, frame), kept in zip(first.pictures, before, strict=True)
        )
        assert_the_same(
            items_of(decoders, films["small"], THERE), items_of(decoders, films["small"], HOST), torch.Tensor
        )


def test_a_process_waits_for_whoever_takes_its_frames(films: dict[str, Path]) -> None:
    """What was handed over is not written over, however long it is looked at, and one who leaves leaves nothing."""
    with Decoders() as decoders:
        host = items_of(decoders, films["large"], HOST)
        slow = []
        for item in decoders.items(VideoFile("v", films["large"]), THERE):
            slow.append(item)
            time.sleep(0.1)
        assert_the_same(slow, host, torch.Tensor)
        items = decoders.items(VideoFile("v", films["large"]), THERE)
        next(item for item in items if isinstance(item, FrameBatch))
        items.close()  # type: ignore[attr-defined]
        assert not ROOMS


def test_in_threads_nothing_is_handed_over(films: dict[str, Path]) -> None:
    with Decoders(processes=False) as decoders:
        assert_the_same(items_of(decoders, films["large"], THERE), items_of(decoders, films["large"], HOST))
        assert not ROOMS


def test_batches_on_a_device_are_smaller(films: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with Decoders(processes=False) as decoders:
        sizes = [
            sum(frame.nbytes for _, frame in item.pictures)
            for item in items_of(decoders, films["large"], THERE)
            if isinstance(item, FrameBatch)
        ]
    assert max(sizes) <= device_frames.BATCH_BYTES + 640 * 480 * 3


HOSTILE_LAYOUTS = [
    None, (), ([("|u1", (4,))],), ([("|u1", (5,))], None), ([("|u1", (10**14,))], None), ([("|u1", (-1, -4))], None),
    ([("|u1", (2**63, 2))], None), ([("no type", (4,))], None), ([("|O", (1,))], None), ([("|V0", (4,))], None),
    ([("|u1", None)], None), ([], ON_DEVICE), (5, None),
]  # fmt: skip


@pytest.mark.parametrize("layout", HOSTILE_LAYOUTS, ids=str)
@pytest.mark.parametrize("kind", ["frames", "sound"])
def test_a_wrong_message_leaves_no_file_open_and_is_not_the_end_of_its_process(kind: str, layout: Any) -> None:
    handle = os.memfd_create("wrong") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    os.write(handle, b"four")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, the video gets a reason
        receive_item(kind, ([(0, 0)], []), layout, handle)
    assert not isinstance(caught.value, (EOFError, ConnectionError, TimeoutError))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_what_a_process_sends_is_looked_at() -> None:
    """One that a file has taken over can send wrong pictures and no more."""
    takes, place = Takes(), MappedFrames()
    with pytest.raises(ValueError, match="without a room"):
        takes.take([(1, 1, 3)])
    with pytest.raises(ValueError, match="-1 bytes"):
        takes.answer(place, -1, 0)
    for shapes in ([(2, 2, 3)], [(1, 1, 3), (1, 1, 3)], [(3,)], [(-1, 1, -3)], []):
        takes.answer(place, 3, 0)
        with pytest.raises(ValueError, match="other frames than announced"):
            takes.take(shapes)
    with pytest.raises(ValueError, match="without a room"):
        takes.take([(1, 1, 3)])
    takes.close()


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
def test_resizing_on_a_device_gives_the_same_bytes(method: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(12):
        height, width = rng.integers(8, 400, 2).tolist()
        resized = tuple(rng.integers(8, 300, 2).tolist())
        box = (resized[0] // 4, resized[1] // 3, max(1, resized[0] // 2), max(1, resized[1] // 2))
        # black and white beside each other overshoot, which is cut off
        picture = rng.choice(np.array([0, 255, 255, 17], np.uint8), (height, width, 3))
        want = resize_picture(picture, resized, box, method)
        got = resize_on_device(torch.from_numpy(picture), resized, box, method)
        assert got.dtype == torch.uint8
        assert np.array_equal(got.numpy(), want)
    small = torch.from_numpy(noise(1, 48, 48)[0])
    assert Resize(48)(small) is small  # type: ignore[arg-type,comparison-overlap]


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
def test_interpolating_on_a_device_gives_the_bytes_of_the_processor(method: str) -> None:
    """Of pictures that shrink, grow, keep a side, in both orders of memory."""
    rng = np.random.default_rng(4)
    for k in range(12):
        height, width, *shape = rng.integers(5, 300, 4).tolist()
        shape = [height if k % 4 == 1 else shape[0], width if k % 4 == 2 else shape[1]]
        pixels = rng.choice(np.array([0, 255, 17, 128], np.uint8), (2, height, width, 3))
        pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        for laid_out in (pictures, pictures.contiguous()):
            want = torch.nn.functional.interpolate(laid_out, size=tuple(shape), mode=method, antialias=True)
            got = interpolate_on_device(laid_out, tuple(shape), method)
            assert torch.equal(got, want)
            assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rounding", ["pillow", "bytes", "none"])
def test_towers_get_the_same_of_frames_on_a_device(rounding: str) -> None:
    """Of tensors, of arrays, and of some of each, as where a device was full for a while."""
    from avreplay.extract.backbones._images import PictureTransform

    transform = PictureTransform(size=40, rounding=rounding)
    frames = noise(3, 96, 64) + noise(2, 40, 40)
    tensors = [torch.from_numpy(frame) for frame in frames]
    want = transform(frames)
    assert torch.equal(transform(tensors), want)
    assert torch.equal(transform([*frames[:2], *tensors[2:]]), want)
    for frame, tensor in zip(frames, tensors, strict=True):
        assert np.array_equal(np.asarray(transform.resized(tensor)), transform.resized(frame))


def test_frames_are_fetched_in_order() -> None:
    frames = noise(3, 32, 24) + noise(2, 16, 16)
    mixed = [torch.from_numpy(frame) if k % 2 else frame for k, frame in enumerate(frames)]
    assert all(np.array_equal(a, b) for a, b in zip(fetched(mixed), frames, strict=True))
    assert fetched(frames) == frames or all(a is b for a, b in zip(fetched(frames), frames, strict=True))


class OnDevice(FakeBackbone):
    """Takes tensors as well as arrays, and counts them."""

    frame_device = "cpu"
    items_per_call = 16
    tensors = 0

    def encode_images(self, frames: Sequence[Any]) -> NDArray[np.float32]:
        self.tensors += sum(isinstance(frame, torch.Tensor) for frame in frames)
        return super().encode_images(fetched(frames))

    def encode_clips(self, clips: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        return super().encode_clips([fetched(clip) for clip in clips])


@pytest.mark.parametrize("decode_in", ["processes", "threads"])
def test_stores_hold_the_same_numbers(
    films: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decode_in: str
) -> None:
    monkeypatch.setitem(READERS, "pyav", replace(READERS["pyav"], place=MappedFrames))
    made = []
    for backbone in (OnDevice(), FakeBackbone()):
        settings = ExtractSettings(decode_in=decode_in, shard_videos=1, workers=2)
        store = tmp_path / type(backbone).__name__
        summary = extract_videos(list(films.values()), store, backbone, ("Dog",), settings, progress=False)
        assert summary.counts == {"ok": 2}
        made.append(open_store(store).embeddings())
        if isinstance(backbone, OnDevice):
            assert (backbone.tensors > 0) == (decode_in == "processes")
    assert all(np.array_equal(made[0][key], made[1][key]) for key in made[1])


# --- the driver's functions, over a library that keeps books --------------------------------------------------------


class FakeCuda:
    """libcuda over the processor's memory: what is made must be released, in any order that CUDA allows."""

    def __init__(self, broken: str = "", code: int = 1) -> None:
        self.broken, self.code = broken, code
        self.handles: dict[int, int] = {}
        self.reserved: dict[int, Any] = {}
        self.mapped: set[int] = set()
        self.depth = 0
        self.files: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        work = getattr(type(self), f"_{name}", None)
        if work is None:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            if name == self.broken:
                return self.code
            work(self, *(getattr(a, "_obj", a) for a in arguments))
            return 0

        return call

    def _cuDeviceGet(self, found: Any, number: Any) -> None:
        found.value = number.value

    def _cuDeviceGetUuid(self, found: Any, device: Any) -> None:
        found[:] = [7] * 15 + [device.value]

    def _cuDevicePrimaryCtxRetain(self, found: Any, device: Any) -> None:
        found.value = 100 + device.value

    def _cuCtxPushCurrent_v2(self, context: Any) -> None:
        assert context.value >= 100
        self.depth += 1

    def _cuCtxPopCurrent_v2(self, found: Any) -> None:
        self.depth -= 1

    def _cuGetErrorString(self, code: Any, text: Any) -> None:
        text.value = b"made up"

    def _cuMemGetAllocationGranularity(self, step: Any, properties: Any, kind: Any) -> None:
        assert (properties.type, properties.handle_types, properties.location.type) == (1, 1, 1)
        step.value = 4096

    def _cuMemCreate(self, handle: Any, size: Any, properties: Any, flags: Any) -> None:
        assert size.value % 4096 == 0
        handle.value = len(self.handles) + 1
        self.handles[handle.value] = size.value

    def _cuMemExportToShareableHandle(self, found: Any, handle: Any, kind: Any, flags: Any) -> None:
        found.value = os.memfd_create("device")
        self.files[os.fstat(found.value).st_ino] = self.handles[handle.value]

    def _cuMemImportFromShareableHandle(self, handle: Any, descriptor: Any, kind: Any) -> None:
        handle.value = len(self.handles) + 1
        self.handles[handle.value] = self.files[os.fstat(descriptor.value or 0).st_ino]

    def _cuMemRelease(self, handle: Any) -> None:
        del self.handles[handle.value]

    def _cuMemAddressReserve(self, found: Any, size: Any, *_: Any) -> None:
        memory = ctypes.create_string_buffer(size.value)
        found.value = ctypes.addressof(memory)
        self.reserved[found.value] = memory

    def _cuMemAddressFree(self, address: Any, size: Any) -> None:
        assert address.value not in self.mapped
        assert len(self.reserved.pop(address.value)) == size.value

    def _cuMemMap(self, address: Any, size: Any, offset: Any, handle: Any, flags: Any) -> None:
        assert size.value == self.handles[handle.value] == len(self.reserved[address.value])
        self.mapped.add(address.value)

    def _cuMemUnmap(self, address: Any, size: Any) -> None:
        self.mapped.remove(address.value)

    def _cuMemSetAccess(self, address: Any, size: Any, access: Any, count: Any) -> None:
        assert address.value in self.mapped
        assert (access.flags, count.value) == (3, 1)

    def _cuMemcpyDtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> None:
        assert self.depth > 0
        ctypes.memmove(target.value, source.value, size.value)

    @property
    def empty(self) -> bool:
        return not (self.handles or self.reserved or self.mapped or self.depth)


def with_driver(monkeypatch: pytest.MonkeyPatch, library: FakeCuda) -> FakeCuda:
    monkeypatch.setattr(cuda_driver, "_library", lambda: library)
    cuda_driver._context.cache_clear()
    return library


def test_memory_of_a_device_is_shared_by_descriptor_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    library = with_driver(monkeypatch, FakeCuda())
    assert cuda_driver.device_identity(1) != cuda_driver.device_identity(0)
    own = SharedDeviceMemory(1, 5000)
    assert own.size == 8192
    other = SharedDeviceMemory(1, own.size, own.descriptor)
    before = len(os.listdir("/proc/self/fd"))
    own.close_descriptor()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    ctypes.memset(other.address, 5, 100)
    copy_on_device(1, own.address, other.address, 100, 0)
    assert ctypes.string_at(own.address, 100) == bytes([5] * 100)
    own.close()  # in whatever order
    other.close()
    assert library.empty


@pytest.mark.parametrize(
    "broken",
    ["cuMemGetAllocationGranularity", "cuMemCreate", "cuMemExportToShareableHandle", "cuMemAddressReserve", "cuMemMap",
     "cuMemSetAccess", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2"],
)  # fmt: skip
def test_what_the_driver_refuses_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    for code, full in ((801, False), (2, True)):
        library = with_driver(monkeypatch, FakeCuda(broken, code))
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(DriverError, match=rf"{broken}: made up \({code}\)") as caught:
            SharedDeviceMemory(0, 100)
        assert caught.value.out_of_memory == full
        assert library.empty
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_device_that_refuses_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    from avreplay.extract.media.cuda_frames import CudaFrames

    with_driver(monkeypatch, FakeCuda("cuMemCreate", 801))
    with pytest.raises(NoRoom, match="cuMemCreate: made up") as caught:
        CudaFrames("cuda:1").room(10)
    assert caught.value.for_good
    with_driver(monkeypatch, FakeCuda("cuMemCreate", 2))
    with pytest.raises(NoRoom) as caught:
        CudaFrames("cuda:1").room(10)
    assert not caught.value.for_good
    with_driver(monkeypatch, FakeCuda())
    with pytest.raises(NoRoom, match="cuda:1 is another device in the decoding process"):
        CudaFrames("cuda:1").opened((bytes(16), 4096), None)
    monkeypatch.setattr(cuda_driver, "LIBRARY", "libnothing.so.1")
    monkeypatch.undo()
    if not torch.cuda.is_available():
        cuda_driver._library.cache_clear()
        with pytest.raises(NoRoom):
            CudaFrames("cuda:0").room(10)
