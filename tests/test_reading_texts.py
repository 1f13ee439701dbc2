"""Every reader of a text file against mutants of valid files: refused in one sentence that names the file, or read as a
separate plain reader reads it."""

from __future__ import annotations

import gzip
import json
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from avreplay.cache.reading import csv_file
from avreplay.cache.reading.csv_file import MIB, number, parse_table, read_table
from avreplay.cache.reading.json_file import parse_json
from avreplay.cache.reading.names import checked_name
from avreplay.core.errors import DataError, UsageError
from avreplay.core.labels import LabelIndex
from avreplay.core.names import MAX_NAME
from avreplay.evaluate.datasets import ave, llp, ovavebench
from avreplay.evaluate.datasets.annotations import agreed
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.label_aliases import read_aliases
from avreplay.evaluate.files.params_file import decoder_params, read_params_file
from avreplay.evaluate.files.predictions import read_predictions
from avreplay.evaluate.files.text_predictions import read_texts, text_predictions
from fuzz import plain
from fuzz.annotation_files import events_of
from fuzz.mutants import bytes_of, json_text, table_of, toml_text, tree_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECONDS = 10.0
"""Of processor time for one mutant; they take milliseconds."""

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

EVENTS = {
    "labels": ["dog barking", "cat", "bell"],
    "videos": {
        name: {
            "segments": 10,
            "segment_seconds": 0.5,
            "audio": [{"label": "cat", "onset": 0, "offset": 3, "score": 0.25}],
            "visual": [{"label": "bell", "onset": 2, "offset": 10, "score": None}],
            "audio_visual": [{"label": "Dog barking", "onset": k, "offset": k + 1}],
        }
        for k, name in enumerate(("a_0_10", "b", "-c"))
    },
}
PREDICTIONS = {"schema": "avreplay.predictions/1", "params": {"decoder": "av2a", "alpha": 0.5, "preset": "x"}, **EVENTS}
ANNOTATIONS = {"schema": "avreplay.annotations/1", "split": "test", "aliases": {"hound": "dog barking"}, **EVENTS}
AVE = {f"v{k}": [{"class": ave.LABELS[k], "start": k, "end": 2 * k + 1}] for k in range(4)}
AUTHORS = {f"v{k}": {"category": ovavebench.SEEN[k], "label": str([k % 2] * 10)} for k in range(4)}
META = [
    ["split", "cls_name", "cls_type", "vid_name"],
    *(["test", ovavebench.SEEN[k], "close", f"v{k}"] for k in range(4)),
]
COMPACT = [
    ["split", "category", "group", "video_id", "label"],
    *(["test", ovavebench.SEEN[k], "seen", f"v{k}", f"{k % 2}" * 10] for k in range(4)),
]
LLP = {
    "AVVP_test_pd.csv": [["filename", "event_labels"], ["v_0_10", "Dog,Speech"], ["w_5_15", "Cat"]],
    "AVVP_eval_audio.csv": [
        ["filename", "onset", "offset", "event_labels"], ["v_0_10", "0", "4", "Dog"], ["w_5_15", "5", "10", "Cat"]
    ],
    "AVVP_eval_visual.csv": [["filename", "onset", "offset", "event_labels"], ["v_0_10", "3", "10", "Speech"]],
}  # fmt: skip
ANSWERS = {"a": "ave: [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]\nclass: cat purring", "b": "no idea"}
ALIASES = {"aliases": {"dog": "dog barking", "kitten": "cat"}}
OPTIONS = {"preset": "languagebind", "alpha": 0.4, "refine": True, "method": "label_shift", "decoder": "av2a"}


def refused_or_same(read: Callable[[], Any], expect: Callable[[], Any], file: Path) -> None:
    began = time.process_time()
    try:
        found = read()
    except (DataError, UsageError) as error:
        message = str(error)
        assert message.isprintable(), message
        assert len(message) < 2000
        assert file.name in message
        return
    finally:
        assert time.process_time() - began < SECONDS
    assert found == expect()


