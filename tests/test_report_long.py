"""Hour-long videos in a report: columns instead of a block, a page that stays small, all segments where one zooms."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
from avreplay.core.events import Events
from avreplay.evaluate.report.columns import LONG_SEGMENTS, MAX_BARS, blocks, column_step
from avreplay.evaluate.report.data import ReportData, ReportRun
from avreplay.evaluate.report.scores import nearest_segments, score_figure, score_step
from avreplay.evaluate.report.sections import MAX_EVENTS, MAX_WHY, video_section
from avreplay.evaluate.report.timeline import timeline_figure
from hypothesis import given
from hypothesis import strategies as st
from test_report import make_trace

HOUR, KINDS = 3600, ("hit", "false alarm", "miss")


def hour(every: int, labels: int = 4, segments: int = HOUR) -> ReportData:
    """Events of 3 segments, the predicted ones a segment late; every 5th is missing."""
    starts = [(label, a) for label in range(labels) for a in range(label, segments - 5, every)]
    truth = Events.from_tracks([[[(label, a, a + 3) for label, a in starts]] * 3])
    found = [(label, a + 1, a + 4) for i, (label, a) in enumerate(starts) if i % 5]
    run = ReportRun("run", Events.from_tracks([[found] * 3]), {}, trace=make_trace([segments], labels))
    names = [f"label {i}" for i in range(labels)]
    return ReportData("hour", "d", "s", names, ["hour"], [segments], truth=truth, runs=[run])


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=300),
    st.integers(1, 40),
)
def test_columns_keep_every_segment(outcome: list[int], step: int) -> None:
    of = np.array(outcome)
    states = [(name, of == i) for i, name in enumerate(KINDS)]
    found = blocks(states, step)
    for name, mask in states:
        own = [b for b in found if b.state == name]
        assert sum(b.count for b in own) == mask.sum()
        for b in own:
            assert mask[b.start : b.stop].sum() == b.count
            assert 0 <= b.low < b.high <= 1
            assert b.high - b.low >= b.count / (b.stop - b.start) - 1e-9 or b.stop - b.start > step
        for a, b in pairwise(own):
            assert a.stop <= b.start
    if step == 1:
        assert all((b.low, b.high) == (0, 1) for b in found)


def test_an_hour_is_drawn_in_columns_and_its_segments_wait_for_the_zoom() -> None:
    data = hour(40)
    figure = timeline_figure(data, 0)
    shown = [t for t in figure["data"] if t.get("visible", True)]
    assert {t["meta"] for t in shown} == {"columns"}
    assert [t["name"] for t in shown] == ["ground truth", *KINDS]
    single = {t["name"]: t for t in figure["data"] if t["meta"] == "segments"}
    assert sum(single["ground truth"]["x"]) == 3 * 4 * 3 * len(range(0, HOUR - 5, 40))
    columns = {t["name"]: t for t in shown}
    step = column_step(HOUR)
    for name in KINDS:
        heights = columns[name]["width"]
        assert min(columns[name]["x"]) >= step  # no thinner than a column, which is more than a pixel
        assert max(heights) < 11  # never a full lane: an event fills a part of its column
    assert not any("pattern" in t["marker"] for t in shown)
    assert "pattern" in single["false alarm"]["marker"]
    assert figure["layout"]["meta"] == {"detail": LONG_SEGMENTS}
    assert "of 8 segments" in columns["hit"]["hovertext"][0]


def test_the_page_of_the_busiest_hours_is_bounded() -> None:
    for data in (hour(6, labels=8), hour(40, labels=2, segments=6 * HOUR)):
        figure = timeline_figure(data, 0)
        shown = [t for t in figure["data"] if t.get("visible", True)]
        assert sum(len(t["x"]) for t in shown) <= MAX_BARS
        section = video_section(data, 0, 1)
        size = len(str(section["timeline"]["figure"])) + sum(len(str(s["figure"])) for s in section["scores"])
        assert size < 4_000_000
        assert len(section["events"]["rows"]) == MAX_EVENTS
        assert section["events"]["more"] == section["events"]["all"] - MAX_EVENTS
        [why] = section["why"]
        assert len(why["first"]) + len(why["rest"]) == MAX_WHY
        assert why["more"] > 0
        json.loads(section["timeline"]["figure"])


def test_curves_of_an_hour_show_the_segments_that_decide() -> None:
    data = hour(40)
    run = data.runs[0]
    assert run.trace is not None
    drawn = score_figure(data, run, 0)
    assert drawn is not None
    curve = next(t for t in drawn[0]["data"] if t["name"] == "score" and t["xaxis"] == "x")
    step = score_step(HOUR)
    assert len(curve["y"]) == -(-HOUR // step) <= 300
    gap = run.trace.score["audio"][:, 0] - run.trace.tau["audio"][:, 0]
    for i, (_, at) in enumerate(curve["customdata"]):
        column = slice(i * step, (i + 1) * step)
        assert gap[at] == gap[column].max()
    score = np.array([0.1, np.nan, 0.9, 0.2, 0.3])
    assert nearest_segments(score, np.full(5, np.nan), 2).tolist() == [0, 2, 4]
    assert nearest_segments(score, np.array([0.5, 0.5, np.inf, 0.5, 0.5]), 2).tolist() == [0, 3, 4]
    assert score_step(LONG_SEGMENTS) == 1
