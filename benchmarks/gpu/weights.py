"""What a checkpoint gives: where it is from, its rows of fixed inputs, and whether they are what they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.cache.reference import row_distance
from avreplay.core.errors import UsageError
from avreplay.extract import load_backbone
from avreplay.extract.backbones._torch import TorchBackbone
from avreplay.extract.backbones.check import check_backbone
from avreplay.extract.backbones.weights.found import Weights
from avreplay.extract.backbones.weights.tensors import read_tensors
from avreplay.extract.writing.reference import reference_of
from numpy.typing import NDArray

from .encoders import calls_of
from .evidence import Absent

TOWERS = {"pictures": "images", "sounds": "audio", "clips": "clips", "audio_text": "audio text",
          "visual_text": "visual text"}  # fmt: skip


def check_checkpoint(
    name: str, options: dict[str, Any], reference: dict[str, Any] | None, *, expect_sense: bool
) -> dict[str, Any]:
    """Load a checkpoint and look at it.

    Parameters
    ----------
    reference : what this gave on another machine
    expect_sense : whether it should recognise generated pictures and sounds; random weights do not

    Raises: Absent where its weights are not on this machine.
    """
    began = time.perf_counter()
    try:
        backbone = load_backbone(name, **options)
    except UsageError as error:
        if "on this machine" not in str(error):
            raise
        raise Absent(str(error)) from error
    assert isinstance(backbone, TorchBackbone)
    loaded = time.perf_counter() - began
    made = reference_of(backbone, towers=True)
    beside = _beside_others(backbone)
    sense = check_backbone(backbone)
    problems = [f"no rows of {tower}" for tower in made.tolerances if tower not in made.rows]
    problems += [
        f"{tower} moves by {apart:.2g} of its norm beside others, and {most:.2g} is declared"
        for tower, (apart, most) in beside.items()
        if apart > most
    ]
    problems += sense.problems if expect_sense else ()
    found: dict[str, Any] = {
        "load_seconds": loaded,
        "weights": [_described(weights) for weights in _weights_of(backbone)],
        "made_with": made.made_with,
        "recognised": {"pictures": sense.visual, "sounds": sense.audio},
        "beside_others": {tower: {"moved": apart, "declared": most} for tower, (apart, most) in beside.items()},
        "rows": {tower: rows.astype(float).tolist() for tower, rows in made.rows.items()},
        "problems": problems,
    }
    if reference is not None:
        found["against_reference"] = _against(reference, found, made.tolerances)
    found["ok"] = not problems and not found.get("against_reference", {}).get("problems")
    return found


def _beside_others(backbone: TorchBackbone) -> dict[str, tuple[float, float]]:
    """By tower how far a row moves beside others, in parts of its norm, and what is declared."""
    declared, calls = backbone.batch_tolerances(), calls_of(backbone)
    found = {}
    for tower, call in TOWERS.items():
        if call in calls:
            encode, items = calls[call]
            alone, beside = encode(items[-1:])[0], encode(items)[-1]
            apart = float(np.linalg.norm(beside - alone) / np.linalg.norm(alone))
            found[tower] = (apart, declared[tower])
    return found


def _weights_of(backbone: TorchBackbone) -> Iterator[Weights]:
    """Those of all its towers."""
    for part in (backbone, *vars(backbone).values()):
        kept = list(getattr(part, "__dict__", {}).values())
        for value in [*kept, *(one for some in kept if isinstance(some, dict) for one in some.values())]:
            if isinstance(value, Weights):
                yield value


def _described(weights: Weights) -> dict[str, Any]:
    states = [read_tensors(path) for path in weights.files]
    return {
        "name": weights.name,
        "sha256": weights.sha256,
        "files": {path.name: path.stat().st_size for path in map(Path, weights.files)},
        "tensors": sum(map(len, states)),
        "numbers": sum(tensor.numel() for state in states for tensor in state.values()),
        "number_types": sorted({str(tensor.dtype) for state in states for tensor in state.values()}),
    }


def _against(before: dict[str, Any], now: dict[str, Any], tolerances: dict[str, float]) -> dict[str, Any]:
    """Rows within what the towers declare for other devices and packages, and the same files."""
    apart = {
        tower: row_distance(_array(before["rows"][tower]), _array(rows))
        for tower, rows in now["rows"].items()
        if tower in before["rows"]
    }
    problems = [
        f"{tower} is {value:.2g} of its norm off, and {tolerances[tower]:.2g} is declared"
        for tower, value in apart.items()
        if value > tolerances[tower]
    ]
    hashes = [{weights["name"]: weights["sha256"] for weights in one["weights"]} for one in (before, now)]
    problems += [
        f"{name} has another hash" for name, sha256 in hashes[1].items() if hashes[0].get(name, sha256) != sha256
    ]
    return {"apart": apart, "made_with": before["made_with"], "problems": problems}


def _array(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array(rows, np.float64)