def text_of(draw: Any, tree: Any, write: Callable[[Any], bytes]) -> bytes:
    """A file whose value or whose bytes are changed."""
    return draw(bytes_of(write(tree))) if draw(st.integers(0, 3)) == 0 else write(draw(tree_of(tree)))


def table_text(draw: Any, rows: list[list[str]], separator: str) -> bytes:
    content = "\n".join(separator.join(row) for row in rows).encode()
    return draw(bytes_of(content)) if draw(st.integers(0, 3)) == 0 else draw(table_of(rows, separator))


def seconds_of(dataset: str, path: Path) -> Any:
    found = load_annotations(dataset, path)
    return events_of(found.events, found.labels, found.video_ids)


@quick
@given(st.data())
def test_predictions(tmp_path_factory: Any, data: st.DataObject) -> None:
    file = tmp_path_factory.mktemp("m") / "p.json"
    file.write_bytes(text_of(data.draw, PREDICTIONS, json_text))

    def read() -> Any:
        found = read_predictions(file)
        rows = [
            (video, track, plain.folded(found.labels[c]), s, e, None if p != p else p)
            for v, video in enumerate(found.video_ids)
            for track in plain.TRACKS
            for c, s, e, p in found.events.track(v, track)
        ]
        return rows, list(found.video_ids), found.segments_per_video.tolist(), dict(found.params)

    def expect() -> Any:
        content = plain.strict_json(file.read_bytes())
        rows = plain.event_file(file.read_bytes(), "avreplay.predictions/1")[1]
        segments = [video["segments"] for video in content["videos"].values()]
        return rows, list(content["videos"]), segments, content.get("params", {})

    refused_or_same(read, expect, file)


@quick
@given(st.data())
def test_annotations(tmp_path_factory: Any, data: st.DataObject) -> None:
    file = tmp_path_factory.mktemp("m") / "annotations.json"
    file.write_bytes(text_of(data.draw, ANNOTATIONS, json_text))
    expect = lambda: plain.event_file(file.read_bytes(), "avreplay.annotations/1")[0]  # noqa: E731
    refused_or_same(lambda: seconds_of("json", file), expect, file)


