"""Annotation files of LLP, AVE and the package: the facts known of the real ones, and every way to be wrong."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import golden_av2a as golden
import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import Events
from avreplay.core.media_names import without_times
from avreplay.evaluate.datasets import ave, llp, whole_seconds
from avreplay.evaluate.datasets.annotations import Annotations, agreed, ids_sha256, merged
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.predictions import Predictions
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.text_tables import evaluation_text
from hypothesis import given, settings
from hypothesis import strategies as st


def masks(a: Annotations, labels: int = 25, segments: int = 10) -> np.ndarray:
    """(N, 3, C, T) bool of fixed-length annotations."""
    out = np.zeros((len(a.video_ids), 3, labels, segments), bool)
    for v in range(len(a.video_ids)):
        for k in range(3):
            for label, start, end, _ in a.events.track(v, k):
                out[v, k, label, start:end] = True
    return out


def same(a: Events, b: Events) -> bool:
    return all(np.array_equal(getattr(a, x), getattr(b, x)) for x in ("starts", "label", "onset", "offset"))


# --- LLP, the real files


@pytest.mark.parametrize(("split", "videos"), [("test", 1200), ("val", 649)])
def test_llp_splits(shared_data, split, videos):
    a = load_annotations("llp", shared_data / "data/llp", split)
    assert (a.dataset, a.split, len(a.video_ids), len(a.labels)) == ("llp", split, videos, 25)
    assert a.segments_per_video.tolist() == [10] * videos
    m = masks(a)
    assert np.array_equal(m[:, 2], m[:, 0] & m[:, 1])
    runs = int((np.diff(m.astype(np.int8), axis=3, prepend=0) == 1).sum())
    assert len(a.events.label) == runs, "events are maximal runs"


def test_llp_equals_the_released_masks(shared_data):
    a = load_annotations("llp", shared_data / "data/llp")
    ids = golden.meta()["video_ids"]["LLP"]
    at = a.match(ids)
    assert min(at) >= 0
    packed = golden.load("llp_metrics")["gt_packed"]
    want = np.unpackbits(packed, axis=1)[:, :500].reshape(len(ids), 2, 25, 10).astype(bool)
    assert np.array_equal(masks(a.select(at))[:, :2], want)
    assert golden.meta()["labels"]["LLP"] == list(llp.LABELS)


def test_llp_empty_rows_of_the_distributed_file_are_noted(shared_data):
    notes = [n for s in ("test", "val") for n in load_annotations("llp", shared_data / "data/llp", s).notes]
    assert len(notes) == 5, "six in the file, one of them of a video in no split"
    assert all(re.search(r"AVVP_eval_audio\.csv, line \d+: .* is empty and marks nothing$", n) for n in notes)


def test_llp_ids_match_with_and_without_the_clip(shared_data):
    a = load_annotations("llp", shared_data / "data/llp")
    bare = [re.sub(r"_\d+_\d+$", "", v) for v in a.video_ids]
    every = list(range(1200))
    assert a.match(a.video_ids) == every
    assert a.match(bare) == every
    without = Annotations("llp", "test", a.labels, tuple(bare), a.segments_per_video, a.events, "",
                          source_video=without_times)  # fmt: skip
    assert without.match(a.video_ids) == every


# --- LLP, made-up files


def write_llp(folder: Path, test="", val="", audio="", visual="") -> Path:
    for name, columns, rows in (
        ("AVVP_test_pd.csv", "filename\tevent_labels", test),
        ("AVVP_val_pd.csv", "filename\tevent_labels", val),
        ("AVVP_eval_audio.csv", "filename\tonset\toffset\tevent_labels", audio),
        ("AVVP_eval_visual.csv", "filename\tonset\toffset\tevent_labels", visual),
    ):
        lines = [columns, *rows.split("|")] if rows else [columns]
        (folder / name).write_text("\n".join("\t".join(line.split()) for line in lines) + "\n", encoding="utf-8")
    return folder


def test_llp_rows_of_one_label_are_joined(tmp_path):
    write_llp(
        tmp_path,
        test="v_1_0_10 Dog,Speech|w-_x_5_15 Cat",
        val="z_0_10 Cat",
        audio="v_1_0_10 5 8 Dog|v_1_0_10 0 2 Dog|v_1_0_10 1 4 Dog|v_1_0_10 4 5 Dog|v_1_0_10 0 3 Speech|z_0_10 0 1 Cat",
        visual="v_1_0_10 3 6 Dog|v_1_0_10 7 10 Dog|w-_x_5_15 0 10 cat",
    )
    a = load_annotations("llp", tmp_path)
    assert a.video_ids == ("v_1_0_10", "w-_x_5_15")
    dog, speech, cat = (llp.LABELS.index(x) for x in ("Dog", "Speech", "Cat"))
    assert sorted(e[:3] for e in a.events.track(0, "audio")) == sorted([(speech, 0, 3), (dog, 0, 8)])
    assert [e[:3] for e in a.events.track(0, "audio_visual")] == [(dog, 3, 6), (dog, 7, 8)]
    assert [e[:3] for e in a.events.track(1, "visual")] == [(cat, 0, 10)]
    assert a.events.track(1, "audio_visual") == []
    assert a.notes == ()
    assert load_annotations("llp", tmp_path, "val").video_ids == ("z_0_10",)
    assert load_annotations("llp", tmp_path / "AVVP_test_pd.csv").video_ids == a.video_ids


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"audio": "v_0_10 0 4 Dog|v_0_10 0 4 Dogg"}, r"eval_audio\.csv, line 3: the label 'Dogg' .* is 'Dog'"),
        ({"visual": "v_0_10 0 11 Dog"}, r"AVVP_eval_visual\.csv, line 2: '11' is not a whole second from 0 to 10"),
        ({"visual": "v_0_10 -1 3 Dog"}, "line 2: '-1' is not a whole second"),
        ({"audio": "v_0_10 0.5 3 Dog"}, "line 2: '0.5' is not a whole second"),
        ({"audio": "v_0_10 nan 3 Dog"}, "line 2: 'nan' is not a whole second"),
        ({"audio": "v_0_10 0 Dog"}, "line 2: 3 columns, expected 4"),
        ({"test": "v_0_10 Dog|w_0_10 Cat|v_0_10 Cat"}, r"AVVP_test_pd\.csv, line 4: the video 'v_0_10' is duplicated"),
        ({"test": "v_0_10 Dog,Wolf"}, r"AVVP_test_pd\.csv, line 2: the label 'Wolf'"),
    ],
)  # fmt: skip
def test_llp_bad_rows_name_file_and_line(tmp_path, files, words):
    write_llp(tmp_path, **{"test": "v_0_10 Dog", **files})
    with pytest.raises(DataError, match=words):
        load_annotations("llp", tmp_path)


@pytest.mark.parametrize(
    ("rows", "shown"), [("v_0_10 9 0 Dog|v_0_10 4 4 Dog|v_0_10 0 4 Cat", 1), ("v_0_10 4 4 Dog", 0)]
)
def test_notes_on_a_file_are_one_line_of_an_evaluation(tmp_path, rows, shown):
    write_llp(tmp_path, test="v_0_10 Dog", audio=rows)
    events = Events.from_tracks([[[(0, 0, 3)], [], []]])
    predictions = Predictions(("Dog",), {}, ("v_0_10",), np.array([10]), events)
    found = evaluate_predictions(predictions, load_annotations("llp", tmp_path))
    of_file = found.aligned.truth.notes
    text = " ".join(evaluation_text(found).split())
    assert text.count("is empty and marks nothing") == 1
    assert text.count(f"{len(of_file)} notes on the annotations (--json has all), the first: ") == shown
    assert found.as_dict()["notes"][: len(of_file)] == list(of_file)


def test_llp_empty_row_marks_nothing_and_is_noted(tmp_path):
    write_llp(tmp_path, test="v_0_10 Dog", audio="v_0_10 9 0 Dog|v_0_10 4 4 Dog")
    a = load_annotations("llp", tmp_path)
    assert len(a.events.label) == 0
    assert [n.split(": ", 1)[1] for n in a.notes] == [
        "Dog of v_0_10 from 9 to 0 s is empty and marks nothing",
        "Dog of v_0_10 from 4 to 4 s is empty and marks nothing",
    ]


def test_llp_bad_files(tmp_path):
    with pytest.raises(DataError, match=r"no file .*AVVP_test_pd\.csv; LLP needs"):
        load_annotations("llp", tmp_path)
    write_llp(tmp_path, test="v_0_10 Dog")
    (tmp_path / "AVVP_eval_audio.csv").write_text("filename,onset,offset,event_labels\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column 'filename'; expected tab-separated"):
        load_annotations("llp", tmp_path)
    (tmp_path / "AVVP_eval_audio.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"AVVP_eval_audio\.csv, line 1: the byte 0xff is not UTF-8"):
        load_annotations("llp", tmp_path)
    with pytest.raises(UsageError, match=r"LLP has no split 'train'.*test, val"):
        load_annotations("llp", tmp_path, "train")


def made(ids, dataset="llp") -> Annotations:
    events = Events.from_tracks([[[(i, 0, 1)], [], []] for i in range(len(ids))])
    source_video = without_times if dataset == "llp" else None
    return Annotations(
        dataset, "test", llp.LABELS, tuple(ids), np.full(len(ids), 10), events, "", source_video=source_video
    )


def test_matching_ids_with_underscores_and_hyphens():
    a = made(["a_1_2_30_40", "-_b-_0_10", "c_5_6"])
    assert a.match(["a_1_2", "-_b-", "c_5_6"]) == [0, 1, 2]
    assert a.match(["c", "a", "a_1_2_50_60", "-_b-_0_10"]) == [2, -1, -1, 1]
    assert made(["a_1_2"], "json").match(["a"]) == [-1]


def test_matching_refuses_what_is_not_clear():
    with pytest.raises(DataError, match="'a' fits 2 annotated clips, 'a_0_10' for one; name it with its _start_end"):
        made(["a_0_10", "a_10_20"]).match(["a"])
    with pytest.raises(DataError, match="'a_0_10' and 'a' are both the annotated 'a_0_10'"):
        made(["a_0_10"]).match(["a_0_10", "a"])


def test_select_and_hash():
    a = made(["c_0_10", "a_0_10", "b_0_10"])
    b = a.select([2, 0])
    assert b.video_ids == ("b_0_10", "c_0_10")
    assert b.events.label.tolist() == [2, 0]
    assert a.select([]).video_ids == ()
    assert a.ids_sha256 == hashlib.sha256(b"a_0_10\nb_0_10\nc_0_10").hexdigest()
    assert ids_sha256(reversed(a.video_ids)) == a.ids_sha256 != b.ids_sha256


def test_runs_and_agreement_equal_masks():
    rng = np.random.default_rng(0)
    for _ in range(200):
        tracks = []
        for _ in range(2):
            ends = np.sort(rng.integers(0, 13, (rng.integers(0, 8), 2)), axis=1)
            tracks.append([(int(rng.integers(3)), int(s), int(e)) for s, e in ends if s < e])
        dense = np.zeros((2, 3, 12), bool)
        for k, events in enumerate(tracks):
            for c, s, e in events:
                dense[k, c, s:e] = True
            assert [(c, *r) for c, runs in sorted(merged(events).items()) for r in runs] == runs_of(dense[k])
        assert sorted(agreed(*tracks)) == runs_of(dense[0] & dense[1])


spans = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9), st.integers(1, 4)), max_size=12)


@given(spans, spans)
@settings(max_examples=200, deadline=None)
def test_whole_seconds_are_joined_as_lists_are(audio, visual):
    """Masks of seconds give the events, in the order, that lists of runs do."""
    given_rows = [[(v, c, s, min(10, s + n)) for v, c, s, n in of_track] for of_track in (audio, visual)]
    masks = [
        whole_seconds.joined(*(np.array(x, np.int64) for x in ([3 * v + c for v, c, _, _ in of_track],
                                                               [r[2] for r in of_track], [r[3] for r in of_track])))
        for of_track in given_rows
    ]  # fmt: skip
    found = whole_seconds.listed([*masks, whole_seconds.agreed(*masks)], 10, 4, 3)
    tracks = []
    for video in range(4):
        own = [[row[1:] for row in of_track if row[0] == video] for of_track in given_rows]
        tracks.append([*([(c, *run) for c, runs in merged(e).items() for run in runs] for e in own), agreed(*own)])
    expected = Events.from_tracks(tracks)
    for name in ("starts", "label", "onset", "offset", "score"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours.dtype, ours.tobytes()) == (theirs.dtype, theirs.tobytes())


def runs_of(mask: np.ndarray) -> list[tuple[int, int, int]]:
    out = []
    for c, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        out += [(c, int(s), int(e)) for s, e in zip(edges[::2], edges[1::2], strict=True)]
    return out


# --- AVE


def test_ave_test_set(shared_data):
    a = load_annotations("ave", shared_data / "data/ave/test_AVE.json")
    assert list(a.video_ids) == golden.meta()["ave_test_ids"]
    assert golden.meta()["labels"]["AVE"] == list(ave.LABELS) == sorted(ave.LABELS)
    per_track = np.diff(a.events.starts).reshape(-1, 3)
    assert not per_track[:, :2].any()
    assert (len(per_track), int((per_track[:, 2] > 1).sum())) == (402, 8)
    first = [a.events.track(v, "audio_visual")[0][:3] for v in range(402)]
    assert first == [tuple(row) for row in golden.load("ave_metrics")["gt_first"].tolist()]
    assert "411 annotations of 402 videos" in a.notes[0]
    assert same(load_annotations("ave", shared_data / "data/ave").events, a.events)


def test_ave_all_annotations(shared_data):
    a = load_annotations("ave", shared_data / "data/ave/Annotations.txt", "all")
    assert len(a.video_ids) == 4097
    assert len(a.events.label) == 4142
    assert "4143 annotations of 4097 videos" in a.notes[0]
    assert "from 0 to 0 s is empty" in a.notes[1]
    empty = a.video_ids.index("VWi2ENBuTbw")
    assert a.events.track(empty, "audio_visual") == []
    test = load_annotations("ave", shared_data / "data/ave")
    part = a.select(a.match(test.video_ids))
    for v in range(402):
        assert sorted(part.events.track(v, 2))[0][:3] == sorted(test.events.track(v, 2))[0][:3]


def test_ave_text_splits(tmp_path):
    header = "Category&VideoID&Quality&StartTime&EndTime\n"
    lines = ["Violin, fiddle&-a_&good&0&10\n", "Banjo&b&good&2&5\n", "Mandolin&-a_&good&1&10\n", "\n"]
    (tmp_path / "Annotations.txt").write_text(header + "".join(lines), encoding="utf-8")
    (tmp_path / "valSet.txt").write_text("".join(lines[:1] + lines[2:3]), encoding="utf-8")
    every = load_annotations("ave", tmp_path, "all")
    assert every.video_ids == ("-a_", "b")
    assert [ave.LABELS[e[0]] for e in every.events.track(0, 2)] == ["violin, fiddle", "mandolin"]
    val = load_annotations("ave", tmp_path, "val")
    assert val.video_ids == ("-a_",)
    assert val.source.endswith("valSet.txt")
    assert same(load_annotations("ave", tmp_path / "Annotations.txt", "val").events, val.events)
    with pytest.raises(DataError, match=r"holds no test_AVE\.json or testSet\.txt .* or ask for the split all"):
        load_annotations("ave", tmp_path / "Annotations.txt", "test")
    with pytest.raises(UsageError, match=r"valSet\.txt holds the split 'val', not 'train'"):
        load_annotations("ave", tmp_path / "valSet.txt", "train")
    with pytest.raises(UsageError, match="AVE has no split 'dev'; splits are train, val, test, all"):
        load_annotations("ave", tmp_path, "dev")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Banjo&b&good&0", r"line 2: expected Category&VideoID&Quality&StartTime&EndTime, got 'Banjo&b&good&0'"),
        ("Banjo&b&good&0&11", "line 2: 0 to 11 is not a range of whole seconds within 0 to 10"),
        ("Banjo&b&good&5&4", "line 2: 5 to 4 is not a range"),
        ("Banjo&b&good&0&x", "line 2: 0 to 'x' is not a range"),
        ("Banjoo&b&good&0&1", "line 2: the label 'Banjoo' .* nearest is 'banjo'"),
    ],
)
def test_ave_bad_lines(tmp_path, line, words):
    file = tmp_path / "trainSet.txt"
    file.write_text(f"Banjo&a&good&0&10\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_annotations("ave", file, "train")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not readable JSON"),
        ("[]", "expected"),
        ('{"a": {}}', "'a': expected array, got object"),
        ('{"a": []}', "'a': expected array of length >= 1"),
        ('{"a": [1]}', "'a', number 1: expected object, got int"),
        ('{"a": [{"class": "banjo", "start": 0}]}', "'a', number 1: object missing required field end"),
        ('{"a": [{"class": "banjo", "start": 0, "end": 10.5}]}', "'a', number 1, 'end': expected int, got float"),
        ('{"a": [{"class": "banjo", "start": true, "end": 5}]}', "'a', number 1, 'start': expected int, got bool"),
        ('{"a": [{"class": "banjo", "start": 0, "end": 11}]}', "video 'a': 0 to 11 is not a range"),
        ('{"a": [{"class": "banjos", "start": 0, "end": 5}]}', "video 'a': the label 'banjos'.* 'banjo'$"),
    ],
)
def test_ave_bad_json(tmp_path, text, words):
    file = tmp_path / "test_AVE.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words) as caught:
        load_annotations("ave", file)
    assert str(file) in str(caught.value)


# --- the package's own file


def own(videos, **more) -> dict:
    return {"schema": "avreplay.annotations/1", "labels": ["Dog", "Cat"], "split": "test", "videos": videos, **more}


def event(label="Dog", onset=0, offset=4, **more) -> dict:
    return {"label": label, "onset": onset, "offset": offset, **more}


def save(folder: Path, data) -> Path:
    file = folder / "annotations.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return file


def test_a_folder_of_a_file_a_split(tmp_path):
    for split in ("val", "test"):
        data = own({f"{split}_video": {"segments": 1}}) | {"split": split}
        (tmp_path / f"{split}.json").write_text(json.dumps(data), encoding="utf-8")
    assert [load_annotations("json", tmp_path, s).video_ids for s in ("val", "test")] == [
        ("val_video",),
        ("test_video",),
    ]
    with pytest.raises(DataError, match=r"annotations\.json"):
        load_annotations("json", tmp_path, "train")
    save(tmp_path, own({"all": {"segments": 1}}))
    assert load_annotations("json", tmp_path).video_ids == ("all",)


def test_own_file(tmp_path):
    videos = {
        "b": {
            "segments": 10,
            "audio": [event("cat", 5, 9), event("Dog", 0, 4), event("Dog", 4, 6)],
            "visual": [event("hound", 2, 5)],
        },
        "a": {"segments": 3, "audio_visual": [event("Cat", 1, 3)], "segment_seconds": 0.5},
        "c": {"segments": 0},
    }  # fmt: skip
    file = save(tmp_path, own(videos, aliases={"hound": "Dog"}))
    a = load_annotations("json", tmp_path)
    assert (a.dataset, a.video_ids, a.segments_per_video.tolist()) == ("json", ("b", "a", "c"), [10, 3, 0])
    assert np.asarray(a.segment_seconds).tolist() == [1, 0.5, 1]
    assert [e[:3] for e in a.events.track(0, "audio")] == [(1, 5, 9), (0, 0, 4), (0, 4, 6)]
    assert [e[:3] for e in a.events.track(0, "audio_visual")] == [(0, 2, 5)]
    assert [e[:3] for e in a.events.track(1, "audio_visual")] == [(1, 1, 3)]
    assert a.select([1]).segment_seconds == [0.5]

    first, again = tmp_path / "first.json", tmp_path / "again.json"
    write_annotations(first, a)
    b = load_annotations("json", first)
    assert same(a.events, b.events)
    assert (a.video_ids, a.labels, a.aliases) == (b.video_ids, b.labels, b.aliases)
    write_annotations(again, b)
    assert first.read_bytes() == again.read_bytes()
    assert len(first.read_text(encoding="utf-8").splitlines()) == 2 + 3 + 1
    assert json.loads(file.read_text(encoding="utf-8"))["videos"] == videos


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "is not readable JSON"),
        ("[1]", r"has schema None; expected avreplay\.annotations/1"),
        (own({}, schema="avreplay.predictions/1"), r"has schema 'avreplay\.predictions/1'; expected"),
        (own({}, schema="avreplay.annotations/2"), "reads up to .*/1; upgrade"),
        (own({}, labels=["Dog", 3]), "'labels', number 2: expected str, got int"),
        (own({}, labels=["Dog", "dog"]), r"annotations\.json: the labels 'Dog' and 'dog'"),
        (own([]), "'videos': expected object, got array"),
        (own({"a": []}), "'videos', 'a': expected object, got array"),
        (own({"a": {}}), "'videos', 'a': object missing required field segments"),
        (own({"a": {"segments": True}}), "'a', 'segments': expected int, got bool"),
        (own({"a": {"segments": -1}}), r"'a', 'segments': expected int >= 0 \(it is -1\)"),
        (own({"a": {"segments": 1, "segment_seconds": 0}}), "'a', 'segment_seconds': expected float > 0"),
        (own({"a": {"segments": 5, "audio": {}}}), "'a', 'audio': expected array | null, got object"),
        (own({"a": {"segments": 5, "audio": ["Dog"]}}), "'a', 'audio', number 1: expected object, got str"),
        (own({"a": {"segments": 5, "visual": [event(offset=6)]}}), r"visual: the event \[0, 6\) of 'Dog' does not lie"),
        (own({"a": {"segments": 5, "visual": [event(onset=4)]}}), r"the event \[4, 4\)"),
        (own({"a": {"segments": 5, "visual": [event(onset=0.5)]}}), "number 1, 'onset': expected int, got float"),
        (own({"a": {"segments": 5, "visual": [event("Dgo")]}}), "'a', visual: the label 'Dgo' .* is 'Dog'"),
        (own({"a": {"segments": 5, "visual": [event(3)]}}), "'a', 'visual', number 1, 'label': expected str, got int"),
        (own({}, aliases=["Dog"]), "'aliases': expected object, got array"),
        (own({}, aliases={"hound": "Wolf"}), "the alias 'hound': the label 'Wolf'"),
        (json.dumps(own({"a": {}, "b": {}})).replace('"b"', '"a"'), "'a' is duplicated"),
    ],
)  # fmt: skip
def test_own_file_errors(tmp_path, data, words):
    file = save(tmp_path, data)
    with pytest.raises(DataError, match=words) as caught:
        load_annotations("json", file)
    assert str(file) in str(caught.value)


def test_own_file_of_another_split(tmp_path):
    save(tmp_path, own({}))
    with pytest.raises(UsageError, match="holds the split 'test', not 'val'; ask for the split test"):
        load_annotations("json", tmp_path, "val")


def test_unknown_dataset_and_missing_path(tmp_path):
    with pytest.raises(
        UsageError, match=r"no dataset 'lpp'; did you mean 'llp'\? \(datasets: llp, ave, ovavebench, json"
    ):
        load_annotations("lpp", tmp_path)
    for dataset in ("llp", "ave", "ovavebench", "json"):
        with pytest.raises(DataError, match="there are no annotations at"):
            load_annotations(dataset, tmp_path / "none")
        with pytest.raises(DataError, match=r"there is no|holds no"):
            load_annotations(dataset, tmp_path)
