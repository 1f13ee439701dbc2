"""Seconds of segments, exact, and as text of files that have milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import repeat
from typing import Final

from ..core.events import Events

_DIGITS: Final = 15
"""Digits of a decimal number that a float keeps whatever they are."""


def seconds_of(segments: int, segment_seconds: float) -> float:
    """The time of a number of segments, in seconds: the float nearest to the product in decimal, so that 4 segments of
    0.7 s are 2.8 s and not 2.8000000000000003.

    A length with more digits than a decimal can hold in a float (1/3) is multiplied as a float.
    """
    length = Decimal(repr(segment_seconds))
    if len(length.as_tuple().digits) > _DIGITS:
        return segments * segment_seconds
    return float(length * segments)


_known = lru_cache(1 << 16)(seconds_of)  # few lengths and few numbers of segments make most events


def timed_events(
    events: Events, lengths: Sequence[float], videos: Iterable[int], tracks: Sequence[str]
) -> Iterator[tuple[int, str, int, float, float, float | None, float | None]]:
    """The events of some videos of a one-setting table: video, track, label, onset and offset in seconds, score and
    confidence, None where there is none.

    lengths : of a segment, in seconds, by video
    """
    confidence, seconds = events.confidence, events.seconds
    for v in videos:
        for track in tracks:
            rows = events.rows(v, track)
            told = repeat(None) if confidence is None else confidence[rows].tolist()
            times = repeat(None) if seconds is None else seconds[rows].tolist()
            for (label, onset, offset, score), sure, span in zip(events.track(v, track), told, times, strict=False):
                start, end = span or (_known(onset, lengths[v]), _known(offset, lengths[v]))
                yield v, track, label, start, end, None if score != score else score, sure


def difference(onset: float, offset: float) -> float:
    """How long an event is, in seconds: the float nearest to the difference in decimal."""
    return float(Decimal(repr(offset)) - Decimal(repr(onset)))


def seconds_text(seconds: float) -> str:
    """A number as text that reads back as the same float, without an exponent."""
    text = repr(seconds)
    if "e" in text:
        text = f"{Decimal(text):f}"
        return text if "." in text else f"{text}.0"
    return text


def milliseconds(onset: float, offset: float) -> tuple[int, int]:
    """Onset and offset in whole milliseconds; an event that would be shorter than one lasts one."""
    start, end = (int((Decimal(repr(t)) * 1000).to_integral_value(ROUND_HALF_UP)) for t in (onset, offset))
    return start, max(end, start + 1)


def clock(milliseconds: int, point: str) -> str:
    """``HH:MM:SS`` and milliseconds after ``point``; hours have as many digits as they need, at least two."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{point}{rest:03}"