@quick
@given(st.data())
def test_llp(tmp_path_factory: Any, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("m")
    for name, rows in LLP.items():
        (folder / name).write_text("\n".join("\t".join(row) for row in rows))
    name = data.draw(st.sampled_from(sorted(LLP)))
    (folder / name).write_bytes(table_text(data.draw, LLP[name], "\t"))
    expect = lambda: plain.llp(folder, "test", llp.ALIASES, llp.LABELS)  # noqa: E731
    refused_or_same(lambda: seconds_of("llp", folder), expect, folder / name)


@quick
@given(st.data())
def test_ave(tmp_path_factory: Any, data: st.DataObject) -> None:
    is_json = data.draw(st.booleans())
    file = tmp_path_factory.mktemp("m") / ("test_AVE.json" if is_json else "testSet.txt")
    rows = [[a["class"], v, "good", str(a["start"]), str(a["end"])] for v, (a,) in AVE.items()]
    file.write_bytes(text_of(data.draw, AVE, json_text) if is_json else table_text(data.draw, rows, "&"))
    expect = lambda: plain.ave(file.read_bytes(), is_json, ave.ALIASES, ave.LABELS)  # noqa: E731
    refused_or_same(lambda: seconds_of("ave", file), expect, file)


@quick
@given(st.data())
def test_ovavebench(tmp_path_factory: Any, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("m")
    meta = folder / "ovave_dataset_meta.csv"
    path = folder
    match data.draw(st.sampled_from(["csv", "gz", "table in gz", "labels", "meta"])):
        case "csv":
            file = folder / "ovavebench.csv"
            file.write_bytes(table_text(data.draw, COMPACT, ","))
        case "gz":
            file = folder / "ovavebench.csv.gz"
            file.write_bytes(data.draw(bytes_of(gzip.compress("\n".join(map(",".join, COMPACT)).encode(), mtime=0))))
        case "table in gz":
            file = folder / "ovavebench.csv.gz"
            file.write_bytes(gzip.compress(table_text(data.draw, COMPACT, ",")))
        case "labels":
            file = path = folder / "labels.json"
            file.write_bytes(text_of(data.draw, AUTHORS, json_text))
            meta.write_text("\n".join(map(",".join, META)))
        case _:
            file, path = meta, folder / "labels.json"
            path.write_text(json.dumps(AUTHORS))
            meta.write_bytes(table_text(data.draw, META, ","))
    # a message about rows that do not fit together begins with the other file
    named = folder if path != folder else file
    refused_or_same(lambda: seconds_of("ovavebench", path), lambda: plain.ovave(folder, ovavebench.LABELS), named)


@quick
@given(st.data())
def test_aliases(tmp_path_factory: Any, data: st.DataObject) -> None:
    is_toml = data.draw(st.booleans())
    file = tmp_path_factory.mktemp("m") / ("a.toml" if is_toml else "a.json")
    file.write_bytes(text_of(data.draw, ALIASES, toml_text if is_toml else json_text))
    refused_or_same(lambda: read_aliases(file), lambda: plain.aliases(file.read_bytes(), is_toml), file)


@quick
@given(st.data())
def test_answers(tmp_path_factory: Any, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["t.json", "t.jsonl", "folder"]))
    place = tmp_path_factory.mktemp("m") / kind
    if kind == "t.json":
        place.write_bytes(text_of(data.draw, ANSWERS, json_text))
        expect = lambda: plain.strict_json(place.read_bytes())  # noqa: E731
    elif kind == "t.jsonl":
        lines = [text_of(data.draw, {"video": v, "text": t}, json_text) for v, t in ANSWERS.items()]
        place.write_bytes(b"\n".join(lines))

        def expect() -> Any:
            text = place.read_bytes().decode("utf-8-sig").replace("\r", "\n")
            rows = [plain.strict_json(line.encode()) for line in text.split("\n") if line.strip()]
            return {row["video"]: row["text"] for row in rows}
    else:
        place.mkdir()
        for video, text in ANSWERS.items():
            (place / f"{video}.txt").write_bytes(data.draw(bytes_of(text.encode())))
        expect = lambda: {p.stem: p.read_bytes().decode("utf-8-sig") for p in sorted(place.iterdir())}  # noqa: E731
    refused_or_same(lambda: read_texts(place), expect, place)


@quick
@given(st.data())
def test_params(tmp_path_factory: Any, data: st.DataObject) -> None:
    file = tmp_path_factory.mktemp("m") / "p.toml"
    file.write_bytes(text_of(data.draw, data.draw(st.sampled_from([OPTIONS, {"params": OPTIONS}])), toml_text))

    def expect() -> Any:
        content = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
        return content.get("params", content)

    refused_or_same(lambda: repr(read_params_file(file)), lambda: repr(expect()), file)  # NaN is no value of its own
    message = ""
    try:
        _, params = decoder_params(file=file)
    except (DataError, UsageError) as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 2000
    if not message:
        values = {k: v for k, v in expect().items() if k not in ("preset", "profile", "decoder")}
        made = params.as_dict()
        assert {k: (made[k], type(made[k]) is bool) for k in values} == {
            k: (v, type(v) is bool) for k, v in values.items()
        }


# --- what readers share


@pytest.mark.parametrize("seed", ["ave: [", "ave", "ave ", "class", "class:", "class: ", "class:\n", "class \t",
                                  "ave: ]", "ave: [1]", "[", "]", "class''", "ave:\n"])  # fmt: skip
def test_the_time_for_an_answer_is_linear(seed: str) -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        text_predictions({"v": seed * count}, ovavebench.LABELS)
        return time.process_time() - began

    seconds(100)
    assert seconds(160_000) < 40 * max(seconds(16_000), 0.005)


def test_the_time_to_name_the_nearest_label_is_bounded() -> None:
    index = LabelIndex([f"{'ab' * 400} {k}" for k in range(2000)])
    began = time.process_time()
    for name in ("ba" * 400, "ba" * 4_000_000):
        with pytest.raises(DataError, match="is not one of the 2000 labels") as caught:
            index.find(name, "f")
        assert len(str(caught.value)) < 300
    assert time.process_time() - began < 5


def test_the_time_for_agreement_is_linear() -> None:
    runs = [(0, 2 * k, 2 * k + 1) for k in range(100_000)]
    began = time.process_time()
    assert len(agreed(runs, runs)) == 100_000
    assert time.process_time() - began < 5


def test_too_many_cells_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "annotations.json"
    labels = [f"x{k}" for k in range(2000)]
    videos = {"v": {"segments": 1_000_000}}
    content = {"schema": "avreplay.annotations/1", "labels": labels, "videos": videos}
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"annotations\.json has 1000000 segments.*2000 labels"):
        load_annotations("json", file)
    videos["v"]["segments"] = 1000
    file.write_text(json.dumps(content))
    assert load_annotations("json", file).segments_per_video.tolist() == [1000]


