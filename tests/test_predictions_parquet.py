"""Predictions as Parquet: the same as JSON, whatever wrote the rows; damage and strange files are one sentence."""

import contextlib
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from avreplay import Annotations, export_predictions
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import Events
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.export.registry import FORMATS
from avreplay.evaluate.files.parquet_part import COLUMNS, HEAD_KEY, PART_KEY, VIDEOS_KEY
from avreplay.evaluate.files.prediction_blocks import PredictionBlocks, prediction_blocks
from avreplay.evaluate.files.predictions import Predictions, read_predictions, write_predictions
from avreplay.evaluate.files.predictions_writer import prediction_writer
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_store import write_store

LABELS = ("Speech", "dog, barking", "Ä 日本", '"quoted"')
quickly = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def some_predictions(draw):
    scores = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
    n = draw(st.integers(0, 6))
    ids = draw(st.lists(st.text("aé/._-0 \"'", min_size=1, max_size=6).map(lambda t: f"v{t}w"),
                        min_size=n, max_size=n, unique=True))  # fmt: skip
    segments = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    lengths = draw(st.one_of(st.sampled_from([1.0, 0.7, 1 / 3]),
                             st.lists(st.sampled_from([1.0, 0.96]), min_size=n, max_size=n).map(np.array)))  # fmt: skip
    videos = []
    for count in segments:
        event = st.tuples(st.integers(0, 3), st.integers(0, max(count - 1, 0)), st.integers(1, max(count, 1)), scores)
        tracks = [draw(st.lists(event, max_size=4)) if count else [] for _ in range(3)]
        videos.append([[(c, a, max(a + 1, b), math.nan if s is None else s) for c, a, b, s in t] for t in tracks])
    made = draw(st.sampled_from([None, {"store": "ab12", "backbone": "x", "scores": None, "settings": "cd"}]))
    params = draw(st.sampled_from([{}, {"decoder": "elsewhere", "tau0": 0.1, "list": [1, None, "é"]}]))
    seconds = lengths if isinstance(lengths, float) or n else 1.0
    return Predictions(LABELS, params, tuple(ids), np.array(segments, np.int64), Events.from_tracks(videos), seconds,
                       made)  # fmt: skip


def many(n, seed=0, made=True):
    rng = np.random.default_rng(seed)
    videos = [
        [[(int(rng.integers(4)), a, a + int(rng.integers(1, 4)), rng.random() if rng.random() < 0.7 else math.nan)
          for a in rng.integers(0, 6, rng.integers(0, 4)).tolist()] for _ in range(3)] for _ in range(n)
    ]  # fmt: skip
    made_from = {"store": "ab12", "backbone": None, "scores": None, "settings": "cd"} if made else None
    ids = tuple(f"v{i}" for i in range(n))
    return Predictions(LABELS, {"tau0": 0.5}, ids, np.full(n, 10), Events.from_tracks(videos), 0.7, made_from)


def as_json(folder, predictions):
    write_predictions(folder / "as.json", predictions)
    return (folder / "as.json").read_bytes()


def written(path, p, block, part, first=0, **more):
    """Write predictions in blocks of a size; gives the writer."""
    with prediction_writer(path, p.labels, p.params, p.video_ids, made_from=p.made_from, part_videos=part,
                           **more) as writer:  # fmt: skip
        for a in range(writer.done, len(p.video_ids), block):
            writer.write(p.select(range(a, min(a + block, len(p.video_ids)))))
    return writer


