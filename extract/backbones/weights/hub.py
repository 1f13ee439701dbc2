"""Repositories on the Hugging Face hub, or on a mirror of it: ids, what is there, and fetching only what is needed.

The place of the cache and the server follow HF_HOME, HF_HUB_CACHE and HF_ENDPOINT, as the hub's client reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from ....cache.reading.files import MIB
from ....cache.reading.json_file import read_json_as
from ....core.errors import DataError, UsageError
from .choice import INDEX, SUFFIXES, SeveralFiles, choose_file, side_files
from .failures import check_space, failed_download, how_to_get, offline_wanted, reason, status_of

_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[^:@]+))?(:(?P<file>[^:]+))?")
T = TypeVar("T")
_SECONDS = 15
"""How long the hub is waited for before it counts as out of reach."""


class _Index(msgspec.Struct):
    """The index of weights in several parts: the file of each tensor."""

    weight_map: dict[str, str]


@dataclass(frozen=True)
class HubId:
    """``owner/name[@revision][:file]``: a repository, a branch, tag or commit of it, and a file in it."""

    repository: str
    revision: str | None = None
    file: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubId | None:
        """Of what a user wrote; None where it has another form."""
        found = _ID.fullmatch(text)
        return None if found is None else cls(*found.group("repository", "revision", "file"))

    def naming(self) -> str:
        """How a file of this repository is named, with ``{file}`` for it."""
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.repository}{at}:{{file}}"

    def __str__(self) -> str:
        return self.repository + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Snapshot:
    """What is known of a repository: in the cache or, with ``sizes``, on the hub.

    Attributes
    ----------
    files : names of the files
    sizes : bytes of each that the hub told
    """

    files: tuple[str, ...]
    sizes: dict[str, int]


def weights_from_hub(id: HubId, prefer: Sequence[str], download: bool, option: str) -> tuple[Path, tuple[Path, ...]]:
    """The folder of a repository in the cache, and its files of weights there.

    What is there is looked at before anything is fetched; of the weights only the chosen file is. Without a connection
    what is in the cache is used, if it is enough.

    Raises
    ------
    UsageError
        they are not on this machine and may not be downloaded
    DataError
        no such repository, revision or file; several files of weights; a download that fails
    """

    def choose(files: Sequence[str]) -> str:
        return choose_file(files, id.file, prefer, f"the repository {id}", f"{option}={id.naming()}")

    def needed(listed: Snapshot, get: Callable[[Sequence[str]], Path]) -> tuple[Path, tuple[Path, ...]]:
        chosen = choose(listed.files)
        parts = [chosen]
        if chosen.endswith(INDEX):
            parts = index_parts(get([chosen]) / chosen, listed.files, f"the repository {id}")
        folder = get([*side_files(listed.files), *parts])
        own = (folder / chosen).parent
        return (own if (own / "config.json").is_file() else folder), tuple(folder / part for part in parts)

    return _from_hub(id, download, option, needed)


def side_files_from_hub(id: HubId, download: bool, option: str) -> Path:
    """The folder with configuration and tokenizer of a repository. Raises: as `weights_from_hub`."""

    def needed(listed: Snapshot, get: Callable[[Sequence[str]], Path]) -> Path:
        some = side_files(listed.files)
        if not some:
            raise DataError(f"the repository {id} has no tokenizer; choose one that has")
        return get(some)

    return _from_hub(id, download, option, needed)


def index_parts(index: Path, files: Sequence[str], place: str) -> list[str]:
    """The files of weights in several parts, as their index names them, relative to the place of ``files``."""
    listed = read_json_as(index, _Index, "index of weights", 64 * MIB, "fetch it again").weight_map
    names = sorted({Path(part).name for part in listed.values()})
    if not names:
        raise DataError(f"{index} names no files; fetch it again")
    beside = [f for f in files if f.endswith(f"/{index.name}")]
    folder = beside[0].rpartition("/")[0] + "/" if beside and index.name not in files else ""
    parts = [folder + name for name in names]
    for part in parts:
        if part not in files:
            raise DataError(f"{place} lacks {part}, which {index.name} names; fetch it again")
    return parts


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


def _from_hub(id: HubId, download: bool, option: str, needed: Callable[..., T]) -> T:
    if id.file is None and id.repository.endswith(SUFFIXES):
        raise UsageError(f"{option} {id} is no file here, and no id of a repository; check the path")
    if download and not offline_wanted():
        try:
            listed = _listed(id, option)
            return needed(listed, lambda names: _fetch(id, names, listed.sizes, option))
        except _OutOfReach as error:
            try:
                return _from_cache(id, needed)
            except LookupError:
                raise error.told from error.told.__cause__
    try:
        return _from_cache(id, needed)
    except LookupError as error:
        raise UsageError(f"{option} {id} are not on this machine; {how_to_get(download)}") from error


class _OutOfReach(Exception):
    """The hub cannot be asked; ``told`` is what the user reads unless the cache has what is needed."""

    def __init__(self, told: DataError) -> None:
        super().__init__(str(told))
        self.told = told


def _listed(id: HubId, option: str) -> Snapshot:
    """What the hub says is there, in one request. Raises: DataError where it refuses; _OutOfReach."""
    from huggingface_hub import HfApi, constants

    try:
        info = HfApi().model_info(id.repository, revision=id.revision, files_metadata=True, timeout=_SECONDS)
    except Exception as error:  # the client's own, and those of whichever HTTP library it uses
        raise _refused(id, option, error, constants.ENDPOINT) from error
    found = {file.rfilename: file.size for file in info.siblings or ()}
    return Snapshot(tuple(sorted(found)), {name: size for name, size in found.items() if isinstance(size, int)})


def _refused(id: HubId, option: str, error: Exception, server: str) -> Exception:
    """What to say where the list of a repository cannot be had."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RevisionNotFoundError

    status, what = status_of(error), f"{option} {id}"
    page = f"{server}/{id.repository}"
    if isinstance(error, HFValidationError):
        return UsageError(f"{what} is no id of a repository ({reason(error)}); write owner/name[@revision][:file]")
    if isinstance(error, RevisionNotFoundError):
        return DataError(
            f"{what} cannot be downloaded: {page} has no revision {id.revision!r}; name a branch, tag or commit that "
            "it has, or leave it out"
        )
    if isinstance(error, GatedRepoError) or status == 403:
        return DataError(
            f"{what} cannot be downloaded: {page} is gated; accept its terms there and log in with `hf auth login`, or "
            "set HF_TOKEN"
        )
    if status in (401, 404):
        return DataError(
            f"{what} cannot be downloaded: {server} has no repository {id.repository} that it shows here (status "
            f"{status}); check the name, or log in with `hf auth login` if it is private"
        )
    told = failed_download(what, server, error, Path(constants.HF_HUB_CACHE))
    if status is not None and status < 429:
        return told
    told.__cause__ = error
    return _OutOfReach(told)


