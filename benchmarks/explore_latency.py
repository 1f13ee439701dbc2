"""From a move of a slider to the changed figures on screen, in a real browser.

    python benchmarks/explore_latency.py [--moves 60] [--videos 1200] [--browser chromium] [--json FILE]

Made-up stores: LLP's size (25 labels, all windows of ten segments), and OV-AVEBench's (24,800 videos, 67 labels, no
windows) with AV²A and with OV-AVEL's rules. A move sets a slider and sends its input event; it ends in the first frame
after the figures have changed. Of every case the median and the 95th percentile in milliseconds, and what the server
took for replay and figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.cache import import_bundle
from avreplay.core.bundle import ScoreBundle
from avreplay.core.events import Events
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.native_json import write_annotations
from playwright.sync_api import Page, sync_playwright
from result_file import write_result

SEGMENTS = 10
_FIRST = 5
"""Moves that do not count."""

NUMBERS = np.random.default_rng(1).uniform(0.3, 0.8, 997).tolist()
RULES = ["per_segment", "fused_argmax", "first_agreement"]

MOVE = """async ([name, value]) => {
  const slider = document.querySelector(`[data-testid="param-${name}"]`);
  const begin = performance.now();
  const changed = new Promise((done) => {
    const seen = new MutationObserver(() => done(seen.disconnect()));
    const what = { attributes: true, attributeFilter: ["data-value"], subtree: true };
    seen.observe(document.querySelector("#figure-groups"), what);
    setTimeout(done, 5000);
  });
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await changed;
  await new Promise(requestAnimationFrame);
  return performance.now() - begin;
}"""

PAUSES = {"at rest": 800, "one after the other": 0}
"""Milliseconds between two moves: the list and the open video follow a move that none comes after for a while."""


def made(videos: int, labels: int, windows: bool, seed: int = 0) -> tuple[ScoreBundle, Annotations]:
    """Scores that follow made annotations: two labels a video, one of them for part of it."""
    rng = np.random.default_rng(seed)
    rows = videos * SEGMENTS
    present = np.zeros((rows, labels), np.bool_)
    tracks = []
    for v in range(videos):
        first, second = rng.choice(labels, 2, replace=False).tolist()
        onset, length = int(rng.integers(0, 6)), int(rng.integers(2, 5))
        present[v * SEGMENTS : (v + 1) * SEGMENTS, first] = True
        present[v * SEGMENTS + onset : v * SEGMENTS + onset + length, second] = True
        tracks.append([[(first, 0, SEGMENTS), (second, onset, onset + length)]] * 3)

    def scores(of: np.ndarray) -> np.ndarray:
        return (0.12 * of + rng.normal(0.1, 0.04, of.shape)).astype(np.float32)

    by_video = present.reshape(videos, SEGMENTS, labels)
    given: dict[str, Any] = {}
    if windows:
        pairs = [(a, b) for a in range(SEGMENTS) for b in range(a + 1, SEGMENTS + 1)]
        means = np.stack([by_video[:, a:b].mean(axis=1) for a, b in pairs], axis=1).reshape(-1, labels)
        index = np.array([(v, a, b) for v in range(videos) for a, b in pairs])
        given = {"window_video": index[:, 0], "window_start": index[:, 1], "window_end": index[:, 2],
                 "window_audio": scores(means), "window_visual": scores(means)[:, None]}  # fmt: skip
    clips = by_video.mean(axis=1)
    ids, names = [f"video {v:05d}" for v in range(videos)], [f"label {c:02d}" for c in range(labels - 1)] + ["other"]
    bundle = ScoreBundle.create(
        video_ids=ids, labels=names, segments_per_video=np.full(videos, SEGMENTS), audio_segments=scores(present),
        visual_segments=scores(present), audio_visual_segments=scores(present), audio_clip=scores(clips),
        visual_clip=scores(clips)[:, None], visual_features=rng.normal(size=(rows, 8)).astype(np.float32), **given,
    )  # fmt: skip
    truth = Annotations("json", "test", tuple(names), tuple(ids), np.full(videos, SEGMENTS, np.int64),
                        Events.from_tracks(tracks), "made")  # fmt: skip
    return bundle, truth


def measured(page: Page, name: str, values: list[Any], moves: int) -> dict[str, dict[str, float]]:
    """Percentiles of moves of one option, to each of some values in turn, by the pause between them."""
    rows = {}
    for how, pause in PAUSES.items():
        found = []
        for i in range(moves + _FIRST):
            found.append(page.evaluate(MOVE, [name, values[i % len(values)]]))
            page.wait_for_timeout(pause)
        rows[how] = {f"p{p}_ms": round(float(np.percentile(found[_FIRST:], p)), 1) for p in (50, 95, 100)}
    return rows


def explored(
    folder: Path, name: str, moves: int, browser: str, cases: dict[str, tuple[list[str], str, list[Any]]]
) -> list[dict[str, Any]]:
    """A row for each case: options of the command, and the option that is moved, to which values."""
    rows = []
    for case, (options, name_of, values) in cases.items():
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "avreplay", "explore", str(folder / f"{name}.store"), "--dataset", "json",
             "--annotations", str(folder / f"{name}.json"), "--no-browser", "--json", *options],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            ready = time.perf_counter() - begin
            with sync_playwright() as p:
                chromium = p.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                page = chromium.new_page(viewport={"width": 1280, "height": 900})
                page.goto(url)
                page.locator('[data-testid^="metric-"][data-value]').first.wait_for()
                page.wait_for_timeout(3000)
                row = {"case": case, "ready_s": round(ready, 2), **measured(page, name_of, values, moves)}
                chromium.close()
        finally:
            process.terminate()
            process.wait()
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--videos", type=int, default=1200)
    parser.add_argument("--many", type=int, default=24_800, help="videos of the large store")
    parser.add_argument("--browser", default=shutil.which("chromium"))
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for store, videos, labels, windows in (("llp", a.videos, 25, True), ("ovave", a.many, 67, False)):
            bundle, truth = made(videos, labels, windows)
            import_bundle(bundle, folder / f"{store}.store")
            write_annotations(folder / f"{store}.json", truth)
        size = f"{a.videos:,} videos, 25 labels, all windows"
        large = f"{a.many:,} videos, 67 labels"
        segment = ["--set", "audio_scores=segment"]
        rows += explored(folder, "llp", a.moves, a.browser, {f"AV2A, {size}": (segment, "tau0", NUMBERS)})
        rows += explored(folder, "ovave", a.moves, a.browser, {
            f"OV-AVEL, {large}": (["--decoder", "ovavel", "--preset", "finetuned"], "strategy", RULES),
            f"AV2A, {large}": (segment, "tau0", NUMBERS),
        })  # fmt: skip
    write_result({"cores": os.cpu_count(), "moves": a.moves, "rows": rows}, a.json)


if __name__ == "__main__":
    main()
