"""The explorer's page in a browser, as the tests of it need it: served, opened, moved and read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import expect

PATIENCE_MS = 120_000
"""For what a loaded machine shows late, such as what waits for a kernel to be compiled."""

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def serving(*arguments):
    """``avreplay explore`` as a user starts it; gives its address."""
    command = [sys.executable, "-m", "avreplay", "explore", *map(str, arguments), "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


@contextmanager
def opened(browser, url, *, width=1280, refusals=0, **options):
    """The page once it shows everything. It asks nobody but its server, no script fails, nothing pops up."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked, wrong, refused = [], [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("response", lambda r: refused.append(r.url) if r.status >= 400 else None)
    page.on("pageerror", lambda e: wrong.append(str(e)))
    page.on("dialog", lambda d: (wrong.append(d.message), d.dismiss()))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" and "Failed to load" not in m.text else None)
    page.goto(url)
    ready(page)
    yield page
    origin = urlsplit(url).netloc
    assert {urlsplit(a).netloc for a in asked if not a.startswith(("data:", "blob:"))} == {origin}
    assert wrong == []
    assert len(refused) <= refusals, refused
    assert page.evaluate("window.hacked") is None
    context.close()


def ready(page):
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#timeline svg")
    settled(page)


def shown(page):
    """The figures on screen, once they are those of the setting: their full values, as text and in full."""
    tiles = page.locator("[data-testid^=metric-]").evaluate_all(
        "all => all.map((t) => [t.dataset.testid.slice('metric-'.length), t.textContent, t.dataset.value])"
    )
    return {name: (text, float(value)) for name, text, value in tiles}


def settled(page):
    """Nothing on the page waits for the server."""
    page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")


def after(page, act):
    """What ``act`` does to the setting is answered, and shown, before this returns."""
    act()
    settled(page)


def choose_video(page, name):
    page.get_by_test_id(f"video-{name}").click()
    expect(page.locator("#video-title")).to_have_text(name)
    settled(page)
    drawn(page)


def drawn(page):
    """The next frame, and with it all that was asked to be drawn, is on screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def label_row(page, track, name):
    """Where the row of a label is on screen: x of the axis' start and end, and y."""
    return page.evaluate(
        """([track, name]) => {
          const all = [...document.querySelectorAll('#timeline text')];
          const from = all.findIndex((t) => t.classList.contains('track') && t.textContent === track);
          const text = all.slice(from).find((t) => t.querySelector('title')?.textContent === name);
          const box = document.querySelector('#timeline').getBoundingClientRect();
          const [x, width] = ['x', 'width'].map((a) => Number(document.querySelector('#plot rect').getAttribute(a)));
          const row = text.getBoundingClientRect();
          return {left: box.left + x, width, y: row.top + row.height / 2};
        }""",
        [track, name],
    )


LOW_CONTRAST = """() => {
  const rgb = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => sum + share * linear(c[i] / 255), 0);
  const ground = (n) => {
    for (; n; n = n.parentElement) {
      const c = rgb(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (node.matches('option, title, script, noscript *')) continue;
    const look = getComputedStyle(node), drawn = node instanceof SVGElement;
    const [a, b] = [light(rgb(drawn ? look.fill : look.color)), light(ground(node))].sort((p, q) => q - p);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push([node.textContent.slice(0, 30), ratio.toFixed(2)]);
  }
  return low;
}"""
"""Texts on screen of a contrast under 4.5 to their ground (WCAG AA), with their contrast."""
