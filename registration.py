"""Datasets, metrics, decoders and backbones of other people: registered in this process, or listed with their source.

Installed distributions declare theirs as entry points, and ``package.module:Object`` is taken wherever a name is; see
``docs/extending.md``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .core.decoders.base import Decoder
from .core.decoders.registry import DECODERS
from .core.errors import UsageError
from .core.metrics.base import Metric
from .core.metrics.registry import METRICS
from .core.registry import Plugin, Registry
from .evaluate.datasets.base import Dataset
from .evaluate.datasets.registry import DATASETS
from .extract.backbones.base import Backbone
from .extract.backbones.registry import backbone_registry

T = TypeVar("T")

_KINDS: tuple[tuple[type[Any], Registry[Any]], ...] = (
    (Dataset, DATASETS), (Metric, METRICS), (Decoder, DECODERS), (Backbone, backbone_registry),
)  # fmt: skip


def register(item: T, name: str = "", *, replace: bool = False) -> T:
    """Make a dataset, metric, decoder or backbone known by its name, for as long as this process runs.

    Parameters
    ----------
    item : a class of one of the four types, or an instance of it (of a backbone the class); it is returned, so that
        this can be a decorator
    name : by default its attribute ``name``
    replace : allow a name that is taken

    Raises
    ------
    UsageError
        an object of no such type, or one that is not complete; a name that is taken or unusable
    """
    for of, registry in _KINDS:
        if isinstance(item, of) or (isinstance(item, type) and issubclass(item, of)):
            registry.register(item, name or getattr(item, "name", ""), replace=replace)
            return item
    raise UsageError(f"{item!r} cannot be registered: it is no Dataset, Metric, Decoder or Backbone of avreplay")


def list_plugins() -> list[Plugin]:
    """Every dataset, metric, decoder and backbone with its source; what cannot be used is listed with the reason."""
    return [plugin for _, registry in _KINDS for plugin in registry.plugins()]
