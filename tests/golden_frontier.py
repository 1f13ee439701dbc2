"""Golden vectors of ranking metrics: numbers that UnAV's, ActivityNet's, sed_scores_eval's, sed_eval's and psds_eval's
code gave on made inputs.

They are committed in ``tests/data/frontier``. Set ``AVREPLAY_GOLDEN_FRONTIER`` to a folder of the same format to check
another set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from avreplay.core.metrics.spans import Spans, score_spans

FOLDER = Path(os.environ.get("AVREPLAY_GOLDEN_FRONTIER", Path(__file__).parent / "data" / "frontier"))


@cache
def load(name: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a file by case, and by name; of a file without cases by name in the case ``-``."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        for key in file.files:
            case, _, array = key.rpartition("/")
            found.setdefault(case or "-", {})[array] = file[key]
    return found


def spans(videos: int, labels: int, video, label, onset, offset, value=None) -> Spans:
    video, label = np.asarray(video, np.int64), np.asarray(label, np.int64)
    value = np.full(len(label), np.nan) if value is None else np.asarray(value, np.float64)
    times = (np.ascontiguousarray(x, np.float64) for x in (onset, offset))
    return Spans(1, videos, labels, np.zeros_like(label), video, label, *times, value)


@dataclass(frozen=True)
class Detections:
    """A case of ``map_tiou``: detections in the order in which UnAV's code ranked ties, and truths."""

    arrays: dict[str, np.ndarray]

    @cached_property
    def size(self) -> tuple[int, int]:
        a = self.arrays
        return tuple(int(max(a[f"gt_{k}"].max(), a[f"det_{k}"].max())) + 1 for k in ("video", "label"))

    @cached_property
    def truths(self) -> Spans:
        a = self.arrays
        return spans(*self.size, a["gt_video"], a["gt_label"], a["gt_start"], a["gt_end"])

    @cached_property
    def events(self) -> Spans:
        a = self.arrays
        found = spans(*self.size, *(a[f"det_{k}"] for k in ("video", "label", "start", "end", "score")))
        return found.taken(np.argsort(a["rank_in_class"], kind="stable"))


@dataclass(frozen=True)
class Clips:
    """A case of ``sed_metrics``: scores of frames, and truths."""

    arrays: dict[str, np.ndarray]

    @property
    def size(self) -> tuple[int, int]:
        return len(self.arrays["frames"]), len(self.arrays["labels"])

    @cached_property
    def scores(self) -> list[np.ndarray]:
        return np.split(self.arrays["scores"], np.cumsum(self.arrays["frames"])[:-1])

    @cached_property
    def edges(self) -> list[np.ndarray]:
        hop = float(self.arrays["hop"])
        return [np.round(np.arange(n + 1) * hop, 6) for n in self.arrays["frames"]]

    @cached_property
    def truths(self) -> Spans:
        a = self.arrays
        return spans(*self.size, a["gt_clip"], a["gt_label"], a["gt_onset"], a["gt_offset"])

    @cached_property
    def frames(self) -> Spans:
        return score_spans(self.scores, self.edges, self.size[1])

    def detected(self, j: int) -> Spans:
        """The events at the j-th threshold."""
        clip, onset, offset, label = self.arrays[f"det{j}"].T
        return spans(*self.size, clip, label, onset, offset, np.zeros(len(clip)))

    def names(self, begin: str, end: str) -> list[str]:
        return sorted(n.removesuffix(end) for n in self.arrays if n.startswith(begin) and n.endswith(end))
