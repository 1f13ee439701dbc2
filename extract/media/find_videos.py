"""Finding the video files to extract, and the id each one gets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ...core.errors import DataError, UsageError

EXTENSIONS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v")
"""What counts as a video in a folder, in either case."""

Source: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True)
class VideoFile:
    """A video to extract; ``path`` is None if its id was requested and there is no such file."""

    id: str
    path: Path | None


def find_videos(source: Source | Sequence[Source], ids: Iterable[str] | None = None) -> list[VideoFile]:
    """The videos of a folder (not of its subfolders), or the given files, sorted by id, the file name without suffix.

    Hidden files and AppleDouble companions (``._name.mp4``) are left out. With ``ids``, exactly those videos are
    returned; an id ``<name>_<start>_<end>``, as the LLP lists have it, also finds a file ``<name>``.

    Raises
    ------
    UsageError
        no such file or folder, no video in the folder, or two files with the same id
    DataError
        a file name that is not valid text
    """
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    files: dict[str, Path] = {}
    for path in (file for entry in sources for file in _files_of(Path(entry))):
        if not path.stem.isprintable():
            raise DataError(f"the file name {path.name!r} is not printable text; rename the file")
        if path.stem in files:
            raise UsageError(
                f"{files[path.stem]} and {path} would both be video {path.stem!r}; rename or move one of them"
            )
        files[path.stem] = path
    if ids is None:
        if not files:
            raise UsageError("no video files were given")
        return [VideoFile(id, files[id]) for id in sorted(files)]
    return [VideoFile(id, files.get(id, files.get(_plain(id)))) for id in sorted(set(ids))]


def _files_of(entry: Path) -> list[Path]:
    if entry.is_file():
        return [entry]
    if not entry.is_dir():
        raise UsageError(f"there is no file or folder {entry}")
    found = [
        path
        for path in sorted(entry.iterdir())
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and not path.is_dir()
    ]
    if not found:
        raise UsageError(f"the folder {entry} has no video files ({' '.join(EXTENSIONS)})")
    return found


def _plain(id: str) -> str:
    return re.sub(r"_\d+_\d+$", "", id)
