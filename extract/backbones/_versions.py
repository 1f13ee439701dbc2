"""Whether torch and torchvision fit together: many packages import torchvision, and it fails far from its cause."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from ...core.causes import causes

_OFFSET = 15
"""torchvision 0.N belongs to torch 2.(N - 15), since 0.15."""


def torchvision_trouble() -> str:
    """One sentence where torchvision is installed and does not work with torch; empty if it does, or is not there.

    It is imported, which takes seconds the first time: only that tells a build for CUDA beside a torch for CPUs.
    """
    try:
        torch, own = version("torch"), version("torchvision")
    except PackageNotFoundError:
        return ""
    try:
        import_module("torchvision")
    except Exception as error:  # RuntimeError, OSError, AttributeError, by version
        return trouble_of(error) or _sentence(torch, own, _line(error))
    return ""


def trouble_of(error: BaseException) -> str:
    """The sentence for an exception that comes of a torchvision which does not fit; empty for others."""
    own = [one for one in causes(error) if "torchvision" in str(one) and not isinstance(one, ModuleNotFoundError)]
    if not own:
        return ""
    try:
        return _sentence(version("torch"), version("torchvision"), _line(own[-1]))
    except PackageNotFoundError:
        return ""


def _belonging(torch: str) -> str:
    """The torchvision, as ``0.N``, that belongs to a torch; empty if that is not known."""
    found = re.match(r"2\.(\d+)", torch)
    return f"0.{int(found[1]) + _OFFSET}" if found else ""


def _sentence(torch: str, own: str, why: str) -> str:
    wanted = _belonging(torch)
    which = f"torchvision {wanted}" if wanted else "the torchvision that belongs to it"
    return (
        f"torch {torch} and torchvision {own} do not fit together ({why}); install {which} built for the same device "
        "as torch, from the index that torch came from"
    )


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
