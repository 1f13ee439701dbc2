"""Score sets: additional scores of a store's videos under a name, such as those of a fine-tuned model (derived data).

Layout: ``score_sets/NAME/`` has one attribute, ``current``, the name of the group below it that holds the scores, with
its own commit marker. A new set is written beside the current one and takes its place in one atomic write, so that
readers find the old set or the new one. They are written by :mod:`.score_set_writer`; readers that do not know score
sets do not open that folder.
"""

from __future__ import annotations

from typing import Any

from ..core.bundle import ScoreBundle
from ..core.errors import DataError, UsageError
from .layout.attributes import ScoreSetMarker, ScoreSetPointer, check_attributes, typed_marker
from .layout.location import Location
from .layout.schema import FOLDER_NAME, SCORE_SETS_FOLDER
from .layout.score_arrays import read_scores
from .layout.score_rows import ScoreRows


def check_name(name: str) -> str:
    """The name, if it is valid for a score set. Raises: UsageError."""
    if not FOLDER_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a score set; use up to 64 letters, digits, - and _, not - or _ first"
        )
    return name


def set_folder(name: str) -> str:
    """The folder of a score set."""
    return f"{SCORE_SETS_FOLDER}/{name}"


def score_set_names(place: Location) -> list[str]:
    """Names of all score sets, finished or not, sorted."""
    found = {f.split("/")[1] for f in place.files(SCORE_SETS_FOLDER) if f.count("/") > 1}
    return sorted(n for n in found if FOLDER_NAME.fullmatch(n))


def current_group(place: Location, name: str) -> str | None:
    """The group that holds a set's scores; None where no set of this name was finished."""
    attributes = place.attributes(set_folder(name))
    if not attributes:
        return None
    check_attributes(place, set_folder(name), attributes, ScoreSetPointer)
    return f"{set_folder(name)}/{attributes['current']}"


def read_score_set(place: Location, name: str) -> ScoreBundle:
    """The scores of a set. Raises: UsageError for an unknown name; DataError for a damaged set."""
    group, marker = _open(place, name)
    return read_scores(place, group, marker, marker["labels"])


def score_set_rows(place: Location, name: str) -> ScoreRows:
    """As :func:`read_score_set`, of which the scores of some videos are read."""
    group, marker = _open(place, name)
    return ScoreRows(place, group, marker, marker["labels"])


def declared_score_sets(place: Location, shards: str) -> dict[str, dict[str, Any]]:
    """What :attr:`.store.Store.score_sets` shows; ``shards`` is the digest of the shards that are committed now."""
    out: dict[str, dict[str, Any]] = {}
    for name in score_set_names(place):
        if current_group(place, name) is not None:
            marker = _open(place, name)[1]
            out[name] = {
                "config": marker["config"],
                "labels": marker["labels"],
                "videos": len(marker["video_ids"]),
                "current": marker["shards"] == shards,
            }
    return out


def _open(place: Location, name: str) -> tuple[str, dict[str, Any]]:
    """The group of a set and its marker."""
    group = current_group(place, check_name(name))
    if group is None:
        known = [n for n in score_set_names(place) if current_group(place, n)]
        offer = f"it has {', '.join(known)}" if known else "it has none; `avreplay finetune` makes one"
        raise UsageError(f"{place.url} has no score set {name!r}; {offer}")
    marker = typed_marker(place, group, ScoreSetMarker)
    if marker is None:
        raise DataError(f"the score set {name!r} of {place.url} is damaged; write it again with --overwrite")
    return group, marker
