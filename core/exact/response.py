"""Figures at every (tau0, tau_r) of one setting of the other options: what the exact optimum and curves are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..decoders.base import Decoder, Inputs
from ..decoders.input_blocks import InputBlocks, parts_of
from ..decoders.replayed import replayed
from ..errors import DataError, UsageError
from ..events import TRACKS
from ..metrics.llp import LlpMetric, named_columns
from ..params.av2a import Params
from ..target import Target, weighted_sum
from .axes import PLANE, require_exact
from .curves import StepCurves, cell_changes, piece_changes
from .kernels.llp import llp_of_combinations
from .plane import Plane
from .regions import JointRegions, Regions, plane_regions
from .threads import Step, in_threads

AGREEMENT = 1e-9
"""How far a figure may be from the replayed one, in percent."""

_WORK_PER_BLOCK = 160_000
"""T * T * C summed over the videos of a block: 64 videos of ten segments and 25 labels."""


@dataclass(frozen=True, eq=False)
class Group:
    """Tracks that are scored together: where their events change, and what each combination of events scores.

    regions : :class:`avreplay.core.exact.regions.JointRegions` of N videos, M combinations
    values : (M, K) float64, the combination's part in its video's K figures, percent
    """

    regions: JointRegions
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Response:
    """K figures, each a (weighted) mean over N videos, at every (tau0, tau_r) in [0, 1] x [0, 1].

    Attributes
    ----------
    decoder, inputs, target, params : what was replayed and scored
    names : the K figures
    groups : what adds up to the figures of a video, with ``base``
    base : (N, K) float64, percent
    weights : (N,) float64, of the videos in the means
    """

    decoder: Decoder[Any]
    inputs: Inputs | InputBlocks
    target: Target
    params: Params
    names: tuple[str, ...]
    groups: tuple[Group, ...]
    base: NDArray[np.float64]
    weights: NDArray[np.float64]

    def rounded(self, tau_r: float) -> float:
        """tau_r as it is compared: as float32 where scores are."""
        return float(np.float32(tau_r)) if self.params.precision == "float32" else float(tau_r)

    def per_video(self, tau0: float, tau_r: float) -> NDArray[np.float64]:
        """(N, K) percent, the figures of every video at one setting."""
        found = self.base.copy()
        for group in self.groups:
            found += group.values[group.regions.combination_at(tau0, self.rounded(tau_r))]
        return found

    def figures(self, tau0: float, tau_r: float, times: ArrayLike | None = None) -> NDArray[np.float64]:
        """(K,) percent at one setting; ``times`` (N,) says how often each video counts, once by default."""
        counts = self.weights * (1 if times is None else np.asarray(times, np.int64))
        found: NDArray[np.float64] = (counts[:, None] * self.per_video(tau0, tau_r)).sum(axis=0) / counts.sum()
        return found

    def plane(
        self,
        weights: Sequence[float],
        tau0: tuple[float, float] = (0.0, 1.0),
        tau_r: tuple[float, float] = (0.0, 1.0),
    ) -> Plane:
        """The objective of some weights (K,) of the figures, within a box of the plane.

        Raises: UsageError for weights that do not fit the figures, or a box outside [0, 1] or without inside.
        """
        if len(weights) != len(self.names):
            raise UsageError(f"{len(weights)} weights were given for {len(self.names)} figures")
        objective = weighted_sum(self.base, weights), [weighted_sum(g.values, weights) for g in self.groups]
        single = self.params.precision == "float32"
        return Plane.of(*objective, [g.regions for g in self.groups], self.weights, tau0, tau_r, single)

    def curves(self, name: str, at: float | None = None) -> StepCurves:
        """All figures over one of the two parameters, with the other at ``at`` (default: that of ``params``).

        Raises: UsageError for another parameter than tau0 and tau_r.
        """
        if name not in PLANE:
            raise UsageError(f"the response has curves over {' and '.join(PLANE)}; got {name}")
        other = getattr(self.params, PLANE[1 - PLANE.index(name)]) if at is None else at
        changes = (
            [cell_changes(g.regions, g.values, self.rounded(other)) for g in self.groups]
            if name == "tau0"
            else [piece_changes(g.regions, g.values, other) for g in self.groups]
        )
        rounds = name == "tau_r" and self.params.precision == "float32"
        return StepCurves.of(name, self.names, self.base, self.weights, changes, rounds)

    def confirm(self, tau0: float, tau_r: float) -> NDArray[np.float64]:
        """(K,) the figures of a replay of one setting.

        Raises: DataError where these are not those of the response, which happens where a metric's part of a video
        depends on the other videos, or its figures are no means of the parts.
        """
        params = self.params.override({"tau0": tau0, "tau_r": tau_r})
        events = replayed(self.decoder, self.inputs, [params], threads=1).events
        again = self.target.score(events).values[0, : len(self.names)]
        exact = self.figures(tau0, tau_r)
        bad = np.flatnonzero(~(np.abs(again - exact) <= AGREEMENT))
        if len(bad):
            name = self.names[bad[0]]
            raise DataError(
                f"{name} of the metric {self.target.metric.name} is {again[bad[0]]:.9g} by replay and "
                f"{exact[bad[0]]:.9g} as the mean of the videos' parts at tau0={tau0!r}, tau_r={tau_r!r}; a metric "
                "that is no mean over videos has no exact response: sample it with a sweep"
            )
        return again


def exact_response(
    decoder: Decoder[Any],
    inputs: Inputs | InputBlocks,
    params: Params,
    target: Target,
    *,
    threads: int | None = None,
    step: Step = lambda *_: None,
) -> Response:
    """The figures at every (tau0, tau_r), with the other options as in ``params``.

    Parameters
    ----------
    decoder : AV²A
    inputs : scores of N videos
    params : the other options; its own tau0 and tau_r are replayed, to confirm the response
    target : what the events are scored against, of the same N videos in the same order
    threads : default: the number of cores; results do not depend on it
    step : called with about how many videos are done, and with that of all

    Raises
    ------
    UsageError
        a decoder, options or a metric without an exact response (:func:`avreplay.core.exact.axes.exact_axes`)
    DataError
        no video, an array that the setting needs is not in the bundle, a figure that is undefined for a video, figures
        that are no means over videos
    """
    params = require_exact(decoder, params, target.metric, PLANE)
    if inputs.scores.num_videos == 0:
        raise DataError("there is no video to score; check the split and the ids")
    parts = []
    for videos, block in parts_of(inputs):
        decoder.require(block.scores, params)
        some = target if isinstance(inputs, Inputs) else target.select(np.arange(videos.start, videos.stop))
        report = partial(_overall, step, videos, inputs.scores.num_videos)
        parts += in_threads(partial(_block, block, params, some), _blocks(block), threads, report)
    groups = tuple(
        Group(_joined([p[0][g][0] for p in parts]), np.concatenate([p[0][g][1] for p in parts]))
        for g in range(len(parts[0][0]))
    )
    base, weights = (np.concatenate([p[k] for p in parts]) for k in (1, 2))
    found = Response(decoder, inputs, target, params, target.names, groups, base, weights)
    found.confirm(params.tau0, params.tau_r)
    return found


def _overall(step: Step, videos: slice, of: int, done: int, total: int) -> None:
    """Progress among all videos, of the parts of some of them."""
    step(videos.start + (videos.stop - videos.start) * done // total, of)


def _blocks(inputs: Inputs) -> list[NDArray[np.int64]]:
    """Videos in runs of bounded work."""
    scores = inputs.scores
    work = np.cumsum(scores.segments_per_video**2 * scores.num_labels)
    block = (work - 1).clip(0) // _WORK_PER_BLOCK
    return np.split(np.arange(scores.num_videos), np.flatnonzero(np.diff(block)) + 1)


def _block(
    inputs: Inputs, params: Params, target: Target, videos: NDArray[np.int64]
) -> tuple[list[tuple[JointRegions, NDArray[np.float64]]], NDArray[np.float64], NDArray[np.float64]]:
    """Regions and values of each group of tracks, base and weights of some videos."""
    metric = target.metric
    groups = metric.track_groups
    tracks = tuple(t for t in TRACKS if any(t in group for group in groups))
    regions = plane_regions(inputs.scores.select_videos(videos), params, tracks)
    # what a video without events scores is in the values of every group
    empty, weights = _values(regions, np.zeros((len(videos), 3), np.int64), (), target, videos)
    found = []
    for group in groups:
        joint = regions.joint(group)
        if type(metric) is LlpMetric:
            values = _llp_values(regions, joint, group, replace(target, truth=target.truth.select(videos)))
        else:
            values, _ = _values(regions, joint.lists, group, target, videos[joint.video])
        found.append((joint, values))
    return found, (1 - len(groups)) * empty, weights


def _values(
    regions: Regions, lists: NDArray[np.int64], tracks: Sequence[str], target: Target, videos: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(M, K) figures of combinations of lists as videos of their own, and (M,) weights."""
    part = replace(target, truth=target.truth.select(videos))
    scores = part.score(regions.events_of(lists, tracks))
    if scores.per_video is None:
        raise UsageError(f"the metric {target.metric.name} gave no parts of the videos; sample it with a sweep")
    weights = np.ones(len(lists)) if scores.weights is None else scores.weights
    values = np.where(weights[:, None] > 0, scores.per_video[0], 0.0)
    bad = np.flatnonzero(np.isnan(values).any(axis=1))
    if len(bad):
        name = target.names[int(np.flatnonzero(np.isnan(values[bad[0]]))[0])]
        video = regions.bundle.video_ids[int(videos[bad[0]] - videos[0])]
        raise DataError(f"{name} is undefined for video {video!r} at some settings; leave the video or the figure out")
    return values, weights


