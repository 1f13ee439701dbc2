"""Logits of a model (scale and bias by modality): in scores, in a store's configuration and in its vocabulary."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import Vocabulary, open_store, verify_store
from avreplay.cache.layout.shards import modality_of
from avreplay.cache.similarity import PRODUCTS, products
from avreplay.core.errors import DataError
from avreplay.extract import extract_videos
from avreplay.extract.backbones.base import backbone_declaration
from avreplay.extract.for_explorer.words import NewWords
from avreplay.extract.labels import embed_labels, encode_labels
from fake_backbone import FakeBackbone
from hypothesis import given, settings
from hypothesis import strategies as st
from media_maker import write_media

LABELS = ("Dog", "Rain", "Bell")
LOGITS = {"visual": (112.5, -16.5), "audio": (3.0, 0.25)}


def backbone(**logits: tuple[float, float]) -> FakeBackbone:
    made = FakeBackbone()
    made.logits = logits
    return made


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_media(folder / "both.mp4", seconds=3, channels=1)
    write_media(folder / "silent.mp4", seconds=2, channels=0)
    return folder


@pytest.fixture(scope="module")
def stores(films: Path) -> dict[str, Any]:
    made = {}
    for name, logits in (("plain", {}), ("visual", {"visual": LOGITS["visual"]}), ("both", LOGITS)):
        place = films.parent / f"{name}.store"
        extract_videos(films, place, backbone(**logits), LABELS, progress=False)
        made[name] = open_store(place)
    return made


@pytest.mark.media
def test_scores_are_scale_times_product_plus_bias_where_there_is_a_stream(stores: dict[str, Any]) -> None:
    plain = stores["plain"].bundle()
    for name in ("visual", "both"):
        found = stores[name].bundle()
        for array in (
            "visual_segments",
            "audio_segments",
            "visual_clip",
            "audio_clip",
            "window_audio",
            "window_visual",
        ):
            modality = "audio" if "audio" in array else "visual"
            scale, bias = dict(stores[name].vocabulary.logits).get(modality, (1.0, 0.0))
            got, want = getattr(found, array), getattr(plain, array)
            assert (got is None) == (want is None)
            if want is None:
                continue
            there = want.reshape(len(want), -1).any(axis=1)  # the rows of an absent stream are 0
            np.testing.assert_allclose(got[there], scale * want[there] + bias, rtol=1e-5, atol=1e-4)
            assert not got[~there].any()
        assert not found.has_audio.all()
        np.testing.assert_array_equal(found.visual_cosine, plain.visual_cosine)
        np.testing.assert_array_equal(stores[name].cosines().visual_segments, stores["plain"].cosines().visual_segments)


@pytest.mark.media
def test_they_are_part_of_the_configuration_and_of_the_vocabulary_and_of_nothing_else(stores: dict[str, Any]) -> None:
    fingerprints = {name: store.fingerprint for name, store in stores.items()}
    assert len(set(fingerprints.values())) == 3
    assert "logits" not in stores["plain"].config["backbone"]
    assert stores["both"].config["backbone"]["logits"] == {"visual": [112.5, -16.5], "audio": [3.0, 0.25]}
    assert dict(stores["both"].vocabulary.logits) == LOGITS
    assert len({store.vocabulary_id for store in stores.values()}) == 3
    marker = json.loads(
        (Path(stores["plain"].url) / f"vocabularies/{stores['plain'].vocabulary_id}/zarr.json").read_text()
    )
    assert "logits" not in marker["attributes"]
    assert len({store.content_hash for store in stores.values()}) == 1  # of the embeddings
    for store in stores.values():
        assert verify_store(store.url) == []


@pytest.mark.media
def test_new_labels_have_them_too(stores: dict[str, Any], tmp_path: Path) -> None:
    place = shutil.copytree(stores["both"].url, tmp_path / "store")
    words = NewWords(open_store(place), backbone=backbone(**LOGITS)).scores(["Cat"])
    embed_labels(place, ["Dog", "Cat"], backbone=backbone(**LOGITS))
    after = open_store(place).bundle()
    for array in ("visual_segments", "audio_segments", "visual_clip", "audio_clip"):
        np.testing.assert_allclose(getattr(words, array)[..., 0], getattr(after, array)[..., 1], rtol=1e-6)
        np.testing.assert_allclose(getattr(after, array)[..., 0], getattr(stores["both"].bundle(), array)[..., 0])
    with pytest.raises(DataError, match="logits was"):
        embed_labels(place, ["Dog"], backbone=backbone(visual=(112.5, -16.0)))


@given(st.floats(1e-3, 1e4), st.floats(-1e3, 1e3), st.sampled_from(PRODUCTS), st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_scale_and_bias(scale: float, bias: float, array: str, seed: int, half: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(4, 2, 5) if array in ("visual_clip", "window_visual", "audio_frames") else (4, 5))
    rows[1] = np.nan
    rows = rows.astype(np.float16 if half else np.float32)
    text = rng.normal(size=(3, 5)).astype(np.float32)
    names = ("a", "b", "c")
    modality = modality_of(array)
    assert modality in array
    joint = (names, text)
    got = products(rows, Vocabulary(names, names, names, text, text, {modality: (scale, bias)}, *joint), array)
    want = scale * (rows.astype(np.float64) @ text.T) + bias
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[[0, 2, 3]], want[[0, 2, 3]], rtol=1e-6, atol=1e-6 * scale)
    assert not got[1].any()
    other = {"audio": "visual", "visual": "audio", "audio_visual": "audio"}[modality]
    plain = Vocabulary(names, names, names, text, text, {}, *joint)
    elsewhere = Vocabulary(names, names, names, text, text, {other: (scale, bias)}, *joint)
    np.testing.assert_array_equal(products(rows, plain, array), products(rows, elsewhere, array))


@pytest.mark.media
@pytest.mark.parametrize(
    "pair", [(0.0, 1.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))], ids=["zero", "below", "nan", "inf"]
)
def test_what_is_no_logit_is_refused_before_anything_is_encoded(
    pair: tuple[float, float], films: Path, tmp_path: Path
) -> None:
    made = backbone(visual=pair)
    with pytest.raises(DataError, match=r"logits of .?visual.? are"):
        extract_videos(films, tmp_path / "store", made, LABELS, progress=False)
    assert not made.calls


def test_a_modality_that_there_is_not_is_refused() -> None:
    with pytest.raises(DataError, match="logits of 'smell'"):
        backbone_declaration(backbone(smell=(1.0, 2.0)))
    assert encode_labels(backbone(**LOGITS), LABELS).logits == LOGITS
