"""Weights are in memory once for all processes of a machine: models are views of their mapped file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from avreplay.extract.backbones.registry import load_backbone  # noqa: E402
from avreplay.extract.backbones.weights.hashes import file_hash, known_hashes, learn_hashes  # noqa: E402
from safetensors.torch import save_file  # noqa: E402


def test_the_weights_of_every_encoder_stay_in_their_file(made: tuple[str, dict[str, Any]]) -> None:
    """In safetensors and in torch's own form; only kernels are copied, which want their channels last."""
    name, options = made
    if name == "demo":
        return
    backbone = load_backbone(name, **options)
    folder = os.path.commonpath([value for value in options.values() if os.sep in value])
    mapped = list(_mapped(folder))
    parameters = [p for model in _models(backbone) for p in model.parameters() if p.numel() > 1 and p.ndim != 4]
    assert len(parameters) > 20
    assert all(any(low <= p.data_ptr() < high for low, high in mapped) for p in parameters)


CHILD = """
import sys, torch
from avreplay.extract.backbones.weights.fill import fill
from avreplay.extract.backbones.weights.found import find_weights
from avreplay.extract.backbones.weights.undrawn import undrawn

def own():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

before = own()
with undrawn():
    model = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024, bias=False) for _ in range(32)))
fill(model, find_weights(sys.argv[1]))
total = float(sum(parameter.detach().sum() for parameter in model.parameters()))
print(own() - before, total, flush=True)
sys.stdin.read()  # both are in memory until both have said it
"""


def test_two_processes_have_one_copy(tmp_path: Path) -> None:
    """As two devices of a machine: neither takes memory of its own for the 128 MB of a file that both have read."""
    path = tmp_path / "model.safetensors"
    save_file({f"{k}.weight": torch.full((1024, 1024), 2.0**-20 * k) for k in range(32)}, path)
    command = [sys.executable, "-c", CHILD, str(path)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.stdout.readline().split() for process in both]  # type: ignore[union-attr]
    for process in both:
        process.communicate()
    for kilobytes, total in said:
        assert float(total) == 496
        assert int(kilobytes) < 16 << 10


def test_a_file_is_hashed_once_for_all_processes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    found = file_hash(path)
    assert found == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (key,) = [key for key in known_hashes() if key[0] == str(path.resolve())]
    learn_hashes({key: "of another process"})
    assert file_hash(path) == "of another process"
    path.write_bytes(b"abcd")
    assert file_hash(path) not in (found, "of another process")


def _mapped(folder: str) -> Iterator[tuple[int, int]]:
    """Where in memory the files of a folder are."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if folder in line:
            low, high = line.split()[0].split("-")
            yield int(low, 16), int(high, 16)


def _models(backbone: Any) -> Iterator[Any]:
    for part in (backbone, *vars(backbone).values()):
        kept = getattr(part, "__dict__", {}).values()
        for value in [*kept, *(one for some in kept if type(some) is dict for one in some.values())]:
            if isinstance(value, torch.nn.Module) and not isinstance(part, torch.nn.Module):
                yield value
