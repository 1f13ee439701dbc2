"""The HTML report: its sections, figures, escaping, self-containment, determinism and errors."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay import Predictions, report_data
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import TRACKS, Events
from avreplay.evaluate.report import page as page_module
from avreplay.evaluate.report.html_escape import literal, plain
from avreplay.evaluate.report.outcomes import count_segments
from avreplay.evaluate.report.page import ReportData, ReportRun, Trace, choose_videos, write_report
from avreplay.evaluate.report.ranking import MAX_INDEX, ranking, video_index
from avreplay.evaluate.report.scores import MAX_CURVES, score_figure
from avreplay.evaluate.report.style import DARK, GRID, GROUND, HIT, PANEL, SHADE, spans
from avreplay.evaluate.report.tables import class_table, metrics_table, number
from avreplay.evaluate.report.timeline import MAX_ROWS, timeline_figure
from click.testing import CliRunner
from plotly.offline import get_plotlyjs
from tuning_data import write_made

LABELS = ("Speech", "Dog", "Car")
HOSTILE = (
    "<b>bold</b>",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script><!-- \u2028\u202e",
    "a & b &amp; %{y} {{ 7 * 7 }}",
)


def make_trace(segments: list[int], labels: int, active: tuple[int, ...] = (0, 1)) -> Trace:
    rng = np.random.default_rng(7)
    total, selected = sum(segments), np.zeros((len(segments), labels), bool)
    selected[:, list(active)] = True
    score = {t: rng.random((total, labels)) for t in TRACKS}
    tau = {t: np.where(np.repeat(selected, segments, axis=0), 0.5, np.nan) for t in TRACKS}
    return Trace(score, tau, dict.fromkeys(TRACKS, selected))


def make_data(**changes: Any) -> ReportData:
    """Two videos of ten segments. Video a, audio: Speech is found late, Dog is wrong, Car is missed."""
    truth = Events.from_tracks([[[(0, 0, 4), (2, 8, 10)], [(0, 0, 4)], [(0, 0, 4)]], [[], [], []]])
    found = Events.from_tracks([[[(0, 2, 6, 0.75), (1, 5, 7)], [(0, 0, 4)], []], [[], [(1, 0, 1)], []]])
    empty = Events.from_tracks([[[], [], []], [[], [], []]])
    metrics = {"type_av_seg": 52.44, "audio_event": 35.91}
    data = ReportData(
        title="AV²A on LLP",
        dataset="LLP",
        split="test",
        labels=LABELS,
        video_ids=("video_a", "video_b"),
        segments_per_video=[10, 10],
        truth=truth,
        runs=[
            ReportRun("naive", empty, {"type_av_seg": 22.0, "audio_event": 40.0}, params={"method": "naive"}),
            ReportRun(
                "AV²A",
                found,
                metrics,
                per_video={"type_av_seg": np.array([40.0, 80.0])},
                params={"method": "label_shift", "alpha": 0.45},
                trace=make_trace([10, 10], 3),
            ),
        ],
        videos_expected=3,
        ids_sha256="ab" * 32,
        paper_rows=[("LanguageBind + AV²A", {"type_av_seg": 52.4, "audio_event": 35.9})],
        notes=["one note"],
        per_class={"AV²A": {"audio_seg": np.array([61.25, np.nan, 0.0])}},
        fingerprint="cd" * 32,
        licence="MIT weights",
    )
    return dataclasses.replace(data, **changes)


class Page(HTMLParser):
    """What a browser would see: text, tags with attributes, script bodies."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.lasttag == "script" and self.cdata_elem:
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.words.append(data)

    def figure(self, div: str) -> dict[str, Any]:
        return json.loads(next(body for attrs, body in self.scripts if attrs.get("id") == f"{div}-data"))


def page_of(tmp_path: Path, data: ReportData, **choice: Any) -> Page:
    path = tmp_path / "report.html"
    write_report(path, data, **choice)
    return Page(path.read_text(encoding="utf-8"))


def bars(figure: dict[str, Any], name: str) -> list[tuple[float, float]]:
    """(start, stop) in seconds of the bars of one outcome."""
    trace = next(t for t in figure["data"] if t["name"] == name)
    return [(b, b + x) for b, x in zip(trace["base"], trace["x"], strict=True) if x is not None]


