"""The backbones there are, and options for one from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...core.errors import UsageError
from .base import BACKBONES


def list_backbones() -> list[dict[str, Any]]:
    """Every backbone: name, what it is, widths, licence, the packages it needs, and whether they are installed."""
    return [
        {
            "name": name,
            "about": entry.about,
            "dims": entry.dims,
            "licence": entry.licence,
            "extra": entry.extra,
            "needs": list(entry.needs),
            "missing": entry.missing,
            "installed": not entry.missing,
            "install": entry.install,
        }
        for name, entry in BACKBONES.items()
    ]


def backbones_text(found: Sequence[dict[str, Any]]) -> str:
    """The list in words, three lines a backbone."""
    lines = []
    for b in found:
        state = "installed" if b["installed"] else f"not installed (no {', '.join(b['missing'])}): {b['install']}"
        lines += [f"{b['name']}: {b['about']}", f"  embeddings {b['dims']}; weights {b['licence']}", f"  {state}"]
    return "\n".join(lines)


def parse_options(settings: Sequence[str]) -> dict[str, Any]:
    """Options from ``KEY=VALUE``; numbers, true, false and null are taken as such, all else as text.

    Raises
    ------
    UsageError
        no ``=``, or a key twice
    """
    options: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"the backbone option {setting!r} is not of the form KEY=VALUE")
        if key in options:
            raise UsageError(f"the backbone option {key} is given twice")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        options[key] = value if isinstance(parsed, (dict, list)) else parsed
    return options
