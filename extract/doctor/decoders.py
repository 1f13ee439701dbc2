"""What decodes media here: PyAV with its FFmpeg, torchcodec, and NVDEC."""

from __future__ import annotations

from collections.abc import Iterator

from ...cache.doctor.imports import Imports
from ...cache.doctor.packages import is_there
from ...core.health import NOTE, OK, PROBLEM, Check
from ...core.installation import install_command
from .encoders import TORCH

AV = f"{__package__}.in_child:av_facts"
TORCHCODEC = f"{__package__}.in_child:torchcodec_facts"
NVDEC = f"{__package__}.in_child:nvdec_facts"


def decoder_tries() -> tuple[list[str], list[str]]:
    """What is tried without torch, and beside it: of what is there."""
    with_torch = [TORCHCODEC, NVDEC] if is_there("torch") and is_there("torchcodec") else []
    return [AV] if is_there("av") else [], with_torch


def decoder_checks(tried: Imports) -> Iterator[Check]:
    """Each reader of videos."""
    if AV in tried and tried[AV].error is None:
        facts = tried[AV].facts
        name = f"{facts['version']}, libavcodec {facts['libavcodec']}"
        if facts["lacking"]:
            yield Check("PyAV", NOTE, f"{name}, without decoders of {', '.join(facts['lacking'])}",
                        'pip install --force-reinstall "av", whose wheels have them')  # fmt: skip
        else:
            yield Check("PyAV", OK, f"{name}, decodes what videos of today are made of")
    else:
        why = tried[AV].error if AV in tried else "it is not installed"
        yield Check("PyAV", PROBLEM, f"decodes nothing ({why})", install_command())
    if TORCHCODEC not in tried:
        yield Check("torchcodec", NOTE, "not installed; PyAV reads videos", install_command("torchcodec"))
        return
    found = tried[TORCHCODEC]
    if found.error is not None:
        yield Check("torchcodec", PROBLEM, found.error.removeprefix("UsageError: "), "or leave it: PyAV reads videos")
        return
    yield Check("torchcodec", OK, f"{found.facts['version']}, libavcodec {found.facts['libavcodec']}")
    gpu = TORCH in tried and tried[TORCH].error is None and tried[TORCH].facts["cuda"]
    if gpu and tried[NVDEC].error is not None:
        yield Check("NVDEC", NOTE, str(tried[NVDEC].error).removeprefix("UsageError: "))
    elif gpu:
        yield Check("NVDEC", OK, "decodes on the GPU")
