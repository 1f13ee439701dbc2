"""Stores that hold only scores, made from a score bundle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...core.arguments import typed_arguments
from ...core.bundle import ScoreBundle
from ...core.errors import DataError
from ..layout.fingerprint import canonical, fingerprint
from ..layout.ledger import bind
from ..layout.leftovers import clear_leftovers
from ..layout.location import Location
from ..layout.new_store import prepare_root
from ..layout.root import writable_root
from ..layout.root_writer import write_root
from ..layout.schema import FORMAT, RATES, SCHEMA_VERSION
from ..layout.score_arrays import Head, write_scores
from ..reading.npz_file import open_npz
from ..score_blocks import BLOCK_MEMORY, ScoreBlocks
from ..storage.locks import release_lock, take_lock
from ..store import open_store
from ..write_rows import write_rows
from .bundle_npz import bundle_names, read_bundle
from .npz_rows import NpzRows

_VOCABULARY = "imported"
_SCORES = f"vocabularies/{_VOCABULARY}/scores"
_EXTRA = {"shards": "none"}


def import_file(
    path: str | os.PathLike[str], url: str | os.PathLike[str], *, memory: int = BLOCK_MEMORY
) -> ScoreBundle | ScoreBlocks:
    """Make a store of scores from a bundle file; returns the bundle, of larger files the blocks of the store.

    A file of more than ``memory`` bytes is read and written block by block, unless its windows are not in the order of
    their videos, or its arrays have their first axis fastest.

    Raises: DataError as :func:`.bundle_npz.read_bundle` and :func:`import_bundle` do.
    """
    with open_npz(path, "score bundle") as file:
        if file.unpacked_size > memory:
            rows = NpzRows(file, bundle_names(file))
            if rows.is_streamed:
                source = {"source": Path(path).name, "source_sha256": _sha256(path)}
                config = {"kind": "scores", "segment_seconds": rows.segment_seconds, **source}
                _make(url, config, rows, lambda place: write_rows(place, _SCORES, rows, _EXTRA, memory=memory))
                return open_store(url).score_blocks(memory=memory)
    bundle = read_bundle(path)
    import_bundle(bundle, url, {"source": Path(path).name, "source_sha256": _sha256(path)})
    return bundle


def _sha256(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@typed_arguments
def import_bundle(bundle: ScoreBundle, url: str | os.PathLike[str], source: Mapping[str, Any] | None = None) -> None:
    """Make a store that holds only scores, from a bundle.

    ``source`` says where the scores come from, as JSON values; it is the store's declared configuration. Importing the
    same again changes nothing.

    Raises
    ------
    DataError
        the place holds something else, or a store of other scores
    """
    config = {"kind": "scores", "segment_seconds": bundle.segment_seconds, **(source or {})}
    _make(url, config, bundle, lambda place: write_scores(place, _SCORES, bundle, _EXTRA))


def _make(
    url: str | os.PathLike[str], config: Mapping[str, Any], head: Head, write: Callable[[Location], None]
) -> None:
    """Make a store of scores with this configuration, as :func:`import_bundle`; ``write`` writes them."""
    place = Location(url)
    place.address.check_writable()
    beginning, is_new = prepare_root(place), False
    lock = take_lock(place)
    try:
        clear_leftovers(place)
        is_new = place.attributes(any_version=True) is None
        if not is_new:
            root = writable_root(place)
            if root["fingerprint"] != fingerprint(config):
                raise DataError(
                    f"{place.url} is a store of something else ({canonical(root['config'])[:200]}); "
                    "import into another path"
                )
            if root["ledger"] is not None and place.marker(_SCORES) is not None:
                return
        root = {
            "format": FORMAT, "schema_version": SCHEMA_VERSION, "kind": "scores",
            "fingerprint": fingerprint(config), "config": config, "plan": [list(head.video_ids)],
            "vocabulary": _VOCABULARY, "rates": RATES, "ledger": None, "inner": {},
        }  # fmt: skip
        write_root(place, root)
        labels = {"committed": True, "labels": list(head.labels), "audio_prompts": [], "visual_prompts": [],
                  "sha256": {}}  # fmt: skip
        with place.replacing(f"vocabularies/{_VOCABULARY}"):
            place.set_attributes(f"vocabularies/{_VOCABULARY}", labels)
            # the marker of the scores is the import's: without it nothing of the import counts
            write(place)
        bind(place, root)
    except BaseException:
        beginning.undo(also_root=is_new)  # an import that is refused leaves nothing
        raise
    finally:
        release_lock(lock)
