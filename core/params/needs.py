"""Which scores a setting needs, from what its options declare (:class:`avreplay.core.params.options.Need`)."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from ..errors import DataError
from .options import Need, OptionSet

_ORDER = (
    "audio_clip", "visual_clip", "audio_segments", "visual_segments", "audio_visual_segments", "visual_cosine",
    "window_audio", "window_visual",
)  # fmt: skip
"""The arrays in the order of the work, in which missing ones are named (of one array, first who takes no other)."""


def needed_arrays(params: OptionSet, tracks: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """What a setting reads of a score bundle for events of some tracks.

    Returns pairs: names of arrays of which one is enough, and the option that needs it as ``name=value``.
    """
    of: Any = type(params)
    return list(_needed(of, tuple(getattr(params, name) for name in deciding_options(of)), tuple(tracks)))


@functools.cache
def _needed(of: Any, deciding: tuple[Any, ...], tracks: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    options = dict(zip(deciding_options(of), deciding, strict=True))
    found = []
    for name, need in declared_needs(of):
        held = all(options[k] in values for k, values in need.when.items())
        held = held and not any(options[k] in values for k, values in need.unless.items())
        if held and (not need.tracks or any(track in need.tracks for track in tracks)):
            found.append((need.arrays, need.because or f"{name}={_spelled(options[name])}"))
    order = {name: i for i, name in enumerate(_ORDER)}
    return sorted(dict.fromkeys(found), key=lambda pair: (order.get(pair[0][0], len(order)), len(pair[0])))


@functools.cache
def deciding_options(of: Any) -> tuple[str, ...]:
    """The options of a set that decide which arrays are needed: settings that agree in them need the same."""
    found = (k for name, need in declared_needs(of) for k in (*need.when, *need.unless, *(name,) * (not need.because)))
    return tuple(dict.fromkeys(found))


def declared_needs(of: type[OptionSet]) -> Iterator[tuple[str, Need]]:
    """Every need with the option that it is declared with."""
    for f in fields(of):
        for need in f.metadata.get("needs", ()):
            yield f.name, need


def require_arrays(bundle: object, params: OptionSet, tracks: Sequence[str]) -> None:
    """Refuse a setting whose arrays a score bundle lacks. Raises DataError naming the array and the option."""
    for arrays, because in needed_arrays(params, tracks):
        if all(getattr(bundle, array) is None for array in arrays):
            name = "visual_features" if arrays[0] == "visual_cosine" else arrays[0]
            raise DataError(f"the scores hold no {name}, which {because} needs; add the array or change the option")


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
