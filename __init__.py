"""avreplay: extract audio-visual embeddings once, replay event perception from the cache in microseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from avreplay.core.lazy import attach  # absolute: pytest imports this file on its own

if TYPE_CHECKING:
    from .cache import Store, open_store
    from .core.bundle import ScoreBundle
    from .core.decoders.base import Decoder, Explanation, Inputs, Reads, Stage
    from .core.errors import AvreplayError, DataError, UsageError
    from .core.events import Events
    from .core.metrics.base import Metric, Scores, Truth
    from .core.params.av2a import Params, make_params
    from .core.params.options import Need, OptionSet, option
    from .core.params.ovavel import OvavelParams, make_ovavel_params
    from .evaluate.datasets.annotations import Annotations
    from .evaluate.datasets.base import Dataset
    from .evaluate.datasets.registry import load_annotations
    from .evaluate.files.predictions import Predictions, read_predictions, write_predictions
    from .evaluate.replay import ReplayResult, replay
    from .evaluate.scoring import Evaluation, evaluate_predictions
    from .extract.backbones.base import Backbone, BackboneSpec
    from .registration import plugins, register

__version__ = "0.1.0"

__dir__: Callable[[], list[str]]
_get, __dir__ = attach(
    __name__,
    {
        "cache": ("Store", "open_store"),
        "core.bundle": ("ScoreBundle",),
        "core.decoders.base": ("Decoder", "Explanation", "Inputs", "Reads", "Stage"),
        "core.errors": ("AvreplayError", "DataError", "UsageError"),
        "core.events": ("Events",),
        "core.metrics.base": ("Metric", "Scores", "Truth"),
        "core.params.av2a": ("Params", "make_params"),
        "core.params.options": ("Need", "OptionSet", "option"),
        "core.params.ovavel": ("OvavelParams", "make_ovavel_params"),
        "evaluate.datasets.annotations": ("Annotations",),
        "evaluate.datasets.base": ("Dataset",),
        "evaluate.datasets.registry": ("load_annotations",),
        "evaluate.files.predictions": ("Predictions", "read_predictions", "write_predictions"),
        "evaluate.replay": ("ReplayResult", "replay"),
        "evaluate.scoring": ("Evaluation", "evaluate_predictions"),
        "extract.backbones.base": ("Backbone", "BackboneSpec"),
        "registration": ("plugins", "register"),
    },
)

__all__ = [
    "Annotations", "AvreplayError", "Backbone", "BackboneSpec", "DataError", "Dataset", "Decoder", "Evaluation",
    "Events", "Explanation", "Inputs", "Metric", "Need", "OptionSet", "OvavelParams", "Params", "Predictions", "Reads",
    "ReplayResult", "ScoreBundle", "Scores", "Stage", "Store", "Truth", "UsageError", "evaluate_predictions",
    "load_annotations", "make_ovavel_params", "make_params", "open_store", "option", "plugins",
    "read_predictions", "register", "replay", "write_predictions",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return _get(name)  # `avreplay --help` and `import avreplay` must not wait for Numba and Zarr
