"""Scores of other people's models (npz, HDF5, csv), read by a mapping file into a score bundle of probabilities."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.arguments import typed_arguments
from ...core.bundle import ScoreBundle
from ...core.bundle_checks import ROUNDING
from ...core.command_options import parse_size
from ...core.errors import DataError, UsageError
from ..command_options import MEMORY_WITH_MAPPING
from ..score_blocks import BLOCK_MEMORY, ScoreBlocks
from .mapping import SCORES, ArrayEntry, read_mapping
from .score_reader import SEGMENT_ARRAYS, ScoreReader
from .score_store import import_bundle, import_file

_ROWS = 1 << 14
"""Rows of scores that become probabilities at once."""


@typed_arguments
def import_scores(
    path: str | os.PathLike[str],
    url: str | os.PathLike[str],
    mapping: str | os.PathLike[str] | None = None,
    format: str | None = None,
    memory: int | str | None = None,
) -> ScoreBundle | ScoreBlocks:
    """Make a store of scores from a score bundle, or with a mapping from any score file.

    Returns the bundle; of a bundle's file of more than ``memory`` (bytes, or a text such as ``2GB``; None: 1 GiB) the
    blocks of the store, as it is read and written block by block.

    The store's configuration declares the names and hashes of every file that was read.

    Raises
    ------
    DataError
        as :func:`read_third_party` and :func:`.score_store.import_file`
    UsageError
        a format without a mapping, a memory with one, a memory that is no size, an unknown format, HDF5 without h5py
    """
    if mapping is None:
        if format is not None:
            raise UsageError("--format is for files that are read by a mapping; give --mapping too")
        return import_file(path, url, memory=BLOCK_MEMORY if memory is None else parse_size(memory))
    if memory is not None:
        raise UsageError(f"{MEMORY_WITH_MAPPING}; leave it out")
    bundle, files = read_third_party(path, mapping, format)
    digests: list[list[str]] = []
    for file in files:
        with file.open("rb") as handle:
            digests.append([file.name, hashlib.file_digest(handle, "sha256").hexdigest()])
    import_bundle(bundle, url, {"source": Path(path).name, "mapping": Path(mapping).name, "files": digests})
    return bundle


def read_third_party(
    path: str | os.PathLike[str], mapping: str | os.PathLike[str], format: str | None = None
) -> tuple[ScoreBundle, list[Path]]:
    """Read scores by a mapping file. Logits become probabilities through the sigmoid.

    Parameters
    ----------
    path : the score file; arrays of the mapping may name further ones
    mapping : a TOML file, see :mod:`.mapping`
    format : npz, hdf5 or csv [default: that of the mapping, else by the suffix]

    Returns
    -------
    the bundle, of kind ``probability``, and every file that was read

    Raises
    ------
    DataError
        a file or an array that is missing, a wrong shape, an unknown label, a missing or duplicated id, NaN, a
        probability outside [0, 1]; the message names the array, and the video where there is one
    UsageError
        a format that is neither given nor known by the suffix, HDF5 without h5py
    """
    plan = read_mapping(mapping)
    reader = ScoreReader(Path(path), plan, format)
    try:
        arrays = reader.arrays()
        for name in SCORES:
            if name in arrays:
                arrays[name] = _probabilities(name, reader.entries[name], arrays)
        bundle = ScoreBundle.create(kind="probability", segment_seconds=plan.segment_seconds, **arrays)
    except DataError as error:
        message = str(error)
        named = str(path) in message or str(plan.path) in message
        raise DataError(message if named else f"{path}: {message}") from error
    finally:
        reader.close()
    return bundle, reader.files


def _probabilities(name: str, entry: ArrayEntry, found: dict[str, Any]) -> NDArray[np.float32]:
    """A score array as probabilities; values outside [0, 1] are refused unless they are declared as logits.

    Rows of absent streams become zero: they are never read.
    """
    given = np.asarray(found[name])
    owner = np.arange(len(found["video_ids"]))
    if name in SEGMENT_ARRAYS:
        owner = np.repeat(owner, found["segments_per_video"])
    elif name.startswith("window_"):
        owner = found["window_video"]
    out = np.empty(given.shape, np.float32)
    for first in range(0, len(given), _ROWS):  # the steps below take several times the bytes of their rows
        part = slice(first, first + _ROWS)
        out[part] = _probability_rows(name, entry, found, given[part].astype(np.float64), owner[part])
    return out


def _probability_rows(
    name: str, entry: ArrayEntry, found: dict[str, Any], values: NDArray[np.float64], owner: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Some rows of a score array; ``owner`` are their videos."""
    for stream in ("audio", "visual"):
        if stream in name and f"has_{stream}" in found:
            present = found[f"has_{stream}"].astype(bool)[owner]
            values = np.where(present.reshape(-1, *[1] * (values.ndim - 1)), values, 0)
    if entry.values == "logits":
        with np.errstate(over="ignore"):
            return (1.0 / (1.0 + np.exp(-values))).astype(np.float32)
    outside = np.argwhere(np.isfinite(values) & ((values < -ROUNDING) | (values > 1 + ROUNDING)))
    if len(outside):
        at = tuple(outside[0].tolist())
        raise DataError(
            f"{name} of video {found['video_ids'][owner[at[0]]]!r} holds {values[at]:.6g}, which is no probability; "
            'if these are logits, set values = "logits"'
        )
    return np.where(np.isfinite(values), values.clip(0, 1), values).astype(np.float32)
