"""A leaderboard: every decoder of every store with what it reaches, ranked, and compared with one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...cache.tabular import Tabular
from ..intervals import Estimate
from ..replay import stored_params
from .figures import Reached
from .rows import Row

SCHEMA = "avreplay.leaderboard/1"


@dataclass(frozen=True, eq=False)
class Standing:
    """A row with its place.

    Attributes
    ----------
    rank : among all rows, 1 for the best; None without figures
    reached : None where the row has a problem
    baseline : name of the row that it is compared with, ``STORE/NAME``; None for that one itself, and without one
    differences : this row minus that one
    """

    row: Row
    rank: int | None
    reached: Reached | None
    baseline: str | None
    differences: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``STORE/NAME``."""
        return self.row.key

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of the row and of its figures, a sentence each."""
        return (*self.row.notes, *(() if self.reached is None else self.reached.evaluation.notes))

    def figure(self, name: str) -> Estimate | None:
        """A figure of the report split; None without."""
        return None if self.reached is None else self.reached.figures.get(name)


@dataclass(frozen=True)
class Lead:
    """The best row and the one behind it: by how much it is ahead, and whether the interval of that excludes zero
    (None without an interval)."""

    first: str
    second: str
    ahead: Estimate
    separated: bool | None


@dataclass(frozen=True, eq=False)
class Leaderboard(Tabular):
    """What ``avreplay leaderboard`` found.

    Attributes
    ----------
    about : what was tuned and reported on what: for JSON
    stores : names of the stores, in the order given
    names : of the decoders, in the order given
    rank_by : name of the figure that ranks
    shown : names of the figures that tables show, that one first
    standings : of each store the rows in the order of the decoders
    baseline : as it was asked for, or chosen
    lead : None where fewer than two rows have a figure that ranks them
    notes : what a reader should know, a sentence each
    title : of a figure: of its group of columns, and its own
    files : that were written
    seconds : that this run took
    """

    about: Mapping[str, Any]
    stores: tuple[str, ...]
    names: tuple[str, ...]
    rank_by: str
    shown: tuple[str, ...]
    standings: tuple[Standing, ...]
    baseline: str | None
    lead: Lead | None
    notes: tuple[str, ...]
    titles: Mapping[str, str]
    files: Mapping[str, str]
    seconds: float

    def __repr__(self) -> str:
        best = "no rows" if not self.ranked else f"best {self.ranked[0].key}"
        return f"<Leaderboard of {len(self.names)} decoders on {len(self.stores)} stores: {best}>"

    @property
    def ranked(self) -> list[Standing]:
        """The rows that have figures, from the best down."""
        return sorted((one for one in self.standings if one.rank is not None), key=lambda one: one.rank or 0)

    def columns(self) -> dict[str, list[Any]]:
        """A row for each standing: ``store``, ``decoder``, ``rank``, each figure that is shown with ``_low`` and
        ``_high``, and the difference to the baseline in what ranks, with bounds and p."""
        found: dict[str, list[Any]] = {
            "store": [one.row.store for one in self.standings],
            "decoder": [one.row.name for one in self.standings],
            "rank": [one.rank for one in self.standings],
        }
        for name in self.shown:
            of_each = [one.figure(name) for one in self.standings]
            for part in ("figure", "low", "high"):
                column = name if part == "figure" else f"{name}_{part}"
                found[column] = [None if e is None else e.as_dict()[part] for e in of_each]
        for part in ("figure", "low", "high", "p"):
            column = "difference" if part == "figure" else f"difference_{part}"
            found[column] = [
                one.differences[self.rank_by].as_dict()[part] if self.rank_by in one.differences else None
                for one in self.standings
            ]
        return found

    def content(self) -> dict[str, Any]:
        """What ``leaderboard.json`` holds: the same bytes for the same inputs."""
        lead = self.lead
        return {
            "schema": SCHEMA,
            **self.about,
            "rank_by": self.rank_by,
            "headline": list(self.shown),
            "baseline": self.baseline,
            "lead": None
            if lead is None
            else {
                "first": lead.first, "second": lead.second, "ahead": lead.ahead.as_dict(), "separated": lead.separated
            },
            "notes": list(self.notes),
            "rows": [_as_dict(one, self.notes) for one in self.standings],
        }  # fmt: skip

    def timing(self) -> dict[str, Any]:
        """What ``timing.json`` holds: seconds of this run; of each row those of its search, with the settings that they
        were for, and the microseconds that its decoding takes a video."""
        rows = {
            one.key: {
                "tuning_seconds": one.row.seconds,
                "of_settings": one.row.timed,
                "decoding_us_per_video": None if one.reached is None else one.reached.microseconds,
            }
            for one in self.standings
        }
        return {"seconds": self.seconds, "rows": rows}

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay leaderboard --json`` prints."""
        return {**self.content(), "timing": self.timing(), "files": dict(self.files)}


def _as_dict(one: Standing, of_all: Sequence[str]) -> dict[str, Any]:
    row, at = one.row, one.reached
    setting = None if row.decoder is None or row.params is None else stored_params(row.decoder, row.params)
    return {
        "store": row.store,
        "decoder": row.name,
        "rank": one.rank,
        "tuned": row.tuned,
        "problem": row.problem or None,
        "notes": [note for note in one.notes if note not in of_all],
        "setting": setting,
        "searched": list(row.searched),
        "settings_tried": row.tried,
        "tune_value": row.value,
        "tune_start_value": row.start_value,
        "folder": row.folder,
        "videos_scored": None if at is None else at.evaluation.videos_scored,
        "ids_sha256": None if at is None else at.evaluation.ids_sha256,
        "figures": None if at is None else {name: e.as_dict() for name, e in at.figures.items()},
        "compared_with": one.baseline,
        "differences": {name: e.as_dict() for name, e in one.differences.items()} if one.baseline else None,
    }


def ranks(values: Sequence[float | None]) -> list[int | None]:
    """Places of figures, 1 for the highest, equal ones in their order; an undefined one comes last, None has none."""
    some = [(math.isnan(value), -value, i) for i, value in enumerate(values) if value is not None]
    place = {i: rank + 1 for rank, (_, _, i) in enumerate(sorted(some, key=_undefined_last))}
    return [place.get(i) for i in range(len(values))]


def _undefined_last(one: tuple[bool, float, int]) -> tuple[bool, float, int]:
    undefined, value, i = one
    return undefined, 0.0 if undefined else value, i
