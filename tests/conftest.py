"""Fixtures that several test files share, and the markers that tests get by what they use."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from hypothesis import settings

# where a run is to be repeatable, examples are those of the test and not of chance
settings.register_profile("repeatable", derandomize=True)
if os.environ.get("AVREPLAY_REPEATABLE"):
    settings.load_profile("repeatable")

# A test that names one of these, in its own code or in that of the fixtures and helpers of this folder that it uses,
# gets the marker; any other test is in the quick loop by default. What cannot be detected this way (a command that
# makes videos, say) is marked by hand.
NAMES = {
    "process": {"subprocess", "multiprocessing", "Popen"},
    "media": {"write_media", "write_demo_world", "extract_demo"},
    "torch": {"torch", "importorskip"},  # nothing else is skipped where it is missing
    "slow": {"finetune_store", "Trainer"},  # training
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without torch, files that import it at their head cannot even be collected to be deselected."""
    if "torch" in config.option.markexpr and collection_path.suffix == ".py" and find_spec("torch") is None:
        return "\ntorch = pytest.importorskip" in collection_path.read_text(encoding="utf-8") or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = set(names_used(functions_of(item)))
        for marker, names in NAMES.items():
            if used & names:
                item.add_marker(marker)
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


def functions_of(item: pytest.Item) -> list[Any]:
    """The test, all fixtures that it uses, directly or through others, and functions that it gets as parameters."""
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    own = [getattr(item, "obj", None), *(value for value in given if isinstance(value, FunctionType))]
    return [*own, *(fixture.func for several in fixtures for fixture in several)]


def names_used(found: list[Any]) -> Iterator[str]:
    """The global names and attributes in the code of functions, and of functions and classes here that they name."""
    here, seen = str(Path(__file__).parent), set()
    while found:
        function = found.pop()
        if isinstance(function, type) and function not in seen:
            seen.add(function)
            found += [f for f in vars(function).values() if isinstance(f, FunctionType)]
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        if not function.__code__.co_filename.startswith(here):
            continue
        codes = [function.__code__]
        while codes:
            code = codes.pop()
            codes += [c for c in code.co_consts if isinstance(c, CodeType)]
            yield from code.co_names
            found += [function.__globals__.get(name) for name in code.co_names]


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """A background job of a shell starts with Ctrl-C ignored; tests that press it, and their children, need it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _kernels_compile_in_silence() -> None:
    """Which test compiles a kernel first depends on the order; those that count lines on stderr must not."""
    logging.getLogger("avreplay").addHandler(logging.NullHandler())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own: reports of errors go there."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party data that is not in this repository; tests that need it are skipped without it."""
    folder = Path(os.environ.get("AVREPLAY_DATA") or Path(__file__).resolve().parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip("third-party data is not here; set AVREPLAY_DATA to its folder")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of pages that a browser decides."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    assert found is not None, "these tests drive chromium, which is not installed (apt-get install chromium)"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()
