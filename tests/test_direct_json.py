"""Files of videos are the same whichever way they are read, and what only the checked reading sees is left to it."""

from __future__ import annotations

import json

import pytest
from avreplay.core.errors import DataError
from avreplay.evaluate.files import json_format
from avreplay.evaluate.files.predictions import read_predictions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
