"""Why a label is, or is not, an event of SCoPE."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import reference_scope as reference
from ..bundle import ScoreBundle
from ..events import TRACKS
from ..params.scope import ScopeParams
from .base import Stage
from .segment_events import competing_labels


def scope_stages(
    b: ScoreBundle,
    params: ScopeParams,
    values: tuple[NDArray[np.float32], NDArray[np.float32]],
    track: str,
    label: int,
    onset: int,
    offset: int,
) -> list[Stage]:
    """The stages of one video; ``values`` (T, K) are the scores of the labels that compete, or their weights."""
    there = dict(zip(TRACKS, (b.has_audio[0], b.has_visual[0]), strict=False))
    lacking = [name for name, is_there in there.items() if not is_there and track in (name, "audio_visual")]
    if lacking:
        text = {"audio": "sound", "visual": "pictures"}
        return [Stage("stream", False, "the video has no " + " and no ".join(text[name] for name in lacking))]
    columns = competing_labels(b.labels, "scope", 2)
    if label not in columns:
        return [Stage("competition", False, "texts of the background do not compete")]
    k = int(np.flatnonzero(columns == label)[0])
    audio, visual = (x if is_there else np.zeros_like(x) for x, is_there in zip(values, there.values(), strict=True))
    if params.read_out == "gap" and track == "audio_visual":
        return _largest_step(params, reference.joint_weights(audio, visual, params), k, onset, offset, "weighted mean")
    steps: list[Stage] = []
    kept = []
    for name, x in zip(TRACKS, (audio, visual), strict=False):
        if track in (name, "audio_visual"):
            steps += _modality(params, x, k, onset, offset, name)
            kept.append(_kept(params, x)[onset:offset, k])
    if track == "audio_visual":
        both = kept[0] & kept[1]
        steps.append(Stage("agreement", bool(both.any()), f"both have it in {int(both.sum())} of {len(both)} segments"))
    return steps


def _decided(params: ScopeParams, x: NDArray[np.float32]) -> NDArray[np.bool_]:
    if params.read_out == "gap":
        return np.array([reference.above_largest_gap(row) for row in x], np.bool_).reshape(x.shape)
    return np.asarray(x > np.float32(params.threshold))


def _kept(params: ScopeParams, x: NDArray[np.float32]) -> NDArray[np.bool_]:
    return reference.enough_segments(_decided(params, x), params.min_segments)


def _modality(params: ScopeParams, x: NDArray[np.float32], k: int, onset: int, offset: int, name: str) -> list[Stage]:
    if params.read_out == "gap":
        return _largest_step(params, x, k, onset, offset, name)
    inside = _decided(params, x)[onset:offset, k]
    t = onset + int(np.argmax(x[onset:offset, k]))
    text = (
        f"{int(inside.sum())} of {offset - onset} segments are above {params.threshold:g}; the highest is segment {t}: "
        f"{x[t, k]:.4f}"
    )
    values = {"scores": tuple(map(float, x[onset:offset, k]))}
    return [Stage(f"{name} score", bool(inside.any()), text, values), *_segments(params, x, k, onset, offset, name)]


def _largest_step(
    params: ScopeParams, x: NDArray[np.float32], k: int, onset: int, offset: int, name: str
) -> list[Stage]:
    inside = _decided(params, x)[onset:offset, k]
    t = onset + int(np.argmax(x[onset:offset, k]))
    text = (
        f"{int(inside.sum())} of {offset - onset} segments have it above the largest step of the weights; its highest "
        f"weight is {x[t, k]:.4f} in segment {t}"
    )
    values = {"weights": tuple(map(float, x[onset:offset, k]))}
    return [Stage(f"{name} weight", bool(inside.any()), text, values), *_segments(params, x, k, onset, offset, name)]


def _segments(params: ScopeParams, x: NDArray[np.float32], k: int, onset: int, offset: int, name: str) -> list[Stage]:
    """Whether the label has enough segments in the video, asked only where it has one between onset and offset."""
    decided = _decided(params, x)[:, k]
    if not decided[onset:offset].any():
        return []
    count = int(decided.sum())
    text = f"{count} segments of the video have it; min_segments is {params.min_segments}"
    return [Stage(f"{name} segments", count >= params.min_segments, text)]
