"""Search for the best setting over cached scores: ``tune_store(store, TuneSettings(...))``."""

from .run import TuneResult, TuneSettings, tune_store

__all__ = ["TuneResult", "TuneSettings", "tune_store"]
