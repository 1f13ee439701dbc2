"""Hashes of a declared configuration, of a vocabulary and of values; the differences of two configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .schema import Vocabulary

_ABSENT = "not set"


def canonical(config: Mapping[str, Any]) -> str:
    """The configuration as JSON in one spelling: sorted keys, no spaces."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(config: Mapping[str, Any]) -> str:
    """sha256 of the declared configuration, in hex."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def vocabulary_id(vocabulary: Vocabulary) -> str:
    """The name of a vocabulary in a store: a hash of its labels, prompts and text embeddings, 16 hex digits."""
    digest = hashlib.sha256()
    names = [list(vocabulary.labels), list(vocabulary.audio_prompts), list(vocabulary.visual_prompts)]
    digest.update(canonical({"names": names}).encode())
    for text in (vocabulary.audio_text, vocabulary.visual_text):
        digest.update(np.ascontiguousarray(text, np.float32).tobytes())
    return digest.hexdigest()[:16]


def content_hash(names: Mapping[str, Sequence[str]], arrays: Mapping[str, NDArray[Any]]) -> str:
    """sha256 of values, in hex: however they are chunked, and whatever writes them, the same values have the same one.

    names : lists of names that the rows belong to, such as video ids
    arrays : by name; their dtypes and shapes count too
    """
    digest = hashlib.sha256()
    shapes = {name: [array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in arrays.items()}
    digest.update(canonical({"names": {key: list(value) for key, value in names.items()}, "arrays": shapes}).encode())
    for name in sorted(arrays):
        values = arrays[name]
        digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8).data)
    return digest.hexdigest()


def differences(stored: Mapping[str, Any], given: Mapping[str, Any], where: str = "the store") -> list[str]:
    """One phrase per setting that differs, e.g. ``backbone.weights is 'a' in the store and 'b' in this run``."""
    old, new = dict(_flat(stored)), dict(_flat(given))
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
