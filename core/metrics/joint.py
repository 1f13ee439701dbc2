"""Several metrics as one, with the figures of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..events import Events
from ..params.options import PROFILES
from .base import Metric, Scores, Truth, checked_score


class JointMetric(Metric):
    """The figures of several metrics, one after the other. None is a mean over videos here: resamples of the videos are
    scored by each metric in its own way.

    parts : the metrics
    """

    def __init__(self, parts: Sequence[Metric]) -> None:
        self.parts: tuple[Metric, ...] = tuple(parts)
        self.name: str = ",".join(part.name for part in parts)  # type: ignore[misc]
        self.about: str = "; ".join(part.about for part in parts)  # type: ignore[misc]
        self.reads: frozenset[str] = frozenset().union(*(part.reads for part in parts))  # type: ignore[misc]
        self.mean_over_videos: bool = False  # type: ignore[misc]
        self.headline: tuple[str, ...] = tuple(name for part in parts for name in part.headline)  # type: ignore[misc]

    @property
    def first_event_only(self) -> bool:
        return any(part.first_event_only for part in self.parts)

    def names(self, truth: Truth) -> tuple[str, ...]:
        names = tuple(name for part in self.parts for name in part.names(truth))
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise UsageError(f"two of the metrics {self.name} have a figure {twice!r}; ask for one after the other")
        return names

    def score(self, predicted: Events, truth: Truth) -> Scores:
        values = [checked_score(part, predicted, truth).values for part in self.parts]
        return Scores(self.names(truth), np.concatenate(values, axis=1))

    def resampled(self, predicted: Events, truth: Truth, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.concatenate([part.resampled(predicted, truth, draws) for part in self.parts], axis=1)

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for part in self.parts:
            for label, row in part.per_class(predicted, truth).items():
                found.setdefault(label, {}).update(row)
        columns = dict.fromkeys(name for row in found.values() for name in row)
        return {label: {c: row.get(c, float("nan")) for c in columns} for label, row in found.items()}

    def picture(self, predicted: Events, truth: Truth) -> str | None:
        """Of the first metric that has one."""
        return next((found for part in self.parts if (found := part.picture(predicted, truth)) is not None), None)

    def groups(self, truth: Truth) -> dict[str, int]:
        """None: figures keep their whole names."""
        return {}

    def notes(self, predicted: Events, truth: Truth) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for part in self.parts for note in part.notes(predicted, truth)))

    def title(self, name: str) -> tuple[str, str]:
        titles = [part.title(name) for part in self.parts]
        return next((title for title in titles if title != ("", name)), ("", name))

    def default_objective(self, names: Sequence[str]) -> str:
        return self.parts[0].default_objective(names)

    def declared(self, truth: Truth) -> dict[str, Any]:
        return {f"{part.name}_{i}": part.declared(truth) for i, part in enumerate(self.parts)}

    def configured(self, profile: str = "release", **options: Any) -> Self:
        """Each metric under the profile, with the options that it has. Raises: UsageError for an option that none of
        them has, and as theirs."""
        if profile not in PROFILES:
            raise UsageError(f"there is no profile {profile!r}; profiles are {', '.join(PROFILES)}")
        left = set(options)
        parts = []
        for part in self.parts:
            mine = {name: value for name, value in options.items() if hasattr(part, name)}
            left -= set(mine)
            parts.append(part.configured(profile, **mine))
        if left:
            raise UsageError(f"none of the metrics {self.name} has an option {min(left)}")
        return type(self)(parts)
