"""Embeddings made elsewhere: layouts of the field become stores, with their statuses, lengths and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import avreplay
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.imports.embeddings.mapping import read_embeddings_mapping
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import guess_mapping, import_embeddings

IDS = ["-dash", "a b", "d_e", "v1", "ü"]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def of(id: str, *shape: int) -> np.ndarray:
    return numbers(*shape, seed=IDS.index(id))


def run(source: Path, mapping: str, store: Path | None = None, **options: Any) -> tuple[avreplay.Store, Any]:
    file = source.parent / "mapping.toml"
    file.write_text(mapping, encoding="utf-8")
    store = store or source.parent / "store"
    summary = import_embeddings(source, store, file, **options)
    assert not verify_store(store)
    return open_store(store), summary


def rows(store: avreplay.Store, modality: str, id: str) -> np.ndarray:
    records, found = store.segment_embeddings(modality)
    ends = np.cumsum([r.segments for r in records])
    k = [r.id for r in records].index(id)
    return found[ends[k] - records[k].segments : ends[k]]


# --- layouts ---------------------------------------------------------------------------------------------------------


def llp(source: Path) -> str:
    for name, segments, width in (("vggish", 10, 128), ("res152", 80, 64), ("r2plus1d_18", 10, 32)):
        (source / name).mkdir(parents=True)
        for id in IDS:
            np.save(source / name / f"{id}.npy", of(id, segments, width))
    return """
[embeddings]
segments = 10
[embeddings.audio]
path = "vggish/{id}.npy"
[embeddings.visual]
path = "res152/{id}.npy"
per_segment = 8
"""


def ave(source: Path) -> str:
    source.mkdir()
    for name, shape in (("visual", (5, 10, 7, 7, 16)), ("audio", (5, 10, 128))):
        with h5py.File(source / f"{name}_feature.h5", "w") as file:
            file["avadataset"] = numbers(*shape)
    with h5py.File(source / "test_order.h5", "w") as file:
        file["order"] = np.array([3, 0])
    lines = ["Category&VideoID&Quality&StartTime&EndTime", *(f"Bell&{id}&good&0&10" for id in IDS)]
    (source / "Annotations.txt").write_text("\n".join(lines), encoding="utf-8")
    return """
[embeddings]
[embeddings.ids]
path = "Annotations.txt"
column = "VideoID"
separator = "&"
rows = { path = "test_order.h5", key = "order" }
[embeddings.audio]
path = "audio_feature.h5"
[embeddings.visual]
path = "visual_feature.h5"
axes = ["video", "segment", "row", "column", "width"]
pool = { row = "mean", column = 3 }
"""


def unav(source: Path) -> str:
    source.mkdir()
    for k, id in enumerate(IDS):
        np.save(source / f"{id}_rgb.npy", of(id, 100 + 7 * k, 32))
        np.save(source / f"{id}_vggish.npy", of(id, 100 + 7 * k - k % 2, 16))
    return """
[embeddings]
[embeddings.audio]
path = "{id}_vggish.npy"
seconds = 0.32
[embeddings.visual]
path = "{id}_rgb.npy"
seconds = 0.32
segment_pool = "max"
"""


def tensors(source: Path) -> str:
    torch = pytest.importorskip("torch")
    source.mkdir()
    for id in IDS:
        held = {"audio": torch.tensor(of(id, 10, 8)), "video": {"clip": torch.tensor(of(id, 10, 3, 8)).bfloat16()}}
        torch.save({**held, "name": id}, source / f"{id}.pt")
    return """
[embeddings]
[embeddings.audio]
path = "{id}.pt"
key = "audio"
normalise = "l2"
[embeddings.visual]
path = "{id}.pt"
key = "video/clip"
axes = ["segment", "crop", "width"]
pool = { crop = "max" }
"""


def spans(source: Path) -> str:
    torch = pytest.importorskip("torch")
    for name in ("audio", "visual"):
        (source / name).mkdir(parents=True)
        for id in IDS:
            for t in range(12):
                if (id, name, t) != ("v1", "audio", 3):
                    torch.save(torch.tensor(of(id, 12, 8)[t]), source / name / f"{id}_{t}_{t + 1}.pt")
    return """
[embeddings]
[embeddings.audio]
path = "audio/{id}_{start}_{end}.pt"
axes = ["width"]
[embeddings.visual]
path = "visual/{id}_{start}_{end}.pt"
axes = ["width"]
"""


def one_array(source: Path) -> str:
    source.mkdir()
    np.save(source / "audio.npy", numbers(5, 10, 8))
    np.save(source / "visual.npy", numbers(26, 12))
    np.save(source / "lengths.npy", np.array([10, 1, 2, 3, 10]))
    np.save(source / "ids.npy", np.array(IDS))
    return """
