"""Which stores a text stands for: one path or URL, a pattern of them, or a file that lists them.

A pattern has ``*``, ``?`` or ``[...]`` in it, as in a shell, and stands for what it matches, sorted by name. A list
is a TOML file whose name ends in ``.stores.toml``; what it names is relative to itself::

    stores = ["a.store", "runs/*.store", "s3://bucket/c.store"]
"""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from collections.abc import Sequence
from glob import escape, glob
from typing import Any

from ..core.errors import DataError, UsageError, shown
from .layout.location import Location
from .reading.files import named
from .reading.toml_file import MOST, parse_toml, read_toml
from .storage.address import Address, parse

LIST_SUFFIX = ".stores.toml"
"""How the name of a file ends that lists stores."""

_WILD = re.compile(r"[*?\[]")
_WHAT = "list of stores"


def store_urls(given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """The paths and URLs of the stores that something stands for, in its order; whether they are stores is not looked
    at but for patterns and lists.

    Raises
    ------
    UsageError
        nothing, what is no path, or the same store twice, however it is written
    DataError
        a pattern that matches nothing, a list that is missing or damaged
    """
    if not isinstance(given, (str, os.PathLike, Sequence)):
        raise UsageError(f"stores are named by paths and URLs, and {shown(given)} is none")
    several = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    found: list[str] = []
    for one in several:
        if not isinstance(one, (str, os.PathLike)):
            raise UsageError(f"stores are named by paths and URLs, and {shown(repr(one)[:40])} is none")
        found += _of_one(os.fspath(one))
    if not found:
        raise UsageError("no store was given; give the path or URL of one at least")
    _refuse_repeated(found)
    return found


def one_place(url: str | os.PathLike[str]) -> Location:
    """The place of one store. Raises: UsageError where the text stands for several."""
    place = Location(url)
    if stands_for_several(url):
        raise UsageError(f"{place.url} stands for several stores, and this works on one; name that one")
    return place


def stands_for_several(url: str | os.PathLike[str]) -> bool:
    """Whether a text is a list of stores or a pattern, and not the place of a store."""
    text = os.fspath(url)
    return _is_list(text) or _is_pattern(text)


def _of_one(text: str, *, of_list: str = "") -> list[str]:
    if _is_list(text):
        if of_list:
            raise DataError(f"{of_list} names another {_WHAT}, {named(text)}; name the stores themselves")
        return [url for entry in _listed(text) for url in _of_one(entry, of_list=text)]
    if _is_pattern(text):
        return _matches(text)
    return [text]


def _is_list(text: str) -> bool:
    return text.endswith(LIST_SUFFIX) and not os.path.isdir(os.path.expanduser(text))


def _is_pattern(text: str) -> bool:
    """Whether a text has wild cards, and nothing lies at the place that it names as it is."""
    if not _WILD.search(text) or "\0" in text:
        return False
    address = parse(text)
    if address.is_local:
        return not os.path.lexists(address.path)
    return address.can_be_written and Location(text).attributes(any_version=True) is None


def _matches(pattern: str) -> list[str]:
    address = parse(pattern)
    found = _local_matches(pattern, address) if address.is_local else _remote_matches(pattern)
    if not found:
        raise DataError(f"no store matches {named(pattern)}; check the pattern")
    return found


def _local_matches(pattern: str, address: Address) -> list[str]:
    return sorted(glob(address.path if "://" in pattern else os.path.expanduser(pattern).rstrip("/")))


def _remote_matches(pattern: str) -> list[str]:
    """What a pattern matches on a server, folder by folder; only what lies there as a folder."""
    known, wild = [], pattern.rstrip("/").split("/")
    while wild and not _WILD.search(wild[0]):
        known.append(wild.pop(0))
    place, found = Location("/".join(known)), [""]
    for part in wild:
        inside = [(above, name) for above in found for name, is_folder in place.entries(above) if is_folder]
        found = [f"{above}/{name}".lstrip("/") for above, name in inside if fnmatch.fnmatchcase(name, part)]
    return sorted(f"{place.url}/{name}" for name in found)


def _listed(path: str) -> list[str]:
    """The entries of a list of stores, made relative to it."""
    address = parse(path)
    if address.is_local:
        found = read_toml(address.path if "://" in path else os.path.expanduser(path), _WHAT)
        folder = os.path.dirname(address.path if "://" in path else path)  # as it was written, for messages
    else:
        folder, _, name = address.url.rpartition("/")
        content = Location(folder).content(name, MOST)
        if content is None:
            raise DataError(f"there is no {_WHAT} {address.url}; check the path")
        found = parse_toml(content, address.url)
    return [_beside(folder, entry) for entry in _entries(found, path)]


def _entries(found: dict[str, Any], path: str) -> list[str]:
    other = next((key for key in found if key != "stores"), None)
    if other is not None:
        raise DataError(f'{path} has a key {shown(other)}; a {_WHAT} is one line: stores = ["a.store", "b.store"]')
    entries = found.get("stores")
    if not isinstance(entries, list) or not entries or not all(isinstance(e, str) and e.strip() for e in entries):
        raise DataError(f'{path} is no {_WHAT}: write paths or URLs, stores = ["a.store", "b.store"]')
    return entries


def _beside(folder: str, entry: str) -> str:
    if "://" in entry or os.path.isabs(entry) or entry.startswith("~"):
        return entry
    if "://" in folder:
        return f"{folder}/{entry}"
    wild = _WILD.search(entry) is not None  # a folder whose own name looks like a pattern is none
    return os.path.join(escape(folder) if wild else folder, entry)


def _refuse_repeated(urls: Sequence[str]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for url in urls:
        address = parse(url)
        if address.is_local:
            place = ("file", os.path.realpath(address.path))
        else:
            place = (address.protocol.removesuffix("a"), posixpath.normpath(address.path))
        if place in seen:
            same = f"{named(url)} is given twice" if seen[place] == url else (
                f"{named(seen[place])} and {named(url)} are the same store"
            )  # fmt: skip
            raise UsageError(f"{same}; name it once")
        seen[place] = url
