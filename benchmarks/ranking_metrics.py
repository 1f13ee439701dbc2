"""Ranking metrics against the packages that define them, in one run on the same made inputs: seconds of processor, and
that the figures are equal.

The packages are no dependencies: run it where ``sed_scores_eval``, ``sed_eval`` and ``psds_eval`` are installed beside
avreplay. UnAV's and ActivityNet's evaluations are no packages; their rule is here as they write it, with pandas.
``python benchmarks/ranking_metrics.py --out FILE``.
"""

from __future__ import annotations

import argparse
import logging
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from avreplay.core.metrics.map_tiou import average_precisions
from avreplay.core.metrics.psds import psds
from avreplay.core.metrics.segments import pooled_scores
from avreplay.core.metrics.spans import Spans, score_spans
from avreplay.core.metrics.threshold_counts import by_collars, by_intersection, precision_recall_f
from result_file import write_result

SHAPES = {
    "segments of a second": {"clips": 300, "labels": 25, "hop": 1.0},
    "frames of a quarter of a second": {"clips": 200, "labels": 10, "hop": 0.25},
}
SECONDS = 10
PACKAGES = ("sed_scores_eval", "sed_eval", "psds_eval", "numpy", "pandas", "numba")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--shrink", type=int, default=1, help="a share of the clips, to try it")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    write_result(measure(options.repeats, options.shrink), options.out)


def measure(repeats: int, shrink: int = 1) -> dict[str, Any]:
    return {
        "machine": f"{platform.machine()}, {platform.system()}, seconds of one processor",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "inputs": {name: of_shape(shape, repeats, shrink) for name, shape in SHAPES.items()},
    }


