"""The last words of a command that cannot even say properly how it failed, and how a process that has ended ends.

Nothing is imported that is not loaded already: memory may have run out, and what imports the rest may have failed.
"""

from __future__ import annotations

import contextlib
import errno
import os

from .core.causes import causes, machine_lacks

STOPPED = 130

MEMORY = (
    "out of memory{}; ask for less at once (fewer --workers or --threads, a smaller --batch, fewer videos or "
    "settings), end other programs, or take a machine with more"
)
INTERRUPTED = "interrupted: nothing is left half-written; run the same command again"

_BARE_MEMORY = f"Error: {MEMORY.format('')}\n".encode()
_BARE_INTERRUPTED = f"{INTERRUPTED}\n".encode()


def last_words(error: BaseException) -> int:
    """Say in one line, straight to stderr, what ended a command; the exit code."""
    if any(isinstance(one, KeyboardInterrupt) for one in causes(error)):
        words, code = _BARE_INTERRUPTED, STOPPED
    elif _is_memory(error):
        words, code = _BARE_MEMORY, 1
    else:
        text = " ".join(ascii(str(error)).split())[:200]
        words, code = f"Error: unforeseen {type(error).__name__}: {text}; this is a fault of avreplay\n".encode(), 3
    with contextlib.suppress(OSError):
        os.write(2, words)
    return code


def _is_memory(error: BaseException) -> bool:
    lacking = machine_lacks(error)
    # what is said where an allocation failed within Python itself
    return (lacking is not None and lacking.number == errno.ENOMEM) or isinstance(error, SystemError)
