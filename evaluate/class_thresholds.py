"""Thresholds of single labels fitted to annotations."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ..core.arguments import typed_arguments
from ..core.decoders.base import Inputs
from ..core.decoders.registry import decoder_of
from ..core.errors import UsageError
from ..core.events import TRACKS, check_tracks
from ..core.label_thresholds import best_label_thresholds
from ..core.params.steps import ThresholdParams
from .datasets.annotations import Annotations
from .inputs import Source, decoder_inputs, reads_of
from .tuning.problem import make_problem

P = TypeVar("P", bound=ThresholdParams)


@typed_arguments
def fit_label_thresholds(
    source: Source, params: P, annotations: Annotations, *, track: str = "audio_visual", scores: str | None = None
) -> P:
    """A setting with the threshold of each label that gives the best F-score over the segments of annotated videos.

    The scores are those that the setting compares with its threshold (``score_norm``, ``fusion``, ``median``), and each
    label is solved exactly by itself (:func:`.core.label_thresholds.best_label_thresholds`); hysteresis, ``min_length``
    and ``max_gap`` are left out of account. Labels that are nowhere annotated keep ``threshold``. Fit on a validation
    split: on the videos that are reported the figures would be too good.

    Parameters
    ----------
    source : a store, its path or URL, or a score bundle
    params : a setting of ``threshold``, ``hysteresis`` or ``median``
    track : whose scores and annotations are compared
    scores : a score set of the store

    Raises
    ------
    DataError
        as :func:`replay` and :func:`evaluate_predictions`; no annotated video in the store
    UsageError
        another decoder's setting, ``fusion=late`` for the audio-visual track, which has no score of its own
    """
    check_tracks((track,))
    decoder: Any = decoder_of(params)
    if not isinstance(params, ThresholdParams):
        raise UsageError(f"the {decoder.name} decoder has no thresholds of the segments of single labels")
    if track == "audio_visual" and params.fusion == "late":
        raise UsageError("fusion=late has no audio-visual score; fit the audio or the visual track, or another fusion")
    problem = make_problem(decoder_inputs(source, reads_of(decoder, [params]), scores), annotations, decoder=decoder)
    bundle, target = problem.bundle, problem.target
    trace = decoder.decode_many(Inputs(bundle), [params], tracks=(track,), trace=True).trace
    k = TRACKS.index(track)
    starts = bundle.segment_starts.tolist()
    annotated = np.zeros((starts[-1], len(target.truth.labels) + 1), np.bool_)  # the last for labels that it lacks
    for v in range(bundle.num_videos):
        for label, onset, offset, _ in target.truth.events.track(v, k):
            annotated[starts[v] + onset : min(starts[v] + offset, starts[v + 1]), label] = True
    found = best_label_thresholds(trace.score[k], annotated[:, target.to_label], params.threshold)
    return params.override({"label_thresholds": dict(zip(bundle.labels, found.tolist(), strict=True))})
