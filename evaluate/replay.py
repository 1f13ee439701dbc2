"""Replay a store: any decoder over its cached scores, with names in and names out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.atomic_write import atomic_file
from ..cache.store import Store, open_store
from ..core.arguments import typed_arguments
from ..core.bundle import ScoreBundle
from ..core.decoders.base import Decoder, Reads, Replay, replayed
from ..core.decoders.registry import DECODERS, decoder_name, decoder_of
from ..core.errors import UsageError
from ..core.events import TRACKS
from ..core.params.options import OptionSet
from ..core.registry import failures_of
from .datasets.annotations import Annotations
from .files.predictions import Predictions
from .inputs import Source, decoder_inputs
from .made_from import made_from, settings_digest


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What replay found, for P settings of one decoder on N videos."""

    bundle: ScoreBundle
    params: tuple[OptionSet, ...]
    replay: Replay
    decoder: Decoder[Any]
    made_from: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        settings = "" if len(self.params) == 1 else f" under {len(self.params)} settings"
        counts = f"{self.bundle.num_videos} videos{settings}, {len(self.replay.events.label)} events"
        return f"<ReplayResult of {self.decoder.name}: {counts}>"

    def predictions(self, setting: int = 0) -> Predictions:
        """The events of one setting, as they are written to ``predictions.json``."""
        b = self.bundle
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
        if self.made_from is None:
            return None
        return {**self.made_from, "settings": settings_digest(stored_params(self.decoder, self.params[setting]))}

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as ``.npz``: the arrays of :meth:`trace_arrays`.

        Raises: UsageError when the replay kept no trace; as :func:`.cache.atomic_write.atomic_file` does.
        """
        arrays: dict[str, Any] = self.trace_arrays()
        with atomic_file(path) as file:
            np.savez(file, **arrays)

    def trace_arrays(self) -> dict[str, NDArray[Any]]:
        """The trace by name: ``video_ids``, ``labels``, ``segments_per_video``, per track ``_tau``, ``_score``,
        ``_ratio`` (S, C) and ``_active`` (N, C), and ``made_from`` as in the predictions (JSON).

        Raises: UsageError when the replay kept no trace.
        """
        trace = self.replay.trace
        if trace is None:
            raise UsageError("this replay kept no trace; ask for one with trace=True")
        arrays: dict[str, NDArray[Any]] = {
            "video_ids": np.array(self.bundle.video_ids, str),
            "labels": np.array(self.bundle.labels, str),
            "segments_per_video": self.bundle.segments_per_video,
        }
        for k, track in enumerate(TRACKS):
            for name in ("tau", "score", "ratio", "active"):
                arrays[f"{track}_{name}"] = getattr(trace, name)[k]
        made = self._made_from(0)
        if made is not None:
            arrays["made_from"] = np.array(json.dumps(made))
        return arrays


def stored_params(decoder: Decoder[Any], params: OptionSet) -> dict[str, Any]:
    """The options of a setting and the name of its decoder, as they are stored in predictions and searches; settings of
    AV²A, which came first, name none."""
    name = decoder_name(decoder)
    return {**({} if name == "av2a" else {"decoder": name}), **params.as_dict()}


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
) -> ReplayResult:
    """Run a decoder over the cached scores of a store, for one setting or many.

    Parameters
    ----------
    source : a store, its path or URL, or a score bundle
    params : one setting or a sequence of them, all of one decoder: :class:`Params` for AV²A, :class:`OvavelParams` for
        OV-AVEL's, which read the cosines of a store and give events of the audio-visual track, or the options of any
        registered decoder
    decoder : a decoder or its name; default: the registered one whose options the settings are
    videos : only these video ids, in this order
    scores : a score set of the store, instead of its own scores
    tracks : which of audio, visual, audio_visual to compute; the others stay empty
    threads : default: the number of cores; results do not depend on it
    trace : also keep thresholds, scores, ratios and active labels (one setting, decoders that have them)

    Raises
    ------
    DataError
        a store that cannot be read, scores that a setting needs and that are missing
    UsageError
        no setting, settings of several decoders, an unknown video, track or score set, a trace or tracks that the
        decoder does not give
    """
    settings = (params,) if isinstance(params, OptionSet) else tuple(params)
    if not settings:
        raise UsageError("replay needs at least one parameter setting")
    used = (
        decoder_of(settings[0]) if decoder is None else DECODERS.get(decoder) if isinstance(decoder, str) else decoder
    )
    if any(not isinstance(p, used.params) for p in settings):
        raise UsageError("the settings are of several decoders; replay them one after the other")
    with failures_of("decoder", used, used.name):
        reads = used.reads(settings)
        if not isinstance(reads, Reads):
            raise TypeError(f"reads() gave {type(reads).__name__}, not Reads")
    opened = source if isinstance(source, (Store, ScoreBundle)) else open_store(source)
    inputs = decoder_inputs(opened, reads, scores)
    if videos is not None:
        at = {v: i for i, v in enumerate(inputs.scores.video_ids)}
        unknown = [v for v in videos if v not in at]
        if unknown:
            raise UsageError(f"the store has no scores of a video {unknown[0]!r}")
        inputs = inputs.select([at[v] for v in videos])
    done = replayed(used, inputs, settings, tracks=tracks, threads=threads, trace=trace)
    made = made_from(opened, scores) if isinstance(opened, Store) else None
    return ReplayResult(inputs.scores, settings, done, used, made)