@pytest.mark.parametrize("declared", ["avreplay.predictions/²", "avreplay.predictions/01", "avreplay.predictions/",
                                      "avreplay.predictions/1\n", "avreplay.predictions", 1, ["avreplay.predictions/1"],
                                      f"avreplay.predictions/{'9' * 5000}"])  # fmt: skip
def test_schemas_that_are_none(tmp_path: Path, declared: Any) -> None:
    file = tmp_path / "p.json"
    file.write_text(json.dumps({**PREDICTIONS, "schema": declared}))
    with pytest.raises(DataError, match=r"p\.json has schema") as caught:
        read_predictions(file)
    assert str(caught.value).isprintable()


def test_a_module_that_predictions_name_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "named_by_a_file.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "p.json"
    params = {"decoder": "named_by_a_file:Decoder", "alpha": 1}
    file.write_text(json.dumps({**PREDICTIONS, "params": params}))
    assert read_predictions(file).params == params


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("params = 3", "'params': expected object, got int"),
        ("preset = []", "'preset': expected str | null, got array"),
        ("profile = true", "'profile': expected str | null, got bool"),
        ("[params]\npreset = 1", "'params', 'preset': expected str | null, got int"),
        ("alpha = 1979-05-27", "'alpha': expected"),
        ("alpha = {a = 1}", "'alpha': expected"),
        ("[params.alpha]\na = 1", "'params', 'alpha': expected"),
        ('alpha = "0.4"', "alpha is '0.4'; expected a number"),
        ("method = 3", "method is 3; expected one of"),
        ("refine = 1", "refine is 1; expected true or false"),
        ("tau0 = nan", "tau0 is nan; expected a number"),
        ('"a\\nb" = 1', "expected a name of 1 to"),
        (f"alpha = [{'1, ' * 5000}]", "alpha is [1, 1, 1, ...]; expected"),
        (f"{'x' * 900} = 1", "there is no option 'xxxxx"),
    ],
)
def test_parameter_files_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises((DataError, UsageError)) as caught:
        decoder_params(file=file)
    message = str(caught.value)
    assert words in message
    assert message.isprintable()
    assert len(message) < 1000


