"""Scores in blocks are bit for bit those of the whole bundle, whatever the store and the memory."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import made_store
import numpy as np
import pytest
from avreplay.cache import Store, import_file, open_store, write_bundle
from avreplay.cache.imports.score_store import import_bundle
from avreplay.cache.layout.location import Location
from avreplay.cache.score_blocks import ScoreBlocks
from avreplay.cache.write_rows import write_rows
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import DataError, UsageError
from hypothesis import given, settings
from hypothesis import strategies as st


def same(one: ScoreBundle, other: ScoreBundle) -> None:
    for field in fields(ScoreBundle):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(b, np.ndarray):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), field.name
        else:
            assert a == b, field.name


def check(blocks: ScoreBlocks, whole: ScoreBundle) -> None:
    """The blocks, read in turn and at will, are the videos of the whole."""
    for name in ("video_ids", "labels", "kind", "segment_seconds", "num_videos"):
        assert getattr(blocks, name) == getattr(whole, name)
    assert np.array_equal(blocks.segments_per_video, whole.segments_per_video)
    ends = [0, *(s.stop for s in blocks.slices)]
    assert [*(s.start for s in blocks.slices), whole.num_videos] == ends
    for part, block in zip(blocks.slices, blocks, strict=True):
        same(block, whole.select_videos(range(whole.num_videos)[part]))
    same(blocks.read(slice(None)), whole.select_videos(range(whole.num_videos)))


@st.composite
def bundles(draw: st.DrawFn) -> ScoreBundle:
    """Bundles with any arrays, of videos with and without segments, windows and streams."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 12))
    c, r = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    counts = rng.integers(0, draw(st.integers(1, 9)), n)
    s = int(counts.sum())
    windows = [(v, a, b) for v, t in enumerate(counts) for a in range(t) for b in range(a + 1, t + 1)]
    share = draw(st.sampled_from([0.0, 0.3, 1.0]))
    index = np.array([w for w in windows if rng.random() < share], np.int64).reshape(-1, 3)
    index = index[rng.permutation(len(index))]
    shapes = {
        "visual_segments": (s, c), "audio_segments": (s, c), "audio_visual_segments": (s, c), "audio_clip": (n, c),
        "visual_clip": (n, r, c), "window_audio": (len(index), c), "window_visual": (len(index), r, c),
        "visual_cosine": (s,),
    }  # fmt: skip
    arrays = {name: rng.random(shape) for name, shape in shapes.items() if draw(st.booleans())}
    if not any(name.endswith("segments") for name in arrays):
        arrays["audio_segments"] = rng.random(shapes["audio_segments"])
    audible, visible = rng.random(n) < 0.8, rng.random(n) < 0.8
    for name, array in arrays.items():
        present = audible if "audio" in name else visible
        of = index[:, 0] if "window" in name else np.arange(n) if "clip" in name else np.repeat(np.arange(n), counts)
        array[~present[of]] = np.nan
    has_windows = "window_audio" in arrays or "window_visual" in arrays
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)], labels=[f"l{i}" for i in range(c)], segments_per_video=counts,
        kind=draw(st.sampled_from(["similarity", "probability"])), segment_seconds=0.5, has_audio=audible,
        has_visual=visible, window_video=index[:, 0] if has_windows else None,
        window_start=index[:, 1] if has_windows else None, window_end=index[:, 2] if has_windows else None, **arrays,
    )  # fmt: skip


