"""avreplay: extract audio-visual embeddings once, replay event perception from the cache in microseconds.

Make a store, replay it, score the result::

    avreplay.extract_videos("videos/", "store", "languagebind", labels)
    found = avreplay.replay("store", avreplay.make_params("languagebind"))
    truth = avreplay.load_annotations("llp", "LLP/")
    print(avreplay.evaluate_predictions(found.predictions(), truth).metrics)

Bring scores of your own (:func:`import_scores`, :func:`import_bundle`) or embeddings (:func:`import_embeddings`),
search (:func:`tune`, :func:`response`), tune all decoders alike (:func:`leaderboard`), compare runs (:func:`compare`),
draw them (:func:`report_data`, :func:`write_report`), hand events to other tools (:func:`export_predictions`), and add
a :class:`Dataset`, :class:`Metric`, :class:`Decoder` or :class:`Backbone` (:func:`register`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from avreplay.core.lazy import attach  # absolute: pytest imports this file on its own

if TYPE_CHECKING:
    from .cache import JoinedStore, Store, import_bundle, import_scores, open_store, open_stores, read_bundle
    from .cache.subset import SubsetSummary
    from .core.bundle import ScoreBundle
    from .core.decoders.base import Decoder, Embeddings, Explanation, Inputs, Means, Reads, Stage, Text
    from .core.errors import AvreplayError, DataError, Interrupted, UsageError
    from .core.events import Events
    from .core.metrics.base import Metric, Scores, Truth
    from .core.metrics.counted import CountedMetric, Partial
    from .core.params.av2a import Params, make_params
    from .core.params.cuerator import CueratorParams
    from .core.params.options import Need, OptionSet, option, option_set
    from .core.params.ovavel import OvavelParams, make_ovavel_params
    from .core.params.scope import ScopeParams
    from .core.params.steps import SebbParams, ThresholdParams
    from .core.params.viterbi import ViterbiParams
    from .core.registry import Plugin
    from .evaluate.class_thresholds import fit_label_thresholds
    from .evaluate.cuerator_oracle import CueratorOracle, cuerator_oracle
    from .evaluate.datasets.annotations import Annotations
    from .evaluate.datasets.base import Dataset
    from .evaluate.datasets.registry import load_annotations
    from .evaluate.export.run import ExportSummary, export_annotations, export_predictions
    from .evaluate.files.prediction_blocks import PredictionBlocks, prediction_blocks
    from .evaluate.files.predictions import Predictions, read_predictions, write_predictions
    from .evaluate.files.predictions_writer import prediction_writer
    from .evaluate.intervals import Comparison, Estimate, compare, intervals
    from .evaluate.leaderboard import Leaderboard, LeaderboardSettings, leaderboard
    from .evaluate.replay import ReplayBlocks, ReplayResult, replay, replay_blocks
    from .evaluate.report.build import report_data
    from .evaluate.report.data import ReportData
    from .evaluate.report.page import write_report
    from .evaluate.report.plot import plot_timeline
    from .evaluate.scoring import Evaluation, evaluate_predictions
    from .evaluate.subset import subset
    from .evaluate.tune_options import ResponseRequest, TuneSettings
    from .evaluate.tuning import SharedResult, TuneResult, tune, tune_shared
    from .evaluate.tuning.exact.command import ResponseResult, response
    from .extract import ExtractSettings, ExtractSummary, embed_labels, extract_videos, guess_mapping, import_embeddings
    from .extract.backbones.base import Backbone, BackboneSpec
    from .registration import plugins, register

__version__ = "0.1.0"

__dir__: Callable[[], list[str]]
_get, __dir__ = attach(
    __name__,
    {
        "cache": ("JoinedStore", "Store", "import_bundle", "import_scores", "open_store", "open_stores", "read_bundle"),
        "core.bundle": ("ScoreBundle",),
        "core.decoders.base": ("Decoder", "Embeddings", "Explanation", "Inputs", "Means", "Reads", "Stage", "Text"),
        "core.errors": ("AvreplayError", "DataError", "Interrupted", "UsageError"),
        "core.events": ("Events",),
        "core.metrics.base": ("Metric", "Scores", "Truth"),
        "core.metrics.counted": ("CountedMetric", "Partial"),
        "core.params.av2a": ("Params", "make_params"),
        "core.params.cuerator": ("CueratorParams",),
        "core.params.options": ("Need", "OptionSet", "option", "option_set"),
        "core.params.ovavel": ("OvavelParams", "make_ovavel_params"),
        "core.params.scope": ("ScopeParams",),
        "core.params.viterbi": ("ViterbiParams",),
        "core.registry": ("Plugin",),
        "core.params.steps": ("SebbParams", "ThresholdParams"),
        "evaluate.class_thresholds": ("fit_label_thresholds",),
        "evaluate.cuerator_oracle": ("CueratorOracle", "cuerator_oracle"),
        "evaluate.datasets.annotations": ("Annotations",),
        "evaluate.datasets.base": ("Dataset",),
        "evaluate.datasets.registry": ("load_annotations",),
        "evaluate.export.run": ("ExportSummary", "export_annotations", "export_predictions"),
        "evaluate.files.prediction_blocks": ("PredictionBlocks", "prediction_blocks"),
        "evaluate.files.predictions": ("Predictions", "read_predictions", "write_predictions"),
        "evaluate.files.predictions_writer": ("prediction_writer",),
        "evaluate.intervals": ("Comparison", "Estimate", "compare", "intervals"),
        "evaluate.leaderboard": ("Leaderboard", "LeaderboardSettings", "leaderboard"),
        "evaluate.replay": ("ReplayBlocks", "ReplayResult", "replay", "replay_blocks"),
        "evaluate.report.build": ("report_data",),
        "evaluate.report.data": ("ReportData",),
        "evaluate.report.page": ("write_report",),
        "evaluate.report.plot": ("plot_timeline",),
        "evaluate.scoring": ("Evaluation", "evaluate_predictions"),
        "cache.subset": ("SubsetSummary",),
        "evaluate.subset": ("subset",),
        "evaluate.tune_options": ("ResponseRequest", "TuneSettings"),
        "evaluate.tuning": ("SharedResult", "TuneResult", "tune", "tune_shared"),
        "evaluate.tuning.exact.command": ("ResponseResult", "response"),
        "extract": (
            "ExtractSettings",
            "ExtractSummary",
            "embed_labels",
            "extract_videos",
            "guess_mapping",
            "import_embeddings",
        ),
        "extract.backbones.base": ("Backbone", "BackboneSpec"),
        "registration": ("plugins", "register"),
    },
)

__all__ = [
    "Annotations", "AvreplayError", "Backbone", "BackboneSpec", "Comparison", "CountedMetric", "CueratorOracle",
    "CueratorParams", "DataError", "Dataset", "Decoder", "Embeddings", "Estimate", "Evaluation", "Events",
    "Explanation", "ExportSummary", "ExtractSettings", "ExtractSummary", "Inputs", "Interrupted", "JoinedStore",
    "Leaderboard", "LeaderboardSettings", "Means", "Metric", "Need", "OptionSet", "OvavelParams", "Params", "Partial",
    "Plugin", "PredictionBlocks", "Predictions", "Reads", "ReplayBlocks", "ReplayResult", "ReportData",
    "ResponseRequest", "ResponseResult", "ScopeParams", "ScoreBundle", "Scores", "SebbParams", "SharedResult", "Stage",
    "Store", "SubsetSummary", "Text", "ThresholdParams", "Truth", "TuneResult", "TuneSettings", "UsageError",
    "ViterbiParams", "compare", "cuerator_oracle", "embed_labels", "evaluate_predictions", "export_annotations",
    "export_predictions", "extract_videos", "fit_label_thresholds", "guess_mapping", "import_bundle",
    "import_embeddings", "import_scores", "intervals", "leaderboard", "load_annotations", "make_ovavel_params",
    "make_params", "open_store", "open_stores", "option", "option_set", "plot_timeline", "plugins", "prediction_blocks",
    "prediction_writer", "read_bundle", "read_predictions", "register", "replay", "replay_blocks", "report_data",
    "response", "subset", "tune", "tune_shared", "write_predictions", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return _get(name)  # `avreplay --help` and `import avreplay` must not wait for Numba and Zarr
