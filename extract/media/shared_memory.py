"""Handing pictures and sound from one process to another: through shared memory, of which only the file descriptor
goes through the channel. The memory has no name: whatever becomes of the processes, nothing of it is left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .channel import Channel
from .device_frames import Gives, Takes, fetched
from .prefetch import FrameBatch, Item, Noted, Sound

ITEMS = ("begin", "frames", "sound", "noted")
"""The kinds of messages that are items."""

ON_DEVICE = "on the device"


def send_item(channel: Channel, item: Item, gives: Gives | None = None) -> None:
    """Send an item of `prefetch.decode_items`, for `receive_item`; frames on a device stay there, if ``gives`` can."""
    if isinstance(item, FrameBatch):
        each = item.frames()
        place = {id(frame): k for k, frame in enumerate(each)}
        pictures = [(row, place[id(frame)]) for row, frame in item.pictures]
        sequences = [(row, [place[id(frame)] for frame in some]) for row, some in item.sequences]
        if gives is not None and gives.put(each):
            shapes = [tuple(map(int, frame.shape)) for frame in each]
            channel.send(("frames", (pictures, sequences), (shapes, ON_DEVICE)))
            return
        _send(channel, ("frames", (pictures, sequences)), fetched(each))
    elif isinstance(item, Sound):
        _send(channel, ("sound", None), [item.samples])
    else:
        channel.send(("noted" if isinstance(item, Noted) else "begin", item, None))


def receive_item(kind: str, value: Any, layout: Any, handle: int | None, takes: Takes | None = None) -> Item:
    """The item of a message of `send_item`; the handle is closed. ``takes`` : from where frames on a device come."""
    with nullcontext() if handle is None else open(handle, "r+b", buffering=0) as file:
        if kind in ("begin", "noted"):
            whole: Item = value
            return whole
        shapes, data = layout
        if takes is not None and kind == "frames" and data == ON_DEVICE:
            arrays: list[Any] = list(takes.take(shapes))
        else:
            arrays = list(_receive(shapes, data, file))
    if kind == "sound":
        return Sound(arrays[0])
    pictures, sequences = value
    return FrameBatch(
        [(row, arrays[k]) for row, k in pictures], [(row, [arrays[k] for k in some]) for row, some in sequences]
    )


def _send(channel: Channel, message: tuple[str, Any], arrays: Iterable[NDArray[Any]]) -> None:
    flat = [np.ascontiguousarray(array) for array in arrays]
    layout = [(array.dtype.str, array.shape) for array in flat]
    parts = [array.reshape(-1).view(np.uint8) for array in flat if array.nbytes]
    if not parts:
        channel.send((*message, (layout, b"")))
        return
    try:
        with _memory() as file:
            for part in parts:
                _write(file, part)
            channel.send((*message, (layout, None)), file.fileno())
    except ConnectionError:
        raise
    except OSError:  # no room for the file, or a limit on its size: through the channel then
        channel.send((*message, (layout, b"".join(part.tobytes() for part in parts))))


def _write(file: Any, data: NDArray[np.uint8]) -> None:
    done = 0
    while done < len(data):
        done += file.write(data[done:])


def _receive(layout: list[tuple[str, tuple[int, ...]]], data: bytes | None, file: Any) -> list[NDArray[Any]]:
    """The arrays, copied: a mapping would keep its file open for as long as one of them waits for the encoder."""
    sizes = [int(np.prod(shape)) * np.dtype(kind).itemsize for kind, shape in layout]
    memory: Any = data
    if file is not None:
        memory = np.empty(sum(sizes), np.uint8)
        file.seek(0)
        _read(file, memory)
    arrays, first = [], 0
    for (kind, shape), size in zip(layout, sizes, strict=True):
        arrays.append(np.frombuffer(memory, kind, size // np.dtype(kind).itemsize, first).reshape(shape))
        first += size
    return arrays


def _read(file: Any, place: NDArray[np.uint8]) -> None:
    done = 0
    while done < len(place):
        count = file.readinto(place[done:])
        if not count:
            raise ValueError("the shared memory is shorter than announced")
        done += count


def _memory() -> Any:
    """A file of no name: in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("avreplay"), "r+b", buffering=0)
    return tempfile.TemporaryFile()
