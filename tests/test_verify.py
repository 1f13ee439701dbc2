"""`verify` names any change, removal and exchange of the files of a store; readers read it or refuse it in a sentence.

The changes are generated: every value of every zarr.json, every file, every pair of files of a kind.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import (
    StoreWriter,
    check_store,
    import_bundle,
    open_store,
    store_info,
    verify_store,
    write_score_set,
)
from avreplay.cache.layout.group_file import group_bytes, sealed
from avreplay.cache.layout.location import Location
from avreplay.cli import main
from avreplay.core.errors import AvreplayError, DataError
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_store import CONFIG, names, write_store
from store_files import begin_writing, tree
from test_inner_stores import write_inner
from test_score_sets import CONFIG as SET_CONFIG
from test_score_sets import made_scores

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two shards, a score set and an inner store."""
    folder = tmp_path_factory.mktemp("whole") / "s"
    write_store(str(folder), 6, shard_videos=4)
    write_score_set(folder, "a", made_scores(open_store(folder)), SET_CONFIG)
    write_inner(str(folder), "other", 6)
    return folder


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    folder = tmp_path_factory.mktemp("imported") / "s"
    import_bundle(open_store(whole).bundle(), folder)
    return folder


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def sentence(call: Callable[[], Any]) -> Any:
    """What a call returns; None where it refuses in one sentence."""
    try:
        return call()
    except AvreplayError as error:
        if "\n" in str(error):
            raise
        return None


def damaged(folder: Path) -> bool:
    """Whether `verify` finds something, in sentences."""
    found = sentence(lambda: check_store(folder))
    if found is None:
        return True
    assert all("\n" not in f"{p.path} {p.problem}; {p.fix}" for p in found.problems)
    return bool(found.problems)


def read_all(folder: Path) -> None:
    """Whatever a store has become, what reads it does so or refuses in one sentence."""
    readers: list[Callable[[], Any]] = [
        lambda: store_info(folder),
        lambda: open_store(folder).bundle(),
        lambda: open_store(folder).bundle("a"),
        lambda: open_store(folder).embeddings(),
        lambda: open_store(folder).content_hash,
    ]
    for read in readers:
        sentence(read)


def values(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in a JSON document, with its place."""
    yield path, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield from values(child, (*path, key))


def changed(document: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A document with another value at a place; ``...`` removes it."""
    document = json.loads(json.dumps(document))
    if not path:
        return None if new is ... else new
    place = document
    for key in path[:-1]:
        place = place[key]
    if new is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return document


OTHERS = [..., None, True, False, 0, -1, 10**18, 1.5, "", "x", "../../outside", [], {}, [[1]], {"a": 1}]


def others(value: Any) -> Iterator[Any]:
    """Other values of the same type and of other ones."""
    yield from (new for new in OTHERS if new is ... or new != value or type(new) is not type(value))
    if isinstance(value, list) and value[::-1] != value:
        yield value[::-1]
    if isinstance(value, str) and value:
        yield value[:-1]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value + 1


def check_bytes(root: Path, path: Path, content: bytes) -> None:
    """Another content of a file is named, and read or refused; the file is put back."""
    before = path.read_bytes()
    if content == before:
        return
    path.write_bytes(content)
    try:
        assert damaged(root), path
        read_all(root)
    finally:
        path.write_bytes(before)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["whole", "imported"])
