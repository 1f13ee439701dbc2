"""Replay a store: the public form of the kernels, with names in and names out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cache.store import Store, open_store
from ..core.bundle import ScoreBundle
from ..core.decoders.av2a import Replay, replay_scores
from ..core.decoders.ovavel import ovavel_events
from ..core.errors import DataError, UsageError
from ..core.events import TRACKS
from ..core.params.av2a import Params
from ..core.params.ovavel import OvavelParams
from .files.predictions import Predictions


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What replay found, for P settings on N videos."""

    bundle: ScoreBundle
    params: tuple[Params, ...] | tuple[OvavelParams, ...]
    replay: Replay

    def predictions(self, setting: int = 0) -> Predictions:
        """The events of one setting, as they are written to ``predictions.json``."""
        b = self.bundle
        events = self.replay.events
        return Predictions(
            b.labels, self.params[setting].as_dict(), b.video_ids, b.segments_per_video,
            events if events.num_settings == 1 else events.setting(setting), b.segment_seconds,
        )  # fmt: skip

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as ``.npz``: per track ``_tau``, ``_score``, ``_ratio`` (S, C) and ``_active`` (N, C).

        Raises: UsageError when the replay kept no trace.
        """
        trace = self.replay.trace
        if trace is None:
            raise UsageError("this replay kept no trace; ask for one with trace=True")
        arrays = {}
        for k, track in enumerate(TRACKS):
            for name in ("tau", "score", "ratio", "active"):
                arrays[f"{track}_{name}"] = getattr(trace, name)[k]
        target = os.fspath(path)
        try:
            with open(target, "wb") as file:
                np.savez(
                    file,
                    video_ids=np.array(self.bundle.video_ids, str),
                    labels=np.array(self.bundle.labels, str),
                    segments_per_video=self.bundle.segments_per_video,
                    **arrays,
                )
        except OSError as error:
            raise DataError(f"cannot write {target}: {error.strerror}") from error


def replay(
    source: Store | ScoreBundle | str | os.PathLike[str],
    params: Params | Sequence[Params] | OvavelParams | Sequence[OvavelParams],
    *,
    videos: Sequence[str] | None = None,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    trace: bool = False,
    scores: str | None = None,
) -> ReplayResult:
    """Run AV²A or OV-AVEL's decoders over the cached scores of a store, for one setting or many.

    Parameters
    ----------
    source : a store, its path or URL, or a score bundle
    params : one setting or a sequence of them, all of one decoder: :class:`Params` for AV²A, :class:`OvavelParams` for
        OV-AVEL's, which read the cosines of a store (:meth:`.cache.store.Store.cosines`) and give events of
        the audio-visual track
    videos : only these video ids, in this order
    scores : a score set of the store, instead of its own scores
    tracks, threads, trace : as in :func:`avreplay.core.decoders.av2a.replay_scores`

    Raises
    ------
    DataError
        a store that cannot be read, scores that a setting needs and that are not there
    UsageError
        an unknown video, track or score set; settings of both decoders; of OV-AVEL's, a trace or no audio-visual track
    """
    settings = (params,) if isinstance(params, (Params, OvavelParams)) else tuple(params)
    ours = tuple(p for p in settings if isinstance(p, Params))
    theirs = tuple(p for p in settings if isinstance(p, OvavelParams))
    if ours and theirs:
        raise UsageError("the settings are of two decoders; replay them one after the other")
    bundle = _bundle_of(source, theirs, scores)
    if videos is not None:
        at = {v: i for i, v in enumerate(bundle.video_ids)}
        unknown = [v for v in videos if v not in at]
        if unknown:
            raise UsageError(f"the store has no scores of a video {unknown[0]!r}")
        bundle = bundle.select_videos([at[v] for v in videos])
    if not theirs:
        return ReplayResult(bundle, ours, replay_scores(bundle, ours, tracks=tracks, threads=threads, trace=trace))
    if trace:
        raise UsageError("the ovavel decoder has no thresholds to trace; leave the trace out")
    if "audio_visual" not in tracks:
        raise UsageError("the ovavel decoder gives audio-visual events only; ask for the track audio_visual")
    return ReplayResult(bundle, theirs, Replay(ovavel_events(bundle, theirs), 0, 0))


def _bundle_of(
    source: Store | ScoreBundle | str | os.PathLike[str], ovavel: Sequence[OvavelParams], scores: str | None
) -> ScoreBundle:
    """The scores that a decoder reads: a score set, AV²A's, or cosines where there are settings of OV-AVEL's."""
    if isinstance(source, ScoreBundle):
        if scores is not None:
            raise UsageError(f"a score bundle has no score sets; give the store that holds {scores!r}")
        return source
    if scores is not None:
        opened = source if isinstance(source, Store) else open_store(source)
        bundle = opened.bundle(scores)
        if any(p.strategy == "fused_argmax" and p.fusion == "fea_avg" for p in ovavel):
            trained = opened.score_sets[scores]["config"].get("training", {}).get("config", {}).get("fusion")
            if trained != "fea_avg":
                raise UsageError(
                    f"the score set {scores!r} has no cosines of mean features, which fusion=fea_avg needs; choose "
                    "another fusion"
                )
        return bundle
    store = source if isinstance(source, Store) else open_store(source)
    if not ovavel:
        return store.bundle()
    fused = any(p.strategy == "fused_argmax" and p.fusion == "fea_avg" for p in ovavel)
    return store.cosines(fused=fused)