def of_shape(shape: dict[str, Any], repeats: int, shrink: int) -> dict[str, Any]:
    made = Made(shape["clips"] // shrink, shape["labels"], shape["hop"])
    rows = [compared(*row, repeats=repeats) for row in made.rows()]
    counts = {"truths": len(made.truths.label), "detections": len(made.events.label)}
    return {**shape, **counts, "metrics": rows, "least_ratio": min(row["ratio"] for row in rows)}


def compared(
    name: str, package: str, theirs: Callable[[], Any], ours: Callable[[], Any], *, repeats: int
) -> dict[str, Any]:
    """Seconds of both, the least of several, once the kernels are compiled; and how far apart their figures are."""
    mine = np.asarray(ours(), np.float64)
    begin = time.process_time()
    other = np.asarray(theirs(), np.float64)
    slow = min(time.process_time() - begin, _timed(theirs))
    apart = float(np.abs(mine - other).max())
    if apart > 1e-9:
        raise SystemExit(f"{name}: the figures differ by {apart:g}")
    fast = min(_timed(ours) for _ in range(repeats))
    ratio = slow / fast
    return {
        "metric": name, "package": package, "their_seconds": round(slow, 4), "our_seconds": round(fast, 6),
        "ratio": round(ratio, 1), "largest_difference": apart,
    }  # fmt: skip


def _timed(call: Callable[[], Any]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


class Made:
    """Scores of frames, truths, and detections with a confidence."""

    def __init__(self, clips: int, labels: int, hop: float) -> None:
        rng = np.random.default_rng(7)
        self.labels, self.hop, self.count = [f"class{c:02}" for c in range(labels)], hop, round(SECONDS / hop)
        self.ids = [f"clip{i:05}" for i in range(clips)]
        self.durations = np.full(clips, float(SECONDS))
        rows = []
        scores = rng.beta(2, 6, (clips, self.count, labels))
        for v in range(clips):
            for _ in range(rng.integers(1, 5)):
                c, on = int(rng.integers(labels)), float(np.round(rng.uniform(0, 8), 2))
                if any(r[0] == v and r[1] == c for r in rows):
                    continue  # events of a class do not overlap
                off = float(np.round(min(on + rng.uniform(0.5, 6), float(SECONDS)), 2))
                rows.append((v, c, on, off))
                scores[v, int(on / hop) : int(np.ceil(off / hop)), c] += rng.uniform(0.2, 0.5)
        for c in range(labels):  # each class is annotated
            rows.append((c, c, 9.0, 9.5)) if not any(r[1] == c for r in rows) else None
        self.scores = np.round(scores, 6)
        video, label, onset, offset = (np.array(x) for x in zip(*rows, strict=True))
        self.truths = self._spans(video, label, onset, offset, np.full(len(label), np.nan))
        self.edges = [np.round(np.arange(self.count + 1) * hop, 6)] * clips
        self.frames = score_spans(list(self.scores), self.edges, labels)
        self.events = self._detections(0.45)

    def _spans(self, video: Any, label: Any, onset: Any, offset: Any, value: Any) -> Spans:
        whole = (np.asarray(x, np.int64) for x in (np.zeros(len(label)), video, label))
        times = (np.asarray(x, np.float64) for x in (onset, offset, value))
        return Spans(1, len(self.ids), len(self.labels), *whole, *times)

    def _detections(self, cut: float) -> Spans:
        """Runs of frames above a threshold; their confidence is the mean score, of which none are equal."""
        rows = []
        for v, c in np.ndindex(len(self.ids), len(self.labels)):
            x = self.scores[v, :, c]
            ends = np.flatnonzero(np.diff(np.concatenate([[0], x > cut, [0]])))
            rows += [(v, c, a * self.hop, b * self.hop, x[a:b].mean()) for a, b in ends.reshape(-1, 2).tolist()]
        video, label, onset, offset, value = (np.array(x) for x in zip(*rows, strict=True))
        return self._spans(video, label, onset, offset, value + np.arange(len(value)) * 1e-12)

    def rows(self) -> list[tuple[str, str, Callable[[], Any], Callable[[], Any]]]:
        """Name of the metric, the package, what it computes, and the same here."""
        import sed_scores_eval as sse
        from sed_scores_eval.base_modules.scores import create_score_dataframe

        frames = {
            name: create_score_dataframe(x, timestamps=self.edges[0], event_classes=self.labels)
            for name, x in zip(self.ids, self.scores, strict=True)
        }
        truth: dict[str, list[tuple[float, float, str]]] = {name: [] for name in self.ids}
        t = self.truths
        for v, c, on, off in zip(t.video.tolist(), t.label.tolist(), t.onset.tolist(), t.offset.tolist(), strict=True):
            truth[self.ids[v]].append((on, off, self.labels[c]))
        seconds = dict(zip(self.ids, self.durations.tolist(), strict=True))
        once = np.ones((1, len(self.ids)), np.int64)

        def best(changes: Any) -> Any:
            return precision_recall_f(changes.summary(once).counts(best=True)[0, 0])[2]

        def of_classes(found: Any) -> Any:
            return [found[label] for label in self.labels]

        def psds_of(cross: float | None, alpha_ct: float, dtc: float) -> Any:
            changes = by_intersection(self.frames, t, dtc, dtc, cross)
            return psds(changes, self.durations, alpha_ct=alpha_ct, alpha_st=1.0)[0][0, 0]

        def their_psds(cross: float | None, alpha_ct: float, dtc: float) -> Any:
            return sse.intersection_based.psds(
                frames, truth, seconds, dtc_threshold=dtc, gtc_threshold=dtc, cttc_threshold=cross, alpha_ct=alpha_ct,
                alpha_st=1.0,
            )[0]  # fmt: skip

        name = "sed_scores_eval"
        return [
            ("segment average precision", name,
             lambda: of_classes(sse.segment_based.average_precision(
                 frames, truth, seconds, segment_length=1.0, num_jobs=1)[0]),
             lambda: pooled_scores(self.scores, self.edges, t, 1.0).changes().summary(once).average_precision[0, 0]),
            ("segment F at the best thresholds", name,
             lambda: of_classes(sse.segment_based.best_fscore(frames, truth, seconds, segment_length=1.0)[0]),
             lambda: best(pooled_scores(self.scores, self.edges, t, 1.0).changes())),
            ("collar F at the best thresholds", name,
             lambda: of_classes(sse.collar_based.best_fscore(
                 frames, truth, onset_collar=0.2, offset_collar=0.2, offset_collar_rate=0.2)[0]),
             lambda: best(by_collars(self.frames, t, 0.2, 0.2, 0.2))),
            ("intersection F at the best thresholds", name,
             lambda: of_classes(sse.intersection_based.best_fscore(
                 frames, truth, dtc_threshold=0.5, gtc_threshold=0.5)[0]),
             lambda: best(by_intersection(self.frames, t, 0.5, 0.5))),
            ("PSDS, scenario 1", name, lambda: their_psds(None, 0.0, 0.7), lambda: psds_of(None, 0.0, 0.7)),
            ("PSDS, scenario 2", name, lambda: their_psds(0.3, 0.5, 0.1), lambda: psds_of(0.3, 0.5, 0.1)),
            ("collar F of events", "sed_eval", self._sed_eval(), lambda: self._f(
                by_collars(self.events, t, 0.25, 0.25, 0.2, decimals=None), once)),
            ("intersection F of events", "psds_eval", self._psds_eval(), lambda: self._f(
                by_intersection(self.events, t, 0.5, 0.5, decimals=None), once)),
            ("mAP at tIoU 0.1 to 0.9", "ActivityNet's rule", self._activitynet, lambda: average_precisions(
                self.events, t, np.linspace(0.1, 0.9, 9))[0, 0]),
        ]  # fmt: skip

    def _f(self, changes: Any, once: Any) -> Any:
        return precision_recall_f(changes.summary(once).counts(best=False)[0, 0])[2]

    def _rows(self, spans: Spans) -> list[dict[str, Any]]:
        columns = (spans.video.tolist(), spans.label.tolist(), spans.onset.tolist(), spans.offset.tolist())
        return [
            {"filename": self.ids[v], "event_label": self.labels[c], "onset": on, "offset": off}
            for v, c, on, off in zip(*columns, strict=True)
        ]

    def _sed_eval(self) -> Callable[[], Any]:
        import sed_eval

        lists: list[tuple[list[Any], list[Any]]] = [([], []) for _ in self.ids]
        for k, spans in enumerate((self.truths, self.events)):
            for row, v in zip(self._rows(spans), spans.video.tolist(), strict=True):
                lists[v][k].append(row)

        def run() -> Any:
            metric = sed_eval.sound_event.EventBasedMetrics(self.labels, t_collar=0.25, percentage_of_length=0.2)
            for true, found in lists:
                metric.evaluate(true, found)
            classes = metric.results_class_wise_metrics()
            return np.nan_to_num([classes[label]["f_measure"]["f_measure"] for label in self.labels])

        return run

    def _psds_eval(self) -> Callable[[], Any]:
        from psds_eval import PSDSEval

        true, found = (pd.DataFrame(self._rows(spans)) for spans in (self.truths, self.events))
        lengths = pd.DataFrame({"filename": self.ids, "duration": self.durations})

        def run() -> Any:
            metric = PSDSEval(dtc_threshold=0.5, gtc_threshold=0.5, cttc_threshold=0.3, ground_truth=true,
                              metadata=lengths, class_names=self.labels)  # fmt: skip
            of_class = metric.compute_macro_f_score(found)[1]
            return np.nan_to_num([of_class[label] for label in self.labels])

        return run

    def _activitynet(self) -> Any:
        """The evaluation of ActivityNet: class by class, detection by detection, on data frames."""
        thresholds = np.linspace(0.1, 0.9, 9)
        names = ("video", "label", "start", "end", "score")
        true, found = (
            pd.DataFrame(dict(zip(names, (s.video, s.label, s.onset, s.offset, s.value), strict=True)))
            for s in (self.truths, self.events)
        )
        ap = np.zeros((len(self.labels), len(thresholds)))
        for c in range(len(self.labels)):
            of_class, some = true[true.label == c].reset_index(drop=True), found[found.label == c]
            if some.empty:
                continue
            some = some.iloc[np.argsort(-some.score.to_numpy(), kind="stable")].reset_index(drop=True)
            tp, fp = np.zeros((len(thresholds), len(some))), np.zeros((len(thresholds), len(some)))
            lock = -np.ones((len(thresholds), len(of_class)))
            by_video = of_class.groupby("video")
            for i, row in some.iterrows():
                try:
                    here = by_video.get_group(row["video"])
                except KeyError:
                    fp[:, i] = 1
                    continue
                here = here.reset_index()
                shared = (np.minimum(row["end"], here["end"]) - np.maximum(row["start"], here["start"])).clip(0)
                union = (here["end"] - here["start"]) + (row["end"] - row["start"]) - shared
                tiou = (shared / union).to_numpy()
                for k, threshold in enumerate(thresholds):
                    for j in tiou.argsort()[::-1]:
                        if tiou[j] < threshold:
                            fp[k, i] = 1
                            break
                        if lock[k, int(here.loc[j]["index"])] < 0:
                            tp[k, i] = 1
                            lock[k, int(here.loc[j]["index"])] = i
                            break
                    if fp[k, i] == 0 and tp[k, i] == 0:
                        fp[k, i] = 1
            right, wrong = tp.cumsum(axis=1), fp.cumsum(axis=1)
            recall = np.hstack([np.zeros((9, 1)), right / len(of_class), np.ones((9, 1))])
            precision = np.hstack([np.zeros((9, 1)), right / (right + wrong), np.zeros((9, 1))])
            precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            ap[c] = (np.diff(recall, axis=1) * precision[:, 1:]).sum(axis=1)
        return ap


if __name__ == "__main__":
    main()
