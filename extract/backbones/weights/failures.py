"""Failing downloads in one sentence, whichever library was asked: urllib, requests, httpx, huggingface_hub.

Their exceptions share no base class, and which of them the hub's client raises differs by its version; what they
carry, a status or an error number, is read instead of their types.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from ....core.causes import causes
from ....core.errors import DataError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def status_of(error: BaseException) -> int | None:
    """The status with which a server refused, if one did."""
    for one in causes(error):
        status = getattr(getattr(one, "response", None), "status_code", None) or getattr(one, "code", None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def reason(error: BaseException) -> str:
    """An exception in a message: the first line of its text, else its type."""
    return f"{str(error).strip() or type(error).__name__}".splitlines()[0][:300]


def failed_download(what: str, server: str, error: BaseException, folder: Path, *, begun: bool = False) -> DataError:
    """What a failing download says.

    Parameters
    ----------
    what : is fetched, as in "the weights owner/name"
    server : is asked
    folder : where it is kept
    begun : whether the server had answered before, so that the way there is known to work
    """
    numbers = {one.errno for one in causes(error) if isinstance(one, OSError)}
    status = status_of(error)
    if numbers & set(_FULL):
        return DataError(f"{what} cannot be downloaded: no space is left in {folder}; free some, or {_ELSEWHERE}")
    if numbers & set(_FORBIDDEN):
        return DataError(f"{what} cannot be downloaded: {folder} cannot be written; change its rights, or {_ELSEWHERE}")
    if status == 429:
        return DataError(
            f"{what} cannot be downloaded: {server} takes no more requests for now (status 429); run the same command "
            "later, or log in with `hf auth login`"
        )
    if status is not None and status >= 500:
        return DataError(
            f"{what} cannot be downloaded: {server} fails (status {status}); run the same command later, or name a "
            "mirror with HF_ENDPOINT"
        )
    if status is not None:
        return DataError(f"{what} cannot be downloaded: {server} refuses it (status {status}); check the name")
    if begun:
        return DataError(
            f"{what} cannot be downloaded whole: the connection to {server} broke ({cause(error)}); run the same "
            "command again, what has arrived is kept"
        )
    return DataError(
        f"{what} cannot be downloaded: {server} cannot be reached ({cause(error)}); check the network and HTTPS_PROXY, "
        "name a mirror with HF_ENDPOINT, or fetch the files on another machine and give their folder"
    )


def cause(error: BaseException) -> str:
    """The innermost reason of a failing connection, which says most."""
    return reason(list(causes(error))[-1])


_ELSEWHERE = "keep it elsewhere with HF_HOME"


def check_space(what: str, size: int, folder: Path) -> None:
    """Raises: DataError where ``size`` bytes do not fit into what is free at the folder, which may not exist yet."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise DataError(
            f"{what} would take {_shown(size)} and {folder} has {_shown(free)} left; free some, or {_ELSEWHERE}"
        )


def _shown(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e7 else f"{size / 1e6:.2f} MB"


OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables that forbid the network."""


def offline_wanted() -> str:
    """The variable that forbids the network, as the hub's client knows it; empty: none does."""
    return next((name for name in OFFLINE if switched_on(name)), "")


def switched_on(name: str) -> bool:
    """Whether a variable of the environment is one of the hub's client's words for yes."""
    return os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}


def how_to_get(download: bool) -> str:
    """What to do where weights are not on this machine."""
    if not download:
        return "allow the download with download=true, or give a local file or folder"
    if offline_wanted():
        return (
            f"{offline_wanted()} is set and forbids the download that download=true allows: unset it, or give a local "
            "file or folder"
        )
    return "give a local file or folder"
