"""The folder of Parquet files that many predictions are written as: its parts, and of which run they are."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ... import __version__
from ...cache.atomic_write import atomic_file
from ...cache.places import cannot_write, make_folder, output_folder
from ...cache.reading.files import named
from ...core.errors import DataError, UsageError, shown
from .parquet_file import PartForm, part_of
from .parquet_part import write_part
from .predictions_table import Predictions

PARTS_OF: Final = "a folder of predictions"

PART_NAME: Final = re.compile(r"part-(\d{5,})\.parquet")

_WORDS: Final = {
    "store": "content hash of the store",
    "scores": "score set",
    "settings": "hash of the settings",
    "labels": "hash of the labels",
    "videos": "number of videos",
    "ids": "hash of the video ids",
    "part_videos": "number of videos a part",
    "avreplay": "version of avreplay",
    "other": "rest of the request",
}


def run_of(
    head: Mapping[str, Any], video_ids: Sequence[str], part_videos: int, other: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What tells a run from others: the scores, settings, labels, videos and parts, and the program."""
    source = head.get("made_from") or {}
    return {
        "store": source.get("store"),
        "scores": source.get("scores"),
        "settings": _digest(head["params"]),
        "labels": _digest(head["labels"]),
        "videos": len(video_ids),
        "ids": _digest(list(video_ids)),
        "part_videos": part_videos,
        "avreplay": __version__,
        "other": None if other is None else dict(other),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def refuse_other_run(where: str, there: Mapping[str, Any], here: Mapping[str, Any], mend: str) -> None:
    """Raises: UsageError naming what differs between the run of a part (``where``) and this one."""
    for key in dict.fromkeys([*_WORDS, *there, *here]):
        if there.get(key) != here.get(key):
            raise UsageError(
                f"{where} is of another run: the {_WORDS.get(key, key)} is {_short(there.get(key))} there and "
                f"{_short(here.get(key))} here; {mend}"
            )


def _short(value: Any) -> str:
    return "none" if value is None else shown(value)[1:17] if isinstance(value, str) else shown(value)


class PartsFolder:
    """A folder of parts while it is written.

    Attributes
    ----------
    done : how many parts an interrupted call of the same run has written, from the first on
    events : how many events of each track these hold

    Raises: as :func:`.predictions_writer.prediction_writer`.
    """

    def __init__(self, path: str | os.PathLike[str], head: str, run: Mapping[str, Any], *, overwrite: bool) -> None:
        self._head, self._run = head, dict(run)
        self._parts = max(1, -(-run["videos"] // run["part_videos"]))
        self._path = Path(os.path.realpath(path))
        if overwrite and self._path.is_file():
            _remove(self._path)
        self._new = not self._path.exists()
        make_folder(output_folder(path, PARTS_OF), PARTS_OF)
        self.done: int = 0
        self.events: list[int] = [0] * 3
        self._find(overwrite)

    def _find(self, overwrite: bool) -> None:
        """Find the parts of an interrupted call, and remove those that this one cannot go on from."""
        entries = part_files(self._path)
        found = [] if overwrite else [self._own(file) for file in entries]
        if overwrite or self._run["store"] is None:
            for file in entries:
                _remove(file)
            return
        for k, part in enumerate(found):
            if k != part.part:
                return
            self.done = k + 1
            self.events = [a + b for a, b in zip(self.events, part.events, strict=True)]

    def _own(self, file: Path) -> PartForm:
        """What a file says of itself. Raises: UsageError where it is not of this run."""
        mend = "give another path, remove it, or replace it with `replay --overwrite`"
        try:
            part = part_of(file)
        except DataError as error:
            raise UsageError(f"{error}; {mend}") from None
        if part is None or part_name(part.part) != file.name or part.parts != self._parts:
            raise UsageError(f"{named(file)} is no part of these predictions; {mend}")
        refuse_other_run(named(file), part.run, self._run, mend)
        return part

    def write(self, predictions: Predictions) -> None:
        """Write the next part."""
        counts = predictions.events.of_each_track()
        part = {"part": self.done, "parts": self._parts, "events": counts, "run": self._run}
        try:
            with atomic_file(self._path / part_name(self.done)) as file:
                write_part(file, self._head, predictions, part)
        except BaseException:
            if self._new:
                with suppress(OSError):  # it holds parts
                    os.rmdir(self._path)
            raise
        self.done += 1


def part_name(part: int) -> str:
    return f"part-{part:05}.parquet"


def part_files(folder: Path) -> list[Path]:
    """The parts that lie in a folder, in their order. Raises: DataError for a folder with other files."""
    try:
        entries = [e for e in os.listdir(folder) if not e.startswith(".")]
    except OSError as error:
        raise cannot_write(folder, error) from None
    other = sorted(e for e in entries if not PART_NAME.fullmatch(e) or (folder / e).is_dir())
    if other:
        raise DataError(
            f"cannot write {named(folder)}: it holds other files ({shown(other[0])}, for one); give a new folder"
        )
    return [folder / e for e in sorted(entries, key=lambda e: (len(e), e))]


def _remove(file: Path) -> None:
    try:
        os.remove(file)
    except OSError as error:
        raise cannot_write(file, error) from None
