"""What an extraction did, in figures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from ..cache import VideoRecord
from ..cache.layout.schema import Note, count_notes


@dataclass(frozen=True)
class EncoderShare:
    """What one encoder of a cluster did.

    Attributes
    ----------
    node : where, in words
    device : what it computed on
    shards : that it encoded
    decoded_elsewhere : videos of them that other nodes decoded
    encode : seconds in which the backbone was at work
    seconds : from when it was ready until the end of the run, or until it was lost
    """

    node: str
    device: str
    shards: int
    decoded_elsewhere: int
    encode: float
    seconds: float

    @property
    def busy(self) -> float:
        """Share of its time in which the backbone was at work."""
        return min(1.0, self.encode / self.seconds) if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "busy": self.busy}


@dataclass(frozen=True, repr=False)
class ExtractSummary:
    """What an extraction did.

    Attributes
    ----------
    store : its URL
    videos : in the store now
    new, resumed : encoded or refused in this run; in the store before it
    absent : of the new ones, ids without a file; they are in no rate
    counts : videos per status, of the whole store
    failures : every video of the store whose status is not ``ok``
    seconds : wall time of this run; ``media_seconds`` : length of the new videos
    stages : seconds of this run spent waiting for the decoder (``decode_wait``), in the backbone (``encode``), and
        writing the store (``write``); decoding goes on beside the other two
    encoded : items that the backbone encoded in this run, by kind: pictures, sequences of frames, sounds
    processes : that worked side by side; the stages are their sums
    left_out : what the given folders hold beside the media files that are taken: how many, by suffix
    notes : what else is worth knowing about a video, by id, of the whole store
    encoders : of a cluster; none where the encoder is in the process that writes
    ready_seconds : what the model would have needed for what was encoded, fed with ready tensors; None: not measured
    """

    store: str
    videos: int
    new: int
    resumed: int
    counts: dict[str, int]
    failures: list[VideoRecord]
    seconds: float
    media_seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    encoded: dict[str, int] = field(default_factory=dict)
    processes: int = 1
    ready_seconds: float | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    notes: dict[str, tuple[Note, ...]] = field(default_factory=dict)
    absent: int = 0
    encoders: list[EncoderShare] = field(default_factory=list)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {status}" for status, n in self.counts.items())
        return f"<ExtractSummary {self.store}: {self.new} new, {self.videos} videos ({counts})>"

    @property
    def failed(self) -> list[VideoRecord]:
        """The videos of the store that have no embeddings, or those of a part that was cut off or damaged."""
        absent_stream = ("no_audio", "no_video")
        return [record for record in self.failures if not record.has_data or record.status not in absent_stream]

    @property
    def note_counts(self) -> dict[str, int]:
        """The number of videos with a note of each kind."""
        return count_notes(self.notes.values())

    @property
    def videos_per_second(self) -> float:
        """Of the videos that have a file."""
        return (self.new - self.absent) / self.seconds if self.seconds > 0 else 0.0

    @property
    def times_real_time(self) -> float:
        """Seconds of video per second of work."""
        return self.media_seconds / self.seconds if self.seconds > 0 else 0.0

    @property
    def encoder_busy(self) -> float:
        """Share of the wall time in which the backbone was at work; of the time of all encoders of a cluster."""
        if self.encoders:
            seconds = sum(one.seconds for one in self.encoders)
            return min(1.0, sum(one.encode for one in self.encoders) / seconds) if seconds > 0 else 0.0
        return self.stages.get("encode", 0.0) / (self.seconds * self.processes) if self.seconds > 0 else 0.0

    @property
    def fraction_of_peak(self) -> float | None:
        """Videos per second, as a share of what the same model reaches with ready tensors; None: not measured."""
        if self.ready_seconds is None or not self.seconds:
            return None
        return self.ready_seconds / (self.seconds * self.processes)

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON values, rates included."""
        rates = {
            "videos_per_second": self.videos_per_second,
            "times_real_time": self.times_real_time,
            "encoder_busy": self.encoder_busy,
            "of_ready_rate": self.fraction_of_peak,
        }
        failures = [record.as_dict() for record in self.failures]
        notes = {id: [asdict(note) for note in notes] for id, notes in self.notes.items()}
        found = {**asdict(self), "failures": failures, "notes": notes, "note_counts": self.note_counts, **rates}
        if self.encoders:
            return {**found, "encoders": [one.as_dict() for one in self.encoders]}
        del found["encoders"]
        return found


class Clock:
    """Seconds spent per stage: waiting for the decoder, in the backbone, writing."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"decode_wait": 0.0, "encode": 0.0, "write": 0.0}
        self._lock = threading.Lock()
        self._under_way = dict.fromkeys(self.seconds, 0)
        self._since = dict.fromkeys(self.seconds, 0.0)

    def spent(self, name: str) -> float:
        """Seconds of a stage, up to now where it is under way."""
        with self._lock:
            now = time.perf_counter() - self._since[name] if self._under_way[name] else 0.0
            return self.seconds[name] + now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Stretches of one stage that overlap, in several threads, count once."""
        with self._lock:
            if not self._under_way[name]:
                self._since[name] = time.perf_counter()
            self._under_way[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[name] -= 1
                if not self._under_way[name]:
                    self.seconds[name] += time.perf_counter() - self._since[name]
