"""Titles of figures in tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.metrics.ave_accuracy import AveAccuracy
from ..core.metrics.llp import LlpMetric
from ..core.metrics.ovavel import OvavelMetric

Title = Callable[[str], tuple[str, str]]
"""Gives the title of the group of columns and that of the column of a figure, by its name."""


def own_title(name: str) -> tuple[str, str]:
    """The title of a figure of the package's own metrics; any other name is its own title."""
    for metric in (LlpMetric(), AveAccuracy(), OvavelMetric()):
        found = metric.title(name)
        if found != ("", name):
            return found
    return "", name


def level_pairs(names: Iterable[str], title: Title) -> list[tuple[str, str, str]]:
    """``(column title, name at the first level, name at the second)`` of figures that all come at two levels, as LLP's
    do for segments and events, and end with the name of theirs; empty where they do not."""
    names = list(names)
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        group, column = title(name)
        if group:
            groups.setdefault(group, {})[column] = name
    first, second = list(groups.values()) if len(groups) == 2 else ({}, {})
    pairs = [(c, first[c], second[c]) for c in first] if first.keys() == second.keys() else []
    # the name of the level is the end of the figure's: `audio_seg`, `audio_event`
    parts = [(a.rpartition("_"), b.rpartition("_")) for _, a, b in pairs]
    ends = all(a[0] == b[0] and a[2] != b[2] for a, b in parts)
    return pairs if ends and 2 * len(pairs) == len(names) else []
