"""How far an extraction is: videos done, seconds of media read, embeddings made; asked for, never announced.

Decoders and the encoder leave numbers here as they go, which costs them next to nothing; who shows the progress asks
for a `State` now and then, from a thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .encoding.encode import Rows
from .summary import Clock

LONG_SECONDS = 60.0
"""Length from which the state of a single video is worth a word."""


@dataclass(frozen=True)
class State:
    """How far an extraction is.

    Attributes
    ----------
    done, files : videos that are encoded, or given up; all that have a file
    share : of the work that is done, from 0 to 1; parts of videos count
    seconds : since the beginning; ``left`` : until the end, None while nothing says how many
    current : of the oldest long video at work, how much of it is read and encoded; empty where there is none
    """

    done: int
    files: int
    share: float
    seconds: float
    left: float | None
    current: str

    @classmethod
    def together(cls, some: Sequence[State]) -> State:
        """Of several processes that do a part each."""
        files = sum(state.files for state in some)
        known = [state.left for state in some if state.left is not None]
        return cls(
            sum(state.done for state in some),
            files,
            sum(state.share * state.files for state in some) / files if files else 0.0,
            max((state.seconds for state in some), default=0.0),
            max(known) if len(known) == len(some) and some else None,
            next((state.current for state in some if state.current), ""),
        )


class Course:
    """What is known of the videos that an extraction has to do; every method may be called from any thread.

    Parameters
    ----------
    files : videos that have a file
    clock : of the run: how its time is shared between decoding and encoding says how long the rest takes
    """

    def __init__(self, files: int, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._began = time.perf_counter()
        self._done = 0
        self._durations: dict[str, float] = {}
        self._read: dict[str, float] = {}
        self._rows: dict[str, Rows] = {}

    def begun(self, id: str, duration: float) -> None:
        """A decoder has begun with a video, maybe once more."""
        self._durations[id], self._read[id] = duration, 0.0

    def read(self, id: str, seconds: float) -> None:
        """How much of a video is read."""
        if id in self._durations:
            self._read[id] = max(seconds, self._read.get(id, 0.0))  # sound and pictures take turns

    def whole(self, id: str) -> None:
        """All of a video is read."""
        self.read(id, self._durations.get(id, 0.0))

    def encoding(self, id: str, rows: Rows) -> None:
        """The encoder has begun with a video."""
        self.settle([other for other, of in list(self._rows.items()) if of.encoded == 1.0])
        self._rows[id] = rows

    def given_up(self, id: str) -> None:
        """A video gives no data."""
        self._count(id)

    def settle(self, ids: Iterable[str] | None = None) -> None:
        """These videos, or all, are encoded, as far as they were begun."""
        for id in list(self._rows) if ids is None else ids:
            if id in self._rows:
                self._count(id)

    def _count(self, id: str) -> None:
        self._rows.pop(id, None)
        self._durations.pop(id, None)
        self._read.pop(id, None)
        self._done += 1

    def state(self) -> State:
        """How far it is now."""
        rows, done = list(self._rows.items()), self._done
        durations = dict(self._durations)
        read = {id: _share(seconds, durations.get(id, 0.0)) for id, seconds in list(self._read.items())}
        encoded = {id: of.encoded for id, of in rows}
        complete = sum(share == 1.0 for share in encoded.values())
        files = max(self._files, 1)
        of_read, of_encoded = (min(1.0, (done + sum(of.values())) / files) for of in (read, encoded))
        stages = ((self._clock.spent("decode_wait"), of_read), (self._clock.spent("encode"), of_encoded))
        left = None
        if of_encoded > 0 and of_read > 0:
            left = sum(spent * (1 - share) / share for spent, share in stages)
        spent = sum(seconds for seconds, _ in stages)
        whole = spent + (left or 0.0)
        share = (of_read + of_encoded) / 2 if left is None or not whole else spent / whole
        return State(
            min(done + complete, self._files), self._files, share, time.perf_counter() - self._began, left,
            _current(durations, read, encoded),
        )  # fmt: skip


def _current(durations: Mapping[str, float], read: Mapping[str, float], encoded: Mapping[str, float]) -> str:
    for id in dict.fromkeys((*encoded, *read)):
        of, made = durations.get(id, 0.0), encoded.get(id, 0.0)
        if of >= LONG_SECONDS and made < 1.0:
            return f"{id}: {of * read.get(id, 0.0):,.0f} of {of:,.0f} s read, {made:.0%} encoded"
    return ""


def _share(seconds: float, duration: float) -> float:
    return min(1.0, max(0.0, seconds / duration)) if duration > 0 else 0.0