def test_all_sections_and_figures_are_there(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_data())
    for words in ("AV²A on LLP", "2 of 3 expected", "ab" * 32, "cd" * 32, "MIT weights", "one note"):
        assert words in page.text
    for title in ("Metrics", "Parameters", "Classes", "Videos", "Timelines and scores"):
        assert f" {title} " in page.text
    assert "1 of 3 videos of this split are missing" in page.text
    assert "52.4 35.9" in page.text
    assert "+30.4 −4.1" in page.text
    assert "label_shift" in page.text
    assert "Speech 1 / 1 / 1 61.2" in page.text
    assert "Dog" not in page.text.split("Classes")[1].split("Videos")[0]
    drawn = [attrs["id"] for tag, attrs in page.tags if attrs.get("class") == "figure"]
    assert drawn == ["video-1-timeline", "video-1-scores-2", "video-2-timeline", "video-2-scores-2"]
    assert "worst of AV²A first, by Type@AV, segment level" in page.text
    assert "AV²A: 8 hits, 4 false alarms, 8 misses" not in page.text
    assert "AV²A: 6 hits, 4 false alarms, 8 misses" in page.text


def test_hits_false_alarms_and_misses_by_segment() -> None:
    data = make_data()
    data = dataclasses.replace(data, runs=data.runs[1:])
    figure = timeline_figure(data, 0)
    assert bars(figure, "ground truth") == [(0, 4), (8, 10), (0, 4), (0, 4)]
    assert bars(figure, "hit") == [(2, 3), (3, 4), (0, 1), (1, 2), (2, 3), (3, 4)]
    assert bars(figure, "false alarm") == [(4, 5), (5, 6), (5, 6), (6, 7)]
    assert bars(figure, "miss") == [(0, 1), (1, 2), (8, 9), (9, 10), (0, 1), (1, 2), (2, 3), (3, 4)]
    counts = count_segments(data, data.runs[0], 0)
    assert counts is not None
    assert (counts.hits, counts.false_alarms, counts.misses) == (6, 4, 8)
    hits = next(t for t in figure["data"] if t["name"] == "hit")
    assert hits["hovertext"][0].endswith("2–3 s, segments [2, 3)<br>in the event 2–6 s, score 0.750")


def test_timeline_counts_seconds_not_segments() -> None:
    figure = timeline_figure(make_data(segment_seconds=np.array([0.32, 1.0])), 0)
    assert bars(figure, "ground truth")[0] == (0, 1.28)
    assert figure["layout"]["xaxis"]["range"] == [0, 3.2]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    colour = "#ffffff" if colour == "white" else colour
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def colours_of(value: Any, key: str = "", inside: str = "") -> set[tuple[str, str]]:
    """(``text`` or the key, colour) of all that a figure colours."""
    if isinstance(value, dict):
        parts = [colours_of(v, k, "text" if "font" in k else inside) for k, v in value.items()]
        return set().union(*parts)
    if isinstance(value, list):
        return set().union(*(colours_of(v, key, inside) for v in value))
    return {(inside or key, value)} if key.endswith("color") and isinstance(value, str) else set()


def test_what_carries_meaning_has_contrast_in_light_and_dark() -> None:
    data = make_data()
    drawn = score_figure(data, data.runs[1], 0)
    assert drawn is not None
    bare = timeline_figure(make_data(truth=None), 0)
    found = set().union(*map(colours_of, (timeline_figure(data, 0), drawn[0], bare)))
    clear = {"rgba(0,0,0,0)"}
    grounds, decoration = {GROUND, PANEL}, {GRID, SHADE}
    assert {c for _, c in found} - clear <= set(DARK)
    assert len(set(DARK.values())) == len(DARK)
    seen = 0
    for what, colour in found:
        if colour in grounds | decoration | clear:
            continue
        for ground in grounds:
            least = 4.5 if what == "text" else 3
            assert contrast(colour, ground) >= least, (what, colour, ground)
            assert contrast(DARK[colour], DARK[ground]) >= least, (what, DARK[colour], DARK[ground])
            seen += 1
    assert seen > 15
    shade = next(t for t in drawn[0]["data"] if t["name"] == "score above threshold")
    assert shade["marker"]["line"] == {"color": HIT, "width": 1}  # a pale area has an edge


