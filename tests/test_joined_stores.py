"""Several stores as one: what it gives is what they give, and what does not belong together is refused by name."""

from __future__ import annotations

import inspect
import itertools
import logging
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import avreplay
import numpy as np
import pytest
from avreplay.cache import (
    JoinedStore,
    Store,
    check_store,
    import_bundle,
    open_store,
    open_stores,
    upgrade_store,
    write_score_set,
)
from avreplay.cache.layout.location import Location
from avreplay.cache.reference import write_reference
from avreplay.cli import main
from avreplay.core.errors import AvreplayError, DataError, UsageError
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from joined_data import assert_same, events_of, restricted, write_videos
from made_store import vocabulary
from tuning_data import made

IDS = [f"v{i}" for i in range(16)]


@st.composite
def parts(draw: st.DrawFn) -> list[list[str]]:
    """The made videos dealt to two to four stores, none of them empty."""
    order = draw(st.permutations(IDS[: draw(st.integers(4, len(IDS)))]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), min_size=1, max_size=3)))
    return [list(order[a:b]) for a, b in itertools.pairwise([0, *cuts, len(order)])]


def concatenated(found: list[Any]) -> dict[str, Any]:
    return {k: v for one in found for k, v in events_of(one).items()}


@pytest.mark.once
@given(parts(), st.integers(1, 5), st.sampled_from(["float16", "float32"]))
@settings(max_examples=5, deadline=None)
def test_a_joined_store_gives_what_its_stores_give(dealt: list[list[str]], size: int, dtype: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        urls = [f"{folder}/{k}.store" for k in range(len(dealt))]
        for url, ids in zip(urls, dealt, strict=True):
            write_videos(url, ids, shard_videos=size, config={"dtype": dtype})
        joined, alone = open_stores(urls), [open_store(url) for url in urls]
        everything = [id for ids in dealt for id in ids]
        assert [r.id for r in joined.videos] == everything
        assert joined.plan == [shard for store in alone for shard in store.plan]
        assert joined.complete
        assert joined.scores_are_current()
        for read in (Store.bundle, Store.computed_bundle, Store.cosines):
            name = read.__name__
            whole = getattr(joined, name)()
            for store in alone:
                assert_same(restricted(whole, [r.id for r in store.videos]), getattr(store, name)())
        for similarity, read in (("scores", Store.bundle), ("cosine", Store.cosines)):
            blocks = joined.score_blocks(similarity=similarity, memory=2000)
            whole = getattr(joined, read.__name__)()
            assert (blocks.video_ids, blocks.labels, blocks.kind) == (whole.video_ids, whole.labels, whole.kind)
            assert [id for block in blocks for id in block.video_ids] == list(whole.video_ids)
            for block, part in zip(blocks, blocks.slices, strict=True):
                assert_same(block, whole.select_videos(range(part.start, part.stop)))
            turned = np.arange(whole.num_videos)[::-1]
            assert_same(blocks.read(turned), whole.select_videos(turned))
        embeddings = joined.embeddings()
        for name in ("audio_segments", "visual_clip", "window_visual"):
            rows = np.concatenate([store.embeddings()[name] for store in alone if store.committed])
            assert embeddings[name].dtype == dtype
            assert embeddings[name].tobytes() == rows.tobytes()
        of_shards = [r.id for i in joined.committed for r in joined.records_of(i)]
        assert of_shards == everything
        shards = [joined.shard_arrays(i)["audio_segments"] for i in joined.committed]
        assert np.concatenate(shards).tobytes() == embeddings["audio_segments"].tobytes()
        for params in (
            avreplay.make_params(values={"tau0": 0.6}),
            avreplay.make_ovavel_params(values={"background": "none"}),
        ):
            together = avreplay.replay(joined, params, threads=1).predictions()
            each = [avreplay.replay(store, params, threads=1).predictions() for store in alone]
            assert events_of(together) == concatenated(each)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=3), st.integers(0, 9))
@settings(max_examples=4, deadline=None)
def test_stores_of_scores_are_joined(sizes: list[int], seed: int) -> None:
    bundle = made(seed, sum(sizes))[0]
    with tempfile.TemporaryDirectory() as folder:
        begin = [0, *itertools.accumulate(sizes)]
        pieces = [bundle.select_videos(range(a, b)) for a, b in itertools.pairwise(begin)]
        for k, piece in enumerate(pieces):
            import_bundle(piece, f"{folder}/{k}.store", {"source": f"{k}.npz"})
        joined = open_stores(f"{folder}/*.store")
        assert_same(joined.bundle(), replace(bundle, visual_features=None))
        params = avreplay.make_params(values={"audio_scores": "segment"})
        each = [avreplay.replay(piece, params).predictions() for piece in pieces]
        assert events_of(avreplay.replay(joined, params).predictions()) == concatenated(each)


def test_all_of_a_store_that_is_read_is_read_of_a_joined_one() -> None:
    inherited = {"columns", "to_pandas", "to_arrow", "backbones", "score_blocks"}  # they use what is overridden
    public = {n for n, _ in inspect.getmembers(Store) if not n.startswith("_")}
    assert public - set(vars(JoinedStore)) <= inherited


