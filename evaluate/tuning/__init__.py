"""Search for the best setting over cached scores: ``tune(store, TuneSettings(...))``."""

from ..settings import TuneSettings
from .run import TuneResult, tune

__all__ = ["TuneResult", "TuneSettings", "tune"]
