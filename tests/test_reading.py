"""The base of reading: what is refused, and that the message has file, place and mend."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from avreplay.cache.reading.files import read_bytes, read_text
from avreplay.cache.reading.json_file import parse_json, read_json_as
from avreplay.cache.reading.schema import checked, refuse_deep
from avreplay.cache.reading.toml_file import read_toml
from avreplay.core.errors import DataError
from hypothesis import given
from hypothesis import strategies as st


class Event(msgspec.Struct, forbid_unknown_fields=True):
    label: str
    onset: int
    score: float | None = None


class File(msgspec.Struct):
    videos: dict[str, list[Event]]


def refused(call: Any, *words: str) -> str:
    with pytest.raises(DataError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "line 1, column 1"),
        ("NaN", "NaN"),
        ('{"a": 1, "a": 2}', "'a' is duplicated"),
        ("1e999", "float64"),
        ("1" * 5000, "5000 digits"),
        ("9" * 20, "20 digits"),
        ('"\\ud800"', "surrogate"),
        ("[" * 200_000, "nested"),
        ('{"a":' * 200_000, "nested"),
    ],
)
def test_json_that_is_refused(text: str, word: str) -> None:
    refused(lambda: parse_json(text, "f.json"), "f.json", word)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=False).encode(), "f") == value


def test_the_place_of_what_does_not_fit() -> None:
    videos = {f"v{k}": [{"label": "x", "onset": 1}, {"label": "y", "onset": 2}] for k in range(50)}
    videos["v31"][1] = {"label": "y", "onset": "2"}
    message = refused(lambda: checked({"videos": videos}, File, "f.json", "write a number"))
    assert message == "f.json, 'videos', 'v31', number 2, 'onset': expected int, got str (it is '2'); write a number"
    refused(
        lambda: checked({"videos": {"a": [{"onset": 1}]}}, File, "f"), "'a', number 1", "missing required field label"
    )
    refused(lambda: checked({"videos": {"a": [{"label": "x", "onset": True}]}}, File, "f"), "'onset'", "got bool")


@given(st.lists(st.text(), unique=True, min_size=1), st.data())
def test_the_key_of_what_does_not_fit_is_found(keys: list[str], data: st.DataObject) -> None:
    wrong = data.draw(st.sampled_from(keys))
    value = {"videos": {key: [{"label": 1 if key == wrong else "x", "onset": 0}] for key in keys}}
    message = refused(lambda: checked(value, File, "f"))
    if len(repr(wrong)) < 60:
        assert repr(wrong) in message


def test_depth_of_free_values() -> None:
    deep: Any = 1
    for _ in range(33):
        deep = [deep]
    refused(lambda: refuse_deep(deep, "f"), "f is nested")
    refuse_deep(deep[0], "f")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path, word in [
        (tmp_path / "pipe", "is a pipe"),
        (tmp_path, "is a folder"),
        ("/dev/zero", "is a device"),
        (tmp_path / "circle", "links"),
        (tmp_path / "none", "there is no"),
        ("", "path"),
        ("a\0b", "path"),
        (tmp_path / ("x" * 300), "too long"),
    ]:
        refused(lambda path=path: read_bytes(path, "mapping", 10), word)


def test_size_and_encoding(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"abc\n\xff")
    refused(lambda: read_bytes(file, "mapping", 4), "larger than")
    refused(lambda: read_text(file, "mapping", 5), "line 2", "0xff", "UTF-8")
    file.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(file, "mapping", 6) == "abc"


def test_a_file_of_a_schema(tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_text('{"videos": {"a": [{"label": "x", "onset": 1, "score": 0.5}]}}')
    assert read_json_as(file, File, "predictions").videos["a"][0].score == 0.5
    file.write_text('{"videos": {"a": [{"label": "x", "onset": 1, "more": 0}]}}')
    refused(lambda: read_json_as(file, File, "predictions"), str(file), "unknown field more")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a = " + "[" * 5000, "nested"),
        ("a = " + "[" * 40 + "]" * 40, "nested on more"),
        ("a = " + "9" * 5000, "readable TOML"),
        ("a = " + "9" * 20, "64 bits"),
        (".".join("a" * 1000) + " = 1", "256 parts"),
        ("x = {" + " . ".join("a" * 1000) + " = 1}", "256 parts"),
        ("a = 1\na = 2", "readable TOML"),
        ("x" * (1 << 19), "larger"),
    ],
)
def test_toml_that_is_refused(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "f.toml"
    file.write_text(text)
    refused(lambda: read_toml(file, "mapping"), str(file), word)


def test_toml_is_read(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text('a = [0.1, 0.2]\nb.c = "x"\nd = nan\n')
    found = read_toml(file, "mapping")
    assert math.isnan(found.pop("d"))
    assert found == {"a": [0.1, 0.2], "b": {"c": "x"}}
    assert re.search("larger", refused(lambda: read_bytes(file, "mapping", 3)))
