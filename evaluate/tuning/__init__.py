"""Search for the best setting over cached scores: ``tune(store, TuneSettings(...))``."""

from ..settings import TuneSettings
from .result import TuneResult
from .run import tune

__all__ = ["TuneResult", "TuneSettings", "tune"]
