"""Scores made elsewhere: bundles (npz), and any model's npz, HDF5 and csv files read by a mapping (TOML)."""
