"""A decoder over its inputs, checked: in memory, or block by block with what the blocks give put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..confidence import with_confidence
from ..errors import UsageError
from ..events import TRACKS, Events
from ..registry import failures_of
from .base import Candidates, Decoder, Inputs, Replay, Trace
from .input_blocks import InputBlocks


def replayed(
    decoder: Decoder[Any],
    inputs: Inputs | InputBlocks,
    settings: Sequence[Any],
    *,
    tracks: Sequence[str] = TRACKS,
    threads: int | None = None,
    trace: bool = False,
) -> Replay:
    """What a decoder's :meth:`Decoder.decode_many` gives, which a plug-in may have written anew, with a confidence for
    each event (:mod:`..confidence`); of blocks, the same as of all videos at once.

    Raises: as that method; UsageError for threads below 1; DataError where it fails or gives something else.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; it must be at least 1")
    if isinstance(inputs, Inputs):
        return _of_block(decoder, inputs, settings, tracks, threads, trace)
    done = []
    for block in inputs:
        one = _of_block(decoder, block, settings, tracks, threads, trace)
        if one.trace is not None and len(inputs.slices) > 1:
            one = replace(one, trace=one.trace.without_inputs())
        done.append(one)
    return done[0] if len(done) == 1 else _joined(done)


def _of_block(
    decoder: Decoder[Any], inputs: Inputs, settings: Sequence[Any], tracks: Sequence[str], threads: int | None,
    trace: bool,
) -> Replay:  # fmt: skip
    with failures_of("decoder", decoder, decoder.name):
        made = decoder.decode_many(inputs, settings, tracks=tracks, threads=threads, trace=trace)
        if not isinstance(made, Replay):
            raise TypeError(f"decode_many() gave {type(made).__name__}, not Replay")
        videos = inputs.scores.num_videos * len(settings)
        if len(made.events.starts) != 3 * videos + 1:
            raise TypeError(f"decode_many() gave events that are not those of {videos} videos, over all settings")
    own = made.events.confidence is not None
    return replace(made, events=with_confidence(made.events, inputs.scores, threads), own_confidence=own)


def _joined(done: Sequence[Replay]) -> Replay:
    traces = [one.trace for one in done if one.trace is not None]
    return Replay(
        Events.of_videos([one.events for one in done]),
        sum(one.windows_asked for one in done),
        sum(one.windows_pooled for one in done),
        _joined_traces(traces) if traces else None,
        any(one.own_confidence for one in done),
    )


def _joined_traces(traces: Sequence[Trace]) -> Trace:
    tau, score, ratio, active = (
        np.concatenate([getattr(t, name) for t in traces], axis=1) for name in ("tau", "score", "ratio", "active")
    )
    candidates = [t.candidates for t in traces if t.candidates is not None]
    if not candidates:
        return Trace(tau, score, ratio, active)
    found = Candidates(Events.of_videos([c.events for c in candidates]), np.concatenate([c.kept for c in candidates]))
    return Trace(tau, score, ratio, active, lambda: found)
