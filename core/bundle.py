"""The score bundle: everything that replay reads, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bundle_checks import (
    check_windows,
    checked_values,
    cosines,
    counts,
    flags,
    integers,
    refuse_duplicates,
    score_array,
    seconds_value,
    text_value,
)
from .errors import DataError, UsageError
from .names import names_of

KINDS = ("similarity", "probability")

_SEGMENT_ARRAYS = ("visual_segments", "audio_segments", "audio_visual_segments")


@dataclass(frozen=True, eq=False, repr=False)
class ScoreBundle:
    """Scores of N videos against C labels; S segments and W windows in all, R rows per visual score.

    Build it with :meth:`create`, which checks and normalises; absent arrays are ``None``.
    All arrays are read-only and C-contiguous.

    Shapes and units
    ----------------
    video_ids : N strings; labels : C strings
    segments_per_video : (N,) int64, sums to S
    kind : ``similarity`` (z-scored over the active labels at replay) or ``probability`` (used as they are)
    visual_segments, audio_segments, audio_visual_segments : (S, C) float32, one row a segment
    audio_frames : (S, F, C) float32, the F parts of equal length of each segment, in order (:mod:`.pooling`)
    visual_features : (S, D) float32, of which replay uses only ``visual_cosine``
    audio_clip : (N, C) float32; visual_clip : (N, R, C) float32, the whole clip
    window_video, window_start, window_end : (W,) int64, half-open segment ranges, sorted
    window_audio : (W, C) float32; window_visual : (W, R, C) float32
    visual_cosine : (S,) float64, cosine of the features of a segment and the next one of its video (0 for the last)
    has_audio, has_visual : (N,) bool, False where the video has no such stream (its rows are then ignored)
    segment_seconds : length of a segment in seconds
    """

    video_ids: tuple[str, ...]
    labels: tuple[str, ...]
    segments_per_video: NDArray[np.int64]
    kind: str = "similarity"
    visual_segments: NDArray[np.float32] | None = None
    visual_features: NDArray[np.float32] | None = None
    audio_segments: NDArray[np.float32] | None = None
    audio_visual_segments: NDArray[np.float32] | None = None
    audio_frames: NDArray[np.float32] | None = None
    audio_clip: NDArray[np.float32] | None = None
    visual_clip: NDArray[np.float32] | None = None
    window_video: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    window_start: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    window_end: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    window_audio: NDArray[np.float32] | None = None
    window_visual: NDArray[np.float32] | None = None
    visual_cosine: NDArray[np.float64] | None = None
    has_audio: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    has_visual: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    segment_seconds: float = 1.0

    def __repr__(self) -> str:
        segments = int(self.segments_per_video.sum())
        return f"<ScoreBundle: {self.num_videos} videos × {self.num_labels} labels, {segments} segments, {self.kind}>"

    @property
    def num_videos(self) -> int:
        """N, the number of videos."""
        return len(self.video_ids)

    @property
    def num_labels(self) -> int:
        """C, the number of labels."""
        return len(self.labels)

    @property
    def segment_starts(self) -> NDArray[np.int64]:
        """(N + 1,) int64: the rows ``[starts[v], starts[v + 1])`` of the segment arrays belong to video v."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.segments_per_video)])

    @classmethod
    def create(
        cls,
        *,
        video_ids: Sequence[str],
        labels: Sequence[str],
        segments_per_video: ArrayLike,
        kind: str = "similarity",
        segment_seconds: float = 1.0,
        has_audio: ArrayLike | None = None,
        has_visual: ArrayLike | None = None,
        window_video: ArrayLike | None = None,
        window_start: ArrayLike | None = None,
        window_end: ArrayLike | None = None,
        **scores: ArrayLike | None,
    ) -> ScoreBundle:
        """Check the arrays and put them into the form the kernels read.

        Names may be UTF-8 bytes. Probabilities at most 0.00001 outside [0, 1] are clipped.

        Raises
        ------
        DataError
            a wrong shape or dtype, a blank or duplicated id or label, NaN or infinity, a probability outside [0, 1], a
            window outside its video; the message names the array, and the video where there is one.
        """
        ids, names = names_of(video_ids, "video_ids"), names_of(labels, "labels")
        refuse_duplicates(ids, "video id")
        refuse_duplicates(names, "label")
        if not names:
            raise DataError("the score bundle has no labels; give at least one in `labels`")
        kind = text_value(kind, "kind")
        if kind not in KINDS:
            raise DataError(f"kind is {kind[:40]!r}; it must be one of {', '.join(KINDS)}")
        seconds = seconds_value(segment_seconds)
        n, c = len(ids), len(names)
        per_video = counts(segments_per_video, ids)
        s = int(per_video.sum())
        audible = flags(has_audio, "has_audio", ids)
        visible = flags(has_visual, "has_visual", ids)

        unknown = sorted(set(scores) - {f.name for f in fields(cls)})
        if unknown:
            raise UsageError(f"a score bundle has no array named {unknown[0]!r}")
        shapes: dict[str, tuple[int | None, ...]] = {
            **dict.fromkeys(_SEGMENT_ARRAYS, (s, c)),
            "audio_frames": (s, None, c),
            "visual_features": (s, None),
            "audio_clip": (n, c),
            "visual_clip": (n, None, c),
        }
        out = {name: score_array(scores.get(name), name, shape) for name, shape in shapes.items()}

        index = [window_video, window_start, window_end]
        if any(x is None for x in index) and not all(x is None for x in index):
            raise DataError("window_video, window_start and window_end go together; one of them is missing")
        if window_video is None:
            if scores.get("window_audio") is not None or scores.get("window_visual") is not None:
                raise DataError("window scores need window_video, window_start and window_end too")
            wv = ws = we = np.zeros(0, np.int64)
            order = None
        else:
            wv = integers(window_video, "window_video", (None,))
            ws = integers(window_start, "window_start", wv.shape)
            we = integers(window_end, "window_end", wv.shape)
            order = check_windows(wv, ws, we, ids, per_video)
            if order is not None:
                wv, ws, we = wv[order], ws[order], we[order]
        w = len(wv)
        window_shapes: dict[str, tuple[int | None, ...]] = {"window_audio": (w, c), "window_visual": (w, None, c)}
        for name, shape in window_shapes.items():
            array = score_array(scores.get(name), name, shape)
            out[name] = array if array is None or order is None else np.ascontiguousarray(array[order])

        for name in ("visual_clip", "window_visual"):
            array = out[name]
            if array is not None and array.shape[0] and array.shape[1] == 0:
                raise DataError(f"{name} has no row a score (shape {array.shape}); give one at least, or leave it out")
        if out["visual_clip"] is not None and out["window_visual"] is not None:
            r, rw = out["visual_clip"].shape[1], out["window_visual"].shape[1]
            if w and r != rw:
                raise DataError(f"visual_clip has {r} rows a score and window_visual {rw}; they must agree")
        of_clip = np.arange(n)
        segments_there = any(out[name] is not None for name in (*_SEGMENT_ARRAYS, "audio_frames", "visual_features"))
        of_segment = np.repeat(of_clip, per_video) if segments_there else of_clip
        streams = {"audio_segments": audible, "audio_visual_segments": audible & visible, "audio_frames": audible,
                   "audio_clip": audible, "window_audio": audible}  # fmt: skip
        for name, array in out.items():
            if array is not None:
                windows = name in window_shapes
                owner = wv if windows else of_clip if name.endswith("_clip") else of_segment
                bounded = kind == "probability" and name != "visual_features"
                present = streams.get(name, visible)
                out[name] = checked_values(
                    array, name, ids, owner, present, bounded, scores[name], order if windows else None
                )

        cosine = cosines(scores.get("visual_cosine"), ids, per_video, visible)
        if cosine is None and (features := out["visual_features"]) is not None:
            cosine = adjacent_cosine(features, per_video)
        return _frozen(
            cls(
                ids, names, per_video, kind, **out, window_video=wv, window_start=ws, window_end=we,
                visual_cosine=cosine, has_audio=audible, has_visual=visible, segment_seconds=seconds,
            )
        )  # fmt: skip

    def select_labels(self, labels: Sequence[int] | NDArray[np.int64]) -> ScoreBundle:
        """A bundle of some of the labels, in the order given."""
        chosen = np.asarray(labels, np.int64)
        arrays: dict[str, Any] = {n: getattr(self, n) for n in _LABEL_ARRAYS}
        kept: dict[str, Any] = {
            n: None if a is None else np.ascontiguousarray(a[..., chosen]) for n, a in arrays.items()
        }
        return _frozen(replace(self, labels=tuple(self.labels[i] for i in chosen.tolist()), **kept))

    def with_labels(self, added: ScoreBundle) -> ScoreBundle:
        """This bundle with the labels of another one after its own; the other is of the same videos and windows.

        Raises
        ------
        DataError
            other videos, segments, windows or arrays, or a label that is here already
        """
        refuse_duplicates((*self.labels, *added.labels), "label")
        joined: dict[str, Any] = {}
        for name in _LABEL_ARRAYS:
            mine, theirs = getattr(self, name), getattr(added, name)
            if (mine is None) != (theirs is None) or (mine is not None and mine.shape[:-1] != theirs.shape[:-1]):
                raise DataError(f"{name} of the added labels does not fit the scores; compute both from one store")
            joined[name] = None if mine is None else np.concatenate([mine, theirs], axis=-1)
        if self.video_ids != added.video_ids or not np.array_equal(self.segments_per_video, added.segments_per_video):
            raise DataError("the added labels are scored for other videos; compute both from one store")
        return _frozen(replace(self, labels=(*self.labels, *added.labels), **joined))

    def select_videos(self, videos: Sequence[int] | NDArray[np.int64]) -> ScoreBundle:
        """A bundle of some of the videos, in the order given (used for search and report subsets)."""
        chosen = np.asarray(videos, np.int64)
        starts = self.segment_starts
        segments = np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(starts[v], starts[v + 1]) for v in chosen.tolist())]
        )
        w_first = np.searchsorted(self.window_video, chosen, "left")
        w_last = np.searchsorted(self.window_video, chosen, "right")
        windows = np.concatenate([np.zeros(0, np.int64), *map(np.arange, w_first.tolist(), w_last.tolist())]).astype(
            np.int64
        )

        def rows(array: NDArray[Any] | None, index: NDArray[np.int64]) -> NDArray[Any] | None:
            return None if array is None else array[index]

        return _frozen(
            replace(
                self,
                video_ids=tuple(self.video_ids[v] for v in chosen.tolist()),
                segments_per_video=self.segments_per_video[chosen],
                visual_segments=rows(self.visual_segments, segments),
                visual_features=rows(self.visual_features, segments),
                audio_segments=rows(self.audio_segments, segments),
                audio_visual_segments=rows(self.audio_visual_segments, segments),
                audio_frames=rows(self.audio_frames, segments),
                visual_cosine=rows(self.visual_cosine, segments),
                audio_clip=rows(self.audio_clip, chosen),
                visual_clip=rows(self.visual_clip, chosen),
                window_video=np.repeat(np.arange(len(chosen)), w_last - w_first),
                window_start=self.window_start[windows],
                window_end=self.window_end[windows],
                window_audio=rows(self.window_audio, windows),
                window_visual=rows(self.window_visual, windows),
                has_audio=self.has_audio[chosen],
                has_visual=self.has_visual[chosen],
            )
        )


