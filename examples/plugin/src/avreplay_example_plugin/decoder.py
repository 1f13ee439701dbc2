"""Smoothed scores above a threshold, each label by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from avreplay import Decoder, Events, Inputs, Need, OptionSet, ScoreBundle, Stage, option
from numpy.typing import NDArray

TRACKS = ("audio", "visual", "audio_visual")


@dataclass(frozen=True)
class SmoothThresholdParams(OptionSet):
    """One setting of the decoder."""

    scale: str = option(
        "minmax",
        "scores of a video as 0 to 1: between its lowest and highest (`minmax`), or the logistic function of their "
        "z-scores over the labels of a segment (`zscore`)",
        choices=("minmax", "zscore"),
    )
    window: int = option(3, "segments of the moving median, centred; the ends of the video are repeated", low=1, high=9)
    threshold: float = option(
        0.6,
        "a segment above it is part of an event",
        low=0.0,
        high=1.0,
        needs=(
            Need(("audio_segments",), tracks=("audio", "audio_visual")),
            Need(("visual_segments",), tracks=("visual", "audio_visual")),
        ),
    )
    min_length: int = option(1, "shorter events are dropped, in segments", low=1, high=10)


class SmoothThreshold(Decoder[SmoothThresholdParams]):
    """Scale, moving median, threshold, minimum length; audio-visual is the lower of both scores."""

    name: ClassVar[str] = "smooth_threshold"
    about: ClassVar[str] = "moving median of each label's scores, one threshold"
    params = SmoothThresholdParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "sensitive": {"threshold": 0.5, "window": 1},
        "strict": {"threshold": 0.8, "window": 5, "min_length": 2},
    }

    def decode(self, inputs: Inputs, params: SmoothThresholdParams) -> Events:
        videos = []
        for video in range(inputs.scores.num_videos):
            smooth = self._smooth(inputs.scores, video, params)
            videos.append([_events(smooth[track], params) if track in smooth else [] for track in TRACKS])
        return Events.from_tracks(videos)

    def stages(
        self, inputs: Inputs, params: SmoothThresholdParams, video: int, track: str, label: int, onset: int, offset: int
    ) -> list[Stage]:
        smooth = self._smooth(inputs.scores, video, params)
        if track not in smooth:
            return [Stage("scores", False, f"the video has no {track.replace('_', '-')} scores")]
        column = smooth[track][:, label]
        best = float(column[onset:offset].max(initial=0.0))
        runs = [e for e in _events(smooth[track], params) if e[0] == label and e[1] < offset and e[2] > onset]
        longest = max((stop - start for start, stop in _runs(column > params.threshold)), default=0)
        return [
            Stage(
                "threshold",
                best > params.threshold,
                f"the highest smoothed score there is {best:.3f}; the threshold is {params.threshold:g}",
                {"score": tuple(column[onset:offset].tolist()), "threshold": params.threshold},
            ),
            Stage(
                "length",
                bool(runs),
                f"the longest event of the label has {longest} segments; min_length is {params.min_length}",
                {"length": float(longest)},
            ),
        ]

    def _smooth(self, b: ScoreBundle, video: int, params: SmoothThresholdParams) -> dict[str, NDArray[np.float64]]:
        """Scaled and smoothed scores (T, C) of the tracks that the video has."""
        rows = slice(*b.segment_starts[video : video + 2].tolist())
        found = {}
        # scores are missing only where their track is not asked for (`needs`); the rows of an absent stream say nothing
        for track, scores, present in (
            ("audio", b.audio_segments, b.has_audio[video]),
            ("visual", b.visual_segments, b.has_visual[video]),
        ):
            if scores is not None and present:
                found[track] = _median(_scaled(scores[rows].astype(np.float64), b.kind, params.scale), params.window)
        if len(found) == 2:
            found["audio_visual"] = np.minimum(found["audio"], found["visual"])
        return found


def _scaled(scores: NDArray[np.float64], kind: str, scale: str) -> NDArray[np.float64]:
    """Scores (T, C) as 0 to 1; probabilities are so already."""
    if kind == "probability" or scores.size == 0:
        return scores
    if scale == "minmax":
        span = scores.max() - scores.min()
        return (scores - scores.min()) / (span if span > 0 else 1.0)
    centred = scores - scores.mean(axis=1, keepdims=True)
    return 1 / (1 + np.exp(-centred / np.maximum(scores.std(axis=1, keepdims=True), 1e-12)))


def _median(scores: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Median of the scores (T, C) of ``window`` segments around each; the first and last segment are repeated."""
    if len(scores) == 0:
        return scores
    padded = np.pad(scores, ((window // 2, (window - 1) // 2), (0, 0)), mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, window, axis=0), axis=-1)


def _events(scores: NDArray[np.float64], params: SmoothThresholdParams) -> list[tuple[int, int, int, float]]:
    """(label, onset, offset, mean score) of every run above the threshold that is long enough."""
    return [
        (label, onset, offset, float(scores[onset:offset, label].mean()))
        for label in range(scores.shape[1])
        for onset, offset in _runs(scores[:, label] > params.threshold)
        if offset - onset >= params.min_length
    ]


def _runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
