"""What is said where the demo encoder meets labels or videos that it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...core.toy import TOY, foreign_video
from .world import LABELS

_SHOWN = 5


def toy_lines(backbone: str, labels: Sequence[str], ids: Iterable[str] = ()) -> list[str]:
    """A line for labels and one for videos that the demo encoder was not made for; none of another encoder.

    Parameters
    ----------
    labels : that the store gets; empty: it keeps its own
    ids : of the videos that are encoded
    """
    if backbone != TOY:
        return []
    lines = []
    unknown = [label for label in labels if label not in LABELS]
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        lines.append(
            f"WARNING: the demo encoder is a toy that knows {len(LABELS)} classes of generated videos; it does not "
            f"know {', '.join(unknown[:_SHOWN])}{more}, and what it finds of them means nothing; choose an encoder of "
            "`avreplay backbones`"
        )
    other = foreign_video(ids)
    if other is not None:
        lines.append(
            f"WARNING: the demo encoder is a toy for generated videos, and {other} is none of them: what it finds "
            "there means nothing; choose an encoder of `avreplay backbones` with --backbone"
        )
    return lines