@quickly
@given(p=some_predictions(), block=st.integers(1, 7), part=st.integers(1, 7), slash=st.booleans())
def test_json_and_parquet_hold_the_same(p, block, part, slash, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    want = as_json(folder, p)
    p = read_predictions(folder / "as.json")
    path = f"{folder}/p.parquet{'/' * slash}"
    writer = written(path, p, block, part)
    assert as_json(folder, read_predictions(path)) == want
    assert sum(writer.events.values()) == len(p.events.label)
    blocks = prediction_blocks(path)
    assert [len(b.video_ids) for b in blocks] == (
        [min(part, len(p.video_ids) - a) for a in range(0, max(len(p.video_ids), 1), part)]
        if slash or len(p.video_ids) > part else [len(p.video_ids)]
    )  # fmt: skip
    with prediction_writer(folder / "blocks.json", p.labels, p.params, p.video_ids, made_from=p.made_from) as w:
        for a in range(0, len(p.video_ids), block):
            w.write(p.select(range(a, min(a + block, len(p.video_ids)))))
    assert (folder / "blocks.json").read_bytes() == want


def test_a_row_an_event_as_other_tools_read_it(tmp_path):
    p = many(5)
    write_predictions(tmp_path / "p.parquet", p)
    found = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert tuple(found) == COLUMNS
    want = p.columns()
    for name in ("video_id", "track", "label", "score"):
        assert found[name] == want[name]
    assert (found["onset_seconds"], found["offset_seconds"]) == (want["onset"], want["offset"])
    assert found["onset"] == p.events.onset.tolist()
    kinds = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "p.parquet")}
    assert kinds == {
        **dict.fromkeys(("video_id", "track", "label"), "string"), "onset": "int32", "offset": "int32",
        **dict.fromkeys(("onset_seconds", "offset_seconds", "score"), "double"),
    }  # fmt: skip
    metadata = pq.read_schema(tmp_path / "p.parquet").metadata
    assert json.loads(metadata[VIDEOS_KEY.encode()])["ids"] == list(p.video_ids)
    assert json.loads(metadata[HEAD_KEY.encode()])["labels"] == list(LABELS)


VIEWS = [pa.string_view()] if int(pa.__version__.partition(".")[0]) >= 20 else []  # older ones make none of strings
TEXTS = [pa.string(), pa.large_string(), *VIEWS, pa.dictionary(pa.int32(), pa.string()),
         pa.dictionary(pa.int8(), pa.string())]  # fmt: skip
WHOLE = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int64(), pa.uint32(), pa.uint64()]


