"""The files of a leaderboard: its content and its page, and apart from them what took how long here."""

from __future__ import annotations

from pathlib import Path

from ..tuning.outputs import write_json
from .board_state import FILES
from .page import write_page, write_timing_page
from .result import Leaderboard


def write_board(board: Leaderboard, out: Path) -> None:
    """Write all files; those of the timing are the only ones that differ between two runs of the same leaderboard.

    Raises: DataError where one cannot be written.
    """
    write_json(out / FILES["json"], board.content())
    write_page(out / FILES["page"], board)
    write_json(out / FILES["timing"], board.timing())
    write_timing_page(out / FILES["timing_page"], board)
