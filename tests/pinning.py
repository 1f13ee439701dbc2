"""Which tests pin which option: for each field that a kernel reads, the tests that fail where it is ignored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

PINS: dict[str, dict[str, Callable[[], None]]] = defaultdict(dict)
"""By field of AV²A's records or argument of OV-AVEL's kernel: tests by name. ``test_pinning.py`` proves each."""


def pins(*fields: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Marks a test without fixtures as one that pins some fields, each at two values or more."""

    def mark(test: Callable[[], None]) -> Callable[[], None]:
        for field in fields:
            PINS[field][test.__name__] = test
        return test

    return mark
