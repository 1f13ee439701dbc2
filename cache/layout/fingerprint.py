"""The fingerprint of an extraction: a hash of its declared configuration, and how two of them differ, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

_ABSENT = "not set"


def canonical(config: Mapping[str, Any]) -> str:
    """The configuration as JSON with one spelling: sorted keys, no spaces."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(config: Mapping[str, Any]) -> str:
    """sha256 of the declared configuration, in hex."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any], where: str = "the store") -> list[str]:
    """One phrase per setting that differs, e.g. ``backbone.weights is 'a' in the store and 'b' in this run``."""
    old, new = dict(_flat(stored)), dict(_flat(asked))
    return [
        f"{key} is {old.get(key, _ABSENT)!r} in {where} and {new.get(key, _ABSENT)!r} in this run"
        for key in sorted(old.keys() | new.keys())
        if old.get(key, _ABSENT) != new.get(key, _ABSENT)
    ]


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
