"""Adding another backbone's embeddings to a store: an extraction of the same videos into a store inside it.

They lie in ``STORE/backbones/<name>`` and are a store like any other (see `cache.inner_stores`): written, resumed,
divided into parts and filled with more windows as such. Segments are cut as in the outer store, so that predictions
made from both can be compared segment by segment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...cache import Store, open_store
from ...cache.inner_stores import backbone_name, inner_url, outer_store
from ...cache.layout.location import Location
from ...cache.layout.schema import INNER_STORES_FOLDER
from ...core.errors import DataError, UsageError
from ..backbones.base import Backbone
from ..backbones.registry import as_backbone
from ..command_options import ExtractSettings
from ..media.find_videos import Source
from ..media.probe import DECODING_RULE
from ..progress import Show
from ..summary import ExtractSummary
from .configuration import stored_settings
from .extract import extract_videos
from .fill import WINDOW_SETTINGS, fewer_windows, fill_store

_SHARED = ("segment_seconds", "frame_rule")


@dataclass(frozen=True)
class Addition:
    """The extraction that adds a backbone, by the names that a `devices.Job` has: into which store, which videos (all
    of the outer store), labels and settings; ``fill``: all videos are in it, and only windows are to be added."""

    store: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    settings: ExtractSettings
    fill: bool


def is_another(store_url: str | os.PathLike[str], backbone: str) -> bool:
    """Whether a store holds other embeddings than those of a backbone. Raises: DataError where there is no store."""
    return backbone_name(open_store(store_url).config) != backbone


def add_backbone(
    videos: Source | Sequence[Source],
    store_url: str | os.PathLike[str],
    backbone: Backbone | type[Backbone] | str,
    labels: Sequence[str] = (),
    requested: Mapping[str, Any] | None = None,
    *,
    progress: Show = None,
    stop: Callable[[], bool] | None = None,
) -> ExtractSummary:
    """Add another backbone's embeddings of a store's videos, or go on with that, or add windows to them.

    Parameters
    ----------
    store_url : the store that holds the first backbone's embeddings
    labels, requested : see `plan_addition`; the others are those of `extract_videos`

    Returns
    -------
    The summary of the inner store.

    Raises as `plan_addition`, and as `extract_videos` or `fill.fill_store`, one of which does it.
    """
    backbone = as_backbone(backbone)
    addition = plan_addition(store_url, backbone.name, labels, requested)
    task = (videos, addition.store, backbone, addition.labels, addition.settings)
    if addition.fill:
        return fill_store(*task, progress=progress, stop=stop)
    return extract_videos(*task, ids=addition.ids, progress=progress, stop=stop)


def plan_addition(
    store_url: str | os.PathLike[str],
    backbone: str,
    labels: Sequence[str] = (),
    requested: Mapping[str, Any] | None = None,
    ids: Iterable[str] | None = None,
) -> Addition:
    """What has to be done to add a backbone to a store.

    Parameters
    ----------
    labels : none: those that the inner store has already, else those of the outer one
    requested : settings by their names in `ExtractSettings`. What is not in it is as in the inner store if that exists,
        else as in the outer one; an outer store with more windows by now lends its windows to a finished inner one
    ids : None, or all videos of the outer store, which are what is extracted

    Raises
    ------
    UsageError
        a store of imported scores, a store that lies inside another one, the store's own backbone; ids or settings that
        would make the two stores differ in their videos or segments
    DataError
        no store there, an unfinished one, or something else in the place of the inner one; an inner store that is not
        finished and has other windows than the requested ones
    """
    outer, requested = open_store(store_url), dict(requested or {})
    _check(outer, backbone, requested, ids)
    where = inner_url(outer.url, backbone)
    inner = open_store(where) if backbone in outer.backbones else None
    if inner is None:
        settings, fill = ExtractSettings(**{**stored_settings(outer.config), **requested}), False
    else:
        settings, fill = _with_inner(outer, inner, requested)
    return Addition(
        store=where,
        ids=tuple(id for shard in outer.plan for id in shard),
        labels=tuple(labels) or (outer.labels if inner is None or not inner.labels else ()),
        settings=settings,
        fill=fill,
    )


def _check(outer: Store, backbone: str, requested: Mapping[str, Any], ids: Iterable[str] | None) -> None:
    if outer.kind != "embeddings":
        raise UsageError(f"{outer.url} holds imported scores; only the store of an extraction takes another backbone")
    around = outer_store(Location(outer.url))
    if around is not None:
        raise UsageError(f"{outer.url} lies inside the store {around}; add {backbone} to that one")
    if backbone_name(outer.config) == backbone:
        raise UsageError(f"{outer.url} holds the embeddings of {backbone} itself; add another backbone")
    if not outer.complete:
        raise DataError(f"{outer.url} is not finished; finish it first, with the command that began it")
    rule = outer.config.get("decoding_rule", 1)
    if rule != DECODING_RULE:
        raise DataError(
            f"{outer.url} was made by decoding rule {rule}, and this version decodes by rule {DECODING_RULE}, which "
            f"gives other pictures and sounds; extract {backbone} into another store"
        )
    problem = outer.inner()[1].get(f"{INNER_STORES_FOLDER}/{backbone}")
    if problem is not None:
        raise DataError(f"{outer.url}/{INNER_STORES_FOLDER}/{backbone} {problem}; move it elsewhere")
    if ids is not None and set(ids) != {id for shard in outer.plan for id in shard}:
        raise UsageError(f"another backbone is added for exactly the videos of {outer.url}; leave the list of ids out")
    for key in _SHARED:
        if key in requested and requested[key] != outer.config[key]:
            raise UsageError(
                f"{key} is {requested[key]!r}, and {outer.url} has {outer.config[key]!r}; another backbone's segments "
                "are those of the store, so leave it out"
            )


def _with_inner(outer: Store, inner: Store, requested: Mapping[str, Any]) -> tuple[ExtractSettings, bool]:
    """The settings for an existing inner store, and whether windows are to be added to it."""
    others = {key: value for key, value in requested.items() if key not in WINDOW_SETTINGS}
    now = ExtractSettings(**{**stored_settings(inner.config), **others})
    done = inner.complete and inner.expected == outer.expected
    wanted = replace(now, **{key: requested[key] for key in WINDOW_SETTINGS if key in requested})
    if done and not any(key in requested for key in WINDOW_SETTINGS):
        wanted = replace(now, **{key: outer.config[key] for key in WINDOW_SETTINGS})
        wanted = now if fewer_windows(wanted, now) else wanted
    if not done and wanted != now:
        raise DataError(
            f"{inner.url} is not finished and has the windows {now.windows!r}; finish it first, without --windows, and "
            "add windows afterwards"
        )
    return wanted, wanted != now
