"""Feeding a backbone: pieces of videos in, their embeddings out, each output checked.

Items of several videos share a call where the backbone allows it (`Backbone.items_per_call`): a video of ten segments
alone leaves most of a large batch empty. What goes into one call follows from the order of the videos, never from
the time at which they were decoded, so the results do not depend on the number of workers.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import VideoEmbeddings
from ..core.errors import AvreplayError, DataError
from .backbone import Backbone, BackboneSpec
from .plan import VideoPlan
from .prefetch import Piece, Sound
from .summary import Clock

CALL_BYTES = 256 << 20
"""About so many bytes of different pictures wait for a call of the backbone at most."""

SOUND_BATCH_BYTES = 64 << 20
"""About as much sound goes to the backbone in one call."""

METHODS = {"pictures": "encode_images", "sequences": "encode_clips", "sounds": "encode_audio"}

_log = logging.getLogger(__name__)


class EncodingError(Exception):
    """The backbone cannot encode this video; the run goes on."""


@dataclass(eq=False)
class Rows:
    """The embeddings of one video's plan, filled in call by call: [n, Dv], [m, R, Dv] and [q, Da] float32.

    ``error`` says why the video cannot be encoded; what is left of it is skipped then.
    """

    name: str
    plan: VideoPlan
    pictures: NDArray[np.float32]
    sequences: NDArray[np.float32]
    sounds: NDArray[np.float32]
    error: str = ""

    @classmethod
    def empty(cls, name: str, plan: VideoPlan, spec: BackboneSpec) -> Rows:
        return cls(
            name,
            plan,
            np.zeros((len(plan.pictures), spec.visual_dim), np.float32),
            np.zeros((len(plan.sequences), spec.visual_rows, spec.visual_dim), np.float32),
            np.zeros((len(plan.sounds), spec.audio_dim), np.float32),
        )

    def embeddings(self, spec: BackboneSpec) -> VideoEmbeddings:
        """Every row where the plan says it belongs."""
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
        )


@dataclass
class _Waiting:
    """Items for one method of the backbone, each with the row it fills."""

    entries: list[tuple[Rows, int, Any]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    size: int = 0

    def add(self, rows: Rows, row: int, item: Any, arrays: Iterable[NDArray[Any]]) -> None:
        self.entries.append((rows, row, item))
        for array in arrays:
            if id(array) not in self.seen:
                self.seen.add(id(array))
                self.size += array.nbytes


class Encoder:
    """Calls a backbone with the items of videos, and puts the rows it gives where they belong.

    Parameters
    ----------
    backbone : its ``items_per_call`` says how many items of several videos go into a call; None: one video at a time
    segment_seconds : length of a segment
    clock : gets the seconds spent in the backbone, as ``encode``

    Attributes
    ----------
    counts : items encoded so far, by kind
    """

    def __init__(self, backbone: Backbone, segment_seconds: float, clock: Clock | None = None) -> None:
        self.backbone = backbone
        self.counts = dict.fromkeys(METHODS, 0)
        self._clock = clock or Clock()
        self._per_segment = backbone.spec.sample_rate * segment_seconds
        self._limit = backbone.items_per_call
        self._most = dict.fromkeys(METHODS, self._limit or sys.maxsize)
        self._waiting = {kind: _Waiting() for kind in METHODS}

    def begin(self, name: str, plan: VideoPlan) -> Rows:
        """Rows for a video, to be filled by `feed`; they are complete after the next `flush`."""
        return Rows.empty(name, plan, self.backbone.spec)

    def feed(self, rows: Rows, item: Piece | Sound) -> None:
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
        else:
            for row, frame in item.pictures:
                self._add("pictures", rows, row, frame, [frame], CALL_BYTES)
            for row, frames in item.sequences:
                self._add("sequences", rows, row, frames, frames, CALL_BYTES)
        if self._limit is None:
            self.flush()

    def _add(self, kind: str, rows: Rows, row: int, item: Any, arrays: Sequence[NDArray[Any]], most: int) -> None:
        waiting = self._waiting[kind]
        waiting.add(rows, row, item, arrays)
        if len(waiting.entries) >= self._most[kind] or waiting.size >= most:
            self._flush(kind)

    def flush(self) -> None:
        """Encode what is waiting."""
        for kind in METHODS:
            self._flush(kind)

    def _flush(self, kind: str) -> None:
        entries, self._waiting[kind] = self._waiting[kind].entries, _Waiting()
        first = 0
        while first < len(entries):
            # running out of memory lowers the limit on the way
            some = entries[first : first + self._most[kind]]
            first += len(some)
            with self._clock.stage("encode"):
                self._encode(kind, some)

    def _encode(self, kind: str, entries: Sequence[tuple[Rows, int, Any]]) -> None:
        entries = [entry for entry in entries if not entry[0].error]
        if not entries:
            return
        out, problem = None, ""
        try:
            out = self._call(kind, entries)
        except EncodingError as error:
            problem = str(error)
        except Exception as error:
            if not out_of_memory(error):
                raise
        if out is not None:
            self._keep(kind, entries, out)
        elif problem:
            names = list(dict.fromkeys(id(rows) for rows, _, _ in entries))
            if len(names) == 1:
                entries[0][0].error = problem
                return
            for name in names:
                self._encode(kind, [entry for entry in entries if id(entry[0]) == name])
        else:
            self._with_less_memory(kind, entries)

    def _keep(self, kind: str, entries: Sequence[tuple[Rows, int, Any]], out: NDArray[np.float32]) -> None:
        finite: list[bool] = np.asarray(np.isfinite(out.reshape(len(out), -1)).all(axis=1)).tolist()
        for (rows, row, _), values, good in zip(entries, out, finite, strict=True):
            if not good:
                rows.error = rows.error or f"{self._what(kind)} gave NaN or infinity"
            getattr(rows, kind)[row] = values
        self.counts[kind] += len(entries)

    def _with_less_memory(self, kind: str, entries: Sequence[tuple[Rows, int, Any]]) -> None:
        """After running out of memory: half the batch, from now on."""
        release_memory()
        batch = getattr(self.backbone, "batch_size", None)
        if isinstance(batch, int) and batch > 1:
            smaller = max(1, min(batch, len(entries)) // 2)
            self.backbone.batch_size = smaller  # type: ignore[attr-defined]
            _log.warning("%s ran out of memory; going on with batches of %d", self._what(kind), smaller)
            self._encode(kind, entries)
        elif len(entries) > 1:
            half = (len(entries) + 1) // 2
            self._most[kind] = min(self._most[kind], half)
            _log.warning("%s ran out of memory; going on with %d items a call", self._what(kind), half)
            self._encode(kind, entries[:half])
            self._encode(kind, entries[half:])
        else:
            entries[0][0].error = f"{self._what(kind)} ran out of memory with a single item"

    def _call(self, kind: str, entries: Sequence[tuple[Rows, int, Any]]) -> NDArray[np.float32]:
        what = self._what(kind)
        try:
            rows = np.asarray(getattr(self.backbone, METHODS[kind])([item for _, _, item in entries]))
        except AvreplayError as error:
            raise DataError(f"{_names(entries)}: {error}") from error
        except ValueError as error:
            raise EncodingError(f"{what} refuses it: {error}") from error
        except Exception as error:
            if out_of_memory(error):
                raise
            raise DataError(f"{_names(entries)}: {what} failed: {type(error).__name__}: {error}") from error
        shape = (len(entries), *getattr(entries[0][0], kind).shape[1:])
        if rows.shape != shape:
            raise DataError(f"{_names(entries)}: {what} gave shape {rows.shape} and should give {shape}")
        return rows.astype(np.float32, copy=False)

    def _what(self, kind: str) -> str:
        return f"{METHODS[kind]} of backbone {self.backbone.name!r}"


def encode_video(
    backbone: Backbone, plan: VideoPlan, items: Iterable[Piece | Sound], segment_seconds: float, name: str = ""
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


def out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out, the machine's or the device's; torch need not be there."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, MemoryError) or "OutOfMemoryError" in names


def release_memory() -> None:
    """Give what can be given back."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _names(entries: Sequence[tuple[Rows, int, Any]]) -> str:
    names = sorted({rows.name for rows, _, _ in entries})
    return f"video {names[0]!r}" if len(names) == 1 else f"videos {names[0]!r} to {names[-1]!r}"


def timed(items: Iterator[Any], clock: Clock) -> Iterator[Any]:
    """The items, the time they were waited for counted as ``decode_wait``."""
    while True:
        with clock.stage("decode_wait"):
            item = next(items, None)
        if item is None:
            return
        yield item
