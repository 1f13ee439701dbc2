"""`avreplay subset`: a store of some of the videos of another one, with all that the other has of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import avreplay
import numpy as np
import pytest
from avreplay.cache import StoreWriter, import_bundle, open_store, verify_store, write_score_set
from avreplay.cache.layout.location import Location
from avreplay.cache.subset import write_subset
from avreplay.cli import main
from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.core.names import ids_sha256
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from joined_data import assert_same, events_of, restricted, write_videos
from made_store import CONFIG, LABELS, video, vocabulary
from store_files import tree
from tuning_data import made, write_made

IDS = [f"v{i}" for i in range(18)]


def whole_store(url: str, shard_videos: int = 4, dtype: str = "float16") -> None:
    """A store with all that one may hold: notes, two vocabularies, score sets, reference rows, an inner store."""
    config = {**CONFIG, "dtype": dtype}
    with StoreWriter.open(url, config, IDS, shard_videos=shard_videos) as writer:
        rows = {"audio_text": np.ones((1, 6)), "visual_text": np.ones((1, 8))}
        writer.keep_reference(["a"], rows, made_with={"numpy": "2.0"})
        for index, ids in writer.pending():
            writer.write_shard(index, [video(v) for v in ids])
        writer.set_vocabulary(vocabulary(("horn", "bell")))
        writer.finish()
        writer.set_vocabulary(vocabulary())
        writer.finish()
    other = {**config, "backbone": {"name": "other", "weights": "none"}}
    write_videos(f"{url}/backbones/other", IDS[2:9], shard_videos=3, config=other)
    bundle = open_store(url).bundle()
    write_score_set(url, "part", bundle.select_videos([0, 3, 5]), {"of": "a test"})
    write_score_set(url, "all", bundle.select_labels([1, 0]), {"of": "a test"})


@pytest.mark.once
@given(
    st.sets(st.sampled_from(IDS), min_size=1),
    st.integers(1, 7),
    st.sampled_from(["float16", "float32"]),
    st.booleans(),
)
@settings(max_examples=4, deadline=None)
def test_a_subset_is_its_source_restricted_to_its_videos(ids: set[str], size: int, dtype: str, remote: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole_store(f"{folder}/s", size, dtype)
        url = f"memory://subset-tests/{os.path.basename(folder)}" if remote else f"{folder}/t"
        found = avreplay.subset(f"{folder}/s", url, ids=sorted(ids))
        assert (found.videos, found.ids_sha256) == (len(ids), ids_sha256(ids))
        assert verify_store(url) == []
        s, t = open_store(f"{folder}/s"), open_store(url)
        assert t.complete
        assert t.scores_are_current()
        assert [r for r in s.videos if r.id in ids] == t.videos
        assert (t.config, t.vocabulary_ids, t.vocabulary_id) == (s.config, s.vocabulary_ids, s.vocabulary_id)
        assert_same(restricted(s.bundle(), sorted(ids)), t.bundle())
        assert_same(restricted(s.cosines(), sorted(ids)), t.cosines())
        assert Location(url).read("reference/visual_text") is not None
        assert (Location(url).attributes("reference") or {})["made_with"] == {"numpy": "2.0"}
        for name, declared in s.score_sets.items():
            left = restricted(s.bundle(name), sorted(ids))
            if left.num_videos:
                assert_same(left, t.bundle(name))
                assert t.score_sets[name] == {**declared, "videos": left.num_videos}
            else:
                assert name not in t.score_sets
                assert any(f"the score set {name}" in note for note in found.notes)
        of_inner = [id for id in IDS[2:9] if id in ids]
        assert list(t.backbones) == (["other"] if of_inner else [])
        if of_inner:
            inner = open_store(t.backbones["other"])
            assert [r.id for r in inner.videos] == of_inner
            assert_same(restricted(open_store(s.backbones["other"]).bundle(), of_inner), inner.bundle())
        params = avreplay.make_params(values={"tau0": 0.6})
        kept = [v for v in s.bundle().video_ids if v in ids]
        assert events_of(avreplay.replay(url, params).predictions()) == events_of(
            avreplay.replay(s, params, videos=kept).predictions()
        )
        assert avreplay.subset(f"{folder}/s", url, ids=sorted(ids)).already


def test_a_subset_of_scores_is_its_source_restricted(tmp_path: Path) -> None:
    bundle = replace(made(0, 6)[0], visual_features=None)
    import_bundle(bundle, tmp_path / "s")
    write_score_set(tmp_path / "s", "a", bundle.select_videos([1, 2]), {"of": "a test"})
    found = avreplay.subset(tmp_path / "s", tmp_path / "t", ids=["val 4", "val 1"])
    assert verify_store(tmp_path / "t") == []
    t = open_store(tmp_path / "t")
    assert [r.id for r in t.videos] == ["val 1", "val 4"]  # in the order of the source
    assert_same(bundle.select_videos([1, 4]), t.bundle())
    assert_same(bundle.select_videos([1]), t.bundle("a"))
    assert found.notes == ()


@pytest.mark.once
@pytest.mark.parametrize("seed", range(3))
def test_scores_that_are_written_block_by_block_are_the_same_bytes(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    ids, size, memory = random.sample(IDS, random.randint(4, 14)), random.randint(1, 7), (1, 700, 5000)[seed]
    whole_store(str(tmp_path / "s"), size)
    bundle = open_store(tmp_path / "s").bundle()
    order = random.sample(range(bundle.num_videos), bundle.num_videos)  # not the order of the store
    write_score_set(tmp_path / "s", "mixed", bundle.select_videos(order), {"of": "a test"})

    def alike(one: str, other: str) -> None:
        source = open_store(tmp_path / "s")
        write_subset(source, tmp_path / one, ids, {"ids": "a test"})
        write_subset(source, tmp_path / other, ids, {"ids": "a test"}, memory=memory)
        assert tree(tmp_path / one) == tree(tmp_path / other)
        assert_same(open_store(tmp_path / other).bundle(), restricted(bundle, ids))
        assert verify_store(tmp_path / other) == []

    alike("whole", "blocks")
    with StoreWriter.open(tmp_path / "s", open_store(tmp_path / "s").config, ["v18"]) as writer:
        for index, names in writer.pending():
            writer.write_shard(index, [video(v) for v in names])
    assert not open_store(tmp_path / "s").scores_are_current()  # so that they are computed
    alike("computed", "computed blocks")


def test_a_subset_is_written_into_like_any_store(tmp_path: Path) -> None:
    whole_store(str(tmp_path / "s"))
    avreplay.subset(tmp_path / "s", tmp_path / "t", ids=IDS[3:12])
    config = open_store(tmp_path / "t").config
    with StoreWriter.open(tmp_path / "t", config, []) as writer:
        writer.set_vocabulary(vocabulary(("cow", "dog")))
        writer.finish()
    assert open_store(tmp_path / "t").bundle().labels == ("cow", "dog")
    assert verify_store(tmp_path / "t") == []
    again = avreplay.subset(tmp_path / "s", tmp_path / "t", ids=IDS[3:12])  # which does not take the labels back
    assert again.already
    assert open_store(tmp_path / "t").labels == ("cow", "dog")
    assert open_store(tmp_path / "t").subset is not None
    with StoreWriter.open(tmp_path / "t", config, ["v17"]) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [video(v) for v in ids])
        writer.finish()
    assert open_store(tmp_path / "t").subset is None  # it has more by now


def test_an_unfinished_source_gives_what_it_has(tmp_path: Path) -> None:
    write_videos(tmp_path / "s", IDS[:9], last=2)
    found = avreplay.subset(tmp_path / "s", tmp_path / "t", status=["ok", "no_audio"])
    assert found.of_videos == 6
    assert any("2 of 3 shards" in note for note in found.notes)
    with pytest.raises(DataError, match="does not hold 'v8' yet"):
        avreplay.subset(tmp_path / "s", tmp_path / "u", ids=["v1", "v8"])


@pytest.mark.parametrize("path", ["shards/00001/audio_segments/c/0/0", "vocabularies/{0}/audio_text/c/0/0",
                                  "vocabularies/{0}/scores/audio_clip/c/0/0",
                                  "reference/audio_text/c/0/0"])  # fmt: skip
def test_damage_is_not_copied(tmp_path: Path, path: str) -> None:
    whole_store(str(tmp_path / "s"))
    file = tmp_path / "s" / path.format(open_store(tmp_path / "s").vocabulary_id)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="is not what was written there, and is not copied"):
        avreplay.subset(tmp_path / "s", tmp_path / "t", ids=IDS)


# --- what is chosen ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of scores with annotations of two splits, and one of embeddings."""
    folder = tmp_path_factory.mktemp("subset")
    write_made(folder, 0, 6, "val")
    write_made(folder, 1, 5, "test")
    write_videos(folder / "s.store", IDS)
    joined = {"val": made(0, 6, split="val")[0], "test": made(1, 5, split="test")[0]}
    import_bundle(joined["val"], folder / "both.store")
    (folder / "ids.txt").write_text("v3\nv1\n")
    (folder / "some.txt").write_text("v3\nnowhere\n")
    (folder / "twice.txt").write_text("v3\nv3\n")
    (folder / "file").write_text("x")
    return folder


