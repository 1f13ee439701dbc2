"""Writing a score set into a store, see :mod:`.score_sets`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..core.bundle import ScoreBundle
from ..core.errors import DataError, UsageError
from .layout.fingerprint import fingerprint
from .layout.ledger import bind, unbind
from .layout.leftovers import clear_leftovers
from .layout.location import Location
from .layout.root import writable_root
from .layout.score_arrays import Head, write_scores
from .score_set_key import score_rows_key, score_set_key
from .score_sets import check_name, current_group, set_folder
from .storage.locks import release_lock, take_lock
from .store import Store
from .write_rows import Columns, write_rows


def write_score_set(
    url: str | os.PathLike[str],
    name: str,
    bundle: ScoreBundle,
    config: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Add scores to a store under a name; the store's own scores stay as they are.

    Parameters
    ----------
    bundle : the scores; its videos must be in the store, its labels may differ from the store's
    config : the settings that the scores depend on, as JSON values; its fingerprint is stored beside it
    overwrite : replace a set of this name; without it, other scores of the same name are refused. Writing the same
        scores and config again changes nothing

    Raises
    ------
    UsageError
        an invalid name, or a name that is in use
    DataError
        no store there, videos that it does not have, a store that another process is writing
    """
    check_name(name)
    place = Location(url)
    writable_root(place)
    store = Store(place)
    known = {r.id for r in store.videos}
    foreign = [v for v in bundle.video_ids if v not in known]
    if foreign:
        raise DataError(f"{place.url} has no video {foreign[0]!r}; a score set holds scores of the store's own videos")
    group = f"{set_folder(name)}/{score_set_key(bundle, config)}"
    lock = take_lock(place)
    try:
        clear_leftovers(place)
        root = writable_root(place)
        current = current_group(place, name)
        if current != group or place.marker(group) is None:
            if current is not None and not overwrite:
                raise UsageError(f"{place.url} has a score set {name!r} already; give another name, or --overwrite")
            unbind(place, root)
            put_score_set(place, name, bundle, config, store.shard_digest() if store.kind == "embeddings" else "none")
            clear_leftovers(place)  # the scores that these replaced
        bind(place, root)
    finally:
        release_lock(lock)


def put_score_set(place: Location, name: str, bundle: ScoreBundle, config: Mapping[str, Any], shards: str) -> None:
    """Write the group of a score set and make it the current one of its name; the caller holds the lock of the store.

    ``shards`` : the digest of the shards that the scores are of
    """
    key = score_set_key(bundle, config)
    write_scores(place, f"{set_folder(name)}/{key}", bundle, _extra(bundle, config, shards))
    place.set_attributes(set_folder(name), {"current": key})


def put_score_rows(
    place: Location, name: str, rows: Columns, config: Mapping[str, Any], shards: str, memory: int
) -> None:
    """As :func:`put_score_set` of the whole bundle; scores of more than ``memory`` bytes are written block by block."""
    if int(rows.bytes_per_video.sum()) <= memory:
        put_score_set(place, name, rows.read([(0, len(rows.video_ids))]), config, shards)
        return
    key = score_rows_key(rows, config, memory)
    write_rows(place, f"{set_folder(name)}/{key}", rows, _extra(rows, config, shards), memory=memory)
    place.set_attributes(set_folder(name), {"current": key})


def _extra(head: Head, config: Mapping[str, Any], shards: str) -> dict[str, Any]:
    return {"labels": list(head.labels), "config": dict(config), "fingerprint": fingerprint(config), "shards": shards}
