"""GPUs: what the driver says, and what torch makes of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from ...cache.doctor.imports import Imports
from ...cache.doctor.packages import is_there
from ...core.health import NOTE, OK, PROBLEM, Check, size_text
from .encoders import TORCH

_FIELDS = "name,memory.total,driver_version,compute_cap"
_SECONDS = 15


def gpu_checks(tried: Imports) -> Iterator[Check]:
    """Each GPU of the driver, and whether torch computes on it."""
    rows, failure = _driver(f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
    gpus = [[cell.strip() for cell in row.split(",")] for row in rows if row.count(",") == 3]
    for k, (name, memory, driver, capability) in enumerate(gpus):
        size = size_text(float(memory) * (1 << 20)) if memory.replace(".", "").isdigit() else "memory unknown"
        yield Check(f"GPU {k}", OK, f"{name}, {size}, driver {driver}, compute capability {capability}")
    if failure is not None:
        yield Check("NVIDIA driver", PROBLEM, failure, "mend or restart the driver; `nvidia-smi` says when it answers")
    facts = tried[TORCH].facts if TORCH in tried and tried[TORCH].error is None else None
    if facts is None:
        why = "its torch cannot be imported" if is_there("torch") else "torch is not installed"
        yield Check("torch and GPU", NOTE if gpus else OK, f"{why}: nothing is computed on a GPU")
        return
    yield _seen(facts, gpus, _driver_cuda() if gpus else None)
    yield from _too_new(facts)
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None and shown.strip() in ("", "-1"):
        yield Check("CUDA_VISIBLE_DEVICES", NOTE, f"{shown!r} hides every GPU", "unset it")
    elif shown is not None:
        yield Check("CUDA_VISIBLE_DEVICES", OK, shown)


def _seen(facts: Mapping[str, Any], gpus: list[list[str]], driver_cuda: str | None) -> Check:
    name = "torch and GPU"
    if facts["cuda"]:
        seen = ", ".join(f"{g['name']} ({size_text(g['memory'])})" for g in facts["gpus"])
        return Check(name, OK, f"torch computes on {seen}")
    if facts["mps"]:
        return Check(name, OK, "torch computes on the GPU of this Mac (mps)")
    if not gpus:
        return Check(name, OK, "no NVIDIA GPU is found: encoders run on the processor")
    build = facts["cuda_build"]
    if build is None:
        most = f" of at most {driver_cuda}" if driver_cuda else ""
        return Check(name, NOTE, "there is a GPU and this torch is built for CPUs",
                     f"install the build of torch for CUDA{most} (pytorch.org, Get started)")  # fmt: skip
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return Check(name, NOTE, "torch sees no GPU, as CUDA_VISIBLE_DEVICES asks for")
    if driver_cuda is not None and _numbers(driver_cuda) < _numbers(build):
        return Check(name, PROBLEM, f"torch is built for CUDA {build}, and the driver knows CUDA {driver_cuda} at most",
                     f"update the driver, or install the build of torch for CUDA {driver_cuda} or older")  # fmt: skip
    return Check(name, PROBLEM, f"torch is built for CUDA {build} and does not see the GPU",
                 "see whether this process may open /dev/nvidia*, and update the driver")  # fmt: skip


def _too_new(facts: Mapping[str, Any]) -> Iterator[Check]:
    """GPUs for which this torch has no code: of another generation than those it was built for."""
    built = {int(found[1]) for a in facts["architectures"] if (found := re.match(r"(?:sm|compute)_(\d+)\d", a))}
    for gpu in facts["gpus"]:
        major = gpu["capability"][0]
        if built and facts["cuda_build"] and (major < min(built) or major > max(built)):
            number = ".".join(map(str, gpu["capability"]))
            yield Check(gpu["name"], PROBLEM, f"has compute capability {number}, for which this torch is not built "
                        f"({', '.join(facts['architectures'])})", "install a build of torch for it")  # fmt: skip


def _driver(*arguments: str) -> tuple[list[str], str | None]:
    """Lines of nvidia-smi, and why there are none where it is installed and fails."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, errors="replace",
                              timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False)  # fmt: skip
    except FileNotFoundError:
        return [], None
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi does not answer within {_SECONDS} s"
    except OSError as error:
        return [], f"nvidia-smi cannot be run ({error.strerror or error})"
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip() or "no reason given").splitlines()[0]
        return [], f"nvidia-smi fails with exit code {done.returncode} ({said})"
    return done.stdout.splitlines(), None


def _driver_cuda() -> str | None:
    """The newest CUDA that the driver knows."""
    lines, _ = _driver()
    found = re.search(r"CUDA Version:\s*(\d+\.\d+)", "\n".join(lines))
    return found[1] if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
