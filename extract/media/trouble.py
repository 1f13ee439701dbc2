"""Whether a failure is the file's or the machine's: memory, open files and disks run out for reasons of their own.

What a file is to blame for becomes its status at once. What the machine may be to blame for is `Trouble`: the file is
tried once more while nothing else is decoded (`decode_ahead`), and fails with the reason if that does not help.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ...core.causes import machine_lacks as _machine_lacks
from ...core.errors import AvreplayError
from ...core.text import printable
from .probe import MediaError

_MEMORY = "memory ran out"
_WORDS = {
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: "too many files were open",
    errno.ENFILE: "too many files were open",
    errno.EIO: "the disk gave an input/output error",
    errno.ESTALE: "the file server lost the file (stale file handle)",
    errno.ETIMEDOUT: "the file server did not answer in time",
    errno.ENOBUFS: "the system ran out of buffers",
    errno.ENOSPC: "the disk was full",
    errno.EDQUOT: "the disk quota was used up",
    errno.EAGAIN: "no further process could be started",
}
MEMORY = f"{_MEMORY} while it was decoded"

_MOST_REASON = 300


class Trouble(Exception):
    """Decoding a file failed, perhaps for a reason outside of it; ``status`` and ``reason`` are the file's if the
    failure repeats while nothing else is decoded."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def machine_lacks(error: BaseException, path: Path | None = None) -> str:
    """What the machine lacked when an error or one of its causes was raised, in words; empty if it lacked nothing.

    FFmpeg reports an input/output error for some damaged files, too: that of a file that can be read is none.
    """
    lacking = _machine_lacks(error, lambda one: _is_ffmpegs(one, path))
    if lacking is None:
        return ""
    if lacking.number == errno.EAGAIN and isinstance(lacking.error, RuntimeError):
        return "no further thread could be started"
    return _WORDS[lacking.number]


def _is_ffmpegs(error: BaseException, path: Path | None) -> bool:
    """Whether an error is one of FFmpeg's that a file may bring about; reading it fills no disk."""
    if not type(error).__module__.startswith("av.") or not isinstance(error, OSError):
        return False
    if error.errno in (errno.EAGAIN, errno.ENOSPC, errno.EDQUOT):
        return True
    return error.errno == errno.EIO and (path is None or _can_be_read(path))


def shortage_of(error: BaseException, path: Path | None = None) -> str:
    """`machine_lacks`, of a file that was decoded."""
    lacking = machine_lacks(error, path)
    return f"{lacking} while it was decoded" if lacking else ""


def judged(error: Exception, path: Path | None) -> Exception:
    """What to raise for an exception from decoding a file: `Trouble`, MediaError, or what ends the run as it is."""
    if isinstance(error, (Trouble, AvreplayError)):
        return error
    reason = shortage_of(error, path)
    if reason:
        return Trouble("failed", reason)
    if isinstance(error, MediaError):
        return error
    return MediaError("unreadable", f"decoding it failed: {described(error)}")


def described(error: BaseException) -> str:
    """The type and the first line of the message of an exception, without control characters."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return printable(text[:_MOST_REASON])


def _can_be_read(path: Path) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
    except OSError:
        return False
    return True
