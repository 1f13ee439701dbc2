"""Several processes that begin one store at the same moment: each does its work or is refused, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.imports.bundle_npz import write_bundle
from made_store import write_store
from store_files import tree
from tuning_data import made

TESTS = str(Path(__file__).parent)
CODE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
{imports}
from avreplay.core.errors import DataError
import avreplay.cache.imports.score_store, avreplay.cache.writer
print("ready", flush=True)
sys.stdin.readline()
try:
    {write}
    print("done")
except DataError as error:
    print(error)
"""


def _at_once(count: int, imports: str, write: str) -> list[str]:
    """What each of the processes says at its end."""
    command = [sys.executable, "-c", CODE.format(imports=imports, write=write), TESTS]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * count
    return said


@pytest.mark.parametrize("what", ["extraction", "import"])
def test_of_those_that_begin_at_once_one_writes_and_the_others_wait_or_are_refused(what: str, tmp_path: Path) -> None:
    if what == "extraction":
        imports, write = "from made_store import write_store", f"write_store({str(tmp_path / 'deep' / 's')!r}, 30)"
        write_store(str(tmp_path / "alone"), 30)
    else:
        write_bundle(made(0, 4)[0], tmp_path / "b.npz")
        write = f"import_scores({str(tmp_path / 'b.npz')!r}, {str(tmp_path / 'deep' / 's')!r})"
        imports = "from avreplay.cache import import_scores"
        exec(f"{imports}\nimport_scores({str(tmp_path / 'b.npz')!r}, {str(tmp_path / 'alone')!r})")
    said = _at_once(3, imports, write)
    assert "done" in said
    assert all(text == "done" or "another process" in text for text in said), said
    assert tree(tmp_path / "deep" / "s") == tree(tmp_path / "alone")
    assert verify_store(tmp_path / "deep" / "s") == []
    assert open_store(tmp_path / "deep" / "s").complete
