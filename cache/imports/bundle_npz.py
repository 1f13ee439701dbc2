"""Score bundles as ``.npz`` files, without pickles: read and written."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any

import numpy as np

from ...core.arguments import typed_arguments
from ...core.bundle import ScoreBundle
from ...core.errors import DataError
from ..reading.npz_file import NpzFile, open_npz

_REQUIRED = ("video_ids", "labels", "segments_per_video")
_OPTIONAL = (
    "visual_segments", "visual_features", "audio_segments", "audio_clip", "visual_clip", "window_video",
    "window_start", "window_end", "window_audio", "window_visual", "audio_visual_segments", "audio_frames", "has_audio",
    "has_visual",
)  # fmt: skip


@typed_arguments
def read_bundle(path: str | os.PathLike[str]) -> ScoreBundle:
    """Read and check a score bundle; arrays with other names are ignored, unless they are nearly a bundle's.

    Raises
    ------
    DataError
        no such file, not an ``.npz``, damaged, pickled objects, a missing required array, one whose name is
        nearly a bundle's, or anything that :meth:`ScoreBundle.create` refuses; the message names the file and the array
    """
    name = os.fspath(path)
    with open_npz(path, "score bundle") as file:
        arrays: dict[str, Any] = {n: file.read(n) for n in bundle_names(file)}
    try:
        return ScoreBundle.create(**arrays)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def bundle_names(file: NpzFile) -> list[str]:
    """The arrays of a score bundle that a file has. Raises: DataError for a missing one, and one nearly of its name."""
    for required in _REQUIRED:
        if required not in file.names:
            raise DataError(f"{file.path} has no array {required}; a score bundle needs {', '.join(_REQUIRED)}")
    wanted = (*_REQUIRED, *_OPTIONAL, "kind", "segment_seconds")
    missing = [n for n in wanted if n not in file.names]
    for other in file.names:
        if other not in wanted and (meant := get_close_matches(other, missing, 1, 0.9)):
            raise DataError(
                f"{file.path} has an array {other!r}, which a score bundle has not; rename it to {meant[0]}, or save "
                "the file without it"
            )
    return [n for n in wanted if n in file.names]


def write_bundle(bundle: ScoreBundle, path: str | os.PathLike[str]) -> None:
    """Write a score bundle to a file from which :func:`read_bundle` reads an equal one."""
    arrays: dict[str, Any] = {name: getattr(bundle, name) for name in _OPTIONAL if getattr(bundle, name) is not None}
    if bundle.window_audio is None and bundle.window_visual is None:
        arrays = {k: v for k, v in arrays.items() if not k.startswith("window_")}
    np.savez(
        path,
        video_ids=np.array(bundle.video_ids, str),
        labels=np.array(bundle.labels, str),
        segments_per_video=bundle.segments_per_video,
        kind=np.array(bundle.kind),
        segment_seconds=np.array(bundle.segment_seconds),
        **arrays,
    )
