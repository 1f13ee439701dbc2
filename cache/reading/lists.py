"""Lists in text files, one name a line: labels, video ids, lines of annotations. Every reader of such a file has its
lines from here, so that all skip and keep the same."""

from __future__ import annotations

import os

from .files import lines_of, read_text


def listed_lines(path: str | os.PathLike[str], what: str, most: int) -> list[tuple[int, str]]:
    """The lines of a UTF-8 text file with their numbers from 1, without spaces and tabs around them.

    Blank lines, of white space of any kind, are skipped; a byte order mark is no part of the first line. Lines end as
    on Unix, Windows or old Macs.

    Raises: DataError as :func:`.files.read_text`.
    """
    numbered = enumerate(lines_of(read_text(path, what, most)), 1)
    return [(number, line.strip(" \t")) for number, line in numbered if line.strip()]