@settings(quickly, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_rows_are_read_whatever_wrote_them(seed, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("foreign"), random.Random(seed)
    p = many(6, made=False)
    want = as_json(folder, p)
    write_predictions(folder / "p.parquet", p)
    table = pq.read_table(folder / "p.parquet")
    place = list(zip(*(table.column(n).to_pylist() for n in ("video_id", "track")), strict=True))
    keys = list(dict.fromkeys(place))
    rng.shuffle(keys)  # any order in which the events of a track keep theirs
    shuffled = table.take([i for key in keys for i, one in enumerate(place) if one == key])
    columns = {name: shuffled.column(name) for name in rng.sample(COLUMNS, len(COLUMNS))}
    for name in rng.sample(["onset_seconds", "offset_seconds"], rng.randrange(3)):
        del columns[name]
    for name in ("video_id", "track", "label"):
        columns[name] = columns[name].cast(rng.choice(TEXTS))
    for name in ("onset", "offset"):
        columns[name] = columns[name].cast(rng.choice(WHOLE))
    if rng.random() < 0.5:  # as pandas does
        columns["__index_level_0__"] = pa.array(range(table.num_rows))
        columns["score"] = pa.chunked_array([[math.nan if s is None else s for s in columns["score"].to_pylist()]])
    found = pa.table(columns, metadata=table.schema.metadata)
    pq.write_table(found, folder / "other.parquet", row_group_size=rng.randrange(1, 60))
    assert as_json(folder, read_predictions(folder / "other.parquet")) == want


def row(table, i, name, value):
    values = table.column(name).to_pylist()
    values[i] = value
    at = table.column_names.index(name)
    return table.set_column(
        at, name, pa.array(values, None if isinstance(value, str) else table.schema.field(name).type)
    )


def head(table, key, change):
    metadata = dict(table.schema.metadata)
    value = json.loads(metadata[key.encode()])
    change(value)
    metadata[key.encode()] = json.dumps(value).encode()
    return table.replace_schema_metadata(metadata)


BAD = {
    "no column": lambda t, i: t.drop_columns([("video_id", "track", "label", "onset", "offset")[i % 5]]),
    "twice": lambda t, i: t.append_column("onset", t.column("onset")),
    "no text": lambda t, i: t.set_column(i % 3, COLUMNS[i % 3], pa.array(range(t.num_rows))),
    "binary": lambda t, i: t.set_column(i % 3, COLUMNS[i % 3], t.column(i % 3).cast(pa.binary())),
    "a list": lambda t, i: t.set_column(i % 5, COLUMNS[i % 5], pa.array([[1]] * t.num_rows)),
    "a struct": lambda t, i: t.set_column(i % 5, COLUMNS[i % 5], pa.array([{"x": 1}] * t.num_rows)),
    "no whole": lambda t, i: t.set_column(3 + i % 2, COLUMNS[3 + i % 2], t.column(3 + i % 2).cast(pa.float64())),
    "scores as text": lambda t, i: t.set_column(7, "score", t.column("score").cast(pa.string())),
    "a null": lambda t, i: row(t, i % t.num_rows, COLUMNS[i % 5], None),
    "infinite": lambda t, i: row(t, i % t.num_rows, "score", math.inf),
    "negative": lambda t, i: row(t, i % t.num_rows, "onset", -1 - i),
    "too long": lambda t, i: row(t, i % t.num_rows, "offset", 11 + i),
    "empty": lambda t, i: row(t, i % t.num_rows, "offset", 0),
    "beyond 63 bits": lambda t, i: t.set_column(4, "offset", pa.array([2**64 - 1] * t.num_rows, pa.uint64())),
    "a track": lambda t, i: row(t, i % t.num_rows, "track", "Audio\n"),
    "a label": lambda t, i: row(t, i % t.num_rows, "label", "unheard of"),
    "a video": lambda t, i: row(t, i % t.num_rows, "video_id", "V0"),
    "no metadata": lambda t, i: t.replace_schema_metadata(None),
    "no videos": lambda t, i: t.replace_schema_metadata({HEAD_KEY: t.schema.metadata[HEAD_KEY.encode()]}),
    "no JSON": lambda t, i: t.replace_schema_metadata({**t.schema.metadata, HEAD_KEY.encode(): b'{"schema"'[: i % 9]}),
    "no Unicode": lambda t, i: t.replace_schema_metadata({**t.schema.metadata, VIDEOS_KEY.encode(): b"{\xff}"}),
    "newer": lambda t, i: head(t, HEAD_KEY, lambda h: h.update(schema="avreplay.predictions/9")),
    "deep": lambda t, i: t.replace_schema_metadata({**t.schema.metadata, VIDEOS_KEY.encode(): b"[" * 3000}),
    "labels twice": lambda t, i: head(t, HEAD_KEY, lambda h: h["labels"].append("speech")),
    "labels": lambda t, i: head(t, HEAD_KEY, lambda h: h.update(labels="Speech")),
    "params": lambda t, i: head(t, HEAD_KEY, lambda h: h.update(params=[i])),
    "videos twice": lambda t, i: head(t, VIDEOS_KEY, lambda v: v["ids"].__setitem__(0, v["ids"][1])),
    "a segment more": lambda t, i: head(t, VIDEOS_KEY, lambda v: v["segments"].append(1)),
    "no length": lambda t, i: head(t, VIDEOS_KEY, lambda v: v.update(segment_seconds=[0.0])),
    "huge": lambda t, i: head(t, VIDEOS_KEY, lambda v: v.update(segments=[10**7] * len(v["ids"]))),
    "ids as numbers": lambda t, i: head(t, VIDEOS_KEY, lambda v: v.update(ids=[i])),
    "part": lambda t, i: t.replace_schema_metadata({**t.schema.metadata, PART_KEY.encode(): b"[]"}),
}


@pytest.mark.parametrize("kind", BAD)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(i=st.integers(0, 30))
def test_what_is_wrong_is_one_sentence(kind, i, tmp_path):
    write_predictions(tmp_path / "p.parquet", many(6))
    pq.write_table(BAD[kind](pq.read_table(tmp_path / "p.parquet"), i), tmp_path / "bad.parquet")
    with pytest.raises(DataError) as found:
        read_predictions(tmp_path / "bad.parquet")
    assert "bad.parquet" in str(found.value)
    assert str(found.value).isprintable()


def test_damaged_bytes_are_told_or_do_not_matter(tmp_path):
    p = many(12)
    write_predictions(tmp_path / "p.parquet", p)
    content, want, rng = (tmp_path / "p.parquet").read_bytes(), as_json(tmp_path, p), random.Random(1)
    data = content.index(b"avreplay.")  # before, the events, whose pages have checksums
    for k in range(200):
        bad = bytearray(content)
        if k % 4 == 0:
            del bad[rng.randrange(len(bad)) :]
        else:
            for _ in range(1 + k % 3):
                bad[rng.randrange(data if k % 4 == 1 else len(bad))] ^= 1 << rng.randrange(8)
        (tmp_path / "bad.parquet").write_bytes(bad)
        try:
            found = read_predictions(tmp_path / "bad.parquet")
        except DataError as error:
            assert str(error).isprintable()  # noqa: PT017
            continue
        if k % 4 == 1:
            assert as_json(tmp_path, found) == want


def test_files_that_declare_more_than_they_hold(tmp_path):
    write_predictions(tmp_path / "p.parquet", many(3))
    table = pq.read_table(tmp_path / "p.parquet")
    one = table.slice(0, 1)
    many_rows = pa.table(
        {n: pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 22, np.int8)), one.column(n).combine_chunks())
         if n in ("video_id", "track", "label") else pa.array(np.full(1 << 22, one.column(n)[0].as_py(), np.int32))
         for n in COLUMNS[:5]}, metadata=table.schema.metadata,
    )  # fmt: skip
    pq.write_table(many_rows, tmp_path / "bomb.parquet", row_group_size=1 << 22)
    with pytest.raises(DataError, match=r"bomb.parquet declares 4194304 rows in"):
        read_predictions(tmp_path / "bomb.parquet")


