"""Stores: what is written comes back, whatever interrupts the writing and whatever is done to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, open_store, store_info, verify_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from click.testing import CliRunner
from killed_writer import KilledWriter
from made_store import CONFIG, LABELS, names, video, vocabulary, write_store

FIXTURE = Path(__file__).parent / "data" / "store_v1"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def check_content(url: str, count: int) -> None:
    """The scores of every video are those of its own embeddings."""
    bundle = open_store(url).bundle()
    words = vocabulary()
    starts = bundle.segment_starts
    expected = [n for n in names(count) if video(n)[0].has_data]
    assert list(bundle.video_ids) == expected
    for v, name in enumerate(expected):
        record, e = video(name)
        half = e.visual_segments.astype(np.float16).astype(np.float64)
        rows = slice(starts[v], starts[v + 1])
        np.testing.assert_allclose(bundle.visual_segments[rows], half @ words.visual_text.T, rtol=1e-5, atol=1e-5)
        windows = np.flatnonzero(bundle.window_video == v)
        pairs = np.column_stack([bundle.window_start[windows], bundle.window_end[windows]])
        assert pairs.tolist() == e.windows.tolist()
        assert bool(bundle.has_audio[v]) is (record.status == "ok")
        if record.has_audio:
            half = e.window_audio.astype(np.float16).astype(np.float64)
            np.testing.assert_allclose(bundle.window_audio[windows], half @ words.audio_text.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("where", ["local", "file", "memory"])
def test_round_trip(tmp_path, where):
    url = {"local": str(tmp_path / "s"), "file": f"file://{tmp_path}/s", "memory": f"memory://{tmp_path.name}/s"}[where]
    write_store(url)
    check_content(url, 40)
    store = open_store(url)
    assert store.complete
    assert store.labels == LABELS
    assert [r.id for r in store.videos] == names(40)
    assert verify_store(url) == []
    embeddings = store.embeddings()
    assert embeddings["audio_segments"].dtype == np.float16
    assert len(embeddings["visual_segments"]) == embeddings["segments_per_video"].sum()
    info = store_info(url)
    assert info["status"] == {"no_audio": 3, "ok": 33, "truncated": 4}
    assert json.loads(json.dumps(info)) == info


def test_same_bytes_twice(tmp_path):
    write_store(str(tmp_path / "a"))
    write_store(str(tmp_path / "b"))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_kill_minus_nine_at_any_moment(tmp_path):
    """The store opens, holds every committed video, and a second run finishes it to the same bytes."""
    interrupted = 0
    with KilledWriter("from made_store import write_store", "write_store(folder, 160)") as writer:
        changes = writer.run(tmp_path / "whole", None)
        whole = tree(tmp_path / "whole")
        for trial in range(1, 8):
            folder = tmp_path / f"s{trial}"
            assert writer.run(folder, changes * trial // 8) == 0
            store = open_store(folder)
            interrupted += 0 < len(store.committed) < len(store.plan)
            before = {i: tree(folder / f"shards/{i:05d}") for i in store.committed}
            for i in store.committed:
                store.shard_arrays(i)
            write_store(str(folder), 160)
            assert all(tree(folder / f"shards/{i:05d}") == files for i, files in before.items())
            assert tree(folder) == whole
    assert interrupted > 3


def test_a_half_written_shard_is_written_again(tmp_path):
    write_store(str(tmp_path / "a"))
    whole = tree(tmp_path / "a")
    marker = tmp_path / "a" / "shards" / "00002" / "zarr.json"
    marker.unlink()
    (tmp_path / "a" / "shards" / "00002" / "audio_clip" / "c.0a1b.partial").write_bytes(b"half")
    (tmp_path / "a" / "zarr.json.partial").write_bytes(b"{")
    assert not open_store(tmp_path / "a").complete
    assert len(open_store(tmp_path / "a").bundle().video_ids) < 36
    write_store(str(tmp_path / "a"))
    assert tree(tmp_path / "a") == whole


def test_more_videos_append_shards(tmp_path):
    url = str(tmp_path / "s")
    write_store(url, 10)
    first = tree(tmp_path / "s" / "shards")
    write_store(url, 25)
    check_content(url, 25)
    assert all(tree(tmp_path / "s" / "shards")[k] == v for k, v in first.items() if k != "zarr.json")
    assert [len(ids) for ids in open_store(url).plan] == [8, 2, 8, 7]


def test_another_configuration_is_refused_in_words(tmp_path):
    url = str(tmp_path / "s")
    write_store(url)
    before = tree(tmp_path / "s")
    other = {**CONFIG, "backbone": {"name": "made", "weights": "others"}, "frames": "middle"}
    with pytest.raises(DataError, match=r"backbone\.weights is 'none' in the store and 'others' in this run") as error:
        StoreWriter.open(url, other, names(40))
    assert "frames is 'not set' in the store and 'middle' in this run" in str(error.value)
    assert tree(tmp_path / "s") == before
    write_store(url)  # the refusal has not kept the lock


def test_labels_change_without_embeddings_being_touched(tmp_path):
    url = str(tmp_path / "s")
    write_store(url)
    shards = tree(tmp_path / "s" / "shards")
    new = vocabulary(("rain", "wind"), seed=3)
    with StoreWriter.open(url, CONFIG, []) as writer:
        writer.set_vocabulary(new)
        writer.finish()
    bundle = open_store(url).bundle()
    assert bundle.labels == ("rain", "wind")
    e = video("v0")[1]
    np.testing.assert_allclose(
        bundle.visual_segments[:1], e.visual_segments[:1].astype(np.float16) @ new.visual_text.T, rtol=1e-3, atol=1e-3
    )
    assert tree(tmp_path / "s" / "shards") == shards
    assert verify_store(url) == []


def test_scores_are_made_anew_where_they_are_not_stored(tmp_path):
    import shutil

    url = str(tmp_path / "s")
    write_store(url)
    stored = open_store(url).bundle()
    shutil.rmtree(next((tmp_path / "s" / "vocabularies").glob("*/scores")))
    derived = open_store(url).bundle()
    for name in ("visual_segments", "window_visual", "audio_clip", "visual_cosine", "window_start"):
        assert getattr(stored, name).tobytes() == getattr(derived, name).tobytes()


@pytest.mark.slow
def test_verify_names_every_kind_of_damage(tmp_path):
    url = str(tmp_path / "s")
    write_store(url)
    checked = 0
    for path in sorted((tmp_path / "s").rglob("*")):
        if not path.is_file() or (path.name == "zarr.json" and path.parent.name in ("s", "shards", "vocabularies")):
            continue
        content = path.read_bytes()
        if not content:
            continue
        group = str(path.relative_to(tmp_path / "s")).split("/")[1]
        if path.name == "zarr.json" and 'node_type": "group' in content.decode():
            path.write_bytes(content[: len(content) // 2])
        else:
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        problems = verify_store(url)
        assert problems, path
        assert any(group in p.path for p in problems)
        path.write_bytes(content)
        checked += 1
    assert checked > 40
    (tmp_path / "s" / "shards" / "00001" / "audio_clip" / "zarr.json").unlink()
    (tmp_path / "s" / "notes.txt").write_text("mine")
    problems = {(p.path, p.problem) for p in verify_store(url)}
    assert ("shards/00001/audio_clip/zarr.json", "is missing") in problems
    assert ("notes.txt", "does not belong to the store") in problems
    told = json.loads(CliRunner().invoke(main, ["verify", url, "--json"]).stdout)
    assert {frozenset(p) for p in told["problems"]} == {frozenset({"group", "path", "problem", "mend"})}


def test_a_damaged_shard_is_deleted_and_extracted_again(tmp_path):
    import shutil

    write_store(str(tmp_path / "s"))
    whole = tree(tmp_path / "s")
    shutil.rmtree(tmp_path / "s" / "shards" / "00003")
    write_store(str(tmp_path / "s"))
    assert tree(tmp_path / "s") == whole


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: None, "no store at"),
        (lambda f: f.mkdir(), "has no zarr.json"),
        (lambda f: (f.mkdir(), (f / "zarr.json").write_text("{"))[0], "is damaged"),
        (
            lambda f: (
                f.mkdir(),
                (f / "zarr.json").write_text('{"attributes": {}, "zarr_format": 3, "node_type": "group"}'),
            )[0],
            "not an avreplay store",
        ),
        (lambda f: f.write_text("x"), "it is a file"),
    ],
)
def test_what_is_not_a_store(tmp_path, spoil, words):
    spoil(tmp_path / "s")
    with pytest.raises(DataError, match=words):
        open_store(tmp_path / "s")


def test_a_newer_store_is_refused(tmp_path):
    write_store(str(tmp_path / "s"), 4)
    root = tmp_path / "s" / "zarr.json"
    root.write_text(root.read_text().replace('"schema_version": 2', '"schema_version": 3'))
    with pytest.raises(DataError, match="schema version 3, this avreplay reads up to 2; upgrade"):
        open_store(tmp_path / "s")


def test_foreign_folders_are_never_written_into(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not empty"):
        write_store(str(tmp_path / "mine"))
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    with pytest.raises(DataError, match="is a file"):
        write_store(str(tmp_path / "mine" / "thesis.txt"))


def test_one_writer_at_a_time(tmp_path):
    url = str(tmp_path / "s")
    with (
        StoreWriter.open(url, CONFIG, names(4)),
        pytest.raises(DataError, match="another process is writing"),
    ):
        StoreWriter.open(url, CONFIG, names(4))
    write_store(url, 4)


@pytest.mark.parametrize("name", ["", "../x", "/etc/passwd", "a/../../b", "a\0b"])
def test_hostile_ids_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be a video id"):
        StoreWriter.open(tmp_path / "s", CONFIG, [name])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"audio_clip": np.zeros(5)}, "audio_clip of video 'v0' has shape"),
        ({"visual_segments": np.full((1, 8), np.nan)}, "NaN or infinity"),
        ({"visual_segments": np.full((1, 8), 1e6)}, "--dtype float32"),
        ({"window_audio": None}, "window_audio of video 'v0' has shape"),
    ],
)
def test_bad_embeddings_are_refused(tmp_path, change, words):
    record, e = video("v0")
    bad = VideoEmbeddings(**{**vars(e), **change})
    with (
        StoreWriter.open(tmp_path / "s", CONFIG, ["v0"]) as writer,
        pytest.raises(DataError, match=words),
    ):
        writer.write_shard(0, [(record, bad)])
    assert open_store(tmp_path / "s").videos == []


def test_an_unknown_filesystem_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot open nosuch://x"):
        open_store("nosuch://x")


def test_videos_without_data_are_known_but_not_replayed(tmp_path):
    with StoreWriter.open(tmp_path / "s", CONFIG, ["v5"]) as writer:
        writer.write_shard(0, [(VideoRecord("v5", "empty_file", "the file has zero bytes"), None)])
        writer.set_vocabulary(vocabulary())
        writer.finish()
    store = open_store(tmp_path / "s")
    assert store.complete
    assert store.bundle().num_videos == 0
    assert store.videos[0].reason == "the file has zero bytes"


def test_a_store_of_version_1_still_opens():
    """Written once by ``write_store(FIXTURE, 6, shard_videos=4)`` of version 0.1.0, and never again."""
    assert verify_store(FIXTURE) == []
    check_content(str(FIXTURE), 6)
    assert store_info(FIXTURE)["schema_version"] == 1
