"""Files written in one step: whole or not at all, with the usual permissions, and nothing left beside them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from avreplay.cache.atomic_write import atomic_write, replace_file
from avreplay.core.errors import DataError


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    file = tmp_path / ("n" * 200 + ".json")
    for content in (b"first", b"second, which is longer", b""):
        atomic_write(file, content)
        assert file.read_bytes() == content
        assert list(tmp_path.iterdir()) == [file]


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "f", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    atomic_write(tmp_path / "f", b"old")
    real = os.replace

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match=r"cannot write .*f: No space left on device"):
        atomic_write(tmp_path / "f", b"new")
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "f", b"new")
    monkeypatch.setattr(os, "replace", real)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"old")]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="choose a folder that exists"):
        atomic_write(tmp_path / "none" / "f", b"x")
    with pytest.raises(DataError, match="cannot write"):
        atomic_write(tmp_path, b"x")  # a folder
    assert list(Path(tmp_path).iterdir()) == []
