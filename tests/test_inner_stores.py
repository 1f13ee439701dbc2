"""A store inside a store: found, told of and checked, and never taken for a part of the outer one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import fsspec
import pytest
from avreplay.cache import StoreWriter, check_store, open_store, store_info, upgrade_store, verify_store
from avreplay.cache.inner_stores import inner_url, outer_store
from avreplay.cache.layout.location import Location
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from click.testing import CliRunner
from made_store import CONFIG, names, vocabulary, write_store
from made_store import video as made_video
from store_files import tree

pytestmark = pytest.mark.slow
Change: TypeAlias = Callable[[Path, Path], None]


def write_inner(url: str, name: str = "other", count: int = 16, config: dict | None = None) -> str:
    """A store of the same made-up videos inside another one."""
    inside = inner_url(url, name)
    config = {**CONFIG, "backbone": {"name": name}, **(config or {})}
    with StoreWriter.open(inside, config, names(count), shard_videos=8) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [made_video(v) for v in ids])
        writer.set_vocabulary(vocabulary())
        writer.finish()
    return inside


@pytest.mark.parametrize("where", ["local", "file", "memory"])
def test_it_is_found_and_is_no_part_of_the_outer_store(tmp_path: Path, where: str) -> None:
    url = {"local": f"{tmp_path}/s", "file": f"file://{tmp_path}/s", "memory": f"memory://{tmp_path.name}/s"}[where]
    write_store(url, 16)
    alone = store_info(url)
    assert open_store(url).backbones == {}
    write_inner(url, "zeta")
    write_inner(url, "other", 8)
    store = open_store(url)
    assert list(store.backbones.items()) == [(n, f"{url}/backbones/{n}") for n in ("other", "zeta")]
    assert open_store(store.backbones["zeta"]).bundle().num_videos == store.bundle().num_videos
    info = store_info(url)
    told = info.pop("backbones")
    more = len(json.dumps(Location(url).attributes()["inner"], indent=2)) - 2  # type: ignore[index]
    assert 0 < info["bytes"] - alone["bytes"] - more < 20  # the indentation of the list in the root
    assert {**info, "backbones": {}, "bytes": 0} == {**alone, "bytes": 0}
    assert [(n, b["videos"], b["videos_planned"], b["complete"]) for n, b in told.items()] == [
        ("other", 8, 16, False),
        ("zeta", 16, 16, True),
    ]
    assert told["zeta"]["bytes"] == sum(Location(url).size(f) for f in Location(url).files("backbones/zeta"))
    assert verify_store(url) == []
    assert outer_store(Location(f"{url}/backbones/zeta")) is not None
    assert outer_store(Location(url)) is None


def test_a_relative_path_lies_inside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(str(tmp_path / "s"), 16)
    inside = write_inner(str(tmp_path / "s"))
    monkeypatch.chdir(inside)
    assert outer_store(Location(".")) == str(tmp_path / "s")
    (tmp_path / "backbones").mkdir()
    assert outer_store(Location(tmp_path / "backbones/x")) is None  # no store around it


def test_damage_inside_is_told_with_the_whole_path(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 16)
    inside = Path(write_inner(url))
    (inside / "notes.txt").write_text("mine")
    chunk = next(p for p in sorted((inside / "shards/00001/audio_clip/c").rglob("*")) if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    found = {p.path: p for p in verify_store(url)}
    damaged = f"backbones/other/shards/00001/{chunk.relative_to(inside / 'shards/00001')}"
    assert set(found) == {"backbones/other/notes.txt", damaged}
    assert found[damaged].group == "backbones/other/shards/00001"
    (inside / "shards/00000/zarr.json").write_text("{")
    assert "cannot be read" in store_info(url)["foreign"]["backbones/other"]
    assert any("shards/00000/zarr.json" in p.path for p in verify_store(url))


def test_what_does_not_belong_is_told_and_not_read(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 16)
    folder = tmp_path / "s" / "backbones"
    write_inner(url, "good")
    write_inner(url, "more_videos", 24)
    write_inner(url, "longer", config={"segment_seconds": 2.0})
    write_inner(url, "another", config={"backbone": {"name": "good"}})
    (folder / "stray").mkdir()
    (folder / "stray/readme").write_text("x")
    (folder / "file").write_text("x")
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken/zarr.json").write_text("{")
    (folder / "foreign").mkdir()
    (folder / "foreign/zarr.json").write_text(json.dumps({"attributes": {"format": "x"}, "node_type": "group"}))
    write_store(str(folder / "good/backbones/deeper"), 16)
    assert list(open_store(url).backbones) == ["good"]
    words = {
        "backbones/more_videos": "holds the video 'v16', which the store around it does not have",
        "backbones/longer": "has segment_seconds 2.0 and the store around it 1.0",
        "backbones/another": "holds no embeddings of the backbone another but of good",
        "backbones/stray": "is not an avreplay store",
        "backbones/empty": "is an empty folder",
        "backbones/file": "does not belong to the store",
        "backbones/broken": "cannot be opened",
        "backbones/foreign": "cannot be opened",
        "backbones/good/backbones/deeper": "which lies inside",
    }
    found = {p.path: p.problem for p in verify_store(url)}
    assert set(found) == set(words)
    assert all(words[path] in found[path] for path in words)
    shown = CliRunner().invoke(main, ["info", url])
    assert "backbone     good: " in shown.stdout
    assert "16 of 16 videos" in shown.stdout
    assert "warning      backbones/stray is not an avreplay store" in shown.stdout
    told = json.loads(CliRunner().invoke(main, ["info", url, "--json"]).stdout)
    assert list(told["backbones"]) == ["good"]
    assert CliRunner().invoke(main, ["verify", url]).exit_code == 1


def test_the_writer_of_the_outer_store_leaves_unfinished_files_inside_alone(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 16)
    half = Path(write_inner(url)) / "zarr.json.partial"
    own = tmp_path / "s" / "zarr.json.partial"
    half.write_text("being written")
    own.write_text("left by a killed writer")
    with StoreWriter.open(url, CONFIG, names(24), shard_videos=8):
        pass
    assert half.exists()
    assert not own.exists()
    with StoreWriter.open(inner_url(url, "other"), {**CONFIG, "backbone": {"name": "other"}}, []):
        assert not half.exists()


def test_each_store_has_locks_of_its_own(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 16)
    inside, config = write_inner(url), {**CONFIG, "backbone": {"name": "other"}}
    with StoreWriter.open(url, CONFIG, []), StoreWriter.open(inside, config, [], part=(1, 2)):
        with pytest.raises(DataError, match="another process is writing"):
            StoreWriter.open(inside, config, [])
        assert verify_store(url) == []


def test_a_store_that_has_lost_its_root_is_not_begun_anew(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_inner(url)
    with pytest.raises(DataError, match="not empty"):
        StoreWriter.open(url, CONFIG, names(8))


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_names_that_would_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a folder"):
        inner_url("s", name)


def test_a_stray_folder_on_another_filesystem_is_told(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    url = f"memory://{tmp_path.name}/s"
    write_store(url, 16)
    fs.pipe_file(f"/{tmp_path.name}/s/backbones/x/readme", b"x")
    assert [p.path for p in verify_store(url)] == ["backbones/x"]


# --- the list of inner stores in the root of the outer one ----------------------------------------------------------


def two_stores(folder: Path) -> tuple[Path, Path]:
    """Stores with two inner stores each, alike but for the videos of the inner ones."""
    for name, count in (("a", 16), ("b", 8)):
        write_store(str(folder / name), 16)
        write_inner(str(folder / name), "x", count)
        write_inner(str(folder / name), "y", 16)
    return folder / "a", folder / "b"


def remove(store: Path, other: Path) -> None:
    shutil.rmtree(store / "backbones/x")


def remove_all(store: Path, other: Path) -> None:
    shutil.rmtree(store / "backbones")


def remove_root(store: Path, other: Path) -> None:
    (store / "backbones/x/zarr.json").unlink()


def exchange(store: Path, other: Path) -> None:
    shutil.rmtree(store / "backbones/x")
    shutil.copytree(other / "backbones/x", store / "backbones/x")


def add(store: Path, other: Path) -> None:
    write_inner(str(other), "z")
    shutil.copytree(other / "backbones/z", store / "backbones/z")


def go_back(store: Path, other: Path) -> None:
    """An older state of the same inner store."""
    shutil.copytree(store / "backbones/x", other / "old")
    with StoreWriter.open(store / "backbones/x", {**CONFIG, "backbone": {"name": "x"}}, []) as writer:
        labels = vocabulary(seed=9)
        writer.set_vocabulary(labels)
        writer.finish()
    assert check_store(store).problems == ()
    shutil.rmtree(store / "backbones/x")
    shutil.move(other / "old", store / "backbones/x")


@pytest.mark.parametrize("change", [remove, remove_all, remove_root, exchange, add, go_back])
def test_removal_exchange_and_addition_of_a_valid_inner_store_are_named(tmp_path: Path, change: Change) -> None:
    store, other = two_stores(tmp_path)
    for found in (check_store(store), check_store(other)):
        assert found.problems == ()
    before = check_store(store).unchecked
    change(store, other)
    named = {p.path.split("/")[1] for p in verify_store(store)}
    assert named == {add: {"z"}, remove_all: {"x", "y"}}.get(change, {"x"})
    assert check_store(store).unchecked == before == ()
    assert set(open_store(store).backbones) == {"x", "y"} - named
    # nothing that is written there makes it pass for the right one
    if change in (exchange, add, go_back):
        name = named.pop()
        with pytest.raises(DataError, match="is not the store that was written into"):
            write_inner(str(store), name, 16)
        assert {p.path.split("/")[1] for p in verify_store(store)} == {name}


def test_a_lost_inner_store_can_be_written_again(tmp_path: Path) -> None:
    store, _ = two_stores(tmp_path)
    whole = tree(store)
    shutil.rmtree(store / "backbones/x")
    write_inner(str(store), "x", 16)
    assert tree(store) == whole
    assert check_store(store).problems == check_store(store).unchecked == ()


def test_a_store_without_the_list_is_read_and_says_what_cannot_be_seen(tmp_path: Path) -> None:
    """As the first stores of version 2 are."""
    store, _ = two_stores(tmp_path)
    whole = tree(store)
    for root in (store / "backbones/x", store / "backbones/y", store):
        place = Location(root)
        attributes = place.attributes()
        assert attributes is not None
        place.set_attributes("", {k: v for k, v in attributes.items() if k not in ("inner", "seal")})
    found = check_store(store)
    assert found.problems == ()
    assert any(f"{store} has no list of the stores inside it" in line for line in found.unchecked)
    assert list(open_store(store).backbones) == ["x", "y"]
    write_inner(str(store), "x", 16)  # is still written into
    assert check_store(store).problems == ()
    assert len(upgrade_store(store).stores) == 3
    assert tree(store) == whole


def test_writers_of_inner_stores_and_of_the_outer_one_at_once(tmp_path: Path) -> None:
    """None of them overwrites what another one has put into the root."""
    url = str(tmp_path / "s")
    write_store(url, 8)
    with ThreadPoolExecutor(4) as pool:
        inner = [pool.submit(write_inner, url, f"b{k}", 8) for k in range(3)]
        write_store(url, 16, 4)
        for done in inner:
            done.result()
    found = check_store(url)
    assert (found.problems, found.unchecked) == ((), ())
    root = Location(url).attributes()
    assert root is not None
    assert list(root["inner"]) == ["b0", "b1", "b2"]
    assert all(root["inner"].values())


def test_a_beginning_that_is_refused_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = two_stores(tmp_path)
    whole = tree(store)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for lost in (False, True):
        if lost:
            shutil.rmtree(store / "backbones/x")
            whole = tree(store)
        monkeypatch.setattr(os, "makedirs", full)
        with pytest.raises(DataError, match="No space left"):
            write_inner(str(store), "x" if lost else "new", 16)
        monkeypatch.undo()
        assert tree(store) == whole
