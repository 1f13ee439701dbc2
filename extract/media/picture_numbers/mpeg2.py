"""MPEG-1 and MPEG-2: the places of the pictures within their group."""

from __future__ import annotations

_HEAD_BYTES = 4096
_PICTURE = b"\0\0\1\0"
_BETWEEN = 3
"""The kind of pictures to which none refers (B)."""


class MPEG2:
    """``temporal_reference`` counts the pictures of a group as they are shown."""

    needs_gap = True
    settles_after = 0

    def __init__(self, extradata: bytes) -> None:
        self._last: int | None = None
        self._most = 0
        """The largest step from one picture that others refer to, to the next."""

    @property
    def within(self) -> int:
        return 1024

    def miss(self, data: memoryview, key: bool, seconds: float | None) -> bool:
        head = bytes(data[:_HEAD_BYTES])
        at = head.find(_PICTURE)
        if at < 0 or at + 6 > len(head):
            return False
        number, kind = head[at + 4] << 2 | head[at + 5] >> 6, head[at + 5] >> 3 & 7
        if kind == _BETWEEN:
            return False
        before, self._last = self._last, number
        if before is None or key:
            return False
        step = (number - before) % 1024
        most, self._most = self._most, max(self._most, step)
        return 0 < most < step
