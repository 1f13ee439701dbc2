"""`upgrade` makes version 2 of a store of version 1, whatever kills it; version 1 is read and never written into."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
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
    upgrade_store,
    verify_store,
    write_score_set,
)
from avreplay.cache.inner_stores import inner_url
from avreplay.cli import main
from avreplay.core.errors import DataError
from click.testing import CliRunner
from killed_writer import KilledWriter
from made_store import CONFIG, names, write_store
from store_files import tree
from test_inner_stores import write_inner
from test_score_sets import CONFIG as SET_CONFIG
from test_score_sets import made_scores

DATA = Path(__file__).parent / "data"
VERSION_1 = ["store_v1", "store_v1_whole", "store_v1_imported"]


def arrays(folder: Path) -> dict[str, bytes]:
    """Every file that is not the zarr.json of a group."""
    return {name: content for name, content in tree(folder).items() if b'"node_type": "group"' not in content}


@pytest.mark.parametrize("version", VERSION_1)
def test_everything_is_there_afterwards_byte_for_byte(tmp_path: Path, version: str) -> None:
    root = tmp_path / "s"
    shutil.copytree(DATA / version, root)
    before, info, bundle = arrays(root), store_info(root), open_store(root).bundle()
    result = CliRunner().invoke(main, ["upgrade", str(root)])
    assert (result.exit_code, "has schema version 2 now" in result.stdout) == (0, True)
    assert arrays(root) == before
    found = check_store(root)
    assert (found.problems, found.unchecked, found.schema_version) == ((), (), 2)
    after = store_info(root)
    assert after.pop("content_hash") == open_store(DATA / version).content_hash
    changed = {key for key in after if after[key] != info[key]}
    assert changed <= {"schema_version", "bytes", "backbones"}
    assert open_store(root).bundle().visual_segments.tobytes() == bundle.visual_segments.tobytes()
    done = tree(root)
    told = CliRunner().invoke(main, ["upgrade", str(root), "--json"])
    assert json.loads(told.stdout)["upgraded"] == []
    assert tree(root) == done


def test_it_is_then_the_store_that_is_written_now(tmp_path: Path) -> None:
    """Another version of Zarr may write other metadata of arrays; all else is the same to the byte."""
    shutil.copytree(DATA / "store_v1_whole", tmp_path / "old")
    upgrade_store(tmp_path / "old")
    new = tmp_path / "new"
    write_store(str(new), 6, shard_videos=4)
    write_score_set(new, "tuned", made_scores(open_store(new)), SET_CONFIG)
    write_inner(str(new), "other", 6)
    values = {name: content for name, content in tree(new).items() if not name.endswith("zarr.json")}
    old = tree(tmp_path / "old")
    assert {name: old[name] for name in values} == values
    assert sorted(old) == sorted(tree(new))
    for store in ("", "backbones/other"):
        one, two = open_store(tmp_path / "old" / store), open_store(new / store)
        assert (one.content_hash, one.fingerprint, one.videos) == (two.content_hash, two.fingerprint, two.videos)


@pytest.mark.slow
def test_kill_minus_nine_leaves_a_store_of_one_version_or_the_other(tmp_path: Path) -> None:
    shutil.copytree(DATA / "store_v1_whole", tmp_path / "whole")
    with KilledWriter("from avreplay.cache import upgrade_store", "upgrade_store(folder)") as writer:
        changes = writer.run(tmp_path / "whole", None)
        whole = tree(tmp_path / "whole")
        versions = set()
        for k in range(0, changes, 2):
            root = tmp_path / f"s{k}"
            shutil.copytree(DATA / "store_v1_whole", root)
            assert writer.run(root, k) == 0
            store = open_store(root)
            versions.add((store.schema_version, open_store(store.backbones["other"]).schema_version))
            assert store.bundle().num_videos == 5
            assert [p for p in verify_store(root) if not p.path.endswith(".partial")] == []
            upgrade_store(root)
            assert tree(root) == whole
    assert versions == {(1, 1), (1, 2)} or versions == {(1, 1), (1, 2), (2, 2)}


def test_a_damaged_store_is_not_upgraded(tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(DATA / "store_v1", root)
    path = root / "shards/00000/audio_clip/c/0/0"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    before = tree(root)
    with pytest.raises(DataError, match=r"cannot be upgraded: shards/00000/audio_clip/c/0/0 has other bytes"):
        upgrade_store(root)
    assert tree(root) == before


def test_an_unfinished_store_is_upgraded_and_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(DATA / "store_v1", root)
    (root / "shards/00001/zarr.json").unlink()  # a writer was killed before it committed that shard
    upgrade_store(root)
    found = check_store(root)
    assert found.problems == ()
    assert "1 of 2 shards still to be extracted" in found.unchecked[0]
    write_store(str(root), 6, shard_videos=4)
    assert check_store(root).unchecked == ()
    fresh = tmp_path / "fresh"
    write_store(str(fresh), 6, shard_videos=4)
    assert open_store(root).content_hash == open_store(fresh).content_hash


def _open(root: Path) -> None:
    StoreWriter.open(root, CONFIG, names(8))


def _check(root: Path) -> None:
    StoreWriter.check(root, CONFIG)


def _score_set(root: Path) -> None:
    write_score_set(root, "b", made_scores(open_store(root)), SET_CONFIG)


def _import(root: Path) -> None:
    import_bundle(open_store(root).bundle(), root, {"source": "scores.npz", "source_sha256": "0" * 64})


@pytest.mark.parametrize("write", [_open, _check, _score_set, _import])
@pytest.mark.parametrize("version", VERSION_1)
def test_version_1_is_never_written_into(tmp_path: Path, version: str, write: Callable[[Path], Any]) -> None:
    root = tmp_path / "s"
    shutil.copytree(DATA / version, root)
    before = tree(root)
    with pytest.raises(DataError, match=r"has schema version 1, .* run `avreplay upgrade .*` first$"):
        write(root)
    assert tree(root) == before
    if "whole" in version:
        with pytest.raises(DataError, match="avreplay upgrade"):
            StoreWriter.open(inner_url(str(root), "other"), {**CONFIG, "backbone": {"name": "other"}}, [])


def test_an_upgraded_store_keeps_the_old_rule_of_decoding(tmp_path: Path) -> None:
    """Its configuration stays, so that new videos, which another rule decodes, are refused by the fingerprint."""
    root = tmp_path / "s"
    shutil.copytree(DATA / "store_v1", root)
    upgrade_store(root)
    with pytest.raises(DataError, match="decoding_rule is 'not set' in the store and 2 in this run"):
        StoreWriter.open(root, {**CONFIG, "decoding_rule": 2}, names(8))
    with StoreWriter.open(root, CONFIG, []) as writer:
        assert writer.check_reference({"audio_text": np.zeros((2, 6), np.float32)}) is False