def test_every_file_counts(request: pytest.FixtureRequest, which: str) -> None:
    root: Path = request.getfixturevalue(which)
    rng = random.Random(3)
    checked = 0
    for path in (p for p in files(root) if "other" not in p.parts or rng.random() < 0.1):
        content = path.read_bytes()
        path.unlink()
        assert damaged(root), path
        read_all(root)
        path.write_bytes(content)
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        check_bytes(root, path, bytes(flipped))
        check_bytes(root, path, rng.choice([content + b" ", content[: len(content) // 2], b""]))
        checked += 1
    assert checked > 20
    assert not damaged(root)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["whole", "imported"])
def test_every_value_of_every_attribute_counts(request: pytest.FixtureRequest, which: str) -> None:
    root: Path = request.getfixturevalue(which)
    groups = [p for p in files(root) if p.name == "zarr.json" and b'"node_type": "group"' in p.read_bytes()]
    rng = random.Random(4)
    checked = 0
    for path in (p for p in groups if "other" not in p.parts):
        document = json.loads(path.read_bytes())
        for place, value in values(document):
            for new in rng.sample(list(others(value)), 2):
                content = json.dumps(changed(document, place, new), indent=2).encode()
                before = path.read_bytes()
                path.write_bytes(content)
                assert damaged(root), (path, place, new)
                path.write_bytes(before)
                checked += 1
    assert checked > 50
    assert not damaged(root)


def test_a_sealed_root_that_speaks_of_something_else_is_refused_by_type(whole: Path) -> None:
    """Forged attributes, with a seal that fits: read without a traceback all the same."""
    path = whole / "zarr.json"
    before = path.read_bytes()
    root = json.loads(before)["attributes"]
    rng = random.Random(5)
    for place, value in values(root):
        for new in rng.sample(list(others(value)), 3):
            forged = changed(root, place, new)
            path.write_bytes(group_bytes(sealed("", forged) if isinstance(forged, dict) else forged))
            damaged(whole)
            read_all(whole)
    path.write_bytes(before)


@pytest.mark.parametrize("group", ["shards/00000", "vocabularies/*", "vocabularies/*/scores", "score_sets/a/*"])
def test_sealed_markers_that_speak_of_something_else_are_refused_by_type(tmp_path: Path, group: str) -> None:
    """The same for markers, in a store that is not finished, so that no ledger refuses them before."""
    root = tmp_path / "s"
    write_store(str(root), 6, shard_videos=4)
    write_score_set(root, "a", made_scores(open_store(root)), SET_CONFIG)
    begin_writing(root)
    path = next(p for p in root.glob(f"{group}/zarr.json"))
    name = str(path.parent.relative_to(root))
    marker = json.loads(path.read_bytes())["attributes"]
    rng = random.Random(6)
    for place, value in values(marker):
        if place[:1] == ("sha256",) and len(place) > 1:
            continue
        for new in rng.sample(list(others(value)), 2):
            forged = changed(marker, place, new)
            path.write_bytes(group_bytes(sealed(name, forged) if isinstance(forged, dict) else forged))
            damaged(root)
            read_all(root)


def test_empty_folders_and_files_anywhere_in_a_store_are_named(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(whole, root)
    folders = [p for p in [root, *root.rglob("*")] if p.is_dir()]
    put = set()
    for k, folder in enumerate(folders):
        for name in ("x/y", "00009", f"mine{k}"):  # of nested ones, the outermost is named
            (folder / name).mkdir(parents=True)
            put.add(folder / name.partition("/")[0])
        (folder / "file").write_text("x")
        put.add(folder / "file")
    (root / ".locks").mkdir()
    (root / ".locks/shared").touch()  # of a killed writer
    (root / ".locks/mine").touch()
    put.add(root / ".locks/mine")
    assert {p.path for p in verify_store(root)} == {str(path.relative_to(root)) for path in put}


def test_what_a_killed_writer_leaves_is_not_called_foreign(tmp_path: Path) -> None:
    root = tmp_path / "s"
    write_store(str(root), 2)
    begin_writing(root)
    for name in (
        "shards/00001/audio_clip/c",
        "vocabularies/a/scores",
        "score_sets/b",
        "backbones",
        ".locks",
        "reference",
    ):
        (root / name).mkdir(parents=True)
    assert verify_store(root) == []
    (root / "results").mkdir()
    try:
        with contextlib.chdir(root):
            for _ in range(1100):  # deeper than Python's recursion
                os.mkdir("d")
                os.chdir("d")
        assert {p.path for p in verify_store(root)} == {"results", "d"}
        with StoreWriter.open(root, CONFIG, names(2)):
            pass
        assert not (root / "results").exists()
    finally:  # pytest could not
        subprocess.run(["rm", "-rf", root / "d"], check=True)


def test_files_that_are_exchanged_are_named(whole: Path, tmp_path: Path) -> None:
    """Two files of a store, of the store and its inner one, and of two stores of one configuration."""
    root = tmp_path / "s"
    shutil.copytree(whole, root)
    rng = random.Random(7)
    pairs = [(a, b) for a, b in itertools.combinations(files(root), 2) if a.read_bytes() != b.read_bytes()]
    for a, b in rng.sample(pairs, 60):
        one, two = a.read_bytes(), b.read_bytes()
        a.write_bytes(two)
        b.write_bytes(one)
        assert damaged(root), (a, b)
        a.write_bytes(one)
        b.write_bytes(two)
    assert not damaged(root)


def test_groups_that_are_exchanged_are_named(tmp_path: Path) -> None:
    """Whole groups with markers that fit them: of two stores that differ in nothing but the embeddings."""
    write_store(str(tmp_path / "a"), 6, shard_videos=4)
    import made_store

    true = made_store.video
    made_store.video = lambda name: (true(name)[0], true(name)[1] and _louder(true(name)[1]))  # type: ignore[assignment]
    try:
        write_store(str(tmp_path / "b"), 6, shard_videos=4)
    finally:
        made_store.video = true
    assert open_store(tmp_path / "a").plan == open_store(tmp_path / "b").plan
    for group in ("shards/00000", "shards/00001", "vocabularies"):
        shutil.copytree(tmp_path / "a", tmp_path / "mixed")
        shutil.rmtree(tmp_path / "mixed" / group)
        shutil.copytree(tmp_path / "b" / group, tmp_path / "mixed" / group)
        found = verify_store(tmp_path / "mixed")
        assert any(p.group.startswith(group) for p in found), group
        if group != "vocabularies":
            with pytest.raises(DataError, match="not the one that the ledger"):
                open_store(tmp_path / "mixed").embeddings()
        shutil.rmtree(tmp_path / "mixed")
    shutil.copy(tmp_path / "b/zarr.json", tmp_path / "a/zarr.json")
    assert verify_store(tmp_path / "a")


def _louder(e: Any) -> Any:
    from dataclasses import replace

    return replace(e, visual_clip=e.visual_clip * 2)


@pytest.mark.parametrize("group", ["shards/00001", "vocabularies", "score_sets/a", "score_sets", "shards"])
def test_what_is_removed_is_named(whole: Path, tmp_path: Path, group: str) -> None:
    shutil.copytree(whole, tmp_path / "s")
    shutil.rmtree(tmp_path / "s" / group)
    assert any(p.path.startswith(group) and p.problem == "is missing" for p in verify_store(tmp_path / "s"))


def test_a_damaged_group_is_mended_as_it_is_said(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "s"
    write_store(str(root), 6, shard_videos=4)
    before = tree(root)
    for group in ("shards/00000", next(iter((root / "vocabularies").glob("*/scores"))), "vocabularies"):
        shutil.rmtree(root / group)
        assert damaged(root)
        write_store(str(root), 6, shard_videos=4)
        assert tree(root) == before


def test_what_is_not_finished_says_so(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 6, shard_videos=4)
    assert check_store(url).unchecked == ()
    begin_writing(tmp_path / "s")
    shutil.rmtree(tmp_path / "s/shards/00001")
    found = check_store(url)
    assert found.problems == ()
    assert "is not finished" in found.unchecked[0]
    assert "1 of 2 shards" in found.unchecked[1]
    told = CliRunner().invoke(main, ["verify", url])
    assert (told.exit_code, told.stdout.count("\n")) == (0, 3)
    answer = json.loads(CliRunner().invoke(main, ["verify", url, "--json"]).stdout)
    assert (answer["schema_version"], answer["problems"], len(answer["unchecked"])) == (2, [], 2)
    write_store(url, 6, shard_videos=4)
    assert check_store(url).unchecked == ()


def test_a_resumed_run_with_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    write_store(url, 6, shard_videos=4)
    times = {path: path.stat().st_mtime_ns for path in files(tmp_path)}
    write_store(url, 6, shard_videos=4)
    assert {path: path.stat().st_mtime_ns for path in files(tmp_path)} == times


@pytest.mark.parametrize("version", ["store_v1", "store_v1_whole", "store_v1_imported"])
def test_a_store_of_version_1_is_verified_as_far_as_it_can_be(tmp_path: Path, version: str) -> None:
    root = tmp_path / "s"
    shutil.copytree(DATA / version, root)
    found = check_store(root)
    assert (found.problems, found.schema_version) == ((), 1)
    assert "avreplay upgrade" in found.unchecked[0]
    read_all(root)

    def spoil(pattern: str, change: Callable[[dict[str, Any]], None]) -> None:
        for path in root.glob(pattern):
            before = path.read_bytes()
            document = json.loads(before)
            change(document["attributes"])
            path.write_text(json.dumps(document))
            assert damaged(root), (pattern, path)
            read_all(root)
            path.write_bytes(before)

    def swap_ids(marker: dict[str, Any]) -> None:
        first, second = marker["videos"][:2]
        first["id"], second["id"] = second["id"], first["id"]

    spoil("shards/*/zarr.json", swap_ids)
    spoil("shards/*/zarr.json", lambda m: m.update(committed=False))
    spoil("shards/*/zarr.json", lambda m: m["videos"][0].update(status="no_video"))
    spoil("shards/*/zarr.json", lambda m: m["videos"][0].update(segments=m["videos"][0]["segments"] + 1))
    spoil("vocabularies/*/scores/zarr.json", lambda m: m["video_ids"].reverse())
    if version != "store_v1_imported":
        spoil("vocabularies/*/zarr.json", lambda m: m["labels"].reverse())
        spoil("vocabularies/*/scores/zarr.json", lambda m: m.update(kind="logit"))
    spoil("score_sets/*/*/zarr.json", lambda m: m["labels"].reverse())
    spoil("zarr.json", lambda m: m["config"].update(more=1))
    spoil("zarr.json", lambda m: m["plan"][0].reverse())
    spoil("zarr.json", lambda m: m.pop("kind"))


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("shards/00000/audio_clip/c/0/0", "/dev/zero"),
        ("zarr.json", "/dev/zero"),
        ("shards/00001/zarr.json", "/etc/hostname"),
        ("vocabularies/zarr.json", "nowhere"),
        ("shards", "/tmp"),
        ("score_sets/a", "/etc"),
        ("more", ".."),
    ],
)
def test_links_out_of_a_store_are_refused_by_name(whole: Path, tmp_path: Path, path: str, link: str) -> None:
    root = tmp_path / "s"
    shutil.copytree(whole, root)
    target = root / path
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.symlink_to(link)
    assert damaged(root)
    read_all(root)
    if path != "zarr.json":
        assert any(p.path.startswith(path) for p in verify_store(root))


def test_a_link_to_the_store_and_links_that_stay_inside_are_fine(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(whole)
    assert verify_store(tmp_path / "link") == []
    shutil.copytree(whole, tmp_path / "s")
    first, second = (tmp_path / "s" / f"{group}/zarr.json" for group in ("shards", "vocabularies"))
    assert first.read_bytes() == second.read_bytes()
    second.unlink()
    second.symlink_to("../shards/zarr.json")
    assert verify_store(tmp_path / "s") == []


@pytest.mark.parametrize("path", ["zarr.json", "shards/00000/zarr.json", "shards/00000/audio_clip/c/0/0", "pipe"])
def test_a_pipe_in_a_store_does_not_hang(whole: Path, tmp_path: Path, path: str) -> None:
    root = tmp_path / "s"
    shutil.copytree(whole, root)
    (root / path).unlink(missing_ok=True)
    os.mkfifo(root / path)
    assert damaged(root)
    read_all(root)


@pytest.mark.parametrize("name", ["../../outside", "/etc", "a/b", "", ".", "x" * 300, "zarr.json"])
def test_names_that_become_paths_stay_inside(tmp_path: Path, name: str) -> None:
    """A vocabulary and a score set outside of the store are not read, though somebody made a seal for them."""
    root = tmp_path / "inner" / "s"
    write_store(str(root), 6)
    write_score_set(root, "a", made_scores(open_store(root)), SET_CONFIG)
    shutil.copytree(next((root / "vocabularies").glob("[0-9a-f]*")), tmp_path / "outside")
    place = Location(root)
    place.set_attributes("score_sets/a", {"current": name})
    with pytest.raises(DataError, match="'current'"):
        open_store(root).bundle("a")
    attributes = place.attributes()
    assert attributes is not None
    place.set_attributes("", {**attributes, "vocabulary": name})
    with pytest.raises(DataError, match="'vocabulary'"):
        open_store(root)


ARRAY_CHANGES: list[tuple[str, Any]] = [
    ("shape", [10**8, 6]),
    ("shape", [10**11, 6]),
    ("shape", [0, 10**12]),
    ("shape", []),
    ("shape", [4.0, 6]),
    ("data_type", "object"),
    ("data_type", "float64"),
    ("node_type", "group"),
    ("codecs", []),
    ("codecs", [{"name": "zstd", "configuration": {"level": 1}}]),
    ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [1, 6]}}),
    ("chunk_key_encoding", {"name": "v2", "configuration": {"separator": "."}}),
]


@pytest.mark.parametrize(("key", "value"), ARRAY_CHANGES, ids=[f"{k} {str(v)[:20]}" for k, v in ARRAY_CHANGES])
def test_arrays_that_declare_what_is_not_there_are_refused_before_anything_is_allocated(
    tmp_path: Path, key: str, value: Any
) -> None:
    write_store(str(tmp_path / "s"), 4)
    path = tmp_path / "s/shards/00000/audio_clip/zarr.json"
    document = json.loads(path.read_bytes())
    document[key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(DataError):
        open_store(tmp_path / "s").embeddings()
    assert any(p.path == "shards/00000/audio_clip/zarr.json" for p in verify_store(tmp_path / "s"))


def test_a_hundred_million_chunks_of_one_row_cost_nothing(tmp_path: Path) -> None:
    write_store(str(tmp_path / "s"), 4)
    path = tmp_path / "s/shards/00000/audio_clip/zarr.json"
    document = json.loads(path.read_bytes())
    document["shape"] = document["chunk_grid"]["configuration"]["chunk_shape"] = [10**8, 6]
    document["codecs"][0]["configuration"]["chunk_shape"] = [1, 6]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"has .* bytes, and its zarr.json speaks of 2800000004"):
        open_store(tmp_path / "s").embeddings()


@given(content=st.binary(max_size=200) | st.text().map(str.encode))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_the_place_of_attributes(whole: Path, content: bytes) -> None:
    path = whole / "shards/00001/zarr.json"
    check_bytes(whole, path, content)


@pytest.mark.parametrize("size", [65 << 20])
def test_attributes_that_are_too_large_are_not_read(tmp_path: Path, size: int) -> None:
    write_store(str(tmp_path / "s"), 4)
    with open(tmp_path / "s/shards/00000/zarr.json", "r+b") as file:
        file.truncate(size)
    with pytest.raises(DataError, match="more than 64 MiB"):
        store_info(tmp_path / "s")
    assert damaged(tmp_path / "s")


def test_rates_other_than_one_need_a_newer_avreplay(tmp_path: Path) -> None:
    write_store(str(tmp_path / "s"), 4)
    place = Location(tmp_path / "s")
    root = place.attributes()
    assert root is not None
    place.set_attributes("", {**root, "rates": {"audio": 1, "visual": 4}})
    with pytest.raises(DataError, match="newer avreplay"):
        open_store(tmp_path / "s")


def test_the_content_hash_is_of_the_values(tmp_path: Path) -> None:
    for name, shards in (("a", 4), ("b", 4), ("c", 3)):
        write_store(str(tmp_path / name), 6, shard_videos=shards)
    hashes = [open_store(tmp_path / name).content_hash for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    assert store_info(tmp_path / "a")["content_hash"] == hashes[0]
    assert open_store(DATA / "store_v1").content_hash == hashes[0]  # version 1 has none: it is computed
    write_store(str(tmp_path / "d"), 6, shard_videos=4, dtype="float32")
    assert open_store(tmp_path / "d").content_hash != hashes[0]


def test_unfitting_embeddings_are_refused(tmp_path: Path) -> None:
    """Arrays and markers that were written as they are, and do not fit the configuration."""
    write_store(str(tmp_path / "s"), 4)
    place = Location(tmp_path / "s")
    root = place.attributes()
    assert root is not None
    dims: dict[str, int] = {**CONFIG["dims"], "audio": 7}  # type: ignore[dict-item]
    place.set_attributes("", {**root, "config": {**root["config"], "dims": dims}})
    with pytest.raises(DataError, match="audio_segments has the shape"):
        open_store(tmp_path / "s").embeddings()
    with pytest.raises(DataError, match="text embeddings"):
        open_store(tmp_path / "s").bundle()
    assert np.dtype(root["config"]["dtype"]) == np.float16
    assert root["plan"] == [names(4)]
