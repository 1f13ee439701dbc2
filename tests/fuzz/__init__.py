"""Mutants of everything that comes from outside, each given to the command that reads it, in a process of its own.

``make fuzz N=10000`` runs all; ``tests/test_fuzz_sample.py`` a fixed sample.
"""
