"""OV-AVEL's tables: every row that the given stores allow, measured beside printed, and why the others are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...cache.joined import open_stores
from ...cache.store import Store
from ...core.bundle import ScoreBundle
from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, UsageError
from ...core.labels import LabelIndex
from ...core.params.ovavel import OvavelParams, make_ovavel_params
from ...core.params.presets import PRESETS
from ..command_options import ReproduceOvavelRequest
from ..datasets.annotations import Annotations
from ..datasets.ovavebench import OTHER
from ..datasets.registry import load_annotations
from ..files.params_file import decoder_params, layered_params
from ..files.predictions import Predictions, read_predictions
from ..paper import paper_tables
from ..replay import replay
from ..scoring import Evaluation, evaluate_predictions
from .ovavel_rows import CLIP_CLAP, IMAGEBIND, TEXT, Figures, Row, ovavel_rows, rows_of_av2a, rows_of_cuerator


@dataclass(frozen=True, eq=False)
class RowResult:
    """A row with what was measured, or why nothing was; ``source`` is the store or the predictions file.

    ``unscored`` counts the annotated videos that are not among the scored ones, by their status in the store.
    """

    row: Row
    source: str = ""
    evaluation: Evaluation | None = None
    missing: str = ""
    unscored: Mapping[str, int] = field(default_factory=dict)

    @property
    def measured(self) -> Figures:
        return {} if self.evaluation is None else self.evaluation.by_group()

    def as_dict(self) -> dict[str, Any]:
        r, e = self.row, self.evaluation
        found = {} if e is None else {
            "videos_scored": e.videos_scored, "videos_expected": e.videos_expected, "ids_sha256": e.ids_sha256,
            "unscored": dict(self.unscored), "length_mismatches": e.aligned.length_mismatches,
        }  # fmt: skip
        return {
            "table": r.table, "name": r.name, "dataset": r.dataset, "backbone": r.backbone, "scores": r.scores,
            "options": dict(r.values), "source": self.source, "printed": r.printed, "missing": self.missing,
            "measured": {} if e is None else e.as_dict()["metrics"], **found,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reproduction:
    """All rows, and how many classes fine-tuning improves (Figure A4), where both baselines were measured; ``rivals``
    are the rows of CueRator's paper."""

    rows: list[RowResult]
    profile: str
    rivals: Sequence[RowResult] = ()

    @property
    def by_class(self) -> dict[str, Mapping[str, Mapping[str, float]]]:
        """Figure A4: for each of the two baselines measured, the figures of every class."""
        return {
            name: e.per_class
            for name in ("training-free", "fine-tuning")
            if (e := self.find("Table 2", name).evaluation) is not None
        }

    def find(self, table: str, name: str) -> RowResult:
        return next(r for r in self.rows if (r.row.table, r.row.name) == (table, name))

    def classes_improved(self) -> dict[str, Any]:
        """How many classes the fine-tuned model does better on, by figure; the paper says "approximately 56 of 67"."""
        found = self.by_class
        if len(found) < 2:
            return {}
        before, after = found.values()
        shared = [c for c in before if c in after]
        better = {k: sum(after[c][k] > before[c][k] for c in shared) for k in ("acc", "seg", "event", "avg")}
        return {**better, "classes": len(shared), "printed": paper_tables()["ovavel_figure_a4_classes_improved"]}

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "rows": [r.as_dict() for r in self.rows],
            "rivals": [r.as_dict() for r in self.rivals],
            "classes": self.by_class,
            "classes_improved": self.classes_improved(),
        }


def reproduce_ovavel(request: ReproduceOvavelRequest) -> Reproduction:
    """Measure every row of OV-AVEL's tables, and of CueRator's, on the test split, that the stores allow.

    Raises
    ------
    UsageError
        a store of no backbone of the tables, predictions that no row is of
    DataError
        as the parts do; what only one row needs makes that row missing instead
    """
    r = request
    paths = (("ovavebench", r.annotations), ("ave", r.ave))
    truths = {name: load_annotations(name, path) for name, path in paths if path is not None}
    size = r.batch_size if r.strict else None
    bench = _Bench([_backbone_and_store(s) for s in r.stores], truths, _read_named(r.predictions), r.profile, size)
    rows = [*ovavel_rows(), *rows_of_av2a(r.av2a_params)]
    rivals = rows_of_cuerator(r.cuerator_params)
    return Reproduction([bench.measure(row) for row in rows], r.profile, [bench.measure(row) for row in rivals])


class _Missing(Exception):
    """Why a row cannot be measured."""


