"""OV-AVEL's decoders: from audio and visual scores of segments to audio-visual events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ._jit import inner, kernel
from .bundle import ScoreBundle
from .errors import DataError, UsageError
from .events import Events
from .ovavel_params import OvavelParams

FIRST_AGREEMENT, PER_SEGMENT, SQRT, PROB_AVG, FEA_AVG = 0, 1, 2, 3, 4
_RULES = {"first_agreement": FIRST_AGREEMENT, "per_segment": PER_SEGMENT, "sqrt": SQRT, "prob_avg": PROB_AVG,
          "fea_avg": FEA_AVG}  # fmt: skip


@inner
def _best(row, columns):  # type: ignore[no-untyped-def]
    """The column with the highest score; the first of equals."""
    best = columns[0]
    for c in columns:
        if row[c] > row[best]:
            best = c
    return best


@inner
def _normalised_best(audio, visual, fused, columns, rule, zero_pairs, p):  # type: ignore[no-untyped-def]
    """The column with the highest min-max normalised fused score, in float32 as released, -1 where no product is
    positive. Normalising can make equals of scores that differ in the last bit, hence it is not left out."""
    zero, half, tiny = np.float32(0.0), np.float32(0.5), np.float32(1e-8)
    low = np.float32(np.inf)
    high = np.float32(-np.inf)
    for k in range(len(columns)):
        c = columns[k]
        if rule == FEA_AVG:
            x = fused[c]
        elif rule == PROB_AVG:
            x = (audio[c] + visual[c]) * half
        else:
            x = audio[c] * visual[c]
            x = zero if x <= zero or (zero_pairs and audio[c] < zero) else np.sqrt(x)
        p[k] = x
        low, high = min(low, x), max(high, x)
    if rule == SQRT and high == zero:
        return -1
    spread = (high - low) + tiny
    best = 0
    for k in range(len(columns)):
        p[k] = (p[k] - low) / spread
        if p[k] > p[best]:
            best = k
    return columns[best]


@kernel
def decode_block(  # type: ignore[no-untyped-def]
    first, audio, visual, fused, there, columns, special, rule, keep_special, zero_pairs, first_if_none, said
):
    """said (S,) int32: the label of each segment, -1 for background; ``special`` is the column of the background text.

    ``there`` (N,): whether the video has both streams; without one nothing agrees."""
    p = np.empty(len(columns), np.float32)
    for v in range(len(first) - 1):
        category = -1
        for t in range(first[v], first[v + 1]):
            said[t] = -1
            if not there[v]:
                continue
            if rule >= SQRT:
                row = fused[t] if rule == FEA_AVG else audio[t]
                other = visual[t] if rule != FEA_AVG else fused[t]
                best = _normalised_best(row, other, row, columns, rule, zero_pairs, p)
                if best < 0 and first_if_none:
                    best = columns[0]
                said[t] = -1 if best == special else best
                continue
            best = _best(audio[t], columns)
            if best != _best(visual[t], columns) or (best == special and not keep_special):
                continue
            if category < 0 or rule == PER_SEGMENT:
                category = best
            said[t] = category


def ovavel_events(bundle: ScoreBundle, params: OvavelParams | Sequence[OvavelParams]) -> Events:
    """Decode cosines of audio and visual segments into events of the audio-visual track, for one setting or many.

    Events are maximal runs of segments with one label, without a score. Where segments agree first on the background
    text and ``agreed_other`` is ``event``, their events carry that text as label, as the released metrics count them.
    A video without sound or without pictures has no events.

    Parameters
    ----------
    bundle : ``audio_segments`` and ``visual_segments``, for ``fea_avg`` ``audio_visual_segments`` instead
    params : one setting, or P of them; the events come in the same order

    Raises
    ------
    DataError
        scores that a setting needs and that are not there, a background text that is not among the labels
    UsageError
        no setting
    """
    settings = [params] if isinstance(params, OvavelParams) else list(params)
    if not settings:
        raise UsageError("replay needs at least one parameter setting")
    first = bundle.segment_starts
    there = bundle.has_audio & bundle.has_visual
    timelines = np.empty((len(settings), int(first[-1])), np.int32)
    for said, p in zip(timelines, settings, strict=True):
        rule = _RULES[p.fusion if p.strategy == "fused_argmax" else p.strategy]
        names = ("audio_visual_segments",) if rule == FEA_AVG else ("audio_segments", "visual_segments")
        for name in names:
            if getattr(bundle, name) is None:
                option = f"fusion={p.fusion}" if rule == FEA_AVG else f"strategy={p.strategy}"
                raise DataError(f"the scores hold no {name}, which {option} needs; add the array or change the option")
        columns, special = _columns(bundle.labels, p.background)
        empty = np.zeros((0, bundle.num_labels), np.float32)
        audio, visual, fused = (
            _frozen(empty if name not in names else getattr(bundle, name))
            for name in ("audio_segments", "visual_segments", "audio_visual_segments")
        )
        keep = rule == FIRST_AGREEMENT and p.agreed_other == "event"
        decode_block(
            _frozen(first), audio, visual, fused, _frozen(there), columns, special, rule, keep,
            p.negative_pairs == "zero", p.no_positive == "first", said,
        )  # fmt: skip
    return runs_of(timelines, bundle.segments_per_video)


def runs_of(timelines: NDArray[np.int32], segments_per_video: NDArray[np.int64]) -> Events:
    """Maximal runs of one label as audio-visual events; timelines (P, S) int32, -1 for no event."""
    settings, total = timelines.shape
    videos = len(segments_per_video)
    first = np.concatenate([[0], np.cumsum(segments_per_video)]).astype(np.int64)
    owner = np.repeat(np.arange(videos), segments_per_video)
    begins = np.ones((settings, total + 1), np.bool_)
    begins[:, 1:-1] = (timelines[:, 1:] != timelines[:, :-1]) | (owner[1:] != owner[:-1])
    p, t = np.nonzero(begins[:, :-1])
    ends = np.nonzero(begins[:, 1:])[1] + 1
    label = timelines[p, t]
    kept = label >= 0
    p, t, ends, label = p[kept], t[kept], ends[kept], label[kept]
    counts = np.zeros((settings * videos, 3), np.int64)
    counts[:, 2] = np.bincount(p * videos + owner[t], minlength=settings * videos)
    starts = np.concatenate([[0], np.cumsum(counts.reshape(-1))]).astype(np.int64)
    onset, offset = t - first[owner[t]], ends - first[owner[t]]
    return Events(
        settings, videos, starts, label, onset.astype(np.int32), offset.astype(np.int32), np.full(len(label), np.nan)
    )


def _columns(labels: tuple[str, ...], background: str) -> tuple[NDArray[np.int64], int]:
    """The labels that compete, and the one that stands for background (-1: none)."""
    folded = [name.casefold() for name in labels]
    columns = [i for i, name in enumerate(folded) if name not in ("other", "background") or name == background]
    if background != "none" and background not in folded:
        raise DataError(
            f"none of the {len(labels)} labels is {background!r}, which background={background} needs; add it with "
            "`avreplay embed-text`, or set background=none"
        )
    if not columns:
        raise DataError("the scores hold no label besides background texts; give some")
    special = folded.index(background) if background != "none" else -1
    return np.array(columns, np.int64), special


def _frozen(array: NDArray) -> NDArray:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
