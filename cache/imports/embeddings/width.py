"""The width of the embeddings of a modality, by a look at some of its arrays."""

from __future__ import annotations

from collections.abc import Sequence

from ....core.errors import DataError
from .plan import ModalityPlan
from .rows import pooled
from .sources import Source
from .videos import Wanted

_SAMPLE, _LEAST = 64, 3
"""Arrays that are looked at, fewer where they are large; of an array of all videos one is enough."""

_BYTES = 256 << 20


def width_of(
    plan: ModalityPlan | None, source: Source | None, wanted: Sequence[Wanted], name: str, without: int
) -> int:
    """The width that more than half of the first arrays have that can be read; ``without`` where there is no source.

    Raises: DataError where none can be read, or no width is that of more than half of them.
    """
    if plan is None or source is None:
        return without
    reason, seen, size = "it has none of the wanted videos", 0, 0
    counts: dict[int, int] = {}
    first: dict[int, str] = {}
    for video in wanted:
        try:
            found = source.read(video.raw, video.row)
            if found is not None and found.array.size:
                width = int(pooled(found, plan.array).shape[1])
                counts[width] = counts.get(width, 0) + 1
                first.setdefault(width, found.where)
                seen, size = seen + 1, size + found.array.nbytes
        except DataError as error:
            reason = str(error)
        if seen == (1 if source.ids is None else _SAMPLE) or (seen >= _LEAST and size > _BYTES):
            break
    if not counts:
        raise DataError(f"no array of {name} can be read, {reason}")
    usual = max(counts, key=counts.__getitem__)
    if 2 * counts[usual] <= seen:
        other = next(width for width in counts if width != usual)
        raise DataError(
            f"{name} has no one width: {first[usual]} is {usual} wide, and {first[other]} is {other}; give the files "
            "of one encoder, or make the path narrower"
        )
    return usual
