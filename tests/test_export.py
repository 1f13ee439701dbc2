"""Events in the formats of other tools: what is read back, by the tools' own libraries where these are light, is what
was there, within the resolution of the format."""

from __future__ import annotations

import csv
import html
import json
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pympi
import pytest
import webvtt
from avreplay import Annotations, DataError, Predictions, UsageError, export_annotations, export_predictions
from avreplay.core.events import TRACKS, Events
from avreplay.core.labels import folded
from avreplay.core.media_names import without_times
from avreplay.core.names import NAME_PATTERN
from avreplay.evaluate.export.file_names import MAX_BYTES, file_names
from avreplay.evaluate.export.registry import FORMATS
from avreplay.evaluate.seconds import seconds_of, seconds_text
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

Row = tuple[str, str, str, float, float, float | None]
"""Video, track, label, onset, offset in seconds, score."""

HARD = ["a,b", 'say "x"', "<b>&amp;", "a --> b", "00:00:01,000 --> 00:00:02,000", "{\\an8}x", "=1+1", "12", "NOTE x",
        "東京 ライブ", "naïve", "nai\u0308ve", "a\u3000b", "../../etc/passwd", "/abs", ".hidden", "CON", "-x", "A",
        "a%20b", "x" * 300, "💥", "\ufffe", "]]>", "audio: a", "a|b", "a_b c"]  # fmt: skip
NAMES = st.one_of(st.sampled_from(HARD), st.text(max_size=12)).filter(lambda s: re.match(NAME_PATTERN, s))


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    ids = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    labels = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=folded))
    counts = draw(st.lists(st.integers(1, 12), min_size=len(ids), max_size=len(ids)))
    lengths = draw(st.lists(st.sampled_from([1.0, 0.7, 0.96, 1 / 3, 0.04, 1e-5, 2.5e6]), min_size=len(ids),
                            max_size=len(ids)))  # fmt: skip
    scores = st.one_of(st.just(float("nan")), st.floats(allow_nan=False, allow_infinity=False))
    videos = []
    for count in counts:
        spans = st.tuples(st.integers(0, count - 1), st.integers(1, count)).filter(lambda s: s[0] < s[1])
        event = st.builds(lambda c, s, p: (c, *s, p), st.integers(0, len(labels) - 1), spans, scores)
        videos.append([draw(st.lists(event, max_size=4)) for _ in TRACKS])
    return Predictions(tuple(labels), {}, tuple(ids), np.array(counts), Events.from_tracks(videos), np.array(lengths))


def rows_of(p: Predictions, tracks: tuple[str, ...] = TRACKS) -> list[Row]:
    rows: list[Row] = []
    for v, name in enumerate(p.video_ids):
        length = float(np.broadcast_to(p.segment_seconds, len(p.video_ids))[v])
        for track in tracks:
            for c, s, e, score in p.events.track(v, track):
                times = seconds_of(s, length), seconds_of(e, length)
                rows.append((name, track, p.labels[c], *times, None if score != score else score))
    return rows


# --- readers: of a path, what is there; None for what the format does not hold --------------------------------------


def by_video(folder: Path, read: Callable[[Path], list[Any]]) -> list[tuple[str, Any]]:
    with open(folder / "index.csv", encoding="utf-8", newline="") as file:
        index = list(csv.DictReader(file))
    assert {row["file"] for row in index} | {"index.csv"} == {p.name for p in folder.iterdir()}
    return [(row["video_id"], one) for row in index for one in read(folder / row["file"])]


def split_caption(text: str) -> tuple[str, str]:
    track, _, label = text.partition(": ")
    return track, label


def read_csv(path: Path) -> list[Row]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["video_id", "track", "label", "onset", "offset", "score"]
    return [(v, t, c, float(s), float(e), float(p) if p else None) for v, t, c, s, e, p in rows[1:]]


def read_parquet(path: Path) -> list[Row]:
    table = parquet.read_table(path)
    assert table.column_names == ["video_id", "track", "label", "onset", "offset", "score"]
    return [tuple(row.values()) for row in table.to_pylist()]


