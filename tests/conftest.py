"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """A background job of a shell starts with Ctrl-C ignored; tests that press it, and their children, need it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party data that is not in this repository; tests that need it are skipped without it."""
    folder = Path(os.environ.get("AVREPLAY_DATA") or Path(__file__).resolve().parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip("third-party data is not here; set AVREPLAY_DATA to its folder")
    return folder
