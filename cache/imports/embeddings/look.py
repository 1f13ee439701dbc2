"""What lies in a folder or a file, as far as embeddings may be in it: patterns of files, arrays, shapes."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ....core.errors import AvreplayError, DataError, UsageError
from ...reading.files import named
from .files import Arrays, ReadTensors, open_arrays
from .parquet import parquet_library
from .plan import ARRAY_SUFFIXES

MOST_FILES = 1_000_000
_DEPTH = 4
_TRIES = 8
_MOST_NAMES = 1_000
SPAN = re.compile(r"(.+)_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)", re.DOTALL)
_THINGS = re.compile("audio|visual|video|^ids?$|labels?|text|feat|embed|segments|lengths|order|^all$", re.IGNORECASE)
_MARK = re.compile(r"(.+)_([A-Za-z][A-Za-z0-9.-]{0,20})", re.DOTALL)


@dataclass
class Group:
    """Files of one pattern, or one file.

    pattern : relative to SOURCE, with ``{id}`` where there is one a video; None: SOURCE itself
    ids : of the videos, sorted
    files : how many files there are
    arrays : (key, shape, dtype) of what the first file holds
    shapes : of one more file or video each, to see which axis varies
    others : a few more files of the pattern
    problem : why none of them can be read; empty: one is
    """

    pattern: str | None
    path: Path
    ids: list[str] = field(default_factory=list)
    files: int = 1
    arrays: list[tuple[str, tuple[int, ...], str]] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    problem: str = ""


def look(source: Path, read_tensors: ReadTensors | None) -> list[Group]:
    """The groups of files of a folder, or the one file, each with what its first file holds.

    Raises: DataError where nothing is there that embeddings come in.
    """
    if not source.exists():
        raise DataError(f"there is no file or folder {source}; check the path")
    groups = list(_groups(source)) if source.is_dir() else [Group(None, source)]
    if not source.is_dir() and source.suffix.lower() not in ARRAY_SUFFIXES:
        groups = []
    if not groups:
        raise DataError(f"{named(source)} holds none of {', '.join(ARRAY_SUFFIXES)}; give the folder of the embeddings")
    for group in groups:
        try:
            _look_into(group, read_tensors)
        except AvreplayError as error:
            group.problem = str(error)
    return groups


def _groups(source: Path) -> Iterator[Group]:
    """The files of each folder and suffix: single ones, or many that differ in an id."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    count = 0
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        depth = len(Path(folder).relative_to(source).parts)
        if depth >= _DEPTH:
            folders.clear()
        for name in files:
            suffix = Path(name).suffix
            if suffix.lower() in ARRAY_SUFFIXES and not name.startswith("."):
                kinds[os.path.relpath(folder, source).replace(os.sep, "/"), suffix].append(name[: -len(suffix)])
                count += 1
        if count > MOST_FILES:
            break
    for (folder, suffix), stems in sorted(kinds.items()):
        prefix = "" if folder == "." else f"{folder}/"
        yield from _of_stems(source, prefix, suffix, sorted(stems))


def _of_stems(source: Path, prefix: str, suffix: str, stems: list[str]) -> Iterator[Group]:
    if suffix.lower() in (".parquet", ".pq") or _single(stems):
        for stem in stems:
            yield Group(f"{prefix}{stem}{suffix}", source / f"{prefix}{stem}{suffix}")
        return
    spans = [m for m in map(SPAN.fullmatch, stems) if m]
    by_id: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for m in spans:
        by_id[m[1]].append((float(m[2]), m[0]))
    if len(spans) == len(stems) > 2 and len(by_id) * 2 <= len(stems):
        firsts = [source / f"{prefix}{min(of_video)[1]}{suffix}" for _, of_video in sorted(by_id.items())]
        pattern = f"{prefix}{{id}}_{{start}}_{{end}}{suffix}"
        yield Group(pattern, firsts[0], sorted(by_id), len(stems), others=_sample(firsts))
        return
    marks: dict[str, list[str]] = defaultdict(list)
    for mark in filter(None, map(_MARK.fullmatch, stems)):
        marks[mark[2]].append(mark[1])
    marked = {name: ids for name, ids in marks.items() if len(ids) > 1 or len(marks) > 1}
    shared = set.intersection(*map(set, marked.values())) if marked else set()
    if shared and sum(map(len, marked.values())) == len(stems):
        for name, ids in sorted(marked.items()):
            one = source / f"{prefix}{ids[len(ids) // 2]}_{name}{suffix}"
            others = _sample([source / f"{prefix}{id}_{name}{suffix}" for id in ids])
            yield Group(f"{prefix}{{id}}_{name}{suffix}", one, ids, len(ids), others=others)
        return
    one = source / f"{prefix}{stems[len(stems) // 2]}{suffix}"
    others = _sample([source / f"{prefix}{stem}{suffix}" for stem in stems])
    yield Group(f"{prefix}{{id}}{suffix}", one, stems, len(stems), others=others)


