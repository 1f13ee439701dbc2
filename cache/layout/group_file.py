"""A group's zarr.json: its attributes as bytes and back, and the seal that binds them to their place in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...core.errors import DataError
from ..reading.files import MIB
from ..reading.json_file import parse_json
from ..reading.schema import refuse_deep
from .fingerprint import canonical
from .schema import STAGING_SUFFIX

MOST = 64 * MIB
"""Bytes of the zarr.json of a group: the ids of a million videos fit."""

DEPTH = 64
"""Levels of lists and objects in the attributes of a group."""


def group_bytes(attributes: Mapping[str, Any]) -> bytes:
    """The zarr.json of a group with these attributes, in the one spelling that is written."""
    return json.dumps({"attributes": attributes, "zarr_format": 3, "node_type": "group"}, indent=2).encode()


def parse_group(content: bytes, where: str) -> dict[str, Any]:
    """The attributes in a group's zarr.json. Raises: DataError for anything else."""
    try:
        group = parse_json(content, where)
    except DataError as error:
        raise DataError(f"{where} is damaged: {str(error).removeprefix(where).lstrip(', ')}") from None
    attributes = group.get("attributes") if isinstance(group, dict) else None
    if not isinstance(attributes, dict):
        raise DataError(f"{where} is damaged: it is not the JSON of a Zarr v3 group; restore it from a copy")
    refuse_deep(attributes, where, DEPTH)
    return attributes


def seal(name: str, attributes: Mapping[str, Any]) -> str:
    """sha256 over a group's place in the store and its attributes, in hex; a staged shard has the seal of its place."""
    others = {key: value for key, value in attributes.items() if key != "seal"}
    text = canonical({"group": name.removesuffix(STAGING_SUFFIX), "attributes": others})
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with their seal, which comes last."""
    others = {key: value for key, value in attributes.items() if key != "seal"}
    return {**others, "seal": seal(name, others)}


def seal_holds(name: str, attributes: Mapping[str, Any]) -> bool:
    """Whether attributes are those that were written at this place. Those of version 1 have no seal, which holds."""
    return "seal" not in attributes or attributes["seal"] == seal(name, attributes)
