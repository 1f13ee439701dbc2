"""What a benchmark found, printed and, if asked for, written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_result(result: Any, out: Path | None) -> None:
    """Print a result as JSON, and write it to ``out``, whose folder is made."""
    text = json.dumps(result, indent=1)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    print(text)