def _sample(paths: Sequence[Path]) -> list[Path]:
    """A few files, the last first."""
    return list(paths[::-1][:: max(1, len(paths) // _TRIES)][:_TRIES])


def _single(stems: Sequence[str]) -> bool:
    """Whether some files are arrays of different things rather than of different videos."""
    return len(stems) == 1 or (len(stems) <= 12 and all(_THINGS.search(stem) for stem in stems))


def _look_into(group: Group, read_tensors: ReadTensors | None) -> None:
    if group.path.suffix.lower() in (".parquet", ".pq"):
        _look_into_table(group)
        return
    for path in dict.fromkeys([group.path, *group.others]):
        try:
            _look_into_file(group, path, read_tensors)
            group.path, group.problem = path, ""
            break
        except UsageError:
            raise
        except AvreplayError as error:
            group.problem = group.problem or str(error)
    if group.problem or group.pattern is None or "{start}" in group.pattern:
        return
    for path in (other for other in group.others if other != group.path):
        with suppress(DataError), open_arrays(path, read_tensors) as arrays:
            group.shapes = [_described(arrays, name)[1] for name in arrays.names()[:_MOST_NAMES]]
            return


def _look_into_file(group: Group, path: Path, read_tensors: ReadTensors | None) -> None:
    with open_arrays(path, read_tensors) as arrays:
        names = arrays.names()
        group.arrays = [_described(arrays, name) for name in names[:_MOST_NAMES]]
        if group.pattern is None or "{id}" not in group.pattern:
            group.ids = _ids_of(arrays, names)


def _described(arrays: Arrays, name: str) -> tuple[str, tuple[int, ...], str]:
    shape = arrays.shape(name)
    count = 1
    for n in shape:
        count *= n
    size = arrays.nbytes(name)
    kind = arrays.read(name).dtype if size == 0 or size < 1 << 20 else f"{8 * size // max(count, 1)} bits"
    return name, shape, str(kind)


def _ids_of(arrays: Arrays, names: Sequence[str]) -> list[str]:
    """Ids in a file of all videos: the names of arrays in one group, as ``audio/x``, ``audio/y``, or of the groups, as
    ``x/audio``, ``y/audio``; none where the arrays are of all videos, as ``features/audio``, ``features/visual``."""
    heads: dict[str, list[str]] = defaultdict(list)
    for name in names:
        head, slash, tail = name.rpartition("/")
        heads[head + slash].append(tail)
    several = {head: tails for head, tails in heads.items() if len(tails) > 3 or (head and len(tails) > 1)}
    videos = next((tails for tails in several.values() if not _of_things(tails)), None)
    if videos is not None:
        return sorted(videos)
    groups = [head[:-1].split("/") for head, tails in heads.items() if head and _of_things(tails)]
    for at in (-1, 0):
        parents = sorted({group[at] for group in groups})
        if len(parents) > 1 and not _of_things(parents):
            return parents
    return []


def _of_things(names: Sequence[str]) -> bool:
    """Whether arrays of a file are of different things: their names say so, and differ in more than numbers."""
    return len(names) == 1 or (_single(names) and len({re.sub(r"\d+", "", name) for name in names}) > 1)


def _look_into_table(group: Group) -> None:
    library = parquet_library()
    try:
        file = library.ParquetFile(group.path)
    except Exception as error:
        raise DataError(f"{group.path} is not a readable Parquet file ({str(error)[:100]}); write it again") from None
    rows = file.metadata.num_rows
    group.arrays = [(column.name, (rows,), str(column.type)) for column in file.schema_arrow]
    file.close()
