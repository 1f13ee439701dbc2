"""Every decoder tuned alike on one split and reported on another: ``leaderboard(stores, LeaderboardSettings(...))``."""

from ..leaderboard_options import LeaderboardSettings
from .result import Leaderboard
from .run import leaderboard

__all__ = ["Leaderboard", "LeaderboardSettings", "leaderboard"]