def read_audacity(path: Path) -> list[Row]:
    def labels(file: Path) -> list[Any]:
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
        return [(*split_caption(text), float(s), float(e)) for s, e, text in lines]

    return [(v, *one, None) for v, one in by_video(path, labels)]


def read_elan(path: Path) -> list[Row]:
    def annotations(file: Path) -> list[Any]:
        found = []
        eaf = pympi.Elan.Eaf(str(file))
        for tier in eaf.get_tier_names():
            spans = sorted(eaf.get_annotation_data_for_tier(tier))
            assert all(a[1] <= b[0] for a, b in pairwise(spans)), "ELAN's tiers have no overlaps"
            found += [(tier.partition(": ")[0], label, s, e) for s, e, label in spans]
        return found

    return [(v, *one, None) for v, one in by_video(path, annotations)]


def _ms(text: str) -> int:
    hour, minute, second, rest = map(int, re.split("[:.,]", text))
    return ((hour * 60 + minute) * 60 + second) * 1000 + rest


def read_webvtt(path: Path) -> list[Row]:
    def cues(file: Path) -> list[Any]:
        return [(*split_caption(html.unescape(c.raw_text)), _ms(c.start), _ms(c.end)) for c in webvtt.read(file)]

    return [(v, *one, None) for v, one in by_video(path, cues)]


def read_srt(path: Path) -> list[Row]:
    def cues(file: Path) -> list[Any]:
        found = []
        for number, cue in enumerate(filter(None, file.read_bytes().decode().split("\n\n")), 1):
            first, times, text = cue.rstrip("\n").split("\n")
            assert first == str(number)
            start, end = times.split(" --> ")
            assert not re.search(r"<[a-zA-Z/]|\{\\|-->", text)
            found.append((*split_caption(text.replace("\u2060", "")), _ms(start), _ms(end)))
        return found

    return [(v, *one, None) for v, one in by_video(path, cues)]


def read_labelstudio(path: Path) -> list[Row]:
    config = ET.parse(path.with_suffix(".config.xml")).getroot()
    controls = {e.get("name"): e for e in config if e.tag == "Labels"}
    objects = {e.get("name") for e in config if e.tag in ("Audio", "Video")}
    rows: list[Row] = []
    for task in json.loads(path.read_bytes()):
        (prediction,) = task["predictions"]
        assert len({r["id"] for r in prediction["result"]}) == len(prediction["result"])
        for r in prediction["result"]:
            control = controls[r["from_name"]]
            assert (r["type"], r["to_name"]) == ("labels", control.get("toName"))
            assert r["to_name"] in objects
            (label,) = r["value"]["labels"]
            assert label in {e.get("value") for e in control}
            times = r["value"]["start"], r["value"]["end"]
            rows.append((task["data"]["video_id"], r["from_name"], label, *times, r.get("score")))
    return rows


def read_activitynet(path: Path) -> list[Row]:
    results = json.loads(path.read_bytes())["results"]
    return [(v, r["track"], r["label"], *r["segment"], r["score"]) for v, rows in results.items() for r in rows]


def read_fiftyone(path: Path) -> list[Row]:
    """As FiftyOneTemporalDetectionDatasetImporter and its parser do."""
    with open(path / "index.csv", encoding="utf-8", newline="") as file:
        ids = {row["file"]: row["video_id"] for row in csv.DictReader(file)}
    found = json.loads((path / "labels.json").read_bytes())
    rows: list[Row] = []
    for name, detections in found["labels"].items():
        for d in detections:
            assert d["label"] in found["classes"]
            rows.append((ids[name], d["attributes"]["track"], d["label"], *d["timestamps"], d.get("confidence")))
    return rows


def read_rttm(path: Path) -> list[Row]:
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        kind, uri, channel, start, length, ortho, track, label, *rest = line.split()
        assert (kind, channel, ortho, rest) == ("SPEAKER", "1", "<NA>", ["<NA>", "<NA>"])
        end = float(Decimal(start) + Decimal(length))
        rows.append((unquote(uri), track, label, float(start), end, None))
    return rows


