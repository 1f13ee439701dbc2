"""Memory of a CUDA device that two processes share, by the driver's own functions (libcuda, whose ABI is kept).

The memory is handed over as a file descriptor, as `shared_memory` does with the processor's: it has no name, nobody can
open it who was not given it, and it goes when the last process that mapped it has gone, in whatever order. The
allocator of torch never sees it, so that nothing else lies in what the other process can write.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any

LIBRARY = "libcuda.so.1"

_PINNED, _ON_DEVICE, _DESCRIPTOR, _READ_AND_WRITE = 1, 1, 1, 3
_OUT_OF_MEMORY = 2


class DriverError(Exception):
    """What the driver refused; ``out_of_memory`` : only for want of memory on the device."""

    def __init__(self, message: str, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _Properties(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = (
        ("type", ctypes.c_int), ("handle_types", ctypes.c_int), ("location", _Location), ("win32", ctypes.c_void_p),
        ("compression", ctypes.c_ubyte), ("rdma", ctypes.c_ubyte), ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 4),
    )  # fmt: skip


class _Access(ctypes.Structure):
    """CUmemAccessDesc."""

    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


def device_identity(device: int) -> bytes:
    """What tells a device from every other one, whatever its number is in a process. Raises: DriverError."""
    found = (ctypes.c_ubyte * 16)()
    _call("cuDeviceGetUuid", found, _device(device))
    return bytes(found)


class SharedDeviceMemory:
    """Memory on a device, mapped into this process: new memory, or that of another process by its descriptor.

    Parameters
    ----------
    device : number of the device in this process
    size : bytes; rounded up to what the device hands out
    descriptor : of the other process's memory, of exactly this size; it stays the caller's

    Attributes
    ----------
    address : where the memory begins, for copies on the device

    Raises: DriverError.
    """

    def __init__(self, device: int, size: int, descriptor: int | None = None) -> None:
        self._device = device
        self._descriptor = -1
        properties = _Properties(_PINNED, _DESCRIPTOR, _Location(_ON_DEVICE, device))
        handle, address = ctypes.c_uint64(), ctypes.c_uint64()
        with _current(device), ExitStack() as undone:
            if descriptor is None:
                step = ctypes.c_size_t()
                _call("cuMemGetAllocationGranularity", ctypes.byref(step), ctypes.byref(properties), ctypes.c_int(0))
                size = -(-size // step.value) * step.value
                _call("cuMemCreate", ctypes.byref(handle), ctypes.c_size_t(size), ctypes.byref(properties),
                      ctypes.c_ulonglong(0))  # fmt: skip
            else:
                _call("cuMemImportFromShareableHandle", ctypes.byref(handle), ctypes.c_void_p(descriptor),
                      ctypes.c_int(_DESCRIPTOR))  # fmt: skip
            # what is mapped stays when the handle is released
            with _released("cuMemRelease", handle):
                if descriptor is None:
                    own = ctypes.c_int(-1)
                    _call("cuMemExportToShareableHandle", ctypes.byref(own), handle, ctypes.c_int(_DESCRIPTOR),
                          ctypes.c_ulonglong(0))  # fmt: skip
                    self._descriptor = own.value
                    undone.callback(self.close_descriptor)
                _call("cuMemAddressReserve", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_size_t(0),
                      ctypes.c_uint64(0), ctypes.c_ulonglong(0))  # fmt: skip
                undone.callback(_quietly, "cuMemAddressFree", address, ctypes.c_size_t(size))
                _call("cuMemMap", address, ctypes.c_size_t(size), ctypes.c_size_t(0), handle, ctypes.c_ulonglong(0))
            undone.callback(_quietly, "cuMemUnmap", address, ctypes.c_size_t(size))
            access = _Access(_Location(_ON_DEVICE, device), _READ_AND_WRITE)
            _call("cuMemSetAccess", address, ctypes.c_size_t(size), ctypes.byref(access), ctypes.c_size_t(1))
            self._undone = undone.pop_all()
        self.address: int = int(address.value)
        self.size: int = size

    @property
    def descriptor(self) -> int:
        """Of new memory, for the other process; this object's to close."""
        return self._descriptor

    def close_descriptor(self) -> None:
        """Close the descriptor, once the other process has its own."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        """Unmap the memory; nothing may be copied from or to it any more."""
        with suppress(DriverError), _current(self._device):
            self._undone.close()


def copy_on_device(device: int, target: int, source: int, size: int, stream: int) -> None:
    """Begin a copy between two addresses of a device, in a stream. Raises: DriverError."""
    with _current(device):
        _call("cuMemcpyDtoDAsync_v2", ctypes.c_uint64(target), ctypes.c_uint64(source), ctypes.c_size_t(size),
              ctypes.c_void_p(stream))  # fmt: skip


def copy_to_device(device: int, target: int, source: int, size: int, stream: int) -> None:
    """The same from an address of the processor's memory, which stays as it is until the stream is waited for."""
    with _current(device):
        _call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(target), ctypes.c_void_p(source), ctypes.c_size_t(size),
              ctypes.c_void_p(stream))  # fmt: skip


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise DriverError(f"{LIBRARY} cannot be loaded ({error})") from error
    code = library.cuInit(ctypes.c_uint(0))
    if code:
        raise _error(library, "cuInit", code)
    return library


def _call(name: str, *arguments: Any) -> None:
    library = _library()
    try:
        function = getattr(library, name)
    except AttributeError as error:
        raise DriverError(f"the driver has no {name}; install a newer one") from error
    code = function(*arguments)
    if code:
        raise _error(library, name, code)


def _error(library: ctypes.CDLL, name: str, code: int) -> DriverError:
    text = ctypes.c_char_p()
    library.cuGetErrorString(ctypes.c_int(code), ctypes.byref(text))
    reason = text.value.decode("utf-8", "replace") if text.value else "unknown error"
    return DriverError(f"{name}: {reason} ({code})", code == _OUT_OF_MEMORY)


def _quietly(name: str, *arguments: Any) -> None:
    with suppress(DriverError):
        _call(name, *arguments)


@contextmanager
def _released(name: str, *arguments: Any) -> Iterator[None]:
    try:
        yield
    finally:
        _quietly(name, *arguments)


def _device(number: int) -> ctypes.c_int:
    found = ctypes.c_int()
    _call("cuDeviceGet", ctypes.byref(found), ctypes.c_int(number))
    return found


@cache
def _context(device: int) -> int:
    """The context that torch uses, too; kept as long as the process runs."""
    found = ctypes.c_void_p()
    _call("cuDevicePrimaryCtxRetain", ctypes.byref(found), _device(device))
    return found.value or 0


@contextmanager
def _current(device: int) -> Iterator[None]:
    """Make the device's context that of this thread."""
    _call("cuCtxPushCurrent_v2", ctypes.c_void_p(_context(device)))
    try:
        yield
    finally:
        _quietly("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
