"""A file of videos and their events straight from JSON into arrays, where that is sure to give what the checked reading
gives, at a quarter of its time.

msgspec refuses all that is no strict JSON, but takes the last of names that are repeated in an object. Each member of
an object has a colon of its own: where a text has no more colons than the decoded form has members, no name is repeated
and nothing is left over. All else, and every fault, is left to the slower reader, which also says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...cache.reading.json_file import has_large_numbers
from ...core.events import Events
from . import event_seconds

F = TypeVar("F", bound=msgspec.Struct)


def decoded(content: bytes, form: type[F]) -> F | None:
    """A JSON text as a form, None where the slower reader must look at it; repeated names are still to be found.

    Raises nothing.
    """
    if b"\\ud" in content or b"\\uD" in content or has_large_numbers(content):
        return None
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return None


def tabled(
    content: bytes, head: Iterable[Any], videos: Mapping[str, Any], labels: Mapping[str, int]
) -> tuple[NDArray[np.int64], Events] | None:
    """Segments (N,) and events of the videos of a decoded text, None where the slower reader must look at it.

    content : the text; head : its other fields, None for those that it may not hold; videos : by id, as
    :class:`.json_format.VideoForm`, each with all three tracks; labels : index of each label
    """
    rows = list(videos.values())
    tracks = [track for row in rows for track in (row.audio, row.visual, row.audio_visual)]
    if None in tracks:
        return None
    counts = np.fromiter(map(len, tracks), np.int64, len(tracks))
    events = list(chain.from_iterable(tracks))
    starts = np.concatenate([[0], np.cumsum(counts)])
    scores = list(map(attrgetter("score"), events))
    unscored = scores.count(msgspec.UNSET)
    lengths = sum(row.segment_seconds != 1.0 for row in rows)
    more = [_given(events, name) for name in ("confidence", "onset_seconds", "offset_seconds")]
    if any(len(column) not in (0, len(events)) for column in more) or len(more[1]) != len(more[2]):
        return None
    members = 1 + 5 * len(rows) + lengths + 4 * len(events) - unscored + sum(map(len, more)) + _members(head)
    if content.count(b":") != members:
        return None
    segments = np.fromiter(map(attrgetter("segments"), rows), np.int64, len(rows))
    try:
        label = np.fromiter(map(labels.__getitem__, map(attrgetter("label"), events)), np.int32, len(events))
        onset, offset = (np.fromiter(map(attrgetter(n), events), np.int64, len(events)) for n in ("onset", "offset"))
    except (KeyError, OverflowError):
        return None
    within = np.repeat(np.repeat(segments, 3), counts)
    if not ((onset >= 0) & (onset < offset) & (offset <= within)).all():
        return None
    if unscored == len(scores):
        score = np.full(len(scores), np.nan)
    else:
        numbers = (np.nan if s is None or s is msgspec.UNSET else s for s in scores)
        score = np.fromiter(numbers, np.float64, len(scores))
    confidence = np.array(more[0], np.float64) if len(more[0]) == len(events) else None
    seconds = np.array(more[1:], np.float64).T.copy() if more[1] else None
    if seconds is not None:
        length = np.repeat(np.repeat(np.array([row.segment_seconds for row in rows]), 3), counts)
        if not event_seconds.within(seconds, within * length, length).all():
            return None
    return segments, Events(
        1, len(rows), starts, label, onset.astype(np.int32), offset.astype(np.int32), score, confidence, seconds
    )  # fmt: skip


def _given(events: Sequence[Any], name: str) -> list[float]:
    """A field of the events that have it."""
    return [x for x in map(attrgetter(name), events) if x is not msgspec.UNSET]


def _members(values: Iterable[Any]) -> int:
    """How many fields are not None, and how many members the objects in them have, at any depth."""
    given = [value for value in values if value is not None]
    return len(given) + sum(map(_inside, given))


def _inside(value: Any) -> int:
    if isinstance(value, msgspec.Struct):
        return _members([getattr(value, name) for name in value.__struct_fields__])
    if isinstance(value, dict):
        return len(value) + sum(map(_inside, value.values()))
    return sum(map(_inside, value)) if isinstance(value, list) else 0
