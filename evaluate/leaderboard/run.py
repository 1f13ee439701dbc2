"""``avreplay leaderboard``: every decoder tuned alike on one split of each store, and reported on another split."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...cache.cluster import Cluster, connect
from ...cache.places import output_folder
from ...core.arguments import typed_arguments
from ...core.errors import DataError, Interrupted, UsageError, did_you_mean
from ...core.metrics.base import Metric
from ...core.metrics.registry import METRICS
from ...core.registry import failures_of
from ..datasets.annotations import Annotations
from ..datasets.registry import metric_of
from ..leaderboard_options import LeaderboardSettings
from ..made_from import made_from
from ..tuning.folder import search_folder
from ..tuning.honest.spread import LEVEL
from ..tuning.objective import Objective, parse_objective
from .board_state import FILES, begin_board, check_board
from .entries import Entry, chosen_entries
from .figures import Reached, judged
from .outputs import write_board
from .ranked import ranked_by
from .result import Leaderboard
from .rows import Planned, Row, planned, row_of
from .said_once import said_once
from .standings import standing
from .stores import Split, StoreScores, both_splits, opened_stores, refuse_one_split

Report = Callable[[str], None]


@typed_arguments
def leaderboard(
    stores: Sequence[str | os.PathLike[str]], settings: LeaderboardSettings, *, report: Report = lambda _: None
) -> Leaderboard:
    """Tune decoders alike on one split of each store, report them on another, and write it all to ``settings.out``.

    Each search has a folder there, as ``avreplay tune`` leaves it; a second call with the same settings goes on, and
    gives the same bytes however often it was stopped, but for the files of seconds. What a decoder cannot do on a store
    is said in its row.

    Parameters
    ----------
    stores : one for each encoder; a quoted pattern or a list (``NAME.stores.toml``) is one store
    report : called with a line about each row when it begins

    Raises
    ------
    UsageError
        an unknown decoder, preset, metric, figure or split, a baseline that is no row, both splits the same, a folder
        with something else
    DataError
        a store or annotations that cannot be read, a split of which a store has no video, no decoder that runs; no
        cluster at the address, a node that lacks something
    Interrupted
        stopped from the keyboard; the same call goes on
    """
    begin, s = time.perf_counter(), settings
    given = [os.fspath(store) for store in stores]
    if not given:
        raise UsageError("a leaderboard needs a store")
    entries = chosen_entries(s.decoders)
    refuse_one_split(given, s)
    out = Path(output_folder(s.out, "the folder of a leaderboard"))
    check_board(out)
    opened = opened_stores(given, s)
    names = tuple(one.name for one in opened)
    for name in names:
        output_folder(out / name, "the folder of a store's searches")
    _check_baseline(s.baseline, names, entries)
    splits = both_splits(opened, s)
    metric = metric_of(splits[0].annotations, s.metrics).configured(s.profile or "release")
    figures = _figures_of_search(metric, splits[0].annotations)
    objective = parse_objective(s.objective, figures, metric)
    scored, rank_by = ranked_by(metric, objective, figures)
    connected = nullcontext() if s.ray is None else connect(s.ray)
    with connected as cluster, search_folder(out), said_once():
        begin_board(out, _identity(s, splits, metric, objective), s.overwrite)
        rows = _rows(opened, entries, splits, (metric, scored), s, report, cluster)
        if all(at is None for _, at in rows):
            keys: dict[str, list[str]] = {}
            for row, _ in rows:
                keys.setdefault(row.problem, []).append(row.key)
            reasons = "; ".join(f"{', '.join(of)}: {reason}" for reason, of in keys.items())
            raise DataError(f"no decoder runs on these scores ({reasons})")
        board = replace(
            standing(rows, opened, entries, splits, scored, rank_by, s),
            about=_about(s, splits, metric, objective, opened),
            files={kind: str(out / name) for kind, name in FILES.items()}, seconds=time.perf_counter() - begin,
        )  # fmt: skip
        write_board(board, out)
    return board


def _check_baseline(baseline: str | None, stores: Sequence[str], entries: Sequence[Entry]) -> None:
    known = [*(e.name for e in entries), *(f"{store}/{e.name}" for store in stores for e in entries)]
    if baseline is not None and baseline not in known:
        shown = known[: len(entries)]
        hint = did_you_mean(baseline, known) or f"; rows are {', '.join(shown)}, each also as STORE/NAME"
        raise UsageError(f"the baseline {baseline!r} is no row of this leaderboard{hint}")


def _figures_of_search(metric: Metric, annotations: Annotations) -> tuple[str, ...]:
    """The figures that an objective may weigh, as :class:`avreplay.core.target.Target` has them."""
    truth = annotations.truth()
    with failures_of("metric", metric, metric.name):
        return tuple(metric.video_names(truth) or metric.names(truth))


def _identity(
    s: LeaderboardSettings, splits: tuple[Split, Split], metric: Metric, objective: Objective
) -> dict[str, Any]:
    """What all rows have in common. Decoders, stores and the baseline may change from one run to the next."""
    return {
        "dataset": s.dataset, "tune split": s.tune_split, "report split": s.report_split,
        "metric": METRICS.name_of(metric, metric.name), "objective": objective.text, "budget": s.budget,
        "number of search videos": s.videos or "all", "profile": s.profile, "seed": s.seed,
        "number of resamples": s.resamples, "number of folds": s.folds, "sharp": s.sharp, "score set": s.scores,
    }  # fmt: skip


def _rows(
    opened: Sequence[StoreScores], entries: Sequence[Entry], splits: tuple[Split, Split],
    metrics: tuple[Metric, Metric], s: LeaderboardSettings, report: Report, cluster: Cluster | None,
) -> list[tuple[Row, Reached | None]]:  # fmt: skip
    """The row of each entry on each store with what it reaches, store by store, those that read the same one after the
    other; ``metrics``: what searches are scored by, and what rows are."""
    folders = _folders(entries)
    total, done = len(opened) * len(entries), 0
    rows: list[tuple[Row, Reached | None]] = []
    try:
        for scores in opened:
            plans = [planned(entry, scores, s) for entry in entries]
            found: dict[int, tuple[Row, Reached | None]] = {}
            for i in _by_reads(plans):
                report(f"{done + 1} of {total}: {plans[i].entry.name} on {scores.name}")
                row = row_of(plans[i], splits, metrics[0], s, f"{scores.name}/{folders[i]}", cluster)
                found[i] = row, at = judged(row, scores, splits[1].annotations, metrics[1], s)
                if at is None:
                    report(f"{row.name} on {scores.name} does not run: {row.problem}")
                done += 1
            rows += [found[i] for i in range(len(plans))]
            scores.forget()
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped after {done} of {total} rows; run the same command, without --overwrite, to go on"
        ) from None
    return rows


def _by_reads(plans: Sequence[Planned]) -> list[int]:
    """The plans in an order in which those that read the same scores follow one another."""
    first = {plan.reads: i for i, plan in reversed(list(enumerate(plans)))}
    return sorted(range(len(plans)), key=lambda i: (first[plans[i].reads], i))


def _folders(entries: Sequence[Entry]) -> list[str]:
    """A folder for each entry: its name, without what a name of a folder may not hold."""
    names: list[str] = []
    for entry in entries:
        name = re.sub(r"[^\w.-]+", "-", entry.name).strip(".-") or "decoder"
        alike = sum(other.casefold() == name.casefold() for other in names)
        names.append(f"{name}-{alike + 1}" if alike else name)
    return names


def _about(
    s: LeaderboardSettings, splits: tuple[Split, Split], metric: Metric, objective: Objective,
    opened: Sequence[StoreScores],
) -> dict[str, Any]:  # fmt: skip
    def of(split: Split) -> dict[str, Any]:
        a = split.annotations
        return {"split": a.split, "videos": len(a.video_ids), "expected": split.expected, "ids_sha256": a.ids_sha256}

    stores = [
        {
            "name": one.name, "store": one.given, "report_store": one.report_given, "backbone": one.backbone,
            "content_hash": made_from(one.store)["store"], "scores": s.scores,
        }
        for one in opened
    ]  # fmt: skip
    return {
        "dataset": s.dataset, "tune": {**of(splits[0]), "searched": s.videos}, "report": of(splits[1]),
        "metric": METRICS.name_of(metric, metric.name), "objective": objective.text, "sampler": "sobol-local",
        "budget": s.budget, "params": "sharp" if s.sharp else "recommended", "profile": s.profile or "release",
        "seed": s.seed, "resamples": s.resamples, "folds": s.folds, "level": LEVEL,
        "stores": stores,
    }  # fmt: skip