class _Bench:
    """The inputs, and what has been measured with them: tables share rows."""

    def __init__(
        self,
        stores: list[tuple[str, Store]],
        truths: Mapping[str, Annotations],
        predictions: Mapping[str, tuple[str, Predictions]],
        profile: str,
        batch_size: int | None,
    ) -> None:
        self._stores = stores
        self._truths = truths
        self._predictions = predictions
        self._profile = profile
        self._batch_size = batch_size
        self._bundles: dict[tuple[str, str, bool], ScoreBundle] = {}
        self._done: dict[tuple[str, str, str, OvavelParams], Evaluation] = {}

    def measure(self, row: Row) -> RowResult:
        try:
            source, e = self._evaluated(row)
        except (_Missing, DataError) as why:
            return RowResult(row, missing=str(why))
        status = {r.id: r.status for name, s in self._stores if s.url == source for r in s.videos}
        unscored = Counter(status.get(v, "absent") for v in e.aligned.missing)
        return RowResult(row, source, e, unscored=dict(sorted(unscored.items())))

    def _evaluated(self, row: Row) -> tuple[str, Evaluation]:
        if row.unpublished:
            raise _Missing(row.unpublished)
        truth = self._truths.get(row.dataset)
        if truth is None:
            option = "--ave" if row.dataset == "ave" else "--annotations"
            raise _Missing(f"no annotations of {row.dataset}: give {option}")
        if row.backbone == TEXT:
            name = row.name.lower()
            if name not in self._predictions:
                raise _Missing(f"not measured here: give --predictions {name}=FILE")
            file, given = self._predictions[name]
            return file, self._score(given, truth)
        store = self._store_of(row, truth)
        if row.av2a:
            return store.url, self._av2a(store, row, truth)
        if row.decoder:
            return store.url, self._rival(store, row, truth)
        preset = "finetuned" if row.values["strategy"] == "fused_argmax" else "training_free"
        # the profile decides between the rules of the training-free baseline
        rest = {k: v for k, v in row.values.items() if k != "strategy"}
        params = make_ovavel_params(preset, self._profile, rest)
        key = (store.url, row.scores, row.dataset, params)
        if key not in self._done:
            found = replay(self._bundle(store, row.scores, params), params)
            self._done[key] = self._score(found.predictions(), truth)
        return store.url, self._done[key]

    def _av2a(self, store: Store, row: Row, truth: Annotations) -> Evaluation:
        """AV²A on the event classes: it has no need of a text for background."""
        preset, file = (row.av2a, None) if row.av2a in PRESETS else (None, row.av2a)
        params = layered_params(preset, self._profile, file, [f"{k}={v!r}" for k, v in row.values.items()])
        bundle = store.bundle()
        known = LabelIndex(truth.labels, truth.aliases).mapping(bundle.labels)
        classes = [i for i, c in enumerate(known) if c >= 0 and truth.labels[c] != OTHER]
        found = replay(bundle.select_labels(classes), params)
        return self._score(found.predictions(), truth)

    def _rival(self, store: Store, row: Row, truth: Annotations) -> Evaluation:
        """A rival's decoder, under a preset of its own or a parameter file."""
        preset, file = (row.preset, None) if row.preset in DECODERS.get(row.decoder).presets else (None, row.preset)
        decoder, params = decoder_params(row.decoder, preset, None, file, ())
        return self._score(replay(store, params, decoder=decoder).predictions(), truth)

    def _score(self, predictions: Predictions, truth: Annotations) -> Evaluation:
        return evaluate_predictions(
            predictions, truth, metrics="ovavel", profile=self._profile, batch_size=self._batch_size
        )

    def _store_of(self, row: Row, truth: Annotations) -> Store:
        of_backbone = [s for name, s in self._stores if name == row.backbone]
        if not of_backbone:
            raise _Missing(f"no store of {row.backbone}")
        ids = set(truth.video_ids)
        fitting = [s for s in of_backbone if not ids.isdisjoint(r.id for r in s.videos)]
        if not fitting:
            raise _Missing(f"no store of {row.backbone} with videos of {row.dataset} {truth.split}")
        with_scores = [s for s in fitting if not row.scores or row.scores in _score_sets(s)]
        if not with_scores:
            raise _Missing(f"no score set {row.scores} in {', '.join(s.url for s in fitting)}")
        return with_scores[0]

    def _bundle(self, store: Store, scores: str, params: OvavelParams) -> ScoreBundle:
        fused = params.strategy == "fused_argmax" and params.fusion == "fea_avg"
        key = (store.url, scores, fused)
        if key not in self._bundles:
            self._bundles[key] = _scores_of(store, scores, fused)
        return self._bundles[key]


def _score_sets(store: Store) -> Sequence[str]:
    """Names of the score sets that fine-tuning has written into a store."""
    return tuple(store.score_sets)


def _scores_of(store: Store, scores: str, fused: bool) -> ScoreBundle:
    """A named score set of a store, or without a name its own cosines."""
    if scores:
        return store.bundle(scores=scores)
    return store.cosines(fused=fused)


def _backbone_and_store(text: str) -> tuple[str, Store]:
    """``NAME=PATH``, or a path whose store declares a known backbone."""
    name, equals, path = text.partition("=")
    if equals and name in (IMAGEBIND, CLIP_CLAP):
        return name, open_stores(path)
    store = open_stores(text)
    declared = store.config.get("backbone")
    backbone = str(declared.get("name", "")) if isinstance(declared, Mapping) else ""
    if backbone not in (IMAGEBIND, CLIP_CLAP):
        whose = f"of the backbone {backbone!r}" if backbone else "of no declared backbone"
        raise UsageError(
            f"{text} is {whose}, and the tables' rows are of {IMAGEBIND} and {CLIP_CLAP}; write {IMAGEBIND}={text} to "
            "measure it as one"
        )
    return backbone, store


def _read_named(predictions: Sequence[str]) -> dict[str, tuple[str, Predictions]]:
    known = {row.name.lower() for row in ovavel_rows() if row.backbone == TEXT}
    out = {}
    for text in predictions:
        name, equals, file = text.partition("=")
        if not equals or name.lower() not in known:
            raise UsageError(f"{text!r} is not NAME=FILE with a name of {', '.join(sorted(known))}")
        out[name.lower()] = (file, read_predictions(file))
    return out
