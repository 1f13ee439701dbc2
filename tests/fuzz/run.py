"""Drawing the mutants of one kind of input and running each in a copy of the seeds."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .cases import Target
from .child import run_forked
from .media import MEDIA_AT_ONCE

KINDS = ("traceback", "hang", "memory", "exit", "crash", "accepted", "message")
"""What can be wrong, as :mod:`.child` names it."""


def run_target(
    target: Target, count: int, number: int, seeds: Path, keep: Path | None = None
) -> tuple[Counter[str], list[tuple[str, str]]]:
    """Counts of what came of ``count`` mutants, and the first faults of each kind; ``number`` is the random seed.

    The folders of mutants that went wrong are moved to ``keep``.
    """
    at_once = MEDIA_AT_ONCE if target.name == "media" else 1
    counts: Counter[str] = Counter()
    faults: dict[tuple[str, str], str] = {}

    @seed(number)
    @settings(
        max_examples=max(1, count // at_once), phases=[Phase.generate], database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def one(data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory(prefix="avreplay-mutant-") as temporary:
            folder = Path(temporary, "m")
            shutil.copytree(seeds, folder)
            case = target.make(folder, data.draw)
            outcome = run_forked(folder, case.commands, case.accepted, case.named)
            counts["mutants"] += at_once
            counts["exit 0" if outcome.code == 0 else "refused"] += at_once
            if outcome.fault:
                counts[outcome.fault] += 1
                place = keep and keep / target.name / f"{outcome.fault}-{counts[outcome.fault]}"
                detail = outcome.detail.replace(temporary, "")
                alike = (outcome.fault, detail[-80:])
                if place and alike not in faults and counts[outcome.fault] <= 20:
                    shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
                    detail += f" [{place}]"
                faults.setdefault(alike, detail)

    one()
    return counts, [(kind, detail) for (kind, _), detail in faults.items()][:12]
