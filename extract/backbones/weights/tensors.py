"""Reading files of weights: tensors by name, and nothing that would run code."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....cache.reading.safetensors_file import read_safetensors_header
from ....core.causes import causes
from ....core.errors import DataError
from .failures import cause, reason
from .found import Weights

State = dict[str, torch.Tensor]
_REFUSED = re.compile(r"(?:GLOBAL|class|global) ([A-Za-z_][\w.]*\.[\w.]+)")


def load_state(weights: Weights) -> State:
    """All tensors by name, on the CPU; a wrapping ``state_dict`` and the ``module.`` of parallel training taken off.

    Raises
    ------
    DataError
        a damaged file, or one that holds more than tensors
    """
    state: State = {}
    for path in weights.files:
        state.update(read_tensors(path))
    return without_module(state)


def without_module(state: State) -> State:
    """The tensors without the ``module.`` that parallel training puts before every name."""
    if state and all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return state


def read_tensors(path: Path) -> State:
    """The tensors of one file by name. Raises: DataError as :func:`load_state`."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            read_safetensors_header(path, "file of weights")
            return load_file(path)
        refuse_foreign(path)
        with quiet(), torch.serialization.safe_globals(number_types()):
            mapped = zipfile.is_zipfile(path)  # else it is of torch before 1.6
            found: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except DataError:
        raise
    except pickle.UnpicklingError as error:
        what = refused_class(error) or cause(error)
        raise DataError(
            f"{path} holds more than tensors and is not opened ({what}); {_how_to_convert(path)}"
        ) from error
    except Exception as error:
        raise DataError(f"{path} cannot be read as weights ({reason(error)}); fetch it again") from error
    found = table_of(found)
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise DataError(f"{path} is not a table of tensors; {_how_to_convert(path)}")
    return found


def table_of(found: Any) -> Any:
    """The table of tensors in what a training loop saved around it."""
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), Mapping):
            found = dict(found[key])
    return found


def refuse_foreign(path: Path) -> None:
    """Raises: DataError for a TorchScript archive, which is a program with its weights, and for what torch never
    wrote, such as a page that says why a download failed."""
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            head = file.read(40)
        if not head.startswith(b"\x80"):
            raise DataError(f"{path} cannot be read as weights (it begins with {head!r}); fetch it again")
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise DataError(
            f"{path} is a TorchScript archive, a program that is not run here; for OpenAI's CLIP use the tag: "
            "clip_weights=openai"
        )


def refused_class(error: BaseException) -> str:
    """The class or function that torch refuses to make, as its message names it; empty if it refuses none."""
    found = [_REFUSED.search(str(one)) for one in causes(error)]
    return next((match[1] for match in reversed(found) if match), "")


@contextmanager
def quiet() -> Iterator[None]:
    """torch warns of newer pickles before it refuses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def number_types() -> list[Any]:
    """NumPy's scalars, which training loops leave beside the tensors; they run no code."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64, np.bool_)]
    return [np.dtype, *kinds, *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core"))]


def _how_to_convert(path: Path) -> str:
    return f"convert it with `avreplay convert-weights {path} {path.with_suffix('.safetensors').name}`"