# --- what is refused -----------------------------------------------------------------------------------------------


def texts(labels: tuple[str, ...] = ("dog", "cat", "bell"), **changed: Any) -> Any:
    return replace(vocabulary(labels), **changed)


OTHERS = {
    "duplicated id": ({}, ["v3", "v9"], "the video 'v3' is in"),
    "encoder": ({"config": {"backbone": {"name": "other", "weights": "none"}}}, ["v9"], "of the encoder made and"),
    "weights": ({"config": {"backbone": {"name": "made", "weights": "x"}}}, ["v9"], "backbone.weights is 'none'"),
    "segments": ({"config": {"segment_seconds": 2.0}}, ["v9"], "segment_seconds is 1.0"),
    "dtype": ({"config": {"dtype": "float32"}}, ["v9"], "dtype is 'float16'"),
    "windows": ({"config": {"windows": "none"}}, ["v9"], "windows is 'not set'"),
    "another label": ({"texts": texts(("dog", "cat", "horn"))}, ["v9"], "has the label 'bell', which"),
    "a label more": ({"texts": texts(("dog", "cat", "bell", "horn"))}, ["v9"], "has the label 'horn', which"),
    "order": ({"texts": texts(("cat", "dog", "bell"))}, ["v9"], "the same labels in another order: number 1 is 'dog'"),
    "prompts": ({"texts": texts(audio_prompts=("a dog", "cat", "bell"))}, ["v9"], "the audio prompt of 'dog' is 'dog'"),
    "texts": ({"texts": vocabulary(seed=1)}, ["v9"], "other audio text embeddings of the same labels"),
}  # fmt: skip


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_videos("first.store", IDS[:5])
    return "first.store"


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("turned", [False, True])
def test_what_does_not_belong_together_is_refused_by_name(first: str, what: str, turned: bool) -> None:
    how, ids, words = OTHERS[what]
    write_videos("second.store", ids, **how)
    with pytest.raises(DataError) as refused:
        open_stores(["second.store", first] if turned else [first, "second.store"])
    said = str(refused.value)
    assert {first, "second.store"} <= set(said.replace(";", " ").replace(",", " ").split()), said
    assert turned or words in said
    done = CliRunner().invoke(main, ["replay", first, "second.store"])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")


def test_other_weights_are_known_by_the_reference_rows(first: str) -> None:
    write_videos("second.store", ["v9"])
    for url, turn in ((first, 1.0), ("second.store", -1.0)):
        write_reference(Location(url), ["a"], {"audio_text": turn * np.ones((1, 6)), "visual_text": np.ones((1, 8))})
    with pytest.raises(DataError, match=r"first\.store and second\.store were made with other weights"):
        JoinedStore([open_store(first), open_store("second.store")])


def test_scores_of_another_kind_or_of_other_things_are_refused(tmp_path: Path, first: str) -> None:
    bundle = made(0, 4)[0]
    import_bundle(bundle.select_videos([0, 1]), "a.store")
    import_bundle(replace(bundle.select_videos([2]), kind="similarity"), "kind.store")
    import_bundle(replace(bundle.select_videos([2]), audio_clip=None), "clip.store")
    import_bundle(replace(bundle.select_videos([2]), segment_seconds=2.0), "seconds.store")
    for other, words in (
        ("kind", "the kind probability and kind.store of the kind"),
        ("clip", "has scores audio_clip and clip.store has none"),
    ):
        with pytest.raises(DataError, match=words) as refused:
            open_stores(["a.store", f"{other}.store"]).bundle()
        assert "a.store" in str(refused.value)
    with pytest.raises(DataError, match=r"segment_seconds is 1\.0 in a\.store and 2\.0 in seconds\.store"):
        open_stores(["a.store", "seconds.store"])
    with pytest.raises(DataError, match=r"first\.store holds embeddings and a\.store holds scores"):
        open_stores([first, "a.store"])


def test_a_score_set_must_be_in_all_stores_and_made_alike(first: str) -> None:
    write_videos("second.store", ["v9", "v10"])
    for url in (first, "second.store"):
        bundle = open_store(url).bundle()
        write_score_set(url, "both", bundle, {"of": "a test"})
        write_score_set(url, "unlike", bundle, {"of": url})
    write_score_set(first, "one", open_store(first).bundle(), {})
    joined = open_stores([first, "second.store"])
    assert set(joined.score_sets) == {"both"}
    assert joined.score_sets["both"]["videos"] == joined.bundle().num_videos
    assert_same(joined.bundle("both"), joined.bundle())
    with pytest.raises(UsageError, match=r"first\.store has a score set 'one' and second\.store has none"):
        joined.bundle("one")
    with pytest.raises(DataError, match=r"'unlike' of second\.store was made under other settings than that of first"):
        joined.bundle("unlike")
    with pytest.raises(UsageError, match=r"first\.store has no score set 'none'"):
        joined.bundle("none")


# --- how several are named -----------------------------------------------------------------------------------------


