"""AV²A: many videos x many parameter settings in one kernel call, from scores to events."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bundle import ScoreBundle
from ..errors import UsageError
from ..events import TRACKS, Events, check_tracks
from ..kernels.clip_scores import clip_scores
from ..kernels.replay import ReplayInputs, TraceArrays
from ..params.av2a import Params
from ..params.needs import deciding_options, refuse_one_label, require_arrays
from ..params.presets import PRESETS, PRESETS_MADE_FOR, MadeFor
from ..params.records import table_records, to_records
from ..params.table import ParamTable
from ..threads import Pool
from .base import Decoder, Inputs, Replay, Stage, Trace
from .explain import av2a_stages
from .replay_blocks import Block, joined, parts_of, run_block, tiles_of
from .traced_candidates import traced_candidates


def replay_scores(
    bundle: ScoreBundle,
    params: Params | Sequence[Params],
    *,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    trace: bool = False,
) -> Replay:
    """Run AV²A over a score bundle, for one setting or many, in parallel over (setting, video).

    Parameters
    ----------
    bundle : scores of N videos
    params : one setting, or P of them; the events come in the same order
    tracks : which of audio, visual, audio_visual to compute; the others stay empty
    threads : default: the number of cores; results do not depend on it
    trace : also return thresholds, scores, ratios and active labels (one setting only)

    Raises
    ------
    DataError
        an array that the settings need is not in the bundle; the message names it and the option that needs it
    UsageError
        no setting, an unknown track, a trace of several settings
    """
    settings = [params] if isinstance(params, Params) else list(params)
    if not settings:
        raise UsageError("replay needs at least one parameter setting")
    check_tracks(tracks)
    if not tracks:
        raise UsageError("replay needs at least one track")
    if trace and len(settings) > 1:
        raise UsageError(f"a trace is of one setting; {len(settings)} were given")
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; it must be at least 1")
    for p in settings:
        require_arrays(bundle, p, tracks)
    records, norms = to_records(settings, bundle.kind)
    records.flags.writeable = False
    inputs = prepare_inputs(bundle, records, norms, tracks)
    traces = _new_traces(bundle) if trace else None
    parts = parts_of(inputs, records)
    videos = bundle.num_videos
    workers = min(threads or os.cpu_count() or 1, max(1, len(settings) * videos // 64))
    tiles = tiles_of(len(settings), videos, workers)

    def run(tile: tuple[slice, slice]) -> Block:
        return run_block(inputs, records, parts, *tile, traces)

    if workers == 1:
        done = [run(t) for t in tiles]
    else:
        run((slice(0, 0), slice(0, 0)))  # compile or load before any thread starts
        with Pool(workers) as pool:
            done = list(pool.map(run, tiles))
    window_counts = sum((d.window_counts for d in done), np.zeros(2, np.int64))
    events = joined(done, len(settings), videos)
    counted = int(window_counts[0]), int(window_counts[1])
    if traces is None:
        return Replay(events, *counted)
    late = settings[0].fusion == "late"
    find = partial(traced_candidates, partial(replay_records, inputs), records, late, events)
    return Replay(events, *counted, Trace(*traces, find))


def replay_records(inputs: ReplayInputs, records: np.ndarray) -> Events:
    """Replay some settings in the calling thread: the events, as :func:`replay_scores` orders them."""
    videos = len(inputs.first) - 1
    records.flags.writeable = False
    whole = slice(0, len(records)), slice(0, videos)
    return joined([run_block(inputs, records, parts_of(inputs, records), *whole, None)], len(records), videos)


def _new_traces(bundle: ScoreBundle) -> TraceArrays:
    made = Trace.undefined(bundle)
    return TraceArrays(made.tau, made.score, made.ratio, made.active)


def _read_only(array: NDArray[Any] | None, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    view = np.zeros(shape, dtype) if array is None else np.ascontiguousarray(array, dtype)
    view = view.view()
    view.flags.writeable = False
    return view


def prepare_inputs(
    bundle: ScoreBundle, records: np.ndarray, norms: list[tuple[Any, ...]], tracks: Sequence[str]
) -> ReplayInputs:
    """What the kernel reads, for the settings of some records (:func:`avreplay.core.params.records.to_records`)."""
    c, n = bundle.num_labels, bundle.num_videos
    audio_clip = _read_only(bundle.audio_clip, (0, c), np.float32)
    visual_clip = _read_only(bundle.visual_clip, (0, 1, c), np.float32)
    has_audio = _read_only(bundle.has_audio, (n,), np.bool_)
    has_visual = _read_only(bundle.has_visual, (n,), np.bool_)
    clip = np.empty((len(norms), n, 2, c))
    if records["select"].any():
        one_each = np.array([int(np.flatnonzero(records["clip_row"] == q)[0]) for q in range(len(norms))])
        chosen = records[one_each].copy()
        # over all labels: the plain z-score is the one over the active labels
        chosen["norm"] = np.where(chosen["norm"] == 0, 1, chosen["norm"])
        chosen.flags.writeable = False
        clip_scores(audio_clip, visual_clip, has_audio, has_visual, chosen, clip, np.arange(c), np.empty(c))
    order = sorted(range(c), key=lambda i: bundle.labels[i].lower())
    rank = np.empty(c, np.int64)
    rank[order] = np.arange(c)
    return ReplayInputs(
        first=_read_only(bundle.segment_starts, (), np.int64),
        visual_segments=_read_only(bundle.visual_segments, (0, c), np.float32),
        audio_segments=_read_only(bundle.audio_segments, (0, c), np.float32),
        audio_visual_segments=_read_only(bundle.audio_visual_segments, (0, c), np.float32),
        audio_clip=audio_clip,
        window_first=_read_only(np.searchsorted(bundle.window_video, np.arange(n + 1)), (), np.int64),
        window_start=_read_only(bundle.window_start, (), np.int64),
        window_end=_read_only(bundle.window_end, (), np.int64),
        window_audio=_read_only(bundle.window_audio, (0, c), np.float32),
        window_visual=_read_only(bundle.window_visual, (0, 1, c), np.float32),
        cosine=_read_only(bundle.visual_cosine, (0,), np.float64),
        has_audio=has_audio,
        has_visual=has_visual,
        clip=_read_only(clip, (), np.float64),
        rank=_read_only(rank, (), np.int64),
        tracks=_read_only(np.array([t in tracks for t in TRACKS]), (), np.bool_),
    )


class Av2aDecoder(Decoder[Params]):
    """AV²A: class selection, label-shift thresholds, candidates, refinement (paper, section 3)."""

    name: ClassVar[str] = "av2a"
    about: ClassVar[str] = "AV²A: class selection, dynamic thresholds, candidates, refinement"
    params = Params
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    made_for: ClassVar[Mapping[str, MadeFor]] = PRESETS_MADE_FOR
    traces: ClassVar[bool] = True

    def search_space(self) -> tuple[str, ...]:
        """The five parameters of Table 1."""
        return ("alpha=0:1", "tau0=0:1", "tau_f=0:1", "tau_r=0:1", "decay=0:5")

    def require(self, scores: ScoreBundle, params: Params, tracks: Sequence[str] = TRACKS) -> None:
        """Also refuses scores of one label that would be normalised over the labels: :func:`replay_scores` gives NaN
        for them, as the release does, and so no event.

        Raises: DataError naming the array and the option that needs it, or the option that helps.
        """
        super().require(scores, params, tracks)
        refuse_one_label(scores.labels, scores.kind, params.score_norm)

    def decode(self, inputs: Inputs, params: Params) -> Events:
        refuse_one_label(inputs.scores.labels, inputs.scores.kind, params.score_norm)
        return replay_scores(inputs.scores, params, threads=1).events

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[Params],
        *,
        tracks: Sequence[str] = TRACKS,
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        for params in settings:
            refuse_one_label(inputs.scores.labels, inputs.scores.kind, params.score_norm)
        return replay_scores(inputs.scores, settings, tracks=tracks, threads=threads, trace=trace)

    def sweeper(
        self, inputs: Inputs, table: ParamTable[Params], tracks: Sequence[str] = TRACKS
    ) -> Callable[[int, int], Events]:
        bundle = inputs.scores
        for i in table.one_of_each((*deciding_options(Params), "min_length", "score_norm")):
            self.require(bundle, table.params(i), tracks)

        def run(begin: int, end: int) -> Events:
            records, norms = table_records(table, begin, end, bundle.kind)
            return replay_records(prepare_inputs(bundle, records, norms, tracks), records)

        return run

    def stages(
        self, inputs: Inputs, params: Params, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        """At which stage a label got lost, or how it came through, between two segments."""
        self.require(inputs.scores, params, (track,) if track in self.tracks else self.tracks)
        return av2a_stages(inputs.scores, params, video, track, label, onset, offset)
