"""Writing a file in one step: a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..core.errors import DataError

PARTIAL = ".partial"
"""Suffix of files that are not yet written completely. Zarr uses the same one, so that one rule finds them all."""


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one in the same folder, which then takes its name.

    Raises: DataError where the folder does not exist or the file cannot be written.
    """
    try:
        replace_file(path, content)
    except FileNotFoundError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; choose a folder that exists") from None
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; choose another path or make room") from None


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """As :func:`atomic_write`, with the OSError of the system for callers that have an error of their own."""
    target = Path(path)
    partial = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        partial.write_bytes(content)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
