"""What is beside an item in a batch: equal bytes with batches of a fixed size, else how far rows move, beside what is
declared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.extract.backbones._torch import TorchBackbone
from avreplay.extract.backbones.check import _pictures, _sounds
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.command_options import PRECISIONS

from .evidence import Evidence
from .models import Models
from .parts import TESTS

ORDER = ("fp32", "fp16", "tf32", "bf16", "amp-fp16", "amp-bf16")
"""Those that share weights and say most first."""


def company_of_small(evidence: Evidence, device: str, folder: Path, names: Sequence[str] = ()) -> None:
    """Small encoders: those of the names, or every one that this environment can make."""
    _use_tests()
    from backbones.small_checkpoints import encoders_here, small_checkpoint

    for name in names or encoders_here():
        if name == "demo":
            continue
        options: dict[str, Any] = {}
        for precision in ORDER:

            def compare(name: str = name, precision: str = precision, options: dict[str, Any] = options) -> Any:
                if not options:
                    options.update(small_checkpoint(name, folder / f"small_{name}"))
                backbone = load_backbone(name, **options, device=device, batch_size=4, **PRECISIONS[precision])
                return beside_others(backbone)

            evidence.measure(f"{name} {precision}", compare)


def company(evidence: Evidence, models: Models, device: str) -> None:
    """One encoder of the published size."""
    _use_tests()
    for precision in ORDER:
        evidence.measure(precision, lambda precision=precision: beside_others(models(device, precision, 8)))


def beside_others(backbone: Any) -> dict[str, Any]:
    """By tower: whether a fixed size gives equal bytes, and the largest deviation without one as a part of the norm.

    A row alone is compared with it first, in the middle and last among others, in one batch and in several; each of
    those others with itself alone, too.
    """
    from backbones.contract import towers_of

    assert isinstance(backbone, TorchBackbone)
    found: dict[str, Any] = {}
    pictures, sounds = list(_pictures().values()), list(_sounds(48000).values())
    small = np.ascontiguousarray(pictures[3][:120, :200])
    items = {
        "pictures": [pictures[0], small, pictures[4]],
        # 1 s beside 5 s
        "sounds": [sounds[2][:48000], np.tile(sounds[0], 2)[: 5 * 48000], sounds[1][:48000]],
    }
    texts = ["Dog", "Violin, fiddle, and a much longer text", "Cat"]
    declared = {tower: rounding.beside[backbone.dtype] for tower, rounding in backbone.rounding.items()}
    for tower, encode, three in towers_of(backbone, items, texts):
        backbone.fixed_batch = False
        apart = _apart(encode, three, backbone.batch_size)
        backbone.fixed_batch = True
        try:
            fixed = _apart(encode, three, backbone.batch_size)
        finally:
            backbone.fixed_batch = False
        found[tower] = {
            "same_bytes_with_fixed_batch": fixed == 0,
            "deviation_of_norm": apart,
            "declared": declared[tower],
            "within_declared": apart <= declared[tower],
        }
        if fixed:
            found[tower]["deviation_with_fixed_batch"] = fixed
    return found


def _apart(encode: Callable[[Any], Any], items: list[Any], batch: int) -> float:
    """The largest deviation of a row from the same one alone, as a part of its norm; 0 only for equal bytes."""
    alone = [np.asarray(encode([item])[0], np.float64) for item in items]
    worst = 0.0
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0), tuple(k % 3 for k in range(batch + 2)), (0, 0)):
        rows = encode([items[k] for k in order])
        for k, row in zip(order, rows, strict=True):
            away = np.asarray(row, np.float64) - alone[k]
            if not np.isfinite(away).all():
                return float("inf")
            worst = max(worst, float(np.linalg.norm(away) / np.linalg.norm(alone[k])))
    return worst


def _use_tests() -> None:
    """Where the small encoders and the list of towers are."""
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
