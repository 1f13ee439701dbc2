"""What a decoder is: from cached scores to events, under one setting of its options.

``replay``, ``tune`` and the explorer take any decoder. A decoder in plain NumPy defines :meth:`Decoder.decode` and
nothing else; one with a compiled kernel also defines :meth:`Decoder.decode_many` and :meth:`Decoder.sweeper`. To add
one: a subclass of :class:`Decoder` in a file of its own, registered under the entry-point group ``avreplay.decoders``
or by :func:`avreplay.register` (``docs/extending.md``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..errors import DataError, UsageError
from ..events import TRACKS, Events, check_tracks
from ..params.needs import require_arrays
from ..params.options import Option, OptionSet, list_options, preset_and_profile, quirk_profiles
from ..params.presets import MadeFor
from ..params.table import ParamTable
from ..registry import failures_of

P = TypeVar("P", bound=OptionSet)


@dataclass(frozen=True)
class Reads:
    """What a decoder wants from a store.

    similarity : how embeddings and texts are compared: their ``product``, which AV²A normalises, or their ``cosine``
    fused : also the cosine of the mean of the audio and the visual embedding (``audio_visual_segments``)
    embeddings : the segment embeddings themselves (:class:`Embeddings`)
    text : the text embeddings of the labels
    means : mean embeddings by name (:class:`Means`): ``store``, over the segments of the whole store, or a file
    """

    similarity: str = "product"
    fused: bool = False
    embeddings: bool = False
    text: bool = False
    means: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of the videos of a bundle, in its order; rows of an absent stream are NaN.

    Shapes
    ------
    audio_segments : (S, Da) float32; visual_segments : (S, Dv) float32
    """

    audio_segments: NDArray[np.float32]
    visual_segments: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Text:
    """Text embeddings of the C labels of a bundle: audio (C, Da) and visual (C, Dv) float32."""

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Means:
    """Mean embeddings of segments, audio (Da,) and visual (Dv,) float32. They are the same whichever videos are
    decoded."""

    audio: NDArray[np.float32]
    visual: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a decoder reads: scores of N videos, and what else it asked for by :meth:`Decoder.reads`."""

    scores: ScoreBundle
    embeddings: Embeddings | None = None
    text: Text | None = None
    means: Mapping[str, Means] = field(default_factory=dict)

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Inputs:
        """The inputs of some of the videos, in the order given."""
        kept = self.embeddings
        if kept is not None:
            starts = self.scores.segment_starts.tolist()
            ranges = [np.arange(starts[v], starts[v + 1]) for v in np.asarray(videos, np.int64).tolist()]
            rows = np.concatenate([np.zeros(0, np.int64), *ranges]).astype(np.int64)
            kept = Embeddings(kept.audio_segments[rows], kept.visual_segments[rows])
        return Inputs(self.scores.select_videos(videos), kept, self.text, self.means)


@dataclass(frozen=True, eq=False)
class Candidates:
    """What may become events.

    Attributes
    ----------
    events : as a table of one setting, with the scores of their windows, NaN where they were not checked; none where a
        track has no candidates (late fusion)
    kept : (E,) bool, which of them became events
    """

    events: Events
    kept: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened inside, for one setting. Axis 0 is the track (:data:`TRACKS` order).

    Shapes: tau, score, ratio (3, S, C) float64, NaN where the label was not active (or the track not run);
    active (3, N, C) bool. ``ratio[t]`` is the label-shift ratio of the step from segment t to t + 1, without
    cosine and decay; NaN in a video's last segment and for methods without label shift.

    ``find`` gives the candidates, when they are first asked for; None for a decoder that tells none.
    """

    tau: NDArray[np.float64]
    score: NDArray[np.float64]
    ratio: NDArray[np.float64]
    active: NDArray[np.bool_]
    find: Callable[[], Candidates] | None = field(default=None, repr=False)

    @classmethod
    def undefined(cls, scores: ScoreBundle) -> Trace:
        """One of some videos in which nothing is known yet: NaN, and no label active; its arrays are to be written."""
        shape = len(TRACKS), int(scores.segments_per_video.sum()), scores.num_labels
        tau, score, ratio = (np.full(shape, np.nan) for _ in range(3))
        return cls(tau, score, ratio, np.zeros((len(TRACKS), scores.num_videos, scores.num_labels), np.bool_))

    @cached_property
    def candidates(self) -> Candidates | None:
        """The candidates of every track; None for a decoder that tells none."""
        return None if self.find is None else self.find()

    def without_inputs(self) -> Trace:
        """The same with its candidates found, so that it holds none of the scores and can be sent elsewhere."""
        found = self.candidates
        return replace(self, find=None if found is None else partial(_as_found, found))


def _as_found(candidates: Candidates) -> Candidates:
    return candidates


