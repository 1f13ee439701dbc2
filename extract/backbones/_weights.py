"""Weights: where they are, what their bytes hash to, reading them without pickle, and whether they fit a model."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from ...cache.reading.files import MIB
from ...cache.reading.json_file import read_json_as
from ...cache.reading.safetensors_file import read_safetensors_header
from ...cache.reading.schema import refuse_deep
from ...core.errors import AvreplayError, DataError, UsageError

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SIDE_FILES = ("*.json", "*.txt", "*.model")
_BLOCK = 1 << 24
_MAX_JSON = 64 * MIB

State = dict[str, torch.Tensor]


class _Index(msgspec.Struct):
    """The index of weights in several parts: the file of each tensor."""

    weight_map: dict[str, str]


@dataclass(frozen=True)
class Weights:
    """Weights that were found.

    Attributes
    ----------
    name : hub id, name of the local file or folder, or ``random:SEED``; never a path
    given : what the user wrote, if another machine understands it (a hub id or ``random:SEED``), else None
    seed : of random weights, else None
    files : the files that hold tensors; empty for random weights
    folder : where configuration and tokenizer lie; None for a single file or random weights
    """

    name: str
    given: str | None
    seed: int | None = None
    files: tuple[Path, ...] = ()
    folder: Path | None = None

    @property
    def random(self) -> bool:
        return self.seed is not None

    def sha256(self) -> str:
        """Of the file's bytes, or of the hashes of several files in order of their names; of the name if random."""
        if self.random:
            return hashlib.sha256(self.name.encode()).hexdigest()
        hashes = [_file_hash(path) for path in self.files]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    def config(self, given: str | None, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """The architecture: from the JSON file ``given``, else ``config.json`` beside the weights, else ``default``.

        Raises
        ------
        UsageError
            there is none
        """
        path = Path(given) if given else self.folder / "config.json" if self.folder else None
        if path is not None and (given or path.is_file()):
            return read_json(path)
        if default is None:
            raise UsageError(f"the weights {self.name} have no config.json beside them; give the folder that has both")
        return default

    def side_file(self, *names: str) -> dict[str, Any] | None:
        """The first of these JSON files beside the weights, or None."""
        for name in names:
            if self.folder is not None and (self.folder / name).is_file():
                return read_json(self.folder / name)
        return None


def find_weights(given: str, *, download: bool = False, option: str = "weights") -> Weights:
    """Weights from ``random:SEED``, a file, a folder, or the id of a repository on the Hugging Face hub.

    The network is only used if ``download`` is true, and never if HF_HUB_OFFLINE is set.

    Raises
    ------
    UsageError
        nothing of that name, or not on this machine and downloads not allowed
    DataError
        a folder without weights or with several, a download that fails
    """
    if given.startswith("random:"):
        try:
            return Weights(given, given, seed=int(given.removeprefix("random:")))
        except ValueError:
            raise UsageError(f"{option} is {given!r}; write random: and a whole number, as in random:0") from None
    path = Path(given).expanduser()
    if path.is_file():
        return Weights(path.name, None, files=(path,))
    if path.is_dir():
        return Weights(path.resolve().name, None, files=_tensor_files(path), folder=path)
    if not _HUB_ID.fullmatch(given):
        raise UsageError(f"{option} {given!r} is no file, no folder and no hub id (owner/name)")
    folder = _from_hub(given, download, option)
    return Weights(given, given, files=_tensor_files(folder), folder=folder)


def offline_wanted() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that lies beside weights.

    Raises
    ------
    DataError
        no such file, no JSON object in it, or one that is nested deeply
    """
    found = read_json_as(path, dict[str, Any], "configuration", _MAX_JSON, "fetch it again")
    refuse_deep(found, str(path))
    return found


@contextmanager
def built_from(weights: Weights) -> Iterator[None]:
    """Put around what makes a model from a configuration that somebody else wrote: any failure of it is told as such.

    Raises
    ------
    DataError
        for any exception inside that is not the package's own
    """
    try:
        yield
    except AvreplayError:
        raise
    except Exception as error:
        raise DataError(
            f"no model can be made of the configuration of {weights.name} ({_reason(error)}); fetch it again, or "
            "choose the file that belongs to these weights"
        ) from error


def load_state(weights: Weights) -> State:
    """All tensors by name, on the CPU; a wrapping ``state_dict`` and the ``module.`` of parallel training taken off.

    Raises
    ------
    DataError
        a damaged file, or one that holds more than tensors
    """
    state: State = {}
    for path in weights.files:
        state.update(_read_tensors(path))
    if state and all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def fill(
    model: torch.nn.Module,
    weights: Weights,
    rename: Callable[[State], State] = dict,
    may_lack: str = r"(?!)",
    keep: str = r"(?!)",
) -> None:
    """Put the weights into the model: tensors from files, or seeded random ones.

    ``rename`` adapts the tensors of a file; names that ``may_lack`` matches may be absent from either side;
    random weights leave alone what ``keep`` matches.

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
            f"{', '.join(faults)}; choose the architecture they were trained for"
        )
    model.load_state_dict({key: state[key].reshape(own[key].shape) for key in shared}, strict=False)


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


