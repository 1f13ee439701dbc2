"""Other names of labels, from a file of the user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...cache.reading.files import MIB, named
from ...cache.reading.json_file import read_json
from ...cache.reading.names import Name
from ...cache.reading.schema import checked
from ...cache.reading.toml_file import read_toml

_MOST = 64 * MIB


def read_aliases(path: str | os.PathLike[str]) -> dict[str, str]:
    """Aliases ``{other name: label}`` of a JSON or TOML file (by its suffix), at the top or under ``aliases``.

    Raises: DataError where it is missing, malformed, or holds anything but names.
    """
    file = Path(path)
    toml = file.suffix.lower() == ".toml"
    table: Any = read_toml(file, "alias file") if toml else read_json(file, "alias file", _MOST)
    where = named(file)
    if isinstance(table, dict) and "aliases" in table:
        table, where = table["aliases"], f"{where}, 'aliases'"
    return checked(table, dict[Name, Name], where, 'write an alias as "other name": "label"')
