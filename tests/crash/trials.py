"""One trial: a writer ends at a point, and then everything is as it must be.

After a kill or a refused operation the stores open, or there truly is none; ``verify`` finds no damage; what is said to
be complete can be read; and the same command again leaves, byte for byte, the files of an uninterrupted run and nothing
else. After a refused operation the command has said so in one sentence.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .operations import REMOVES, Operations, Point
from .writers import Writer

Fork = Callable[[Callable[[], Any]], Any]


def prepare(writer: Writer, home: Path) -> bool:
    """Make what is there before the command, and the inputs that it reads."""
    (home / "inputs").mkdir()
    (home / "before").mkdir()
    writer.prepare(home / "before", home / "inputs")
    return True


def do(writer: Writer, home: Path, job: dict[str, Any], forked: Fork) -> dict[str, Any]:
    """Count the operations of an uninterrupted run, or try one point."""
    if "at" not in job:
        seen = forked(lambda: _run(writer, home, "whole", None))
        return (
            {"operations": seen["operations"]} if isinstance(seen, dict) and "operations" in seen else {"error": seen}
        )
    point = Point(job["at"], job["how"], job["error"])
    done = forked(lambda: _run(writer, home, "tried", point))
    problems = []
    if done is not None:
        problems += done.get("problems", [f"the command ended {done.get('ended')}"])
    elif point.how not in ("kill", "torn"):
        problems.append("the process was killed")
    if done is not None and point.how in ("kill", "torn"):
        problems.append("the process was not killed: its operations differ from run to run")
    found = forked(lambda: _afterwards(writer, home))
    if not isinstance(found, list):
        found = [f"looking afterwards, or the command again, ended {(found or {}).get('ended', 'by SIGKILL')}"]
    return {"problems": problems + found, "operation": None if done is None else done.get("operation")}


def _run(writer: Writer, home: Path, name: str, point: Point | None) -> dict[str, Any]:
    from avreplay.core.errors import AvreplayError

    folder = home / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(home / "before", folder, symlinks=True)
    operations = Operations(str(folder), point)
    os.chdir(folder)
    operations.install()
    problems = []
    try:
        writer.run(folder, home / "inputs")
    except AvreplayError as error:
        if point is None:
            raise
        text = str(error)
        if "\n" in text or not text.strip() or "Errno" in text or len(text) > 600:
            problems.append(f"this is no sentence: {text!r}")
        refused = operations.seen[point.at][0]
        if point.how in ("fail", "full") and refused not in REMOVES:
            problems += [f"left behind: {p}" for p in _leftovers(folder)]
            if writer.all_or_nothing and _tree(folder, writer) != _tree(home / "before", writer):
                problems.append("it was refused and has not left what was there before")
    except BaseException as error:
        if point is None:
            raise
        import traceback

        last = traceback.extract_tb(error.__traceback__)[-3:]
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(last))
        problems.append(f"{type(error).__name__}: {error} ({where})")
    if point is None:
        return {"operations": operations.seen}
    return {"problems": problems, "operation": operations.seen[point.at] if len(operations.seen) > point.at else None}


def _leftovers(folder: Path) -> list[str]:
    """Files that are not whole, and empty folders."""
    found = []
    for here, folders, files in os.walk(folder):
        found += [os.path.join(here, f) for f in files if f.endswith(".partial")]
        if not folders and not files and here != str(folder):
            found.append(here)
    return [os.path.relpath(p, folder) for p in found]


def _afterwards(writer: Writer, home: Path) -> list[str]:
    folder, whole = home / "tried", home / "whole"
    os.chdir(folder)
    problems = [p for store in writer.stores for p in _store(folder / store, (whole / store).exists())]
    writer.run(folder, home / "inputs")
    problems += [f"left behind: {p}" for p in _leftovers(folder)]
    now, right = _tree(folder, writer), _tree(whole, writer)
    problems += [f"not in an uninterrupted run: {p}" for p in sorted(now.keys() - right.keys())]
    problems += [f"missing after the second run: {p}" for p in sorted(right.keys() - now.keys())]
    problems += [
        f"other bytes than of an uninterrupted run: {p}" for p in sorted(now) if now[p] != right.get(p, now[p])
    ]
    return problems


def _tree(folder: Path, writer: Writer) -> dict[str, bytes]:
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {n: writer.comparable(n, p.read_bytes()) for n, p in files.items() if ".locks" not in p.parts}


def _store(path: Path, needed: bool) -> list[str]:
    """What is wrong with what an interrupted writer left of a store."""
    from avreplay.cache import open_store, verify_store
    from avreplay.core.errors import DataError

    try:
        store = open_store(path)
    except DataError as error:
        return [f"no longer a store: {error}"] if (path / "zarr.json").exists() else []
    problems = [f"verify: {p.path} {p.problem}" for p in verify_store(path)]
    for shard in store.committed:
        store.shard_arrays(shard)
    for name in store.score_sets:
        store.bundle(name)
    scored = store.complete and (store.labels or store.kind == "scores")
    if scored and store.bundle().num_labels != len(store.labels):
        problems.append(f"complete with {len(store.labels)} labels")
    return problems
