"""The schema of ``[embeddings]`` in a mapping file: its tables and keys, with the types they must have."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from ....core.errors import DataError
from ...reading.schema import checked, refuse_unknown_keys
from ...reading.toml_file import read_toml


class SourceTable(msgspec.Struct, forbid_unknown_fields=True):
    """Where an array lies: a file in SOURCE, and the name of the array in it."""

    path: str | None = None
    key: str | None = None


class ClipTable(SourceTable, forbid_unknown_fields=True):
    """Embeddings of whole clips."""

    axes: list[str] | None = None
    pool: dict[str, str | int] = {}


class ModalityTable(ClipTable, forbid_unknown_fields=True):
    """``[embeddings.audio]`` and ``[embeddings.visual]``."""

    per_segment: int | None = None
    seconds: float | None = None
    segment_pool: str = "mean"
    normalise: str = "none"
    scale: float = 1.0
    begins: str = "zero"
    clip: ClipTable | None = None


class ListTable(SourceTable, forbid_unknown_fields=True):
    """A list of names: lines of a text file, a column of a table, or an array of text."""

    column: str | None = None
    separator: str = ","


class IdsTable(ListTable, forbid_unknown_fields=True):
    """``[embeddings.ids]``."""

    rows: SourceTable | None = None
    keep: ListTable | None = None
    remove_prefix: str = ""
    remove_suffix: str = ""
    add_prefix: str = ""
    add_suffix: str = ""
    rename: dict[str, str] = {}


class TextTable(SourceTable, forbid_unknown_fields=True):
    """``[embeddings.text]``."""

    backbone: str | None = None
    options: dict[str, str | int | float | bool] = {}
    labels: str | None = None
    audio: SourceTable | None = None
    visual: SourceTable | None = None
    normalise: str = "none"
    scale: float = 1.0


class EmbeddingsTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[embeddings]``."""

    audio: ModalityTable | None = None
    visual: ModalityTable | None = None
    ids: IdsTable | None = None
    text: TextTable | None = None
    segment_seconds: float = 1.0
    segments: int | SourceTable | None = None
    lengths: str = "near"
    clip: str = "mean"
    dtype: str = "float32"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    embeddings: EmbeddingsTable


_INNER: dict[tuple[str, ...], type[msgspec.Struct]] = {
    (): EmbeddingsTable, ("audio",): ModalityTable, ("visual",): ModalityTable, ("audio", "clip"): ClipTable,
    ("visual", "clip"): ClipTable, ("ids",): IdsTable, ("ids", "rows"): SourceTable, ("ids", "keep"): ListTable,
    ("text",): TextTable, ("text", "audio"): SourceTable, ("text", "visual"): SourceTable, ("segments",): SourceTable,
}  # fmt: skip


def maps_embeddings(path: str | os.PathLike[str]) -> bool:
    """Whether a mapping file has a table ``[embeddings]``. Raises: DataError where it is missing or not TOML."""
    return "embeddings" in read_toml(path, "mapping")


def read_embeddings_table(path: str | os.PathLike[str]) -> EmbeddingsTable:
    """The table of a mapping file, with values of the right types.

    Raises: DataError where it is missing, not TOML, has another table, an unknown key or a value of another type.
    """
    data, where = read_toml(path, "mapping"), os.fspath(path)
    if "embeddings" not in data:
        raise DataError(f"{where} has no table [embeddings]; `avreplay import --guess SOURCE` prints one to edit")
    for key in data:
        if key != "embeddings":
            raise DataError(
                f"{where} has {key!r} beside [embeddings], which is read for scores only; move it into [embeddings]"
            )
    for place, schema in _INNER.items():
        table: Any = data["embeddings"]
        for step in place:
            table = table.get(step) if isinstance(table, dict) else None
        refuse_unknown_keys(table, schema, f"{where}: [{'.'.join(('embeddings', *place))}]")
    return checked(data, _File, where).embeddings
