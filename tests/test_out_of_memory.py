"""Running out of memory: every form in which torch says it, and limits that shrink, recover and do not flutter."""

from __future__ import annotations

import errno

import pytest
from avreplay.core.causes import shortage_number
from avreplay.core.errors import DataError
from avreplay.extract.encoding.out_of_memory import CALLS_BEFORE_GROWTH, CallLimits, out_of_memory
from fake_backbone import FakeBackbone
from hypothesis import given
from hypothesis import strategies as st

LIBRARIES = ("CUBLAS", "CUDNN", "CUSOLVER", "CUSPARSE", "HIPBLAS", "HIPSPARSE", "CURAND")
PLACES = ("CUDA", "HIP", "XPU", "MPS")


@st.composite
def shortages(draw: st.DrawFn) -> str:
    """What torch and the libraries below it write."""
    library, place = draw(st.sampled_from(LIBRARIES)), draw(st.sampled_from(PLACES))
    form = draw(
        st.sampled_from(
            [
                f"{place} error: out of memory",
                f"{place} out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
                f"{place} backend out of memory (MPS allocated: 5.51 GB)",
                f"{place} driver error: out of memory",
                f"Triton Error [{place}]: out of memory",
                f"{library}_STATUS_ALLOC_FAILED when calling `create(handle)`",
                f"{library}_STATUS_NOT_INITIALIZED",
                f"{library} error: {library}_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
                "cuFFT error: CUFFT_ALLOC_FAILED",
                "hipFFT error: HIPFFT_ALLOC_FAILED",
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 160000000000 bytes",
            ]
        )
    )
    before = draw(st.sampled_from(["", "CUDA error: ", "cuDNN error: ", "[enforce fail at alloc_cpu.cpp:124] "]))
    after = draw(st.sampled_from(["", "\nCUDA kernel errors might be asynchronously reported at some other API call"]))
    return f"{before}{form}{after}"


class AcceleratorError(RuntimeError):
    """As torch's error of this name, which derives from RuntimeError."""


@given(shortages(), st.sampled_from([RuntimeError, AcceleratorError]))
def test_every_form_is_recognised(text: str, kind: type[Exception]) -> None:
    assert shortage_number(kind(text)) == errno.ENOMEM
    assert out_of_memory(kind(text))


@given(shortages(), st.sampled_from([ValueError, KeyError, TypeError, AssertionError]))
def test_the_words_in_an_error_of_another_type_are_none(text: str, kind: type[Exception]) -> None:
    assert shortage_number(kind(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDNN_STATUS_EXECUTION_FAILED",
        "CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm",
        "cuFFT error: CUFFT_INVALID_SIZE",
        "CUDA driver initialization failed, you might not have a CUDA gpu.",
        "the tower is not initialized",
        "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)",
    ],
)
def test_other_failures_are_none(text: str) -> None:
    assert not out_of_memory(RuntimeError(text))


class Sized(FakeBackbone):
    """With a batch of its own."""

    batch_size = 64
    items_per_call = 512


def test_batches_of_a_fixed_size_are_not_halved() -> None:
    """Their size decides the bytes of rows."""
    backbone = FakeBackbone()
    backbone.batch_size, backbone.fixed_batch = 8, True
    with pytest.raises(DataError, match="batches of the fixed size 8; choose a smaller batch_size"):
        CallLimits(backbone, ["pictures"]).lower("pictures", "encode_images of backbone 'fake'", 8, 8)
    assert backbone.batch_size == 8


def test_the_batch_recovers_after_calls_that_work() -> None:
    backbone = Sized()
    limits = CallLimits(backbone, ["pictures"])
    for _ in range(6):
        assert limits.lower("pictures", "x", 512, backbone.batch_size) == [slice(0, 512)]
    assert backbone.batch_size == 1
    assert limits.lower("pictures", "x", 512, 1) == [slice(0, 256), slice(256, 512)]
    sizes = []
    for _ in range(7 * CALLS_BEFORE_GROWTH):
        limits.worked("x")
        sizes.append((limits.items["pictures"], backbone.batch_size))
    steps = sizes[CALLS_BEFORE_GROWTH - 1 :: CALLS_BEFORE_GROWTH]
    assert steps == [(512, 1), (512, 2), (512, 4), (512, 8), (512, 16), (512, 32), (512, 64)]
    for _ in range(3 * CALLS_BEFORE_GROWTH):
        limits.worked("x")
    assert (limits.items["pictures"], backbone.batch_size) == (512, 64)


@given(st.integers(1, 64), st.integers(100, 2000))
def test_what_fits_is_nearly_always_used_and_failures_become_rare(most: int, calls: int) -> None:
    """Of a device on which batches of ``most`` fit: after the first shortages nearly every try to grow is bought with
    twice as many calls as the one before."""
    backbone = Sized()
    limits = CallLimits(backbone, ["pictures"])
    failures, used = 0, []
    for _ in range(calls):
        while backbone.batch_size > most:
            limits.lower("pictures", "x", 512, backbone.batch_size)
            failures += 1
        used.append(backbone.batch_size)
        limits.worked("x")
    first = 7
    growths = (calls // CALLS_BEFORE_GROWTH).bit_length() + 1
    assert failures <= first + growths
    assert min(used) > most // 2 or min(used) == 64


def test_without_a_shortage_nothing_changes() -> None:
    backbone = Sized()
    limits = CallLimits(backbone, ["pictures", "sounds"])
    for _ in range(1000):
        limits.worked("x")
    assert (limits.items, backbone.batch_size) == ({"pictures": 512, "sounds": 512}, 64)
