"""Running out of memory: how to tell, and what can be given back."""

from __future__ import annotations

import gc
import sys

WORDS = ("MPS backend out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
"""In the messages of torch's plain RuntimeErrors."""


def out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out, the machine's or the device's; torch need not be there.

    Only CUDA has an error of its own for it; of the others the words tell.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


def release_memory() -> None:
    """Give what can be given back."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
