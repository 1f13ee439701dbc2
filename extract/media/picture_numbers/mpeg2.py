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
        self._step = 0
        """The last one, if it is larger."""
        self._between = 0
        """Pictures since then to which none refers; in a step of n lie n - 1."""

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
            self._between += 1
            return False
        missing = self._step - 1 > self._between
        self._most = self._most if missing else max(self._most, self._step)
        before, self._last, self._between = self._last, number, 0
        step = 0 if before is None or key else (number - before) % 1024
        self._step = step if step > self._most else 0
        return missing and not key
