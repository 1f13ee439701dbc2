"""Messages between two processes over a socket, each with a file descriptor where it needs one."""

from __future__ import annotations

import errno
import io
import os
import pickle
import socket
import struct
from dataclasses import is_dataclass
from typing import Any

_DATA = {
    ("fractions", "Fraction"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *((f"numpy.{core}.{module}", name) for core in ("core", "_core") for module, name in (
        ("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"),
    )),
    *((module, name) for module in ("pathlib", "pathlib._local") for name in ("PosixPath", "Path")),
}  # fmt: skip
"""What messages from a decoding process may name besides dataclasses of this package (`_VALUES`)."""

_PACKAGE = __package__.removesuffix(".extract.media")
_VALUES = tuple(f"{_PACKAGE}.{place}" for place in ("extract.media.", "extract.encoding.plan", "cache.layout.schema"))
"""Where the dataclasses are that such a message may hold."""

_HEADER = struct.Struct("!Q?")


class Channel:
    """One end of a pair of connected sockets.

    ``only_data`` : the other end decodes files of unknown origin, so nothing but values is taken from it: a decoder
    that a file has taken over can send wrong pictures, and call nothing here.

    Every method raises EOFError or ConnectionError where the other end is gone, and TimeoutError where it is silent.
    """

    def __init__(self, end: socket.socket, only_data: bool = False) -> None:
        self._end = end
        self._only_data = only_data

    def fileno(self) -> int:
        return self._end.fileno()

    def set_timeout(self, seconds: float | None) -> None:
        """The longest time that the other end may be silent; None: for ever."""
        self._end.settimeout(seconds)

    def send(self, message: Any, handle: int | None = None) -> None:
        """Send a message, and a copy of a file descriptor beside it."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        header = _HEADER.pack(len(data), handle is not None)
        if handle is None:
            self._end.sendall(header + data)
        else:
            socket.send_fds(self._end, [header], [handle])
            self._end.sendall(data)

    def receive(self) -> tuple[Any, int | None]:
        """The next message, and the file descriptor beside it, which is the caller's to close.

        Raises: OSError (EMFILE) where this process has no room for the descriptor.
        """
        header, handles, _, _ = socket.recv_fds(self._end, _HEADER.size, 1)
        try:
            length, has_handle = _HEADER.unpack(header + self._exactly(_HEADER.size - len(header), bool(header)))
            data = io.BytesIO(self._exactly(length, True))
            message = (_OnlyData if self._only_data else pickle.Unpickler)(data).load()
            if has_handle and not handles:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        except BaseException:
            for handle in handles:
                os.close(handle)
            raise
        return message, handles[0] if handles else None

    def _exactly(self, size: int, begun: bool) -> bytes:
        parts: list[bytes] = []
        while size:
            parts.append(self._end.recv(min(size, 1 << 20)))
            if not parts[-1]:
                raise EOFError("the other process is gone" + (" in the middle of a message" if begun else ""))
            size -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        self._end.close()


class _OnlyData(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _DATA:
            return super().find_class(module, name)
        if module.startswith(_VALUES):
            found = super().find_class(module, name)
            if isinstance(found, type) and is_dataclass(found):
                return found
        raise pickle.UnpicklingError(f"a decoding process sent {module}.{name}")
