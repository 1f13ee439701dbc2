"""AV²A's tables, and SCoPE's figures on LLP: every row that the given stores allow, measured beside printed, and why
the others are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cache.joined import open_stores
from ...cache.store import Store
from ...core.bundle import ScoreBundle
from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, UsageError
from ...core.labels import LabelIndex
from ...core.params.options import OptionSet
from ..command_options import ReproduceAv2aRequest
from ..datasets.annotations import Annotations
from ..datasets.registry import load_annotations, metric_of
from ..intervals import intervals
from ..replay import replay
from ..scoring import Evaluation, evaluate_predictions
from .av2a_rows import SYSTEMS, WEAKLY_SUPERVISED, Row, av2a_rows, scope_rows


@dataclass(frozen=True, eq=False)
class RowResult:
    """A row with what was measured, or why nothing was.

    ``runs`` are evaluations of the same configuration: one a store of that backbone (extracted with other random
    flips, say) and, where the order of labels decides, one an order.
    """

    row: Row
    params: OptionSet | None
    sources: tuple[str, ...] = ()
    runs: tuple[Evaluation, ...] = ()
    missing: str = ""

    @property
    def measured(self) -> dict[str, float]:
        """Mean of the runs, percent."""
        return {k: float(np.mean([e.metrics[k] for e in self.runs])) for k in self.runs[0].metrics} if self.runs else {}

    @property
    def deviation(self) -> dict[str, float]:
        """Standard deviation of the runs; empty for a single one."""
        if len(self.runs) < 2:
            return {}
        return {k: float(np.std([e.metrics[k] for e in self.runs], ddof=1)) for k in self.runs[0].metrics}

    @property
    def intervals(self) -> dict[str, list[float]]:
        """95 % bootstrap bounds over videos of a single run's figures; empty for several runs."""
        if len(self.runs) != 1:
            return {}
        return {k: [s.low, s.high] for k, s in intervals(self.runs[0]).items()}

    def as_dict(self) -> dict[str, Any]:
        r = self.row
        scored = {} if not self.runs else {
            "videos_scored": self.runs[0].videos_scored, "videos_expected": self.runs[0].videos_expected,
            "ids_sha256": self.runs[0].ids_sha256,
        }  # fmt: skip
        return {
            "table": r.table, "name": r.name, "dataset": r.dataset, "backbone": r.backbone, "preset": r.preset,
            "options": dict(r.values), "params": {} if self.params is None else self.params.as_dict(),
            "sources": list(self.sources),
            "runs": len(self.runs), "printed": dict(r.printed), "measured": self.measured,
            "deviation": self.deviation, "intervals": self.intervals, "missing": self.missing,
            "condition": r.condition, **scored,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reproduction:
    """All rows, under one profile; ``rivals`` are those of SCoPE's paper."""

    rows: list[RowResult]
    profile: str
    label_orders: int
    rivals: Sequence[RowResult] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "label_orders": self.label_orders,
            "rows": [r.as_dict() for r in self.rows],
            "rivals": [r.as_dict() for r in self.rivals],
        }


def reproduce_av2a(request: ReproduceAv2aRequest) -> Reproduction:
    """Measure every row of AV²A's Tables 2 to 6, and of SCoPE on LLP, that the stores allow.

    Raises
    ------
    UsageError
        a store of no system of the tables
    DataError
        as the parts do; what only one row needs makes that row missing instead
    """
    r = request
    truths = {n: load_annotations(n, path) for n, path in (("llp", r.llp), ("ave", r.ave)) if path is not None}
    opened = [_system_and_store(s) for s in r.stores]
    bundles: dict[str, ScoreBundle] = {}
    rows, rivals = (
        [_measure(row, opened, bundles, truths, r.profile, r.label_orders, r.threads) for row in of]
        for of in (av2a_rows(), scope_rows())
    )
    return Reproduction(rows, r.profile, r.label_orders, rivals)


def _system_and_store(text: str) -> tuple[str, Store]:
    name, equals, path = text.partition("=")
    known = (*SYSTEMS, *WEAKLY_SUPERVISED)
    if equals and name in known:
        return name, open_stores(path)
    store = open_stores(text)
    backbone = store.config.get("backbone")
    found = str(backbone.get("name", "")) if isinstance(backbone, dict) else ""
    if found in known:
        return found, store
    whose = f"is of {found!r}" if found else "does not say whose scores it holds"
    raise UsageError(f"{text} {whose}; write NAME={text} with one of {', '.join(known)}")


def _measure(
    row: Row, stores: Sequence[tuple[str, Store]], bundles: dict[str, ScoreBundle], truths: Mapping[str, Annotations],
    profile: str, label_orders: int, threads: int | None,
) -> RowResult:  # fmt: skip
    if row.unpublished:
        return RowResult(row, None, missing=row.unpublished)
    params = DECODERS.get(row.decoder).make_params(row.preset or None, profile, row.values)
    truth = truths.get(row.dataset)
    if truth is None:
        return RowResult(row, params, missing=f"no annotations of {row.dataset}: give --{row.dataset}")
    of_system = [s for name, s in stores if name == row.backbone]
    if not of_system:
        return RowResult(row, params, missing=f"no store of {row.backbone}: give {row.backbone}=STORE")
    runs: list[Evaluation] = []
    sources: list[str] = []
    try:
        for store in of_system:
            if store.url not in bundles:
                bundles[store.url] = store.bundle()
            bundle = bundles[store.url]
            # LLP and AVE share videos: what tells a store of the one from one of the other is its labels
            labels = LabelIndex(truth.labels, truth.aliases).mapping(bundle.labels)
            if min(labels, default=-1) < 0 or all(i < 0 for i in truth.match(bundle.video_ids)):
                continue
            sources.append(store.url)
            orders = label_orders if metric_of(truth).configured(profile).first_event_only else 1
            for seed in range(orders):
                # a rival may read embeddings too, which the store has
                source = in_other_order(bundle, seed) if row.decoder == "av2a" else store
                found = replay(source, params, threads=threads)
                runs.append(evaluate_predictions(found.predictions(), truth, profile=profile))
    except DataError as why:
        return RowResult(row, params, missing=str(why))
    if not runs:
        videos = f"videos of {row.dataset} {truth.split} and only its labels"
        return RowResult(row, params, missing=f"no store of {row.backbone} with {videos}")
    return RowResult(row, params, tuple(sources), tuple(runs))


def in_other_order(bundle: ScoreBundle, seed: int) -> ScoreBundle:
    """The same scores with the labels in a random order; seed 0 keeps theirs."""
    if seed == 0:
        return bundle
    return bundle.select_labels(np.random.default_rng(seed).permutation(bundle.num_labels))
