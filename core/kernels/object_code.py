"""Machine code of lean kernels in files, loaded and called without Numba.

A file is a line with the sha256 of what follows, a line of JSON, which says what the code is of and for, and the object
code as LLVM made it. It lies in a folder of this user's, as Numba's own files do, and is not used where anything
differs from what this process would compile (versions, processor, Numba's settings, forms of the arguments), where a
bit has changed, nor where anybody else could have written it: the kernel is then compiled again.

Numba's functions have C's calling convention: where the result goes, where an exception goes, and the arguments as
numbers; they return a status. Lean kernels raise nothing.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import json
import os
import struct
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..one_piece import in_one_piece
from .by_reference import ArrayForm, ByReference, array_numbers, form_text
from .code_folder import is_ours

_KINDS = {int: ctypes.c_int64, bool: ctypes.c_uint8, float: ctypes.c_double}

_WITHOUT_EFFECT = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT")
"""Settings of Numba's that change no machine code here."""


@dataclass(frozen=True)
class Compiled:
    """What the compiler made of a kernel.

    address : of the code in this process; symbol : its name in the object code; result : of its numbers, as in
    :mod:`struct`; needs : names of what the code calls outside itself; content : the object code
    """

    address: int
    symbol: str
    result: str
    needs: tuple[str, ...]
    content: bytes


class MachineCode:
    """The code of a kernel for one form of its arguments."""

    def __init__(self, address: int, form: tuple[Any, ...], result: str) -> None:
        kinds: list[Any] = []
        for part in form:
            if isinstance(part, ArrayForm):
                kinds += [ctypes.c_int64] * (5 + 2 * part.ndim)
            else:
                kinds.append(_KINDS.get(part, ctypes.c_void_p))
        self._run = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)(address)
        self._result = struct.Struct(result)

    def __call__(self, args: tuple[Any, ...]) -> Any:
        numbers: list[Any] = []
        for given in args:
            if isinstance(given, ByReference):
                numbers.append(given.address)
            elif given is None or isinstance(given, (int, float)):
                numbers.append(given)
            else:
                numbers += array_numbers(given)
        result = ctypes.create_string_buffer(max(8, self._result.size))
        if self._run(result, ctypes.byref(ctypes.c_void_p()), *numbers) != 0:
            raise RuntimeError("a kernel failed")
        found = self._result.unpack_from(result)
        return found if len(found) > 1 else found[0] if found else None


@functools.cache
def _surroundings() -> dict[str, Any]:
    """All but sources and arguments that decides on machine code: versions, processor, Numba's settings."""
    import llvmlite.binding as llvm

    return {
        "versions": {name: importlib.metadata.version(name) for name in ("numba", "llvmlite", "numpy")},
        "target": [llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()],
        "settings": [f"{k}={v}" for k, v in sorted(os.environ.items()) if _has_effect(k)],
        "config": _numba_config(),
    }


def _has_effect(name: str) -> bool:
    return name.startswith("NUMBA_") and name not in _WITHOUT_EFFECT


def _numba_config() -> str | None:
    """A hash of the file in which Numba looks for settings, in the folder that the process was started in."""
    with suppress(OSError):
        return hashlib.sha256(Path(".numba_config.yaml").read_bytes()).hexdigest()
    return None


def _wanted(form: tuple[Any, ...]) -> dict[str, Any]:
    return {**_surroundings(), "form": form_text(form)}


def file_of(folder: Path | None, form: tuple[Any, ...]) -> Path | None:
    """Where in the folder of a kernel the code for a form of arguments is kept; None where nothing is."""
    if folder is None:
        return None
    return folder / f"{hashlib.sha256(json.dumps(_wanted(form)).encode()).hexdigest()[:16]}.code"


def read(file: Path | None, form: tuple[Any, ...]) -> MachineCode | None:
    """The code that is kept in a file; None where there is none that is certainly right."""
    if file is None:
        return None
    with suppress(OSError, ValueError, RuntimeError):
        with open(file, "rb") as opened:
            if not (is_ours(os.fstat(opened.fileno())) and is_ours(file.parent.stat())):
                return None
            digest, _, written = opened.read().partition(b"\n")
        if digest != hashlib.sha256(written).hexdigest().encode():
            return None
        line, _, content = written.partition(b"\n")
        head = json.loads(line)
        if head["wanted"] == _wanted(form):
            return MachineCode(_linked(content, head["symbol"], head["needs"]), form, head["result"])
    return None


def write(file: Path | None, form: tuple[Any, ...], made: Compiled) -> None:
    """Keep code in a file, in one step; where that fails, another process compiles it anew."""
    if file is None:
        return
    head = {"wanted": _wanted(form), "symbol": made.symbol, "result": made.result, "needs": made.needs}
    written = json.dumps(head).encode() + b"\n" + made.content
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=file.parent, suffix=".new")
        try:
            with os.fdopen(number, "wb") as opened:
                opened.write(hashlib.sha256(written).hexdigest().encode() + b"\n" + written)
            os.replace(name, file)
        except OSError:
            Path(name).unlink(missing_ok=True)


@functools.cache
def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())


_engines: list[Any] = []
"""What keeps linked code where it is."""


def _linked(content: bytes, symbol: str, needs: list[str]) -> int:
    """The address of a function of object code, once that is put into memory and linked.

    Raises: ValueError where it calls what is not there: LLVM would end the process.
    """
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target().create_target_machine())
    if not all(map(llvm.address_of_symbol, needs)):
        with in_one_piece():
            from numba.core.registry import cpu_target
        cpu_target.target_context.refresh()  # tells LLVM of Numba's functions, and of Intel's mathematics if installed
    if not all(map(llvm.address_of_symbol, needs)):
        raise ValueError(f"not all of {needs} are there")
    engine.add_object_file(llvm.ObjectFileRef.from_data(content))
    engine.finalize_object()
    address = int(engine.get_function_address(symbol))
    if address == 0:
        raise ValueError(f"no {symbol} in the code")
    _engines.append(engine)
    return address
