"""Imports of embeddings into a store that is there, of files with odd names, lists, widths and nothing to read."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.imports.embeddings import run as import_run
from avreplay.cli import main
from avreplay.core.errors import AvreplayError, DataError
from avreplay.extract import guess_mapping, import_embeddings
from click.testing import CliRunner

BOTH = '[embeddings.audio]\npath = "{id}_a.npy"\n[embeddings.visual]\npath = "{id}_v.npy"\n'


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    for k in range(4):
        np.save(tmp_path / "source" / f"v{k}_a.npy", rows(k + 3, 4))
        np.save(tmp_path / "source" / f"v{k}_v.npy", rows(k + 3, 6))
    return tmp_path / "source"


def into(source: Path, text: str, store: str = "store"):
    mapping = source.parent / "mapping.toml"
    mapping.write_text(text, encoding="utf-8")
    summary = import_embeddings(source, source.parent / store, mapping)
    assert not verify_store(source.parent / store)
    return open_store(source.parent / store), summary


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


GONE = [k for n in (1, 2, 3) for k in itertools.combinations((0, 1, 3), n)]


@pytest.mark.parametrize("guess", [False, True])
def test_without_pyarrow_the_extra_is_named(guess, tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    pq.write_table(pa.table({"video_id": ["a"], "f": [[1.0]]}), tmp_path / "source" / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    mapping = '[embeddings.audio]\npath = "t.parquet"\nkey = "f"\n'
    attempt = partial(guess_mapping, tmp_path / "source") if guess else partial(into, tmp_path / "source", mapping)
    with pytest.raises(AvreplayError, match=r'reading Parquet needs pyarrow: pip install .*\[parquet\]"$'):
        attempt()


@pytest.mark.parametrize(
    ("gone", "dtype"), [(gone, ("float32", "float16")[k % 2]) for k, gone in enumerate(GONE)], ids=str
)
def test_a_file_that_is_found_is_added_whatever_other_video_left(gone, dtype, source):
    text = f'[embeddings]\ndtype = "{dtype}"\n{BOTH}'
    whole, _ = into(source, text, "whole")
    (source / "v2_v.npy").rename(source / "kept")
    (source / "v3_a.npy").write_bytes(b"no array")
    into(source, text)
    (source / "kept").rename(source / "v2_v.npy")
    for k in gone:
        for name in "av":
            (source / f"v{k}_{name}.npy").unlink()
    store, summary = into(source, text)
    assert summary.new == 1
    assert {r.id: r.status for r in store.videos} == {"v0": "ok", "v1": "ok", "v2": "ok", "v3": "unreadable"}
    for modality in ("audio", "visual"):
        assert np.array_equal(
            store.segment_embeddings(modality)[1], whole.segment_embeddings(modality)[1][: -rows(6, 4).shape[0]]
        )


def test_a_moved_folder_goes_on_and_equal_files_have_one_fingerprint(source, tmp_path):
    first, _ = into(source, BOTH)
    shutil.copytree(source, tmp_path / "deep" / "other")
    shutil.copy(tmp_path / "mapping.toml", tmp_path / "deep")
    other, _ = into(tmp_path / "deep" / "other", BOTH)
    assert files_of(tmp_path / "deep" / "store") == files_of(tmp_path / "store")
    assert other.fingerprint == first.fingerprint
    source.rename(tmp_path / "renamed")
    assert into(tmp_path / "renamed", BOTH)[1].new == 0


def test_a_store_that_declares_the_name_of_its_folder_goes_on(source, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(import_run, "_old_name", lambda url: {"source": "elsewhere"})
        before, _ = into(source, BOTH)
    store, summary = into(source, BOTH)
    assert summary.new == 0
    assert (store.fingerprint, store.config) == (before.fingerprint, before.config)


def test_keys_that_are_no_ids_are_escaped(tmp_path):
    (tmp_path / "source").mkdir()
    with h5py.File(tmp_path / "source" / "all.h5", "w") as file:
        for name in ("good", "new\nline", "tab\t"):
            file[f"a/{name}"] = rows(3, 4)
    store, _ = into(tmp_path / "source", '[embeddings.audio]\npath = "all.h5"\nkey = "a/{id}"\n')
    assert {r.id for r in store.videos if r.has_data} == {"good", r"new\x0aline", r"tab\x09"}


def test_a_mapping_that_reads_nothing_leaves_no_store_and_the_corrected_one_works(source):
    for k in range(4):
        np.save(source / f"v{k}_a.npy", rows(8 * (k + 3), 4))
    with pytest.raises(DataError, match=r"none of the 4 videos can be read; v0: .*per_segment"):
        into(source, BOTH)
    assert not (source.parent / "store").exists()
    store, _ = into(source, BOTH.replace("[embeddings.visual]", "per_segment = 8\n[embeddings.visual]"))
    assert {r.status for r in store.videos} == {"ok"}


@pytest.mark.parametrize("odd", [("v0",), ("v3",), ("v1", "v0"), ("v0", "v1", "v2")])
def test_the_width_is_that_of_most_files_or_refused_with_two_of_them(odd, source):
    for id in odd:
        np.save(source / f"{id}_a.npy", rows(int(id[1]) + 3, 5))
    if len(odd) == 2:
        with pytest.raises(DataError, match=r"v[01]_a.npy is 5 wide, and .*v2_a.npy is 4"):
            into(source, BOTH)
        return
    store, _ = into(source, BOTH)
    usual = 5 if len(odd) == 3 else 4
    assert store.config["dims"]["audio"] == usual
    assert {r.id for r in store.videos if r.status == "unreadable"} == ({"v3"} if usual == 5 else set(odd))


NAMES = [b"new\nline", b"tab\t", b"\xff\xfe", b"\xc2\x85", b"a\\x0ab", b"a\nb", b"  ", b"esc\x1b[31m", b"\xe2\x80\xa8"]


@pytest.mark.parametrize("pattern", ["{id}.npy", "{id}/x.npy"])
def test_names_that_are_no_ids_cost_only_their_files(pattern, tmp_path):
    folder = tmp_path / "source"
    (folder / "good").mkdir(parents=True)
    for name in [*NAMES, b"good"]:
        path = os.fsencode(folder) + b"/" + os.fsencode(pattern).replace(b"{id}", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            np.save(file, rows(3, 4))
    store, summary = into(folder, f'embeddings.audio.path = "{pattern}"\n')
    found = {r.id: r.status for r in store.videos}
    assert {id for id, status in found.items() if status == "no_video"} == {"good", r"a\\x0ab"}
    assert len(found) == len(NAMES) + 1
    assert "rename the file" in summary.failures[0][2]
    assert summary.text().isprintable() or "\x1b" not in summary.text()
    assert into(folder, f'embeddings.audio.path = "{pattern}"\n')[1].new == 0


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("segments", "crops"), [(1, 0), (1, 2), (3, 2), (3, 0)])
def test_a_parquet_video_of_one_row_has_the_axes_that_the_mapping_names(nested, segments, crops, tmp_path):
    (tmp_path / "source").mkdir()
    array = rows(2, segments, *((crops,) if crops else ()), 4)
    cells = [array[v] for v in range(2)] if nested else [array[v, t] for v in range(2) for t in range(segments)]
    ids = ["x", "y"] if nested else [id for id in "xy" for _ in range(segments)]
    pq.write_table(pa.table({"video_id": ids, "f": [c.tolist() for c in cells]}), tmp_path / "source" / "t.parquet")
    axes = 'axes = ["segment", "crop", "width"]\npool = { crop = "max" }\n' if crops else ""
    store, _ = into(tmp_path / "source", f'[embeddings.audio]\npath = "t.parquet"\nkey = "f"\n{axes}')
    want = array.max(2) if crops else array
    assert np.array_equal(store.segment_embeddings("audio")[1], want.reshape(-1, 4))


@pytest.mark.parametrize("column", ['column = "name"\n', ""])
@pytest.mark.parametrize("whole", [False, True])
def test_a_parquet_list_of_ids_is_read(whole, column, source):
    pq.write_table(pa.table({"name": ["v2", "v0"], "n": [1, 2]}), source / "ids.parquet")
    np.save(source / "all.npy", rows(2, 3, 4))
    path = "all.npy" if whole else "{id}_a.npy"
    ids = f'[embeddings.ids]\npath = "ids.parquet"\n{column}'
    store, _ = into(source, f'[embeddings.audio]\npath = "{path}"\n{ids}')
    assert [r.id for r in store.videos] == ["v2", "v0"]
    with pytest.raises(DataError, match=r"ids\.parquet has no column 'id'"):
        into(
            source, f'[embeddings.audio]\npath = "{path}"\n[embeddings.ids]\npath = "ids.parquet"\ncolumn = "id"\n', "b"
        )


def test_rows_beside_a_table_of_embeddings_are_refused(source):
    pq.write_table(pa.table({"video_id": ["x"], "f": [[1.0, 2.0]]}), source / "t.parquet")
    np.save(source / "rows.npy", np.array([0]))
    ids = '[embeddings.ids]\npath = "./t.parquet"\ncolumn = "video_id"\nrows = { path = "rows.npy" }\n'
    with pytest.raises(DataError, match="choose by keep"):
        into(source, f'[embeddings.audio]\npath = "t.parquet"\nkey = "f"\n{ids}')


def test_a_clip_is_pooled_over_its_segments(source):
    clip = 'clip = { axes = ["segment", "width"], pool = { segment = "mean" } }\n'
    store, _ = into(source, BOTH.replace("[embeddings.visual]", f"{clip}[embeddings.visual]"))
    assert np.allclose(store.embeddings()["audio_clip"], [rows(k + 3, 4).mean(0) for k in range(4)], atol=1e-6)


@pytest.mark.parametrize("key", ["path", "keep"])
def test_an_id_that_is_listed_twice_is_named_with_file_and_key(key, source):
    (source / "ids.txt").write_text("v1\nv0\nv1\n")
    ids = 'path = "ids.txt"' if key == "path" else 'keep = { path = "ids.txt" }'
    with pytest.raises(DataError, match=r"mapping\.toml: \[embeddings\.ids\].*'ids\.txt': the video id 'v1'") as caught:
        into(source, f"{BOTH}[embeddings.ids]\n{ids}\n")
    assert key in str(caught.value)


@pytest.mark.parametrize("bad", [("v1",), ("v1", "v2"), ("v1", "v2", "v3"), ("v0", "v1", "v2", "v3")])
def test_the_guess_looks_into_other_files_where_some_cannot_be_read(bad, source):
    for id in bad:
        for name in "av":
            (source / f"{id}_{name}.npy").write_bytes(b"no array")
    if len(bad) < 4:
        assert into(source, guess_mapping(source))[0].config["dims"] == {"audio": 4, "visual": 6, "visual_rows": 1}
        return
    told = CliRunner().invoke(main, ["import", "--guess", str(source)])
    assert told.exit_code == 1
    assert "_a.npy" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_the_demo_encoder_says_which_labels_it_does_not_know_and_info_what_to_run(source, monkeypatch):
    for k in range(4):
        for name in "av":
            np.save(source / f"v{k}_{name}.npy", rows(k + 3, 48))
    (source / "labels.txt").write_text("dog\nzebra\n")
    mapping = source.parent / "mapping.toml"
    mapping.write_text(f'{BOTH}[embeddings.text]\nbackbone = "demo"\nlabels = "labels.txt"\n')
    run, store = CliRunner(), str(source.parent / "store")
    told = run.invoke(main, ["import", str(source), store, "--mapping", str(mapping)])
    assert told.exit_code == 0
    assert "does not know" in told.stderr
    assert "zebra" in told.stderr
    for group in (source.parent / "store" / "shards").iterdir():
        if group.is_dir():
            shutil.rmtree(group)
    assert "run the import again" in run.invoke(main, ["info", store]).stdout
