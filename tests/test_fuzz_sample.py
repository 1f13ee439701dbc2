"""A fixed sample of what ``make fuzz`` runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_sample_of_mutants_of_every_input(tmp_path: Path) -> None:
    """In a process of its own: it forks, which a process with the threads of other tests must not."""
    here = Path(__file__).parent
    places = [str(here), str(here.parent / "benchmarks")]
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--count", "150", "--seed", "12", "--keep", str(tmp_path / "kept")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "media" in done.stdout
