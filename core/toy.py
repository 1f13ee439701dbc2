"""The encoder of the demo: a toy for generated videos, whose figures mean nothing on others."""

from __future__ import annotations

from collections.abc import Iterable

TOY = "demo"
"""Its name."""

_VIDEOS = "demo_"
"""How the ids of the generated videos begin."""


def foreign_video(ids: Iterable[str]) -> str | None:
    """The first id that is of no generated video; None where all are."""
    return next((id for id in ids if not id.startswith(_VIDEOS)), None)