@contextmanager
def no_network(allowed: bool = False) -> Iterator[None]:
    """Keep the hub client off the network inside, unless ``allowed``."""
    if allowed:
        yield
        return
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _from_hub(name: str, download: bool, option: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    allowed = download and not offline_wanted()
    try:
        wanted = [f"*{suffix}*" for suffix in SUFFIXES]
        if allowed:
            files = HfApi().list_repo_files(name)
            best = next((s for s in SUFFIXES if any(f.endswith(s) for f in files)), SUFFIXES[0])
            wanted = [f"*{best}", f"*{best}.index.json"]
        with no_network(allowed):
            return Path(snapshot_download(name, allow_patterns=[*wanted, *_SIDE_FILES], local_files_only=not allowed))
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"{option} {name} are not on this machine; allow the download with download=true, "
            "or give a local file or folder"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise DataError(f"{option} {name} cannot be downloaded: {_reason(error)}") from error


def _tensor_files(folder: Path) -> tuple[Path, ...]:
    """The file of weights in a folder, or all parts of one in several parts."""
    for suffix in SUFFIXES:
        for index in sorted(folder.glob(f"*{suffix}.index.json")):
            listed = read_json_as(index, _Index, "index of weights", _MAX_JSON, "fetch it again").weight_map
            paths = [folder / Path(part).name for part in sorted(set(listed.values()))]
            absent = [path.name for path in paths if not path.is_file()]
            if not paths:
                raise DataError(f"{index} names no files; fetch it again")
            if absent:
                raise DataError(f"the folder {folder} lacks {absent[0]}, which {index.name} names; fetch it again")
            return tuple(paths)
        found = sorted(folder.glob(f"*{suffix}"))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise DataError(f"the folder {folder} has several files of weights ({names}); name one of them")
        if found:
            return (found[0],)
    raise DataError(f"the folder {folder} has no weights ({', '.join(SUFFIXES)})")


def _read_tensors(path: Path) -> State:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            read_safetensors_header(path, "file of weights")
            return load_file(path)
        with torch.serialization.safe_globals(_numbers()):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except pickle.UnpicklingError as error:
        raise DataError(f"{path} holds more than tensors and is not opened; convert it to safetensors") from error
    except Exception as error:
        raise DataError(f"{path} cannot be read as weights ({_reason(error)}); fetch it again") from error
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise DataError(f"{path} is not a table of tensors; convert it to safetensors")
    return found


def _reason(error: Exception) -> str:
    """An exception in a message: the first line of its text, else its type."""
    return f"{str(error).strip() or type(error).__name__}".splitlines()[0][:300]


def _numbers() -> list[Any]:
    """NumPy's scalars, which training loops leave beside the tensors; they run no code."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64, np.bool_)]
    return [np.dtype, *kinds, *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core"))]


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def config_hash(config: dict[str, Any]) -> str:
    """Of a configuration of JSON values, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()
