"""Which scores a setting needs, from what its options declare (:class:`avreplay.core.params.options.Need`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .options import Need, OptionSet

if TYPE_CHECKING:
    from ..bundle import ScoreBundle

_ORDER = (
    "audio_clip", "visual_clip", "audio_segments", "visual_segments", "audio_visual_segments", "visual_cosine",
    "window_audio", "window_visual",
)  # fmt: skip
"""The arrays in the order of the work, in which missing ones are named (of one array, first who takes no other)."""


Windows = Callable[[Any, int], Iterable[tuple[int, int]]]


def needed_arrays(params: OptionSet, tracks: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """What a setting reads of a score bundle for events of some tracks.

    Returns pairs: names of arrays of which one is enough, and the option that needs it as ``name=value``.
    """
    return list(dict.fromkeys((arrays, because) for arrays, because, _ in _needs_of(params, tracks)))


def _needs_of(params: OptionSet, tracks: Sequence[str]) -> list[tuple[tuple[str, ...], str, Windows | None]]:
    of: Any = type(params)
    return _needed(of, tuple(getattr(params, name) for name in deciding_options(of)), tuple(tracks))


@functools.cache
def _needed(
    of: Any, deciding: tuple[Any, ...], tracks: tuple[str, ...]
) -> list[tuple[tuple[str, ...], str, Windows | None]]:
    options = dict(zip(deciding_options(of), deciding, strict=True))
    found = []
    for name, need in declared_needs(of):
        held = all(options[k] in values for k, values in need.when.items())
        held = held and not any(options[k] in values for k, values in need.unless.items())
        if held and (not need.tracks or any(track in need.tracks for track in tracks)):
            found.append((need.arrays, need.because or f"{name}={_spelled(options[name])}", need.windows))
    order = {name: i for i, name in enumerate(_ORDER)}
    return sorted(dict.fromkeys(found), key=lambda need: (order.get(need[0][0], len(order)), len(need[0])))


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


def require_arrays(bundle: ScoreBundle, params: OptionSet, tracks: Sequence[str]) -> None:
    """Refuse a setting whose arrays a score bundle lacks, or whose windows where nothing could stand in for these.

    Raises: DataError naming the array, the video of a missing window, and the option.
    """
    for arrays, because, windows in _needs_of(params, tracks):
        there = [array for array in arrays if getattr(bundle, array) is not None]
        if not there:
            name = "visual_features" if arrays[0] == "visual_cosine" else arrays[0]
            raise DataError(f"the scores hold no {name}, which {because} needs; add the array or change the option")
        if windows is not None and all(array.startswith("window_") for array in there):
            other = next(array for array in arrays if array not in there)
            _require_windows(bundle, there[0], functools.partial(windows, params), because, other)


def _require_windows(
    bundle: ScoreBundle, array: str, asked: Callable[[int], Iterable[tuple[int, int]]], because: str, other: str
) -> None:
    cached: dict[int, set[tuple[int, int]]] = {}
    index = (bundle.window_video, bundle.window_start, bundle.window_end)
    for video, *window in zip(*(column.tolist() for column in index), strict=True):
        cached.setdefault(video, set()).add((window[0], window[1]))
    present = bundle.has_audio if array == "window_audio" else bundle.has_visual
    for v, (there, segments) in enumerate(zip(present.tolist(), bundle.segments_per_video.tolist(), strict=True)):
        known = cached.get(v, set())
        missing = next((w for w in asked(segments) if w not in known), None) if there else None
        if missing is not None:
            raise DataError(
                f"the scores hold no {other}, and {array} lacks the window [{missing[0]}, {missing[1]}) of video "
                f"{bundle.video_ids[v]!r}, which {because.partition(' ')[0]} may need; add the array or change the "
                "option"
            )


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_one_label(labels: Sequence[str], kind: str, score_norm: str) -> None:
    """Refuse similarities of a single label where a setting compares those of the labels with each other.

    ``labels`` : those that are compared

    Raises: DataError naming the options that help.
    """
    if len(labels) == 1 and kind == "similarity" and score_norm not in ("sigmoid", "none"):
        raise DataError(
            f"the scores are of one label, {labels[0]!r}, and score_norm={score_norm} compares labels with each other; "
            "set score_norm=sigmoid (with sigmoid_scale and sigmoid_bias), or give more labels"
        )
