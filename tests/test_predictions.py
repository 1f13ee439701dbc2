"""The predictions file: what is written is read, what is wrong is named, and it meets the annotations."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from avreplay.core.errors import DataError
from avreplay.core.events import Events
from avreplay.core.media_names import without_times
from avreplay.evaluate.datasets import llp
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.predictions import Predictions, align, read_predictions, write_predictions

NAN = float("nan")


def some(**more) -> Predictions:
    events = Events.from_tracks(
        [[[(1, 0, 4, 0.8300000429153442), (0, 2, 3, NAN)], [], [(0, 9, 10, 1.0)]], [[], [(1, 0, 1, 1e-9)], []]]
    )
    parts = {
        "labels": ("Dog, hound", 'C"at\u00e9'),
        "params": {"alpha": 0.45, "refine": True, "note": None},
        "video_ids": ("a_0_10", "-b"),
        "segments_per_video": np.array([10, 3]),
        "events": events,
    }
    return Predictions(**{**parts, **more})


def same(a: Events, b: Events) -> bool:
    names = ("starts", "label", "onset", "offset", "score")
    return all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=n == "score") for n in names)


def test_round_trip_is_exact_and_bytes_repeat(tmp_path):
    file, again = tmp_path / "p.json", tmp_path / "q.json"
    write_predictions(file, some())
    read = read_predictions(file)
    assert same(read.events, some().events)
    assert (read.labels, read.params, read.video_ids) == (some().labels, some().params, some().video_ids)
    assert read.segments_per_video.tolist() == [10, 3]
    assert read.segment_seconds == 1
    write_predictions(again, read)
    assert again.read_bytes() == file.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["p.json", "q.json"]


def test_file_is_the_documented_form(tmp_path):
    file = tmp_path / "p.json"
    write_predictions(file, some())
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "schema": "avreplay.predictions/1",
        "labels": ["Dog, hound", 'C"at\u00e9'],
        "params": {"alpha": 0.45, "refine": True, "note": None},
        "videos": {
            "a_0_10": {
                "segments": 10,
                "audio": [
                    {"label": 'C"at\u00e9', "onset": 0, "offset": 4, "score": 0.8300000429153442},
                    {"label": "Dog, hound", "onset": 2, "offset": 3, "score": None},
                ],
                "visual": [],
                "audio_visual": [{"label": "Dog, hound", "onset": 9, "offset": 10, "score": 1.0}],
            },
            "-b": {
                "segments": 3,
                "audio": [],
                "visual": [{"label": 'C"at\u00e9', "onset": 0, "offset": 1, "score": 1e-09}],
                "audio_visual": [],
            },
        },
    }
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line.split(":")[0] for line in lines[2:-1]] == ['"a_0_10"', '"-b"'], "a line a video"


@pytest.mark.parametrize("seconds", [0.5, np.array([1.0, 2.5])])
def test_segment_seconds(tmp_path, seconds):
    file = tmp_path / "p.json"
    write_predictions(file, some(segment_seconds=seconds))
    assert np.array_equal(read_predictions(file).segment_seconds, seconds)
    written = [v.get("segment_seconds") for v in json.loads(file.read_text(encoding="utf-8"))["videos"].values()]
    assert written == ([0.5, 0.5] if np.ndim(seconds) == 0 else [None, 2.5])


def test_no_videos(tmp_path):
    file = tmp_path / "p.json"
    write_predictions(file, some(video_ids=(), segments_per_video=np.zeros(0, int), events=Events.from_tracks([])))
    read = read_predictions(file)
    assert (read.video_ids, len(read.events.label)) == ((), 0)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "p.json"
    write_predictions(file, some())
    before = file.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(DataError, match=r"cannot write .*p\.json: No space left"):
        write_predictions(file, some(labels=("x", "y")))
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["p.json"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"params": {"alpha": NAN}}, "cannot write"),
        ({"params": {"alpha": object()}}, "cannot write"),
        ({"labels": ("Dog", "C\nat")}, r"the label 'C\\nat' is not a name"),
        ({"video_ids": ("a", " ")}, "the video id ' ' is not a name"),
        ({"events": Events.from_tracks([[[(0, 0, 1, float("inf"))], [], []], [[], [], []]])}, "infinite score"),
    ],
)
def test_what_cannot_be_written(tmp_path, parts, words):
    with pytest.raises(DataError, match=words):
        write_predictions(tmp_path / "p.json", some(**parts))
    assert os.listdir(tmp_path) == []


def test_unwritable_place(tmp_path):
    with pytest.raises(DataError, match=r"cannot write .*No such file"):
        write_predictions(tmp_path / "none" / "p.json", some())


def document(video, **more) -> dict:
    return {
        "schema": "avreplay.predictions/1",
        "labels": ["Dog", "Cat"],
        "params": {},
        "videos": {"a": video},
        **more,
    }


def event(label="Dog", onset=0, offset=1, **more) -> dict:
    return {"label": label, "onset": onset, "offset": offset, **more}


def save(folder: Path, data) -> Path:
    file = folder / "p.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "is not readable JSON"),
        ("[" * 100_000, "is not readable JSON"),
        (document({}, schema="other/1"), r"has schema 'other/1'; expected avreplay\.predictions/1"),
        (document({}, schema="avreplay.predictions/9"), "reads up to .*/1; upgrade avreplay"),
        (document({}, schema="avreplay.predictions/x"), "upgrade avreplay"),
        (document({}, labels="Dog"), "'labels': expected array, got str"),
        (document({}, params=[1]), "'params': expected object, got array"),
        (document({"segments": 1}, params={"preset": {}}), "'params', 'preset': expected str | null, got object"),
        (document(3), r"'videos', 'a': expected object, got int \(it is 3\)"),
        (document({"segments": 10.0}), "'a', 'segments': expected int, got float"),
        (document({"segments": 10**12}), "'a', 'segments': expected int <= 1000000 .*1000000000000"),
        (document({"segments": 5, "audio": [event("Dgo")]}), "video 'a', audio: the label 'Dgo' .* is 'Dog'"),
        (document({"segments": 5, "audio_visual": [event(offset=6)]}), r"'a', audio_visual: the event \[0, 6\)"),
        (document({"segments": 5, "visual": [event(onset=-1)]}), r"the event \[-1, 1\)"),
        (document({"segments": 5, "visual": [event(onset=1)]}), r"the event \[1, 1\)"),
        (document({"segments": 5, "visual": [event(offset="1")]}), "number 1, 'offset': expected int, got str"),
        (document({"segments": 5, "visual": [event(score="high")]}), "'score': expected float | null, got str"),
        (document({"segments": 5, "visual": [event(score=True)]}), "'score': expected float | null, got bool"),
        (document({"segments": 5, "visual": [event(score=NAN)]}), "NaN is not a JSON number"),
        (document({"segments": 5, "visual": [event(score=float("inf"))]}), "Infinity is not a JSON number"),
        (json.dumps(document({"audio": 1, "visual": 1})).replace("visual", "audio"), "'audio' is duplicated"),
        (json.dumps(document({})).replace('{"a"', '{"a": {}, "a"'), "'a' is duplicated"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, data, words):
    file = save(tmp_path, data)
    with pytest.raises(DataError, match=words) as caught:
        read_predictions(file)
    assert str(file) in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(DataError, match="there is no predictions file"):
        read_predictions(tmp_path / "none.json")
    with pytest.raises(DataError, match="is a folder, and no predictions file"):
        read_predictions(tmp_path)
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"p\.json, line 1: the byte 0xff is not UTF-8"):
        read_predictions(tmp_path / "p.json")


def test_tracks_may_be_absent_and_fields_added(tmp_path):
    read = read_predictions(save(tmp_path, document({"segments": 5, "audio": [event(extra=1)], "more": 2}, more=3)))
    assert read.events.track(0, "audio")[0][:3] == (0, 0, 1)
    assert np.isnan(read.events.score).all()


# --- alignment


def truth(**more) -> Annotations:
    parts = {
        "dataset": "json", "split": "test", "labels": ("Cat", "Dog"), "video_ids": ("a", "b", "c"),
        "segments_per_video": np.array([5, 5, 5]),
        "events": Events.from_tracks([[[(i % 2, i, i + 1)], [], []] for i in range(3)]), "source": "file",
    }  # fmt: skip
    return Annotations(**{**parts, **more})


def predicted(tracks, ids, segments=None, labels=("dog", "CAT", "Wolf"), seconds=1.0) -> Predictions:
    lengths = np.array(segments or [5] * len(ids))
    return Predictions(labels, {}, tuple(ids), lengths, Events.from_tracks(tracks), seconds)


def test_align_orders_videos_and_maps_labels():
    p = predicted(
        [[[(0, 0, 2, 0.5)], [], [(1, 1, 2), (0, 3, 5)]], [[], [], []], [[], [(1, 4, 5)], []]], ["c", "x", "a"]
    )
    a = align(p, truth())
    assert a.truth.video_ids == ("a", "c")
    assert (a.missing, a.extra, a.length_mismatches) == (("b",), ("x",), 0)
    assert [e[:3] for e in a.predicted.track(0, "visual")] == [(0, 4, 5)]
    assert a.predicted.track(1, "audio") == [(1, 0, 2, 0.5)]
    assert [e[:3] for e in a.predicted.track(1, "audio_visual")] == [(0, 1, 2), (1, 3, 5)]
    assert [a.truth.events.track(v, 0)[0][:3] for v in range(2)] == [(0, 0, 1), (0, 2, 3)]


def test_align_unknown_label_only_matters_where_it_occurs():
    align(predicted([[[(0, 0, 1)], [], []]], ["a"]), truth())
    align(predicted([[[], [], []], [[(2, 0, 1)], [], []]], ["a", "not annotated"]), truth())
    p = predicted([[[(0, 0, 1)], [], []], [[], [(1, 0, 1), (2, 0, 1)], []]], ["a", "c"], labels=("dog", "cat", "catt"))
    with pytest.raises(
        DataError, match="video 'c', visual: the label 'catt' is not one of the 2 labels; the nearest is 'Cat'"
    ):
        align(p, truth())


def test_align_aliases():
    p = predicted([[[(0, 0, 1), (1, 1, 2)], [], []]], ["a"], labels=("hound", "puss"))
    known = truth(aliases={"hound": "Dog", "puss": "Dog"})
    assert align(p, known).predicted.label.tolist() == [1, 1]
    assert align(p, known, {"Puss": "cat"}).predicted.label.tolist() == [1, 0]
    with pytest.raises(DataError, match="the alias 'puss': the label 'Wolf'"):
        align(p, known, {"puss": "Wolf"})


def test_align_cuts_events_at_the_annotated_length():
    p = predicted(
        [[[(0, 0, 8, 0.1), (1, 5, 7, 0.2), (0, 4, 5, 0.3)], [], [(0, 7, 8)]], [[(0, 0, 3)], [], []]],
        ["b", "a"],
        [8, 3],
    )
    a = align(p, truth())
    assert a.length_mismatches == 2
    assert a.predicted.track(1, "audio") == [(1, 0, 5, 0.1), (1, 4, 5, 0.3)]
    assert a.predicted.track(1, "audio_visual") == []
    assert [e[:3] for e in a.predicted.track(0, "audio")] == [(1, 0, 3)]
    assert p.events.offset.tolist() == [8, 7, 5, 8, 3], "the caller's arrays stay as they are"


def test_align_refuses_other_segment_lengths_and_double_videos():
    p = predicted([[[], [], []]] * 2, ["a", "b"], seconds=np.array([1.0, 2.0]))
    with pytest.raises(DataError, match="'b' is predicted in segments of 2 s and annotated in segments of 1 s"):
        align(p, truth())
    assert align(p, truth(segment_seconds=np.array([1.0, 2.0, 3.0]))).missing == ("c",)
    p = predicted([[[], [], []]] * 2, ["a_0_10", "a"])
    with pytest.raises(DataError, match="are both the annotated 'a_0_10'"):
        align(p, truth(dataset="llp", source_video=without_times, video_ids=("a_0_10", "b_0_10", "c_0_10")))


def test_align_without_a_video_in_common():
    a = align(predicted([[[(2, 0, 1)], [], []]], ["x"]), truth())
    assert (a.truth.video_ids, a.missing, a.extra) == ((), ("a", "b", "c"), ("x",))
    assert a.predicted.num_videos == 0
    empty = predicted([], [], labels=())
    assert align(empty, truth()).missing == ("a", "b", "c")


def test_llp_predictions_in_the_released_spelling(shared_data, tmp_path):
    """The truth itself, with lower-case labels in another order and bare ids, comes back as the truth."""
    a = load_annotations("llp", shared_data / "data/llp")
    labels = tuple(sorted(label.lower().replace("_", " ") for label in a.labels))
    to = {label: i for i, label in enumerate(labels)}
    order = np.array([to[label.lower().replace("_", " ")] for label in a.labels], np.int32)
    e = a.events
    events = Events(1, 1200, e.starts, order[e.label], e.onset, e.offset, np.full(len(e.label), 0.1234567890123))
    p = Predictions(labels, {}, tuple(v[:11] for v in a.video_ids), a.segments_per_video, events)
    file = tmp_path / "p.json"

    write_predictions(file, p)
    aligned = align(read_predictions(file), a)
    assert (aligned.missing, aligned.extra, aligned.length_mismatches) == ((), (), 0)
    for name in ("starts", "label", "onset", "offset"):
        assert np.array_equal(getattr(aligned.predicted, name), getattr(e, name))
    assert aligned.truth.ids_sha256 == a.ids_sha256
    assert aligned.truth.labels == llp.LABELS
