"""Compiled kernels are found by their sources, and a start loads no more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from avreplay.core.kernels import code_folder

ROOT = Path(__file__).parents[1]
CODE = """
import sys
from avreplay.core.metrics.ave_accuracy import ave_accuracy
from avreplay.core.metrics.llp import llp_f_scores
from avreplay.core.events import Events
e = Events.from_tracks([[[], [], [(0, 0, 2)]]])
print(llp_f_scores(e, e, [2], 1).sum(), "numba" in sys.modules)  # a lean kernel
print(ave_accuracy(e, e, [2], 1)[0, 0], "scipy.linalg" in sys.modules)
import numba.np.arraymath, numba.np.linalg
print(numba.np.arraymath.ensure_blas is numba.np.linalg.ensure_blas, numba.np.linalg.ensure_blas.__module__)
"""


def test_another_installation_of_the_same_sources_compiles_nothing(tmp_path):
    done = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "avreplay").symlink_to(ROOT)
        env = {**os.environ, "PYTHONPATH": str(tmp_path / place), "AVREPLAY_CACHE_DIR": str(tmp_path / "cache")}
        done.append(subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=env, cwd=os.sep))
    assert [d.returncode for d in done] == [0, 0], done[0].stderr + done[1].stderr
    assert ["compiling" in d.stderr for d in done] == [True, False]
    # no kernel needs LAPACK; whoever else uses Numba's linear algebra finds it as it was
    assert [d.stdout.splitlines()[1:] for d in done] == [["2 False", "True numba.np.linalg"]] * 2
    assert [d.stdout.splitlines()[0] for d in done] == ["8.0 True", "8.0 False"]


def test_a_kernel_is_kept_for_all_the_files_it_is_made_of(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    for name, text in (
        ("entry", "from .one import (\n    x,\n)\nfrom . import two, three\n"),
        ("one", "from .deep import y\n"),
        ("two", ""),
        ("three", ""),
        ("deep", ""),
        ("other", ""),
    ):
        (package / f"{name}.py").write_text(text)
    made_of = {path.stem for path in code_folder.sources(package / "entry.py")}
    assert made_of == {"entry", "one", "two", "three", "deep", *code_folder.MAKERS}
    before = code_folder.sources_hash(package / "entry.py")
    (package / "other.py").write_text("z = 1\n")
    code_folder.sources.cache_clear()
    assert code_folder.sources_hash(package / "entry.py") == before
    (package / "deep.py").write_text("y = 1\n")
    code_folder.sources.cache_clear()
    assert code_folder.sources_hash(package / "entry.py") != before
