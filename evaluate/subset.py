"""Which videos of a store a subset has: by ids, annotations, labels and status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..cache.layout.schema import STATUSES, VideoRecord
from ..cache.reading.lists import ids_of_text, read_ids
from ..cache.store import Store, open_store
from ..cache.subset import SubsetSummary, write_subset
from ..core.arguments import typed_arguments
from ..core.errors import DataError, UsageError, did_you_mean, shown
from ..core.labels import LabelIndex
from ..core.names import ids_sha256
from .datasets.annotations import Annotations
from .datasets.splits import load_splits
from .subset_options import MISSING, SubsetRequest

_NAMED = 3
"""Ids that a message names."""


def subset_to_store(request: SubsetRequest) -> SubsetSummary:
    """Make the store. Raises as :func:`subset` and the readers do."""
    r = request
    annotations: Sequence[Annotations] = ()
    if r.dataset is not None and r.annotations is not None and r.split is not None:
        annotations = load_splits(r.dataset, r.annotations, r.split)
    return subset(
        r.store, r.new_store, ids=None if r.ids_file is None else read_id_list(r.ids_file),
        annotations=annotations or None, labels=r.labels,
        status=None if r.status is None else [name.strip() for name in r.status.split(",")], missing=r.missing,
    )  # fmt: skip


def read_id_list(path: str) -> tuple[str, ...]:
    """Video ids of a file, or of stdin for ``-``. Raises: as :func:`.cache.reading.lists.read_ids`."""
    return ids_of_text(sys.stdin.buffer.read(), "stdin") if path == "-" else read_ids(path)


@typed_arguments
def subset(
    store: str | os.PathLike[str],
    new_store: str | os.PathLike[str],
    *,
    ids: Sequence[str] | None = None,
    annotations: Annotations | Sequence[Annotations] | None = None,
    labels: Sequence[str] = (),
    status: Sequence[str] | None = None,
    missing: str | None = None,
) -> SubsetSummary:
    """Make a store of some videos of another one, with all that the other has of them, in its order.

    The videos meet all that is given. A replay of the new store is, to the bit, that of the other restricted to them.
    The same call after an interruption goes on, to the same bytes; of a subset that is finished it changes nothing.

    Parameters
    ----------
    store, new_store : paths or URLs: what is read, and what is made
    ids : of the videos, as the store has them
    annotations : the videos of one split or of several; ids match as in :func:`avreplay.evaluate_predictions`
    labels : only videos that are annotated with one of these, in any track or as a whole
    status : only videos of these statuses, such as ``ok``
    missing : ids that the store does not have: ``error`` refuses them, ``ignore`` lists them in the summary; None: an
        error for ``ids``, and listed for ``annotations``

    Raises
    ------
    DataError
        no store there, ids that it does not have, no video left, a label that is not annotated, a place that holds
        something else or cannot be written, a damaged store
    UsageError
        nothing to choose by, labels without annotations, an unknown status, an id twice
    """
    if missing is not None and missing not in MISSING:
        raise UsageError(f"missing is {shown(missing)}; choose one of {', '.join(MISSING)}")
    splits = None if annotations is None else [annotations] if isinstance(annotations, Annotations) else [*annotations]
    if ids is None and splits is None and status is None:
        raise UsageError("a subset of all videos is a copy; choose by ids, annotations, labels or status")
    if labels and not splits:
        raise UsageError("labels are those of annotations; give the annotations, too")
    _refuse_unknown_status(status)
    opened = open_store(store)
    records = opened.videos
    kept, absent = {record.id for record in records}, list[str]()
    if ids is not None:
        absent += _absent(opened, _once(ids), records, missing or "error")
        kept &= set(ids)
    if splits is not None:
        annotated, unseen = _annotated(splits, [record.id for record in records], labels)
        kept &= annotated
        if unseen and missing == "error":
            raise DataError(f"{opened.url} lacks {some_ids(unseen)}, which are annotated; extract them, or ignore them")
        absent += unseen
    if status is not None:
        kept &= {record.id for record in records if record.status in status}
    criteria = _criteria(ids, splits, labels, status)
    if not kept:
        raise DataError(
            f"no video of {opened.url} meets all of this: {', '.join(criteria)}; ask for fewer things, or look what "
            "is there with `avreplay ids`"
        )
    found = write_subset(opened, new_store, kept, criteria)
    return replace(found, missing=tuple(dict.fromkeys(absent)))


def _refuse_unknown_status(status: Sequence[str] | None) -> None:
    for name in status or ():
        if name not in STATUSES:
            known = f"statuses are {', '.join(STATUSES)}"
            raise UsageError(f"there is no status {shown(name)}{did_you_mean(str(name), STATUSES)}; {known}")


def _once(ids: Sequence[str]) -> Sequence[str]:
    if isinstance(ids, str):
        raise UsageError(f"ids is the text {shown(ids)}; give a list of ids")
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            raise UsageError(f"the id {shown(id)} is given twice; give it once")
        seen.add(id)
    return ids


def _absent(store: Store, ids: Sequence[str], records: Sequence[VideoRecord], missing: str) -> list[str]:
    """The ids that a store does not have. Raises: DataError where these are an error."""
    known = {record.id for record in records}
    absent = [id for id in ids if id not in known]
    if absent and missing == "error":
        planned = {id for shard in store.plan for id in shard}
        later = [id for id in absent if id in planned]
        if later:
            raise DataError(
                f"{store.url} does not hold {some_ids(later)} yet, which it is still to get; finish it first, or leave "
                "them out with --missing ignore"
            )
        near = did_you_mean(absent[0], known) if len(known) < _COMPARED else ""
        raise DataError(f"{store.url} has no video {some_ids(absent)}{near}; leave them out with --missing ignore")
    return absent


_COMPARED = 5000


def some_ids(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are, as messages have them."""
    named = ", ".join(shown(id) for id in ids[:_NAMED])
    return named if len(ids) <= _NAMED else f"{named} and {len(ids) - _NAMED} more"