@pytest.mark.once
@settings(max_examples=40, deadline=None)
@given(bundle=bundles(), memory=st.one_of(st.integers(1, 3000), st.none()), data=st.data())
def test_stored_scores_in_blocks_are_those_of_the_whole(
    bundle: ScoreBundle, memory: int | None, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = str(tmp_path_factory.mktemp("stores") / "s.store")
    import_bundle(bundle, url)
    blocks = open_store(url).score_blocks(memory=memory)
    check(blocks, open_store(url).bundle())
    if bundle.num_videos:
        chosen = data.draw(st.lists(st.integers(0, bundle.num_videos - 1), unique=True))
        same(blocks.read(chosen), bundle.select_videos(chosen))
    if memory is not None and len(blocks) > 1:
        sizes = [sum(a.nbytes for f in fields(b) if isinstance(a := getattr(b, f.name), np.ndarray)) for b in blocks]
        single = [s.stop - s.start == 1 for s in blocks.slices]
        assert all(alone or 2 * size <= memory for alone, size in zip(single, sizes, strict=True))


@pytest.mark.once
@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 40), shard=st.integers(1, 9), memory=st.integers(1, 40_000))
def test_computed_scores_in_blocks_are_those_of_the_whole(
    count: int, shard: int, memory: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = str(tmp_path_factory.mktemp("stores") / "e.store")
    made_store.write_store(url, count, shard)
    store = open_store(url)
    check(store.score_blocks(memory=memory), store.bundle())
    check(store.score_blocks(similarity="cosine", memory=memory), store.cosines())
    remove_scores(store, url)
    fresh = open_store(url)
    assert not fresh.scores_are_current()
    blocks = fresh.score_blocks(memory=memory)
    check(blocks, fresh.bundle())
    chosen = np.random.default_rng(count).permutation(blocks.num_videos)[: count // 2]
    same(blocks.read(chosen), fresh.bundle().select_videos(chosen))


def remove_scores(store: Store, url: str) -> None:
    """Leave the scores out, as before the end of an extraction."""
    (Path(url) / "vocabularies" / str(store.vocabulary_id) / "scores" / "zarr.json").unlink()


def files_of(url: str) -> dict[str, bytes]:
    root = Path(url)
    return {str(f.relative_to(root)): f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()}


@pytest.mark.once
@settings(max_examples=8, deadline=None)
@given(count=st.integers(1, 40), shard=st.integers(1, 9), memory=st.integers(1, 20_000))
def test_computed_scores_are_written_in_blocks_as_in_one(
    count: int, shard: int, memory: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = str(tmp_path_factory.mktemp("stores") / "e.store")
    made_store.write_store(url, count, shard)
    before, store = files_of(url), open_store(url)
    group = f"vocabularies/{store.vocabulary_id}/scores"
    write_rows(Location(url), group, store.computed_rows(), {"shards": store.shard_digest()}, memory=memory)
    assert files_of(url) == before


@pytest.mark.once
@settings(max_examples=20, deadline=None)
@given(bundle=bundles(), packed=st.booleans(), features=st.booleans(), memory=st.integers(1, 600))
def test_a_bundle_is_imported_in_blocks_as_in_one(
    bundle: ScoreBundle, packed: bool, features: bool, memory: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    if features:
        rows = np.random.default_rng(0).normal(size=(int(bundle.segments_per_video.sum()), 5)).astype(np.float32)
        bundle = replace(bundle, visual_features=rows, visual_cosine=None)
    write_bundle(bundle, folder / "s.npz")
    if packed:
        with np.load(folder / "s.npz") as arrays:
            np.savez_compressed(folder / "s.npz", **dict(arrays))
    import_file(folder / "s.npz", folder / "one.store")
    found = import_file(folder / "s.npz", folder / "blocks.store", memory=memory)
    assert isinstance(found, ScoreBlocks)
    assert files_of(str(folder / "blocks.store")) == files_of(str(folder / "one.store"))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("damage", ["cut", "flipped", "nan"])
def test_a_damaged_bundle_leaves_no_store(packed: bool, damage: str, tmp_path: Path) -> None:
    scores = np.random.default_rng(1).random((60, 5), np.float32)
    if damage == "nan":
        scores[57, 2] = np.nan
    arrays = {"video_ids": [f"v{i}" for i in range(20)], "labels": list("abcde"), "segments_per_video": np.full(20, 3),
              "visual_segments": scores}  # fmt: skip
    path = tmp_path / "s.npz"
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    content = bytearray(path.read_bytes())
    at = content.find(b"visual_segments.npy")
    content[at + 600] ^= 0xFF if damage == "flipped" else 0
    path.write_bytes(content[: at + 700] if damage == "cut" else content)
    messages = []
    for name, memory in (("one", 1 << 30), ("blocks", 100)):
        with pytest.raises(DataError) as error:
            import_file(path, tmp_path / name, memory=memory)
        messages.append(str(error.value))
        assert not (tmp_path / name).exists()
    assert messages[0] == messages[1]


def made_scores(url: str, windows: bool = True) -> ScoreBundle:
    rng = np.random.default_rng(5)
    counts = np.array([3, 0, 2, 3, 1, 3])
    index = np.array([(v, a, b) for v, t in enumerate(counts) for a in range(t) for b in range(a + 1, t + 1)])
    bundle = ScoreBundle.create(
        video_ids=list("uvwxyz"), labels=["a", "b"], segments_per_video=counts,
        audio_segments=rng.random((12, 2)), visual_clip=rng.random((6, 2, 2)), window_video=index[:, 0],
        window_start=index[:, 1], window_end=index[:, 2], window_audio=rng.random((len(index), 2)),
        window_visual=rng.random((len(index), 2, 2)),
    )  # fmt: skip
    import_bundle(bundle, url)
    return bundle


GROUP = "vocabularies/imported/scores"


def test_windows_in_another_order_are_found(tmp_path: Path) -> None:
    url = str(tmp_path / "s.store")
    bundle = made_scores(url)
    place = Location(url)
    order = np.random.default_rng(0).permutation(len(bundle.window_video))
    for name in ("window_index", "window_audio", "window_visual"):
        place.write(f"{GROUP}/{name}", place.read(f"{GROUP}/{name}")[order], 256)
    check(open_store(url).score_blocks(memory=100), bundle)


def test_chunks_in_another_order_are_read(tmp_path: Path) -> None:
    """Zarr may lay chunks out in another order, as its index says."""
    url = str(tmp_path / "s.store")
    bundle = made_scores(url)
    place = Location(url)
    place.write(f"{GROUP}/window_audio", bundle.window_audio, 4)
    values = tmp_path / "s.store" / GROUP / "window_audio" / "c" / "0" / "0"
    chunks = -(-len(bundle.window_video) // 4)
    content, size = values.read_bytes(), 4 * 2 * 4
    order = np.random.default_rng(1).permutation(chunks)
    index = np.frombuffer(content[chunks * size : -4], "<u8").reshape(-1, 2).copy()
    index[order, 0] = np.arange(chunks) * size
    body = b"".join(content[k * size : (k + 1) * size] for k in order)
    values.write_bytes(body + index.tobytes() + content[-4:])
    check(open_store(url).score_blocks(memory=100), bundle)


@pytest.mark.parametrize("array", ["audio_segments", "visual_clip", "window_index", "window_visual", "has_audio"])
@pytest.mark.parametrize("damage", ["cut", "lost", "index", "nan", "rows", "type"])
def test_damage_has_the_sentence_of_the_whole(array: str, damage: str, tmp_path: Path) -> None:
    url = str(tmp_path / "s.store")
    made_scores(url)
    place, folder = Location(url), tmp_path / "s.store" / GROUP / array
    values = next(f for f in folder.rglob("0") if f.is_file())
    rows = place.read(f"{GROUP}/{array}")
    assert rows is not None
    if damage == "cut":
        values.write_bytes(values.read_bytes()[:-9])
    elif damage == "lost":
        values.unlink()
    elif damage == "index":
        values.write_bytes(values.read_bytes()[:-20] + bytes(20))
    elif damage == "rows":
        place.write(f"{GROUP}/{array}", rows[:-1], 256)
    elif damage == "type":
        place.write(f"{GROUP}/{array}", rows != 0 if rows.dtype != bool else rows * 0.5, 256)
    else:
        worst = np.nan if rows.dtype.kind == "f" else 2 if rows.dtype == bool else -7
        if rows.dtype == bool:
            values.write_bytes(b"\x02" + values.read_bytes()[1:])
        else:
            rows[len(rows) // 2] = worst
            place.write(f"{GROUP}/{array}", rows, 256)
    with pytest.raises(DataError) as whole:
        open_store(url).bundle()
    with pytest.raises(DataError) as blocks:
        list(open_store(url).score_blocks(memory=100))
    assert str(blocks.value) == str(whole.value)


def test_scores_that_are_replaced_meanwhile_are_those_of_the_beginning(tmp_path: Path) -> None:
    url = str(tmp_path / "s.store")
    bundle = made_scores(url)
    blocks = open_store(url).score_blocks(memory=100)
    Location(url).remove(GROUP)
    check(blocks, bundle)


def test_scores_on_a_server_are_read_by_ranges() -> None:
    url = "memory://score-blocks/s.store"
    bundle = made_scores(url)
    check(open_store(url).score_blocks(memory=100), bundle)
    blocks = open_store(url).score_blocks(memory=100)
    Location(url).remove(GROUP)
    with pytest.raises(DataError, match="changed while it was read"):
        list(blocks)


@pytest.mark.parametrize("wrong", [{"memory": 0}, {"memory": 1.5}, {"similarity": "cosines"}, {"scores": "none"}])
def test_what_cannot_be_asked_for_is_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    made_scores(url := str(tmp_path / "s.store"))
    with pytest.raises(UsageError):
        open_store(url).score_blocks(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no video 6"):
        open_store(url).score_blocks().read([0, 6])


@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=3), chunk=st.integers(1, 7), data=st.data())
@settings(max_examples=15, deadline=None)
def test_arrays_are_the_files_that_zarr_writes(
    shape: list[int], chunk: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import zarr

    folder = tmp_path_factory.mktemp("arrays")
    dtype = data.draw(st.sampled_from(["float16", "float32", "float64", "int64", "bool"]))
    array = (np.random.default_rng(0).random(shape) * 3).astype(dtype)
    place = Location(folder / "own")
    place.write("g/a", array, chunk)
    rows = max(1, min(chunk, shape[0]))
    inner = [max(1, n) for n in shape[1:]]
    other = zarr.create_array(
        folder / "zarr" / "g" / "a", shape=shape, dtype=dtype, chunks=(rows, *inner),
        shards=(max(1, -(-shape[0] // rows)) * rows, *inner), compressors=None, fill_value=0,
        config={"write_empty_chunks": True},
    )  # fmt: skip
    if array.size:
        other[...] = array
    assert files_of(str(folder / "own" / "g" / "a")) == files_of(str(folder / "zarr" / "g" / "a"))


@pytest.mark.parametrize("damage", ["cut", "rows", "lost"])
@pytest.mark.parametrize("array", ["window_index", "window_audio", "visual_segments"])
def test_a_damaged_shard_among_others_is_named_in_bulk(array: str, damage: str, tmp_path: Path) -> None:
    url = str(tmp_path / "e.store")
    made_store.write_store(url, 30, 8)
    remove_scores(open_store(url), url)
    place, folder = Location(url), tmp_path / "e.store" / "shards" / "00002" / array
    rows = place.read(f"shards/00002/{array}")
    assert rows is not None
    values = next(f for f in folder.rglob("0") if f.is_file())
    if damage == "rows":
        place.write(f"shards/00002/{array}", rows[1:], 64)
    else:
        values.write_bytes(values.read_bytes()[:-3]) if damage == "cut" else values.unlink()
    messages = []
    for read in (
        lambda: open_store(url).shard_arrays(2),
        lambda: open_store(url).embeddings(),
        lambda: list(open_store(url).score_blocks(memory=1000)),
    ):
        with pytest.raises(DataError, match="00002") as error:
            read()
        messages.append(str(error.value))
    assert len(set(messages)) == 1