def _fetch(id: HubId, names: Sequence[str], sizes: Mapping[str, int], option: str) -> Path:
    """Files of a repository into the cache; gives their folder there."""
    from huggingface_hub import constants, hf_hub_download

    folder = cache = Path(constants.HF_HUB_CACHE)
    here = cached_folder(id)
    absent = [name for name in names if here is None or not (here / name).is_file()]
    check_space(f"{option} {id}", sum(sizes.get(name, 0) for name in absent), cache)
    for name in names:
        try:
            path = Path(hf_hub_download(id.repository, name, revision=id.revision))
        except Exception as error:  # as in _listed
            raise failed_download(f"{option} {id}:{name}", constants.ENDPOINT, error, cache, begun=True) from error
        folder = Path(str(path)[: -len(name)])
    return folder


def _from_cache(id: HubId, needed: Callable[..., T]) -> T:
    """From what is in the cache. Raises: LookupError where nothing, or too little, is there."""
    folder = cached_folder(id)
    if folder is None:
        raise LookupError(str(id))
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    try:
        return needed(Snapshot(tuple(files), {}), lambda names: folder)
    except SeveralFiles:
        raise
    except DataError as error:
        raise LookupError(str(error)) from error


def cached_folder(id: HubId) -> Path | None:
    """Where the hub's client keeps the files of a revision; None: it has none of them."""
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE) / f"models--{id.repository.replace('/', '--')}"
    revision = id.revision or "main"
    ref = place / "refs" / revision
    commit = ref.read_text().strip() if ref.is_file() else revision
    folder = place / "snapshots" / commit
    return folder if "/" not in commit and folder.is_dir() else None
