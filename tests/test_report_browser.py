"""The report in a browser: keyboard, dark and light, narrow screens, zoom into an hour, paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from avreplay.evaluate.report.page import write_report
from avreplay.evaluate.report.style import DARK, GROUND, INK, MUTED, PANEL
from playwright.sync_api import Browser, Page
from test_report import make_data
from test_report_long import HOUR, hour

SMALL = {"width": 480, "height": 800}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    write_report(folder / "short.html", make_data())
    write_report(folder / "bare.html", make_data(truth=None, per_class=None, paper_rows=None))
    write_report(folder / "hour.html", hour(40))
    long = make_data(
        title="W" * 300,
        labels=("L" * 120, "Dog or something else that has a long name", "Car"),
        video_ids=("v" * 200, "video_b"),
        notes=["n" * 400],
    )
    runs = [dataclasses.replace(run, name=f"{run.name} {'r' * 90}") for run in long.runs]
    write_report(folder / "wide.html", dataclasses.replace(long, runs=runs, per_class=None))
    return folder


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    """A report with its first figure drawn; nothing is asked of a network and no script fails."""
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
    )
    page.goto(file.as_uri())
    page.locator("#video-1-timeline").scroll_into_view_if_needed()
    page.wait_for_selector("#video-1-timeline .main-svg")
    yield page
    assert wrong == []
    context.close()


def colours(page: Page) -> dict[str, str]:
    return page.evaluate(
        """() => {
          const box = document.getElementById("video-1-timeline"), of = (e) => getComputedStyle(e).fill;
          return {
            body: getComputedStyle(document.body).backgroundColor,
            text: getComputedStyle(document.body).color,
            paper: getComputedStyle(box.querySelector(".main-svg")).backgroundColor,
            tick: of(box.querySelector(".ytick text")),
            time: of(box.querySelector(".xtick text")),
            panel: of(box.querySelector(".shapelayer path")),
          };
        }"""
    )


def rgb(colour: str) -> str:
    colour = "#ffffff" if colour == "white" else colour
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


def test_dark_and_light_follow_the_reader_while_the_page_is_open(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "short.html", color_scheme="dark") as page:
        for scheme in ("dark", "light", "dark"):
            page.emulate_media(color_scheme=scheme)
            ground, ink, muted, panel = (DARK[c] if scheme == "dark" else c for c in (GROUND, INK, MUTED, PANEL))
            page.wait_for_function(
                "wanted => getComputedStyle(document.querySelector('#video-1-timeline .ytick text')).fill === wanted",
                arg=rgb(ink),
            )
            assert colours(page) == {
                "body": rgb(ground), "text": rgb(ink), "paper": rgb(ground), "tick": rgb(ink), "time": rgb(muted),
                "panel": rgb(panel),
            }  # fmt: skip


def test_figures_are_reached_and_read_by_keyboard(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "short.html") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Enter")
        for _ in range(5):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "video-1-timeline":
                break
        assert page.evaluate("document.activeElement.id") == "video-1-timeline"
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
        told = page.evaluate(
            "document.getElementById(document.activeElement.getAttribute('aria-describedby')).innerText"
        )
        assert "table" in told
        ranges = []
        for key in ("+", "ArrowRight", "-", "0"):
            page.keyboard.press(key)
            ranges.append(page.evaluate("document.activeElement.layout.xaxis.range"))
        assert ranges == [[2.5, 7.5], [3.75, 8.75], [0, 10], [0, 10]]
        table = page.locator("#video-1 details.table")
        table.locator("summary").focus()
        page.keyboard.press("Enter")
        cells = table.locator("tbody tr").first.locator("td").all_inner_texts()
        assert cells == ["Audio", "Speech", "ground truth", "0–4 s, segments [0, 4)", "–",
                         "naive: missed; AV²A: other boundaries"]  # fmt: skip


@pytest.mark.parametrize("name", ["short", "bare", "hour", "wide"])
def test_a_narrow_screen_does_not_scroll_sideways(browser: Browser, pages: Path, name: str) -> None:
    with opened(browser, pages / f"{name}.html", viewport=SMALL) as page:
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]
        lane = page.locator("#video-1-timeline .nsewdrag").first.bounding_box()
        assert lane is not None
        assert lane["width"] > 120


def test_an_hour_shows_its_segments_where_it_is_zoomed(browser: Browser, pages: Path) -> None:
    shown = "document.activeElement.data.filter(t => t.visible !== false)"
    with opened(browser, pages / "hour.html") as page:
        page.locator("#video-1-timeline").focus()
        assert page.evaluate(f"{shown}.map(t => t.meta)") == ["columns"] * 4
        whole = page.evaluate(f"{shown}[0].x.length")
        for _ in range(4):
            page.keyboard.press("+")
        page.wait_for_function(f"{shown}.every(t => t.meta === 'segments')")
        start, stop = page.evaluate("document.activeElement.layout.xaxis.range")
        assert stop - start == HOUR / 16
        bars = page.evaluate(f"{shown}[0].base")
        assert 0 < len(bars) < whole
        assert min(bars) > start - 2 * (stop - start)
        assert set(page.evaluate(f"{shown}[0].x")) == {3}
        page.keyboard.press("0")
        page.wait_for_function(f"{shown}.every(t => t.meta === 'columns')")
        assert page.evaluate(f"{shown}[0].x.length") == whole


def test_paper_keeps_a_timeline_with_its_scores_in_light_and_without_controls(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "short.html", color_scheme="dark", viewport={"width": 700, "height": 900}) as page:
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_function(
            "wanted => [...document.querySelectorAll('.figure')].filter(box => box.offsetParent).every("
            "box => getComputedStyle(box.querySelector('.main-svg')).backgroundColor === wanted)",
            arg=rgb(GROUND),
        )
        for video in page.locator(".video").all():
            box = video.bounding_box()
            assert box is not None
            assert box["height"] < 1020  # A4 within its margins
            assert video.evaluate("e => getComputedStyle(e).breakInside") == "avoid"
            assert video.locator(".figure:visible").count() == 2
            for svg in video.locator(".figure .main-svg:first-child").all():
                drawn = svg.bounding_box()
                assert drawn is not None
                assert 640 < drawn["width"] <= 695  # of the 695 pixels between the margins of A4
        for control in (".tools", ".skip", ".up", ".keys", ".modebar-container"):
            assert page.locator(f"{control}:visible").count() == 0
        assert page.evaluate("getComputedStyle(document.body).color") == rgb(INK)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator(".video").first.evaluate("e => e.style.zoom") == ""
