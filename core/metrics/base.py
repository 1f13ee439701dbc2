"""What a metric is: figures of predicted against annotated events, and each video's part in them.

Evaluation, search, comparison, bootstrap, report and the papers' tables all call :meth:`Metric.score`, so that what is
optimised is what is reported. To add one: a subclass of :class:`Metric` in a file of its own, registered under the
entry-point group ``avreplay.metrics`` or by :func:`avreplay.register` (``docs/extending.md``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..events import TRACKS, Events
from ..params.options import PROFILES
from ..registry import failures_of

READS = ("events", "scores", "durations")
"""What a metric may read: the events, their scores (``Events.score`` and ``Events.confidence``), the length of segments
(``Truth.seconds``)."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Annotated events of N videos, as a metric reads them.

    Shapes and units
    ----------------
    events : one setting, N videos, label indices into ``labels``
    segments : (N,) int64, segments that are scored
    labels : C names
    seconds : (N,) float64, length of a segment of each video in seconds
    category : (N,) int64, the label of the video as a whole, -1 where it is unknown; None without categories
    group : of each video (``seen``, ``unseen``); empty where there are no groups
    """

    events: Events
    segments: NDArray[np.int64]
    labels: tuple[str, ...]
    seconds: NDArray[np.float64]
    category: NDArray[np.int64] | None = None
    group: tuple[str, ...] = ()

    def select(self, videos: Sequence[int] | NDArray[np.int64]) -> Truth:
        """Some of the videos, in the order given; a video may be given several times."""
        chosen = np.asarray(videos, np.int64)
        return Truth(
            self.events.select(chosen), self.segments[chosen], self.labels, self.seconds[chosen],
            None if self.category is None else self.category[chosen],
            tuple(self.group[v] for v in chosen.tolist()) if self.group else (),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scores:
    """Figures of P settings on N videos, in percent.

    Shapes
    ------
    names : M figures
    values : (P, M) float64, NaN where a figure is undefined
    per_video : (P, N, K) float64, each video's part in the first K figures, whose values are its means over the videos
        weighted by ``weights``; None for a metric that is no mean over videos
    weights : (N,) float64 above zero, or None where all videos count alike
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    per_video: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None

    @property
    def video_names(self) -> tuple[str, ...]:
        """Names of the K figures that are means over videos."""
        return self.names[: 0 if self.per_video is None else self.per_video.shape[2]]