def test_content_decides_what_a_file_is(tmp_path):
    p = many(3)
    want = as_json(tmp_path, p)
    (tmp_path / "j.parquet").write_bytes(want)
    write_predictions(tmp_path / "p.parquet", p)
    (tmp_path / "p.json").write_bytes((tmp_path / "p.parquet").read_bytes())
    assert as_json(tmp_path, read_predictions(tmp_path / "j.parquet")) == want
    assert as_json(tmp_path, read_predictions(tmp_path / "p.json")) == want
    (tmp_path / "no.parquet").write_bytes(b"video_id,track\n")
    with pytest.raises(DataError, match=r"no.parquet is not a readable Parquet file"):
        read_predictions(tmp_path / "no.parquet")


@pytest.mark.parametrize("done", range(5))
@pytest.mark.parametrize("again", [1, 4, 9])
def test_a_run_goes_on_after_the_parts_that_are_there(done, again, tmp_path):
    p = many(9)
    written(tmp_path / "whole.parquet", p, 2, 2)
    want = {f.name: f.read_bytes() for f in (tmp_path / "whole.parquet").iterdir()}
    assert len(want) == 5

    def begin():
        with prediction_writer(tmp_path / "p.parquet", p.labels, p.params, p.video_ids, made_from=p.made_from,
                               part_videos=2) as writer:  # fmt: skip
            for v in range(2 * done + (done < 4)):
                writer.write(p.select([v]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert len(list((tmp_path / "p.parquet").iterdir())) == done
    with pytest.raises(DataError, match=rf"lacks {5 - done} of its 5 parts") if done else contextlib.nullcontext():
        prediction_blocks(tmp_path / "p.parquet") if done else None
    written_again = written(tmp_path / "p.parquet", p, again, 2)
    assert written_again.done == 2 * done
    assert sum(written_again.events.values()) == len(p.events.label)
    assert {f.name: f.read_bytes() for f in (tmp_path / "p.parquet").iterdir()} == want


def test_nothing_is_replaced_where_a_part_cannot_be(tmp_path):
    p = many(6)
    written(tmp_path / "p.parquet", p, 2, 2)
    (tmp_path / "p.parquet/part-00001.parquet").unlink()
    (tmp_path / "p.parquet/part-00001.parquet").mkdir()
    before = sorted(f.name for f in (tmp_path / "p.parquet").iterdir())
    with pytest.raises(DataError, match=r"it holds other files \('part-00001.parquet', for one\)"):
        written(tmp_path / "p.parquet", p, 2, 2, overwrite=True)
    assert sorted(f.name for f in (tmp_path / "p.parquet").iterdir()) == before
    assert (tmp_path / "p.parquet/part-00000.parquet").stat().st_size


def test_a_part_that_is_read_alone_says_so(tmp_path, caplog):
    p = many(6)
    written(tmp_path / "p.parquet", p, 2, 2)
    found = read_predictions(tmp_path / "p.parquet/part-00001.parquet")
    assert found.video_ids == p.video_ids[2:4]
    assert "part-00001.parquet is part 2 of the 3 of a run" in caplog.text


OTHER = {
    "hash of the settings": lambda p: {"params": {"tau0": 0.6}},
    "content hash of the store": lambda p: {"made_from": {**p.made_from, "store": "ff"}},
    "score set": lambda p: {"made_from": {**p.made_from, "scores": "mine"}},
    "hash of the labels": lambda p: {"labels": (*LABELS[:3], "another")},
    "hash of the video ids": lambda p: {"video_ids": (*p.video_ids[:-1], "another")},
    "number of videos": lambda p: {"video_ids": p.video_ids[:-1], "part_videos": 2},
    "number of videos a part": lambda p: {"video_ids": p.video_ids[:3], "part_videos": 3},
    "rest of the request": lambda p: {"run": {"tracks": "audio"}},
}


@pytest.mark.parametrize("what", OTHER)
def test_parts_of_another_run_are_never_mixed(what, tmp_path):
    from dataclasses import replace

    p = many(4)
    of = p if what != "number of videos a part" else p.select(range(3))
    path = tmp_path / "p.parquet"
    given = {"labels": p.labels, "params": p.params, "video_ids": p.video_ids, "made_from": p.made_from,
             "part_videos": 2, **OTHER[what](p)}  # fmt: skip
    written(path, of, 1, 2)
    before = {f.name: f.read_bytes() for f in path.iterdir()}

    def go(**more):
        order = (path, given["labels"], given["params"], given["video_ids"])
        rest = {k: v for k, v in given.items() if k not in ("labels", "params", "video_ids")}
        with prediction_writer(*order, **rest, **more) as writer:
            n = len(given["video_ids"])
            writer.write(replace(p.select(range(n)), labels=given["labels"], video_ids=given["video_ids"]))
        return writer

    with pytest.raises(UsageError, match=rf"(the {what} is .* there and .* here|no part of these).*--overwrite"):
        go()
    assert {f.name: f.read_bytes() for f in path.iterdir()} == before
    assert go(overwrite=True).done == 0
    assert read_predictions(path).video_ids == given["video_ids"]


def test_without_a_hash_of_the_store_nothing_is_taken_over(tmp_path):
    p = many(4, made=False)
    written(tmp_path / "p.parquet", p, 2, 2)
    assert written(tmp_path / "p.parquet", p, 2, 2).done == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "part-00001.parquet").unlink(), "lacks 1 of its 3 parts, number 1 for one"),
        (lambda f: (f / "notes.txt").write_text("x"), "holds other files than parts ('notes.txt', for one)"),
        (lambda f: write_predictions(f / "more.parquet", many(2)), "is no part of a run"),
        (lambda f: (f / "x.parquet").write_bytes((f / "part-00000.parquet").read_bytes()), "are the same part"),
        (lambda f: (f / "x.parquet").write_bytes(b"PAR1"), "is not a readable Parquet file"),
        (lambda f: written(f"{f.parent}/o.parquet/", many(6, 1).select([5, 1]), 2, 2)
         and (f / "y.parquet").write_bytes((f.parent / "o.parquet/part-00000.parquet").read_bytes()),
         "is of another run"),
    ],
)  # fmt: skip
def test_folders_that_are_no_whole_run(change, words, tmp_path):
    folder = tmp_path / "p.parquet"
    written(folder, many(6), 2, 2)
    for left in (".part-00001.12345678.partial", "_SUCCESS", ".DS_Store"):
        (folder / left).write_bytes(b"left")
    assert read_predictions(folder).video_ids == many(6).video_ids
    change(folder)
    with pytest.raises(DataError) as found:
        read_predictions(folder)
    assert words in str(found.value)
    assert str(found.value).isprintable()