def run(world: Path, monkeypatch: pytest.MonkeyPatch, *words: str, text: str | None = None) -> Any:
    monkeypatch.chdir(world)
    shutil.rmtree(world / "new", ignore_errors=True)
    return CliRunner().invoke(main, ["subset", *words], input=text)


def ids_of(world: Path) -> list[str]:
    return [record.id for record in open_store(world / "new").videos]


def test_videos_are_chosen_by_all_that_is_given(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = avreplay.load_annotations("json", world / "val.json", "val")
    done = run(
        world, monkeypatch, "val.store", "new", "--dataset", "json", "--annotations", "val.json", "--split", "val"
    )
    assert done.exit_code == 0, done.output
    assert ids_of(world) == [f"val {i}" for i in range(6)]
    assert "asked for and not in val.store: 2 (absent 1, absent 2)" in done.output
    for label in truth.labels:
        k = truth.labels.index(label)
        with_it = {id for i, id in enumerate(truth.video_ids)
                   if any(row[0] == k for t in range(3) for row in truth.events.track(i, t))}  # fmt: skip
        done = run(world, monkeypatch, "val.store", "new", "--dataset", "json", "--annotations", "val.json",
                   "--split", "val", "--label", label.upper())  # fmt: skip
        assert done.exit_code == 0, done.output
        assert set(ids_of(world)) == with_it - {"absent 1", "absent 2"}
    done = run(world, monkeypatch, "s.store", "new", "--ids", "-", "--status", "ok,no_audio", text="v1\nv4\nv5\n")
    assert done.exit_code == 0, done.output
    assert ids_of(world) == ["v1", "v4"]
    assert f"ids_sha256 {ids_sha256(['v1', 'v4'])}" in done.output
    done = run(world, monkeypatch, "s.store", "new", "--ids", "some.txt", "--missing", "ignore")
    assert "asked for and not in s.store: 1 (nowhere)" in done.output
    assert ids_of(world) == ["v3"]


MISTAKES = [
    ("s.store new", 2, "which videos? give --ids"),
    ("s.store new --ids some.txt", 1, "s.store has no video 'nowhere'"),
    ("s.store new --ids twice.txt", 1, "repeats 'v3'"),
    ("s.store new --ids none.txt", 1, "none.txt"),
    ("s.store new --status fine", 2, "there is no status 'fine'"),
    ("s.store new --status missing", 1, "no video of s.store meets all of this: status"),
    ("s.store new --split val", 2, "--split is of annotations; give --dataset and --annotations"),
    ("s.store new --label dog", 2, "--label is of annotations; give --dataset and --annotations"),
    ("s.store new --dataset json", 2, "--dataset is given without --annotations"),
    ("s.store new --dataset json --annotations val.json", 2, "give --split NAME of the annotations"),
    ("s.store new --status ok --missing ignore", 2, "--missing is of ids that are asked for"),
    ("s.store new --dataset json --annotations val.json --split val", 1, "no video of s.store meets all of this"),
    ("val.store new --dataset json --annotations val.json --split val --missing error", 1, "lacks 'absent 1'"),
    ("val.store new --dataset json --annotations val.json --split val --label horse", 1, "--label horse"),
    ("val.store new --dataset json --annotations val.json --split val,", 2, "has an empty name"),
    ("s.store s.store --ids ids.txt", 1, "s.store is a store already, and not the subset asked for"),
    ("s.store val.store --ids ids.txt", 1, "val.store is a store already"),
    ("s.store s.store/new --ids ids.txt", 1, "it lies in the store"),
    ("s.store s.store/backbones/made --ids ids.txt", 1, "it lies in the store"),
    ("s.store file --ids ids.txt", 1, "file is a file; give a new folder for the store"),
    ("s.store . --ids ids.txt", 1, "is not an avreplay store and not empty"),
    ("s.store https://host/x --ids ids.txt", 2, "https only reads"),
    ("*.store new --ids ids.txt", 2, "*.store stands for several stores"),
    ("nowhere new --ids ids.txt", 1, "there is no store at nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "code", "words"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told(world: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int, words: str) -> None:
    shutil.rmtree(world / "new", ignore_errors=True)
    before = tree(world)
    done = run(world, monkeypatch, *command.split())
    assert done.exit_code == code, done.output
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("Error: ")
    assert words in said, said
    assert tree(world) == before


@pytest.mark.parametrize("how", [{"ids": ["v1"]}, {"ids": ["v3"], "status": ["ok"]}])
def test_another_subset_is_not_gone_on_with(tmp_path: Path, how: dict[str, Any]) -> None:
    write_videos(tmp_path / "s", IDS)
    avreplay.subset(tmp_path / "s", tmp_path / "t", ids=["v3"])
    before = tree(tmp_path / "t")
    with pytest.raises(DataError, match=r"is a subset already, videos: 1 .*\(chosen by other (ids|status)"):
        avreplay.subset(tmp_path / "s", tmp_path / "t", **how)
    assert tree(tmp_path / "t") == before


def test_what_nobody_can_choose_by_is_refused(tmp_path: Path) -> None:
    write_videos(tmp_path / "s", IDS)
    truth = made(0, 3)[1]
    for how in ({}, {"labels": ["dog"], "ids": ["v1"]}, {"ids": ["v1"], "missing": "skip"}, {"ids": ["v1", "v1"]},
                {"ids": "v1"}, {"annotations": []}, {"annotations": truth, "labels": ["no label"]}):  # fmt: skip
        with pytest.raises(AvreplayError):
            avreplay.subset(tmp_path / "s", tmp_path / "t", **how)  # type: ignore[arg-type]
    assert not (tmp_path / "t").exists()
    with pytest.raises(UsageError):
        avreplay.subset(tmp_path / "s", "", ids=["v1"])
    assert open_store(tmp_path / "s").labels == LABELS


@pytest.mark.once
@given(given_as=st.lists(st.sampled_from(["ok", "no_audio"]), min_size=1, max_size=6))
@settings(max_examples=8, deadline=None)
def test_statuses_in_any_order_and_number_are_the_same_subset(given_as: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_videos(f"{folder}/s", IDS[:6])
        first = avreplay.subset(f"{folder}/s", f"{folder}/t", status=sorted(set(given_as)))
        again = avreplay.subset(f"{folder}/s", f"{folder}/t", status=given_as)
    assert again.already
    assert again.criteria == first.criteria
