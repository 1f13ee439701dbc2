"""Parts of a file of a store, read into memory that is given: a seek and a read each, or a request for a range."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol, TypeAlias

from ..reading.files import system_error

Part: TypeAlias = tuple[int, memoryview]
"""An offset in a file, and the bytes to fill from there on."""

REQUEST = 16 << 20
"""Bytes of one request to a server."""


class Ranges(Protocol):
    """A file whose parts can be read; what is read is of the file that was opened, whoever replaces it meanwhile."""

    def fill(self, parts: Sequence[Part]) -> None:
        """Fill the memory of parts. Raises: EOFError where the file ends before, or has been replaced; DataError."""


class LocalRanges:
    """A local file. It stays open, so that a writer who replaces it does not matter."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._handle = os.dup(file.fileno())
        self._path = path
        weakref.finalize(self, os.close, self._handle)

    def fill(self, parts: Sequence[Part]) -> None:
        """As :meth:`Ranges.fill`."""
        for offset, view in parts:
            done = 0
            while done < len(view):
                try:
                    count = os.preadv(self._handle, [view[done:]], offset + done)
                except OSError as error:
                    raise system_error(error, self._path, "store") from None
                if count == 0:
                    raise EOFError
                done += count


class RemoteRanges:
    """A file on a server, of which several ranges are asked for at once.

    get : gives the bytes of a range, from a first to before a last one
    at_once : calls a function for each of some numbers, several at a time
    """

    def __init__(
        self, get: Callable[[int, int], bytes], at_once: Callable[[Callable[[int], None], Sequence[int]], object]
    ) -> None:
        self._get = get
        self._at_once = at_once

    def fill(self, parts: Sequence[Part]) -> None:
        """As :meth:`Ranges.fill`."""
        requests = _requests(parts)
        short: list[int] = []

        def fill(number: int) -> None:
            offset, views = requests[number]
            size = sum(map(len, views))
            content = memoryview(self._get(offset, offset + size))
            if len(content) != size:
                short.append(number)
                return
            for view in views:
                view[:], content = content[: len(view)], content[len(view) :]

        self._at_once(fill, range(len(requests)))
        if short:
            raise EOFError


def _requests(parts: Sequence[Part]) -> list[tuple[int, list[memoryview]]]:
    """An offset and the memory to fill from there on, for each request: parts that follow each other share one."""
    found: list[tuple[int, list[memoryview]]] = []
    end, room = -1, 0
    for offset, view in parts:
        for k in range(0, len(view), REQUEST):
            piece = view[k : k + REQUEST]
            if offset + k == end and len(piece) <= room:
                found[-1][1].append(piece)
            else:
                found.append((offset + k, [piece]))
                room = REQUEST
            end, room = offset + k + len(piece), room - len(piece)
    return found
