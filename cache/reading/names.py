"""Names from outside, ids of videos and labels, by the rule of :mod:`avreplay.core.names`: as a schema's type and for
single cells."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from ...core.errors import DataError
from ...core.names import NAME_PATTERN, NAME_WORDS

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
"""The type of an id or a label in a schema."""

_NAME = re.compile(NAME_PATTERN)


def checked_name(text: str, where: str, what: str = "name") -> str:
    """A name that obeys the rule; ``what`` is it in messages, say ``label``. Raises: DataError."""
    if _NAME.match(text) is None:
        shown = f"{text[:40]!r}" if len(text) <= 40 else f"{text[:40]!r}..."
        raise DataError(f"{where}: the {what} {shown} is not {NAME_WORDS}; change it")
    return text
