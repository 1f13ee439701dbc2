"""Search for the best setting over cached scores: ``tune(store, TuneSettings(...))``."""

from ..command_options import TuneSettings
from .result import TuneResult
from .run import tune

__all__ = ["TuneResult", "TuneSettings", "tune"]
