"""Feeding a backbone: frames and sound of videos in, their embeddings out, each output checked.

Items of several videos share a call where the backbone allows it (`Backbone.items_per_call`): a video of ten segments
alone leaves most of a large batch empty. Where a device works beside the processor, several calls overlap
(`Backbone.calls_at_once`): it computes one while the inputs of the next are prepared. What goes into one call follows
from the order of the videos, never from the time at which they were decoded, so the results do not depend on
the number of workers.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...cache import VideoEmbeddings
from ...core.errors import AvreplayError, DataError
from ...core.threads import Pool, Task
from ..backbones.base import Backbone, BackboneSpec
from ..media.prefetch import FrameBatch, Sound
from ..summary import Clock
from .out_of_memory import CallLimits, out_of_memory, release_memory
from .plan import VideoPlan

CALL_BYTES = 256 << 20
"""About the most bytes of different pictures that wait for a call of the backbone."""

SOUND_BATCH_BYTES = 64 << 20
"""About the most sound that goes to the backbone in one call."""

METHODS = {
    "pictures": "encode_images", "sequences": "encode_clips", "sounds": "encode_audio", "frames": "encode_frames",
    "pairs": "encode_audio_visual",
}  # fmt: skip
OF_WINDOWS = ("pictures", "sequences", "sounds")
"""The kinds of items of which a plan with more windows has more: `--fill` encodes what of them is lacking."""
OF_EVERY_RUN = ("pictures", "sequences", "sounds")
"""The kinds of items that are timed and counted in every run; the others where an encoder has them."""


class EncodingError(Exception):
    """The backbone cannot encode this video; the run goes on."""


@dataclass(eq=False)
class Rows:
    """The embeddings of one video's plan, filled in call by call: [n, Dv], [m, R, Dv] and [q, Da] float32, and where
    the plan has them [T, F, Da] frames and [T, Dj] pairs.

    ``error`` : why the video cannot be encoded; the rest of it is skipped then. ``filled`` : items that are there.
    ``seen`` : pictures by row, kept until the sound is there.
    """

    name: str
    plan: VideoPlan
    pictures: NDArray[np.float32]
    sequences: NDArray[np.float32]
    sounds: NDArray[np.float32]
    frames: NDArray[np.float32]
    pairs: NDArray[np.float32]
    error: str = ""
    filled: int = 0
    seen: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def encoded(self) -> float:
        """Which share of the rows is there; all of a video that is given up."""
        rows = sum(len(getattr(self.plan, kind)) for kind in METHODS)
        return 1.0 if self.error or not rows else self.filled / rows

    @classmethod
    def empty(cls, name: str, plan: VideoPlan, spec: BackboneSpec) -> Rows:
        return cls(
            name,
            plan,
            np.zeros((len(plan.pictures), spec.visual_dim), np.float32),
            np.zeros((len(plan.sequences), spec.visual_rows, spec.visual_dim), np.float32),
            np.zeros((len(plan.sounds), spec.audio_dim), np.float32),
            np.zeros((plan.segments if len(plan.frames) else 0, plan.per_segment, spec.audio_dim), np.float32),
            np.zeros((len(plan.pairs), spec.audio_visual_dim), np.float32),
        )

    def embeddings(self, spec: BackboneSpec) -> VideoEmbeddings:
        """Every row at the places that the plan gives it."""
        plan = self.plan
        has_audio, has_visual = len(plan.sounds) > 0, len(plan.pictures) > 0
        visual = self.pictures if spec.visual_rows > 1 else self.sequences
        return VideoEmbeddings(
            windows=plan.windows,
            audio_segments=self.sounds[plan.segment_sound] if has_audio else None,
            audio_clip=self.sounds[plan.clip_sound] if has_audio else None,
            window_audio=self.sounds[plan.window_sound] if has_audio else None,
            visual_segments=self.pictures[plan.segment_picture] if has_visual else None,
            visual_clip=visual[plan.clip_visual] if has_visual else None,
            window_visual=visual[plan.window_visual] if has_visual else None,
            audio_frames=self.frames if len(plan.frames) else None,
            audio_visual_segments=self.pairs if len(plan.pairs) else None,
        )


Entry: TypeAlias = tuple[Rows, int | slice, Any]
"""An item with the row, or the rows of segments, that it fills."""
Given: TypeAlias = NDArray[np.float32] | list[NDArray[np.float32]]
"""What a call gives: a row an item, or of frames a list of arrays of several rows."""


@dataclass
class _Waiting:
    """Items for one method of the backbone, each with the row it fills."""

    entries: list[Entry] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)
    size: int = 0

    def add(self, rows: Rows, row: int | slice, item: Any, arrays: Iterable[NDArray[Any]]) -> None:
        self.entries.append((rows, row, item))
        for array in arrays:
            if id(array) not in self.counted:
                self.counted.add(id(array))
                self.size += array.nbytes


@dataclass(frozen=True, eq=False)
class _Call:
    """A call of the backbone; ``result`` makes it, or waits for it, and ``batch`` was the batch size when it began."""

    kind: str
    entries: Sequence[Entry]
    result: Callable[[], Given]
    batch: int | None


class Encoder:
    """Calls a backbone with the items of videos, and puts the rows it gives where they belong.

    Parameters
    ----------
    backbone : its ``items_per_call`` is how many items of several videos go into a call; None: one video at a time
    segment_seconds : length of a segment
    clock : gets the seconds spent in the backbone, as ``encode``

    Attributes
    ----------
    counts : items encoded so far, by kind
    """

    def __init__(self, backbone: Backbone, segment_seconds: float, clock: Clock | None = None) -> None:
        self.backbone = backbone
        self.counts: dict[str, int] = dict.fromkeys(METHODS, 0)
        self._clock = clock or Clock()
        self._per_segment = backbone.spec.sample_rate * segment_seconds
        self._limit = backbone.items_per_call
        self._limits = CallLimits(backbone, METHODS)
        self._waiting = {kind: _Waiting() for kind in METHODS}
        calls = backbone.calls_at_once
        self._threads = Pool(calls) if calls > 1 else None
        self._unfinished: deque[tuple[_Call, Task[Given]]] = deque()
        self._begun = 0  # calls that were handed to threads

    def begin(self, name: str, plan: VideoPlan) -> Rows:
        """Rows for a video, to be filled by `feed`; they are complete after the next `flush`."""
        return Rows.empty(name, plan, self.backbone.spec)

    def feed(self, rows: Rows, item: FrameBatch | Sound) -> None:
        """Encode an item of a video, now or together with later ones.

        Raises
        ------
        DataError
            output of a wrong shape, or any failure of the backbone but refusing an item; the run cannot go on
        """
        if isinstance(item, Sound):
            item.samples.flags.writeable = False
            for row, (start, end) in enumerate(rows.plan.sounds.tolist()):
                clip = item.samples[round(start * self._per_segment) : round(end * self._per_segment)]
                self._add("sounds", rows, row, clip, [clip], SOUND_BATCH_BYTES)
            for start, end in rows.plan.frames.tolist():
                clip = item.samples[round(start * self._per_segment) : round(end * self._per_segment)]
                self._add("frames", rows, slice(start, end), clip, [clip], SOUND_BATCH_BYTES)
            for row, picture in enumerate(rows.plan.pairs.tolist()):
                clip = item.samples[round(row * self._per_segment) : round((row + 1) * self._per_segment)]
                pair = ([rows.seen[picture]], clip)
                self._add("pairs", rows, row, pair, [*pair[0], clip], CALL_BYTES)
            rows.seen.clear()
        else:
            if len(rows.plan.pairs):
                kept, small = set(rows.plan.pairs.tolist()), self.backbone.joint_picture
                rows.seen.update((n, small(f) if small else f) for n, f in item.pictures if n in kept)
            for row, frame in item.pictures:
                self._add("pictures", rows, row, frame, [frame], CALL_BYTES)
            for row, frames in item.sequences:
                self._add("sequences", rows, row, frames, frames, CALL_BYTES)
        if self._limit is None:
            self.flush()

    def _add(
        self, kind: str, rows: Rows, row: int | slice, item: Any, arrays: Sequence[NDArray[Any]], most: int
    ) -> None:
        waiting = self._waiting[kind]
        waiting.add(rows, row, item, arrays)
        if len(waiting.entries) >= self._limits.items[kind] or waiting.size >= most:
            self._flush(kind)

    def flush(self) -> None:
        """Encode what is waiting, and wait until all is done."""
        self.settle(self.begin_all())

    def begin_all(self) -> int:
        """Begin to encode what is waiting, so that no later item shares a call with it. Returns a mark, for `settled`
        and `settle`."""
        for kind in METHODS:
            self._flush(kind)
        return self._begun

    def settled(self, mark: int) -> bool:
        """Whether everything before a mark is done; it waits for nothing."""
        while self._unfinished and self._unfinished[0][1].done():
            self._settle_until(len(self._unfinished) - 1)
        return self._begun - len(self._unfinished) >= mark

    def settle(self, mark: int) -> None:
        """Wait until everything before a mark is done."""
        self._settle_until(max(0, self._begun - mark))

    def _flush(self, kind: str) -> None:
        entries, self._waiting[kind] = self._waiting[kind].entries, _Waiting()
        first = 0
        while first < len(entries):
            # running out of memory lowers the limit on the way
            some = entries[first : first + self._limits.items[kind]]
            first += len(some)
            self._begin(kind, some)

    def _begin(self, kind: str, entries: Sequence[Entry]) -> None:
        """Make a call, or hand it to a thread."""
        if self._threads is None:
            self._encode(kind, entries)
            return
        entries = [entry for entry in entries if not entry[0].error]
        if entries:
            self._settle_until(self.backbone.calls_at_once - 1)
            task = self._threads.submit(self._call, kind, entries)
            self._begun += 1
            self._unfinished.append((_Call(kind, entries, task.result, self._limits.batch_size), task))

    def _settle_until(self, left: int) -> None:
        """Wait for the oldest calls until only ``left`` are unfinished."""
        while len(self._unfinished) > left:
            call, _ = self._unfinished.popleft()
            self._settle(call)

    def _encode(self, kind: str, entries: Sequence[Entry]) -> None:
        """Make a call in this thread, if any of its videos is still wanted."""
        entries = [entry for entry in entries if not entry[0].error]
        if entries:
            self._settle(_Call(kind, entries, partial(self._call, kind, entries), self._limits.batch_size))

    def _settle(self, call: _Call) -> None:
        """Keep what a call gave, or find the video that fails, or go on with less at a time."""
        kind, entries = call.kind, call.entries
        try:
            self._keep(kind, entries, call.result())
        except EncodingError as error:
            names = list(dict.fromkeys(id(rows) for rows, _, _ in entries))
            if len(names) == 1:
                entries[0][0].error = str(error)
                return
            for name in names:
                self._encode(kind, [entry for entry in entries if id(entry[0]) == name])
            return
        except Exception as error:
            if not out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold what fills the memory
        else:
            self._limits.worked(self._what(kind))
            return
        self._with_less_memory(call)

    def _keep(self, kind: str, entries: Sequence[Entry], out: Given) -> None:
        for (rows, row, _), values in zip(entries, out, strict=True):
            if not np.isfinite(values).all():
                rows.error = rows.error or f"{self._what(kind)} gave NaN or infinity"
            getattr(rows, kind)[row] = values
            rows.filled += 1
        self.counts[kind] += len(entries)

    def _with_less_memory(self, call: _Call) -> None:
        """After running out of memory: the call again, with less at a time from now on."""
        kind, entries = call.kind, call.entries
        for _, task in self._unfinished:
            task.wait()
        release_memory()
        pieces = self._limits.lower(kind, self._what(kind), len(entries), call.batch)
        if not pieces:
            entries[0][0].error = f"{self._what(kind)} ran out of memory with a single item"
        for piece in pieces:
            self._encode(kind, entries[piece])

    def _call(self, kind: str, entries: Sequence[Entry]) -> Given:
        what = self._what(kind)
        try:
            with self._clock.stage("encode"):
                given = getattr(self.backbone, METHODS[kind])([item for _, _, item in entries])
                rows = list(map(np.asarray, given)) if kind == "frames" else np.asarray(given)
        except AvreplayError as error:
            raise DataError(f"{_names(entries)}: {error}") from error
        except ValueError as error:
            raise EncodingError(f"{what} refuses it: {error}") from error
        except Exception as error:
            if out_of_memory(error):
                raise
            raise DataError(f"{_names(entries)}: {what} failed: {type(error).__name__}: {error}") from error
        if isinstance(rows, list):
            return _shared_out(entries, rows, what)
        shape = (len(entries), *getattr(entries[0][0], kind).shape[1:])
        if rows.shape != shape:
            raise DataError(f"{_names(entries)}: {what} gave shape {rows.shape} and should give {shape}")
        found: NDArray[np.float32] = rows.astype(np.float32, copy=False)
        return found

    def _what(self, kind: str) -> str:
        return f"{METHODS[kind]} of backbone {self.backbone.name!r}"


def encode_video(
    backbone: Backbone, plan: VideoPlan, items: Iterable[FrameBatch | Sound], segment_seconds: float, name: str = ""
) -> VideoEmbeddings:
    """Encode the items of one video by itself.

    Raises
    ------
    EncodingError
        the backbone refuses an item (ValueError), or its output is NaN or infinite
    DataError
        output of a wrong shape, or any other failure of the backbone; the run cannot go on
    MediaError
        from ``items``
    """
    encoder = Encoder(backbone, segment_seconds)
    rows = encoder.begin(name, plan)
    for item in items:
        encoder.feed(rows, item)
    encoder.flush()
    if rows.error:
        raise EncodingError(rows.error)
    return rows.embeddings(backbone.spec)


def _shared_out(entries: Sequence[Entry], given: list[NDArray[Any]], what: str) -> list[NDArray[np.float32]]:
    """The frames of each sound by its segments: [segments, F, Da] float32 of each."""
    if len(given) != len(entries):
        raise DataError(f"{_names(entries)}: {what} gave the frames of {len(given)} sounds of {len(entries)}")
    shared = []
    for entry, frames in zip(entries, given, strict=True):
        rows, span, _ = entry
        assert isinstance(span, slice)
        segments, (_, count, width) = span.stop - span.start, rows.frames.shape
        shape = (segments * count, width)
        if frames.shape != shape:
            raise DataError(f"{_names([entry])}: {what} gave shape {frames.shape} and should give {shape}")
        shared.append(frames.astype(np.float32, copy=False).reshape(segments, count, width))
    return shared


def _names(entries: Sequence[Entry]) -> str:
    names = sorted({rows.name for rows, _, _ in entries})
    return f"video {names[0]!r}" if len(names) == 1 else f"videos {names[0]!r} to {names[-1]!r}"
