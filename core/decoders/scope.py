"""SCoPE: labels from sparse mixtures of texts, which sound and pictures make cheaper for each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import reference_scope as reference
from ..bundle import ScoreBundle
from ..errors import DataError
from ..events import TRACKS, Events
from ..kernels import scope as kernels
from ..params.option_rows import option_rows, table_rows
from ..params.presets import MadeFor
from ..params.scope import SCOPE_MADE_FOR, SCOPE_PRESETS, ScopeParams
from ..params.table import ParamTable
from .base import Decoder, Inputs, Reads, Replay, Stage, Trace
from .scope_stages import scope_stages
from .segment_events import Masks, competing_labels, decided_events, frozen

OPTIONS = tuple(f.name for f in fields(ScopeParams) if f.name != "means")
"""What the kernels read of a setting, in the order of their columns."""

_SOLVED = [*range(kernels.STAGES, kernels.ACTIVE_SET + 1), kernels.ROUNDS]


@dataclass(frozen=True, eq=False)
class Mixed:
    """What mixtures are solved from, for one set of means: products of segments and texts by modality (S, L), of texts
    (2, L, L), and step lengths (2,); L labels with padding."""

    b: tuple[NDArray[np.float32], NDArray[np.float32]]
    gram: NDArray[np.float32]
    steps: NDArray[np.float32]


def mixed(inputs: Inputs, means: str, columns: NDArray[np.int64]) -> Mixed:
    """Raises: DataError where embeddings, texts or means are not there."""
    if inputs.embeddings is None or inputs.text is None:
        raise DataError("the scope decoder reads embeddings and texts, which these inputs do not hold; give a store")
    if means != "none" and means not in inputs.means:
        raise DataError(
            f"these inputs hold no means {means!r}, which means={means} needs; give them, or set means=none"
        )
    padded = -(-len(columns) // 16) * 16
    gram, steps, b = np.zeros((2, padded, padded), np.float32), np.empty(2, np.float32), []
    for side, name in enumerate(("audio", "visual")):
        texts = reference.centred_texts(getattr(inputs.text, name)[columns])
        k = len(columns)
        gram[side, :k, :k] = reference.products(texts, texts)
        steps[side] = reference.step_length(gram[side, :k, :k])
        x = getattr(inputs.embeddings, f"{name}_segments")
        turned = np.zeros((x.shape[1], padded))
        turned[:, :k] = texts.T
        mean = np.zeros(x.shape[1], np.float32) if means == "none" else getattr(inputs.means[means], name)
        found = np.empty((len(x), padded), np.float32)
        kernels.project(frozen(x), frozen(mean.astype(np.float32)), frozen(turned), found)
        b.append(frozen(found))
    return Mixed((b[0], b[1]), gram, steps)


class ScopeDecoder(Decoder[ScopeParams]):
    """SCoPE: cross-modal sparse mixtures of label texts, read out by z-score or by their largest step."""

    name: ClassVar[str] = "scope"
    about: ClassVar[str] = "SCoPE: sparse mixtures of label texts, with priors from the other modality"
    params = ScopeParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = SCOPE_PRESETS
    made_for: ClassVar[Mapping[str, MadeFor]] = SCOPE_MADE_FOR
    traces: ClassVar[bool] = True

    def search_space(self) -> tuple[str, ...]:
        """Prices, what the other modality changes of them, and the threshold."""
        return (
            "lambda_audio=0.05:0.8", "lambda_visual=0.05:0.8", "kappa=0:8", "eta=0:4", "threshold=0.5:0.95",
            "min_segments=1,2,3",
        )  # fmt: skip

    def reads(self, settings: Sequence[ScopeParams]) -> Reads:
        mixing = {p.means for p in settings if p.read_out != "dense"}
        return Reads("cosine", embeddings=bool(mixing), text=bool(mixing), means=tuple(sorted(mixing - {"none"})))

    def require(self, scores: ScoreBundle, params: ScopeParams, tracks: Sequence[str] = TRACKS) -> None:
        """Raises: DataError naming a missing array, or saying that there are too few labels to compare."""
        super().require(scores, params, tracks)
        competing_labels(scores.labels, self.name, 2)

    def decode(self, inputs: Inputs, params: ScopeParams) -> Events:
        return self.decode_many(inputs, [params], threads=1).events

    def decode_many(
        self,
        inputs: Inputs,
        settings: Sequence[ScopeParams],
        *,
        tracks: Sequence[str] = TRACKS,
        threads: int | None = None,
        trace: bool = False,
    ) -> Replay:
        wanted = self.check_request(tracks, trace, len(settings))
        for params in settings:
            self.require(inputs.scores, params, wanted)
        rows, means = option_rows(settings, OPTIONS), np.array([p.means for p in settings])
        events = _Run(inputs).events(rows, means, wanted, threads)
        return Replay(events, trace=self._trace(inputs, settings[0]) if trace else None)

    def sweeper(
        self, inputs: Inputs, table: ParamTable[ScopeParams], tracks: Sequence[str] = TRACKS
    ) -> Callable[[int, int], Events]:
        wanted = self.check_request(tracks, False)
        for i in table.one_of_each(("read_out", "means")):
            self.require(inputs.scores, table.params(i), wanted)
        rows, run = table_rows(table, OPTIONS), _Run(inputs)
        means = table.columns.get("means", np.full(len(table), table.base.means))

        def of(begin: int, end: int) -> Events:
            return run.events(rows[begin:end], means[begin:end], wanted, 1)

        for name in np.unique(means[rows[:, kernels.READ_OUT] != kernels.DENSE]).tolist():
            run.mixed(name)  # before any thread asks
        return of

    def stages(
        self, inputs: Inputs, params: ScopeParams, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        """Streams, competition, the weight or the score of the label, its segments, and agreement."""
        self.require(inputs.scores, params, (track,))
        one = inputs.select([video])
        return scope_stages(one.scores, params, _values(one, params), track, label, onset, offset)

    def _trace(self, inputs: Inputs, params: ScopeParams) -> Trace:
        """Scores and thresholds; of the largest step, the weights. The audio-visual track has none of its own."""
        b = inputs.scores
        columns = competing_labels(b.labels, self.name, 2)
        made = Trace.undefined(b)
        there = b.has_audio, b.has_visual
        for k, (values, present) in enumerate(zip(_values(inputs, params), there, strict=True)):
            rows = np.flatnonzero(np.repeat(present, b.segments_per_video))[:, None]
            made.score[k, rows, columns] = values[rows[:, 0]]
            made.tau[k, rows, columns] = np.nan if params.read_out == "gap" else np.float32(params.threshold)
            made.active[k][np.ix_(np.flatnonzero(present), columns)] = True
        made.active[2][np.ix_(np.flatnonzero(there[0] & there[1]), columns)] = True
        return made


class _Run:
    """Decides with what is made of the inputs once, for many settings."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.columns = competing_labels(inputs.scores.labels, ScopeDecoder.name, 2)
        self._mixed: dict[str, Mixed] = {}

    def mixed(self, means: str) -> Mixed:
        if means not in self._mixed:
            self._mixed[means] = mixed(self.inputs, means, self.columns)
        return self._mixed[means]

    def events(
        self, rows: NDArray[np.float64], means: NDArray[np.str_], tracks: Sequence[str], threads: int | None
    ) -> Events:
        """Events of settings (P, 20) with their means (P,)."""
        for name in np.unique(means[rows[:, kernels.READ_OUT] != kernels.DENSE]).tolist():
            self.mixed(name)

        def decide(settings: slice, videos: slice) -> Masks:
            return self._decide(rows[settings], means[settings], videos)

        return decided_events(decide, len(rows), self.inputs.scores, tracks, threads)

    def _decide(self, rows: NDArray[np.float64], means: NDArray[np.str_], videos: slice) -> Masks:
        b = self.inputs.scores
        starts = b.segment_starts[videos.start : videos.stop + 1]
        own = slice(int(starts[0]), int(starts[-1]))
        masks = np.zeros((len(rows), len(TRACKS), own.stop - own.start, b.num_labels), np.uint8)
        video = frozen(starts - starts[0]), frozen(b.has_audio[videos]), frozen(b.has_visual[videos])
        dense = rows[:, kernels.READ_OUT] == kernels.DENSE
        for name in np.unique(means[~dense]).tolist():
            chosen = np.flatnonzero(~dense & (means == name))
            found = np.zeros((len(chosen), *masks.shape[1:]), np.uint8)
            solve(self.mixed(name), own, *video, self.columns, rows[chosen], found)
            masks[chosen] = found
        if dense.any():
            found = np.zeros((int(dense.sum()), *masks.shape[1:]), np.uint8)
            empty = np.zeros((0, b.num_labels), np.float32)
            x = (empty if s is None else s[own] for s in (b.audio_segments, b.visual_segments))
            kernels.dense_block(video[0], *map(frozen, x), *video[1:], frozen(self.columns), frozen(rows[dense]), found)
            masks[dense] = found
        return masks


