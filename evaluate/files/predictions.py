"""Files of predictions, read and written whole, and their alignment with annotations (:mod:`.alignment`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...cache.reading.collection import no_collection
from ...core.arguments import typed_arguments
from .alignment import Aligned, align
from .prediction_blocks import prediction_blocks
from .predictions_table import MadeFromForm, Predictions
from .predictions_writer import prediction_writer

__all__ = ["Aligned", "MadeFromForm", "Predictions", "align", "read_predictions", "write_predictions"]


@typed_arguments
def write_predictions(
    path: str | os.PathLike[str],
    predictions: Predictions,
    *,
    run: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write predictions, replacing the file in one step; scores are written exactly.

    A path that ends in ``.parquet`` is written as Parquet, of many videos as a folder
    (:func:`.predictions_writer.prediction_writer`, also for ``run`` and ``overwrite``); any other as JSON, a line a
    video.

    Raises: DataError where the place cannot be written, or a value has no JSON form; UsageError for Parquet without
    pyarrow, or in the place of the parts of another run.
    """
    p = predictions
    with prediction_writer(
        path, p.labels, p.params, p.video_ids, made_from=p.made_from, run=run, overwrite=overwrite
    ) as writer:
        if writer.done == 0:
            writer.write(p)
        elif writer.done < len(p.video_ids):
            writer.write(p.select(range(writer.done, len(p.video_ids))))


@no_collection()
@typed_arguments
def read_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Read and check predictions: a JSON or a Parquet file, whichever it is, or a folder of Parquet files.

    Raises
    ------
    DataError
        not such a file, a newer one, a duplicated video, an event with an unknown label or outside its
        video; the message names file, video and track, of Parquet file and row
    UsageError
        Parquet without pyarrow
    """
    return prediction_blocks(path).whole()
