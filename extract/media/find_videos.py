"""Finding the media files to extract, and the id each one gets."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ...cache.reading.files import ROOT_FILE
from ...core.errors import UsageError
from ...core.media_names import SOUND_SUFFIXES, VIDEO_SUFFIXES, without_times
from ...core.names import escaped, escaped_character, fits

Source: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True)
class VideoFile:
    """A video to extract.

    Attributes
    ----------
    id : the file name without suffix; see `id_of` for names that are no plain text
    path : None if its id was requested and there is no such file
    problem : why the file is not even opened; empty: it is
    """

    id: str
    path: Path | None
    problem: str = ""


def find_videos(source: Source | Sequence[Source], ids: Iterable[str] | None = None) -> list[VideoFile]:
    """The media files of a folder (not of its subfolders), or the given files, sorted by id.

    A sound file beside a video of the same name is that video's sound and not taken; `left_out` counts it, like all
    that has another suffix. Hidden files and AppleDouble companions (``._name.mp4``) do not count. With ``ids``,
    exactly those videos are returned; an id ``<name>_<start>_<end>``, as the LLP lists have it, also finds a file
    ``<name>``.

    Raises
    ------
    UsageError
        no such file or folder, one that cannot be looked into, no media file in the folder, or two files with the same
        id
    """
    files: dict[str, Path] = {}
    for path in (file for entry in _sources(source) for file in _files_of(entry)[0]):
        id = id_of(path)
        if id in files:
            raise UsageError(f"{files[id]} and {path} would both be video {id!r}; rename or move one of them")
        files[id] = path
    if ids is None:
        if not files:
            raise UsageError("no video files were given")
        return [_video(id, files[id]) for id in sorted(files)]
    return [_video(id, files.get(id, files.get(without_times(id)))) for id in sorted(set(ids))]


def left_out(source: Source | Sequence[Source]) -> dict[str, int]:
    """What the given folders hold beside the media files that are taken: how many, by suffix; ``folder`` for folders,
    ``sound of a video`` for sound files beside a video of the same name. Raises: as `find_videos`."""
    found: Counter[str] = Counter()
    sources = _sources(source)
    for entry in sources:
        found.update(_files_of(entry)[1])
    taken = set(sources)
    found["folder"] -= sum(entry.parent in taken and entry.is_dir() for entry in taken)
    return dict(sorted((+found).items()))


def with_subfolders(source: Source | Sequence[Source]) -> list[Path]:
    """The given files and folders, and every folder below these that has media files, sorted.

    Hidden folders, links to folders and stores (of Zarr) are not looked into.

    Raises: UsageError as `find_videos`, and where no folder has media files.
    """
    found: list[Path] = []
    for entry in _sources(source):
        if not entry.is_dir():
            found.append(entry)
            continue
        below = [Path(folder) for folder, _, names in _walked(entry) if any(map(_is_media, names))]
        if not below:
            raise UsageError(f"neither the folder {entry} nor those below it have video files or sound files")
        found += below
    return found


def _walked(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(top):
        folders[:] = [] if ROOT_FILE in names else sorted(name for name in folders if not name.startswith("."))
        yield folder, folders, names


def _is_media(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in (*VIDEO_SUFFIXES, *SOUND_SUFFIXES)


def id_of(path: Path) -> str:
    """The id of a file: its name without suffix, any text at all, as `escaped` writes it."""
    return escaped(path.stem)


def _video(id: str, path: Path | None) -> VideoFile:
    problem = ""
    if path is not None and not fits(path.stem):
        problem = (
            f"the file name '{id}' is blank, has control characters or line ends, or bytes that are not UTF-8; "
            "rename the file"
        )
    return VideoFile(id, path, problem)


def _sources(source: Source | Sequence[Source]) -> list[Path]:
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if any(not os.fspath(entry) for entry in sources):
        raise UsageError("an empty path was given for the videos; give a file or a folder")
    return [Path(entry) for entry in sources]


def _files_of(entry: Path) -> tuple[list[Path], Counter[str]]:
    """The media files of a source, and what it holds besides, counted by suffix."""
    try:
        if entry.is_file():
            return [entry], Counter()
        if not entry.is_dir():
            if os.path.lexists(entry):
                raise UsageError(f"{entry} is neither a file nor a folder, or a link to nothing; give videos")
            raise UsageError(f"there is no file or folder {entry}")
        entries = sorted(path for path in entry.iterdir() if not path.name.startswith("."))
        folders = {path for path in entries if path.is_dir()}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{entry} cannot be looked into: {reason}; give another path, or make it readable") from error
    others: Counter[str] = Counter(folder=len(folders)) if folders else Counter()
    files = [path for path in entries if path not in folders]
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    shown = {path.stem for path in videos}
    for path in files:
        suffix = path.suffix.lower()
        if suffix in SOUND_SUFFIXES and path.stem not in shown:
            videos.append(path)
        elif suffix in SOUND_SUFFIXES:
            others["sound of a video"] += 1
        elif suffix not in VIDEO_SUFFIXES:
            others["".join(map(escaped_character, suffix)) or "no suffix"] += 1
    if not videos:
        what = left_out_text(others)
        raise UsageError(
            f"the folder {entry} has no video files and no sound files"
            + (f", only {what}" if what else "")
            + ("; --recursive looks into folders" if folders else "")
        )
    return videos, others


def left_out_text(counts: dict[str, int]) -> str:
    """The counts of `left_out` in words: ``3 .txt, 1 .jpg``; empty for none."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda kind: (-kind[1], kind[0])))
