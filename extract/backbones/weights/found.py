"""Weights that were found: where they are, what their bytes hash to, and what lies beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ....cache.reading.files import MIB
from ....cache.reading.json_file import read_json_as
from ....cache.reading.schema import refuse_deep
from ....core.errors import AvreplayError, DataError, UsageError
from .choice import INDEX, choose_file
from .failures import reason
from .hashes import file_hash
from .hub import HubId, index_parts, weights_from_hub

_MAX_JSON = 64 * MIB


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

    @property
    def repository(self) -> str | None:
        """The repository on the hub that they are from, else None."""
        id = None if self.random or self.given is None else HubId.parse(self.given)
        return None if id is None else id.repository

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, or of the hashes of several files in order of their names; of the name if random. The
        files are read once: what declares the encoder is asked several times in a run."""
        if self.random:
            return hashlib.sha256(self.name.encode()).hexdigest()
        hashes = [file_hash(path) for path in self.files]
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


def find_weights(given: str, *, download: bool = False, option: str = "weights", prefer: Sequence[str] = ()) -> Weights:
    """Weights from ``random:SEED``, a file, a folder, or ``owner/name[@revision][:file]`` of the Hugging Face hub.

    The network is only used if ``download`` is true, and never if HF_HUB_OFFLINE is set.

    Parameters
    ----------
    option : of the backbone that names the weights, for messages
    prefer : names of files that are the package's own, among those of others

    Raises
    ------
    UsageError
        nothing of that name, or not on this machine and downloads not allowed
    DataError
        a folder or repository without weights or with several, no such revision, a download that fails
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
        return Weights(path.resolve().name, None, files=_tensor_files(path, prefer, option), folder=path)
    id = HubId.parse(given)
    if id is None:
        raise UsageError(
            f"{option} {given!r} is no file, no folder and no hub id (owner/name, with @revision and :file where they "
            "are needed)"
        )
    folder, files = weights_from_hub(id, prefer, download, option)
    return Weights(given, given, files=files, folder=folder)


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
    No initial weights are drawn, see `undrawn`.

    Raises
    ------
    DataError
        for any exception inside that is not the package's own
    """
    from .undrawn import undrawn

    try:
        with undrawn():
            yield
    except AvreplayError:
        raise
    except Exception as error:
        raise DataError(
            f"no model can be made of the configuration of {weights.name} ({reason(error)}); fetch it again, or "
            "choose the file that belongs to these weights"
        ) from error


def config_hash(config: dict[str, Any]) -> str:
    """Of a configuration of JSON values, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def _tensor_files(folder: Path, prefer: Sequence[str], option: str) -> tuple[Path, ...]:
    """The file of weights in a folder, or all parts of one in several parts."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    chosen = choose_file(files, None, prefer, f"the folder {folder}", f"{option}={folder / '{file}'}")
    if not chosen.endswith(INDEX):
        return (folder / chosen,)
    return tuple(folder / part for part in index_parts(folder / chosen, files, f"the folder {folder}"))
