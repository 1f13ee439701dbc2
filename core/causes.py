"""What led to an error, and whether it says that the machine lacked something: memory, open files, room, a disk.

There is one walk along causes for the whole package. It follows what `raise ... from None` hides from a traceback, too:
a library that says "corrupt" in place of "out of memory" has still run out of memory. Decided by types and numbers of
errors; by their words only where nothing else tells, and then of the types that the system's errors come in.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

SHORTAGES: Final = frozenset({
    errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT,
    errno.ENOBUFS, errno.EAGAIN,
})  # fmt: skip
"""What a machine may lack, as numbers of errors; EAGAIN: it starts no further thread or process."""

TORCH_MEMORY: Final = re.compile(
    r"""
    DefaultCPUAllocator
    | \b (?: CUDA | HIP | MPS | XPU | Triton ) \b .* \b out \s of \s memory \b
    | \b (?: CU | HIP | ROC | MIOPEN_? )[A-Z]* _ [A-Z_]* (?: ALLOC | ALLOCATION ) _FAILED \b
    | \b (?: CU | HIP | ROC | MIOPEN_? )[A-Z]* _ (?: STATUS_ )? NOT_INITIALIZED \b
    | \b (?: UR_RESULT | PI )_ERROR_OUT_OF_(?: DEVICE | HOST )?_?(?: MEMORY | RESOURCES ) \b
    | \b (?: miopenStatusAllocFailed | rocblas_status_memory_error ) \b
    """,
    re.VERBOSE,
)
"""In the messages of torch's RuntimeErrors. A library that makes its handle when it is first called says that it is not
initialised where that has no memory."""

_NO_THREAD = "can't start new thread"
_NO_MAPPING = "failed to map segment from shared object"
_HAS_NUMBER = re.compile(r"\berrno = (\d{1,6})\b")
_MEANT_BY_LOADER = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE)


@dataclass(frozen=True)
class Shortage:
    """What the machine lacked.

    number : of the system's error, one of :data:`SHORTAGES`
    error : which of the causes says so
    """

    number: int
    error: BaseException


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it, each once, the nearest first: causes before contexts, hidden ones too, and
    what a group holds."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def machine_lacks(error: BaseException, ignored: Callable[[BaseException], bool] = lambda _: False) -> Shortage | None:
    """What the machine lacked when an error or one of its causes was raised; None where it lacked nothing.

    ignored : says of a cause that it is none of the machine's
    """
    for one in causes(error):
        number = shortage_number(one)
        if number is not None and not ignored(one):
            return Shortage(number, one)
    return None


def shortage_number(error: BaseException) -> int | None:
    """The number of what an error itself says the machine lacked, None for any other error."""
    # torch, which is not imported, has an error class of its own for CUDA
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return errno.ENOMEM
    if isinstance(error, RuntimeError):
        text = _text(error)
        if text == _NO_THREAD:
            return errno.EAGAIN
        return errno.ENOMEM if TORCH_MEMORY.search(text) else None
    number = None
    if isinstance(error, OSError):
        if error.errno == errno.EAGAIN and error.filename is not None:  # a file that is locked
            return None
        number = _number_in(error) if error.errno is None else error.errno
    elif isinstance(error, ImportError):
        number = _of_loader(_text(error))
    return number if number in SHORTAGES else None


def _number_in(error: OSError) -> int | None:
    """The number that a system's error without one has in its text: HDF5 writes it there, the loader only its words."""
    text = _text(error)
    found = _HAS_NUMBER.search(text)
    return int(found[1]) if found else _of_loader(text)


def _of_loader(text: str) -> int | None:
    """Why a library could not be loaded, of which the loader says only the words."""
    if text.endswith(_NO_MAPPING) or ("annot allocate memory" in text and "static TLS" not in text):
        return errno.ENOMEM
    return next((n for n in _MEANT_BY_LOADER if text.endswith(os.strerror(n))), None)


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception:
        return ""
