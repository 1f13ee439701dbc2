"""The content of a store at a glance, as ``avreplay info`` prints it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..core.errors import DataError
from .joined import JoinedStore, open_stores
from .layout.location import Location
from .layout.schema import INNER_STORES_FOLDER, count_notes, rates_of
from .store import Store


def store_info(url: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """The configuration, videos, labels, scores and inner stores of a store, as JSON values; of several stores, what
    :func:`.joined.open_stores` makes of them, with their URLs as ``stores``.

    Raises: as :func:`.joined.open_stores`.
    """
    store = open_stores(url)
    parts = store.stores if isinstance(store, JoinedStore) else (store,)
    records = store.videos
    inner, foreign = _inner_info(store)
    return {
        "url": store.url,
        "kind": store.kind,
        "schema_version": store.schema_version,
        "fingerprint": store.fingerprint,
        "content_hash": store.content_hash if store.schema_version > 1 else None,
        "complete": store.complete,
        "videos_planned": store.expected,
        "videos": len(records),
        "status": dict(sorted(Counter(r.status for r in records).items())),
        "videos_with_data": sum(r.has_data for r in records),
        "segments": sum(r.segments for r in records if r.has_data),
        "shards_planned": len(store.plan),
        "shards_committed": len(store.committed),
        **({"rates": rates_of(store.config)} if store.kind == "embeddings" else {}),
        "labels": list(store.labels),
        "vocabularies": store.vocabulary_ids,
        "scores_current": store.scores_are_current(),
        "score_sets": store.score_sets,
        "backbones": inner,
        "foreign": foreign,
        "bytes": sum(_bytes(Location(part.url)) for part in parts),
        **({"subset": store.subset} if store.subset is not None else {}),
        **({"stores": [part.url for part in parts]} if isinstance(store, JoinedStore) else {}),
        "note_counts": count_notes(r.notes for r in records),
        "notes": {r.id: [vars(note) for note in r.notes] for r in records if r.notes},
        "failures": [r.as_dict() for r in records if r.status != "ok"],
        "config": store.config,
    }


def _inner_info(store: Store) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """A summary of each inner store by backbone; and the problem of everything else in their folder, by path."""
    urls, foreign = store.inner()
    inner: dict[str, dict[str, Any]] = {}
    for name, url in urls.items():
        place = Location(url)
        try:
            one = Store(place)
            inner[name] = {
                "url": one.url,
                "fingerprint": one.fingerprint,
                "complete": one.complete and one.expected == store.expected,
                "videos_planned": store.expected,
                "videos": len(one.videos),
                "bytes": _bytes(place),
            }
        except DataError as error:
            foreign[f"{INNER_STORES_FOLDER}/{name}"] = f"cannot be read: {error}"
    return inner, foreign


def _bytes(place: Location) -> int:
    return sum(place.own_sizes().values())
