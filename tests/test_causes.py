"""One walk along the causes of an error, and what of the machine they say has run out: by types and numbers."""

from __future__ import annotations

import errno
import os

import pytest
from avreplay.cli_errors import INTERNAL, sentence
from avreplay.core.causes import SHORTAGES, causes, machine_lacks
from hypothesis import given
from hypothesis import strategies as st


def linked(outer: BaseException, inner: BaseException, how: str) -> BaseException:
    """`outer`, which `inner` led to, as `raise` links them."""
    try:
        try:
            raise inner
        except BaseException as caught:
            if how == "from":
                raise outer from caught
            if how == "from None":
                raise outer from None
            raise outer  # noqa: B904
    except BaseException as error:
        return BaseExceptionGroup("several", [KeyError("x"), error]) if how == "group" else error


HOW = ["from", "from None", "context", "group"]
SHORT = {
    "MemoryError": (MemoryError, errno.ENOMEM),
    "system": (lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), errno.ENOSPC),
    "HDF5": (lambda: OSError("write failed (errno = 5, error message = 'Input/output error')"), errno.EIO),
    "thread": (lambda: RuntimeError("can't start new thread"), errno.EAGAIN),
    "library": (lambda: ImportError("libx.so: failed to map segment from shared object"), errno.ENOMEM),
    "library of files": (lambda: ImportError("liby.so: cannot open shared object file: Too many open files"),
                         errno.EMFILE),
    "library of ctypes": (lambda: OSError("libllvm.so: failed to map segment from shared object"), errno.ENOMEM),
}  # fmt: skip


@given(st.lists(st.sampled_from(HOW), max_size=6), st.sampled_from(sorted(SHORT)))
def test_a_shortage_is_found_wherever_it_is_among_the_causes(path: list[str], kind: str) -> None:
    make, number = SHORT[kind]
    innermost = make()
    error: BaseException = innermost
    for k, how in enumerate(path):
        error = linked(ValueError(f"level {k}"), error, how)
    found = list(causes(error))
    assert found[0] is error
    assert innermost in found
    assert len(found) == len({id(one) for one in found})
    lacking = machine_lacks(error)
    assert lacking is not None
    assert (lacking.number, lacking.error) == (number, innermost)
    assert machine_lacks(error, lambda one: one is innermost) is None
    assert sentence(error)[0] == 1


def test_causes_that_lead_back_to_themselves_end() -> None:
    one, other = ValueError("a"), KeyError("b")
    one.__cause__, other.__cause__ = other, one
    assert list(causes(one)) == [one, other]


@pytest.mark.parametrize("number", sorted(SHORTAGES))
@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, Exception, AssertionError])
def test_the_words_of_a_system_error_do_not_make_one(number: int, kind: type[Exception]) -> None:
    for text in (os.strerror(number), f"{os.strerror(number)}: 'x'", f"[Errno {number}] {os.strerror(number)}"):
        error = kind(text)
        assert machine_lacks(error) is None
        assert sentence(error)[0] == INTERNAL


@pytest.mark.parametrize(
    "error",
    [
        ImportError("liby.so: cannot allocate memory in static TLS block"),
        ImportError("liby.so: failed to map segment from shared object: Operation not permitted"),
        ImportError("No module named 'x'"),
        OSError("nothing about it"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", "locked.db"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "x"),
    ],
    ids=str,
)
def test_what_is_no_shortage(error: Exception) -> None:
    assert machine_lacks(error) is None
