"""The golden vectors of the released OV-AVEL fine-tuning code (numbers only, made on synthetic inputs).

They are committed in ``tests/data/ovavel``. Set ``AVREPLAY_GOLDEN_OVAVEL`` to a folder of the same format to check
another set.
"""

from __future__ import annotations

import json
import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from avreplay.extract.finetune.config import LayerConfig
from avreplay.extract.finetune.temporal import TemporalLayer

FOLDER = Path(os.environ.get("AVREPLAY_GOLDEN_OVAVEL", Path(__file__).parent / "data" / "ovavel"))

VARIANTS = {
    "default": {},
    "layers2": {"layers": 2},
    "heads4": {"heads": 4},
    "adj": {"distance_bias": True},
    "mask5": {"window": 5},
    "mask4": {"window": 4},
    "norm": {"power_norm": True},
    "heads2_adj_mask3_norm": {"heads": 2, "distance_bias": True, "window": 3, "power_norm": True},
}


@cache
def load(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


@cache
def load_json(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def layer(weights: dict[str, np.ndarray], dtype: torch.dtype = torch.float64, **switches) -> TemporalLayer:
    """A layer with the given weights; those that the release builds and never uses are left out, none is missing."""
    hidden, dim = weights["a_sa_blocks.0.self_attn.q.weight"].shape
    feedforward = len(weights["a_sa_blocks.0.ffn.w_1.weight"])
    config = LayerConfig(hidden=hidden, feedforward=feedforward, dropout=0.0, **switches)
    made = TemporalLayer(dim, config).to(dtype)
    left = made.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    assert not left.missing_keys
    assert all(k.rsplit(".", 1)[1] in ("alpha", "w", "b") or "_xa_" in k for k in left.unexpected_keys)
    return made.eval()


def under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose name starts with ``prefix/``, without it."""
    return {k.removeprefix(f"{prefix}/"): v for k, v in arrays.items() if k.startswith(f"{prefix}/")}


def hashed(count: int, stream: int) -> np.ndarray:
    """The generator of ``temporal_full``: ``count`` numbers in [-1, 1), float64."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64((stream << 32) % (1 << 64))
        z += np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1


def full_weights() -> dict[str, np.ndarray]:
    """The float32 weights of ``temporal_full``, made from the hash and checked against the stored sums."""
    raw = load("temporal_full")
    out = {}
    for j, name in enumerate(raw["param_names"].tolist()):
        leaf = name.rsplit(".", 1)[1]
        if leaf in ("alpha", "w", "b"):
            continue
        u = hashed(int(raw["param_numel"][j]), int(raw["seed"]) + j)
        if "norm" in name:
            value = 1 + 0.1 * u if leaf == "weight" else 0.05 * u
        elif leaf == "bias":
            value = 0.05 * u
        else:
            columns = {"q": 1024, "k": 1024, "v": 1024, "o": 256, "w_1": 1024, "w_2": 512}[name.split(".")[-2]]
            value = (u / math.sqrt(columns)).reshape(-1, columns)
        out[name] = value.astype(np.float32)
        assert math.isclose(out[name].astype(np.float64).sum(), raw["param_sum"][j], rel_tol=1e-9, abs_tol=1e-9)
        assert out[name].flat[0] == np.float32(raw["param_first"][j])
    return out


def full_inputs() -> tuple[np.ndarray, np.ndarray]:
    """Audio (length 20) and visual (length 1) of ``temporal_full``, (B, 10, 1024) float32."""
    raw = load("temporal_full")
    made = []
    for offset, length in ((1000, 20.0), (1001, 1.0)):
        x = hashed(int(raw["batch"]) * 10 * 1024, int(raw["seed"]) + offset).reshape(-1, 10, 1024)
        made.append((length * x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32))
    for x, name in zip(made, ("audio", "visual"), strict=True):
        np.testing.assert_array_equal(x.ravel()[:8], raw[f"{name}_in_head"])
    return made[0], made[1]