def test_blocks_must_come_in_order_and_all_of_them(tmp_path):
    p = many(4)
    for path in (tmp_path / "p.json", tmp_path / "p.parquet", tmp_path / "q.parquet"):
        part = 1 if path.name[0] == "q" else 9
        with (
            pytest.raises(DataError, match=r"2 of 4 videos were given"),
            prediction_writer(path, p.labels, p.params, p.video_ids, part_videos=part) as writer,
        ):
            writer.write(p.select([0, 1]))
        with (
            pytest.raises(DataError, match=r"has the video 'v2' where 'v0' is due"),
            prediction_writer(path, p.labels, p.params, p.video_ids, part_videos=part, overwrite=True) as writer,
        ):
            writer.write(p.select([2, 3]))
        assert not path.is_file()


def test_the_writer_keeps_no_more_than_a_part(tmp_path, monkeypatch):
    p, largest = many(40), [0]
    joined = Predictions.joined

    def counted(parts):
        largest.append(sum(len(part.video_ids) for part in parts))
        return joined(parts)

    monkeypatch.setattr(Predictions, "joined", staticmethod(counted))
    written(tmp_path / "p.parquet", p, 3, 7)
    assert max(largest) == 7
    assert max(len(b.video_ids) for b in prediction_blocks(tmp_path / "p.parquet")) == 7
    assert max(len(b.video_ids) for b in PredictionBlocks.of(p, 3)) == 3


