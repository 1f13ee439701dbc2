"""What counts as a media file by its name, and the ids of clips."""

from __future__ import annotations

import re

VIDEO_SUFFIXES = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
))  # fmt: skip
"""Suffixes, in either case, of what counts as a video in a folder."""

SOUND_SUFFIXES = frozenset((
    ".aac", ".aif", ".aiff", ".flac", ".m4a", ".m4b", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".spx", ".wav", ".weba",
    ".wma",
))  # fmt: skip
"""The same of sound alone, which is heard like the sound of a video."""


def without_times(id: str) -> str:
    """The id ``<name>`` of a clip ``<name>_<start>_<end>``, as the LLP lists have it; any other id as it is."""
    return re.sub(r"_\d+_\d+$", "", id)
