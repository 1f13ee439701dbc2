"""The ranking metrics in plain Python, slowly: what the kernels of `kernels/tiou_precision.py`,
`kernels/falling_threshold.py`, `kernels/collar_changes.py`, `kernels/intersection_changes.py`,
`kernels/threshold_curves.py`, `kernels/segment_changes.py` and `kernels/ordering.py` must give.

Events and truths are lists of ``(onset, offset)`` in seconds; ``collars`` and ``shares`` as the kernels have them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise, permutations

Span = tuple[float, float]
Item = tuple[float, float, float]
"""Value, onset and offset."""


def tiou(on: float, off: float, g_on: float, g_off: float, undefined: float = -1.0) -> float:
    """Intersection over union of two spans; ``undefined`` of two without length."""
    shared = max(0.0, min(off, g_off) - max(on, g_on))
    union = (off - on) + (g_off - g_on) - shared
    return shared / union if union > 0 else undefined


def average_precision(ranked: Sequence[tuple[float, bool]], truths: int, together: bool = True) -> float:
    """Area under the precision, made to fall with recall, of ``(confidence, hit)`` by falling confidence."""
    points: list[tuple[int, int]] = []
    right = 0
    for i, (value, hit) in enumerate(ranked):
        right += hit
        if not together or i + 1 == len(ranked) or ranked[i + 1][0] != value:
            points.append((right, i + 1))
    area = before = 0.0
    for k, (found, _) in enumerate(points):
        area += (found / truths - before) * max(x / y for x, y in points[k:])
        before = found / truths
    return area


def tiou_precision(
    events: Sequence[tuple[int, float, float, float]],
    truths: Sequence[tuple[int, float, float]],
    threshold: float,
    together: bool = True,
    undefined: float = -1.0,
) -> float:
    """Average precision of ``(video, onset, offset, confidence)`` of one class, in the order of their rank, against
    ``(video, onset, offset)``; NaN without truths."""
    if not truths:
        return math.nan
    free = set(range(len(truths)))
    ranked = []
    for video, on, off, value in events:
        near = [(tiou(on, off, *truths[t][1:], undefined), t) for t in free if truths[t][0] == video]
        most, best = max(near, default=(-1.0, -1))
        if most >= threshold:
            free.remove(best)
        ranked.append((value, most >= threshold))
    return average_precision(ranked, len(truths), together)


def detected(items: Sequence[Item], cut: float, joins: bool) -> list[Span]:
    """The events of items from ``cut`` on; neighbours are one event where items are consecutive segments."""
    if not joins:
        return [(on, off) for value, on, off in items if value >= cut]
    runs = (list(run) for above, run in groupby(items, lambda item: item[0] >= cut) if above)
    return [(run[0][1], run[-1][2]) for run in runs]


def at_least(a: float, b: float, scale: float) -> bool:
    """Whether a >= b after rounding to ``1 / scale``; without rounding where it is 0."""
    return round(a * scale) >= round(b * scale) if scale else a >= b


def within(distance: float, collar: float, scale: float) -> bool:
    """Whether a distance is at most a collar, their difference being rounded to ``1 / scale``, not where it is 0."""
    return round((distance - collar) * scale) <= 0 if scale else distance <= collar


def fits(event: Span, truth: Span, collars: Sequence[float], scale: float) -> bool:
    """Whether an event lies within the collars of a truth; an offset collar below 0 stands for any offset."""
    near = within(abs(event[0] - truth[0]), collars[0], scale)
    allowed = max(collars[1], collars[2] * (truth[1] - truth[0]))
    return near and (collars[1] < 0 or within(abs(event[1] - truth[1]), allowed, scale))


def greedy(events: Sequence[Span], truths: Sequence[Span], collars: Sequence[float], scale: float) -> int:
    """How many truths get an event, each in turn the first that fits and is free."""
    free = list(events)
    found = 0
    for truth in truths:
        chosen = next((k for k, event in enumerate(free) if fits(event, truth, collars, scale)), None)
        if chosen is not None:
            del free[chosen]
            found += 1
    return found


def most_pairs(events: Sequence[Span], truths: Sequence[Span], collars: Sequence[float], scale: float) -> int:
    """The largest number of pairs, by trying all."""
    few, many = sorted((range(len(events)), range(len(truths))), key=len)
    ok = [[fits(e, t, collars, scale) for t in truths] for e in events]
    swapped = len(events) > len(truths)
    return max(
        sum(ok[y][x] if swapped else ok[x][y] for x, y in zip(few, chosen, strict=True))
        for chosen in permutations(many, len(few))
    )


def _changes(counted: dict[float, tuple[int, ...]], values: Sequence[float], width: int) -> list[tuple[int, ...]]:
    """Counts at each value less those at the next higher one, at the first item that has the value."""
    out = [(0,) * width] * len(values)
    before = (0,) * width
    for value in sorted(counted, reverse=True):
        out[list(values).index(value)] = tuple(a - b for a, b in zip(counted[value], before, strict=True))
        before = counted[value]
    return out


def collar_changes(
    items: Sequence[Item], truths: Sequence[Span], collars: Sequence[float], scale: float, by_turn: bool, joins: bool
) -> list[tuple[int, ...]]:
    """Of each item of a video and class: by how many the right and the wrong events become more."""
    counted: dict[float, tuple[int, ...]] = {}
    for value, _, _ in items:
        events = detected(items, value, joins)
        found = (greedy if by_turn else most_pairs)(events, truths, collars, scale)
        counted[value] = (found, len(events) - found)
    return _changes(counted, [value for value, _, _ in items], 2)


def shared_seconds(span: Span, truths: Sequence[Span]) -> float:
    """Seconds that a span shares with truths, summed."""
    return sum(max(min(span[1], off) - max(span[0], on), 0.0) for on, off in truths)


def intersection_changes(
    items: Sequence[Item], truths: Sequence[Sequence[Span]], label: int, shares: Sequence[float], scale: float,
    joins: bool,
) -> list[tuple[int, ...]]:  # fmt: skip
    """Of each item of a video and class: by how many the truths found, the events that are none's, and their cross
    triggers with each of the C classes become more; ``truths`` are those of each class."""
    counted: dict[float, tuple[int, ...]] = {}
    for value, _, _ in items:
        events = detected(items, value, joins)
        # where there is nothing to find, an event without length is wrong as any other
        good = [
            e
            for e in events
            if truths[label] and at_least(shared_seconds(e, truths[label]), shares[0] * (e[1] - e[0]), scale)
        ]
        stray = [e for e in events if e not in good]
        found = sum(at_least(shared_seconds(g, good), shares[1] * (g[1] - g[0]), scale) for g in truths[label])
        crossed = [
            sum(at_least(shared_seconds(e, other), shares[2] * (e[1] - e[0]), scale) for e in stray)
            if other and c != label
            else 0
            for c, other in enumerate(truths)
        ]
        counted[value] = (found, len(stray), *crossed)
    return _changes(counted, [value for value, _, _ in items], 2 + len(truths))


def _points(changes: Sequence[tuple[float, Sequence[float]]]) -> list[tuple[float, list[float]]]:
    """Values, falling, and the counts there, of ``(value, change of each count)`` in any order."""
    points: list[tuple[float, list[float]]] = []
    for value, group in groupby(sorted(changes, key=lambda c: -c[0]), lambda c: c[0]):
        before = points[-1][1] if points else [0] * len(changes[0][1])
        points.append((value, [sum(x) for x in zip(before, *(change for _, change in group), strict=True)]))
    return points


def f1(right: float, wrong: float, truths: float) -> float:
    """F1 from precision and recall."""
    if not right or not truths:
        return 0.0
    precision, recall = right / (right + wrong), right / truths
    return 2.0 * precision * recall / (precision + recall)


def curve_figures(changes: Sequence[tuple[float, Sequence[int]]], truths: int) -> tuple[float, ...]:
    """Right and wrong at the best F, the value there, and average precision, of ``(value, (right, wrong))``."""
    best: tuple[float, float, float, float] = (0.0, 0, 0, math.inf)
    area = before = 0.0
    for value, (right, wrong) in _points(changes):
        if right != before:
            area += (right - before) * right / (right + wrong)
            before = right
        f = f1(right, wrong, truths)
        if f > best[0]:
            best = f, right, wrong, value
    return (*best[1:], area / truths if truths else math.nan)


def ordered(numbers: Sequence[float], sign: float = 1.0) -> list[int]:
    """The places of numbers in the order in which ``sign`` times them rises, equal ones as they stand."""
    return sorted(range(len(numbers)), key=lambda i: sign * numbers[i])


def grouped_order(items: Sequence[tuple[int, float]]) -> list[int]:
    """The places of ``(group, value)`` by group and falling value, equal ones as they stand."""
    return sorted(range(len(items)), key=lambda i: (items[i][0], -items[i][1]))


def pooled(frames: Sequence[Item], begin: float, end: float) -> float:
    """The largest value of the frames that a segment overlaps."""
    return max(value for value, on, off in frames if on < end and off > begin)


def roc(
    changes: Sequence[tuple[float, Sequence[int]]], label: int, truths: Sequence[int], lengths: Sequence[float],
    seconds: float, cross_weight: float, most: float,
) -> list[tuple[float, float]]:  # fmt: skip
    """Rate of false alarms an hour and rate of hits of a class at every threshold, up to ``most``; changes are those of
    hits, false alarms, and cross triggers with each class."""
    points = []
    others = [c for c in range(len(truths)) if c != label and truths[c]]
    for _, (right, wrong, *crossed) in _points(changes):
        cross = sum(crossed[c] / lengths[c] for c in others if lengths[c]) / len(others) if crossed and others else 0.0
        rate = (wrong / seconds + cross_weight * cross) * 3600.0
        if rate <= most:
            points.append((rate, right / truths[label]))
    return points


def psds(
    curves: Sequence[Sequence[tuple[float, float]]], spread_weight: float, most: float
) -> tuple[float, list[float]]:
    """The score of all classes, and of each, of the curves of those that have truths."""

    def level(curve: Sequence[tuple[float, float]], x: float) -> float:
        return max((y for at, y in curve if at <= x), default=0.0)

    edges = sorted({0.0, most, *(x for curve in curves for x, _ in curve)})
    total, of_class = 0.0, [0.0] * len(curves)
    for x, end in pairwise(edges):
        levels = [level(curve, x) for curve in curves]
        mean = sum(levels) / len(levels)
        spread = math.sqrt(sum((y - mean) ** 2 for y in levels) / len(levels))
        total += max(mean - spread_weight * spread, 0.0) * (end - x)
        of_class = [a + y * (end - x) for a, y in zip(of_class, levels, strict=True)]
    return total / most, [a / most for a in of_class]


def covered(
    events: Sequence[tuple[int, int, float]], truths: Sequence[tuple[int, int]], segments: int
) -> list[tuple[float, bool]]:
    """Largest confidence of the events ``(onset, offset, confidence)`` that cover a segment, and whether it is
    annotated, of each segment that one covers."""
    return [
        (max(value for on, off, value in events if on <= t < off), any(on <= t < off for on, off in truths))
        for t in range(segments)
        if any(on <= t < off for on, off, _ in events)
    ]


def binned(values: Sequence[tuple[float, bool]], bins: int) -> list[tuple[int, int, float, float]]:
    """Of each bin of confidence: values, right ones, their sum, and the sum of squares of value less right."""
    out = []
    for b in range(bins):
        inside = [(v, r) for v, r in values if min(max(math.ceil(v * bins) - 1, 0), bins - 1) == b]
        out.append((
            len(inside), sum(r for _, r in inside), sum(v for v, _ in inside), sum((v - r) ** 2 for v, r in inside),
        ))  # fmt: skip
    return out
