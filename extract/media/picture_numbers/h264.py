"""H.264: the numbers of the pictures that others refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .bits import Bits, plain

_HEAD_BYTES = 4096
"""In how much of a packet with start codes the header of its picture is looked for."""

_SLICE_BYTES = 24
"""In so many the numbers of a picture lie."""

_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)

_PICTURES, _RESTART, _MESSAGE, _SETS, _PICTURE_SET = (1, 2, 5), 5, 6, (7, 8), 8
"""Kinds of units: of pictures, of one that refers to none before it, of messages (SEI), of parameters, of pictures'."""

_RECOVERY_POINT = 6
_MOST_RECOVERY = 1 << 16


@dataclass(frozen=True)
class _Sequence:
    """Of the parameters of a sequence, what is needed.

    ``length`` : bits of frame_num, 0 if that is not known; ``planes`` : the number of a plane lies before it;
    ``left_out`` : numbers may be left out on purpose; ``fields`` : a picture may be two fields of one number
    """

    length: int
    planes: bool
    left_out: bool
    fields: bool


class H264:
    """``frame_num`` counts the pictures that others refer to."""

    needs_gap = False

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes = extradata[4] % 4 + 1 if extradata[:1] == b"\1" and len(extradata) > 6 else 0
        self._sets: dict[int, _Sequence] = {}
        self._sequence_of: dict[int, int] = {}
        """By the number of a picture's parameters."""
        self.settles_after: int = 0
        self._last: int | None = None
        """frame_num of the last picture that others refer to."""
        if self._length_bytes:
            position = 6
            for _ in range(extradata[5] & 31):
                position = self._stored_set(extradata, position)
            position += 1
            for _ in range(extradata[position - 1] if position <= len(extradata) else 0):
                position = self._stored_set(extradata, position)
        else:
            for unit in self._units(memoryview(extradata)):
                if len(unit) and unit[0] & 31 in _SETS:
                    self._learn(unit)

    @property
    def within(self) -> int:
        return min((1 << one.length for one in self._sets.values() if one.length and not one.left_out), default=1)

    def miss(self, data: memoryview, key: bool, seconds: float | None) -> bool:
        self.settles_after = 0
        for unit in self._units(data):
            kind = unit[0] & 31 if len(unit) else 0
            if kind in _PICTURES:
                return self._missing(bytes(unit[:_SLICE_BYTES]), kind == _RESTART, key)
            if kind == _MESSAGE and key:
                self.settles_after = _recovery(plain(bytes(unit[1:_HEAD_BYTES])))
            elif kind in _SETS:
                self._learn(unit)
        return False

    def _missing(self, head: bytes, restarts: bool, key: bool) -> bool:
        bits = Bits(plain(head[1:]))
        bits.golomb()
        bits.golomb()
        found = self._sets.get(self._sequence_of.get(bits.golomb(), -1))
        if found is None or not found.length or found.left_out:
            self._last = None
            return False
        if found.planes:
            bits.take(2)
        number, last = bits.take(found.length), self._last
        if head[0] & 0x60:
            self._last = number
        if restarts or last is None or (key and not self.settles_after):
            return False
        return number != (last + 1) % (1 << found.length) and not (found.fields and number == last)

    def _units(self, data: memoryview) -> Iterator[memoryview]:
        """The units of a packet that may lie before its picture, and the first of this."""
        if self._length_bytes:
            position = 0
            while position + self._length_bytes < len(data):
                begin = position + self._length_bytes
                position = begin + int.from_bytes(data[position:begin], "big")
                yield data[begin:position]
            return
        head = bytes(data[:_HEAD_BYTES])
        begin = head.find(b"\0\0\1") + 3
        while 3 <= begin < len(head):
            end = head.find(b"\0\0\1", begin)
            yield memoryview(head)[begin : len(head) if end < 0 else end]
            begin = end + 3 if end >= 0 else len(head)

    def _stored_set(self, extradata: bytes, position: int) -> int:
        end = position + 2 + int.from_bytes(extradata[position : position + 2], "big")
        unit = memoryview(extradata)[position + 2 : end]
        if len(unit) and unit[0] & 31 in _SETS:
            self._learn(unit)
        return end

    def _learn(self, unit: memoryview) -> None:
        if unit[0] & 31 == _PICTURE_SET:
            bits = Bits(plain(bytes(unit[1:_SLICE_BYTES])))
            picture = bits.golomb()
            self._sequence_of[picture] = bits.golomb()
        else:
            number, found = _sequence(plain(bytes(unit[1:])))
            self._sets[number] = found


def _sequence(data: bytes) -> tuple[int, _Sequence]:
    """The number of a sequence's parameters, and of these what is needed."""
    bits = Bits(data)
    profile, planes = bits.take(8), False
    bits.take(16)
    number = bits.golomb()
    if profile in _HIGH_PROFILES:
        colours = bits.golomb()
        planes = colours == 3 and bool(bits.take(1))
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            for k in range(12 if colours == 3 else 8):
                if bits.take(1):
                    _pass_scaling_list(bits, 16 if k < 6 else 64)
    length = bits.golomb() + 4
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()
    left_out = bool(bits.take(1))
    bits.golomb()
    bits.golomb()
    return number, _Sequence(length if length <= 16 else 0, planes, left_out, not bits.take(1))


def _pass_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            coded = bits.golomb()
            following = (last + (coded + 1 >> 1 if coded & 1 else -(coded >> 1))) % 256
        last = following or last


def _recovery(data: bytes) -> int:
    """How many pictures after this one are still damaged (recovery_frame_cnt of a recovery point); 0 if not said."""
    position = 0
    while position < len(data) - 2:
        numbers = []
        for _ in range(2):  # kind and size of a message
            value = 0
            while position < len(data) and data[position] == 0xFF:
                value, position = value + 255, position + 1
            numbers.append(value + (data[position] if position < len(data) else 0))
            position += 1
        if numbers[0] == _RECOVERY_POINT:
            return min(Bits(data[position : position + _SLICE_BYTES]).golomb(), _MOST_RECOVERY)
        position += numbers[1]
    return 0
