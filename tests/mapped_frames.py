"""A place of frames on no device: tensors in the processor's memory, handed over in a mapped file without a name, by
the protocol of `device_frames`. Like a device it counts its rooms, and can refuse them in either process."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from avreplay.extract.media.device_frames import NoRoom

ROOMS: list[MappedRoom] = []
"""Those that were made in this process and not closed."""


class MappedRoom:
    def __init__(self, size: int) -> None:
        self.size = size
        self._file = os.memfd_create("frames")
        os.ftruncate(self._file, size)
        self._map = mmap.mmap(self._file, size)
        ROOMS.append(self)

    def told(self) -> tuple[Any, int | None]:
        return self.size, self._file

    def take(self, target: Any) -> None:
        target.numpy()[:] = np.frombuffer(self._map, np.uint8, len(target))

    def close(self) -> None:
        os.close(self._file)
        ROOMS.remove(self)


class OpenMappedRoom:
    def __init__(self, size: int, handle: int) -> None:
        self.size = size
        self._map = mmap.mmap(handle, size)

    def put(self, frames: Sequence[Any]) -> None:
        self._map.seek(0)
        for frame in frames:
            self._map.write(np.ascontiguousarray(frame if isinstance(frame, np.ndarray) else frame.numpy()))

    def close(self) -> None:
        self._map.close()


@dataclass(frozen=True)
class MappedFrames:
    """``refused`` : where memory cannot be shared, "here", "there" or, once a room is asked for again, "later"."""

    device: str = "cpu"
    refused: str = ""

    def working(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def settle(self, frames: Sequence[Any]) -> None:
        pass

    def room(self, size: int) -> MappedRoom:
        if self.refused == "here":
            raise NoRoom("made up: this device shares no memory", True)
        return MappedRoom(size)

    def space(self, size: int) -> Any:
        import torch

        if self.refused == "later" and ROOMS:
            raise NoRoom("made up: the device is full", False)
        return torch.empty(size, dtype=torch.uint8)

    def opened(self, told: Any, handle: int | None) -> OpenMappedRoom:
        if self.refused == "there" or handle is None:
            raise NoRoom("made up: nothing can be opened here", True)
        return OpenMappedRoom(told, handle)