def solve(
    m: Mixed,
    own: slice,
    first: NDArray[np.int64],
    has_audio: NDArray[np.bool_],
    has_visual: NDArray[np.bool_],
    columns: NDArray[np.int64],
    rows: NDArray[np.float64],
    masks: Masks,
    weights: NDArray[np.float32] | None = None,
) -> None:
    """Decisions of some settings in the segments ``own`` of some videos; ``weights`` (2, S, L) takes the solution."""
    order = np.lexsort(rows[:, _SOLVED].T)  # those that solve the same follow each other
    rounds = int(rows[:, kernels.ROUNDS].max())
    taken = np.empty((2, 0, m.gram.shape[1]), np.float32) if weights is None else weights
    kernels.mixture_block(
        first, frozen(m.b[0][own]), frozen(m.b[1][own]), frozen(m.gram), frozen(m.steps), has_audio, has_visual,
        frozen(columns), frozen(rows), frozen(order.astype(np.int64)), frozen(reference.momentum(rounds)), taken, masks,
    )  # fmt: skip


def _values(inputs: Inputs, params: ScopeParams) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores (S, K) of the labels that compete in both modalities, or for the largest step their weights."""
    b = inputs.scores
    columns = competing_labels(b.labels, ScopeDecoder.name, 2)
    if params.read_out == "dense":
        nothing = np.zeros((int(b.segments_per_video.sum()), b.num_labels), np.float32)
        sides = [nothing if x is None else x for x in (b.audio_segments, b.visual_segments)]
        audio, visual = (reference.dense_probabilities(x[:, columns]) for x in sides)
        return audio, visual
    audio, visual = mixtures(inputs, mixed(inputs, params.means, columns), params, columns)
    if params.read_out == "gap":
        return audio, visual
    return reference.probabilities(audio, params), reference.probabilities(visual, params)


def mixtures(
    inputs: Inputs, m: Mixed, params: ScopeParams, columns: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (S, K) of both modalities in the last solution of a setting, 0 for a modality that a video has not."""
    b = inputs.scores
    weights = np.zeros((2, *m.b[0].shape), np.float32)
    masks = np.zeros((1, len(TRACKS), len(m.b[0]), b.num_labels), np.uint8)
    everything = slice(0, len(m.b[0]))
    solve(
        m, everything, frozen(b.segment_starts), frozen(b.has_audio), frozen(b.has_visual), columns,
        option_rows([params], OPTIONS), masks, weights,
    )  # fmt: skip
    audio, visual = weights[:, :, : len(columns)]
    return audio, visual
