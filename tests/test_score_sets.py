"""Score sets: scores under a name beside a store's own; whole at every moment, checked, and replayed like any other."""

from __future__ import annotations

import itertools
import json
import shutil

import avreplay
import numpy as np
import pytest
from avreplay.cache import open_store, store_info, verify_store, write_score_set
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import DataError, UsageError
from click.testing import CliRunner
from killed_writer import KilledWriter
from made_store import write_store
from test_store import FIXTURE, tree

CONFIG = {"kind": "finetune", "seed": 3}


def made_scores(store, seed: int = 0, labels=("rain", "wind", "other")) -> ScoreBundle:
    own = store.bundle()
    rng = np.random.default_rng(seed)
    s, n, c = int(own.segments_per_video.sum()), own.num_videos, len(labels)
    audio, visual = rng.uniform(0.1, 1, (2, s, c))
    return ScoreBundle.create(
        video_ids=own.video_ids, labels=labels, segments_per_video=own.segments_per_video, audio_segments=audio,
        visual_segments=visual, audio_visual_segments=np.sqrt(audio * visual), audio_clip=rng.uniform(size=(n, c)),
        visual_clip=rng.uniform(size=(n, 1, c)), visual_cosine=rng.uniform(size=s), has_audio=own.has_audio,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    write_store(str(tmp_path / "s"), 12)
    return open_store(tmp_path / "s")


@pytest.mark.parametrize("where", ["local", "memory"])
def test_round_trip(tmp_path, where):
    url = str(tmp_path / "s") if where == "local" else f"memory://{tmp_path.name}/sets"
    write_store(url, 12)
    own = open_store(url).bundle()
    bundle = made_scores(open_store(url))
    write_score_set(url, "tuned-1", bundle, CONFIG)
    store = open_store(url)
    assert store.score_sets == {
        "tuned-1": {"config": CONFIG, "labels": ["rain", "wind", "other"], "videos": own.num_videos, "current": True}
    }
    read = store.bundle("tuned-1")
    assert (read.video_ids, read.labels) == (bundle.video_ids, bundle.labels)
    for name in ("audio_segments", "visual_segments", "audio_visual_segments", "visual_clip", "visual_cosine"):
        assert getattr(read, name).tobytes() == getattr(bundle, name).tobytes()
    assert store.bundle().visual_segments.tobytes() == own.visual_segments.tobytes()
    assert verify_store(url) == []
    assert list(store_info(url)["score_sets"]) == ["tuned-1"]


def test_a_store_of_version_1_takes_no_score_set(tmp_path):
    shutil.copytree(FIXTURE, tmp_path / "s")
    before = tree(tmp_path / "s")
    with pytest.raises(DataError, match="avreplay upgrade"):
        write_score_set(tmp_path / "s", "a", made_scores(open_store(tmp_path / "s")), CONFIG)
    assert tree(tmp_path / "s") == before


def test_a_name_is_taken_once_and_replaced_only_when_asked(tmp_path, store):
    first, second = made_scores(store, 1), made_scores(store, 2)
    write_score_set(store.url, "a", first, CONFIG)
    before = tree(tmp_path / "s")
    write_score_set(store.url, "a", first, CONFIG)
    assert tree(tmp_path / "s") == before
    with pytest.raises(UsageError, match="has a score set 'a' already"):
        write_score_set(store.url, "a", second, CONFIG)
    with pytest.raises(UsageError, match="has a score set 'a' already"):
        write_score_set(store.url, "a", first, {**CONFIG, "seed": 4})
    assert tree(tmp_path / "s") == before
    write_score_set(store.url, "a", second, CONFIG, overwrite=True)
    assert open_store(store.url).bundle("a").audio_segments.tobytes() == second.audio_segments.tobytes()
    assert len(list((tmp_path / "s" / "score_sets" / "a").iterdir())) == 2
    assert verify_store(store.url) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "../x", "/etc", "a/b", "a.b", "..", "-a", "zarr.json", "a\0", "ä", "a" * 65])
def test_hostile_names_are_refused(tmp_path, store, name):
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="cannot be the name of a score set"):
        write_score_set(store.url, name, made_scores(store), CONFIG)
    with pytest.raises(UsageError, match="cannot be the name of a score set"):
        store.bundle(name)
    assert tree(tmp_path) == before


def test_unknown_sets_and_foreign_videos_are_named(tmp_path, store):
    with pytest.raises(UsageError, match="has no score set 'b'; it has none; `avreplay finetune` makes one"):
        store.bundle("b")
    write_score_set(store.url, "a", made_scores(store), CONFIG)
    with pytest.raises(UsageError, match="has no score set 'b'; it has a"):
        store.bundle("b")
    write_store(str(tmp_path / "more"), 25)
    with pytest.raises(DataError, match="has no video 'v12'"):
        write_score_set(store.url, "c", made_scores(open_store(tmp_path / "more")), CONFIG)
    with pytest.raises(UsageError, match="a score bundle has no score sets"):
        avreplay.replay(store.bundle(), avreplay.make_params(), scores="a")


def test_a_set_made_before_more_videos_came_says_so(tmp_path, store):
    write_score_set(store.url, "a", made_scores(store), CONFIG)
    write_store(store.url, 20)
    assert open_store(store.url).score_sets["a"]["current"] is False
    assert open_store(store.url).bundle("a").num_videos == 11


