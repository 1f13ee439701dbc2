"""Names from outside, ids of videos and labels, by the rule in ``core/names.py``: as a schema's type and for
single cells."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from ...core.errors import DataError, shown
from ...core.names import NAME_PATTERN, NAME_WORDS

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
"""The type of an id or a label in a schema."""

CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters and line ends."""

_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether a text obeys the rule."""
    return _NAME.match(text) is not None


def checked_name(text: str, where: str, what: str = "name") -> str:
    """A name that obeys the rule; ``what`` is it in messages, say ``label``. Raises: DataError."""
    if not is_name(text):
        raise DataError(f"{where}: the {what} {shown(text)} is not {NAME_WORDS}; change it")
    return text
