"""Reads one HDF5 file in a process of its own: a damaged file can make the library crash, hang, or ask for memory.

Run by :mod:`.hdf5_file` as a script, so that it imports nothing but h5py. A line of JSON on standard input asks for a
dataset; answers are lines of JSON on standard output, a block of an array's bytes behind the line with its length.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import h5py
import numpy as np

_BLOCK = 32 << 20
_SPARE_MEMORY = 512 << 20
_BYTES_PER_SECOND = 5_000_000
_NAMES = 1000
_LINKS = 16
_LIST = 100_000
"""Characters of names in one answer, about."""
_KINDS = {"O": "objects or texts of mixed kinds", "V": "a structure", "c": "complex numbers"}
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}


class Refused(Exception):
    """Why a dataset is not read."""


def main(path: str, size: int, free: int, ratio: int, seconds: int) -> None:
    """Answer until standard input ends.

    size : of the file in bytes
    free, ratio : an array may have ``free`` bytes, or ``ratio`` times what its file holds of it
    seconds : of the processor for an answer, beyond what the bytes of an array take
    """
    _limit(0, seconds)
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        _say({"unreadable": _first_line(error)})
        return
    _say({"open": True})
    for line in sys.stdin.buffer:
        try:
            asked = json.loads(line)
            if asked["name"] is None:
                _list(file)
                continue
            found = _find(file, asked["name"])
            if found is None:
                _say({"names": _names(file)})
                continue
            part = asked["rows"]
            declared = _refuse_large(found, size, free, ratio, part)
            if part == []:
                _say({"dtype": found.dtype.str, "shape": found.shape})
                continue
            _limit(declared, seconds)
            _send(found, declared, part)
        except Refused as error:
            _say({"refused": str(error)})
        except MemoryError:
            _say({"damaged": "it asks for more memory than it has values"})
        except Exception as error:
            _say({"damaged": _first_line(error)})


def _say(answer: dict[str, Any], block: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _limit(declared: int, spare: int) -> None:
    """Bound the memory of this process, and its time on the processor, to what an array of a size needs."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    spent = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(spent.ru_utime + spent.ru_stime) + spare + declared // _BYTES_PER_SECOND
    limits = [(resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)]
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as status:
            used = int(status.read().split()[0]) * resource.getpagesize()
        limits.append((resource.RLIMIT_AS, used + _SPARE_MEMORY + 2 * declared))
    for kind, wanted in limits:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _find(file: h5py.File, name: str) -> h5py.Dataset | None:
    """The dataset of a name, links followed within the file only."""
    parts, group, links = [p for p in name.split("/") if p], file, 0
    while parts:
        part = parts.pop(0)
        if not isinstance(group, h5py.Group) or part not in group:
            return None
        link = group.get(part, getlink=True)
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _LINKS:
                raise Refused("is a circle of links")
            group = file if link.path.startswith("/") else group
            parts = [*(p for p in link.path.split("/") if p), *parts]
        elif isinstance(link, h5py.HardLink):
            group = group[part]
        else:
            raise Refused("lies in another file, which is not opened; copy it into this one")
    return group if isinstance(group, h5py.Dataset) else None


def _names(file: h5py.File) -> list[str]:
    names: list[str] = []

    def visit(name: str, node: object) -> bool | None:
        if isinstance(node, h5py.Dataset):
            names.append(name)
        return True if len(names) >= _NAMES else None

    file.visititems(visit)
    return names


def _list(file: h5py.File) -> None:
    """Send the names of all datasets, in parts."""
    names: list[str] = []

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            names.append(name)
            if sum(map(len, names)) > _LIST:
                _say({"names": names})
                names.clear()

    file.visititems(visit)
    _say({"names": names})
    _say({"end": True})


def _refuse_large(found: h5py.Dataset, size: int, free: int, ratio: int, part: list[int] | None) -> int:
    """The bytes of a dataset, or of a part of its rows, in memory, where the file pays for the whole."""
    if found.external or found.is_virtual:
        raise Refused("takes its values from other files, which are not opened; copy them into this one")
    if found.shape is None:
        raise Refused("is empty; it has no shape")
    made = found.id.get_create_plist()
    filters = [made.get_filter(k)[0] for k in range(made.get_nfilters())]
    for number in filters:
        if number not in _FILTERS or filters.count(number) > 1:
            raise Refused(f"is packed by filter {number}, which is not read; pack it with gzip or not at all")
    stored = min(found.id.get_storage_size(), size)
    declared = _product(found.shape) * max(found.dtype.itemsize, 1)
    chunk = _product(found.chunks or ()) * max(found.dtype.itemsize, 1)
    for bytes_of in (declared, chunk):
        if bytes_of > max(free, ratio * stored):
            raise Refused(
                f"declares {bytes_of:,} bytes (shape {found.shape}) and {stored:,} are there; write the file again"
            )
    if found.chunks:
        count = _product(tuple(-(-n // c) for n, c in zip(found.shape, found.chunks, strict=True)))
        if count > 10_000 + size // 8:
            raise Refused(f"declares {count:,} parts, more than its file can hold; write the file again")
    if part:
        rows = part[1] - part[0]
        if found.chunks:  # those that are unpacked at both ends
            rows += 2 * found.chunks[0]
        declared = declared // max(found.shape[0], 1) * min(rows, found.shape[0])
    return int(max(declared, chunk))


def _product(numbers: tuple[int, ...]) -> int:
    total = 1
    for n in numbers:
        total *= n
    return total


def _send(found: h5py.Dataset, declared: int, part: list[int] | None) -> None:
    """Send a dataset, or a part of its rows, in blocks of whole rows and chunks."""
    shape, kind = found.shape, found.dtype.kind
    first, last = part or (0, shape[0] if shape else 1)
    if part and (not shape or not 0 <= first <= last <= shape[0]):
        raise Refused(f"has no rows {first} to {last}; its shape is {shape}")
    shape = (last - first, *shape[1:]) if part else shape
    if h5py.check_string_dtype(found.dtype) is not None:
        text = found.asstr("utf-8")  # also where it is declared as ASCII, as h5py does of byte strings
        text = np.array(text[first:last] if part else text[...], str).reshape(shape)
        _say({"dtype": text.dtype.str, "shape": shape})
        _say({"bytes": text.nbytes}, text.tobytes())
    elif kind in "biufS":
        _say({"dtype": found.dtype.str, "shape": shape})
        step = max(1, _BLOCK * (last - first) // max(declared, 1))
        if found.chunks:
            step = -(-step // found.chunks[0]) * found.chunks[0]
        for row in range(first, last, step):
            block = np.ascontiguousarray(found[row : min(row + step, last)] if shape else found[...])
            _say({"bytes": block.nbytes}, block.tobytes())
    else:
        raise Refused(f"holds {_KINDS.get(kind, 'values of another kind')}; save plain numbers or text")
    _say({"end": True})


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
