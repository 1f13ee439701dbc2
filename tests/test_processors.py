"""How many processors may be used: of a machine, of one to which a process is bound, of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from avreplay.extract import ExtractSettings
from avreplay.extract.command_options import MOST_WORKERS
from avreplay.extract.media import processors
from avreplay.extract.media.processors import memory_limit, usable_processors
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(48)), raising=False)


def groups(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A tree of control groups, and the file that says which is ours."""
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return folder / "cgroup", folder / "own"


V1 = "5:cpu,cpuacct:/job\n4:memory:/job\n"


@pytest.mark.parametrize(
    ("own", "files", "want"),
    [
        ("0::/\n", {}, 48),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 48),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "600000 100000", "a/b/cpu.max": "max 100000"}, 6),
        ("0::/a/b\n", {"a/cpu.max": "600000 100000", "a/b/cpu.max": "200000 100000"}, 2),
        ("0::/outside/name\n", {"cpu.max": "700000 100000"}, 7),
        (V1, {"cpu,cpuacct/job/cpu.cfs_quota_us": "300000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 48),
        ("4:memory:/job\n", {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"}, 48),
        ("0::/\n", {"cpu.max": "nonsense"}, 48),
        ("0::/\n", {"cpu.max": "100000 0"}, 48),
        ("", {"cpu.max": "100000 100000"}, 48),
    ],
)
def test_control_groups(tmp_path: Path, own: str, files: dict[str, str], want: int) -> None:
    assert usable_processors(*groups(tmp_path, own, files)) == want


def test_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert usable_processors(tmp_path, tmp_path / "none") == 48


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_least_counts_and_a_run_takes_it(bound: int, share: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: set(range(bound)), raising=False)
        patch.setattr(processors, "_shares", lambda *_: iter([float(share)]))
        assert usable_processors() == min(bound, share)
        assert ExtractSettings().decoders() == min(bound, share, MOST_WORKERS)
    assert MOST_WORKERS >= 17  # what one GPU takes for the smallest encoder


def test_a_number_that_is_given_is_taken() -> None:
    assert ExtractSettings(workers=100).decoders() == 100


GIB = 1 << 30


@pytest.mark.parametrize(
    ("own", "files", "want"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": f"{4 * GIB}\n"}, 4 * GIB),
        ("0::/a/b\n", {"a/memory.max": f"{2 * GIB}", "a/b/memory.max": f"{3 * GIB}"}, 2 * GIB),
        (V1, {"memory/job/memory.limit_in_bytes": f"{GIB}"}, GIB),
        (V1, {"memory/job/memory.limit_in_bytes": "9223372036854771712"}, None),
        (V1, {"cpu/job/memory.limit_in_bytes": f"{GIB}"}, None),
        ("0::/\n", {"memory.max": "nonsense"}, None),
    ],
)
def test_memory_of_control_groups(
    own: str, files: dict[str, str], want: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert memory_limit(*groups(tmp_path, own, files)) == want
    monkeypatch.setattr(resource, "getrlimit", lambda _: (GIB // 2, GIB))
    assert memory_limit(*groups(tmp_path, own, files)) == GIB // 2
