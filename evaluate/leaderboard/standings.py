"""The places of rows: what each reaches, what it is ahead of the baseline, and how the best two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...core.metrics.base import Metric
from ..leaderboard_options import LeaderboardSettings
from .entries import Entry
from .figures import Reached, differences
from .ranked import shown_figures
from .result import Lead, Leaderboard, Standing, ranks
from .rows import Row
from .stores import Split, StoreScores


def standing(
    judged: Sequence[tuple[Row, Reached | None]], opened: Sequence[StoreScores], entries: Sequence[Entry],
    splits: tuple[Split, Split], metric: Metric, rank_by: str, s: LeaderboardSettings,
) -> Leaderboard:  # fmt: skip
    """The rows with their places, and the differences to the baseline; the leaderboard still lacks what it is about,
    its files and its seconds. Raises: as the metric does."""
    truth = splits[1].annotations
    rows, found = [row for row, _ in judged], [at for _, at in judged]
    # a metric may have other figures on the videos that are reported on than on those that were tuned on
    values = [None if at is None else at.evaluation.metrics.get(rank_by, float("nan")) for at in found]
    places = ranks(values)
    baseline = s.baseline or _first_that_runs(judged, entries)
    standings, alone = [], []
    for i, row in enumerate(rows):
        at, base = found[i], _baseline_of(row, rows, baseline)
        of = found[base]
        if at is None or base == i:
            standings.append(Standing(row, places[i], at, None))
        elif of is None:
            standings.append(Standing(row, places[i], at, None))
            alone.append(row.key)
        else:
            gain = differences(of, at, s)
            standings.append(Standing(row, places[i], at, rows[base].key, gain))
    notes = [*_notes(opened, splits), *said_of_all(found)]
    if alone:
        notes.append(f"compared with nothing, since the baseline {baseline} has no figures there: {', '.join(alone)}")
    shown = shown_figures(metric, truth.truth(), rank_by)
    board = Leaderboard(
        {}, tuple(one.name for one in opened), tuple(e.name for e in entries), rank_by, shown, tuple(standings),
        baseline, None, tuple(notes), {name: " ".join(filter(None, metric.title(name))) for name in shown}, {}, 0.0,
    )  # fmt: skip
    return replace(board, lead=_lead(board, s))


def said_of_all(found: Sequence[Reached | None]) -> list[str]:
    """What every evaluation says, as of the annotations, once."""
    said = [at.evaluation.notes for at in found if at is not None]
    return [note for note in (said[0] if said else ()) if all(note in notes for notes in said)]


def _baseline_of(row: Row, rows: Sequence[Row], baseline: str) -> int:
    """The number of the row that one is compared with."""
    for i, one in enumerate(rows):
        if one.key == baseline or (one.store == row.store and one.name == baseline):
            return i
    raise AssertionError("that the baseline is a row was checked before")


def _first_that_runs(judged: Sequence[tuple[Row, Reached | None]], entries: Sequence[Entry]) -> str:
    """The first entry of those that run on most stores."""
    return max(
        (e.name for e in entries), key=lambda name: sum(row.name == name and at is not None for row, at in judged)
    )


def _lead(board: Leaderboard, s: LeaderboardSettings) -> Lead | None:
    ranked = board.ranked
    if len(ranked) < 2 or ranked[0].reached is None or ranked[1].reached is None:
        return None
    first, second = ranked[0], ranked[1]
    ahead = differences(ranked[1].reached, ranked[0].reached, s).get(board.rank_by)
    if ahead is None or ahead.figure != ahead.figure:  # undefined for one of them
        return None
    separated = None if ahead.low != ahead.low else ahead.low > 0
    return Lead(first.key, second.key, ahead, separated)


def _notes(opened: Sequence[StoreScores], splits: tuple[Split, Split]) -> list[str]:
    """What a reader of the figures must know of the videos."""
    tune, report = splits
    notes = []
    both = set(tune.annotations.video_ids) & set(report.annotations.video_ids)
    if both:
        notes.append(
            f"in-sample: {len(both)} of the {len(report.annotations.video_ids)} videos that are reported on may have "
            "been searched on, so that the figures are optimistic"
        )
    for split in splits:
        for name, count in split.left_out.items():
            notes.append(
                f"{count} videos of {name} in {split.annotations.split} are left out: not every store has them"
            )
    return notes