class Metric(ABC):
    """A family of figures under one name. Subclasses that take options are frozen dataclasses of them.

    Attributes
    ----------
    name : its key, as ``--metrics`` takes it
    about : one line
    reads : which of :data:`READS` it needs; a metric that reads ``scores`` refuses events without
    mean_over_videos : whether figures are means of ``Scores.per_video`` over the videos; the bootstrap of any other is
        made by scoring resampled videos anew
    track_groups : tracks that have to be scored together: every figure is a sum of a part of each group, tracks that
        are in none do not matter; the exact response scores the groups apart
    headline : the figures that rank the videos of a report, the first decides
    """

    name: ClassVar[str]
    about: ClassVar[str] = ""
    reads: ClassVar[frozenset[str]] = frozenset({"events"})
    mean_over_videos: ClassVar[bool] = True
    track_groups: ClassVar[tuple[tuple[str, ...], ...]] = (TRACKS,)
    headline: ClassVar[tuple[str, ...]] = ()

    @property
    def first_event_only(self) -> bool:
        """Whether only the first event of a video counts, so that the order of the labels decides."""
        return False

    @abstractmethod
    def names(self, truth: Truth) -> tuple[str, ...]:
        """Names of the M figures on these annotations, in the order of :attr:`Scores.names`."""

    def video_names(self, truth: Truth) -> tuple[str, ...]:
        """Names of the first K figures, those that are means over the videos; empty where none is."""
        return self.names(truth) if self.mean_over_videos else ()

    @abstractmethod
    def score(self, predicted: Events, truth: Truth) -> Scores:
        """Figures of every setting in ``predicted``, which is of the same N videos and labels as ``truth``."""

    def resampled(self, predicted: Events, truth: Truth, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        """The figures (B, M) of the first setting on B resamples of the videos, ``draws`` (B, n): scored anew on each,
        unless a metric knows how to get them from what it has counted once."""
        return np.stack([checked_score(self, predicted.select(d), truth.select(d)).values[0] for d in draws])

    def per_class(self, predicted: Events, truth: Truth) -> dict[str, dict[str, float]]:
        """Figures of the first setting by label, in percent; empty where the metric has none."""
        return {}

    def counts(self, predicted: Events, truth: Truth) -> NDArray[np.int64] | None:
        """TP, FP, FN of the first setting behind the figures, by label, track and level (C, 3, 2, 3); None without."""
        return None

    def groups(self, truth: Truth) -> dict[str, int]:
        """Groups of videos and their sizes, where figures are ``<group>_<name>``; empty where there are none."""
        return {}

    def notes(self, predicted: Events, truth: Truth) -> tuple[str, ...]:
        """What a reader of the figures should know, a sentence each."""
        return ()

    def picture(self, predicted: Events, truth: Truth) -> str | None:
        """A picture behind the figures of the first setting, as SVG; None where the metric has none."""
        return None

    def title(self, name: str) -> tuple[str, str]:
        """Title of the group of columns and of the column of a figure."""
        return "", name

    def default_objective(self, names: Sequence[str]) -> str:
        """What a search maximises where nothing is given: the first figure."""
        return names[0]

    def declared(self, truth: Truth) -> dict[str, Any]:
        """The options that the figures depend on, by name."""
        return _options_of(self)

    def configured(self, profile: str = "release", **options: Any) -> Self:
        """This metric under a profile and with some options changed.

        Raises: UsageError for an unknown profile, or an option that this metric does not have.
        """
        if profile not in PROFILES:
            raise UsageError(f"there is no profile {profile!r}; profiles are {', '.join(PROFILES)}")
        known = _options_of(self)
        unknown = [name for name in options if name not in known]
        if unknown:
            taken = [name for name in known if name != "profile"]
            offer = f"its options are {', '.join(taken)}" if taken else "it has no options"
            raise UsageError(f"the metric {self.name!r} has no option {unknown[0]}; {offer}")
        if "profile" in known:
            options["profile"] = profile
        return replace(self, **options) if options and is_dataclass(self) else self


def checked_score(metric: Metric, predicted: Events, truth: Truth) -> Scores:
    """The figures that a metric gives, once it is sure that they are what it declares.

    Raises: DataError naming the metric: it raised an error, or gave other types, names or shapes than it declares, a
    duplicated name, no figure, or an infinite one.
    """
    with failures_of("metric", metric, metric.name):
        found = metric.score(predicted, truth)
    check_scores(metric, found, truth, predicted.num_settings)
    return found


def check_scores(metric: Metric, found: Scores, truth: Truth, settings: int) -> None:
    """Raises: DataError as :func:`checked_score`, where the figures of so many settings are not what is declared."""
    with failures_of("metric", metric, metric.name):
        names = tuple(metric.names(truth))
        parts = len(metric.video_names(truth)) if metric.mean_over_videos else 0
        if not isinstance(found, Scores):
            raise TypeError(f"score() gave {type(found).__name__}, not Scores")
        for what, array in (("values", found.values), ("per_video", found.per_video), ("weights", found.weights)):
            if array is None and what != "values":
                continue
            if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
                raise TypeError(f"its {what} are no array of floating-point numbers")
            if np.isinf(array).any():
                raise ValueError(f"its {what} hold an infinite number; give NaN where a figure is undefined")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"its figures are {names}; each needs a name of its own")
    p, n = settings, len(truth.segments)
    shape = None if found.per_video is None else found.per_video.shape
    want: list[tuple[str, object, object]] = [
        ("names", tuple(found.names), names),
        ("values of shape", found.values.shape, (p, len(names))),
        ("per_video of shape", shape, (p, n, parts) if metric.mean_over_videos else None),
    ]
    for what, got, expected in want:
        if got != expected:
            raise DataError(f"the metric {metric.name!r} gave {what} {got}; it declares {expected}")


def _options_of(metric: Metric) -> dict[str, Any]:
    return {f.name: getattr(metric, f.name) for f in fields(metric)} if is_dataclass(metric) else {}


def title_in(titles: Mapping[str, str], groups: Mapping[str, str], name: str) -> tuple[str, str]:
    """Titles of a figure ``<column>_<level>``: of its level from ``groups``, of its column from ``titles``."""
    column, _, level = name.rpartition("_")
    return (groups[level], titles[column]) if level in groups and column in titles else ("", titles.get(name, name))
