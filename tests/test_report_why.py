"""Why events were lost, as a report tells it: by a trace alone, in the words of `Decoder.explain`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.decoders.base import Candidates, Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.events import TRACKS, Events
from avreplay.core.params.av2a import make_params
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.replay import ReplayResult
from avreplay.evaluate.report.build import report_data
from avreplay.evaluate.report.candidates import aligned_candidates
from avreplay.evaluate.report.data import ReportData, ReportRun, Trace
from avreplay.evaluate.report.timeline import timeline_figure
from avreplay.evaluate.report.why import MISSED, OTHER, lost_events
from test_twin import make_bundle

CASES: list[dict[str, Any]] = [
    {"min_length": 2},
    {"fusion": "late"},
    {"refine": False},
    {"refine_rule": "argmax"},
    {"lone_candidate": "check", "all_rejected": "keep_none", "max_gap": 0},
    {"select_classes": False, "precision": "float64"},
]


def replayed(values: dict[str, Any]) -> ReplayResult:
    bundle = make_bundle(3, [10, 6, 1, 8, 12] * 4, 6, "similarity", 2, 0.6, "flat")
    params = make_params("languagebind", "release", {"tau0": 0.45, "tau_f": 0.4, "tau_r": 0.55, **values})
    return ReplayResult(bundle, (params,), replay_scores(bundle, params, trace=True), DECODERS.get("av2a"))


def drawn_truth(result: ReplayResult) -> Events:
    """Three random events a track."""
    rng = np.random.default_rng(1)
    return Events.from_tracks(
        [
            [
                [(int(rng.integers(6)), a, int(rng.integers(a + 1, n + 1))) for a in rng.integers(0, n, 3)]
                for _ in TRACKS
            ]
            for n in result.bundle.segments_per_video.tolist()
        ]
    )


@pytest.mark.parametrize("values", CASES)
def test_a_trace_tells_the_stage_as_the_decoder_does(values: dict[str, Any]) -> None:
    result = replayed(values)
    b, params = result.bundle, result.params[0]
    trace = Trace.from_arrays(result.trace_arrays())
    run = ReportRun("r", result.replay.events, {}, None, params.as_dict(), trace)
    truth = drawn_truth(result)
    data = ReportData("", "", "", b.labels, b.video_ids, b.segments_per_video, truth=truth, runs=[run])
    data.check()
    stages: Counter[str] = Counter()
    for v in range(b.num_videos):
        for lost in lost_events(data, run, v):
            told = result.decoder.explain(Inputs(b), params, v, lost.track, lost.label, lost.onset, lost.offset)
            if lost.outcome == OTHER:
                assert not told.lost_at
                assert lost.text.startswith("predicted [")
                continue
            stage = next(s for s in told.stages if not s.passed)
            stages[stage.name] += 1
            if stage.name == "selection":
                assert lost.text.startswith(
                    f"selection: clip score (not in the trace) not above tau_f {params.tau_f:g}"
                )
            elif stage.name == "stream":
                assert lost.text.endswith(stage.text) or "no sound or no pictures" in lost.text
            elif stage.name == "late fusion":
                assert stage.text in lost.text
            elif lost.text.endswith(", for they have none"):  # a label that is alone has no score
                assert f"{stage.name}: {stage.text}".startswith(lost.text.removesuffix(", for they have none"))
                assert "nan" in stage.text or ";" not in stage.text
            else:
                assert lost.text == f"{stage.name}: {stage.text}"
    assert len(stages) >= 3
    assert sum(stages.values()) > 50


P = {"tau0": 0.5, "tau_f": 0.3, "tau_r": 0.6, "min_length": 2, "max_gap": 1, "refine": True, "select_classes": True}


def one_label(
    score: list[float],
    found: list[tuple[int, int]],
    candidates: list[tuple[int, int, float, bool]] | None,
    annotated: tuple[int, int] = (2, 6),
    **params: Any,
) -> list[tuple[str, str]]:
    """Outcome and reason of an audio event under a threshold of 0.5."""
    n = len(score)
    truth = Events.from_tracks([[[(0, *annotated)], [], []]])
    trace = Trace(
        {"audio": np.array(score)[:, None]}, {"audio": np.full((n, 1), 0.5)}, {"audio": np.ones((1, 1), bool)},
        None if candidates is None else Candidates(
            Events.from_tracks([[[(0, a, b, s) for a, b, s, _ in candidates], [], []]]),
            np.array([kept for *_, kept in candidates], bool),
        ),
    )  # fmt: skip
    run = ReportRun("r", Events.from_tracks([[[(0, a, b) for a, b in found], [], []]]), {}, None, P | params, trace)
    data = ReportData("", "", "", ["dog"], ["v"], [n], truth=truth, runs=[run])
    data.check()
    return [(lost.outcome, lost.text) for lost in lost_events(data, run, 0)]


LOW, HIGH = [0.1] * 8, [0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1]


@pytest.mark.parametrize(
    ("score", "found", "candidates", "more", "outcome", "text"),
    [
        (HIGH, [(2, 6)], [(2, 6, 0.9, True)], {}, None, ""),
        ([0.1, 0.1, 0.2, 0.4, 0.3, 0.1, 0.1, 0.1], [], [], {}, MISSED,
         "thresholds: 0 of 4 segments are above their threshold; "
         "the nearest is segment 3: score 0.4000, threshold 0.5000"),
        ([0.1, 0.1, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1], [], [], {}, MISSED,
         "candidates: runs of 1, 1 segments are shorter than min_length 2"),
        (HIGH, [], [(2, 6, 0.55, False)], {}, MISSED, "refinement: window [2, 6) scores 0.5500, not above tau_r 0.6"),
        (HIGH, [], [(2, 6, 0.55, False)], {"refine_rule": "argmax"}, MISSED,
         "refinement: window [2, 6) scores 0.5500, not the best of its window"),
        (HIGH, [], None, {}, MISSED,
         "after the thresholds: 4 of 4 segments are above their threshold; "
         "the trace has no candidates, write it again"),
        (HIGH, [], [(2, 6, 0.55, False)], {"decoder": "other", "tau_r": None}, MISSED,
         "refinement: window [2, 6) scores 0.5500, rejected"),
        ([0.1, 0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.1], [(3, 7)], [(3, 7, 0.7, True)], {}, OTHER,
         "predicted [3, 7); [2, 3) is lost at thresholds: 0 of 1 segments are above their threshold; the nearest is "
         "segment 2: score 0.2000, threshold 0.5000; [6, 7) is too much: 1 of 1 segments are above their threshold"),
        ([0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.2, 0.9], [(2, 8)], [(2, 8, 0.7, True)], {}, OTHER,
         "predicted [2, 8); [6, 8) is too much: 1 of 2 segments are above their threshold; the others lie in a gap "
         "that is bridged (max_gap 1)"),
        (HIGH, [(2, 4), (4, 6)], [(2, 4, 0.7, True), (4, 6, 0.7, True)], {}, OTHER, "predicted [2, 4), [4, 6)"),
    ],
)  # fmt: skip
def test_each_stage_has_its_words(
    score: list[float], found: Any, candidates: Any, more: dict[str, Any], outcome: str | None, text: str
) -> None:
    assert one_label(score, found, candidates, **more) == ([] if outcome is None else [(outcome, text)])


def test_a_fallback_is_told() -> None:
    # the label's other candidate was kept although no window is above tau_r
    score = [0.9, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.1]
    candidates = [(0, 2, 0.5, True), (4, 6, 0.4, False)]
    [(outcome, text)] = one_label(score, [(0, 2)], candidates, (1, 6))
    assert outcome == OTHER
    assert "[2, 6) is lost at refinement: window [4, 6) scores 0.4000, not above tau_r 0.6" in text
    [(outcome, text)] = one_label(score, [], candidates, (0, 6))
    assert "window [0, 2) scores 0.5000, not above tau_r 0.6, kept as the best of a track without a valid one" in text


def test_candidates_follow_the_annotations_videos_labels_and_lengths() -> None:
    result = replayed({"select_classes": False, "tau0": 0.3})
    b = result.bundle
    assert result.replay.trace is not None
    own = result.replay.trace.candidates
    assert own is not None
    chosen = list(range(b.num_videos))[::-2]
    shorter = np.maximum(b.segments_per_video[chosen] - np.arange(len(chosen)) % 3, 1)
    labels = ("not known", *(name.upper() for name in b.labels[::-1]))
    truth = Events.from_tracks([[[(0, 0, 1)], [], []]] * len(chosen))
    ids = tuple(b.video_ids[v] for v in chosen)
    annotations = Annotations("json", "test", labels, ids, shorter, truth, "made")
    data = report_data([("r", result.predictions())], annotations, traces={"r": result.trace_arrays()})
    trace = data.runs[0].trace
    assert trace is not None
    assert trace.candidates is not None
    seen = 0
    for i, (v, length) in enumerate(zip(chosen, shorter.tolist(), strict=True)):
        for track in TRACKS:
            kept = own.kept[own.events.rows(v, track)].tolist()
            want = [
                (6 - c, s, min(e, length), score, k)
                for (c, s, e, score), k in zip(own.events.track(v, track), kept, strict=True)
                if s < length
            ]
            events = trace.candidates.events
            kept = trace.candidates.kept[events.rows(i, track)].tolist()
            got = [(*one, k) for one, k in zip(events.track(i, track), kept, strict=True)]
            np.testing.assert_array_equal(got, want)
            seen += len(got)
    assert seen > 10
    texts = [lost.text for v in range(len(ids)) for lost in lost_events(data, data.runs[0], v)]
    assert "labels: the run does not know this label" in texts


def test_candidates_of_videos_and_labels_that_are_not_reported_are_left_out() -> None:
    events = Events.from_tracks([[[(0, 0, 2), (1, 1, 4)], [], [(1, 5, 6)]], [[(1, 0, 9)], [], []]])
    kept = np.array([True, False, True, False])
    found = aligned_candidates(Candidates(events, kept), [1, -1, 0], [-1, 7], np.array([4, 4, 5]))
    assert [found.events.track(v, t)[:1] and found.events.track(v, t)[0][:3] for v in range(3) for t in TRACKS] == [
        *((7, 0, 4), [], []), [], [], [], *((7, 1, 4), [], [])
    ]  # fmt: skip
    assert found.kept.tolist() == [False, False]


def test_hover_boxes_tell_why() -> None:
    trace = Trace({"audio": np.full((8, 1), 0.4)}, {"audio": np.full((8, 1), 0.5)}, {"audio": np.ones((1, 1), bool)})
    nothing, truth = Events.from_tracks([[[], [], []]]), Events.from_tracks([[[(0, 2, 6)], [], []]])
    run = ReportRun("r", nothing, {}, None, P, trace)
    data = ReportData("", "", "", ["dog"], ["v"], [8], truth=truth, runs=[run])
    miss = next(t for t in timeline_figure(data, 0)["data"] if t["name"] == "miss")
    assert all("thresholds: 0 of 4 segments are above their" in text for text in miss["hovertext"])
    assert max(len(line) for text in miss["hovertext"] for line in text.split("<br>")) < 80
