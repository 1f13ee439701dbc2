"""Which videos an import brings in, under which ids, and which rows of arrays of all videos they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.bundle_checks import MAX_SEGMENTS
from ....core.errors import DataError
from ....core.names import names_of
from ..ids_and_labels import final_ids, positions_of, read_names
from .files import ReadTensors, chosen_name, open_arrays, whole_array
from .parquet import parquet_names
from .plan import ARRAY_SUFFIXES, EmbeddingsMapping, ListPlan, Where
from .sources import Source, WholeSource, source_path
from .videos import Wanted


class Listed:
    """The list of ids of a mapping, as far as it has one.

    ids : all that are listed, as the files have them; None: the files themselves say so
    rows : (n,) of those that the mapping's ``rows`` choose
    counts : (N,) segments of each, where the mapping names an array of them
    """

    def __init__(self, folder: Path, file: Path | None, plan: EmbeddingsMapping, tensors: ReadTensors | None) -> None:
        self._folder, self._file, self._tensors, self._plan = folder, file, tensors, plan
        listed = plan.ids.listed
        # of the table of the embeddings the mapping names the column of ids only: they stand beside them
        paths = {m.array.where.path or (None if file is None else file.name) for m in plan.modalities.values()}
        tables = {Path(path) for path in paths if path is not None}
        beside = listed is not None and listed.is_table and Path(listed.where.path or "") in tables
        self.ids: list[str] | None = None if listed is None or beside else self._list(listed)
        self.rows: NDArray[np.int64] = np.arange(0 if self.ids is None else len(self.ids))
        where = f"{plan.path}: [embeddings.ids]"
        if beside and plan.ids.rows is not None:
            raise DataError(f"{where}: rows is for arrays of all videos, and ids stand in a table; choose by keep")
        if self.ids is not None and plan.ids.rows is not None:
            self.rows = self._integers(plan.ids.rows, len(self.ids) - 1)
            if len(np.unique(self.rows)) < len(self.rows):
                raise DataError(f"{where}: rows names a row twice; keep one")
        self.counts: NDArray[np.int64] | None = None
        if isinstance(plan.segments, Where):
            if self.ids is None:
                raise DataError(f"{plan.path}: [embeddings]: segments is an array, and no list of ids says whose")
            self.counts = self._integers(plan.segments, MAX_SEGMENTS)
            if len(self.counts) != len(self.ids):
                raise DataError(
                    f"{plan.path}: [embeddings]: segments has {len(self.counts)} numbers, and the list of ids "
                    f"{len(self.ids)} names; give one for each"
                )

    def wanted(self, sources: Mapping[str, Source]) -> list[Wanted]:
        """The videos to import, in the order of the list, else sorted by id.

        Raises: DataError where arrays do not fit the list, no video is left, or an id is there twice.
        """
        ids, rows = self.ids, self.rows
        if ids is None:
            ids = sorted({id for source in sources.values() for id in source.ids or ()})
            rows = np.arange(len(ids))
        for source in sources.values():
            if isinstance(source, WholeSource):
                source.place(len(ids), rows)
        renaming, where = self._plan.ids.renaming, f"{self._plan.path}: [embeddings.ids]"
        if self._plan.ids.listed is not None and self.ids is not None:
            where += f": path = {self._plan.ids.listed.where.path!r}"
        final = final_ids(renaming, ids, rows, where)
        raw = [ids[r] for r in rows.tolist()]
        chosen = list(range(len(final)))
        if self._plan.ids.keep is not None:
            keep = self._plan.ids.keep
            chosen = positions_of(
                self._list(keep), final, f"{self._plan.path}: [embeddings.ids]: [keep]: path = {keep.where.path!r}"
            )
        if not chosen:
            raise DataError(f"{self._folder} has no video that the mapping {self._plan.path} finds; check its paths")
        counts = self.counts
        return [
            Wanted(final[i], raw[i], int(rows[i]), None if counts is None else int(counts[rows[i]])) for i in chosen
        ]

    def _list(self, plan: ListPlan) -> list[str]:
        """Names in a text file or a table, or an array of text."""
        assert plan.where.path is not None
        path = self._folder / plan.where.path
        if plan.is_table:
            return parquet_names(path, plan.column)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            with open_arrays(path, self._tensors) as arrays:
                name = chosen_name(arrays, plan.where.key)
                return list(names_of(arrays.read(name), f"{name} in {path}" if name else str(path)))
        return read_names(path, plan.column, plan.separator)

    def _integers(self, where: Where, most: int) -> NDArray[np.int64]:
        """An array (n,) of whole numbers from 0 to ``most``."""
        path = source_path(self._folder, self._file, where)
        with open_arrays(path, self._tensors) as arrays:
            found = whole_array(arrays, chosen_name(arrays, where.key))
        found = found.reshape(-1) if found.ndim == 2 and 1 in found.shape else found
        whole = found.ndim == 1 and (found.dtype.kind in "iu" or bool((found == np.floor(found)).all()))
        if not whole or (len(found) and not 0 <= found.min() <= found.max() <= most):
            raise DataError(f"{path} must hold whole numbers from 0 to {most} in a row; save them so")
        return found.astype(np.int64)
