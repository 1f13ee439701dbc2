"""What a search is on, in a form that two searches are compared by: scores, annotations, options of the metric."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle
from ...core.decoders.base import Inputs
from ...core.decoders.input_blocks import InputBlocks, parts_of
from ...core.errors import DataError, shown
from ...core.events import Events
from ...core.params.options import OptionSet
from ...core.target import Target
from ..mean_embeddings import STORE

_OWN_METRICS = ("llp", "ave_accuracy", "ovavel")


_LATER = ("audio_frames",)
"""Fields that earlier searches know nothing of: where they are absent, a search is the one that it was."""


def target_digest(target: Target) -> str:
    """SHA-256 of what settings are scored against: annotations and the options of the metric."""
    truth = target.truth
    parts = {"truth": truth.events, "segments": truth.segments, "num_labels": len(truth.labels),
             "to_label": target.to_label, "cut": target.cut, **target.metric.declared(truth)}  # fmt: skip
    # the options alone tell the package's own metrics apart
    named = {} if target.metric.name in _OWN_METRICS else {"metric": target.metric.name}
    return content_digest({**parts, **named})


def content_digest(content: Any) -> str:
    """SHA-256 of every field of a dataclass or value of a mapping: two searches are the same only on the same scores
    and annotations."""
    digest = hashlib.sha256()

    def feed(value: Any) -> None:
        named = value if isinstance(value, Mapping) else {f.name: getattr(value, f.name) for f in fields(value)}
        if isinstance(value, Events):  # columns that came later count where there are any
            named = {name: part for name, part in named.items() if part is not None}
        for name, part in named.items():
            if name in _LATER and part is None:
                continue
            digest.update(name.encode())
            if is_dataclass(part):
                feed(part)
            elif isinstance(part, np.ndarray):
                digest.update(f"{part.dtype}{part.shape}".encode())
                digest.update(_bytes_of(part))
            else:
                digest.update(repr(part).encode())

    feed(content)
    return digest.hexdigest()


def scores_digest(inputs: Inputs | InputBlocks) -> str:
    """:func:`content_digest` of the scores. Those that are read in blocks are read once for each of their arrays, which
    follow one another in it, and once before, for their shapes."""
    if isinstance(inputs, Inputs):
        return content_digest(inputs.scores)
    digest = hashlib.sha256()
    shapes: dict[str, tuple[str, int, tuple[int, ...]]] = {}
    for _, block in parts_of(inputs):
        for name, array in _arrays(block.scores).items():
            rows = shapes[name][1] if name in shapes else 0
            shapes[name] = str(array.dtype), rows + len(array), array.shape[1:]
    for f in fields(ScoreBundle):
        if f.name in _LATER and f.name not in shapes:
            continue
        digest.update(f.name.encode())
        if f.name not in shapes:
            digest.update(repr(getattr(inputs.scores, f.name)).encode())
            continue
        dtype, rows, tail = shapes[f.name]
        digest.update(f"{dtype}{(rows, *tail)}".encode())
        for videos, block in parts_of(inputs):
            array = getattr(block.scores, f.name)
            digest.update(_bytes_of(array + videos.start if f.name == "window_video" else array))
    return digest.hexdigest()


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """The bytes of an array in order, which are copied only where they do not lie so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _arrays(bundle: ScoreBundle) -> dict[str, NDArray[Any]]:
    found = {f.name: getattr(bundle, f.name) for f in fields(bundle)}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def file_digests(settings: Sequence[OptionSet]) -> dict[str, str]:
    """SHA-256 of every file that an option of some settings names, by option and path: a path says nothing of what is
    in the file. Which options name files is declared with them (``file_unless`` of
    :func:`avreplay.core.params.options.option`).

    Raises: DataError for a file that cannot be read.
    """
    found = {}
    for params in settings:
        for f in fields(params):
            words, value = f.metadata.get("file_unless"), str(getattr(params, f.name))
            if words is not None and value not in words and f"{f.name} {value}" not in found:
                found[f"{f.name} {value}"] = _file_digest(f.name, value)
    return found


def _file_digest(option: str, path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise DataError(f"{option} names {shown(path)}, which cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def means_digest(inputs: Inputs | InputBlocks) -> str | None:
    """SHA-256 of the means of the whole store, which videos besides those of the search may have changed; None where
    no setting reads them."""
    means = next(iter(parts_of(inputs)))[1].means.get(STORE)
    return None if means is None else content_digest({"audio": means.audio, "visual": means.visual})


def difference(found: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In which setting another search differs, in words; None for the same search."""
    for key, value in now.items():
        other = found.get(key)
        if other == value:
            continue
        if isinstance(value, dict) and isinstance(other, dict):
            key = next(k for k in {**other, **value} if other.get(k) != value.get(k))
            other, value = other.get(key, _ABSENT), value.get(key, _ABSENT)
        kind = "other" if key.endswith("s") else "another"
        return f"{kind} {key} ({_brief(other)}, now {_brief(value)})"
    return None


_ABSENT = object()
"""In place of an option that is not stored where it has its default (`later`), or of a file that there is not."""


def _brief(value: Any) -> str:
    if value is _ABSENT:
        return "not given"
    if isinstance(value, str) and len(value) == 64:
        return value[:16]
    return " ".join(map(str, value)) if isinstance(value, list) else repr(value)
