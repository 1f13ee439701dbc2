"""Other names of labels, from a file of the user."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

from ...core.errors import DataError


def read_aliases(path: str | os.PathLike[str]) -> dict[str, str]:
    """Aliases ``{other name: label}`` of a JSON or TOML file (by its suffix), at the top or under ``aliases``.

    Raises: DataError where it is missing, malformed, or holds anything but names.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise DataError(f"there is no alias file {file}; check the path") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is not readable JSON or TOML: {error}") from error
    table = data.get("aliases", data) if isinstance(data, dict) else data
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table.values()):
        raise DataError(f'{file} holds no aliases; write one as "other name": "label"')
    return table
