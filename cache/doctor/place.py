"""The place of a store: whether it can be written, how fast, and how much room it has."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator

from ...core.errors import AvreplayError, UsageError
from ...core.health import NOTE, OK, PROBLEM, Check, size_text
from ..places import output_folder
from ..storage.address import Address, parse
from ..storage.remote_errors import remote_errors

LOCAL_BYTES = 64 << 20
"""Bytes that are written to a folder to measure its speed."""

REMOTE_BYTES = 8 << 20
"""The same of a server."""

LITTLE_ROOM = 1 << 30
SLOW = 20e6
"""Bytes a second below which writing a store is slow."""

_ONLY_READ = "a store there can be replayed, and none can be made"


def checked_place(store: str) -> Address | None:
    """The address of a store; None where a package is missing that its protocol needs.

    Raises: UsageError for a place on which no store can lie.
    """
    try:
        return parse(store)
    except UsageError as error:
        if isinstance(error.__cause__, ImportError):
            return None
        raise


def place_checks(store: str | None) -> Iterator[Check]:
    """Write a file of a stated size to the place of a store, timed, and remove it; of None only the room here."""
    if store is None:
        yield _room(os.getcwd(), "the current folder")
        yield Check("write speed", NOTE, "is not measured", "give the place of a store: avreplay doctor --store PLACE")
        return
    try:
        address = parse(store)
        yield from _folder(address) if address.is_local else _server(address)
    except AvreplayError as error:
        yield Check(store, PROBLEM, str(error))


def _folder(address: Address) -> Iterator[Check]:
    folder = address.path
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    there = "" if folder == address.path else f", of which {folder} is there"
    try:
        output_folder(address.path, "the place of a store", of_store=True)
    except AvreplayError as error:
        readable = os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK)
        if readable:
            yield Check(address.url, NOTE, f"{error}; {_ONLY_READ}")
        else:
            yield Check(address.url, PROBLEM, str(error))
        return
    yield _room(folder, f"{address.url}{there}")
    size = min(LOCAL_BYTES, shutil.disk_usage(folder).free // 4)
    piece = os.urandom(1 << 20)
    try:
        # a file without a name, where the system has those: nothing is left of it, whatever happens
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            began = time.perf_counter()
            for _ in range(max(1, size >> 20)):
                file.write(piece)
            os.fsync(file.fileno())
            seconds = time.perf_counter() - began
    except OSError as error:
        yield Check(
            "write speed", PROBLEM, f"{folder} cannot be written: {error.strerror or error}", "choose another place"
        )
        return
    yield _speed(max(1, size >> 20) << 20, seconds)


def _server(address: Address) -> Iterator[Check]:
    if not address.can_be_written:
        yield Check(address.url, NOTE, f"{address.protocol} only reads; {_ONLY_READ}")
        return
    from ..storage.remote_files import RemoteFiles

    files = RemoteFiles(address)
    path = files.full(f"avreplay-doctor-{secrets.token_hex(8)}")
    content = os.urandom(REMOTE_BYTES)
    with remote_errors(address.url):
        began = time.perf_counter()
        files.objects.put(path, content)
        written = time.perf_counter() - began
        try:
            began = time.perf_counter()
            whole = files.objects.get(path).content == content
            read = time.perf_counter() - began
        finally:
            files.objects.delete([path])
    if not whole:
        yield Check(address.url, PROBLEM, "a file that was written there is read otherwise", "choose another place")
        return
    excluded = "" if address.is_conditional else ", where two writers are not kept from each other"
    yield Check(address.url, OK, f"can be written and read{excluded}")
    yield _speed(REMOTE_BYTES, written)
    yield Check("read speed", OK, f"{size_text(REMOTE_BYTES / max(read, 1e-9))}/s ({size_text(REMOTE_BYTES)})")


def _room(folder: str, name: str) -> Check:
    free = shutil.disk_usage(folder).free
    if free < LITTLE_ROOM:
        return Check(name, NOTE, f"{size_text(free)} free", "make room, or choose another place")
    return Check(name, OK, f"{size_text(free)} free")


def _speed(size: int, seconds: float) -> Check:
    rate = size / max(seconds, 1e-9)
    found = f"{size_text(rate)}/s ({size_text(size)} in {seconds:.2f} s, removed again)"
    if rate < SLOW:
        return Check("write speed", NOTE, found, "extract to a faster place, and copy the store")
    return Check("write speed", OK, found)
