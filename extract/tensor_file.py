"""Files of torch (``.pt``, ``.pth``) from outside: tensors, dicts and lists of them; nothing else is unpickled."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..cache.reading.arrays import FREE, RATIO, human
from ..cache.reading.files import named, open_regular
from ..core.errors import DataError, UsageError
from ..core.installation import install_command

if TYPE_CHECKING:
    from torch import Tensor

_MOST = 2 << 30
_DEPTH = 8
_ENTRIES = 1_000_000


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file by name: a bare one under the empty name, those of dicts and lists in it as ``a/b/0``.

    What is neither a tensor nor a container of them (texts, numbers) is left out; bfloat16 becomes float32.

    Raises
    ------
    UsageError
        torch is not installed
    DataError
        a file that is missing, damaged, larger than 2 GiB, or holds objects that torch would have to unpickle
    """
    try:
        import torch
    except ImportError:
        raise UsageError(f"reading .pt needs torch: {install_command('train')}") from None
    name = named(path)
    with open_regular(path, "file of embeddings") as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MOST:
            raise DataError(f"{name} is larger than {human(_MOST)}; save one file a video, or .npy")
        _refuse_packed(file, name, size)
        file.seek(0)
        try:
            held = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise DataError(
                f"{name} is damaged, or holds other objects than tensors, which are never unpickled; save tensors, or "
                "dicts of them"
            ) from None
        except Exception as error:  # of damaged files it raises what it likes
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise DataError(f"{name} is no readable file of torch ({reason}); save it again") from None
    found: dict[str, Tensor] = {}
    _collect(held, "", found, name, 0)
    return {key: _array(tensor, f"{key} in {name}" if key else name, size) for key, tensor in found.items()}


def _refuse_packed(file: Any, name: str, size: int) -> None:
    """Raises: DataError where the parts of the file unpack to more than it has bytes."""
    if file.read(2) != b"PK":
        return  # the format of before; its tensors are as large as its bytes
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except Exception as error:  # of damaged archives it raises what it likes
        raise DataError(f"{name} is no readable file of torch ({error}); save it again") from None
    if unpacked > max(FREE, RATIO * size):
        raise DataError(
            f"{name} unpacks to {human(unpacked)}, more than {RATIO} times its size; save it with torch.save"
        )


def _collect(held: Any, key: str, found: dict[str, Tensor], name: str, depth: int) -> None:
    import torch

    if isinstance(held, torch.Tensor):
        found[key] = held
        return
    items: Any = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, (list, tuple)) else ()
    if depth >= _DEPTH or len(found) > _ENTRIES:
        raise DataError(f"{name} nests its tensors too deeply, or holds more than {_ENTRIES}; save it flatter")
    for inner, value in items:
        _collect(value, f"{key}/{inner}" if key else str(inner), found, name, depth + 1)


def _array(tensor: Tensor, where: str, size: int) -> NDArray[Any]:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
        raise DataError(f"{where} is no plain tensor of numbers; save it dense, as float32")
    declared = tensor.numel() * tensor.element_size()
    if declared > max(FREE, RATIO * size):
        raise DataError(f"{where} declares {human(declared)} of {human(size)}; save a contiguous copy")
    plain = tensor.detach()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    try:
        return np.asarray(plain.resolve_neg().numpy())
    except (TypeError, RuntimeError):
        raise DataError(f"{where} has the type {tensor.dtype}, which is not read; save it as float32") from None