def in_ms(rows: list[Row]) -> list[Row]:
    def ms(t: float) -> int:
        return int((Decimal(repr(t)) * 1000).quantize(0, ROUND_HALF_UP))

    return [(v, k, c, ms(s), max(ms(e), ms(s) + 1), None) for v, k, c, s, e, _ in rows]


def unscored(rows: list[Row]) -> list[Row]:
    return [(*row[:5], None) for row in rows]


def spaceless(rows: list[Row]) -> list[Row]:
    return [(v, k, re.sub(r"\s", "_", c), s, e, None) for v, k, c, s, e, _ in rows]


def scored(rows: list[Row]) -> list[Row]:
    return [(*row[:5], 1.0 if row[5] is None else row[5]) for row in rows]


def xml_texts(rows: list[Row]) -> list[Row]:
    return [(row[0], row[1], re.sub("[\ufffe\uffff]", "\ufffd", row[2]), *row[3:]) for row in rows]


ROUND_TRIPS: dict[str, tuple[Callable[[Path], list[Row]], Callable[[list[Row]], list[Row]]]] = {
    "csv": (read_csv, list),
    "parquet": (read_parquet, list),
    "audacity": (read_audacity, unscored),
    "elan": (read_elan, lambda rows: xml_texts(in_ms(rows))),
    "webvtt": (read_webvtt, in_ms),
    "srt": (read_srt, in_ms),
    "labelstudio": (read_labelstudio, xml_texts),
    "activitynet": (read_activitynet, scored),
    "fiftyone": (read_fiftyone, list),
    "rttm": (read_rttm, spaceless),
}


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (*row[:5], row[5] is not None, row[5] or 0))


def test_every_format_has_a_round_trip():
    assert list(ROUND_TRIPS) == list(FORMATS)


