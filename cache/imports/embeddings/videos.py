"""One video of an import: its record with status and notes, and its embeddings, from the arrays of its modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.bundle_checks import MAX_SEGMENTS
from ....core.errors import DataError
from ....core.text import printable
from ...layout.schema import Note, VideoEmbeddings, VideoRecord
from .found import Found
from .plan import EmbeddingsMapping, ModalityPlan, made_most
from .rows import clip_of, fitted, normalised, pooled, segments_of
from .sources import Source

_LARGEST = {"float16": 65504.0, "float32": 3.4e38}


@dataclass(frozen=True)
class Wanted:
    """A video to import.

    id : as the store has it
    raw : as the files have it
    row : in arrays of all videos
    segments : how many it has, where the mapping says so for each
    """

    id: str
    raw: str
    row: int
    segments: int | None = None


@dataclass(frozen=True)
class _Stream:
    rows: NDArray[np.float32]
    clip: NDArray[np.float32] | None
    gaps: int
    begin: float | None


class VideoReader:
    """Reads the videos of an import, one at a time.

    sources, clips : where the arrays of each modality lie, and those of whole clips where the mapping names some
    widths : of the embeddings, by modality
    """

    def __init__(
        self,
        plan: EmbeddingsMapping,
        sources: Mapping[str, Source],
        clips: Mapping[str, Source],
        widths: Mapping[str, int],
    ) -> None:
        self._plan, self._sources, self._clips, self._widths = plan, sources, clips, widths

    def read(self, video: Wanted) -> tuple[VideoRecord, VideoEmbeddings | None]:
        """The record and the embeddings of a video.

        What cannot be read or does not fit is the video's status ``unreadable``, with the reason; without an array in
        any modality it is ``missing``.
        """
        try:
            streams = {
                name: stream
                for name, plan in self._plan.modalities.items()
                if (stream := self._stream(name, plan, video)) is not None
            }
            if not streams:
                return VideoRecord(video.id, "missing", "no file or array of this id"), None
            return self._together(video, streams)
        except DataError as error:
            return VideoRecord(video.id, "unreadable", printable(str(error))), None

    def _stream(self, name: str, plan: ModalityPlan, video: Wanted) -> _Stream | None:
        found = self._sources[name].read(video.raw, video.row)
        if found is None:
            return None
        if found.array.ndim == len(found.axes) and found.array.size == 0:
            return None  # an empty array: the modality is absent
        rows = pooled(found, plan.array)
        self._refuse_width(found, name, rows)
        clip = None
        if plan.clip is not None:
            of_clip = self._clips[name].read(video.raw, video.row)
            if of_clip is None:
                raise DataError(f"{name}: there is no embedding of the whole clip; add it, or leave out clip")
            one = pooled(of_clip, plan.clip)
            self._refuse_width(of_clip, name, one)
            if len(one) > 1:
                raise DataError(
                    f"{of_clip.where} has {len(one)} embeddings of the whole clip; name its file, or a pool"
                )
            clip = self._scaled(one, plan, of_clip)[0]
        rows = segments_of(rows, plan, self._plan.segment_seconds)
        if len(rows) > MAX_SEGMENTS:
            raise DataError(f"{found.where} has {len(rows)} segments, more than {MAX_SEGMENTS}; divide the video")
        return _Stream(self._scaled(rows, plan, found), clip, found.gaps, found.begin)

    def _scaled(self, rows: NDArray[np.float32], plan: ModalityPlan, found: Found) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            rows = normalised(rows, plan.normalise, plan.scale)
        if not np.abs(rows).max() <= _LARGEST[self._plan.dtype]:
            raise DataError(f'{found.where} exceeds {self._plan.dtype}; set dtype = "float32", or a smaller scale')
        return rows

    def _refuse_width(self, found: Found, name: str, rows: NDArray[np.float32]) -> None:
        if rows.shape[1] != self._widths[name]:
            raise DataError(
                f"{found.where} is {rows.shape[1]} wide, and the {name} embeddings of the store are "
                f"{self._widths[name]} wide; check its axes"
            )

    def _together(self, video: Wanted, streams: Mapping[str, _Stream]) -> tuple[VideoRecord, VideoEmbeddings]:
        """The modalities at one length."""
        lengths = {name: len(stream.rows) for name, stream in streams.items()}
        plan = self._plan
        fixed = video.segments if video.segments is not None else plan.segments
        longest, shortest = max(lengths.values()), min(lengths.values())
        count = fixed if isinstance(fixed, int) else shortest if plan.lengths == "shortest" else longest
        if count < 1:
            raise DataError("the mapping says that it has no segments")
        if count > made_most(longest):
            raise DataError(f"the mapping says {count} segments, and {longest} are there; check segments")
        missing = count - shortest
        if plan.lengths == "near" and missing > 1:
            told = " and ".join(f"{name} {n}" for name, n in lengths.items())
            raise DataError(
                f"{told} segments of {count} are there; check the rates (per_segment, seconds), or set lengths = "
                '"longest" or "shortest"'
            )
        begins = {name: stream.begin for name, stream in streams.items() if stream.begin is not None}
        if len(set(begins.values())) > 1:
            told = " and ".join(f"{name} at {begin:g}" for name, begin in begins.items())
            raise DataError(f"{told}: the first files of the modalities begin apart; add those that are missing")
        notes = []
        for name, stream in streams.items():
            n = len(stream.rows)
            if n < count:
                notes.append(Note("padded", f"{name} has {n} of {count} segments; its last embedding is repeated"))
            if n > count:
                notes.append(Note("cut", f"{name} has {n} segments, of which the first {count} are kept"))
            if stream.gaps:
                notes.append(Note("gaps", f"{name} lacks {stream.gaps} embeddings; the ones before are repeated"))
        status = "ok" if len(streams) == len(plan.modalities) == 2 else "no_video" if "audio" in streams else "no_audio"
        reason = "" if status == "ok" else f"there are no {'visual' if 'audio' in streams else 'audio'} embeddings"
        record = VideoRecord(video.id, status, reason, count, count * plan.segment_seconds, tuple(notes))
        arrays: dict[str, NDArray[np.float32]] = {}
        for name, stream in streams.items():
            rows = fitted(stream.rows, count)
            clip = stream.clip
            if clip is None:
                clip = normalised(clip_of(rows, plan.clip)[None], plan.modalities[name].normalise, 1.0)[0]
                if plan.modalities[name].normalise == "l2":
                    clip = clip * np.float32(plan.modalities[name].scale)
            arrays[f"{name}_segments"] = rows
            arrays[f"{name}_clip"] = clip[None] if name == "visual" else clip
        return record, VideoEmbeddings(np.zeros((0, 2), np.int64), **_windows(arrays), **arrays)


def _windows(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """No windows, of the widths of the embeddings."""
    found = {}
    if "audio_clip" in arrays:
        found["window_audio"] = np.zeros((0, arrays["audio_clip"].shape[-1]), np.float32)
    if "visual_clip" in arrays:
        found["window_visual"] = np.zeros((0, *arrays["visual_clip"].shape), np.float32)
    return found