def test_kill_minus_nine_leaves_the_old_set_or_the_new(tmp_path, store):
    folder = tmp_path / "s"
    sets = [made_scores(store, i) for i in range(2)]
    write_score_set(folder, "a", sets[0], CONFIG)
    known = {x.audio_segments.tobytes() for x in sets}
    code = (
        "s = open_store(folder)\n"
        "old = s.bundle('a').audio_segments.tobytes() == made_scores(s, 0).audio_segments.tobytes()\n"
        "write_score_set(folder, 'a', made_scores(s, int(old)), CONFIG, overwrite=True)\n"
    )
    unfinished, read = 0, set()
    with KilledWriter("from test_score_sets import *", code) as writer:
        for changes in itertools.count(0, 7):
            if writer.run(folder, changes):
                break
            unfinished += len(list((folder / "score_sets" / "a").iterdir())) > 2
            found = open_store(folder).bundle("a").audio_segments.tobytes()
            assert found in known
            read.add(found)
            assert [p for p in verify_store(folder) if not p.path.endswith(".partial")] == []
    assert changes > 50
    assert unfinished > 5
    assert read == known  # some were killed before the new set took its place, some after
    write_score_set(folder, "a", made_scores(store, 5), CONFIG, overwrite=True)
    assert verify_store(folder) == []
    assert len(list((folder / "score_sets" / "a").iterdir())) == 2


@pytest.mark.parametrize("again", [False, True], ids=["other scores", "the same scores"])
def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path, store, again):
    write_score_set(store.url, "a", made_scores(store), CONFIG)
    folder = tmp_path / "s" / "score_sets" / "a"
    whole = tree(tmp_path / "s")
    (folder / "empty").mkdir()
    (folder / "begun" / "audio_segments" / "c").mkdir(parents=True)
    (folder / "half").mkdir()
    (folder / "half" / "zarr.json.partial").write_text("{")
    (folder / ".zarr.json.0a1b.partial").write_text("{")
    write_score_set(store.url, "a", made_scores(store, 0 if again else 1), CONFIG, overwrite=True)
    assert sum(p.is_dir() for p in folder.iterdir()) == 1
    assert (tree(tmp_path / "s") == whole) is again
    assert verify_store(store.url) == []


def test_verify_names_every_damaged_file_of_a_set(tmp_path, store):
    write_score_set(store.url, "a", made_scores(store), CONFIG)
    folder = tmp_path / "s" / "score_sets"
    checked = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path == folder / "zarr.json" or not path.read_bytes():
            continue
        content = path.read_bytes()
        cut = path.name == "zarr.json" and 'node_type": "group' in content.decode()
        path.write_bytes(content[: len(content) // 2] if cut else content[:-1] + bytes([content[-1] ^ 1]))
        assert any(p.path.startswith("score_sets/a") for p in verify_store(store.url)), path
        path.write_bytes(content)
        checked += 1
    assert checked > 15
    marker = next(p for p in folder.glob("a/*/zarr.json"))
    content = marker.read_text()
    marker.write_text(content.replace('"seed": 3', '"seed": 4'))
    changed = ["has other attributes than were written, or is of another place"]
    assert [p.problem for p in verify_store(store.url)] == changed
    marker.unlink()
    assert [p.problem for p in verify_store(store.url)] == ["is missing"]
    with pytest.raises(DataError, match=r"the score set 'a' .* is damaged"):
        store.bundle("a")
    marker.write_text(content)
    (marker.parent / "mine.txt").write_text("x")
    assert [p.problem for p in verify_store(store.url)] == ["does not belong to the store"]


def test_replay_reads_a_set_by_its_name(tmp_path, store):
    write_score_set(store.url, "a", made_scores(store), CONFIG)

    def run(*arguments):
        return CliRunner().invoke(main, ["replay", store.url, "--preset", "languagebind", *map(str, arguments)])

    out = tmp_path / "p.json"
    assert run("--scores", "a", "--out", out).exit_code == 0
    data = json.loads(out.read_text())
    assert (data["labels"], data["params"]["scores"]) == (["rain", "wind", "other"], "a")
    direct = avreplay.replay(store, avreplay.make_params("languagebind"), scores="a").predictions()
    assert sum(len(t) for v in data["videos"].values() for k, t in v.items() if k != "segments") == len(
        direct.events.label
    )
    assert run("--scores", "a", "--set", "av_scores=given").exit_code == 0
    refused = run("--scores", "b")
    assert (refused.exit_code, refused.output.count("\n")) == (2, 1)
    assert "has no score set 'b'" in refused.output


def test_leftovers_of_any_set_are_removed_by_the_writer_of_another(tmp_path, store):
    write_score_set(store.url, "a", made_scores(store), CONFIG)
    before = tree(tmp_path / "s")
    (tmp_path / "s" / "score_sets" / "b" / "0123456789abcdef" / "audio_segments" / "c").mkdir(parents=True)
    (tmp_path / "s" / "score_sets" / "a" / "fedcba9876543210" / "labels").mkdir(parents=True)
    (tmp_path / "s" / "shards" / "00000.new" / "audio_clip").mkdir(parents=True)
    (tmp_path / "s" / "score_sets" / ".zarr.json.01234567.partial").write_bytes(b"half")
    write_score_set(store.url, "a", made_scores(store), CONFIG)
    assert tree(tmp_path / "s") == before
    assert sorted(p.name for p in (tmp_path / "s" / "score_sets").iterdir()) == ["a", "zarr.json"]
    assert len(list((tmp_path / "s" / "score_sets" / "a").iterdir())) == 2
    assert not (tmp_path / "s" / "shards" / "00000.new").exists()
