"""Evaluation, comparison, export and leaderboard of what is empty, alone, or named as no one should: figures, or one
sentence with its exit code, and nothing that a page, a table or a file name takes for its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.metrics.registry import METRICS
from avreplay.evaluate.export.registry import FORMATS
from click.testing import CliRunner, Result

pytestmark = pytest.mark.once

LABELS = ('a<blink>&"c"', "pipe|'q'", "comma, =1+1", "back\\slash_{x}%#$~^", "[red]m[/red] `t`", "=cmd", "-- \u202e")
IDS = ("<script>alert(1)</script>", "../x", "=cmd|' /C calc'!A0", "a b", "v,5", 'q"6')
SEGMENTS = 6


def write_predictions(path: Path, ids: Sequence[str], labels: Sequence[str], fill: str = "random") -> Path:
    """Predictions with confidences: random events, none, or all of every video."""
    rng = np.random.default_rng(len(ids))
    videos: dict[str, Any] = {}
    for id in ids:
        found = []
        for label in labels if fill != "none" else ():
            onset = int(rng.integers(0, 4)) if fill == "random" else 0
            offset = onset + 2 if fill == "random" else SEGMENTS
            found.append({"label": label, "onset": onset, "offset": offset, "confidence": float(rng.random())})
        videos[id] = {"segments": SEGMENTS, "audio": found, "visual": found[1:], "audio_visual": found[:1]}
    path.write_text(json.dumps({"schema": "avreplay.predictions/1", "labels": list(labels), "videos": videos}))
    return path


def write_truth(
    path: Path, ids: Sequence[str], labels: Sequence[str], split: str = "test", empty: bool = False
) -> Path:
    rng = np.random.default_rng(7)
    videos = {}
    for id in ids:
        found = [] if empty else [{"label": labels[int(rng.integers(len(labels)))], "onset": 1, "offset": 4}]
        videos[id] = {"segments": SEGMENTS, "audio": found, "visual": found}
    head = {"schema": "avreplay.annotations/1", "labels": list(labels), "split": split}
    path.write_text(json.dumps({**head, "videos": videos}))
    return path


def write_store(path: Path, ids: Sequence[str], labels: Sequence[str], fill: float | None = None) -> Path:
    rng = np.random.default_rng(3)
    n, c = len(ids), len(labels)
    index = [(v, a, b) for v in range(n) for a in range(SEGMENTS) for b in range(a + 1, SEGMENTS + 1)]
    window = np.array(index, np.int64).reshape(-1, 3)

    def scores(*shape: int) -> np.ndarray:
        return rng.random(shape, np.float32) if fill is None else np.full(shape, fill, np.float32)

    s, w = n * SEGMENTS, len(window)
    bundle = ScoreBundle.create(
        video_ids=list(ids), labels=list(labels), segments_per_video=[SEGMENTS] * n, kind="probability",
        visual_segments=scores(s, c), audio_segments=scores(s, c), audio_clip=scores(n, c),
        visual_clip=scores(n, 1, c), visual_features=rng.normal(size=(s, 4)), window_video=window[:, 0],
        window_start=window[:, 1], window_end=window[:, 2], window_audio=scores(w, c), window_visual=scores(w, 1, c),
    )  # fmt: skip
    import_bundle(bundle, path)
    return path


def run(*given: object) -> Result:
    """A command that gave figures, or one sentence."""
    done = CliRunner().invoke(main, [str(a) for a in given])
    assert done.exit_code in (0, 1, 2), (done.output, done.exception)
    if done.exit_code:
        said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(said) == 1, done.stderr
        assert done.stderr.strip().splitlines()[-1] == said[0]
    else:
        assert done.exception is None
    return done


class Scripts(HTMLParser):
    """The text of the elements that a page must not have got from a name."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags += [tag] if tag in ("blink", "red") else []

    def handle_data(self, data: str) -> None:
        self.tags += ["alert"] if self.lasttag == "script" and "alert(1)" in data and "{" not in data else []


