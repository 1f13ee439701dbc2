"""What the torch backbones share: where they compute, and in which number type."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch

from ...core.errors import UsageError
from .base import Backbone

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
T = TypeVar("T")


def choose_device(device: str | None) -> torch.device:
    """The named device; None: CUDA or MPS where there is one, else the CPU.

    Raises
    ------
    UsageError
        no such device on this machine
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"the device {device!r} cannot be used ({reason}); choose cpu, cuda, cuda:N or mps") from error
    return chosen


CALLS_ON_CUDA = 3
"""Calls that overlap: while the device computes one, the inputs of the next are prepared."""


class TorchBackbone(Backbone):
    """A backbone of torch modules: moves them, feeds them in batches, and gives float32 rows back.

    Parameters
    ----------
    device : ``cpu``, ``cuda``, ``cuda:N``, ``mps``; None: the best there is
    dtype : ``float32``, ``float16`` or ``bfloat16``: of the weights and activations; part of the declaration
    batch_size : items that go through a tower at once; it bounds memory and does not change results beyond rounding
    autocast : keep the weights in float32 and let torch choose ``dtype`` where it is safe; part of the declaration
    compile : compile the towers with torch.compile: the first calls take longer, the others less
    """

    batch_size: int

    def __init__(
        self, device: str | None, dtype: str, batch_size: int, autocast: bool = False, compile: bool = False
    ) -> None:
        if dtype not in DTYPES:
            raise UsageError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1")
        if autocast and dtype == "float32":
            raise UsageError("autocast needs a smaller number type; choose dtype bfloat16 or float16")
        self.device = choose_device(device)
        self.dtype = dtype
        self.batch_size = batch_size
        self.items_per_call = 8 * batch_size  # so that few of the batches are part empty
        self.calls_at_once = CALLS_ON_CUDA if self.device.type == "cuda" else 1
        self._autocast = autocast
        self._compile = compile

    @property
    def weights_dtype(self) -> torch.dtype:
        """The number type of the weights and of the inputs."""
        return torch.float32 if self._autocast else DTYPES[self.dtype]

    def _declared(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What all declare alike: the number type, and the options that make the same encoder again."""
        made = {**options, "dtype": self.dtype, "autocast": self._autocast or None}
        return {
            "dtype": f"{self.dtype}, autocast" if self._autocast else self.dtype,
            "options": {key: value for key, value in made.items() if value is not None},
        }

    def _ready(self, module: torch.nn.Module) -> Any:
        """The module on the device, in the number type, for inference."""
        ready: Any = module.requires_grad_(False).eval().to(device=self.device, dtype=self.weights_dtype)
        for part in ready.modules():
            if isinstance(part, torch.nn.Conv2d):  # pictures come with their channels last
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return ready

    def _compiled(self, *modules: Any) -> None:
        """Compile modules of a tower, if the option is set; their names and weights stay."""
        if self._compile:
            for module in modules:
                module.compile()

    def _move(self, features: torch.Tensor) -> torch.Tensor:
        """Inputs on the device; floating point ones in the number type of the weights."""
        kind = self.weights_dtype if features.is_floating_point() else features.dtype
        return features.to(device=self.device, dtype=kind, non_blocking=True)

    def _prepared(self, transform: Callable[..., torch.Tensor], *inputs: Any) -> torch.Tensor:
        """What a transform makes of its inputs, where and as the towers take it."""
        with self.preprocessing(), exact(self.device):
            return self._move(transform(*inputs))

    @contextmanager
    def preprocessing(self) -> Iterator[None]:
        if self.timed:
            self._wait()
        with super().preprocessing():
            yield
            if self.timed:
                self._wait()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def computing(self) -> AbstractContextManager[Any]:
        """Goes around what the towers compute."""
        if not self._autocast:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.dtype])

    @property
    def feature_device(self) -> torch.device:
        """Where inputs are prepared: MPS lacks float64 and antialiased resizing."""
        return torch.device("cpu") if self.device.type == "mps" else self.device


def exact(device: torch.device) -> AbstractContextManager[Any]:
    """Goes around what must stay in float32 under autocast."""
    return torch.autocast(device.type, enabled=False)


def inference(method: Callable[..., T]) -> Callable[..., T]:
    """For methods of a backbone, or of a tower that has one as ``_host``: without gradients, in its number type."""

    @functools.wraps(method)
    def run(self: Any, *inputs: Any) -> T:
        with torch.inference_mode(), getattr(self, "_host", self).computing():
            return method(self, *inputs)

    return run


class Exact(torch.nn.Module):
    """A module of float32 weights among others: its input is made float32, and autocast does not reach it.

    Not a parent of the module, so that it is not moved along with the rest.
    """

    def __init__(self, module: torch.nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self._module = [module.requires_grad_(False).eval().to(device)]
        self._device, self._dtype = device, dtype

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        with exact(self._device):
            made: torch.Tensor = self._module[0](values.float())
        return made.to(self._dtype)
