"""Compiled parts of the exact response; the plain form of each is in ``core/exact/reference.py``."""
