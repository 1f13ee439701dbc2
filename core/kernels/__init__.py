"""Numba kernels: the only compiled code of the package. Their plain twins are in :mod:`avreplay.core.reference`."""

from ..one_piece import in_one_piece

with in_one_piece():
    import numba  # noqa: F401
