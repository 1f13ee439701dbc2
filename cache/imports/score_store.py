"""Stores that hold only scores, made from a score bundle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
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
from ..layout.score_arrays import write_scores
from ..storage.locks import release_lock, take_lock
from .bundle_npz import read_bundle

_VOCABULARY = "imported"
_SCORES = f"vocabularies/{_VOCABULARY}/scores"


def import_file(path: str | os.PathLike[str], url: str | os.PathLike[str]) -> ScoreBundle:
    """Make a store of scores from a bundle file; returns the bundle.

    Raises: DataError as :func:`.bundle_npz.read_bundle` and :func:`import_bundle` do.
    """
    bundle = read_bundle(path)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    import_bundle(bundle, url, {"source": Path(path).name, "source_sha256": digest})
    return bundle


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
            "fingerprint": fingerprint(config), "config": config, "plan": [list(bundle.video_ids)],
            "vocabulary": _VOCABULARY, "rates": RATES, "ledger": None, "inner": {},
        }  # fmt: skip
        write_root(place, root)
        labels = {"committed": True, "labels": list(bundle.labels), "audio_prompts": [], "visual_prompts": [],
                  "sha256": {}}  # fmt: skip
        with place.replacing(f"vocabularies/{_VOCABULARY}"):
            place.set_attributes(f"vocabularies/{_VOCABULARY}", labels)
            # the marker of the scores is the import's: without it nothing of the import counts
            write_scores(place, _SCORES, bundle, {"shards": "none"})
        bind(place, root)
    except BaseException:
        beginning.undo(also_root=is_new)  # an import that is refused leaves nothing
        raise
    finally:
        release_lock(lock)
