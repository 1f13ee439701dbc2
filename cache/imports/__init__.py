"""Scores made elsewhere: bundles, and npz, HDF5 and csv files read by a mapping."""
