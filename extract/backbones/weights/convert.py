"""Weights of older or foreign forms as safetensors: ``avreplay convert-weights``.

Read are files of torch in any pickle protocol, with NumPy arrays among the tensors. Nothing in them is run: torch's
reader of plain tensors takes them, with NumPy's own constructors of arrays as the only addition to its list.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from ....core.errors import DataError, UsageError, shown
from .failures import cause, reason
from .hashes import file_hash
from .pickles import in_protocol_2
from .tensors import State, number_types, quiet, refuse_foreign, refused_class, table_of, without_module

_LEGACY_PICKLES = 5
"""Pickles at the start of a file of torch before 1.6; the numbers of the tensors follow them."""

_ARRAY = np.zeros(1, np.float32)


@dataclass(frozen=True)
class Converted:
    """What was written: the file, how many tensors and numbers it has, what was left out, and its hash."""

    path: str
    tensors: int
    parameters: int
    left_out: tuple[str, ...]
    sha256: str

    def text(self) -> str:
        left = f"\nleft out, no tensors: {', '.join(self.left_out)}" if self.left_out else ""
        return f"{self.path}: {self.tensors} tensors, {self.parameters:,} numbers\nsha256 {self.sha256}{left}"


def convert_weights(source: Path, target: Path) -> Converted:
    """Write the tensors of a file as safetensors; the same bytes for the same tensors.

    Raises
    ------
    UsageError
        the target does not end in ``.safetensors``, or is the source
    DataError
        the source is damaged, a program, or holds what is neither a tensor nor an array nor a plain value
    """
    from safetensors.torch import save_file

    if target.suffix != ".safetensors":
        raise UsageError(f"{target} is to be a file of safetensors; name it {target.with_suffix('.safetensors')}")
    if not source.is_file():
        raise UsageError(f"{source} is no file; check the path")
    if target.resolve() == source.resolve():
        raise UsageError(f"{target} is the file that is to be converted; name another")
    if not target.parent.is_dir():
        raise UsageError(f"the folder {target.parent} does not exist; make it first")
    state, left_out = _tensors_of(source, target.parent)
    _refuse_unwritable(state, source)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, part)
        os.replace(part, target)
    except Exception as error:  # safetensors has errors of its own for what the system refuses
        raise DataError(f"{target} cannot be written ({reason(error)}); choose another place") from error
    finally:
        part.unlink(missing_ok=True)
    numbers = sum(tensor.numel() for tensor in state.values())
    return Converted(str(target), len(state), numbers, left_out, file_hash(target))


def _tensors_of(source: Path, room: Path) -> tuple[State, tuple[str, ...]]:
    """The tensors of a file, and the names of what is none; ``room`` is a folder for a copy of it."""
    if source.suffix == ".safetensors":
        raise UsageError(f"{source} is a file of safetensors already; use it as it is")
    refuse_foreign(source)
    try:
        with (
            quiet(),
            tempfile.TemporaryDirectory(prefix=".avreplay-", dir=room) as folder,
            torch.serialization.safe_globals(_allowed()),
        ):
            plain = _plain(source, Path(folder))
            found: Any = table_of(torch.load(plain, map_location="cpu", weights_only=True))
    except Exception as error:
        if refused := refused_class(error):
            raise DataError(
                f"{source} holds objects of a program and is not opened ({refused}); save its state_dict() alone with "
                "the program that made it"
            ) from error
        raise DataError(f"{source} cannot be read as weights ({cause(error)}); fetch it again") from error
    if not isinstance(found, dict):
        raise DataError(f"{source} holds no table of tensors but a {type(found).__name__}; choose another file")
    state: State = {}
    for name, value in found.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            state[str(name)] = torch.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))
        elif isinstance(value, torch.Tensor):
            state[str(name)] = value.detach()
    if not state:
        raise DataError(f"{source} has no tensors ({', '.join(map(str, list(found)[:5]))}); choose another file")
    left_out = tuple(sorted(str(name) for name in found if str(name) not in state))
    return without_module(state), left_out


def _refuse_unwritable(state: State, source: Path) -> None:
    """Raises: DataError for a tensor that safetensors has no form for: sparse, quantized, without numbers."""
    for name, tensor in state.items():
        kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout).removeprefix("torch.")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            kind = "meta" if tensor.is_meta else kind
            raise DataError(
                f"the tensor {shown(name)} of {source} is {kind}, which safetensors does not hold; save it as a dense "
                "one of plain numbers with the program that made it"
            )


def _plain(source: Path, folder: Path) -> Path:
    """The file with its pickles in protocol 2: itself where they are."""
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
            with archive.open(name) as stream:
                if stream.read(2) <= b"\x80\2":
                    return source
            with archive.open(name) as stream:
                rewritten = in_protocol_2(stream)
            return _copied(folder, lambda out: _with_pickle(archive, name, rewritten, out))
    with open(source, "rb") as stream:
        if stream.read(2) <= b"\x80\2":
            return source
        stream.seek(0)
        pickles = b"".join(in_protocol_2(stream) for _ in range(_LEGACY_PICKLES))

        def write(out: BinaryIO) -> None:
            out.write(pickles)
            shutil.copyfileobj(stream, out, 1 << 24)

        return _copied(folder, write)


def _copied(folder: Path, write: Callable[[BinaryIO], None]) -> Path:
    path = folder / "weights.pt"
    with open(path, "wb") as out:
        write(out)
    return path


def _with_pickle(archive: zipfile.ZipFile, name: str, rewritten: bytes, out: BinaryIO) -> None:
    """The archive of torch with another pickle."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for item in archive.infolist():
            with made.open(item.filename, "w", force_zip64=True) as target:
                if item.filename == name:
                    target.write(rewritten)
                else:
                    with archive.open(item) as stream:
                        shutil.copyfileobj(stream, target, 1 << 24)


def _allowed() -> list[Any]:
    """What makes NumPy's arrays and numbers, under the names of NumPy 1 and 2."""
    makers = (("multiarray._reconstruct", _ARRAY.__reduce__()[0]), ("numeric._frombuffer", _ARRAY.__reduce_ex__(5)[0]))
    kinds = [type(np.dtype(kind)) for kind in ("f2", "i1", "i2", "u1", "u2", "u4", "u8")]
    named = [(make, f"numpy.{core}.{name}") for name, make in makers for core in ("core", "_core")]
    return [*number_types(), *kinds, np.ndarray, *named]
