"""Models whose weights come later, made without drawing initial ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def undrawn() -> Iterator[None]:
    """Goes around what builds a model whose weights all come later: torch draws no initial ones, which takes longer
    than to read a file and would fill memory."""
    names = ("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
             "kaiming_normal_", "orthogonal_")  # fmt: skip
    init: Any = torch.nn.init
    before = {name: getattr(init, name) for name in names}
    for name in names:
        setattr(init, name, _as_it_is)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(init, name, function)


def _as_it_is(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor
