"""Importing embeddings from a damaged Parquet file: one sentence, or rows that are read, never the process's end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from avreplay.cache.imports.embeddings.parquet import ParquetColumn, parquet_names
from avreplay.core.errors import DataError

VALUES = np.random.default_rng(0).random((12, 4), np.float32)


def write_file(path: Path, **how: object) -> None:
    ids = [f"v{i // 3}" for i in range(len(VALUES))]
    pq.write_table(pa.table({"video_id": ids, "f": list(VALUES)}), path, row_group_size=7, **how)


def damaged(content: bytes, flip: int):
    """The file with each byte of its footer changed in turn, and some of the others."""
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for at in (*range(4, footer, 7), *range(footer, len(content))):
        yield content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]


def read_damaged(path: str, flip: int) -> None:
    """Read all damaged forms of a file; runs in a child process."""
    forms = told = read = 0
    for content in damaged(Path(path).read_bytes(), flip):
        Path(f"{path}.damaged").write_bytes(content)
        forms += 1
        try:
            with ParquetColumn(Path(f"{path}.damaged"), "video_id", "f") as column:
                for id in column.rows:
                    assert column.read(id).dtype.kind in "fiu"
                assert column.bytes >= 0
            parquet_names(Path(f"{path}.damaged"), "video_id")
        except DataError as error:
            told += "\n" not in str(error)
        else:
            read += 1
    print(forms, told, read)


@pytest.mark.parametrize(
    ("how", "flip"),
    [({"compression": "zstd"}, 1), ({"store_schema": False, "write_page_checksum": True}, 0x80)],
)
def test_any_damage_is_told_or_does_not_matter(tmp_path, how, flip):
    write_file(tmp_path / "t.parquet", **how)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_import_parquet_damage as t; " \
           f"t.read_damaged({str(tmp_path / 't.parquet')!r}, {flip})"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    forms, told, read = map(int, done.stdout.split())
    assert forms == told + read  # each in one line
    assert told > 100
    assert read > 100


def test_the_bytes_of_a_column_are_about_those_of_its_values(tmp_path):
    write_file(tmp_path / "t.parquet")
    with ParquetColumn(tmp_path / "t.parquet", "video_id", "f") as column:
        assert VALUES.nbytes <= column.bytes <= 2 * VALUES.nbytes
        assert np.array_equal(column.read("v1"), VALUES[3:6])
        assert np.array_equal(column.read("v0"), VALUES[:3])


def test_row_groups_without_rows_are_passed_over(tmp_path):
    table = pa.table({"video_id": ["a", "b"], "f": list(VALUES[:2])})
    with pq.ParquetWriter(tmp_path / "t.parquet", table.schema) as writer:
        for part in (table[:0], table[:1], table[:0], table[1:]):
            writer.write_table(part)
    with ParquetColumn(tmp_path / "t.parquet", "video_id", None) as column:
        assert np.array_equal(column.read("b"), VALUES[1:2])
    pq.write_table(table[:0], tmp_path / "none.parquet")
    with ParquetColumn(tmp_path / "none.parquet", "video_id", None) as column:
        assert (column.rows, column.bytes) == ({}, 0)
