"""The media files of videos, for formats that players open: found in a folder, or named by a pattern of URLs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import quote

from ...core.errors import DataError, UsageError
from ...core.media_names import SOUND_SUFFIXES, VIDEO_SUFFIXES, without_times


def find_media(media: str, ids: Sequence[str]) -> dict[str, str]:
    """Absolute path or URL by id, of the videos that have one.

    ``media`` is a URL with ``{id}`` in it, or a folder: there, and in its folders, a file belongs to the id that is
    its name, or its path in the folder, without suffix; a clip ``<name>_<start>_<end>`` also has the file ``<name>``.
    A video goes before a file of sound.

    Raises: UsageError for a URL without ``{id}``; DataError where there is no such folder, or it cannot be read.
    """
    if "://" in media:
        if "{id}" not in media:
            raise UsageError(f"{media} does not say where the id of a video stands; give it as {{id}}")
        return {one: media.replace("{id}", quote(one, safe="")) for one in ids}
    folder = os.path.abspath(media) if media else ""
    if not os.path.isdir(folder):
        raise DataError(f"there is no folder of videos {media!r}; check the path")
    found = _files(folder)
    paths = ((one, found.get(one) or found.get(without_times(one))) for one in ids)
    return {one: path for one, path in paths if path is not None}


def _files(folder: str) -> dict[str, str]:
    """Media files by name and by path without suffix."""

    def refuse(error: OSError) -> None:
        raise DataError(f"the folder {error.filename} cannot be read: {error.strerror}")

    by_rank: list[tuple[bool, int, str, str]] = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        for file in files:
            suffix = os.path.splitext(file)[1].lower()
            if not file.startswith(".") and suffix in VIDEO_SUFFIXES | SOUND_SUFFIXES:
                path = os.path.join(place, file)
                inside = os.path.relpath(path, folder)
                by_rank.append((suffix in SOUND_SUFFIXES, inside.count(os.sep), inside, path))
    found: dict[str, str] = {}
    for _, _, inside, path in sorted(by_rank):
        for name in (os.path.splitext(inside)[0], os.path.splitext(os.path.basename(inside))[0]):
            found.setdefault(name, path)
    return found
