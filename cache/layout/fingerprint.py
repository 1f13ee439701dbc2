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
    """The name of a vocabulary in a store: a hash of its labels, prompts, logits and text embeddings, 16 hex digits."""
    digest = hashlib.sha256()
    names = [list(vocabulary.labels), *(list(getattr(vocabulary, f"{m}_prompts")) for m in vocabulary.modalities)]
    logits = {"logits": dict(vocabulary.logits)} if vocabulary.logits else {}
    digest.update(canonical({"names": names, **logits}).encode())
    for modality in vocabulary.modalities:
        digest.update(np.ascontiguousarray(vocabulary.text(modality), np.float32).tobytes())
    return digest.hexdigest()[:16]


def content_hash(names: Mapping[str, Sequence[str]], arrays: Mapping[str, NDArray[Any]]) -> str:
    """sha256 of values, in hex: however they are chunked, and whatever writes them, the same values have the same one.

    names : lists of names that the rows belong to, such as video ids
    arrays : by name; their dtypes and shapes count too
    """
    digest = ContentDigest(names, {name: (array.dtype, array.shape) for name, array in arrays.items()})
    for name in digest.order:
        digest.update(arrays[name])
    return digest.hexdigest()


class ContentDigest:
    """:func:`content_hash` of arrays that come in blocks of rows: one array after the other, in :attr:`order`.

    names : lists of names that the rows belong to
    arrays : the dtype and the shape of each array, by name
    """

    def __init__(
        self, names: Mapping[str, Sequence[str]], arrays: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
    ) -> None:
        self.order: list[str] = sorted(arrays)
        """The names of the arrays, as their rows have to come."""
        shapes = {name: [dtype.newbyteorder("<").str, list(shape)] for name, (dtype, shape) in arrays.items()}
        lists = {key: list(value) for key, value in names.items()}
        self._digest = hashlib.sha256(canonical({"names": lists, "arrays": shapes}).encode())

    def update(self, rows: NDArray[Any]) -> None:
        """The next rows."""
        if rows.size:
            values = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
            self._digest.update(values.reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        """sha256 of all of it, in hex."""
        return self._digest.hexdigest()


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
