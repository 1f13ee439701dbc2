"""MPEG-4 part 2: the seconds that a picture counts since the one before."""

from __future__ import annotations

from .bits import Bits

_HEAD_BYTES = 1024
_SOON_SECONDS = 0.02
"""By how much the seconds that are missing may differ from a whole number."""

_PICTURE, _LAYERS = 0xB6, range(0x20, 0x30)
_BETWEEN = 2
"""The kind of pictures to which none refers (B)."""


class MPEG4:
    """A picture holds its part of a second, and how many seconds have begun since the picture before it.

    So a loss over the turn of a second leaves whole seconds out. Shorter ones do not show.
    """

    needs_gap = True
    settles_after = 0

    def __init__(self, extradata: bytes) -> None:
        self._resolution = 0
        """Parts of a second; 0: not known."""
        self._last: tuple[float, float] | None = None
        """The part of its second, and the time stamp, of the last picture that others refer to."""
        self._find(extradata)

    @property
    def within(self) -> int:
        return 1

    def miss(self, data: memoryview, key: bool, seconds: float | None) -> bool:
        bits = self._find(bytes(data[:_HEAD_BYTES]))
        if bits is None or not self._resolution or bits.take(2) == _BETWEEN:
            return False
        begun = 0
        while bits.take(1):
            begun += 1
        bits.take(1)
        part = bits.take(max((self._resolution - 1).bit_length(), 1)) / self._resolution
        before, self._last = self._last, None if seconds is None else (part, seconds)
        if before is None or seconds is None or key:
            return False
        missing = (seconds - before[1]) - (begun + part - before[0])
        return missing > 0.5 and abs(missing - round(missing)) < _SOON_SECONDS

    def _find(self, data: bytes) -> Bits | None:
        """The header of the first picture; what is said before it about its layer is kept."""
        begin = data.find(b"\0\0\1") + 3
        while 3 <= begin < len(data):
            if data[begin] == _PICTURE:
                return Bits(data[begin + 1 : begin + 64])
            if data[begin] in _LAYERS:
                self._resolution = _resolution(Bits(data[begin + 1 : begin + 64]))
            begin = data.find(b"\0\0\1", begin) + 3
        return None


def _resolution(bits: Bits) -> int:
    bits.take(9)
    version = 1
    if bits.take(1):
        version = bits.take(4)
        bits.take(3)
    if bits.take(4) == 15:  # the shape of a pixel
        bits.take(16)
    if bits.take(1):
        bits.take(3)
        if bits.take(1):  # of a model decoder
            bits.take(79)
    if bits.take(2) == 3 and version != 1:
        bits.take(4)
    bits.take(1)
    return bits.take(16)
