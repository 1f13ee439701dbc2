"""What a log says of a store is said once, and not again by each decoder of a leaderboard."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger("avreplay")


@contextmanager
def said_once() -> Iterator[None]:
    """As long as the context lasts, a line that was logged is not logged again."""
    said: set[str] = set()

    def new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text in said:
            return False
        said.add(text)
        return True

    _log.addFilter(new)
    try:
        yield
    finally:
        _log.removeFilter(new)
