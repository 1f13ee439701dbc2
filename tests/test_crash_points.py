"""A fixed few of the points at which every command that writes is killed or refused an operation; `make crash` has all.

What must hold after each is in `crash/trials.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from crash.harness import Server, crash_points, drawn, refused_points
from crash.operations import Operations, Point
from crash.writers import WRITERS

pytestmark = [pytest.mark.process, pytest.mark.media, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(find_spec("torch") is not None) as running:
        yield running


def tried(server: Server, name: str) -> None:
    operations = server.operations(name)
    points = [*drawn(crash_points(operations), 2, name), *drawn(refused_points(operations), 1, name)]
    found = {f"{point} {operations[point.at]}": server.problems(name, point) for point in points}
    assert {where: problems for where, problems in found.items() if problems} == {}


@pytest.mark.parametrize("name", [w.name for w in WRITERS if not w.needs_torch])
def test_killed_or_refused_the_same_command_again_gives_the_same_files(name: str, server: Server) -> None:
    tried(server, name)


def test_training_killed_or_refused(server: Server) -> None:
    pytest.importorskip("torch")
    tried(server, "finetune")


def test_writing_again_what_is_there_changes_nothing(server: Server) -> None:
    assert server.operations("score-set-again") == []
    assert len(server.operations("import")) > 100


def test_each_operation_and_half_of_each_write_is_a_point() -> None:
    operations = [("open", "f"), ("write", "f"), ("rename", "f")]
    assert list(crash_points(operations)) == [Point(0), Point(1), Point(1, "torn"), Point(2)]
    assert {p.how for p in refused_points(operations)} == {"fail", "full", "refuse"}
    assert len(list(refused_points(operations))) == 9
    assert drawn(crash_points(operations), 2, "a") == drawn(crash_points(operations), 2, "a")
    assert len(drawn(crash_points(operations), 9, "a")) == 4


def test_a_point_beyond_the_last_operation_does_nothing(tmp_path) -> None:
    operations = Operations(str(tmp_path), Point(1, "fail", "EIO"))
    assert not operations.happens("write", "f")
    with pytest.raises(OSError, match="Input/output error"):
        operations.happens("write", "f")
    assert not operations.happens("write", "f")
    assert operations.seen == [("write", "f")] * 3
    assert operations.place(tmp_path / "a" / ".." / "b") == "b"
    assert operations.place("/elsewhere") is None
