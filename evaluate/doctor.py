"""What ``avreplay doctor`` looks at for replay, search and reports."""

from __future__ import annotations

from collections.abc import Iterator

from ..cache.doctor.imports import Imports
from ..cache.doctor.packages import extra_checks
from ..core.health import Check
from ..core.installation import requirements_of

EXTRAS = {
    "tune": "searches by Optuna's samplers",
    "parquet": "Parquet files",
    "notebook": "tables and figures in notebooks",
    "explore": "the explorer",
    "probe": "linear probes",
    "hdf5": "HDF5 files",
    "ray": "several machines (--ray)",
}


def evaluate_packages() -> list[str]:
    """The distributions of these extras."""
    return [r.name for extra in EXTRAS for r in requirements_of(extra)]


def evaluate_checks(tried: Imports) -> Iterator[Check]:
    """The extras of replay, search and reports."""
    yield from extra_checks(EXTRAS, tried)
