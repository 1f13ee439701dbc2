"""Handing pictures and sound from one process to another: through shared memory, of which only the file descriptor
crosses the pipe. The memory has no name: whatever becomes of the processes, nothing of it is left behind."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .prefetch import FrameBatch, Item, Sound

ITEMS = ("begin", "frames", "sound")
"""The kinds of messages that begin an item."""


def send_item(connection: Connection, item: Item, receiver: int) -> None:
    """Send an item of `prefetch.decode_items` to the process of the id ``receiver``, for `receive_item`."""
    if isinstance(item, FrameBatch):
        frames = {id(f): f for f in (*(f for _, f in item.pictures), *(f for _, fs in item.sequences for f in fs))}
        place = {key: k for k, key in enumerate(frames)}
        pictures = [(row, place[id(frame)]) for row, frame in item.pictures]
        sequences = [(row, [place[id(frame)] for frame in some]) for row, some in item.sequences]
        _send(connection, ("frames", (pictures, sequences)), list(frames.values()), receiver)
    elif isinstance(item, Sound):
        _send(connection, ("sound", None), [item.samples], receiver)
    else:
        connection.send(("begin", item, None))


def receive_item(connection: Connection, kind: str, value: Any, layout: Any) -> Item:
    """The item that a message of `send_item` began."""
    if kind == "begin":
        began: Item = value
        return began
    arrays = _receive(connection, layout)
    if kind == "sound":
        return Sound(arrays[0])
    pictures, sequences = value
    return FrameBatch(
        [(row, arrays[k]) for row, k in pictures], [(row, [arrays[k] for k in some]) for row, some in sequences]
    )


def _send(connection: Connection, message: tuple[str, Any], arrays: Iterable[NDArray[Any]], receiver: int) -> None:
    flat = [np.ascontiguousarray(array) for array in arrays]
    layout = [(array.dtype.str, array.shape) for array in flat]
    connection.send((*message, layout))
    size = sum(array.nbytes for array in flat)
    if not size:
        return
    with _memory() as file:
        os.ftruncate(file.fileno(), size)
        with mmap.mmap(file.fileno(), size) as memory:
            first = 0
            for array in flat:
                memory[first : first + array.nbytes] = array.reshape(-1).view(np.uint8).data
                first += array.nbytes
        send_handle(connection, file.fileno(), receiver)


def _receive(connection: Connection, layout: list[tuple[str, tuple[int, ...]]]) -> list[NDArray[Any]]:
    sizes = [int(np.prod(shape)) * np.dtype(kind).itemsize for kind, shape in layout]
    memory: Any = b""
    if sum(sizes):
        handle = recv_handle(connection)
        try:
            memory = mmap.mmap(handle, sum(sizes))  # lives as long as an array that looks into it
        finally:
            os.close(handle)
    arrays, first = [], 0
    for (kind, shape), size in zip(layout, sizes, strict=True):
        arrays.append(np.frombuffer(memory, kind, size // np.dtype(kind).itemsize, first).reshape(shape))
        first += size
    return arrays


def _memory() -> Any:
    """A file of no name: in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("avreplay"), "r+b", buffering=0)
    return tempfile.TemporaryFile()
