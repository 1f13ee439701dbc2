"""What the torch backbones share: where they compute, and in which number type."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, TypeVar

import torch

from ...core.causes import shortage_number
from ...core.errors import DataError, UsageError
from ..float32 import Float32, float32
from ._batches import batches, features_of, to_rows
from ._rounding import Rounding
from .base import Backbone, Embeddings, Waveform

DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
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
    dtype : ``float32``, ``tf32``, ``float16`` or ``bfloat16``: of the weights and activations; part of the declaration.
        ``float32`` is computed as such; under ``tf32`` a CUDA device may round the factors of products to ten bits
    batch_size : items that go through a tower at once; it bounds memory and does not change results beyond rounding
    autocast : keep the weights in float32 and let torch choose ``dtype`` where it is safe; part of the declaration
    compile : compile the towers with torch.compile: the first calls take longer, the others less
    fixed_batch : fill every batch up to ``batch_size`` items, and encode texts (on a processor everything) one by one:
        on one device and build the rows then have the same bytes in any company; part of the declaration, with the
        batch size

    Attributes
    ----------
    rounding : how far rounding moves the rows, by tower; named as in `reference_tolerances`
    """

    batch_size: int
    rounding: Mapping[str, Rounding]
    exact_convolutions: ClassVar[bool] = False
    """Whether convolutions must not be rounded to TF32, even where ``dtype`` is ``tf32``."""

    def __init__(
        self,
        device: str | None,
        dtype: str,
        batch_size: int,
        autocast: bool = False,
        compile: bool = False,
        fixed_batch: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise UsageError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1")
        if autocast and DTYPES[dtype] == torch.float32:
            raise UsageError("autocast needs a smaller number type; choose dtype bfloat16 or float16")
        self.device = choose_device(device)
        self.dtype = dtype
        self.batch_size = batch_size
        self.items_per_call = 8 * batch_size  # so that few of the batches are part empty
        if self.device.type == "cuda":
            number = torch.cuda.current_device() if self.device.index is None else self.device.index
            self.frame_device = f"cuda:{number}"
        self.calls_at_once = CALLS_ON_CUDA if self.device.type == "cuda" else 1
        self._autocast = autocast
        self._compile = compile
        self.fixed_batch = fixed_batch

    @property
    def weights_dtype(self) -> torch.dtype:
        """The number type of the weights and of the inputs."""
        return torch.float32 if self._autocast else DTYPES[self.dtype]

    def _declared(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What all declare alike: the number type, and the options that make the same encoder again."""
        made = {**options, "dtype": self.dtype, "autocast": self._autocast or None}
        if self.fixed_batch:
            made |= {"fixed_batch": True, "batch_size": self.batch_size}
        return {
            "dtype": f"{self.dtype}, autocast" if self._autocast else self.dtype,
            "options": {key: value for key, value in made.items() if value is not None},
        }

    @property
    def _most(self) -> int:
        """Items of a batch, at most, or exactly for a fixed size. On a processor that is 1: its kernels share a batch
        out among threads, and round by how the memory of a thread lies."""
        return 1 if self.fixed_batch and self.device.type == "cpu" else self.batch_size

    def _batches(self, items: Sequence[T], size: int | None = None) -> Iterator[tuple[Sequence[T], int]]:
        """Batches of at most ``size`` items, with the number of those that are wanted: one of fixed size is filled up
        with its last item."""
        most = min(size or self._most, self._most)
        for part in batches(items, most):
            missing = most - len(part) if self.fixed_batch else 0
            yield [*part, *[part[-1]] * missing], len(part)

    def _encoded(
        self, items: Sequence[T], encode: Callable[[Sequence[T]], torch.Tensor], width: int, size: int | None = None
    ) -> Embeddings:
        """What ``encode`` makes of the items, in batches: [len(items), width] float32."""
        return to_rows((encode(part)[:wanted] for part, wanted in self._batches(items, size)), width)

    def _encoded_texts(
        self, texts: Sequence[str], encode: Callable[[Sequence[str]], torch.Tensor], width: int
    ) -> Embeddings:
        """The same of texts. Those of a batch are made as long as its longest: for a fixed size each is alone."""
        return self._encoded(texts, encode, width, 1 if self.fixed_batch else None)

    def _ready(self, module: torch.nn.Module) -> Any:
        """The module on the device, in the number type, for inference."""
        try:
            ready: Any = module.requires_grad_(False).eval().to(device=self.device, dtype=self.weights_dtype)
        except Exception as error:
            if shortage_number(error) != errno.ENOMEM:
                raise
            raise _too_large(module, self.device, self.weights_dtype) from error
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

    def _spectrograms(
        self, clips: Sequence[Waveform], function: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """`features_of` the sounds; of each by itself for batches of fixed size, where none may depend on how many are
        as long."""
        return features_of(clips, function, 1 if self.fixed_batch else self.batch_size, self.feature_device)

    def _prepared_in_batches(
        self, transform: Callable[..., torch.Tensor], items: Sequence[Any], *inputs: Any
    ) -> torch.Tensor:
        """The same of at most ``batch_size`` items at a time, which bounds the memory that the transform takes."""
        parts = [self._prepared(transform, part, *inputs) for part in batches(items, self.batch_size)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def reference_tolerances(self) -> dict[str, float]:
        return {tower: rounding.elsewhere[self.dtype] for tower, rounding in self.rounding.items()}

    def batch_tolerances(self) -> dict[str, float]:
        return {
            tower: 0.0 if self.fixed_batch else rounding.beside[self.dtype] for tower, rounding in self.rounding.items()
        }

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

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Goes around what the towers compute."""
        rounded = self.dtype == "tf32" and self.device.type == "cuda"
        with float32(Float32(rounded, rounded and not self.exact_convolutions)):
            if not self._autocast:
                yield
                return
            with torch.autocast(self.device.type, dtype=DTYPES[self.dtype]):
                yield

    @property
    def feature_device(self) -> torch.device:
        """Where inputs are prepared: MPS lacks float64 and antialiased resizing."""
        return torch.device("cpu") if self.device.type == "mps" else self.device


def _too_large(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> DataError:
    """What is said where a device has no memory for a model."""
    size = sum(parameter.numel() for parameter in module.parameters()) * dtype.itemsize
    room = ""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        room = f", which has {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    smaller = "--precision fp16, " if dtype == torch.float32 else ""
    return DataError(
        f"{type(module).__name__} takes {size / 1e9:.1f} GB as {dtype} and does not fit on {device}{room}; choose "
        f"{smaller}a smaller model, a device with more memory, or end what else uses it"
    )


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