def test_folders_of_answers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "more.txt").mkdir()
    with pytest.raises(DataError, match=r"more\.txt is a folder"):
        read_texts(tmp_path)
    (tmp_path / "more.txt").rmdir()
    (tmp_path / "z\udcff.txt").write_text("x")
    with pytest.raises(DataError, match=r"the name of a file 'z\\udcff' is not a name"):
        read_texts(tmp_path)
    (tmp_path / "z\udcff.txt").unlink()
    (tmp_path / "b.txt").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"b\.txt is a device"):
        read_texts(tmp_path)
    (tmp_path / "b.txt").unlink()
    (tmp_path / "b.txt").write_bytes(b" " * (MIB + 1))
    with pytest.raises(DataError, match=r"b\.txt is larger than 1 MiB"):
        read_texts(tmp_path)


def test_lines_of_answers_may_hold_any_separator_of_unicode(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"video": "a", "text": "x\u2028y\x85z"}\r\n\r\n{"video": "b", "text": "w"}', encoding="utf-8")
    assert read_texts(file) == {"a": "x\u2028y\x85z", "b": "w"}


# --- tables and numbers


def test_a_padded_header_is_found(tmp_path: Path) -> None:
    for name, rows in LLP.items():
        (tmp_path / name).write_text("\n".join("\t".join(f" {cell} " for cell in row) for row in rows), "utf-8-sig")
    assert load_annotations("llp", tmp_path).video_ids == ("v_0_10", "w_5_15")


def test_rows_have_the_line_they_begin_in() -> None:
    table = parse_table('a,b\r\n\r\n"x\ny",3\r4,5\n', "f")
    assert (table.columns, table.rows, table.lines) == (("a", "b"), [["x\ny", "3"], ["4", "5"]], [3, 5])
    assert list(table.select(["b"])) == [("f, line 3", ["3"]), ("f, line 5", ["5"])]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a,b\n1,2\n"x,3\n4,5\n', "f, line 3 is not a row of a table: a quote is not closed"),
        ('a,b\n"1"2,3\n', "f, line 2 is not a row of a table: text follows"),
        ("a,b\n1\n", "f, line 2: 1 columns, expected 2 separated by commas"),
        ("a,b\n1,\0\n", "f, line 2: there is a NUL byte"),
        ("a, a \n1,2\n", "f, line 1: two columns are named 'a'"),
        (f"a\n{'x' * 200_000}\n", "f, line 2 is not a row of a table: field larger"),
    ],
)
def test_tables_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_table(text, "f")
    assert words in str(caught.value)


def test_packed_tables(tmp_path: Path) -> None:
    file = tmp_path / "t.csv.GZ"
    text = "a,b\n" + "1,2\n" * 500_000
    parts = [gzip.compress(text[:1000].encode()), gzip.compress(text[1000:].encode()), bytes(5000)]
    file.write_bytes(b"".join(parts))
    assert len(read_table(file, "table", most=2 * MIB).rows) == 500_000
    with pytest.raises(DataError, match=r"t\.csv\.GZ unpacks to more than 1 MiB"):
        read_table(file, "table", most=MIB)
    for damaged in (b"".join(parts[:2])[:-5], b"", gzip.compress(b"")[:12]):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="is cut short; pack it again"):
            read_table(file, "table")
    file.write_bytes(parts[0] + b"more")
    with pytest.raises(DataError, match=r"is not a whole gzip file|is cut short"):
        read_table(file, "table")
    file.write_bytes(gzip.compress(b"") * 100_001)
    with pytest.raises(DataError, match="more than 100000 parts"):
        read_table(file, "table")


def test_a_small_file_that_unpacks_to_a_gigabyte_is_refused_early(tmp_path: Path) -> None:
    file = tmp_path / "ovavebench.csv.gz"
    file.write_bytes(gzip.compress(bytes(MIB), 9) * 1024)
    began = time.process_time()
    with pytest.raises(DataError, match=r"unpacks to more than 64 MiB"):
        load_annotations("ovavebench", file)
    assert time.process_time() - began < 3