WORLDS: dict[str, tuple[Sequence[str], Sequence[str], str, Sequence[str], bool]] = {
    # predicted ids, labels, what is predicted; annotated ids, whether nothing is
    "as it is": (IDS, LABELS, "random", IDS, False),
    "one video": (IDS[:1], LABELS, "random", IDS, False),
    "one label": (IDS, LABELS[:1], "random", IDS, False),
    "nothing predicted": (IDS, LABELS, "none", IDS, False),
    "everything predicted": (IDS, LABELS, "all", IDS, False),
    "nothing annotated": (IDS, LABELS, "random", IDS, True),
    "nothing at all": (IDS, LABELS, "none", IDS, True),
    "no predicted video": ((), LABELS, "random", IDS, False),
    "no annotated video": (IDS, LABELS, "random", (), False),
    "no video in common": (IDS[:2], LABELS, "random", IDS[2:], False),
}
RUNS = {"no predicted video": 1, "no annotated video": 1, "no video in common": 1}


@pytest.mark.parametrize("world", WORLDS)
def test_every_metric_gives_figures_or_one_sentence(tmp_path: Path, world: str) -> None:
    ids, labels, fill, annotated, empty = WORLDS[world]
    p = write_predictions(tmp_path / "p.json", ids, labels, fill)
    other = write_predictions(tmp_path / "q.json", ids, labels, "random")
    about = ("--dataset", "json", "--annotations", write_truth(tmp_path / "truth.json", annotated, labels, empty=empty))
    for metric in METRICS:
        found = run("evaluate", p, *about, "--metrics", metric, "--bootstrap", 5, "--per-class", "--json")
        compared = run("compare", p, other, *about, "--metrics", metric, "--resamples", 5, "--json")
        if world in RUNS:
            assert (found.exit_code, compared.exit_code) == (1, 1)
        elif found.exit_code == 0:
            figures = json.loads(found.stdout)["metrics"].values()
            flat = [v for of in figures for v in (of.values() if isinstance(of, dict) else [of])]
            assert all(v is None or abs(v) <= 100 for v in flat)
        else:
            assert world == "one label" or "label" in found.stderr or "video" in found.stderr, found.stderr
    if world not in RUNS:
        for form in ("md", "latex", "csv"):
            table = run("evaluate", p, *about, "--per-class", "--table", form).stdout
            if form == "csv":
                rows = [row for row in csv.reader(StringIO(table)) if row and row[0] in labels]
                assert {label for label in labels if label in table or label.replace('"', '""') in table} == {
                    row[0] for row in rows
                }
                assert len({len(row) for row in rows}) <= 1
        page = tmp_path / "page.html"
        assert run("report", p, *about, "--out", page).exit_code == 0
        seen = Scripts()
        seen.feed(page.read_text())
        assert seen.tags == []


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "world", ["as it is", "one label", "nothing predicted", "everything predicted", "no predicted video"]
)
def test_every_export_stays_in_its_folder(tmp_path: Path, form: str, world: str) -> None:
    ids, labels, fill, _, _ = WORLDS[world]
    p = write_predictions(tmp_path / "p.json", ids, labels, fill)
    inside = tmp_path / "inside"
    inside.mkdir()
    before = {path for path in tmp_path.rglob("*") if inside not in path.parents}
    assert run("export", p, "--format", form, "--out", inside / "out").exit_code == 0
    assert {path for path in tmp_path.rglob("*") if inside not in path.parents} == before
    for path in inside.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text())


@pytest.mark.parametrize("fill", [None, 0.0, 1.0])
def test_a_leaderboard_of_any_names_and_scores(tmp_path: Path, fill: float | None) -> None:
    stores, truths = [], []
    for split in ("val", "test"):
        ids = [f"{id} {split}" for id in IDS]
        stores.append(write_store(tmp_path / f"<{split}> & [b].store", ids, LABELS, fill))
        truths.append(write_truth(tmp_path / f"{split}.json", ids, LABELS, split))
    found = run(
        "leaderboard", stores[0], "--report-store", stores[1], "--dataset", "json", "--annotations", truths[0],
        "--report-annotations", truths[1], "--budget", 4, "--bootstrap", 5, "--decoders", "threshold,viterbi,scope",
        "--out", tmp_path / "b", "--json",
    )  # fmt: skip
    assert found.exit_code == 0
    rows = {row["decoder"]: row for row in json.loads(found.stdout)["rows"]}
    assert not any(row["problem"] for row in rows.values())
    told = "starts from its preset dense, since its usual start does not run here: "
    assert any(told in note for note in rows["scope"]["notes"])
    for page in (tmp_path / "b").rglob("*.html"):
        seen = Scripts()
        seen.feed(page.read_text())
        assert seen.tags == []
    assert {path.name for path in (tmp_path / "b").iterdir() if path.is_dir()} == {"val-b"}
