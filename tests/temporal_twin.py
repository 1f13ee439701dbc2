"""OV-AVEL's trained temporal layer in plain NumPy (dropout off), from its description."""

from __future__ import annotations

import numpy as np


def temporal_layer(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """One block of the released configuration on (B, T, D); names relative to ``<modality>_sa_blocks.0.``."""
    w = {k: v.astype(np.float64) for k, v in weights.items()}

    def linear(y, name):
        return y @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(y, name):
        z = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
        return z * w[f"{name}.weight"] + w[f"{name}.bias"]

    q, k, v = (linear(x, f"self_attn.{n}") for n in "qkv")
    logits = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    e = np.exp(logits - logits.max(-1, keepdims=True))
    x1 = norm(x + linear(e / e.sum(-1, keepdims=True) @ v, "self_attn.o"), "norm1")
    return norm(x1 + linear(np.maximum(linear(x1, "ffn.w_1"), 0), "ffn.w_2"), "norm2")
