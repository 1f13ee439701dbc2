"""Embeddings computed from what a tower's layers give, as the original code defines them.

Packages rename and move what they return (`hidden_states`, `pooler_output`); layers and weights they keep. So a tower
is held to the outputs of its layers, not to what its package calls the result. The table is in docs/weights.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from backbones.contract import error


@contextmanager
def given_by(module: Any) -> Iterator[list[torch.Tensor]]:
    """What a layer gives while the context lasts, one tensor a call."""
    found: list[torch.Tensor] = []
    hook = module.register_forward_hook(
        lambda _, inputs, output: found.append(output if torch.is_tensor(output) else output[0])
    )
    try:
        yield found
    finally:
        hook.remove()


@torch.no_grad()
def same(encode: Callable[[], Any], layer: Any, defined: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """The rows of an encoder are what is ``defined`` of the layer's output."""
    with given_by(layer) as outputs:
        got = encode()
    want = torch.cat([defined(output) for output in outputs])
    assert error(got.reshape(len(want), -1), want.float().numpy()) <= 1e-4


def unit(rows: torch.Tensor) -> torch.Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)
