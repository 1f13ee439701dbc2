"""Frames on a CUDA device: decoded in a stream of their own, and handed from process to process there."""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.causes import shortage_number
from .cuda_driver import DriverError, SharedDeviceMemory, copy_on_device, copy_to_device, device_identity
from .device_frames import NoRoom

if TYPE_CHECKING:
    import torch

ROOM_BYTES = 24 << 20
"""A room's least size, so that few batches need another one."""

_own = threading.local()
_copying: dict[int, Any] = {}
_lock = threading.Lock()


def own_stream(device: str) -> AbstractContextManager[Any]:
    """Around what a thread does on a device: in a stream of the thread's own, which waits for no kernel of others.
    Nothing on a processor."""
    if not device.startswith("cuda"):
        return nullcontext()
    import torch

    return torch.cuda.stream(_stream(device))


def _stream(device: str) -> torch.cuda.Stream:
    """This thread's own."""
    import torch

    streams: dict[str, torch.cuda.Stream] = _own.__dict__.setdefault("streams", {})
    if device not in streams:
        streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return streams[device]


def _copy_stream(device: int) -> torch.cuda.Stream:
    """The one in which frames are copied out of rooms, for all threads: what its allocations leave is used again."""
    import torch

    with _lock:
        if device not in _copying:
            _copying[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        found: torch.cuda.Stream = _copying[device]
    return found


@dataclass(frozen=True)
class CudaFrames:
    """The place of frames for an encoder on ``device``, as in ``cuda:1``; see `device_frames.FramePlace`."""

    device: str

    @property
    def _number(self) -> int:
        return int(self.device.partition(":")[2])

    def working(self) -> AbstractContextManager[Any]:
        return own_stream(self.device)

    def settle(self, frames: Sequence[Any]) -> None:
        import torch

        _stream(self.device).synchronize()
        using = torch.cuda.default_stream(self.device)
        for frame in frames:
            if not isinstance(frame, np.ndarray):
                # its memory is used again only when what the encoder began with it is done
                frame.record_stream(using)

    def room(self, size: int) -> _CudaRoom:
        try:
            return _CudaRoom(self._number, max(size, ROOM_BYTES))
        except DriverError as error:
            raise NoRoom(str(error), not error.out_of_memory) from error

    def space(self, size: int) -> torch.Tensor:
        import torch

        try:
            with torch.cuda.stream(_copy_stream(self._number)):
                found = torch.empty(size, dtype=torch.uint8, device=self.device)
        except RuntimeError as error:
            if shortage_number(error) != errno.ENOMEM:
                raise
            raise NoRoom("the memory of the device is full", False) from error
        found.record_stream(torch.cuda.default_stream(self.device))
        return found

    def opened(self, told: Any, handle: int | None) -> _OpenCudaRoom:
        identity, size = told
        try:
            if device_identity(self._number) != identity:
                raise NoRoom(f"{self.device} is another device in the decoding process", True)
            return _OpenCudaRoom(self, size, handle)
        except DriverError as error:
            raise NoRoom(str(error), True) from error


class _CudaRoom:
    def __init__(self, device: int, size: int) -> None:
        self._device = device
        self._identity = device_identity(device)
        self._memory = SharedDeviceMemory(device, size)
        self.size: int = self._memory.size

    def told(self) -> tuple[Any, int | None]:
        return (self._identity, self.size), self._memory.descriptor

    def take(self, target: torch.Tensor) -> None:
        self._memory.close_descriptor()  # the other process has its own
        stream = _copy_stream(self._device)
        copy_on_device(self._device, target.data_ptr(), self._memory.address, target.nbytes, stream.cuda_stream)
        stream.synchronize()

    def close(self) -> None:
        self._memory.close()


class _OpenCudaRoom:
    def __init__(self, place: CudaFrames, size: int, handle: int | None) -> None:
        self._place = place
        self._memory = SharedDeviceMemory(place._number, size, handle)
        self.size: int = size

    def put(self, frames: Sequence[Any]) -> None:
        number, first = self._place._number, 0
        stream = _stream(self._place.device)
        kept: list[Any] = []  # until the copies are done
        try:
            for frame in frames:
                target = self._memory.address + first
                if isinstance(frame, np.ndarray):
                    kept.append(np.ascontiguousarray(frame))
                    copy_to_device(number, target, kept[-1].ctypes.data, frame.nbytes, stream.cuda_stream)
                else:
                    with own_stream(self._place.device):
                        kept.append(frame.contiguous())
                    copy_on_device(number, target, kept[-1].data_ptr(), frame.nbytes, stream.cuda_stream)
                first += frame.nbytes
        except DriverError as error:
            raise NoRoom(str(error), True) from error
        finally:
            stream.synchronize()

    def close(self) -> None:
        self._memory.close()
