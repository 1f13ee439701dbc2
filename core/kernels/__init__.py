"""Numba kernels: the only compiled code of the package. Their plain twins are in :mod:`avreplay.core.reference`."""
