"""Reading a TOML file that a user wrote: a mapping of scores, options of a decoder."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from ..core.errors import DataError


def read_toml(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """The content of a TOML file; ``what`` names the kind of file in messages, such as ``mapping``.

    Raises: DataError where the file is missing or not TOML.
    """
    file = Path(path)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no {what} file {file}; check the path") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{file} is not readable TOML: {error}") from error