def _llp_values(regions: Regions, joint: JointRegions, tracks: Sequence[str], target: Target) -> NDArray[np.float64]:
    """What :func:`_values` gives for LLP's metric, with the counts of a list made once and not in every combination."""
    metric, truth = target.metric, target.truth
    assert isinstance(metric, LlpMetric)
    audio, visual, both = regions.tracks
    lists, grouped = joint.lists, np.array([t in tracks for t in TRACKS])
    if metric.audio_from_visual:
        audio, lists, grouped = visual, lists[:, [1, 1, 2]].copy(), grouped[[1, 1, 2]]
    f = np.empty((len(lists), 4, 2))
    g = (truth.events.starts, truth.events.label, truth.events.onset, truth.events.offset)
    llp_of_combinations(
        audio, visual, both, lists, joint.combination_first, grouped, *map(np.ascontiguousarray, g), truth.segments,
        target.to_label, len(truth.labels), float(metric.iou), f,
    )  # fmt: skip
    return 100.0 * named_columns(f)


def _joined(parts: Sequence[JointRegions]) -> JointRegions:
    """The regions of several blocks of videos, one after the other."""

    def offsets(name: str) -> NDArray[np.int64]:
        """Offsets of all blocks in one."""
        arrays = [getattr(p, name) for p in parts]
        ends = np.cumsum([0, *(a[-1] for a in arrays)])
        return np.concatenate([np.zeros(1, np.int64), *(a[1:] + e for a, e in zip(arrays, ends[:-1], strict=True))])

    before = np.cumsum([0, *(len(p.lists) for p in parts)])
    return JointRegions(
        offsets("cell_first"), np.concatenate([p.cell_start for p in parts]), offsets("piece_first"),
        np.concatenate([p.piece_start for p in parts]),
        np.concatenate([p.piece_combination + b for p, b in zip(parts, before[:-1], strict=True)]),
        offsets("combination_first"), np.concatenate([p.lists for p in parts]),
    )  # fmt: skip
