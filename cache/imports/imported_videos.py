"""The videos of a store of imported scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import DataError
from ..layout.location import Location
from ..layout.schema import VideoRecord
from ..layout.score_arrays import VIDEO_ARRAYS

_STATUS = {(True, True): "ok", (False, True): "no_audio", (True, False): "no_video"}


def imported_videos(place: Location, group: str, marker: Mapping[str, Any]) -> list[VideoRecord]:
    """The records of the videos of a group of scores with this marker. Raises: DataError where it is damaged."""
    segments, audio, visual = place.read_arrays([f"{group}/{array}" for array in VIDEO_ARRAYS]).values()
    if segments is None or audio is None or visual is None:
        raise DataError(f"the scores of {place.url} are incomplete; run `avreplay import` again into a new path")
    seconds = marker["segment_seconds"]
    count = (len(marker["video_ids"]),)
    if any(a.shape != count for a in (segments, audio, visual)) or (count[0] and segments.min() < 0):
        raise DataError(
            f"the scores of {place.url} are damaged: {' and '.join(VIDEO_ARRAYS)} do not fit its {count[0]} videos; "
            "import them again into a new path"
        )
    return [
        VideoRecord(v, _STATUS.get((bool(a), bool(s)), "failed"), "", int(n), float(n) * seconds)
        for v, n, a, s in zip(marker["video_ids"], segments, audio, visual, strict=True)
    ]


def interrupted_import(url: str) -> DataError:
    """The error of a store whose import of scores did not come to its end."""
    return DataError(f"the import into {url} was interrupted; run `avreplay import` again")
