"""Names from outside: ids of videos and labels. One rule, for declared schemas and for single cells."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from ...core.errors import DataError

MAX_NAME: Final = 1000
"""Characters of a name."""

NAME_WORDS: Final = f"a name of 1 to {MAX_NAME} characters, not blank, without control characters and line ends"

# control characters (Cc), line and paragraph separators, halves of surrogate pairs
_BARRED = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
NAME_PATTERN: Final = rf"\A(?=[^{_BARRED}]{{1,{MAX_NAME}}}\Z)\s*\S"

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
"""The type of an id or a label in a schema."""

_NAME = re.compile(NAME_PATTERN)


def checked_name(text: str, where: str, what: str = "name") -> str:
    """A name that obeys the rule; ``what`` is it in messages, say ``label``. Raises: DataError."""
    if _NAME.match(text) is None:
        shown = f"{text[:40]!r}" if len(text) <= 40 else f"{text[:40]!r}..."
        raise DataError(f"{where}: the {what} {shown} is not {NAME_WORDS}; change it")
    return text