def test_the_page_s_own_colours_have_contrast() -> None:
    css = (Path(page_module.__file__).parent / "page.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", part)) for part in re.findall(r":root \{([^}]*)\}", css)[:2]
    )
    assert light.keys() == dark.keys()
    for scheme in (light, dark):
        full = {k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:]) for k, v in scheme.items()}
        for text in ("ink", "muted", "accent"):
            for ground in ("ground", "soft"):
                assert contrast(full[text], full[ground]) >= 4.5, (text, ground)
        assert contrast(full["ink"], full["warn"]) >= 4.5
        for edge in ("edge", "focus", "warn-edge"):
            assert contrast(full[edge], full["ground"]) >= 3, edge


def test_outcomes_differ_without_colour() -> None:
    figure = timeline_figure(make_data(), 0)
    marker = {t["name"]: t["marker"] for t in figure["data"]}
    assert marker["false alarm"]["pattern"]["shape"] == "/"
    assert marker["miss"]["color"] == "white"
    assert marker["miss"]["line"]["width"] > 1
    assert "pattern" not in marker["hit"]
    assert marker["false alarm"]["pattern"]["fgcolor"] == GROUND


def test_score_figure_follows_the_trace() -> None:
    data = make_data()
    run = data.runs[1]
    assert run.trace is not None
    drawn = score_figure(data, run, 0)
    assert drawn is not None
    figure, left_out = drawn
    assert left_out == 0
    first = [t for t in figure["data"] if t["xaxis"] == "x"]
    score = run.trace.score["audio"][:10, 0]
    by_name = {t["name"]: t for t in first}
    np.testing.assert_allclose(by_name["score"]["y"], score, atol=1e-4)
    assert by_name["threshold τ"]["y"] == [0.5] * 11
    assert by_name["threshold τ"]["line"]["shape"] == "hv"
    shaded = np.zeros(10, bool)
    above = by_name["score above threshold"]
    for x, w in zip(above["x"], above["width"], strict=True):
        shaded[round(x - w / 2) : round(x + w / 2)] = True
    np.testing.assert_array_equal(shaded, score > 0.5)
    # Car is in the truth, but was not selected: a score, no threshold.
    car = [t["name"] for t in figure["data"] if t["xaxis"] == "x4"]
    assert car == ["ground truth", "score"]
    assert sum(n["text"] == "not selected" for n in figure["layout"]["annotations"]) == 3
    legend = [t["name"] for t in figure["data"] if t["showlegend"]]
    assert sorted(legend) == sorted(set(legend))


def test_scores_not_finite_and_thresholds_far_away_stay_drawable(tmp_path: Path) -> None:
    data = make_data()
    trace = make_trace([10, 10], 3)
    trace.score["audio"][0, 0] = np.nan
    trace.tau["audio"][:5, 0] = (np.inf, -np.inf, 50.0, -50.0, np.nan)
    run = dataclasses.replace(data.runs[1], trace=trace)
    page = page_of(tmp_path, dataclasses.replace(data, runs=[run]), videos=["video_a"])
    figure = page.figure("video-1-scores-1")
    score = next(t for t in figure["data"] if t["name"] == "score")
    assert score["y"][0] is None
    low, high = figure["layout"]["yaxis"]["range"]
    for trace_ in figure["data"]:
        if trace_["type"] == "scatter":
            assert all(v is None or low <= v <= high for v in trace_["y"])
    assert high < 2


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    ids = ('"><img src=x onerror=alert(3)>', "</script><script>alert(4)</script>\udc80")
    data = make_data(
        title="<h1>x</h1>",
        labels=HOSTILE,
        video_ids=ids,
        notes=["<script>alert(5)</script>"],
        dataset="<i>d</i>",
        per_class={"<em>run</em>": {"<u>k</u>": np.ones(4)}},
        paper_rows=[("<s>row</s>", {"<u>m</u>": 1.0})],
    )
    events = Events.from_tracks([[[(i, 0, 2) for i in range(4)], [], []]] * 2)
    run = ReportRun(
        "<em>run</em>",
        events,
        {"<u>m</u>": 2.0},
        {"<u>m</u>": np.ones(2)},
        {"<k>": "</dd><script>"},
        make_trace([10, 10], 4),
    )
    page = page_of(tmp_path, dataclasses.replace(data, runs=[run]))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"img", "i", "u", "s", "em", "k"}
    assert len([1 for tag, _ in page.tags if tag == "h1"]) == 1
    assert [attrs.get("type") for attrs, _ in page.scripts].count(None) == 2
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    for shown in ("<h1>x</h1>", ids[0], "<script>alert(5)</script>", "<img src=x onerror=alert(1)>", "<em>run"):
        assert shown in page.text
    assert "alert(4)</script>\\udc80" in page.text
    figure = page.figure("video-1-timeline")
    ticks = figure["layout"]["yaxis"]["ticktext"]
    assert "&lt;b&gt;bold&lt;/b&gt;" in ticks
    assert "a &amp; b &amp;amp; %{y} {{ 7 * 7…" in ticks
    for trace in figure["data"]:
        for text in trace.get("hovertext", []):
            assert set(re.findall(r"<[^>]*>", text)) <= {"<b>", "</b>", "<br>"}
    for trace in page.figure("video-1-scores-1")["data"]:
        assert "bold" not in trace.get("hovertemplate", "")
        assert "{y}" not in trace.get("hovertemplate", "").replace("%{y:.3f}", "")
    for attrs, body in page.scripts:
        if attrs.get("type") == "application/json":
            assert body.isascii()
            assert not set("<>&") & set(body)