@pytest.mark.parametrize("name", ROUND_TRIPS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(found=predictions())
def test_what_is_read_back_is_what_was_there(name: str, found: Predictions) -> None:
    if name == "rttm":
        assume(len({re.sub(r"\s", "_", label) for label in found.labels}) == len(found.labels))
    read, expected = ROUND_TRIPS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        summary = export_predictions(found, name, path)
        first = {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
        assert in_order(read(path)) == in_order(expected(rows_of(found)))
        export_predictions(found, name, path, overwrite=True)
        assert {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()} == first
    assert (summary.videos, summary.events, summary.files) == (
        len(found.video_ids), len(found.events.label), len(first)
    )  # fmt: skip


def made() -> Predictions:
    tracks = [[(0, 0, 4, 0.5), (1, 2, 3)], [(1, 0, 10)], []]
    events = Events.from_tracks([tracks, [[], [], [(0, 1, 2)]]])
    return Predictions(("dog", "bell"), {"preset": "languagebind"}, ("a", "b"), np.array([10, 5]), events, 0.7)


@pytest.mark.parametrize("name", FORMATS)
def test_chosen_tracks_and_videos_are_those_written(name: str, tmp_path: Path) -> None:
    export_predictions(made(), name, tmp_path / "out", tracks=["audio"], ids=["b", "a"])
    if name in ("audacity", "webvtt", "srt", "rttm"):  # without the track before the label, or in the seventh field
        text = "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
        assert "dog" in text
        assert not re.search("audio|visual", text)
    else:
        rows = ROUND_TRIPS[name][0](tmp_path / "out")
        assert sorted((r[0], r[1], r[2]) for r in rows) == [("a", "audio", "bell"), ("a", "audio", "dog")]


def test_seconds_are_those_of_decimals_and_read_back() -> None:
    assert [seconds_of(n, 0.7) for n in (3, 4, 7)] == [2.1, 2.8, 4.9]
    assert seconds_of(3, 1 / 3) == 1.0
    assert seconds_text(1e-05) == "0.00001"
    assert seconds_text(2e22) == "20000000000000000000000.0"


@given(st.floats(0, 1e300))
def test_the_text_of_seconds_has_no_exponent_and_is_exact(seconds: float) -> None:
    text = seconds_text(seconds)
    assert re.fullmatch(r"\d+\.\d+", text)
    assert float(text) == seconds


# --- names of files ----------------------------------------------------------------------------------------------


@given(st.lists(NAMES, unique=True, max_size=8))
def test_names_of_files_are_no_paths_and_differ_everywhere(ids: list[str]) -> None:
    names = file_names(ids)
    for name in names:
        assert not re.search(r'[/\\:*?"<>|\x00-\x1f]', name)
        assert name[0] not in ". "
        assert len(name.encode()) <= MAX_BYTES
        assert name.casefold().split(".")[0] not in ("con", "nul")
    assert len({name.casefold() for name in names}) == len(ids)


def test_an_id_that_can_be_a_file_is_its_name() -> None:
    assert file_names(["--abcDEF_12", "my clip.2", "東京"]) == ["--abcDEF_12", "my clip.2", "東京"]


# --- places ------------------------------------------------------------------------------------------------------


def test_one_video_and_the_extension_make_a_file(tmp_path: Path) -> None:
    export_predictions(made(), "srt", tmp_path / "a.srt", ids=["a"], tracks=["audio"])
    assert (tmp_path / "a.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:02,800\ndog\n")


def test_the_folder_of_an_export_is_replaced_only_when_asked_and_only_if_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "eaf"
    export_predictions(made(), "elan", out)
    with pytest.raises(UsageError, match=r"holds an export already; give another folder, or --overwrite$"):
        export_predictions(made(), "elan", out)
    export_predictions(made(), "srt", out, ids=["a"], overwrite=True)
    assert sorted(p.name for p in out.iterdir()) == ["a.srt", "index.csv"]
    monkeypatch.setattr("avreplay.cache.atomic_folder.exchange", lambda one, other: False)  # not on every system
    export_predictions(made(), "srt", out, ids=["b"], overwrite=True)
    assert sorted(p.name for p in out.iterdir()) == ["b.srt", "index.csv"]
    (out / "thesis.tex").write_text("of somebody")
    with pytest.raises(DataError, match="the folder holds other files"):
        export_predictions(made(), "srt", out, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["eaf"]


def test_a_folder_that_fails_halfway_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_predictions(made(), "srt", tmp_path / "s" / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "s" / "out").iterdir()}
    real = open

    def full(path: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        if str(path).endswith("b.srt"):
            raise OSError(28, "No space left on device")
        return real(path, mode, *args, **more)

    monkeypatch.setattr("avreplay.cache.atomic_folder.open", full, raising=False)
    for place in (tmp_path / "s" / "out", tmp_path / "new" / "inner" / "out"):
        with pytest.raises(DataError, match="No space left on device; make room"):
            export_predictions(made(), "srt", place, overwrite=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "s" / "out").iterdir()} == before
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_dir()) == ["out", "s"]


# --- media, durations, the truth -----------------------------------------------------------------------------------


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.mp4", "a.wav", "sub/b c.mkv", "a.json"):
        (folder / name).write_bytes(b"")
    return folder


def test_media_are_linked_in_the_way_of_each_player(videos: Path, tmp_path: Path) -> None:
    found = made()
    found = Predictions(found.labels, {}, ("a", "b c"), found.segments_per_video, found.events)
    export_predictions(found, "elan", tmp_path / "eaf", media=videos)
    linked = [pympi.Elan.Eaf(str(tmp_path / "eaf" / f"{v}.eaf")).media_descriptors[0] for v in found.video_ids]
    assert [one["MEDIA_URL"] for one in linked] == [(videos / n).as_uri() for n in ("a.mp4", "sub/b c.mkv")]
    assert linked[0]["MIME_TYPE"] == "video/mp4"
    export_predictions(found, "labelstudio", tmp_path / "ls.json", media=videos)
    tasks = json.loads((tmp_path / "ls.json").read_text())
    assert [unquote(t["data"]["video"]) for t in tasks] == [
        f"/data/local-files/?d={str(videos / n).lstrip('/')}" for n in ("a.mp4", "sub/b c.mkv")
    ]
    export_predictions(found, "fiftyone", tmp_path / "fo", media=videos)
    paths = json.loads((tmp_path / "fo" / "data.json").read_text())
    assert paths == {"a.mp4": str(videos / "a.mp4"), "b c.mkv": str(videos / "sub/b c.mkv")}
    urls = "https://host/{id}.mp4"
    export_predictions(found, "elan", tmp_path / "eaf", media=urls, overwrite=True)
    eaf = pympi.Elan.Eaf(str(tmp_path / "eaf" / "b c.eaf"))
    assert eaf.media_descriptors[0]["MEDIA_URL"] == "https://host/b%20c.mp4"
    with pytest.raises(UsageError, match="FiftyOne reads videos from files"):
        export_predictions(found, "fiftyone", tmp_path / "fo2", media=urls)
    assert not (tmp_path / "fo2").exists()


def truth() -> Annotations:
    p = made()
    return Annotations("json", "val", p.labels, p.video_ids, p.segments_per_video, p.events, "", segment_seconds=0.7)


def test_the_truth_is_exported_in_the_same_way(tmp_path: Path) -> None:
    export_annotations(truth(), "activitynet", tmp_path / "t.json", tracks=["visual"], durations={"a": 6.5})
    assert json.loads((tmp_path / "t.json").read_text())["database"] == {
        "a": {
            "subset": "val",
            "duration": 6.5,
            "url": "",
            "annotations": [{"label": "bell", "segment": [0.0, 7.0], "track": "visual"}],
        },
        "b": {"subset": "val", "duration": 3.5, "url": "", "annotations": []},
    }
    export_annotations(truth(), "labelstudio", tmp_path / "ls.json")
    assert [len(t["annotations"][0]["result"]) for t in json.loads((tmp_path / "ls.json").read_text())] == [3, 1]
    export_annotations(truth(), "csv", tmp_path / "t.csv")
    assert [r[:5] for r in read_csv(tmp_path / "t.csv")] == [r[:5] for r in rows_of(made())]


def test_ids_of_annotations_match_with_and_without_the_times_of_a_clip(tmp_path: Path) -> None:
    clips = replace(truth(), video_ids=("a_0_7", "b_2_5"), source_video=without_times)
    export_annotations(clips, "activitynet", tmp_path / "t.json", ids=["b", "a_0_7"])
    assert list(json.loads((tmp_path / "t.json").read_text())["database"]) == ["b_2_5", "a_0_7"]


# --- what is refused ---------------------------------------------------------------------------------------------


def test_python_objects_that_are_no_events_of_their_videos_are_refused(tmp_path: Path) -> None:
    p = made()
    cases = [
        (Predictions(p.labels, {}, ("a", "a"), p.segments_per_video, p.events), "'a' is there twice"),
        (Predictions(p.labels, {}, ("a", "x\ny"), p.segments_per_video, p.events), "is not a name"),
        (Predictions(p.labels, {}, p.video_ids, np.array([3, 3]), p.events), "'a' has an onset or offset outside"),
        (replace(p, segment_seconds=float("nan")), "segments of no length; correct segment_seconds"),
        (Predictions(p.labels[:1], {}, p.video_ids, p.segments_per_video, p.events), "or no label of the list"),
    ]
    for found, message in cases:
        with pytest.raises(DataError, match=message):
            export_predictions(found, "csv", tmp_path / "x.csv")
    with pytest.raises(UsageError, match=r"no format 'elans'; did you mean 'elan'\?; formats are csv, "):
        export_predictions(p, "elans", tmp_path / "x")
    with pytest.raises(UsageError, match=r"'aa' is not among the 2 videos; did you mean 'a'\?"):
        export_predictions(p, "csv", tmp_path / "x", ids=["aa"])
    with pytest.raises(DataError, match="'a b' and 'a_b' would be one"):
        export_predictions(
            Predictions(("a b", "a_b"), {}, p.video_ids, p.segments_per_video, p.events), "rttm", tmp_path / "x"
        )
    assert not list(tmp_path.iterdir())