[embeddings]
segments = { path = "lengths.npy" }
lengths = "shortest"
[embeddings.ids]
path = "ids.npy"
[embeddings.audio]
path = "audio.npy"
[embeddings.visual]
path = "visual.npy"
axes = ["segment", "width"]
"""


def parquet(source: Path) -> str:
    source.mkdir()
    table = {
        "video_id": np.repeat(IDS, 4).tolist(),
        "audio": list(numbers(20, 8)),
        "visual": list(numbers(20, 12)),
    }
    pq.write_table(pa.table(table), source / "all.parquet", row_group_size=7)
    return """
[embeddings]
[embeddings.ids]
path = "all.parquet"
column = "video_id"
[embeddings.audio]
path = "all.parquet"
key = "audio"
[embeddings.visual]
path = "all.parquet"
key = "visual"
"""


def keyed(source: Path) -> str:
    source.mkdir()
    with h5py.File(source / "all.h5", "w") as file:
        for id in IDS:
            file[f"audio/{id}"], file[f"visual/{id}"] = of(id, 10, 8), of(id, 10, 8)
    return """
[embeddings]
[embeddings.audio]
path = "all.h5"
key = "audio/{id}"
[embeddings.visual]
path = "all.h5"
key = "visual/{id}"
"""


def archives(source: Path) -> str:
    from safetensors.numpy import save_file

    for name in ("audio", "visual"):
        (source / name).mkdir(parents=True)
    for id in IDS:
        np.savez_compressed(source / "audio" / f"{id}.npz", features=of(id, 10, 8), other=of(id, 3))
        save_file({"x": of(id, 10, 8)}, source / "visual" / f"{id}.safetensors")
    return """
