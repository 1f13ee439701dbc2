"""The page of a search: complete, offline, and safe whatever names it is given."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.params_file import layered_params
from avreplay.evaluate.report.html import csp_hash
from avreplay.evaluate.tuning import display, tune
from avreplay.evaluate.tuning.display import counted_progress, search_progress
from avreplay.evaluate.tuning.page import write_page
from tuning_data import settings_for, write_made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_made(folder)
    return folder


EVIL = "</script><script>alert(1)</script><b>&"


def test_the_page_asks_nobody_and_takes_no_orders(files, tmp_path):
    truth = load_annotations("json", files / "val.json", "val")
    write_annotations(tmp_path / "t.json", replace(truth, split=EVIL + "[x]"))
    s = settings_for(
        files, tmp_path / "o", annotations=str(tmp_path / "t.json"), split=EVIL + "[x]",
        search=["tau0=0.3:0.7", "audio_scores=segment,2,clip", "refine=true,false", "min_length=1:2"], trials=64,
    )  # fmt: skip
    found = tune(str(files / "val.store"), s)
    assert layered_params(file=tmp_path / "o" / "best.toml") == found.kept
    page = (tmp_path / "o" / "search.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert "<b>&" not in page.replace("<b>&nbsp;", "")
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href)\s*=|url\(|@import", own)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])
    assert "default-src 'none'" in policy
    assert len(scripts) == 2
    assert all(csp_hash(script) in policy for script in scripts)
    drawn = re.findall(r'<script type="application/json" id="([^"]+)-data">(.*?)</script>', page, flags=re.S)
    figures = {name: json.loads(text) for name, text in drawn}
    sampled = {name: f for name, f in figures.items() if not name.startswith("exact")}
    assert len(sampled) == 1 + 4 + 6 + 1
    assert len(figures) == len(sampled) + 1 + 1 + len(found.problem.target.names)
    maps = [f["data"][0] for name, f in figures.items() if name.startswith("pair")]
    assert len({(m["zmin"], m["zmax"]) for m in maps}) == 1
    assert not any(ch in text for _, text in drawn for ch in "<>&")
    for figure in figures.values():
        go.Figure(figure)
    names = {"tau0": 1, "audio_scores": 2, "refine": 3, "min_length": 4}
    for name, i in names.items():
        assert figures[f"response-{i}"]["layout"]["xaxis"]["title"]["text"] == name
    assert figures["response-2"]["layout"]["xaxis"]["ticktext"] == ["2", "clip", "segment"]
    best_line = max(figures["response-1"]["data"][2]["y"])
    assert best_line == found.found.best_value == figures["history"]["data"][0]["y"][-1]
    assert figures["history"]["data"][0]["x"] == sorted(figures["history"]["data"][0]["x"])
    assert figures["history"]["data"][0]["y"] == sorted(figures["history"]["data"][0]["y"])
    assert max(v for row in figures["pair-1-3"]["data"][0]["z"] for v in row if v is not None) == found.found.best_value
    assert np.mean(figures["ceiling"]["data"][0]["y"]) == pytest.approx(found.ceiling)


@pytest.mark.parametrize(
    "search",
    [
        ["audio_scores=2,3", "tau0=0.3:0.6"], ["flat_scores=nan", "tau0=0.3:0.6"], ["refine=false", "tau0=0.3:0.6"],
        ["tau0=0.5", "tau_r=0.3:0.6"], ["decay=0.1:10:log", "max_gap=0:2"],
    ],
)  # fmt: skip
def test_pages_of_odd_spaces(files, tmp_path, search):
    """Choices that look like numbers, a single choice, a start that was not among them."""
    found = tune(str(files / "val.store"), settings_for(files, tmp_path, search=search, trials=8))
    assert (tmp_path / "search.html").stat().st_size > 1e6
    assert found.found.done == 8


def test_names_in_a_figure_are_literal(tmp_path):
    trials = {"trial": np.arange(3.0), EVIL: np.array(["<i>", EVIL, "c"]), "objective": np.array([1.0, 3, 2])}
    value = {EVIL: "<i>"}
    texts = {"title": EVIL, "lead": [EVIL], "setting_heads": [EVIL] * 3, "settings": [[EVIL, EVIL, EVIL]],
             "ceiling_text": EVIL, "honest": [EVIL], "values": {"heads": [EVIL], "rows": [[EVIL]]},
             "blocks": [{"title": EVIL, "heads": [EVIL], "rows": [[EVIL]]}]}  # fmt: skip
    write_page(tmp_path / "p.html", trials, [EVIL], value, value, np.array([1.0, 2]), 3.0, 1.0, texts)
    page = (tmp_path / "p.html").read_text()
    assert "<script>alert" not in page
    assert "<b>&" not in page
    figure = json.loads(re.search(r'id="response-1-data">(.*?)</script>', page, flags=re.S)[1])
    assert figure["layout"]["xaxis"]["title"]["text"].startswith("&lt;/script&gt;")
    assert "&lt;i&gt;" in figure["layout"]["xaxis"]["ticktext"]


def test_progress_is_silent_unless_a_terminal_asks(capsys):
    for enabled in (None, True):
        with search_progress(["tau0", "refine"], enabled) as progress:
            progress(3, 10, 41.5, {"tau0": 0.25, "refine": True})
        shown = capsys.readouterr().err
        assert ("best 41.50: tau0=0.25 refine=True" in " ".join(shown.split())) == bool(enabled)


def test_progress_in_a_log_is_a_line_now_and_then(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: clock[0])
    with search_progress(["tau0"]) as progress:
        for done in range(0, 101, 10):
            clock[0] += 12
            progress(done, 100, 41.5, {"tau0": 0.25})
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"searching: {done} of 100, best 41.50: tau0=0.25" for done in (20, 50, 80)]


def test_progress_of_the_stage_after_the_search_says_what_is_done(capsys):
    for enabled in (None, True):
        with counted_progress(enabled) as progress:
            progress("cross-validation", 3, 10)
        shown = " ".join(capsys.readouterr().err.split())
        assert ("cross-validation" in shown and "3/10" in shown) == bool(enabled)
