"""Putting weights into a model: tensors from files, or seeded random ones.

Tensors of a file are not copied: they stay views of the file as the operating system has mapped it, until a device or
another number type needs a copy. So all processes of a machine that load one file share one copy of it in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ....core.errors import DataError
from .found import Weights
from .tensors import State, load_state


def fill(
    model: torch.nn.Module,
    weights: Weights,
    rename: Callable[[State], State] = dict,
    may_lack: str = r"(?!)",
    keep: str = r"(?!)",
    hint: Callable[[State], str] = lambda state: "",
) -> None:
    """Put the weights into the model: tensors from files, or seeded random ones.

    ``rename`` adapts the tensors of a file; names that ``may_lack`` matches may be absent from either side;
    random weights leave alone what ``keep`` matches; ``hint`` reads from tensors that do not fit what to do instead.

    Raises
    ------
    DataError
        the tensors are not those of the model
    """
    if weights.seed is not None:
        randomise(model, weights.seed, keep)
        return
    state, own = rename(load_state(weights)), model.state_dict()
    loose = re.compile(may_lack)
    missing = sorted(key for key in own.keys() - state.keys() if not loose.search(key))
    beyond = sorted(key for key in state.keys() - own.keys() if not loose.search(key))
    shared = own.keys() & state.keys()
    other = sorted(key for key in shared if own[key].shape != state[key].shape and own[key].numel() != 1)
    if missing or beyond or other:
        faults = [
            f"{len(keys)} {what} (first: {keys[0]})"
            for keys, what in ((missing, "missing"), (beyond, "unknown"), (other, "of another shape"))
            if keys
        ]
        raise DataError(
            f"the weights {weights.name} do not fit {type(model).__name__}: of {len(own)} tensors "
            f"{', '.join(faults)}; {hint(state) or 'choose the architecture they were trained for'}"
        )
    load_views(model, {key: state[key].reshape(own[key].shape) for key in shared}, strict=False)


def load_views(model: torch.nn.Module, state: Mapping[str, torch.Tensor], strict: bool = True) -> Any:
    """`torch.nn.Module.load_state_dict`, but what has the model's number type is taken as it is and not copied."""
    own = model.state_dict()
    kept = {key: value.to(own[key].dtype) if key in own else value for key, value in state.items()}
    return torch.nn.Module.load_state_dict(model, kept, strict=strict, assign=True)


def randomise(model: torch.nn.Module, seed: int, keep: str = r"(?!)") -> None:
    """Seeded weights that keep activations of ordinary size, the same for any version of the package.

    Matrices and kernels are normal with variance 1 / fan-in, scales lie around 1, offsets around 0.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.ndim == 0 or re.search(keep, name):
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            if max(parameter.shape) < parameter.numel():
                parameter.copy_(noise * (parameter.numel() / parameter.shape[0]) ** -0.5)
            else:
                parameter.copy_((1 if name.endswith(("weight", "alpha")) else 0) + 0.05 * noise)
