"""Files of videos are the same whichever way they are read, and what only a slower reading sees is left to it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from avreplay.core.errors import DataError
from avreplay.core.events import Events
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.native_json import load_own, write_annotations
from avreplay.evaluate.files import json_format, scanned_json
from avreplay.evaluate.files.predictions import Predictions, read_predictions, write_predictions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

LABELS = ["dog", "a: b", "caf\u00e9", "\U0001f600"]
spans = st.tuples(st.integers(0, 9), st.integers(1, 10))
scores = st.sampled_from(
    ["", ', "score": null', ', "score": 0.1', ', "score": 1', ', "score": 1e-3', ', "score": 1e999']
)
events = st.builds(
    lambda label, span, score, ascii_: (
        f'{{"label": {json.dumps(label, ensure_ascii=ascii_)}, "onset": {span[0]}, "offset": {span[1]}{score}}}'
    ),
    st.sampled_from([*LABELS, "Dog", "cat"]), spans, scores, st.booleans(),
)  # fmt: skip
more = st.sampled_from(["", '"segment_seconds": 0.5, ', '"x": {"y": [1]}, ', '"segments": 10, ', '"\\u0061udio": [], '])
tracks = st.one_of(st.just("null"), st.lists(events, max_size=2).map(lambda e: f"[{', '.join(e)}]"))
videos = st.builds(
    lambda first, a, b, c: f'{{{first}"segments": 10, "audio": {a}, "visual": {b}, "audio_visual": {c}}}',
    more, tracks, tracks, tracks,
)  # fmt: skip
texts = st.builds(
    lambda names, rows, params: (
        f'{{"schema": "avreplay.predictions/1", "labels": {json.dumps(LABELS)}, {params}"videos": {{'
        + ", ".join(f"{name}: {row}" for name, row in zip(names, rows, strict=True))
        + "}}"
    ),
    st.lists(st.sampled_from(['"v"', '"w"', '"\\u0076"', '"x:y"']), min_size=3, max_size=3),
    st.lists(videos, min_size=3, max_size=3),
    st.sampled_from(
        ["", '"params": {}, ', '"params": {"tau0": 0.5, "k": [{"a": 1}]}, ', '"params": {"a": 1, "a": 2}, ',
         '"params": {"a": 123456789012345678901}, ', '"params": {"a": "\\ud800"}, ',
            '"made_from": {"store": "s", "settings": null}, ', '"made_from": {"store": "s", "store": "t"}, ']
    ),
)  # fmt: skip


def read(path):
    try:
        p = read_predictions(path)
    except DataError as error:
        return str(error)
    e = p.events
    arrays = (p.segments_per_video, e.starts, e.label, e.onset, e.offset, e.score)
    return p.labels, p.params, p.video_ids, p.segment_seconds, [(a.dtype, a.tobytes()) for a in arrays]


@given(texts)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_read_the_same(tmp_path, monkeypatch, text):
    path = tmp_path / "p.json"
    path.write_text(text, encoding="utf-8")
    found = read(path)
    with monkeypatch.context() as patch:
        patch.setattr(json_format, "decoded", lambda *_: None)
        assert repr(read(path)) == repr(found)


@pytest.mark.parametrize("again", ['"schema": 1, ', '"labels": ["x"], ', '"videos": {}, '])
def test_a_repeated_name_is_found_at_the_top(tmp_path, again):
    path = tmp_path / "p.json"
    head = '"schema": "avreplay.predictions/1", "labels": ["x"], "params": {"a": 1}, "videos": {}'
    path.write_text(f"{{{again}{head}}}")
    with pytest.raises(DataError, match="duplicated"):
        read_predictions(path)


def test_what_the_package_writes_is_read_directly(tmp_path, monkeypatch):
    path = tmp_path / "p.json"
    track = '[{"label": "dog", "onset": 0, "offset": 2, "score": 0.5}]'
    path.write_text(
        '{"schema": "avreplay.predictions/1", "labels": ["dog"], "params": {"tau0": 0.5}, "videos": {'
        f'"v": {{"segments": 2, "audio": {track}, "visual": [], "audio_visual": []}}}}}}'
    )
    monkeypatch.setattr(json_format, "_read_videos", None)
    assert read_predictions(path).events.score.tolist() == [0.5]


# --- large files, scanned byte by byte -----------------------------------------------------------------------------

ids = st.text(st.sampled_from("ab _-.09~"), min_size=1, max_size=6).filter(str.strip)
one_event = st.tuples(st.integers(0, 3), st.integers(0, 8), st.integers(0, 2)).map(
    lambda e: (e[0], e[1], e[1] + 1 + e[2])
)
score = st.one_of(st.floats(allow_nan=True, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e22]))
made = st.lists(st.tuples(ids, st.lists(st.tuples(one_event, score), max_size=4)), min_size=1, max_size=5,
                unique_by=lambda v: v[0])  # fmt: skip


def written(path, videos, lengths, scores=True):
    """Files as the package writes them."""
    tracks = [[[], [], []] for _ in videos]
    for v, (_, found) in enumerate(videos):
        for i, (event, p) in enumerate(found):
            tracks[v][i % 3].append((*event, p) if scores else event)
    names, segments = tuple(name for name, _ in videos), np.full(len(videos), 11, np.int64)
    table = Events.from_tracks(tracks)
    if scores:
        write_predictions(path, Predictions(tuple(LABELS), {"tau0": 0.5}, names, segments, table, lengths))
    else:
        write_annotations(
            path, Annotations("json", "test", tuple(LABELS), names, segments, table, "x", segment_seconds=lengths)
        )


def slower(path, monkeypatch, reader=read):
    with monkeypatch.context() as patch:
        patch.setattr(json_format, "scanned", lambda *_: None)
        return reader(path)


@pytest.fixture
def small_files_too(monkeypatch):
    monkeypatch.setattr(scanned_json, "LEAST", 0)


@given(made, st.sampled_from([1.0, 0.5, np.arange(1.0, 6.0)]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_scanned_is_what_is_read(tmp_path, monkeypatch, small_files_too, videos, lengths):
    path = tmp_path / "p.json"
    lengths = lengths if np.ndim(lengths) == 0 else lengths[: len(videos)]
    written(path, videos, lengths)
    expected = slower(path, monkeypatch)
    with monkeypatch.context() as patch:
        large = any(abs(p) >= scanned_json.LARGE for _, found in videos for _, p in found)
        if not large:  # what is so large is left to the others
            patch.setattr(json_format, "_direct", None)
        assert repr(read(path)) == repr(expected)
    written(path, videos, lengths, scores=False)
    annotations = [load_own(path, "test"), slower(path, monkeypatch, lambda p: load_own(p, "test"))]
    first, second = (
        (a.video_ids, repr(a.segment_seconds), [getattr(a.events, n).tobytes() for n in ("starts", "label", "onset")])
        for a in annotations
    )
    assert first == second


@given(made, st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_file_is_read_as_the_slower_readers_do(tmp_path, monkeypatch, small_files_too, videos, data):
    path = tmp_path / "p.json"
    written(path, videos, 0.5)
    content = bytearray(path.read_bytes())
    pieces = [
        b"", b" ", b"\n", b'"', b"\\", b",", b"0", b"9", b"-", b"1e999", b"null", b"}", b"]", b"\xff", b"\xc3\xa9",
        b"{", b"12345678901234567890", b', "score": 1', b'"audio": [], ', b"\0", b"NaN", b"dog", b"Dog",
    ]  # fmt: skip
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from(pieces))
    path.write_bytes(content)
    assert repr(read(path)) == repr(slower(path, monkeypatch))


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ('"onset": 0', '"onset": 00'), ('"onset": 0', '"onset": 2'), ('"offset": 2', '"offset": 12'),
        ('"offset": 2', '"offset": 99999999999999999999'), ('"label": "dog"', '"label": "Dog"'), ("0.5}", "0.5e}"),
        ("0.5}", "1e400}"), ("0.5}", "00.5}"), ("0.5}", f"0.{'5' * 500}}}"), ('"b": {', '"a": {'),
        ('"b": {', '" ": {'), ('"b": {', '"\\u0062": {'), ('"b": {', '"b\u00e9": {'),
        ('"segments": 10', '"segments": 10.0'), ("\n}}\n", "\n}}"), ("\n}}\n", "\n}, 1}\n"),
        ('"segment_seconds": 0.5', '"segment_seconds": 0'), ("null", "nul"), ("null", "true"),
        ('"segment_seconds": 0.5', '"segment_seconds": 1e10'), ('"visual": []', '"visual": [], "visual": []'),
        ('"labels": ["dog"', '"labels": ["Dog", "dog"'),
        ('"schema": "avreplay.p', '"schema": "", "schema": "avreplay.p'), ("/1", "/2"),
        ('"videos": {', '"videos": {}, "videos": {'), ('"params": {}', '"params": {"preset": 1}'),
    ],
)  # fmt: skip
def test_each_fault_is_named_as_the_slower_readers_do(tmp_path, monkeypatch, small_files_too, text, instead):
    path = tmp_path / "p.json"
    first = '[{"label": "dog", "onset": 0, "offset": 2, "score": 0.5}'
    first += ', {"label": "dog", "onset": 1, "offset": 3, "score": null}]'
    rest = '"visual": [], "audio_visual": []'
    content = (
        '{"schema": "avreplay.predictions/1", "labels": ["dog", "cat"], "params": {},\n"videos": {\n'
        f'"a": {{"segments": 10, "segment_seconds": 0.5, "audio": {first}, {rest}}},\n'
        f'"b": {{"segments": 10, "audio": [], {rest}}}\n}}}}\n'
    )
    path.write_text(content)
    with monkeypatch.context() as patch:
        patch.setattr(json_format, "_direct", None)
        assert not isinstance(read(path), str)
    assert text in content
    path.write_text(content.replace(text, instead, 1), encoding="utf-8")
    assert repr(read(path)) == repr(slower(path, monkeypatch))


def test_small_files_need_no_kernel(tmp_path, monkeypatch):
    path = tmp_path / "p.json"
    written(path, [("a", [])], 1.0)
    monkeypatch.setattr(json_format, "scanned", None)
    assert read_predictions(path).video_ids == ("a",)
