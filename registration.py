"""Datasets, metrics, decoders and backbones by name: what there is, and how a program or notebook adds one.

Only the standard library is imported until an object is used.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .core.arguments import typed_arguments
from .core.errors import UsageError
from .core.registry import Plugin, Registry

T = TypeVar("T")
KINDS = ("dataset", "metric", "decoder", "backbone")


def registry_of(kind: str) -> Registry[Any]:
    """The objects of one of :data:`KINDS` by name."""
    if kind == "dataset":
        from .evaluate.datasets.registry import DATASETS

        return DATASETS
    if kind == "metric":
        from .core.metrics.registry import METRICS

        return METRICS
    if kind == "decoder":
        from .core.decoders.registry import DECODERS

        return DECODERS
    from .extract.backbones.registry import backbone_registry

    return backbone_registry


@typed_arguments
def register(object: T, name: str | None = None, replace: bool = False) -> T:
    """Make a dataset, metric, decoder or backbone known by name in this process; usable as a class decorator.

    Commands of other processes find what a distribution declares under the entry-point groups ``avreplay.datasets``,
    ``avreplay.metrics``, ``avreplay.decoders`` and ``avreplay.backbones``, or what is named as
    ``package.module:Object``.

    Parameters
    ----------
    object : a :class:`Dataset`, :class:`Metric`, :class:`Decoder` or :class:`Backbone`: a class, or of the first three
        an instance, say a metric with other options
    name : by default the ``name`` of the object
    replace : allow a name that is taken

    Returns
    -------
    The object that was given.

    Raises
    ------
    UsageError
        none of the four types, no name, or a name that is taken
    """
    from .core.decoders.base import Decoder
    from .core.metrics.base import Metric
    from .evaluate.datasets.base import Dataset
    from .extract.backbones.base import Backbone

    types = {"dataset": Dataset, "metric": Metric, "decoder": Decoder, "backbone": Backbone}
    for kind, base in types.items():
        if isinstance(object, base) or (isinstance(object, type) and issubclass(object, base)):
            registry_of(kind).register(object, str(name or getattr(object, "name", "")), replace=replace)
            return object
    wanted = ", ".join(base.__name__ for base in types.values())
    raise UsageError(f"{object!r} cannot be registered; give one of the types {wanted}, a class or an instance")


def plugins() -> list[Plugin]:
    """Every dataset, metric, decoder and backbone with its source; plug-ins are imported, broken ones have an error."""
    return [row for kind in KINDS for row in registry_of(kind).plugins()]


def about(plugin: Plugin) -> str:
    """What a usable object of :func:`plugins` is, in one line; no backbone is made for it."""
    if plugin.kind == "backbone":
        from .extract.backbones.registry import backbone_facts

        return backbone_facts(plugin.name).about
    return str(registry_of(plugin.kind).get(plugin.name).about)
