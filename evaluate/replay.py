"""Replay a store: any decoder over its cached scores, with names in and names out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.atomic_write import atomic_file
from ..cache.joined import open_stores
from ..cache.store import Store
from ..core.arguments import typed_arguments
from ..core.bundle import ScoreBundle
from ..core.decoders.base import Decoder, Inputs, Replay
from ..core.decoders.input_blocks import InputBlocks
from ..core.decoders.registry import DECODERS, decoder_name, decoder_of
from ..core.decoders.replayed import replayed
from ..core.errors import UsageError
from ..core.events import TRACKS
from ..core.params.options import OptionSet
from .datasets.annotations import Annotations
from .files.predictions import Predictions
from .inputs import Source, input_blocks, reads_of
from .made_from import made_from, settings_digest, stored_text

_TRACE_BYTES = 3 * 3 * 8
"""Of a segment and label: threshold, score and ratio of three tracks."""


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What replay found, for P settings of one decoder on N videos.

    scores : the scores that were replayed, or where they are read from block by block
    """

    scores: ScoreBundle | InputBlocks
    params: tuple[OptionSet, ...]
    replay: Replay
    decoder: Decoder[Any]
    made_from: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        settings = "" if len(self.params) == 1 else f" under {len(self.params)} settings"
        counts = f"{self.videos.num_videos} videos{settings}, {len(self.replay.events.label)} events"
        return f"<ReplayResult of {self.decoder.name}: {counts}>"

    @property
    def videos(self) -> ScoreBundle:
        """The videos, their segments and the labels; of scores that memory does not hold, without the arrays."""
        return self.scores.scores if isinstance(self.scores, InputBlocks) else self.scores

    @cached_property
    def bundle(self) -> ScoreBundle:
        """The scores, in memory: those that were replayed in blocks are all read when they are first asked for."""
        return self.scores.whole().scores if isinstance(self.scores, InputBlocks) else self.scores

    def predictions(self, setting: int = 0) -> Predictions:
        """The events of one setting, as they are written to ``predictions.json``."""
        b = self.videos
        events = self.replay.events
        return Predictions(
            b.labels, stored_params(self.decoder, self.params[setting]), b.video_ids, b.segments_per_video,
            events if events.num_settings == 1 else events.setting(setting), b.segment_seconds,
            self._made_from(setting),
        )  # fmt: skip

    def plot(self, video: str, truth: Annotations | None = None, setting: int = 0) -> Any:
        """The timeline of a video under one setting (:func:`avreplay.plot_timeline`)."""
        from .report.plot import plot_timeline

        return plot_timeline(self.predictions(setting), video, truth)

    def _made_from(self, setting: int) -> dict[str, Any] | None:
        return _of_setting(self.made_from, self.decoder, self.params[setting])

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as ``.npz``: the arrays of :meth:`trace_arrays`.

        Raises: UsageError when the replay kept no trace; as :func:`.cache.atomic_write.atomic_file` does.
        """
        arrays: dict[str, Any] = self.trace_arrays()
        with atomic_file(path) as file:
            np.savez(file, **arrays)

    def trace_arrays(self) -> dict[str, NDArray[Any]]:
        """The trace by name: ``video_ids``, ``labels``, ``segments_per_video``, per track ``_tau``, ``_score``,
        ``_ratio`` (S, C) and ``_active`` (N, C), ``made_from`` as in the predictions (JSON), and, where the decoder
        tells them, the candidates: ``candidates_starts`` (3 N + 1,), where those of each video and track begin,
        ``_label``, ``_onset``, ``_offset``, ``_score`` (of their windows, NaN where unchecked) and ``_kept`` (E,).

        Raises: UsageError when the replay kept no trace.
        """
        trace = self.replay.trace
        if trace is None:
            raise UsageError("this replay kept no trace; ask for one with trace=True")
        arrays = _arrays_of(self.videos)
        for k, track in enumerate(TRACKS):
            for name in ("tau", "score", "ratio", "active"):
                arrays[f"{track}_{name}"] = getattr(trace, name)[k]
        if trace.candidates is not None:
            for name in ("starts", "label", "onset", "offset", "score"):
                arrays[f"candidates_{name}"] = getattr(trace.candidates.events, name)
            arrays["candidates_kept"] = trace.candidates.kept
        return arrays | stored_text(self._made_from(0))


def _of_setting(made_from: Mapping[str, Any] | None, decoder: Decoder[Any], params: OptionSet) -> dict[str, Any] | None:
    """What the results of a setting were made from."""
    return None if made_from is None else {**made_from, "settings": settings_digest(stored_params(decoder, params))}


def _arrays_of(videos: ScoreBundle) -> dict[str, NDArray[Any]]:
    """What a trace says of its videos."""
    return {
        "video_ids": np.array(videos.video_ids, str),
        "labels": np.array(videos.labels, str),
        "segments_per_video": videos.segments_per_video,
    }


def stored_params(decoder: Decoder[Any], params: OptionSet) -> dict[str, Any]:
    """The options of a setting and the name of its decoder, as they are stored in predictions and searches; settings of
    AV²A, which came first, name none. Options that came later (``later`` of :func:`.core.params.options.option`) are
    left out where they have their default."""
    name, held = decoder_name(decoder), params.as_dict()
    for f in fields(params):
        if f.metadata.get("later") and held[f.name] == f.default:
            del held[f.name]
    return {**({} if name == "av2a" else {"decoder": name}), **held}


@dataclass(frozen=True, eq=False)
class ReplayBlocks:
    """A replay that is prepared: which settings of which decoder, on what. Iterating gives the result of each block of
    consecutive videos in order; blocks are read when they are asked for, one ahead."""

    inputs: InputBlocks
    params: tuple[OptionSet, ...]
    decoder: Decoder[Any]
    made_from: Mapping[str, Any] | None
    tracks: Sequence[str] = TRACKS
    threads: int | None = None
    trace: bool = False

    def __iter__(self) -> Iterator[ReplayResult]:
        for block in self.inputs:
            yield self._of(block, block.scores)

    def part(self, first: int, last: int) -> ReplayBlocks:
        """The same of the videos from one to before another."""
        if (first, last) == (0, self.inputs.num_videos):
            return self
        return replace(self, inputs=self.inputs.select(np.arange(first, last)))

    def chosen(self, videos: Sequence[int]) -> ReplayBlocks:
        """The same of some of the videos, in the order given."""
        return replace(self, inputs=self.inputs.select(videos))

    def made_from_of(self, setting: int) -> dict[str, Any] | None:
        """What the predictions of a setting say that they were made from."""
        return _of_setting(self.made_from, self.decoder, self.params[setting])

    def trace_of_all(self) -> dict[str, NDArray[Any]]:
        """What the trace of all videos says of them, without a replay."""
        return _arrays_of(self.inputs.scores)

    def at_once(self) -> ReplayResult:
        """The result of all videos; of scores that memory does not hold, the events of all blocks together."""
        inputs = self.inputs.held()
        return self._of(inputs, inputs.scores if isinstance(inputs, Inputs) else inputs)

    def _of(self, inputs: Inputs | InputBlocks, scores: ScoreBundle | InputBlocks) -> ReplayResult:
        done = replayed(self.decoder, inputs, self.params, tracks=self.tracks, threads=self.threads, trace=self.trace)
        return ReplayResult(scores, self.params, done, self.decoder, self.made_from)


@typed_arguments
def replay(
    source: Source,
    params: OptionSet | Sequence[OptionSet],
    *,
    decoder: str | Decoder[Any] | None = None,
    videos: Sequence[str] | None = None,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    trace: bool = False,
    scores: str | None = None,
    memory: int | str | None = None,
) -> ReplayResult:
    """Run a decoder over the cached scores of a store, for one setting or many.

    Parameters
    ----------
    source : a store, its path or URL, a pattern or list of stores (:func:`avreplay.open_stores`), or a score bundle
    params : one setting or a sequence of them, all of one decoder: :class:`Params` for AV²A, :class:`OvavelParams` for
        OV-AVEL's, which read the cosines of a store and give events of the audio-visual track, or the options of any
        registered decoder
    decoder : a decoder or its name; default: the registered one whose options the settings are
    videos : only these video ids, in this order
    scores : a score set of the store, instead of its own scores
    tracks : which of audio, visual, audio_visual to compute; the others stay empty
    threads : default: the number of cores; results do not depend on it
    trace : also keep thresholds, scores, ratios and active labels (one setting, decoders that have them)
    memory : bytes for scores, or a size such as ``2GB``; by default 1 GiB. Scores of a store that take more are read in
        blocks of videos; the events are the same. :func:`avreplay.replay_blocks` gives them a block at a time

    Raises
    ------
    DataError
        a store that cannot be read, scores that a setting needs and that are missing
    UsageError
        no setting, settings of several decoders, an unknown video, track or score set, a trace or tracks that the
        decoder does not give, memory that is no size or too small for a video
    """
    return replay_blocks(
        source, params, decoder=decoder, videos=videos, tracks=tracks, threads=threads, trace=trace, scores=scores,
        memory=memory,
    ).at_once()  # fmt: skip


@typed_arguments
def replay_blocks(
    source: Source,
    params: OptionSet | Sequence[OptionSet],
    *,
    decoder: str | Decoder[Any] | None = None,
    videos: Sequence[str] | None = None,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    trace: bool = False,
    scores: str | None = None,
    memory: int | str | None = None,
) -> ReplayBlocks:
    """A :func:`replay` of more videos than memory holds: iterating gives the :class:`ReplayResult` of each block of
    consecutive videos. Before that nothing is read but which videos there are.

    Options are those of :func:`replay`; the trace of a block counts as memory too.

    Raises: as :func:`replay`.
    """
    settings = (params,) if isinstance(params, OptionSet) else tuple(params)
    if not settings:
        raise UsageError("replay needs at least one parameter setting")
    used = (
        decoder_of(settings[0]) if decoder is None else DECODERS.get(decoder) if isinstance(decoder, str) else decoder
    )
    if any(not isinstance(p, used.params) for p in settings):
        raise UsageError("the settings are of several decoders; replay them one after the other")
    reads = reads_of(used, settings)
    opened = source if isinstance(source, (Store, ScoreBundle)) else open_stores(source)
    inputs = input_blocks(opened, reads, scores, memory=memory)
    if videos is not None:
        at = {v: i for i, v in enumerate(inputs.scores.video_ids)}
        unknown = [v for v in videos if v not in at]
        if unknown:
            raise UsageError(f"the store has no scores of a video {unknown[0]!r}")
        inputs = inputs.select([at[v] for v in videos])
    if trace:
        inputs = inputs.larger_by(_TRACE_BYTES * inputs.scores.segments_per_video * inputs.scores.num_labels)
    made = made_from(opened, scores) if isinstance(opened, Store) else None
    return ReplayBlocks(inputs, settings, used, made, tracks, threads, trace)