_LABEL_ARRAYS = (
    "visual_segments", "audio_segments", "audio_visual_segments", "audio_frames", "audio_clip", "visual_clip",
    "window_audio", "window_visual",
)  # fmt: skip


def adjacent_cosine(features: NDArray[Any], segments_per_video: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosine of each segment's visual feature and the next one's, 0 for the last segment of a video.

    Norms below 1e-8 are raised to 1e-8, as torch does, so a zero feature gives 0 and not NaN.

    Shapes: features (S, D), result (S,) float64. Paper: the factor of Eq. 7.
    """
    x = np.asarray(features, np.float64)
    out = np.zeros(len(x))
    if len(x) > 1:
        unit = x / np.maximum(np.sqrt(np.einsum("sd,sd->s", x, x)), 1e-8)[:, None]
        out[:-1] = np.einsum("sd,sd->s", unit[:-1], unit[1:])
    ends = np.cumsum(np.asarray(segments_per_video, np.int64)) - 1
    out[ends[ends >= 0]] = 0.0
    return out


def _frozen(bundle: ScoreBundle) -> ScoreBundle:
    for f in fields(bundle):
        value = getattr(bundle, f.name)
        if isinstance(value, np.ndarray):
            view = np.ascontiguousarray(value).view()
            view.flags.writeable = False
            object.__setattr__(bundle, f.name, view)
    return bundle
