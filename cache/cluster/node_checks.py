"""What every node must have before it is given work; what it lacks is one sentence that names the node."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ...core.errors import AvreplayError, DataError
from ..storage.place import LOCKS_FOLDER
from .nodes import Node, on_each


def check_versions(nodes: Sequence[Node]) -> None:
    """Raises: DataError naming the first node whose avreplay, Python or Ray is not that of this process."""
    here = _facts_reader()()
    for node, there in on_each(nodes, _facts_reader()):
        if isinstance(there, Exception):
            raise _no_answer(node, there)
        for what, own in here.items():
            if there[what] is None:
                raise DataError(f"{node.words} has no {what} that can be imported; install {what} {own} there")
            if there[what] != own:
                raise DataError(
                    f"{node.words} has {what} {there[what]}, and this process has {own}; install the same on all nodes"
                )


def _facts_reader() -> Callable[[], dict[str, str | None]]:
    """A function that needs nothing of this package on the node."""

    def facts() -> dict[str, str | None]:
        import importlib
        import sys

        found: dict[str, str | None] = {"Python": "{}.{}".format(*sys.version_info[:2])}
        for what, module in (("Ray", "ray"), ("avreplay", "avreplay")):
            try:
                found[what] = str(importlib.import_module(module).__version__)
            except Exception:
                found[what] = None
        return found

    return facts


def check_paths(nodes: Sequence[Node], paths: Sequence[tuple[str, int | None]]) -> None:
    """Look on each node for files and folders that this machine has.

    ``paths`` : absolute, each with the size in bytes that the file has here; None for a folder

    Raises: DataError naming the first node that lacks one of them, or has a file of another size in its place.
    """
    for node, found in on_each(nodes, _lacking_path, list(paths)):
        if isinstance(found, Exception):
            raise _no_answer(node, found)
        if found is not None:
            path, problem = found
            raise DataError(
                f"{node.words} {problem} {path}, which this machine has; give all nodes the same folder at the same "
                "path"
            )


def _lacking_path(paths: Sequence[tuple[str, int | None]]) -> tuple[str, str] | None:
    for path, size in paths:
        if size is None:
            if not os.path.isdir(path):
                return path, "does not see the folder"
        elif not os.path.isfile(path):
            return path, "does not see the file"
        elif os.path.getsize(path) != size:
            return path, "has another file at"
    return None


def check_store(nodes: Sequence[Node], url: str) -> None:
    """Find out whether each node sees the store that this process sees, by a file that is written into it for that.

    For a store that this process may not write, its own files are looked for.

    Raises: DataError naming the first node that does not see it; and as opening the store does here.
    """
    from ..layout.location import Location

    place = Location(url)
    # named as the lock of a part: one that is not locked has no meaning, also where this process ends before it goes
    mark = f"{LOCKS_FOLDER}/1-of-{10**9 + secrets.randbelow(10**9)}"
    full = os.path.join(place.path, *mark.split("/"))
    written = False
    try:
        if place.is_local:
            with suppress(OSError):  # it can only be read here
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "xb"):
                    written = True
        name = mark if written else "zarr.json"
        where = os.path.abspath(place.path) if place.is_local else url
        for node, found in on_each(nodes, _sees, where, name):
            if isinstance(found, AvreplayError):
                raise DataError(f"{node.words} cannot read {url}: {found}") from found
            if isinstance(found, Exception):
                raise _no_answer(node, found)
            if not found:
                raise DataError(
                    f"{node.words} does not see the store {url} that this machine sees; put it on a folder that all "
                    "nodes share at the same path, or on an object store"
                )
    finally:
        if written:
            with suppress(OSError):
                os.remove(full)
            with suppress(OSError):  # it holds the locks of others
                os.rmdir(os.path.dirname(full))


def _sees(url: str, name: str) -> bool:
    from ..layout.location import Location

    place = Location(url)
    if place.is_local:
        return os.path.exists(os.path.join(place.path, *name.split("/")))
    return place.content(name, 256 << 20) is not None


def use_paths(paths: Sequence[str]) -> None:
    """Let a worker import what the command imports, from the folders of its machine that this one has, too."""
    for path in paths:
        if path and path not in sys.path and os.path.isdir(path):
            sys.path.append(path)


def _no_answer(node: Node, error: Any) -> DataError:
    words = " ".join(str(error).split())[:300] or type(error).__name__
    return DataError(f"{node.words} cannot be given work: {words}; mend it, or take it out of the cluster")
