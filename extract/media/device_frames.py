"""Frames that stay on the device that encodes them, though another process decodes them.

The process of the encoder owns the memory: it makes a *room* for each decoding process, which that one opens, fills
with a batch of frames and says so; the frames are then copied out, on the device, before the room is given again. So a
decoding process that dies takes nothing with it that the encoder still reads, and one that is fast waits. Where no
memory can be shared that way the frames go through the processor's, as they do without a device.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .channel import Channel

if TYPE_CHECKING:
    import torch

BATCH_BYTES = 16 << 20
"""About the bytes of different frames in a batch on a device: less than in the processor's memory, since the batches of
each video that is decoded ahead lie beside the encoder."""


class NoRoom(Exception):
    """Memory cannot be shared, for a reason in a few words; ``for_good`` : as long as these processes run."""

    def __init__(self, reason: str, for_good: bool) -> None:
        super().__init__(reason)
        self.for_good = for_good


class Room(Protocol):
    """Memory that this process owns and another one fills. ``size`` : in bytes."""

    size: int

    def told(self) -> tuple[Any, int | None]:
        """What the other process needs to open it: plain values, and a file descriptor that stays the room's."""

    def take(self, target: torch.Tensor) -> None:
        """Copy the room's beginning to a flat tensor on the device, and wait until that is done."""

    def close(self) -> None:
        """Let go of the memory."""


class OpenRoom(Protocol):
    """A room from the side of the process that fills it."""

    size: int

    def put(self, frames: Sequence[Any]) -> None:
        """Copy frames, tensors on the device or arrays, into it one after the other, and wait until that is done.
        Raises: NoRoom."""

    def close(self) -> None:
        """Let go of it."""


class FramePlace(Protocol):
    """A device on which frames are wanted; it goes to the process that decodes by pickle."""

    @property
    def device(self) -> str:
        """Its name, as in ``cuda:1``."""

    def working(self) -> AbstractContextManager[Any]:
        """Around what this thread does with frames on the device: in a stream of its own."""

    def settle(self, frames: Sequence[Any]) -> None:
        """Wait for what this thread began on the device; the frames may then be used in any other thread."""

    def room(self, size: int) -> Room:
        """A room of at least so many bytes. Raises: NoRoom."""

    def space(self, size: int) -> torch.Tensor:
        """[size] uint8 on the device, for frames to be copied to. Raises: NoRoom."""

    def opened(self, told: Any, handle: int | None) -> OpenRoom:
        """The room that another process told of; the handle stays the caller's. Raises: NoRoom."""


class Takes:
    """The frames of one decoding process, from the side of the encoder's."""

    def __init__(self) -> None:
        self._room: Room | None = None
        self._space: torch.Tensor | None = None

    def answer(self, place: FramePlace, size: int, opened: int) -> tuple[tuple[str, Any], int | None]:
        """What the process is told that asks for room for so many bytes, with a file descriptor of the room's; it has
        opened one of ``opened`` bytes, or none: 0.

        Raises: NoRoom.
        """
        if size < 0:
            raise ValueError(f"a decoding process asked for {size} bytes")
        new = self._room is None or self._room.size < size or self._room.size != opened
        try:
            self._space = place.space(size)
            if new:
                self._close_room()
                self._room = place.room(size)
        except NoRoom:
            self.close()
            raise
        assert self._room is not None
        if not new:
            return ("room", None), None
        told, handle = self._room.told()
        return ("room", (self._room.size, told)), handle

    def take(self, shapes: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
        """The frames that the process has put into its room: [height, width, 3] uint8 on the device, views of one
        tensor.

        Raises: ValueError, RuntimeError where they are not what room was asked for.
        """
        space, self._space = self._space, None
        if self._room is None or space is None:
            raise ValueError("a decoding process sent frames without a room for them")
        sizes = [prod(shape) for shape in shapes]
        if sum(sizes) != len(space) or any(len(shape) != 3 or min(shape) < 0 for shape in shapes):
            raise ValueError("a decoding process sent other frames than announced")
        self._room.take(space)
        ends = list(accumulate(sizes))
        return [space[end - size : end].view(shape) for end, size, shape in zip(ends, sizes, shapes, strict=True)]

    def close(self) -> None:
        self._space = None
        self._close_room()

    def _close_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.close()


class Gives:
    """The frames of one decoding process, from its own side.

    Parameters
    ----------
    channel : to the process of the encoder
    place : where it wants them
    """

    def __init__(self, channel: Channel, place: FramePlace) -> None:
        self.place = place
        self._channel = channel
        self._room: OpenRoom | None = None
        self._size = 0
        self._refused = False

    def put(self, frames: Sequence[Any]) -> bool:
        """Put frames into the room; False where they must go another way, this time or always."""
        size = sum(frame.nbytes for frame in frames)
        if self._refused or not size:
            return False
        if self._size < size:
            self.close()  # the other process makes a new one then
        self._channel.send(("room", (size, self._size), None))
        (kind, value), handle = self._channel.receive()
        if kind != "room":
            self.close()
            self._refused = bool(value)
            return False
        try:
            if value is not None:
                size, told = value
                try:
                    self._room = self.place.opened(told, handle)
                finally:
                    if handle is not None:
                        os.close(handle)
                self._size = size
            assert self._room is not None
            self._room.put(frames)
        except NoRoom as error:
            self.close()
            self._refused = True
            self._channel.send(("no room", str(error), None))
            return False
        return True

    def close(self) -> None:
        room, self._room = self._room, None
        self._size = 0
        if room is not None:
            room.close()


def fetched(frames: Sequence[Any]) -> list[NDArray[np.uint8]]:
    """The frames in the processor's memory, those of a device by one copy."""
    there = [k for k, frame in enumerate(frames) if not isinstance(frame, np.ndarray)]
    found = list(frames)
    if there:
        import torch

        flat = torch.cat([frames[k].reshape(-1) for k in there]).cpu().numpy()
        first = 0
        for k in there:
            size = prod(frames[k].shape)
            found[k] = flat[first : first + size].reshape(tuple(frames[k].shape))
            first += size
    return found
