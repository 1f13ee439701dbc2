"""Which decoders a leaderboard has: all there are, or those named; tuned, or under a preset as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.decoders.base import Decoder
from ...core.decoders.registry import DECODERS
from ...core.errors import UsageError


@dataclass(frozen=True, eq=False)
class Entry:
    """A decoder of a leaderboard.

    Attributes
    ----------
    name : of its rows
    decoder : what finds it, a registered name or ``package.module:Class``
    preset : that it is reported under, untuned; None where it is tuned
    found : itself; None for a plug-in that is broken, ``problem`` says how
    """

    name: str
    decoder: str
    preset: str | None = None
    found: Decoder[Any] | None = None
    problem: str = ""


def chosen_entries(names: str | None) -> list[Entry]:
    """The decoders that are named, with commas between them; every registered one where nothing is.

    Raises: UsageError for a name that is empty or given twice, an unknown decoder or preset. A broken plug-in that is
        not named is an entry with a problem.
    """
    if names is None:
        return [_registered(name) for name in DECODERS]
    given = [name.strip() for name in names.split(",")]
    if not all(given):
        raise UsageError(f"--decoders {names} has an empty name; write names with commas between them")
    twice = next((name for i, name in enumerate(given) if name in given[:i]), None)
    if twice is not None:
        raise UsageError(f"--decoders {names} names {twice} twice; name it once")
    return [_named(name) for name in given]


def _registered(name: str) -> Entry:
    try:
        return Entry(name, name, found=DECODERS.get(name))
    except UsageError as error:
        return Entry(name, name, problem=str(error))


def _named(name: str) -> Entry:
    of, colon, preset = name.rpartition(":")
    # what is before the last colon is a decoder: a registered name, or package.module:Class
    if not colon or not (of in DECODERS or ":" in of):
        return Entry(name, name, found=DECODERS.get(name))
    found = DECODERS.get(of)
    found.make_params(preset)
    return Entry(name, of, preset, found)
