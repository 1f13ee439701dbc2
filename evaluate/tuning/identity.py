"""What a search is on, in a form that two searches are compared by: scores, annotations, options of the metric."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ...core.target import Target

_OWN_METRICS = ("llp", "ave_accuracy", "ovavel")


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
        for name, part in named.items():
            digest.update(name.encode())
            if is_dataclass(part):
                feed(part)
            elif isinstance(part, np.ndarray):
                digest.update(f"{part.dtype}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).tobytes())
            else:
                digest.update(repr(part).encode())

    feed(content)
    return digest.hexdigest()


def difference(found: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In which setting another search differs, in words; None for the same search."""
    for key, value in now.items():
        other = found.get(key)
        if other == value:
            continue
        if isinstance(value, dict) and isinstance(other, dict):
            key = next(k for k in {**other, **value} if other.get(k) != value.get(k))
            other, value = other.get(key), value.get(key)
        kind = "other" if key.endswith("s") else "another"
        return f"{kind} {key} ({_brief(other)}, now {_brief(value)})"
    return None


def _brief(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:16]
    return " ".join(map(str, value)) if isinstance(value, list) else repr(value)
