"""Search for the best setting over cached scores: ``tune(store, TuneSettings(...))``, of several ``tune_shared``."""

from ..tune_options import TuneSettings
from .result import TuneResult
from .run import tune
from .shared import tune_shared
from .shared_result import SharedResult

__all__ = ["SharedResult", "TuneResult", "TuneSettings", "tune", "tune_shared"]