def _annotated(splits: Sequence[Annotations], ids: Sequence[str], labels: Sequence[str]) -> tuple[set[str], list[str]]:
    """The ids of a store that are annotated in one of the splits, with one of the labels where there are any; and the
    annotated ones that the store does not have."""
    kept: set[str] = set()
    unseen: list[str] = []
    for one in splits:
        rows = np.array(one.match(ids), np.int64)
        wanted = _with_labels(one, labels) if labels else np.ones(len(one.video_ids), np.bool_)
        kept |= {ids[i] for i in np.flatnonzero(rows >= 0).tolist() if wanted[rows[i]]}
        there = np.zeros(len(one.video_ids), np.bool_)
        there[rows[rows >= 0]] = True
        unseen += [one.video_ids[k] for k in np.flatnonzero(wanted & ~there).tolist()]
    return kept, unseen


def _with_labels(truth: Annotations, labels: Sequence[str]) -> Any:
    """(N,) bool: the videos with an event of one of the labels in any track, or of one of them as a whole."""
    index = LabelIndex(truth.labels, truth.aliases)
    wanted = [index.find(label, f"--label {label}") for label in labels]
    events = truth.events
    video = np.repeat(np.arange(3 * len(truth.video_ids)), np.diff(events.starts)) // 3
    found = np.zeros(len(truth.video_ids), np.bool_)
    found[video[np.isin(events.label, wanted)]] = True
    return found if truth.category is None else found | np.isin(truth.category, wanted)


def _criteria(
    ids: Sequence[str] | None,
    splits: Sequence[Annotations] | None,
    labels: Sequence[str],
    status: Sequence[str] | None,
) -> dict[str, Any]:
    """How the videos were chosen, as the store keeps it: nothing in it depends on where files lie, or on the order
    in which things are named."""
    found: dict[str, Any] = {}
    if ids is not None:
        found["ids"] = {"number": len(ids), "ids_sha256": ids_sha256(ids)}
    if splits is not None:
        found["annotations"] = [
            {"dataset": s.dataset, "split": s.split, "videos": len(s.video_ids), "ids_sha256": s.ids_sha256}
            for s in splits
        ]
    if labels:
        found["labels"] = sorted(set(labels))
    if status is not None:
        found["status"] = sorted(set(status))
    return found
