"""Lists of names in text files: all readers keep the same lines and skip the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from avreplay import load_annotations
from avreplay.cache.imports.ids_and_labels import read_names
from avreplay.cache.reading.csv_file import parse_table
from avreplay.cache.reading.lists import read_ids
from avreplay.evaluate.files.text_predictions import read_texts
from avreplay.extract.labels import read_labels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BLANK = st.sampled_from(["", " ", "\t", " \t ", "\u3000", "\xa0 "])
NAMES = ["dog", "church bell", "cat", "\u6771\u4eac", "bus"]


def ave_videos(file: Path) -> Sequence[str]:
    return load_annotations("ave", file, "val").video_ids


READERS: dict[str, tuple[Callable[[str], str], Callable[[Path], Sequence[str]]]] = {
    "labels": (str, read_labels),
    "ids": (str, read_ids),
    "names of a mapping": (str, lambda file: read_names(file, None, ",")),
    "rows of AVE": (lambda name: f"bark&{name}&good&0&3", ave_videos),
    "answers": (lambda name: json.dumps({"video": name, "text": "a"}), lambda file: list(read_texts(file))),
}


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(BLANK, max_size=2), min_size=6, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]),
       st.booleans(), st.sampled_from(["", " ", "\t"]))  # fmt: skip
def test_blank_lines_are_skipped_and_nothing_else(tmp_path: Path, kind: str, blanks: list[list[str]], end: str,
                                                  mark: bool, around: str) -> None:  # fmt: skip
    written, read = READERS[kind]
    lines = list(blanks[0])
    for name, more in zip(NAMES, blanks[1:], strict=True):
        lines += [f"{around}{written(name)}{around}", *more]
    file = tmp_path / "list.jsonl"
    file.write_bytes(("\ufeff" * mark + end.join(lines)).encode())
    assert list(read(file)) == NAMES


@given(st.lists(BLANK, max_size=3), st.lists(BLANK, max_size=3))
def test_tables_skip_the_same_lines(before: list[str], between: list[str]) -> None:
    for columns, row in (("a", "1"), ("a,b", "1,2")):
        table = parse_table("\n".join([*before, columns, *between, row, *between, row]), "here")
        assert table.columns == tuple(columns.split(","))
        assert table.rows == [row.split(",")] * 2
        assert table.lines == [len(before) + len(between) + 2, len(before) + 2 * len(between) + 3]


def test_an_empty_cell_is_no_blank_line() -> None:
    assert parse_table('a\n""\n1\n', "here").rows == [[""], ["1"]]