[embeddings]
[embeddings.audio]
path = "audio/{id}.npz"
key = "features"
[embeddings.visual]
path = "visual/{id}.safetensors"
"""


LAYOUTS: tuple[Callable[[Path], str], ...] = (llp, ave, unav, tensors, spans, one_array, parquet, keyed, archives)
NAMES = [layout.__name__ for layout in LAYOUTS]


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_a_layout_makes_a_store_of_embeddings_again_the_same(layout, tmp_path):
    mapping = layout(tmp_path / "source")
    store, summary = run(tmp_path / "source", mapping)
    assert store.kind == "embeddings"
    assert store.schema_version == 2
    assert sorted(r.id for r in store.videos) == sorted(["v1", "-dash"] if layout is ave else IDS)
    assert {r.status for r in store.videos} == {"ok"}
    assert summary.new == len(store.videos)
    assert summary.exit_code == 0
    assert "probe" in summary.works
    assert "embed-text" in summary.lacks
    again, second = run(tmp_path / "source", mapping)
    assert second.new == 0
    assert again.content_hash == store.content_hash
    other, _ = run(tmp_path / "source", mapping, tmp_path / "other")
    assert other.content_hash == store.content_hash


def test_llp_rows_are_means_of_eight(tmp_path):
    store, _ = run(tmp_path / "source", llp(tmp_path / "source"))
    for id in IDS:
        assert np.array_equal(rows(store, "audio", id), of(id, 10, 128))
        assert np.allclose(rows(store, "visual", id), of(id, 80, 64).reshape(10, 8, 64).mean(1), atol=1e-6)
    assert store.config["dims"] == {"audio": 128, "visual": 64, "visual_rows": 1}
    assert "visual: mean of 8 embeddings a segment" in store.config["imported"]["made_up"]


def test_ave_rows_of_a_split_with_patches_pooled_and_picked(tmp_path):
    store, _ = run(tmp_path / "source", ave(tmp_path / "source"))
    assert [r.id for r in store.videos] == [IDS[3], IDS[0]]
    assert np.array_equal(rows(store, "audio", IDS[3]), numbers(5, 10, 128)[3])
    assert np.allclose(rows(store, "visual", IDS[0]), numbers(5, 10, 7, 7, 16)[0].mean(1)[:, 3], atol=1e-6)


def test_unav_segments_follow_the_seconds(tmp_path):
    store, _ = run(tmp_path / "source", unav(tmp_path / "source"))
    records = {r.id: r for r in store.videos}
    for k, id in enumerate(IDS):
        values = of(id, 100 + 7 * k, 32)
        count = int(np.ceil(len(values) * 0.32 - 1e-6))
        assert records[id].segments == count
        middles = (np.arange(len(values)) + 0.5) * 0.32
        expected = [values[(middles >= t) & (middles < t + 1)].max(0) for t in range(count)]
        assert np.array_equal(rows(store, "visual", id), np.array(expected))


def test_tensors_of_dicts_normalised_and_the_clip_is_the_unit_mean(tmp_path):
    store, _ = run(tmp_path / "source", tensors(tmp_path / "source"))
    unit = of("v1", 10, 8) / np.linalg.norm(of("v1", 10, 8), axis=1, keepdims=True)
    assert np.allclose(rows(store, "audio", "v1"), unit, atol=1e-6)
    clip = store.embeddings()["audio_clip"][[r.id for r in store.videos].index("v1")]
    assert np.allclose(clip, unit.mean(0) / np.linalg.norm(unit.mean(0)), atol=1e-6)
    assert np.allclose(rows(store, "visual", "v1"), of("v1", 10, 3, 8).max(1), atol=0.02)  # bfloat16


def test_spans_follow_each_other_and_a_gap_is_noted(tmp_path):
    store, summary = run(tmp_path / "source", spans(tmp_path / "source"))
    assert np.array_equal(rows(store, "visual", "d_e"), of("d_e", 12, 8))
    expected = of("v1", 12, 8)
    expected[3] = expected[2]
    assert np.array_equal(rows(store, "audio", "v1"), expected)
    assert summary.notes == {"gaps": 1}


def test_flat_rows_are_divided_by_their_lengths(tmp_path):
    store, _ = run(tmp_path / "source", one_array(tmp_path / "source"))
    assert [r.segments for r in store.videos] == [10, 1, 2, 3, 10]
    assert np.array_equal(rows(store, "visual", IDS[3]), numbers(26, 12)[13:16])
    assert np.array_equal(rows(store, "audio", IDS[2]), numbers(5, 10, 8)[2, :2])


def test_parquet_rows_across_row_groups(tmp_path):
    store, _ = run(tmp_path / "source", parquet(tmp_path / "source"))
    assert np.array_equal(rows(store, "visual", IDS[3]), numbers(20, 12)[12:16])


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_the_guess_is_a_mapping_that_imports(layout, tmp_path):
    mapping = layout(tmp_path / "source")
    guessed = guess_mapping(tmp_path / "source")
    (tmp_path / "guess.toml").write_text(guessed, encoding="utf-8")
    plan = read_embeddings_mapping(tmp_path / "guess.toml")
    assert set(plan.modalities) == {"audio", "visual"}
    if layout is ave:
        assert "NOT SEEN" in guessed
        guessed = guessed.replace("ids.txt", "all.txt")
        (tmp_path / "source" / "all.txt").write_text("\n".join(IDS), encoding="utf-8")
    if layout is one_array:  # which of the numbers are lengths cannot be seen
        guessed = guessed.replace("segments = 10 ", "segments = { path = 'lengths.npy' } #").replace(
            'path = "visual.npy"\n', 'path = "visual.npy"\naxes = ["segment", "width"]\n#'
        )
    if layout is unav:  # nor how far apart embeddings are
        guessed = guessed.replace("# seconds = 1.0", "seconds = 0.32")
    wanted, _ = run(tmp_path / "source", mapping)
    store, _ = run(tmp_path / "source", guessed, tmp_path / "guessed")
    assert {r.id for r in store.videos} >= {r.id for r in wanted.videos}
    assert {r.status for r in store.videos} == {"ok"}


# --- what is missing, damaged or does not fit ------------------------------------------------------------------------


def test_missing_modalities_are_statuses_and_found_when_they_come(tmp_path):
    source = tmp_path / "source"
    mapping = llp(source)
    (source / "vggish" / "v1.npy").rename(tmp_path / "kept.npy")
    (source / "res152" / "ü.npy").unlink()
    (source / "res152" / "d_e.npy").write_bytes(b"no array")
    store, summary = run(source, mapping)
    status = {r.id: r.status for r in store.videos}
    assert status == {"-dash": "ok", "a b": "ok", "d_e": "unreadable", "v1": "no_audio", "ü": "no_video"}
    assert [f[0] for f in summary.failures] == ["d_e"]
    assert "d_e.npy" in summary.failures[0][2]
    assert summary.exit_code == 1
    (tmp_path / "kept.npy").rename(source / "vggish" / "v1.npy")
    np.save(source / "res152" / "d_e.npy", of("d_e", 80, 64))
    store, summary = run(source, mapping)
    assert summary.new == 2
    assert {r.status for r in store.videos} == {"ok", "no_video"}
    assert np.array_equal(rows(store, "audio", "v1"), of("v1", 10, 128))


def test_ids_of_a_list_that_have_no_file_are_missing(tmp_path):
    source = tmp_path / "source"
    mapping = llp(source) + '[embeddings.ids]\npath = "ids.txt"\nadd_suffix = "_0_10"\n'
    (source / "ids.txt").write_text("v1\nnowhere\n", encoding="utf-8")
    store, summary = run(source, mapping)
    assert {r.id: r.status for r in store.videos} == {"v1_0_10": "ok", "nowhere_0_10": "missing"}
    assert summary.left_out == 4


@pytest.mark.parametrize(
    ("lengths", "have", "status", "segments"),
    [
        ("near", (10, 9), "ok", 10),
        ("near", (10, 8), "unreadable", None),
        ("longest", (10, 2), "ok", 10),
        ("shortest", (10, 2), "ok", 2),
    ],
)
def test_lengths_that_differ(lengths, have, status, segments, tmp_path):
    (tmp_path / "source").mkdir()
    np.save(tmp_path / "source" / "x_a.npy", numbers(have[0], 4))
    np.save(tmp_path / "source" / "x_v.npy", numbers(have[1], 6))
    np.save(tmp_path / "source" / "y_a.npy", numbers(10, 4))
    np.save(tmp_path / "source" / "y_v.npy", numbers(10, 6))
    store, _ = run(
        tmp_path / "source",
        f'embeddings.lengths = "{lengths}"\nembeddings.audio.path = "{{id}}_a.npy"\n'
        'embeddings.visual.path = "{id}_v.npy"\n',
    )
    record = store.videos[0]
    assert (record.status, record.segments) == (status, segments or 0)
    if status == "ok":
        kept = rows(store, "visual", "x")
        assert np.array_equal(kept, numbers(have[1], 6)[np.minimum(np.arange(segments), have[1] - 1)])
        assert [n.kind for n in record.notes] == (["cut"] if lengths == "shortest" else ["padded"])


AUDIO = 'embeddings.audio.path = "vggish/{id}.npy"\n'
REFUSED = [
    ("", "no table [embeddings]"),
    ("values = 'logits'\n" + AUDIO, "'values' beside [embeddings]"),
    ("[embeddings]\n", "neither audio nor visual"),
    ('embeddings.audio.pth = "x"\n', "did you mean 'path'"),
    ('embeddings.audio.path = "vggish/{id}.mat"\n', "no known format"),
    ('embeddings.audio.path = "../{id}.npy"\n', "path in SOURCE"),
    ('embeddings.audio.path = "*/x.npy"\n', "needs {id}"),
    ('embeddings.audio.path = "vggish.npy"\n', "[embeddings.ids]"),
    (AUDIO + "embeddings.audio.per_segment = 0\n", "per_segment is 0"),
    (AUDIO + "embeddings.audio.seconds = 0.0\n", "seconds is 0.0"),
    (AUDIO + "embeddings.audio.per_segment = 8\nembeddings.audio.seconds = 1.0\n", "one of them"),
    (AUDIO + 'embeddings.audio.axes = ["segment", "crop", "width"]\n', "the axis 'crop' has no place"),
    (AUDIO + 'embeddings.audio.axes = ["segment"]\n', "one of them 'width'"),
    (AUDIO + 'embeddings.audio.axes = ["video", "segment", "width"]\n', "leave it out"),
    (AUDIO + 'embeddings.audio.pool = { crop = "mean" }\n', "pool names 'crop'"),
    (AUDIO + "embeddings.audio.scale = 0\n", "scale is 0"),
    (AUDIO + 'embeddings.audio.normalise = "L2"\n', "normalise is 'L2'"),
    (AUDIO + 'embeddings.audio.begins = "first"\n', "begins is for several files"),
    (AUDIO + 'embeddings.lengths = "any"\n', "near, longest, shortest"),
    (AUDIO + 'embeddings.dtype = "float64"\n', "dtype is 'float64'"),
    (AUDIO + "embeddings.segments = 0\n", "segments is 0"),
    (AUDIO + "embeddings.segment_seconds = 0\n", "segment_seconds is 0"),
    (AUDIO + 'embeddings.text.labels = "l.txt"\n', "text comes from one of"),
    (AUDIO + 'embeddings.text.backbone = "dmo"\n', "demo"),
    (AUDIO + 'embeddings.text.backbone = "demo"\n', "48"),
    (AUDIO + 'embeddings.text.path = "text.npy"\n', "names text and no labels"),
    (AUDIO + 'embeddings.ids.path = "none.txt"\n', "none.txt"),
    ('embeddings.audio.path = "vgish/{id}.npy"\n', "vgish"),
    ('embeddings.audio.path = "vggish/{id}.npz"\n', "nothing of audio"),
    (AUDIO + 'embeddings.audio.key = "x"\n', "no array 'x'"),
]


@pytest.mark.parametrize(("mapping", "words"), REFUSED, ids=[w for _, w in REFUSED])
def test_a_refused_mapping_says_why_and_leaves_nothing(mapping, words, tmp_path):
    llp(tmp_path / "source")
    with pytest.raises((DataError, UsageError)) as caught:
        run(tmp_path / "source", mapping)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("layout", [ave, one_array, keyed, parquet], ids=lambda f: f.__name__)
def test_a_damaged_file_of_all_videos_is_refused(layout, tmp_path):
    mapping = layout(tmp_path / "source")
    file = next(f for f in sorted((tmp_path / "source").iterdir()) if f.suffix in (".h5", ".npy", ".parquet"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=file.name):
        run(tmp_path / "source", mapping)


def test_another_mapping_is_refused_for_a_store(tmp_path):
    mapping = llp(tmp_path / "source")
    run(tmp_path / "source", mapping)
    with pytest.raises(DataError, match="per_segment"):
        run(tmp_path / "source", mapping.replace("= 8", "= 4").replace("segments = 10", ""))


def test_new_videos_are_added(tmp_path):
    mapping = llp(tmp_path / "source")
    before, _ = run(tmp_path / "source", mapping)
    for name, shape in (("vggish", (10, 128)), ("res152", (80, 64))):
        np.save(tmp_path / "source" / name / "new.npy", numbers(*shape))
    store, summary = run(tmp_path / "source", mapping)
    assert summary.new == 1
    assert len(store.videos) == len(before.videos) + 1


def test_infinity_and_text_are_the_videos_own_problem(tmp_path):
    mapping = llp(tmp_path / "source")
    np.save(tmp_path / "source" / "vggish" / "v1.npy", np.full((10, 128), np.inf, np.float32))
    np.save(tmp_path / "source" / "vggish" / "ü.npy", np.array([["x"] * 128] * 10))
    np.save(tmp_path / "source" / "vggish" / "a b.npy", np.zeros((10, 127), np.float32))
    np.save(tmp_path / "source" / "vggish" / "good.npy", np.zeros((10, 128), np.float32))
    np.save(tmp_path / "source" / "vggish" / "d_e.npy", np.array([None]), allow_pickle=True)
    store, summary = run(tmp_path / "source", mapping)
    assert {r.id for r in store.videos if r.has_data} == {"-dash", "good"}
    reasons = {id: reason for id, _, reason in summary.failures}
    for id, words in (("v1", "infinity"), ("ü", "numbers"), ("a b", "127 wide"), ("d_e", "pickled objects")):
        assert words in reasons[id]


def test_single_file_source(tmp_path):
    keyed(tmp_path / "source")
    file = tmp_path / "source" / "all.h5"
    guessed = guess_mapping(file)
    store, _ = run(file, guessed, tmp_path / "store")
    assert len(store.videos) == 5


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("audio", ("x", "ü y")),
        ("in/audio", ("-a", "labels", "b.1")),
        ("audio/{id}", ("-a", "labels", "b.1")),
        ("in/audio/{id}", ("x", "ü y")),
        ("{id}/audio", tuple(f"video_{k:03}" for k in range(4))),
        ("{id}/feat/audio", ("x", "ü y")),
    ],
)
def test_the_guess_of_one_file_knows_videos_from_things(name, ids, tmp_path):
    """Arrays of all videos, or a video each, in groups of either order."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for modality, width in (("audio", 6), ("visual", 8)):
            values = rng.normal(size=(len(ids), 5, width)).astype(np.float32)
            key = name.replace("audio", modality)
            for k, id in enumerate(ids if "{id}" in name else [""]):
                file[key.replace("{id}", id)] = values[k] if id else values
        if "{id}" not in name:
            file["ids"] = [id.encode() for id in ids]
    store, _ = run(tmp_path / "all.h5", guess_mapping(tmp_path / "all.h5"), tmp_path / "store")
    assert {r.id for r in store.videos} == set(ids)
    assert store.config["dims"] == {"audio": 6, "visual": 8, "visual_rows": 1}
    assert {r.segments for r in store.videos} == {5}


def test_nothing_to_guess(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "none"):
        with pytest.raises(DataError):
            guess_mapping(path)
