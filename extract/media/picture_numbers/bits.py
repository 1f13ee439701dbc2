"""Reading the headers of coded pictures bit by bit."""

from __future__ import annotations


class Bits:
    """The bits of some bytes, from the first on; behind the last one, all are 0."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """An unsigned number of so many bits."""
        self._left -= count
        if self._left < 0:
            return 0
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned number of variable length (ue(v) of H.264; also where the standard has a signed one)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if self._left <= 0:
                return 0
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)

    def leb128(self) -> int:
        """An unsigned number of 7 bits a byte, the lowest first (AV1)."""
        value = 0
        for k in range(8):
            byte = self.take(8)
            value |= (byte & 0x7F) << 7 * k
            if not byte & 0x80:
                break
        return value


def plain(data: bytes) -> bytes:
    """The payload of an H.264 unit without the bytes that keep start codes out of it."""
    return data.replace(b"\0\0\3", b"\0\0") if b"\0\0\3" in data else data