def test_without_pyarrow_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    write_predictions(tmp_path / "p.parquet", many(2))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for go in (lambda: read_predictions(tmp_path / "p.parquet"),
               lambda: write_predictions(tmp_path / "q.parquet", many(2))):  # fmt: skip
        with pytest.raises(UsageError, match=r"need pyarrow: pip install .*\[parquet\]"):
            go()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("ids", [None, ["v8", "v2", "v5"]])
def test_exports_do_not_depend_on_the_blocks(format, ids, tmp_path):
    p = many(9)
    said, want = [], None
    for k, source in enumerate((p, *(PredictionBlocks.of(p, size) for size in (1, 4, 9)))):
        folder = tmp_path / str(k)
        folder.mkdir()
        summary = export_predictions(source, format, folder / "out", ids=ids)
        said.append({**summary.as_dict(), "out": ""})
        content = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        want = want or content
        assert content == want
    assert said == said[:1] * 4


def test_an_export_is_written_a_block_at_a_time(tmp_path, monkeypatch):
    written(tmp_path / "p.parquet", many(20), 5, 4)
    sizes = []
    monkeypatch.setattr(Predictions, "joined", None)  # nothing puts blocks together
    of = Events.track

    def counted(self, *args):
        sizes.append(self.num_videos)
        return of(self, *args)

    monkeypatch.setattr(Events, "track", counted)
    for format in ("csv", "parquet", "rttm", "audacity", "srt"):
        export_predictions(prediction_blocks(tmp_path / "p.parquet"), format, tmp_path / format)
    assert set(sizes) == {4}


KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from avreplay.evaluate.files import parquet_parts
from test_predictions_parquet import many, written
write = parquet_parts.PartsFolder.write
def dying(file, *_):
    file.write(b"PAR1")
    file.flush()
    os.kill(os.getpid(), 9)
def killed(self, predictions):
    if self.done == {parts} and {within}:
        parquet_parts.write_part = dying
    elif self.done == {parts}:
        os.kill(os.getpid(), 9)
    write(self, predictions)
parquet_parts.PartsFolder.write = killed
written({path!r}, many(9), 4, 2)
"""


@pytest.mark.parametrize("within", [False, True])
def test_a_killed_run_goes_on(within, tmp_path):
    p = many(9)
    written(tmp_path / "whole.parquet", p, 2, 2)
    want = {f.name: f.read_bytes() for f in (tmp_path / "whole.parquet").iterdir()}
    code = KILLED.format(tests=str(Path(__file__).parent), parts=3, path=str(tmp_path / "p.parquet"), within=within)
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == -9
    assert len(list((tmp_path / "p.parquet").iterdir())) == 3 + within
    assert written(tmp_path / "p.parquet", p, 5, 2).done == 6
    assert {f.name: f.read_bytes() for f in (tmp_path / "p.parquet").iterdir() if f.name[0] != "."} == want


def test_every_command_takes_both(tmp_path):
    p = many(6)
    truth = Annotations("json", "test", p.labels, p.video_ids, p.segments_per_video, many(6, 5).events, "made",
                        segment_seconds=0.7)  # fmt: skip
    write_annotations(tmp_path / "t.json", truth)
    forms = ("p.json", "p.parquet", "f.parquet")
    for name in forms[:2]:
        write_predictions(tmp_path / name, p)
    written(tmp_path / "f.parquet", p, 2, 2)
    asked = ["--dataset", "json", "--annotations", tmp_path / "t.json"]

    def said(*args):
        done = CliRunner().invoke(main, [*map(str, args)])
        assert done.exit_code == 0, done.output
        return done.stdout

    for command in (["evaluate", "--per-class", "--bootstrap", "20"], ["evaluate", "--metrics", "ave_accuracy"]):
        found = [said(command[0], tmp_path / form, *command[1:], *asked, "--json") for form in forms]
        assert found == found[:1] * 3
    found = [said("compare", tmp_path / a, tmp_path / b, *asked, "--json") for a in forms for b in forms]
    assert found == found[:1] * 9
    for form in forms:
        (tmp_path / form[0]).mkdir(exist_ok=True)
        said("report", tmp_path / form, *asked, "--out", tmp_path / form[0] / "r.html")
        said("export", tmp_path / form, "--format", "csv", "--out", tmp_path / form[0] / "e.csv")
    assert (tmp_path / "p" / "e.csv").read_bytes() == (tmp_path / "f" / "e.csv").read_bytes()


def test_replay_writes_parts_and_refuses_those_of_other_settings(tmp_path):
    write_store(str(tmp_path / "s"), 6)

    def replay(out, *more):
        return CliRunner().invoke(main, ["replay", str(tmp_path / "s"), "--out", f"{tmp_path}/{out}", *more])

    for out in ("p.json", "p.parquet", "f.parquet/"):
        done = replay(out)
        assert done.exit_code == 0, done.output
    found = [as_json(tmp_path, read_predictions(tmp_path / f)) for f in ("p.json", "p.parquet", "f.parquet")]
    assert found == [(tmp_path / "p.json").read_bytes()] * 3
    assert replay("f.parquet").exit_code == 0  # the same run, which is there
    for more in (["--set", "tau0=0.123"], ["--tracks", "audio"]):
        refused = replay("f.parquet", *more)
        assert refused.exit_code == 2
        assert "is of another run" in refused.stderr
        assert replay("f.parquet", *more, "--overwrite").exit_code == 0
        assert replay("f.parquet", "--overwrite").exit_code == 0