@given(st.binary(max_size=200), st.data())
def test_a_damaged_gz_is_refused_or_what_gzip_reads(tmp_path_factory: Any, content: bytes, data: st.DataObject) -> None:
    from avreplay.cache.reading.gzip_file import unpacked

    changed = data.draw(bytes_of(gzip.compress(content, mtime=0)))
    try:
        found = unpacked(changed, "f", "table", MIB)
    except DataError:
        return
    assert found == gzip.decompress(changed)


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_back(whole: int, real: float) -> None:
    assert number(str(whole), "f", int) == whole
    assert number(repr(real), "f", float) == real


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1_0", "٣", "²", "nan", "inf", "1e999", "0x10", "1" * 401, "1" * 5000,
                                  "--1", "1\n", "1,5", "e5", ".", "-"])  # fmt: skip
def test_what_is_no_number(text: str) -> None:
    for kind in (int, float):
        with pytest.raises(DataError, match=r"f, line 3: .* is not a") as caught:
            number(text, "f, line 3", kind)
        assert len(str(caught.value)) < 120


def test_bounds_of_numbers() -> None:
    assert number("10", "f", int, low=0, high=10) == 10
    for text in ("11", "-0", "-1", str(2**63)):
        with pytest.raises(DataError, match=f"f: '{text}' is not a whole second from 0 to 10"):
            number(text, "f", int, low=0, high=10, what="a whole second")
    with pytest.raises(DataError, match="is not a whole number of 64 bits"):
        number(str(2**63), "f", int)


numbers = st.lists(
    st.sampled_from(["0", "1", "9", "9" * 18, "9" * 19, "9" * 20, "1" * 25, ".", "e", "E", "-", "+", "400", "300"]),
    min_size=1,
    max_size=6,
).map("".join)


@given(st.lists(numbers | st.just('"1e999"') | st.just('"9999999999999999999999"'), max_size=4))
def test_numbers_of_json_are_bounded_however_they_are_written(parts: list[str]) -> None:
    text = f"[{', '.join(parts)}]"
    try:
        found = parse_json(text, "f")
    except DataError:
        return
    assert found == json.loads(text)
    for value in found:
        assert isinstance(value, str) or abs(value) < (1e19 if isinstance(value, int) else float("inf"))


@pytest.mark.parametrize("text", ["", " ", "\u3000", "a\nb", "a\0", "\x1b[31m", "\x85", "a\u2028", "\ud800",
                                  "x" * (MAX_NAME + 1)])  # fmt: skip
def test_names_that_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"f: the label .* is not a name of 1 to 1000 characters") as caught:
        checked_name(text, "f", "label")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["a b", " a", "\u00ad", "\u202e", "👩\u200d🚀", "a\u00a0b", "x" * MAX_NAME])
def test_names_that_are_taken(text: str) -> None:
    assert checked_name(text, "f") == text


cells = st.sampled_from(
    ["a", "b", "", " a", "a ", "\u00e9\u3000", '"a"', '"a', 'a"', '"a\tb"', '"a\nb"', "a,b", "\x1c", "\0", "\r"]
)
rows = st.lists(cells, min_size=0, max_size=3).map("\t".join)
tables = st.tuples(st.lists(rows, max_size=4), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans()).map(
    lambda t: t[1].join(t[0]) + (t[1] if t[2] else "")
)


@given(tables, st.sampled_from(["\t", ",", "]", "^"]))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_plain_tables_are_read_as_any_other(monkeypatch, text, separator):
    text = text.replace("\t", separator)

    def read():
        try:
            return parse_table(text, "f", separator=separator)
        except DataError as error:
            return str(error)

    with monkeypatch.context() as patch:
        patch.setattr(csv_file, "_plain_table", lambda *_: None)
        expected = read()
    assert read() == expected


def test_a_plain_table_is_read_at_once():
    assert csv_file._plain_table("a\tb\n1\t 2\n", "f", "\t") == parse_table("a\tb\n1\t 2\n", "f", separator="\t")
