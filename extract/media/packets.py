"""The packets of one track, as far as its clock goes, and what is done to their time stamps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.packet import Packet

_ARRAYS = ("numbers", "places", "stamps", "durations", "order", "keys")


def fraction_of(value: Any, otherwise: Fraction) -> Fraction:
    """A rational number of PyAV; ``otherwise`` where it is unknown, as None or 0.

    From 19 on PyAV has rational numbers of its own, which decoding processes must not send (:mod:`.channel`).
    """
    return Fraction(value.numerator, value.denominator) if value else otherwise


@dataclass
class Packets:
    """The packets of one track in the order of the file.

    Attributes
    ----------
    name : ``pictures`` or ``sound``
    time_base : seconds per unit of ``stamps`` and ``durations``
    numbers : [n] counts all packets of the track, also those left out here
    places : [n] int64, rising: where in the file each packet lies, comparable between tracks
    stamps : [n] int64 presentation time stamps
    durations : [n] int64, 0 where unknown
    order : [n] int64 time stamps in which jumps are looked for: of decoding where all are known, else of presentation
    reordered : ``order`` may step back by some pictures
    keys : [n] bool, key pictures, as far as they are known for sure: shown after all that lie before them
    """

    name: str
    time_base: Fraction
    numbers: NDArray[np.int64]
    places: NDArray[np.int64]
    stamps: NDArray[np.int64]
    durations: NDArray[np.int64]
    order: NDArray[np.int64]
    reordered: bool
    keys: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.stamps)

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """[n] time stamps in seconds."""
        return np.asarray(self.stamps * float(self.time_base), np.float64)

    @cached_property
    def order_seconds(self) -> NDArray[np.float64]:
        """[n] ``order`` in seconds."""
        return np.asarray(self.order * float(self.time_base), np.float64)

    @cached_property
    def usual_step(self) -> float:
        """Seconds between most packets and the next; 0 if there is one packet.

        Of the sorted stamps, since pictures in the order of decoding are further from each other.
        """
        return float(np.median(np.diff(np.sort(self.order_seconds)))) if len(self) > 1 else 0.0

    def ends(self) -> NDArray[np.float64]:
        """[n] when each packet ends, in seconds."""
        return np.asarray((self.stamps + self.durations.astype(np.float64)) * float(self.time_base), np.float64)

    def without(self, packets: Iterable[int]) -> Packets:
        """All packets but those at these indices."""
        kept = np.ones(len(self), bool)
        kept[list(packets)] = False
        return replace(self, **{name: getattr(self, name)[kept] for name in _ARRAYS})


@dataclass(frozen=True)
class Correction:
    """What is done to the time stamps of one track before they are used.

    Attributes
    ----------
    begins, shifts : from packet number ``begins[k]`` on, ``shifts[k]`` is added
    wild : numbers of the packets whose time stamp is left out
    """

    begins: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    wild: frozenset[int] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.begins or self.wild)

    def after(self, first: Correction) -> Correction:
        """This correction of packets that another one, which moves all of them, has been done to."""
        if not first.shifts:
            return self
        (shift,) = first.shifts
        return replace(self, begins=(0, *self.begins), shifts=(shift, *(shift + own for own in self.shifts)))

    def apply(self, packet: Packet[Any], number: int) -> None:
        """Correct a packet, the one of this number in its track."""
        if number in self.wild:
            packet.pts = packet.dts = None
            return
        shift = 0
        for begin, value in zip(self.begins, self.shifts, strict=True):
            if number >= begin:
                shift = value
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
