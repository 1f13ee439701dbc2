"""Score bundles as ``.npz`` files, without pickles: read and written."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...core.bundle import ScoreBundle
from ...core.errors import DataError

_REQUIRED = ("video_ids", "labels", "segments_per_video")
_OPTIONAL = (
    "visual_segments", "visual_features", "audio_segments", "audio_clip", "visual_clip", "window_video",
    "window_start", "window_end", "window_audio", "window_visual", "audio_visual_segments", "has_audio", "has_visual",
)  # fmt: skip


def read_bundle(path: str | os.PathLike[str]) -> ScoreBundle:
    """Read and check a score bundle; arrays with other names are ignored.

    Raises
    ------
    DataError
        no such file, not an ``.npz``, pickled objects, a missing required array, or anything that
        :meth:`ScoreBundle.create` refuses; the message names the file and the array
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no score bundle {file}; check the path")
    arrays: dict[str, Any] = {}
    try:
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise DataError(f"{file} is a single array, not an .npz score bundle; save it with numpy.savez")
        with loaded as npz:
            for name in (*_REQUIRED, *_OPTIONAL, "kind", "segment_seconds"):
                if name in npz.files:
                    arrays[name] = npz[name]
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(f"{file} holds pickled objects, which are never loaded; save plain arrays") from error
        raise DataError(f"{file} is damaged: {error}") from error
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{file} is not a readable .npz file ({error}); save it with numpy.savez") from error
    for name in _REQUIRED:
        if name not in arrays:
            raise DataError(f"{file} has no array {name}; a score bundle needs {', '.join(_REQUIRED)}")
    for name in ("video_ids", "labels"):
        if arrays[name].dtype.kind not in "US" or arrays[name].ndim != 1:
            raise DataError(f"{name} in {file} has dtype {arrays[name].dtype}; expected a list of strings")
    kind = str(arrays.pop("kind", "similarity"))
    seconds = float(arrays.pop("segment_seconds", 1.0))
    try:
        return ScoreBundle.create(kind=kind, segment_seconds=seconds, **arrays)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


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