@dataclass(frozen=True, eq=False)
class Replay:
    """Events of all settings and videos, how many refinement windows were asked for and how many of those were not
    cached (mean-pooled segments stood in), and the trace if asked for. ``own_confidence``: whether the decoder gave the
    confidences of the events, which :func:`.replayed` says."""

    events: Events
    windows_asked: int = 0
    windows_pooled: int = 0
    trace: Trace | None = None
    own_confidence: bool = False


@dataclass(frozen=True)
class Stage:
    """One step of a decoder on the way to an event.

    name : of the step, e.g. ``selection``
    passed : whether the label, or any of its segments, came through
    text : one sentence with the numbers that decided
    values : the numbers by name: single ones, or one for each segment
    """

    name: str
    passed: bool
    text: str
    values: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Why a label is, or is not, an event of a track of a video between two segments (half-open)."""

    video: str
    track: str
    label: str
    onset: int
    offset: int
    stages: tuple[Stage, ...]

    @property
    def lost_at(self) -> str:
        """Name of the first stage that was not passed, empty where all were."""
        return next((s.name for s in self.stages if not s.passed), "")

    def text(self) -> str:
        """All stages, a line each."""
        return "\n".join(f"{'+' if s.passed else '-'} {s.name}: {s.text}" for s in self.stages)


class Decoder(ABC, Generic[P]):
    """From scores to events.

    Attributes
    ----------
    name : its key, as ``--decoder`` takes it
    about : one line
    params : its options, a frozen dataclass of :func:`avreplay.option` fields
    presets : values of options by preset name
    made_for : the scores that presets are for, by preset name; of a preset that is not in it nothing is said
    tracks : the tracks it gives events of
    traces : whether it can keep a :class:`Trace`
    """

    name: ClassVar[str]
    about: ClassVar[str] = ""
    params: type[P]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    made_for: ClassVar[Mapping[str, MadeFor]] = {}
    tracks: ClassVar[tuple[str, ...]] = TRACKS
    traces: ClassVar[bool] = False

    @property
    def profiles(self) -> Mapping[str, Mapping[str, Any]]:
        """The options in which released code and paper differ: ``release`` and ``paper``, values by name."""
        return quirk_profiles(self.params)

    def options(self) -> list[Option]:
        """Every option, in order."""
        return list_options(self.params)

    def make_params(
        self, preset: str | None = None, profile: str | None = None, values: Mapping[str, Any] | None = None
    ) -> P:
        """A setting from layers: defaults, then preset, then profile, then single values; later wins.

        Raises: UsageError for an unknown preset, profile or option, or a value that an option does not take.
        """
        layers = preset_and_profile(self.params, preset, self.presets, profile, self.profiles)
        return self.params().override({**layers, **(values or {})})

    def search_space(self) -> tuple[str, ...]:
        """What a search changes where nothing is given, as ``--search`` takes it: every option with two bounds, every
        choice and every switch."""
        found = []
        for f in fields(self.params):
            kind, meta = str(f.type), f.metadata
            if meta.get("choices"):
                found.append(f"{f.name}={','.join(meta['choices'])}")
            elif kind == "bool":
                found.append(f"{f.name}=false,true")
            elif meta.get("low") is not None and meta.get("high") is not None:
                found.append(f"{f.name}={meta['low']}:{meta['high']}")
        return tuple(found)

    def reads(self, settings: Sequence[P]) -> Reads:
        """What the settings need from a store."""
        return Reads()

    def require(self, scores: ScoreBundle, params: P, tracks: Sequence[str] = TRACKS) -> None:
        """Refuse a setting whose arrays are missing, by what its options declare that they need.

        Raises: DataError naming the array and the option that needs it.
        """
        require_arrays(scores, params, tracks)

    def check_request(self, tracks: Sequence[str], trace: bool, settings: int = 1) -> list[str]:
        """The tracks that are asked for and that the decoder gives, where a number of settings is to be replayed.

        Raises: UsageError for no setting, a trace of several or where it keeps none, an unknown track, or tracks of
            which it gives no events.
        """
        if settings < 1:
            raise UsageError("replay needs at least one parameter setting")
        if trace and settings > 1:
            raise UsageError(f"a trace is of one setting; {settings} were given")
        if trace and not self.traces:
            raise UsageError(f"the {self.name} decoder has no thresholds to trace; leave the trace out")
        check_tracks(tracks)
        wanted = [t for t in self.tracks if t in tracks]
        if not wanted:
            given = ", ".join(t.replace("_", "-") for t in self.tracks)
            raise UsageError(
                f"the {self.name} decoder gives {given} events only; ask for the track {', '.join(self.tracks)}"
            )
        return wanted

    @abstractmethod
    def decode(self, inputs: Inputs, params: P) -> Events:
        """The events of all N videos under one setting (``Events.from_tracks`` makes the table).

        Those of a video depend on its own inputs alone: a store that memory does not hold comes in blocks of videos.

        Raises: DataError for scores that a setting needs and that are missing.
        """

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[P],
        *,
        tracks: Sequence[str] = TRACKS,
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        """The events of several settings, in their order; results do not depend on ``threads``.

        Raises: UsageError for a trace where the decoder keeps none, or tracks of which it gives no events.
        """
        wanted = self.check_request(tracks, trace, len(settings))
        for params in settings:
            self.require(inputs.scores, params, tracks)
        with failures_of("decoder", self, self.name):
            decoded = [self._checked(self.decode(inputs, params), inputs) for params in settings]
        made = Events.joined(decoded)
        if len(wanted) < len(self.tracks):
            track = np.repeat(np.tile(np.arange(3), len(made.starts) // 3), np.diff(made.starts))
            made = made.where(np.isin(track, [TRACKS.index(t) for t in wanted]))
        return Replay(made)

    def sweeper(
        self, inputs: Inputs, table: ParamTable[P], tracks: Sequence[str] = TRACKS
    ) -> Callable[[int, int], Events]:
        """A function that gives the events of the settings ``begin`` to ``end`` of a table, called from any thread.

        Raises: DataError for scores that a setting of the table needs and that are missing.
        """

        def run(begin: int, end: int) -> Events:
            settings = [table.params(i) for i in range(begin, end)]
            return self.decode_many(inputs, settings, tracks=tracks, threads=1).events

        return run

    def explain(
        self, inputs: Inputs, params: P, video: int, track: str, label: int, onset: int = 0, offset: int | None = None
    ) -> Explanation:
        """Why a label is, or is not, an event of a track between two segments; up to the last one without ``offset``.

        Raises: UsageError for an unknown track, a video or label out of range, a span outside the video; DataError for
            a plug-in that fails or gives something else; as :meth:`stages`.
        """
        b = inputs.scores
        end = _end_of_span(b, video, track, label, onset, offset)
        with failures_of("decoder", self, self.name):
            steps = tuple(self.stages(inputs, params, video, track, label, onset, end))
            odd = next((step for step in steps if not isinstance(step, Stage)), None)
            if odd is not None:
                raise TypeError(f"stages() gave a {type(odd).__name__}, not a Stage")
        return Explanation(b.video_ids[video], track, b.labels[label], onset, end, steps)

    def stages(
        self, inputs: Inputs, params: P, video: int, track: str, label: int, onset: int, offset: int
    ) -> Sequence[Stage]:
        """The steps on the way to an event, in order, for :meth:`explain`, which has checked what it is asked about.

        The default says only which events of the label there are; a decoder that knows its stages overrides it.
        """
        events = self.decode(inputs.select([video]), params).track(0, track)
        found = [(s, e) for c, s, e, _ in events if c == label and s < offset and e > onset]
        spans = ", ".join(f"[{s}, {e})" for s, e in found)
        text = f"events of this label there: {spans}" if found else "there is no event of this label there"
        return (Stage("decode", bool(found), text),)

    def _checked(self, events: Events, inputs: Inputs) -> Events:
        b = inputs.scores
        n = b.num_videos
        if not isinstance(events, Events):
            raise TypeError(f"decode() gave {type(events).__name__}, not Events")
        if events.num_settings != 1 or events.num_videos != n:
            raise DataError(
                f"the decoder {self.name!r} gave events of {events.num_settings} settings and {events.num_videos} "
                f"videos; expected 1 and {n}"
            )
        video = np.repeat(np.arange(n * 3) // 3, np.diff(events.starts))
        bad = (events.label < 0) | (events.label >= b.num_labels) | (events.onset < 0)
        bad |= (events.offset <= events.onset) | (events.offset > b.segments_per_video[video])
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            v = int(video[i])
            raise DataError(
                f"the decoder {self.name!r} gave video {b.video_ids[v]!r} an event of label {int(events.label[i])} "
                f"from segment {int(events.onset[i])} to {int(events.offset[i])}; there are {b.num_labels} labels and "
                f"{int(b.segments_per_video[v])} segments"
            )
        return events


def _end_of_span(b: ScoreBundle, video: int, track: str, label: int, onset: int, offset: int | None) -> int:
    """The end of a span that is asked about. Raises UsageError as :meth:`Decoder.explain`."""
    check_tracks((track,))
    if not 0 <= video < b.num_videos or not 0 <= label < b.num_labels:
        raise UsageError(
            f"there is no video {video} or no label {label}; the scores are of {b.num_videos} videos and "
            f"{b.num_labels} labels"
        )
    length = int(b.segments_per_video[video])
    end = length if offset is None else offset
    if not 0 <= onset < end <= length and length:
        raise UsageError(f"[{onset}, {end}) is not within the {length} segments of {b.video_ids[video]!r}")
    return end