def test_figure_text_is_literal_and_on_one_line() -> None:
    assert literal("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert html.unescape(literal("<<<<<<<<<<", 5)) == "<<<<…"
    assert plain("a\u202eb\nc\u2028\x00") == "a\\u202eb\\u000ac\\u2028\\u0000"
    assert plain("Zürich 音 👩‍🚀") == "Zürich 音 👩‍🚀"


def test_file_asks_nothing_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, make_data())
    source = path.read_text(encoding="utf-8")
    assert source.count(get_plotlyjs()) == 1
    rest = source.replace(get_plotlyjs(), "")
    assert not re.search(r"https?://|//cdn|@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", rest)
    page = Page(source)
    for tag, attrs in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert "src" not in attrs
        assert (attrs.get("href") or "#").startswith("#")
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy
    assert "'unsafe-eval'" not in policy
    for attrs, body in page.scripts:
        if "type" not in attrs:
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy


def test_same_data_same_bytes(tmp_path: Path) -> None:
    write_report(tmp_path / "a.html", make_data())
    write_report(tmp_path / "b.html", make_data())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_without_truth_predictions_are_drawn_without_verdict(tmp_path: Path) -> None:
    page = page_of(tmp_path, make_data(truth=None, per_class=None, paper_rows=None))
    assert [t["name"] for t in page.figure("video-2-timeline")["data"]] == ["prediction"]
    assert "false alarm" not in page.text
    assert "Classes" not in page.text
    assert "missed" not in page.text.lower()
    assert "Events as a table (3)" in page.text
    assert "Audio Speech AV²A 2–6 s, segments [2, 6) 0.750" in page.text
    described = {attrs["aria-describedby"] for _, attrs in page.tags if attrs.get("class") == "figure"}
    assert described <= {attrs.get("id") for _, attrs in page.tags}


def test_without_trace_metrics_or_runs(tmp_path: Path) -> None:
    data = make_data(per_class=None, paper_rows=None, videos_expected=None)
    bare = [dataclasses.replace(r, trace=None, metrics={}, per_video=None, params={}) for r in data.runs]
    page = page_of(tmp_path, dataclasses.replace(data, runs=bare))
    assert "Metrics" not in page.text
    assert "Parameters" not in page.text
    assert "Scores and thresholds" not in page.text
    assert bars(page.figure("video-1-timeline"), "ground truth")
    page = page_of(tmp_path, dataclasses.replace(data, runs=[]))
    assert bars(page.figure("video-1-timeline"), "hit") == []


