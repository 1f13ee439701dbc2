"""The files of a store, to compare two of them byte by byte."""

from __future__ import annotations

import json
from pathlib import Path

from avreplay.cache.layout.ledger import unbind
from avreplay.cache.layout.location import Location
from avreplay.cache.layout.root import root_attributes


def tree(folder: Path) -> dict[str, bytes]:
    """Every file's bytes by its path; without the class of the backbone, which says where code lies, and the seal of
    the root that covers it: two classes that declare the same make the same embeddings."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    for name in found:
        if name.endswith("zarr.json") and b'"backbone_class"' in found[name]:
            group = json.loads(found[name])
            del group["attributes"]["backbone_class"], group["attributes"]["seal"]
            found[name] = json.dumps(group, indent=2).encode()
    return found


def begin_writing(folder: Path) -> None:
    """What a writer does first: from now on the store says that it is not finished."""
    unbind(Location(folder), root_attributes(Location(folder)))
