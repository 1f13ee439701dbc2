"""What is said about an export: what the format has no place for, and videos without a media file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.errors import shown
from .events import EventList
from .registry import INDEX, Format

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How text begins that spreadsheets may compute. It is written as it is, so that other programs read the same names:
ids of YouTube begin with a dash as well."""


class Said:
    """Counts what there is to say while the events of an export go by, block by block."""

    def __init__(self, chosen: Format, with_media: bool) -> None:
        self._chosen, self._with_media = chosen, with_media
        self.events: int = 0
        self._scored = self._ranked = 0
        self._formulas: dict[str, None] = {}
        self._without: list[str] = []
        self._predicted, self._several = False, False

    def listening(self, blocks: Iterable[EventList]) -> Iterator[EventList]:
        """The blocks as they are, each counted before it is given."""
        for events in blocks:
            every = [e for video in events.videos for e in video.events]
            self.events += len(every)
            self._scored += sum(e.score is not None for e in every)
            self._ranked += sum(e.sureness is not None for e in every)
            is_csv = self._chosen.name == "csv"
            cells = [video.id for video in events.videos] if is_csv or self._chosen.layout == "video" else []
            cells += [e.label for e in every] if is_csv else []
            self._formulas |= dict.fromkeys(name for name in cells if name.startswith(FORMULA))
            self._without += [video.id for video in events.videos if video.media is None]
            self._predicted, self._several = events.kind == "predictions", len(events.tracks) > 1
            yield events

    def notes(self) -> Iterator[str]:
        """A sentence each, once all blocks went by."""
        name = self._chosen.name
        if self._scored and not self._chosen.scores:
            yield f"{name} has no place for scores: those of {counted(self._scored, 'event')} are left out"
        if self._formulas:
            where = "there" if name == "csv" else f"in {INDEX}"
            first = next(iter(self._formulas))
            words = f"that a spreadsheet may take for a formula ({shown(first)}, for one): import the columns as text"
            yield f"{counted(len(self._formulas), 'name')} {where} {words}"
        if self._predicted and name == "activitynet" and self._ranked < self.events:
            yield f"without a score, and written with 1: {counted(self.events - self._ranked, 'event')}"
        if self._several and name == "activitynet":
            yield "its evaluation does not tell tracks apart; export one with --tracks to use that"
        plays = name in ("elan", "labelstudio", "fiftyone")
        if plays and not self._with_media:
            yield f"without --media nothing says {name} where the videos are"
        elif plays and self._without:
            first = shown(self._without[0])
            yield f"without a media file there: {counted(len(self._without), 'video')} ({first}, for one)"


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