@given(st.sampled_from(["{0}", "./{0}", "{0}/", "x/../{0}", "{cwd}/{0}", "file://{cwd}/{0}", "link", "[f]*.store"]))
@settings(max_examples=20, deadline=None)
def test_the_same_store_twice_is_refused_however_it_is_written(form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            write_videos("first.store", ["v1"])
            os.symlink("first.store", "link")
            with pytest.raises(UsageError, match="name it once"):
                open_stores(["first.store", form.format("first.store", cwd=folder)])
        finally:
            os.chdir(here)


def test_a_list_names_stores_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for k, name in enumerate(("runs/b", "runs/a", "c")):
        write_videos(tmp_path / f"{name}.store", [f"v{k}"])
    (tmp_path / "runs" / "all.stores.toml").write_text('stores = ["[ab].store", "../c.store"]')
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = open_stores("../runs/all.stores.toml")
    assert [record.id for record in found.videos] == ["v1", "v0", "v2"]  # a pattern is sorted, a list is not
    done = CliRunner().invoke(main, ["ids", "../runs/all.stores.toml"])
    assert done.stdout.split() == ["v1", "v0", "v2"]
    for works_on_one in (open_store, check_store, upgrade_store):
        with pytest.raises(UsageError, match="stands for several stores, and this works on one"):
            works_on_one("../runs/all.stores.toml")


LISTS = {
    "stores = []": "is no list of stores",
    "stores = 3": "is no list of stores",
    'stores = ["a", " "]': "is no list of stores",
    'store = ["a"]': "has a key 'store'",
    'stores = ["b.stores.toml"]': "names another list of stores",
    'stores = ["nowhere"]': "there is no store at nowhere",
    'stores = ["x*"]': "no store matches x*",
    "stores = [": "is not readable TOML",
    "": "is no list of stores",
}


@pytest.mark.parametrize("content", LISTS)
def test_a_list_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.stores.toml").write_text(content)
    with pytest.raises(AvreplayError) as refused:
        open_stores("a.stores.toml")
    assert LISTS[content] in str(refused.value)
    with pytest.raises(DataError, match=r"no list of stores b\.stores\.toml"):
        open_stores("b.stores.toml")


def test_a_folder_whose_name_has_wild_cards_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_videos("a[1].store", ["v1"])
    write_videos("a1.store", ["v2"])
    assert [r.id for r in open_stores("a[1].store").videos] == ["v1"]
    assert [r.id for r in open_stores("a?.store").videos] == ["v2"]


def test_stores_on_a_server_are_joined_by_pattern_and_by_list() -> None:
    import fsspec

    base = "memory://joined-stores"
    write_videos(f"{base}/runs/a.store", ["v1", "v2"])
    write_videos(f"{base}/runs/b.store", ["v3"])
    fsspec.filesystem("memory").pipe_file("/joined-stores/all.stores.toml", b'stores = ["runs/*.store"]')
    for given_as in (f"{base}/runs/*.store", f"{base}/r*s/?.store", f"{base}/all.stores.toml"):
        assert [r.id for r in open_stores(given_as).videos] == ["v1", "v2", "v3"]
    with pytest.raises(DataError, match="no store matches"):
        open_stores(f"{base}/runs/*.zarr")
    with pytest.raises(DataError, match="there is no list of stores"):
        open_stores(f"{base}/none.stores.toml")
    with pytest.raises(UsageError, match="the same store"):
        open_stores([f"{base}/runs/*.store", f"{base}//runs/a.store/"])


def test_an_unfinished_store_is_said(tmp_path: Path, first: str, caplog: pytest.LogCaptureFixture) -> None:
    write_videos("second.store", IDS[5:], shard_videos=2, last=2)
    with caplog.at_level(logging.WARNING, "avreplay"):
        joined = open_stores([first, "second.store"])
    assert "second.store is not finished: it has 2 of 6 shards" in caplog.text
    assert not joined.complete
    assert [r.id for r in joined.videos] == [*IDS[:5], *IDS[5:9]]


def test_the_commands_that_read_take_several(tmp_path: Path, first: str) -> None:
    write_videos("second.store", IDS[5:])
    run = CliRunner()
    done = run.invoke(main, ["replay", first, "second.store", "--out", "p.json"])
    assert done.exit_code == 0, done.output
    again = run.invoke(main, ["replay", "*.store", "--out", "q.json"])
    assert again.exit_code == 0, again.output
    assert Path("p.json").read_bytes() == Path("q.json").read_bytes()
    info = run.invoke(main, ["info", first, "second.store"])
    assert "first.store + second.store: embeddings" in info.output
    report = run.invoke(main, ["report", "p.json", "--store", "*.store", "--out", "r.html"])
    assert report.exit_code == 0, report.output
    export = run.invoke(main, ["export", "p.json", "--format", "csv", "--out", "e.csv", "--store", "*.store"])
    assert export.exit_code == 0, export.output
    refused = run.invoke(main, ["embed-text", "*.store", "--labels", "labels.txt"])
    assert refused.exit_code != 0
