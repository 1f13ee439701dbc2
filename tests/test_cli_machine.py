"""What the machine fails at, memory, disks, open files: one sentence, and no fault of the package."""

from __future__ import annotations

import errno
import json
import threading

import numpy as np
import pytest
from avreplay.cli_errors import sentence
from avreplay.cli_report import file_of
from avreplay.core.errors import DataError
from cli_runs import failing, reports, run

pytestmark = pytest.mark.usefixtures("here")


def array_memory_error() -> MemoryError:
    """What NumPy raises for an array that is too large; its module has another name in NumPy 1."""
    core = getattr(np, "_core", None) or np.core
    error: MemoryError = core._exceptions._ArrayMemoryError((10**9,), np.dtype(float))
    return error


class CudaOutOfMemoryError(RuntimeError):
    pass


CudaOutOfMemoryError.__name__ = "OutOfMemoryError"


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


MACHINE = [
    (MemoryError(), "out of memory; ask for less"),
    (array_memory_error(), "out of memory (Unable to allocate 7.45 GiB"),
    (CudaOutOfMemoryError("CUDA out of memory"), "out of memory (CUDA out of memory)"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory; "),
    (caused(ValueError("bad block"), MemoryError()), "out of memory; "),
    (OSError(errno.EMFILE, "Too many open files", "a/b.json"), "a/b.json could not be opened (Too many open files)"),
    (OSError(errno.ENFILE, "Too many open files in system", "x"), "x could not be opened (Too many open files in"),
    (ImportError("libx.so: cannot open shared object file: Too many open files"), "could not be opened"),
    (OSError(errno.ENOSPC, "No space left on device", "x"), "x could not be written (No space left on device)"),
    (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "x could not be written (Disk quota exceeded)"),
    (OSError(errno.EIO, "Input/output error", "x"), "x could not be read or written (Input/output error)"),
    (OSError(errno.ESTALE, "Stale file handle", b"x"), "x could not be read or written (Stale file handle)"),
    (OSError("Can't write data (errno = 28, error message = 'No space left on device')"), "could not be written"),
    (OSError(errno.EROFS, "Read-only file system", "x"), "x may not be read or written (Read-only file system)"),
    (PermissionError(errno.EACCES, "Permission denied", "x"), "x may not be read or written (Permission denied)"),
    (OSError(errno.ENAMETOOLONG, "File name too long", "x"), "x has a name that the system does not take"),
    (RuntimeError("can't start new thread"), "starts no further thread or process"),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "starts no further thread or process"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words"), MACHINE, ids=[f"{type(e).__name__} {e}"[:40] for e, _ in MACHINE])
def test_what_the_machine_fails_at_is_a_sentence_and_no_fault_of_ours(monkeypatch, here, error, words):
    failing(monkeypatch, ("verify",), error)
    done = run("verify", "store", "--json")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert words in line
    assert json.loads(done.stdout) == {"error": {"kind": "data", "message": line.removeprefix("Error: ")}}
    assert reports(here) == []


def test_the_file_is_found_where_the_system_does_not_name_it(tmp_path):
    (tmp_path / "scores.bin").write_bytes(b"x")

    def read(path):
        with open(path, "rb") as file:
            assert file.name
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        read(tmp_path / "scores.bin")
    assert file_of(caught.value) == str(tmp_path / "scores.bin")
    assert sentence(caught.value)[1].startswith(f"{tmp_path}/scores.bin could not be read")
    assert file_of(OSError(errno.EIO, "x")) == ""


def test_memory_that_runs_out_in_a_plug_in_is_not_its_fault(tmp_path, monkeypatch):
    from avreplay.core.registry import failures_of

    for error in (MemoryError, KeyboardInterrupt):
        with pytest.raises(error), failures_of("decoder", threading.Thread(), "mine"):
            raise error
    with (
        pytest.raises(DataError, match="the decoder 'mine' failed"),
        failures_of("decoder", threading.Thread(), "mine"),
    ):
        raise RecursionError
