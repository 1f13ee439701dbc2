"""Several stores read as one: their videos one after the other, in the order in which the stores were given.

Nothing is copied. What could make the figures of the whole differ from those of its parts is refused when they are
opened (:mod:`.joined_checks`).
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import typed_arguments
from ..core.bundle import ScoreBundle
from ..core.errors import DataError, UsageError
from ..core.pooling import pool_of
from .computed_rows import ComputedRows
from .join_shards import join_arrays
from .joined_checks import joined_bundle, refuse_common_videos, refuse_different
from .joined_rows import JoinedRows
from .layout.fingerprint import canonical, fingerprint
from .layout.schema import VideoRecord, Vocabulary
from .score_blocks import Rows
from .several import store_urls
from .store import Store, open_store

_log = logging.getLogger("avreplay")


class JoinedStore(Store):
    """Several stores with the reading interface of one; open it with :func:`open_stores`.

    What it gives is what its stores give, one after the other, to the bit: each computes its own scores.

    Attributes
    ----------
    stores : in order
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores: tuple[Store, ...] = tuple(stores)
        self._first = self.stores[0]
        for other in self.stores[1:]:
            refuse_different(self._first, other)
        refuse_common_videos(self.stores)
        self._begin = [0, *itertools.accumulate(len(store.plan) for store in self.stores)]

    def __repr__(self) -> str:
        videos = f"{self.expected} videos in {len(self.stores)} stores"
        return f"<JoinedStore {self._first.url} …: {self.kind}, {videos}>"

    @property
    def url(self) -> str:
        """The paths and URLs of the stores, for messages: it cannot be opened."""
        shown = [store.url for store in self.stores[:3]]
        rest = len(self.stores) - len(shown)
        return " + ".join([*shown, *([f"{rest} more stores"] if rest else [])])

    @property
    def kind(self) -> str:
        return self._first.kind

    @property
    def config(self) -> dict[str, Any]:
        """The declared configuration, as far as it is that of all."""
        configs = [store.config for store in self.stores]
        return {k: v for k, v in configs[0].items() if all(k in c and c[k] == v for c in configs)}

    @property
    def backbone_class(self) -> str | None:
        return next((s.backbone_class for s in self.stores if s.backbone_class is not None), None)

    @property
    def fingerprint(self) -> str:
        """sha256 of :attr:`config`, in hex."""
        return fingerprint(self.config)

    @property
    def schema_version(self) -> int:
        """The oldest of the stores'."""
        return min(store.schema_version for store in self.stores)

    @property
    def subset(self) -> dict[str, Any] | None:
        """None: several stores are no subset of one."""
        return None

    # --- videos ------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> list[list[str]]:
        return [ids for store in self.stores for ids in store.plan]

    @property
    def expected(self) -> int:
        return sum(store.expected for store in self.stores)

    @cached_property
    def content_hash(self) -> str | None:
        """sha256 of the content hashes of the stores, in hex, whatever their order; None where one has none."""
        found = [hash for store in self.stores if (hash := store.content_hash) is not None]
        if len(found) < len(self.stores):
            return None
        return hashlib.sha256(canonical({"stores": sorted(found)}).encode()).hexdigest()

    @property
    def committed(self) -> list[int]:
        """Indices of the shards that are complete, counted over all stores, sorted."""
        return [k + i for k, store in zip(self._begin, self.stores, strict=False) for i in store.committed]

    @property
    def complete(self) -> bool:
        return all(store.complete for store in self.stores)

    def _of(self, shard: int) -> tuple[Store, int]:
        """The store of a shard, and its index there."""
        k = int(np.searchsorted(self._begin, shard, "right")) - 1
        return self.stores[k], shard - self._begin[k]

    def records_of(self, shard: int) -> list[VideoRecord]:
        store, index = self._of(shard)
        return store.records_of(index)

    @property
    def videos(self) -> list[VideoRecord]:
        """The records of all videos of the committed shards, store by store."""
        return [record for store in self.stores for record in store.videos]

    def shard_group(self, shard: int) -> tuple[str, dict[str, Any]]:
        store, index = self._of(shard)
        return store.shard_group(index)

    def shard_markers(self) -> dict[str, dict[str, Any]]:
        """The markers of the committed shards, by URL and group."""
        return {f"{s.url}/{group}": marker for s in self.stores for group, marker in s.shard_markers().items()}

    def shard_digest(self) -> str:
        digests = [store.shard_digest() for store in self.stores]
        return hashlib.sha256(canonical({"stores": digests}).encode()).hexdigest()

    # --- labels ------------------------------------------------------------------------------------------------

    @property
    def vocabulary_ids(self) -> list[str]:
        """The ids of the vocabularies that all stores have, sorted."""
        return sorted(set.intersection(*(set(store.vocabulary_ids) for store in self.stores)))

    @property
    def vocabulary_id(self) -> str | None:
        return self._first.vocabulary_id

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        return self._first.vocabulary

    @property
    def labels(self) -> tuple[str, ...]:
        return self._first.labels

    def text_mend(self) -> str:
        return self._first.text_mend()

    # --- embeddings --------------------------------------------------------------------------------------------

    def shard_arrays(self, shard: int, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        store, index = self._of(shard)
        return store.shard_arrays(index, names)

    def embeddings(self) -> dict[str, NDArray[Any]]:
        found = [(store.embeddings(), store.videos) for store in self._not_empty()]
        return join_arrays([arrays for arrays, _ in found], [records for _, records in found])

    def segment_embeddings(self, modality: str) -> tuple[list[VideoRecord], NDArray[Any]]:
        found = [store.segment_embeddings(modality) for store in self._not_empty()]
        return [r for records, _ in found for r in records], np.concatenate([rows for _, rows in found])

    def _not_empty(self) -> Sequence[Store]:
        """The stores that have a shard; the first one where none has."""
        return [store for store in self.stores if store.committed] or self.stores[:1]

    # --- scores ------------------------------------------------------------------------------------------------

    def bundle(self, scores: str | None = None) -> ScoreBundle:
        """The scores of every video with data, store by store.

        ``scores`` names a score set of all stores to read instead, or is ``pool:RULE`` as in :meth:`Store.bundle`.

        Raises
        ------
        DataError
            no vocabulary, damaged arrays, scores of another kind or other arrays, a score set of other settings
        UsageError
            a store without a score set of this name
        """
        if scores is not None:
            self._refuse_other_set(scores)
        return joined_bundle([(store.url, store.bundle(scores)) for store in self.stores])

    def _refuse_other_set(self, name: str) -> None:
        if pool_of(name) is not None:
            return
        sets = [store.score_sets for store in self.stores]
        having = [s.url for s, known in zip(self.stores, sets, strict=True) if name in known]
        for store, known in zip(self.stores, sets, strict=True):
            if name not in known and having:
                raise UsageError(
                    f"{having[0]} has a score set {name!r} and {store.url} has none; make one there, or leave it out"
                )
        for store, known in zip(self.stores, sets, strict=True):
            if having and known[name]["config"] != sets[0][name]["config"]:
                raise DataError(
                    f"the score set {name!r} of {store.url} was made under other settings than that of "
                    f"{self._first.url}; give stores whose sets were made alike"
                )

    def computed_bundle(self) -> ScoreBundle:
        return joined_bundle([(store.url, store.computed_bundle()) for store in self.stores])

    def cosines(self, *, fused: bool = False) -> ScoreBundle:
        return joined_bundle([(store.url, store.cosines(fused=fused)) for store in self.stores])

    def computed_rows(self) -> ComputedRows:
        """Raises: UsageError; scores are computed and written in each store by itself."""
        raise UsageError(f"{self.url} stands for several stores, and scores are computed in each by itself; name one")

    def _score_rows(self, scores: str | None, cosine: bool, fused: bool) -> Rows:
        if scores is not None:
            self._refuse_other_set(scores)
        return JoinedRows([(store.url, store._score_rows(scores, cosine, fused)) for store in self.stores])

    def scores_are_current(self) -> bool:
        """Whether every store has scores of the shards that are committed now."""
        return all(store.scores_are_current() for store in self.stores)

    @property
    def score_sets(self) -> dict[str, dict[str, Any]]:
        """The score sets that all stores have under one name, made alike; see :attr:`Store.score_sets`."""
        sets = [store.score_sets for store in self.stores]
        return {
            name: {
                **first,
                "videos": sum(found[name]["videos"] for found in sets),
                "current": all(found[name]["current"] for found in sets),
            }
            for name, first in sets[0].items()
            if all(name in s and all(s[name][key] == first[key] for key in ("config", "labels")) for s in sets)
        }

    # --- inner stores ------------------------------------------------------------------------------------------

    def inner(self) -> tuple[dict[str, str], dict[str, str]]:
        """Nothing: the stores inside the stores are joined by their own paths."""
        return {}, {}


@typed_arguments
def open_stores(stores: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Store:
    """Open one store or several as one: their videos one after the other, see :class:`JoinedStore`.

    Parameters
    ----------
    stores : a path or URL; a pattern such as ``runs/*.store``; a file ``NAME.stores.toml`` with
        ``stores = ["a.store", "b.store"]``, relative to itself; or a sequence of these

    Raises
    ------
    DataError
        no store there, something else there, a damaged or a newer store, a pattern that matches nothing; stores that
        have a video in common, or differ in encoder, configuration, labels, or kind of scores: both are named
    UsageError
        a URL whose filesystem is unknown or not installed, the same store twice
    """
    opened = [open_store(url) for url in store_urls(stores)]
    if len(opened) == 1:
        return opened[0]
    joined = JoinedStore(opened)
    for line in unfinished(opened):
        _log.warning(line)
    return joined


def unfinished(stores: Sequence[Store]) -> Iterator[str]:
    """A sentence on each store whose extraction has not come to its end."""
    for store in stores:
        if not store.complete:
            has = f"{len(store.committed)} of {len(store.plan)} shards"
            yield f"{store.url} is not finished: it has {has}, whose videos are read"
