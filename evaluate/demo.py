"""The second half of the demo: replay two systems over the store, score them and draw the report."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..cache.store import open_store
from ..core.params.av2a import make_params
from .datasets.registry import load_annotations
from .files.predictions import write_predictions
from .made_from import made_from
from .replay import replay
from .report.build import read_trace, report_data
from .report.page import write_report
from .scoring import Evaluation, evaluate_predictions
from .text_tables import metrics_table, render

RUNS = {"naive": "naive_demo", "AV2A": "demo"}


@dataclass(frozen=True)
class DemoScores:
    """The two evaluations of the demo, its report, and what was done, in words."""

    evaluations: dict[str, Evaluation]
    report: Path
    lines: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"report": str(self.report), "runs": {name: e.as_dict() for name, e in self.evaluations.items()}}


def score_demo(store: Path, annotations: Path, out: Path, split: str = "test") -> DemoScores:
    """Replay the naive baseline and AV²A with their tuned presets; write predictions, a trace and the report."""
    truth = load_annotations("json", annotations, split)
    opened = open_store(store)
    bundle = opened.bundle()
    replay(bundle, make_params("demo"))  # compile or load the kernels, so that the time below is replay's
    made = made_from(opened)
    predictions, evaluations, spent = [], {}, 0.0
    for name, preset in RUNS.items():
        began = time.perf_counter()
        result = replay(bundle, make_params(preset))
        spent += time.perf_counter() - began
        p = replace(result, made_from=made).predictions()
        p = replace(p, params={**p.params, "preset": preset})
        write_predictions(out / f"predictions-{name.lower()}.json", p)
        predictions.append((name, p))
        evaluations[name] = evaluate_predictions(p, truth)
    traced = replace(replay(bundle, make_params("demo"), trace=True), made_from=made)
    traced.save_trace(out / "trace.npz")
    data = report_data(
        predictions,
        truth,
        traces={"AV2A": read_trace(out / "trace.npz")},
        title="avreplay demo world",
        fingerprint=opened.fingerprint,
    )
    report = out / "report.html"
    drawn = write_report(report, data)
    first = next(iter(evaluations.values()))
    each = 1e6 * spent / (len(RUNS) * max(1, bundle.num_videos))
    table = render(metrics_table({name: e.metrics for name, e in evaluations.items()}))
    lines = (
        f"3. replayed naive thresholds and AV2A over the cache: {each:.0f} us a video",
        f"4. scored {first.videos_scored} of {first.videos_expected} videos, F1 in percent:",
        table,
        f"5. open {report} in a browser: {len(drawn)} videos drawn, truth beside prediction",
    )
    return DemoScores(evaluations, report, lines)
