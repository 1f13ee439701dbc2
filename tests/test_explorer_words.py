"""A new word in the explorer: its columns are those that `embed-text` would write, and it can be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, import_bundle, open_store, verify_store
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.bench.replay import synthetic_scores
from avreplay.extract import embed_labels
from avreplay.extract.backbones.base import Backbone, backbone_declaration
from avreplay.extract.backbones.registry import BUILT_IN, load_backbone
from avreplay.extract.for_explorer.words import NewWords
from avreplay.extract.writing.reference import PROMPTS, reference_rows
from fake_backbone import FakeBackbone
from made_store import write_store

LABELS = ("dog barking", "siren", "church bell")
ARRAYS = ("audio_segments", "visual_segments", "audio_visual_segments", "audio_clip", "visual_clip", "window_audio",
          "window_visual", "visual_cosine")  # fmt: skip


def encoded_store(folder: Path, backbone: Backbone, videos: int = 30, windows: bool = True) -> Path:
    """A store of made-up embeddings that an encoder is said to have made: some videos are silent, dark or broken."""
    spec, rng = backbone.spec, np.random.default_rng(7)
    config = {
        "backbone": {"name": backbone.name, **backbone_declaration(backbone)},
        "dtype": "float16",
        "segment_seconds": 1.0,
        "dims": {"audio": spec.audio_dim, "visual": spec.visual_dim, "visual_rows": spec.visual_rows},
    }

    def video(name: str) -> tuple[VideoRecord, VideoEmbeddings | None]:
        number = int(name)
        if number % 10 == 7:
            return VideoRecord(name, "truncated", "the file ends before its content does"), None
        status = {3: "no_audio", 5: "no_video"}.get(number % 10, "ok")
        t = 1 + number % 10
        pairs = np.array([(a, b) for a in range(t) for b in range(a + 1, t + 1)] if windows else np.zeros((0, 2), int))
        parts: dict[str, Any] = {}
        if status != "no_audio":
            parts |= {"audio_segments": rng.normal(size=(t, spec.audio_dim)),
                      "audio_clip": rng.normal(size=spec.audio_dim),
                      "window_audio": rng.normal(size=(len(pairs), spec.audio_dim))}  # fmt: skip
        if status != "no_video":
            parts |= {"visual_segments": rng.normal(size=(t, spec.visual_dim)),
                      "visual_clip": rng.normal(size=(spec.visual_rows, spec.visual_dim)),
                      "window_visual": rng.normal(size=(len(pairs), spec.visual_rows, spec.visual_dim))}  # fmt: skip
        return VideoRecord(name, status, "", t, float(t)), VideoEmbeddings(pairs, **parts)

    with StoreWriter.open(folder, config, [f"{k:04d}" for k in range(videos)], shard_videos=12) as writer:
        writer.keep_reference(PROMPTS, reference_rows(backbone))
        for index, ids in writer.pending():
            writer.write_shard(index, [video(v) for v in ids])
        writer.finish()
    embed_labels(folder, LABELS, backbone=backbone)
    return folder


def same(found: ScoreBundle, wanted: ScoreBundle) -> None:
    """Equal but for the rounding of the last bit of float32 in the label arrays."""
    assert (found.video_ids, found.labels) == (wanted.video_ids, wanted.labels)
    for name in ARRAYS:
        a, b = getattr(found, name), getattr(wanted, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert (a.shape, a.dtype) == (b.shape, b.dtype), name
            np.testing.assert_array_max_ulp(np.asarray(a, np.float32), np.asarray(b, np.float32), 1)
    assert np.array_equal(found.window_start, wanted.window_start)


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("encoder", ["demo", "fake"])
def test_added_columns_are_those_of_embed_text(tmp_path: Path, encoder: str, windows: bool) -> None:
    backbone = load_backbone("demo") if encoder == "demo" else FakeBackbone(rows=8)
    store = open_store(encoded_store(tmp_path / "store", backbone, windows=windows))
    words = NewWords(store, backbone=None if encoder == "demo" else backbone)
    assert words.why_not == ""
    new = ["piano", "rain"]
    forms: list[dict[str, Any]] = [{"similarity": "cosine"}]
    if encoder == "demo":  # which has one text for sound and pictures
        forms.append({"similarity": "cosine", "fused": True})
    made = [store.bundle().with_labels(words.scores(new))]
    made += [store.cosines(fused="fused" in form).with_labels(words.scores(new, **form)) for form in forms]
    one_by_one = store.bundle().with_labels(words.scores(new[:1])).with_labels(words.scores(new[1:]))
    texts = [words.embed(label) for label in new]

    assert words.keep(new) == (*LABELS, *new)
    after = open_store(store.url)
    assert verify_store(store.url) == []
    same(made[0], after.bundle())
    same(one_by_one, after.bundle())
    for bundle, form in zip(made[1:], forms, strict=True):
        same(bundle, after.cosines(fused="fused" in form))
    assert after.vocabulary is not None
    for k, (audio, visual) in enumerate(texts, len(LABELS)):
        assert audio.dtype == visual.dtype == np.float32
        assert np.array_equal(audio, after.vocabulary.audio_text[k])
        assert np.array_equal(visual, after.vocabulary.visual_text[k])


def test_labels_of_other_scores_are_not_added(tmp_path: Path) -> None:
    store = open_store(encoded_store(tmp_path / "store", load_backbone("demo"), 12))
    added = NewWords(store).scores(["rain"])
    for scores, reason in [
        (store.bundle().with_labels(added), "'rain'"),
        (store.bundle().select_videos([0, 1]), "does not fit the scores"),
        (store.bundle().select_videos(list(range(added.num_videos))[::-1]), "scored for other videos|does not fit"),
        (store.cosines(), "does not fit the scores"),
    ]:
        with pytest.raises(DataError, match=reason):
            scores.with_labels(added)


def test_words_kept_one_after_the_other_are_all_kept(tmp_path: Path) -> None:
    words = NewWords(open_store(encoded_store(tmp_path / "store", load_backbone("demo"), 3)))
    assert words.keep(["piano"]) == (*LABELS, "piano")
    assert words.keep(["rain", "piano"]) == (*LABELS, "piano", "rain")
    assert open_store(tmp_path / "store").labels == (*LABELS, "piano", "rain")


def test_a_label_is_checked(tmp_path: Path) -> None:
    words = NewWords(open_store(encoded_store(tmp_path / "store", load_backbone("demo"), 2)))
    assert words.check("  a  grand\tpiano ") == "a grand piano"
    assert "toy" in words.note("a grand piano")
    for label, known, reason in [
        (" \n ", (), "is blank"),
        ("siren", (), "is there already"),
        (" rain ", ("rain",), "is there already"),
        ("a\x00b", (), "control characters"),
        ("a\ud800b", (), "control characters"),
        ("x" * 1001, (), "more than 1000 characters"),
    ]:
        with pytest.raises(UsageError, match=reason):
            words.check(label, known)


def test_stores_without_an_encoder_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_bundle(synthetic_scores(3, 4), tmp_path / "scores")
    scores = NewWords(open_store(tmp_path / "scores"))
    assert "holds imported scores without embeddings" in scores.why_not
    with pytest.raises(DataError, match="without embeddings"):
        scores.embed("rain")

    write_store(str(tmp_path / "made"))
    unknown = NewWords(open_store(tmp_path / "made"))
    assert unknown.why_not == ""  # nothing is loaded to find out
    with pytest.raises(UsageError, match="'made', which is not registered here"):
        unknown.scores(["rain"])

    folder = encoded_store(tmp_path / "demo", load_backbone("demo"), 2)
    needy = BUILT_IN["clip_clap"]
    monkeypatch.setitem(BUILT_IN, "demo", type(needy)(needy.path, needs=("no_such_package",), install="pip install x"))
    missing = NewWords(open_store(folder))
    assert missing.why_not == "a new word needs the encoder demo, which is not installed here: pip install x"


def test_an_encoder_of_other_weights_is_refused(tmp_path: Path) -> None:
    class Other(FakeBackbone):
        def prompts(self, labels: Any, modality: str) -> list[str]:
            return [f"another {modality}: {label}" for label in labels]

        def encode_text(self, prompts: Any, modality: str) -> Any:
            return 1 - super().encode_text(prompts, modality)

    store = open_store(encoded_store(tmp_path / "store", FakeBackbone(), 2))
    with pytest.raises(DataError, match="the encoder here is not the one"):
        NewWords(store, backbone=Other()).load()
