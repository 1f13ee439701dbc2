"""Files of videos, found by a pattern such as ``rgb/{id}_rgb.npy`` or ``*/{id}_{start}_{end}.pt``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ....core.errors import DataError, shown
from ....core.names import escaped, fits
from ...reading.files import named, system_error
from ...reading.names import checked_name

_PARTS = re.compile(r"\{id\}|\{start\}|\{end\}|\{segment\}|\*")
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_REGEX = {
    "{id}": "(?P<id>.+)", "{start}": f"(?P<start>{_NUMBER})", "{end}": f"(?P<end>{_NUMBER})",
    "{segment}": r"(?P<segment>\d{1,9})", "*": ".*",
}  # fmt: skip


@dataclass(frozen=True)
class VideoFile:
    """A file of a video.

    begin : where it begins, in seconds (``{start}``), or its number (``{segment}``), or None
    end : where it ends, in seconds, where the pattern has ``{end}``
    slack : by how much begin and end may be rounded, by their decimals
    problem : why it is not read; empty: it is
    """

    path: Path
    begin: float | None
    size: int
    end: float | None = None
    slack: float = 0.0
    problem: str = ""


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """What a name must be to match a pattern, with the groups ``id``, ``start``, ``end`` and ``segment``."""
    at, parts = 0, []
    for found in _PARTS.finditer(pattern):
        parts += [re.escape(pattern[at : found.start()]), _REGEX[found.group()]]
        at = found.end()
    return re.compile("".join([*parts, re.escape(pattern[at:])]), re.DOTALL)


def video_files(folder: Path, pattern: str, others: Collection[str] = ()) -> dict[str, list[VideoFile]]:
    """The files that match a pattern, by id, sorted by where they begin; hidden files and folders do not match, nor do
    those at the paths of ``others``.

    A name that cannot be an id is written as :func:`escaped` does, and its file has a problem.

    Raises: DataError for a folder that is missing or cannot be read, two files of one video where the pattern has no
    part for that.
    """
    several = "{start}" in pattern or "{segment}" in pattern
    found: dict[str, list[VideoFile]] = {}
    for path, size, groups in _walk(folder, pattern.split("/"), {}):
        if others and path.relative_to(folder).as_posix() in others:
            continue
        id, file = escaped(groups["id"]), _file(path, size, groups)
        of_video = found.setdefault(id, [])
        same = next((other for other in of_video if not several or other.begin == file.begin), None)
        if same is not None:
            both = f"{named(str(same.path))} and {named(str(path))}"
            raise DataError(f"{both} are both of the video {id!r}; keep one, or make the path narrower")
        of_video.append(file)
    for of_video in found.values():
        of_video.sort(key=lambda file: file.begin or 0.0)
    return dict(sorted(found.items()))


def _file(path: Path, size: int, groups: dict[str, str]) -> VideoFile:
    begin, end = groups.get("start", groups.get("segment")), groups.get("end")
    decimals = max(len(text.partition(".")[2]) for text in (begin or "", end or ""))
    problem = "" if fits(groups["id"]) else (
        f"the file name '{escaped(path.name)}' has a blank id, control characters or line ends, or bytes that are not "
        "UTF-8; rename the file"
    )  # fmt: skip
    return VideoFile(
        path, None if begin is None else float(begin), size, None if end is None else float(end),
        10.0**-decimals if decimals else 0.0, problem,
    )  # fmt: skip


def _walk(folder: Path, parts: list[str], groups: dict[str, str]) -> Iterator[tuple[Path, int, dict[str, str]]]:
    """Files below a folder whose path matches the parts of a pattern; in no particular order."""
    part, rest = parts[0], parts[1:]
    if rest and not _PARTS.search(part):
        yield from _walk(folder / part, rest, groups)
        return
    regex = pattern_regex(part)
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        raise system_error(error, str(folder), "folder of embeddings") from None
    for entry in entries:
        if entry.name.startswith(".") and not part.startswith("."):
            continue
        match = regex.fullmatch(entry.name)
        if match is None:
            continue
        own = {**groups, **match.groupdict()}
        if rest:
            if entry.is_dir():
                yield from _walk(folder / entry.name, rest, own)
        elif not entry.is_dir():
            try:
                size = entry.stat().st_size
            except OSError:  # a link to nothing: that is said when it is read
                size = 0
            yield folder / entry.name, size, own


def matching_ids(pattern: str, names: list[str], where: str) -> dict[str, str]:
    """The names of arrays that match a key with ``{id}``, by id, as :func:`escaped` writes it.

    Raises: DataError for a name that is too long to be an id.
    """
    regex = pattern_regex(pattern)
    found = {}
    for name in names:
        match = regex.fullmatch(name)
        if match is not None:
            found[checked_name(escaped(match["id"]), f"{where}, {shown(name)}", "video id")] = name
    return dict(sorted(found.items()))