def test_no_videos(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert write_report(path, ReportData("t", "LLP", "test", LABELS, (), [])) == []
    source = path.read_text(encoding="utf-8")
    assert "There are no videos in this report." in source
    assert len(source) < 20_000


def test_video_without_segments_says_so(tmp_path: Path) -> None:
    nothing = Events.from_tracks([[[], [], []]])
    data = ReportData("t", "d", "s", LABELS, ["v"], [0], truth=nothing, runs=[ReportRun("r", nothing, {})])
    assert "This video has no segments." in page_of(tmp_path, data).text


def test_selection_by_name_keeps_the_order_asked(tmp_path: Path) -> None:
    chosen = ["video_b", "video_a", "video_b"]
    assert write_report(tmp_path / "r.html", make_data(), videos=chosen, max_videos=1) == ["video_b", "video_a"]


def test_failures_are_drawn_first_and_those_without_a_value_last() -> None:
    n = 101
    nothing = Events.from_tracks([[[], [], []]] * n)
    values = np.arange(n, dtype=float)
    values[0] = np.nan
    run = ReportRun("r", nothing, {}, {"type_av_seg": values})
    data = ReportData("t", "d", "s", LABELS, [f"v{i}" for i in range(n)], [1] * n, runs=[run])
    assert choose_videos(data, max_videos=3) == [1, 2, 3]
    assert choose_videos(data, max_videos=3, order="best") == [100, 99, 98]
    assert choose_videos(data, max_videos=5, order="spread") == [1, 26, 51, 76, 0]
    assert choose_videos(data, max_videos=0) == []
    for order in ("worst", "best"):
        assert choose_videos(data, max_videos=n, order=order)[-1] == 0
    with pytest.raises(UsageError, match="choose one of worst, best, spread"):
        choose_videos(data, order="random")
    unranked = dataclasses.replace(data, runs=[dataclasses.replace(run, per_video=None)])
    assert choose_videos(unranked, max_videos=3) == [0, 1, 2]


def test_without_figures_of_single_videos_wrong_segments_rank_them() -> None:
    data = make_data(video_ids=("good", "bad"))
    run = dataclasses.replace(data.runs[1], per_video=None)
    assert data.truth is not None
    turned = {"truth": data.truth.select([1, 0]), "runs": [dataclasses.replace(run, events=run.events.select([1, 0]))]}
    found = dataclasses.replace(data, **turned)
    assert choose_videos(found, max_videos=1) == [1]
    assert choose_videos(found, max_videos=1, order="best") == [0]
    ranked = ranking(found)
    assert ranked is not None
    assert ranked.by == "wrong segments"


def test_unknown_video_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'video_B' is not among the 2 videos.*nearest is 'video_b'"):
        write_report(tmp_path / "r.html", make_data(), videos=["video_B"])
    with pytest.raises(UsageError, match="0 or more"):
        write_report(tmp_path / "r.html", make_data(), max_videos=-1)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write"):
        write_report(tmp_path / "missing" / "r.html", make_data())
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        write_report(tmp_path / "folder", make_data())
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    data, path = make_data(), tmp_path / "r.html"
    other = Events.from_tracks([[[(9, 0, 1)], [], []], [[], [], []]])
    bad = [
        (dataclasses.replace(data, segments_per_video=[10]), "segments_per_video has shape"),
        (dataclasses.replace(data, video_ids=("a", "a")), "not unique"),
        (dataclasses.replace(data, truth=other), "the ground truth has a label index outside"),
        (dataclasses.replace(data, truth=Events.from_tracks([[[], [], []]])), "of 1 videos"),
        (
            dataclasses.replace(data, runs=[dataclasses.replace(data.runs[1], trace=make_trace([9, 10], 3))]),
            "audio_score in the trace of run 'AV²A'",
        ),
        (dataclasses.replace(data, per_class={"AV²A": {"audio_seg": np.ones(2)}}), "per_class"),
    ]
    for broken, message in bad:
        with pytest.raises(DataError, match=re.escape(message)):
            write_report(path, broken)
    assert not path.exists()


def test_trace_from_arrays_of_a_trace_file() -> None:
    made = make_trace([10, 10], 3)
    arrays = {f"audio_{n}": getattr(made, n)["audio"] for n in ("score", "tau", "active")}
    trace = Trace.from_arrays({**arrays, "visual_score": made.score["visual"], "video_ids": np.array(["a"])})
    assert trace.tracks == ("audio",)
    np.testing.assert_array_equal(trace.tau["audio"], made.tau["audio"])


def test_long_videos_with_many_labels_stay_bounded() -> None:
    segments, labels = 600, 500
    rng = np.random.default_rng(3)
    found = [(i, a, a + 9) for i, a in rng.integers(0, (labels, 590), (80, 2)).tolist()]
    truth = Events.from_tracks([[[(499, 0, 600)], [], []]])
    run = ReportRun("r", Events.from_tracks([[found, [], []]]), {}, trace=make_trace([segments], labels, (0, 499)))
    names = [f"label {i}" for i in range(labels)]
    data = ReportData("t", "d", "s", names, ["v"], [segments], truth=truth, runs=[run])
    figure = timeline_figure(data, 0)
    assert len(figure["layout"]["yaxis"]["ticktext"]) == MAX_ROWS
    assert "label 499" in figure["layout"]["yaxis"]["ticktext"]
    more = len({i for i, _, _ in found} | {499}) - MAX_ROWS
    assert any(f"{more} more labels not drawn" in n["text"] for n in figure["layout"]["annotations"])
    assert bars(figure, "miss") == [(0, 600)]
    drawn = score_figure(data, run, 0)
    assert drawn is not None
    assert len([a for a in drawn[0]["layout"] if a.startswith("yaxis")]) == 3 * MAX_CURVES
    assert drawn[1] > 0


def test_index_lists_worst_and_best_and_every_drawn_video() -> None:
    n = MAX_INDEX + 50
    run = ReportRun("r", Events.from_tracks([[[], [], []]] * n), {}, {"accuracy": -np.arange(n, dtype=float)})
    data = ReportData("t", "d", "s", LABELS, [f"v{i}" for i in range(n)], [1] * n, runs=[run])
    index = video_index(data, [0, 520])
    assert len(index.rows) == MAX_INDEX + 1
    assert index.left_out == 49
    assert [(row.rank, row.place) for row in index.rows if row.section] == [(521, n - 520), (1, n)]


def test_equal_videos_have_one_rank_and_those_without_a_figure_stay_last() -> None:
    values = np.array([50.0, np.nan, 20.0, 50.0, 90.0])
    run = ReportRun("r", Events.from_tracks([[[], [], []]] * 5), {}, {"accuracy": values})
    data = ReportData("t", "d", "s", LABELS, list("abcde"), [1] * 5, runs=[run])
    rows = video_index(data, []).rows
    assert [(row.id, row.rank) for row in rows] == [("c", 4), ("a", 2), ("d", 2), ("e", 1), ("b", 5)]
    turned = sorted(rows, key=lambda row: row.other)
    assert [row.id for row in turned] == [row.id for row in video_index(data, [], "best").rows] == list("eadcb")


def test_tables_group_mark_and_format() -> None:
    table = metrics_table(make_data())
    assert table is not None
    assert table.groups == [("Segment level", ["Type@AV"]), ("Event level", ["Audio"])]
    assert [kind for kind, _, _ in table.rows] == ["run", "run", "difference", "paper", "difference"]
    assert [[c.best for c in cells] for _, _, cells in table.rows[:2]] == [[False, True], [True, False]]
    assert table.rows[1][2][0].exact == "52.44"
    assert [number(v) for v in (None, np.nan, -0.04, 12.25, -3.0)] == ["–", "–", "0.0", "12.2", "−3.0"]
    assert number(0.02, signed=True) == "0.0"
    figures = {"total_acc": 1.0, "seen_avg": 2.0, "accuracy": 3.0}
    data = make_data(paper_rows=None)
    named = metrics_table(dataclasses.replace(data, runs=[dataclasses.replace(data.runs[0], metrics=figures)]))
    assert named is not None
    assert named.groups == [("Total", ["Accuracy"]), ("Seen classes", ["Average"]), ("", ["Accuracy"])]


def test_class_table_sets_the_main_run_beside_the_first() -> None:
    table = class_table(
        make_data(
            per_class={
                "naive": {"audio_seg": np.array([50.0, 1.0, np.nan])},
                "AV²A": {"audio_seg": np.array([61.25, np.nan, 10.0])},
            }
        )
    )
    assert table is not None
    assert (table.run, table.other) == ("AV²A", "naive")
    assert table.rows == [
        ("Speech", [1, 1, 1], [("61.2", "+11.2")]),
        ("Car", [1, 0, 0], [("10.0", "")]),
    ]


def test_spans_are_half_open_runs() -> None:
    mask = np.array([True, True, False, True])
    assert spans(mask, split=False) == [(0, 2), (3, 4)]
    assert spans(mask, split=True) == [(0, 1), (1, 2), (3, 4)]
    assert spans(np.zeros(0, bool), split=False) == []


def run_of(labels: tuple[str, ...], ids: tuple[str, ...], seconds: float = 1.0) -> Predictions:
    events = Events.from_tracks([[[(0, 1, 3, 0.5)], [], [(len(labels) - 1, 0, 2)]] for _ in ids])
    return Predictions(labels, {"preset": "x"}, ids, np.full(len(ids), 4), events, seconds)


def test_runs_without_annotations_are_aligned_by_video_and_label(tmp_path: Path) -> None:
    runs = [("one", run_of(("Dog", "Car"), ("a", "b", "c"))), ("two", run_of(("car", "Bell"), ("c", "b")))]
    data = report_data(runs, None)
    assert (data.video_ids, data.labels, data.truth) == (("b", "c"), ("Dog", "Car", "Bell"), None)
    assert [[data.labels[e[0]] for t in TRACKS for e in run.events.track(1, t)] for run in data.runs] == [
        ["Dog", "Car"],
        ["Car", "Bell"],
    ]
    write_report(tmp_path / "r.html", data)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h1>Predicted events</h1>" in page
    assert not re.search(r"<h2>(Metrics|Classes)|<dt>(Dataset|Split|Videos scored)|</b> hit", page)


def test_without_annotations_runs_that_do_not_fit_are_refused() -> None:
    one = ("one", run_of(("Dog",), ("a",)))
    with pytest.raises(DataError, match="no video in common; give predictions of the same videos"):
        report_data([one, ("two", run_of(("Dog",), ("b",)))], None)
    with pytest.raises(DataError, match=r"'a' has segments of 1 s in the run 'one' and of 0\.5 s in 'two'"):
        report_data([one, ("two", run_of(("Dog",), ("a",), 0.5))], None)
    with pytest.raises(UsageError, match="a report needs predictions"):
        report_data([], None)


def test_the_command_draws_scores_of_a_trace_without_annotations(tmp_path: Path) -> None:
    write_made(tmp_path, videos=3)
    predictions, trace, page = (str(tmp_path / name) for name in ("p.json", "t.npz", "r.html"))
    settings = ["--set", "audio_scores=segment", "--out", predictions, "--trace", trace]
    assert CliRunner().invoke(main, ["replay", str(tmp_path / "val.store"), *settings]).exit_code == 0
    done = CliRunner().invoke(main, ["report", predictions, "--trace", trace, "--out", page])
    assert (done.exit_code, done.stdout) == (0, f"{page}: 3 videos drawn\n"), done.output
    assert "Timelines and scores" in Path(page).read_text(encoding="utf-8")
    first = Path(page).read_bytes()
    of_store = ["report", predictions, "--store", str(tmp_path / "val.store"), "--out"]
    assert CliRunner().invoke(main, [*of_store, page]).exit_code == 0
    assert Path(page).read_bytes() == first
    found = json.loads(Path(predictions).read_text(encoding="utf-8"))
    next(tracks for tracks in found["videos"].values() if tracks["audio"])["audio"].pop()
    (tmp_path / "other.json").write_text(json.dumps(found), encoding="utf-8")
    done = CliRunner().invoke(main, ["report", str(tmp_path / "other.json"), *of_store[2:], page])
    assert done.exit_code == 1
    assert "val.store gives other events of the video 'val " in done.stderr
    for wrong, message in (
        (["--store", str(tmp_path / "val.store"), "--trace", trace], "both give the trace of the last run"),
        (["--dataset", "json"], "--dataset is given without --annotations"),
        (["--annotations", "x"], "--annotations is given without --dataset"),
        (["--metrics", "llp"], "--metrics compares with annotations"),
        (["--order", "random"], "is not one of 'worst', 'best', 'spread'"),
    ):
        done = CliRunner().invoke(main, ["report", predictions, "--out", page, *wrong])
        assert done.exit_code == 2
        assert message in done.stderr
