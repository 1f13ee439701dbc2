"""AV1: the places of the pictures in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator

from .bits import Bits

_HEAD_BYTES = 64
"""In so many of a unit the numbers of a picture lie."""

_SEQUENCE, _PICTURES = 1, (3, 6)
_KEY, _INTRA_ONLY, _SWITCH = 0, 2, 3
_KEPT = 8
_SELECT = 2
"""Each picture says it for itself."""


class AV1:
    """``order_hint`` counts the pictures as they are shown.

    Streams of several layers, of which some may be left out on purpose, are not judged, nor those with the times of a
    model decoder in their headers.
    """

    needs_gap = True
    settles_after = 0

    def __init__(self, extradata: bytes) -> None:
        self._length = 0
        """Bits of order_hint; 0: these are not judged."""
        self._screen, self._integer = _SELECT, _SELECT
        self._id_length = 0
        self._kept: list[int | None] = [None] * _KEPT
        """order_hint of the pictures that later ones may refer to, or show."""
        self._last: int | None = None
        self._usual: int | None = None
        """The smallest step from one shown picture to the next."""
        self._shown(memoryview(extradata)[4:])

    @property
    def within(self) -> int:
        return 1 << self._length if self._length else 1

    def miss(self, data: memoryview, key: bool, seconds: float | None) -> bool:
        before, shown = self._last, self._shown(data)
        if not shown or not self._length:
            return False
        self._last = shown[-1]
        if before is None or key:
            return False
        step = (shown[0] - before) % (1 << self._length)
        if step and (self._usual is None or step < self._usual):
            self._usual = step
        return step > (self._usual or 1)

    def _shown(self, data: memoryview) -> list[int]:
        """order_hint of the pictures that a packet shows."""
        shown: list[int] = []
        for kind, unit in _units(data):
            if kind == _SEQUENCE:
                self._learn(Bits(unit))
            elif kind in _PICTURES and self._length:
                hint = self._picture(Bits(unit))
                shown += [] if hint is None else [hint]
        return shown

    def _picture(self, bits: Bits) -> int | None:
        """order_hint of a picture; None if it is not shown."""
        if bits.take(1):
            return self._kept[bits.take(3)]
        kind, is_shown = bits.take(2), bits.take(1)
        if not is_shown:
            bits.take(1)
        restarts = kind == _KEY and bool(is_shown)
        resilient = restarts or kind == _SWITCH or bits.take(1)
        bits.take(1)
        screen = bits.take(1) if self._screen == _SELECT else self._screen
        if screen and self._integer == _SELECT:
            bits.take(1)
        bits.take(self._id_length)
        if kind != _SWITCH:
            bits.take(1)
        hint = bits.take(self._length)
        if kind not in (_KEY, _INTRA_ONLY) and not resilient:
            bits.take(3)
        replaced = 0xFF if restarts or kind == _SWITCH else bits.take(_KEPT)
        self._kept = [hint if replaced >> k & 1 else kept for k, kept in enumerate(self._kept)]
        return hint if is_shown else None

    def _learn(self, bits: Bits) -> None:
        """The sequence header, up to the bits of order_hint."""
        self._length = self._id_length = 0
        bits.take(4)
        if bits.take(1):  # a still picture
            return
        if bits.take(1):  # times
            bits.take(64)
            if bits.take(1):
                bits.golomb()
            if bits.take(1):  # of a model decoder
                return
        delayed = bits.take(1)
        for _ in range(bits.take(5) + 1):
            if bits.take(12):  # layers
                return
            if bits.take(5) > 7:
                bits.take(1)
            if delayed and bits.take(1):
                bits.take(4)
        width, height = bits.take(4) + 1, bits.take(4) + 1
        bits.take(width + height)
        if bits.take(1):
            difference = bits.take(4)
            self._id_length = difference + bits.take(3) + 3
        bits.take(7)
        counted = bits.take(1)
        if counted:
            bits.take(2)
        self._screen = _SELECT if bits.take(1) else bits.take(1)
        self._integer = _SELECT
        if self._screen and not bits.take(1):
            self._integer = bits.take(1)
        self._length = bits.take(3) + 1 if counted else 0


def _units(data: memoryview) -> Iterator[tuple[int, bytes]]:
    """The kind and the first bytes of each unit of a packet (OBU)."""
    position = 0
    while position + 1 < len(data):
        head = data[position]
        position += 2 if head & 4 else 1
        if not head & 2:
            yield head >> 3 & 15, bytes(data[position : position + _HEAD_BYTES])
            return
        size = 0
        for k in range(8):
            if position >= len(data):
                return
            byte, position = data[position], position + 1
            size |= (byte & 0x7F) << 7 * k
            if not byte & 0x80:
                break
        yield head >> 3 & 15, bytes(data[position : position + min(size, _HEAD_BYTES)])
        position += size
