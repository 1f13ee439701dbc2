"""Stores that hold frames of sound, and sound and pictures together: every way in which they are written and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import (
    import_bundle,
    open_store,
    open_stores,
    read_bundle,
    store_info,
    verify_store,
    write_bundle,
    write_score_set,
)
from avreplay.cache.layout.location import Location
from avreplay.cache.score_set_key import score_set_key
from avreplay.cache.subset import write_subset
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import make_params
from avreplay.core.pooling import parse_pool, pool_frames
from avreplay.evaluate.command_options import ReplayRequest
from avreplay.evaluate.commands import replay_to_files
from avreplay.evaluate.replay import replay
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones.base import BackboneSpec
from avreplay.extract.encoding.calibration import stored_bytes
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.for_explorer.words import NewWords
from avreplay.extract.forecast.store_size import store_size
from avreplay.extract.labels import embed_labels
from avreplay.extract.media.probe import probe
from avreplay.extract.writing.fill import fill_store
from fake_backbone import FakeBackbone
from media_maker import write_media
from numpy.typing import NDArray
from store_files import tree

pytestmark = pytest.mark.once

LABELS = ("Dog", "Rain", "Bell")
ARRAYS = ("audio_frames", "audio_visual_segments")


class FinerBackbone(FakeBackbone):
    """Four frames a second, up to two seconds together; a picture and a sound give two numbers."""

    name = "finer"

    def __init__(self, bad: str = "") -> None:
        super().__init__()
        self.spec = BackboneSpec(
            audio_dim=4, visual_dim=3, sample_rate=16000, window_frames=8, licence="none", frame_rate=4.0,
            frame_seconds=2.0, audio_visual_dim=2,
        )  # fmt: skip
        self.logits = {"audio": (2.0, -1.0)}
        self.bad = bad
        self.joint_picture = lambda frame: frame[::2, ::2]

    def declaration(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def encode_text(self, prompts: Sequence[str], modality: str) -> NDArray[np.float32]:
        return super().encode_text(prompts, modality)[:, : 2 if modality == "audio_visual" else 4]

    def encode_frames(self, clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        self.calls.append(("frames", len(clips)))
        if self.bad == "count":
            return []
        found = [
            np.array([[p.mean(), p.std(), np.abs(p).max(), len(c) / 16000] for p in c.reshape(-1, 4000)], np.float32)
            for c in clips
        ]
        if self.bad == "nan":
            found[0][0] = np.nan
        return [rows[:-1] for rows in found] if self.bad == "shape" else found

    def encode_audio_visual(self, items: Sequence[tuple[Sequence[Any], Any]]) -> NDArray[np.float32]:
        self.calls.append(("pairs", len(items)))
        return np.array([[np.mean(frames[0]) / 255, np.abs(sound).mean()] for frames, sound in items], np.float32)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_media(folder / "a.mp4", seconds=5, channels=1)
    write_media(folder / "blind.mp4", seconds=2, channels=1, video=False)
    write_media(folder / "silent.mp4", seconds=2)
    return folder


def settings(windows: str = "all", **more: Any) -> ExtractSettings:
    return ExtractSettings(windows=windows, **more)


@pytest.fixture(scope="module")
def store(films: Path) -> Path:
    extract_videos(films, films.parent / "finer", FinerBackbone(), LABELS, settings(), progress=False)
    return films.parent / "finer"


@pytest.mark.media
def test_frames_and_pairs_are_where_their_streams_are(store: Path) -> None:
    opened, info = open_store(store), store_info(store)
    assert opened.config["dims"] == {"audio": 4, "visual": 3, "visual_rows": 1, "audio_frames": 4, "audio_visual": 2}
    assert info["rates"] == {"audio": 4, "visual": 1}
    assert verify_store(store) == []
    rows = opened.embeddings()
    assert rows["audio_frames"].shape == (9, 4, 4)
    assert rows["audio_visual_segments"].shape == (9, 2)
    assert np.isnan(rows["audio_frames"][7:]).all()  # silent
    assert np.isnan(rows["audio_visual_segments"][5:]).all()
    # a segment's frames are those of its own sound, encoded in pieces of two seconds
    np.testing.assert_allclose(rows["audio_frames"][:7, :, 0].mean(axis=1), rows["audio_segments"][:7, 0], atol=1e-3)
    assert rows["audio_frames"][:5, 0, 3].tolist() == [2, 2, 2, 2, 1]
    bundle = opened.bundle()
    text = FinerBackbone().encode_text(FinerBackbone().prompts(LABELS, "audio"), "audio")
    want = 2 * (rows["audio_frames"][:7].astype(np.float64) @ text.T) - 1
    assert bundle.audio_frames is not None
    assert bundle.audio_visual_segments is not None
    np.testing.assert_allclose(bundle.audio_frames[:7], want, rtol=1e-5, atol=1e-6)
    assert not bundle.audio_frames[7:].any()
    assert bundle.audio_visual_segments[:5].all()
    assert not bundle.audio_visual_segments[5:].any()


@pytest.mark.media
def test_the_bytes_are_the_same_however_it_is_extracted(store: Path, films: Path, tmp_path: Path) -> None:
    one, several = FinerBackbone(), FinerBackbone()
    several.items_per_call, several.calls_at_once = 2, 2
    extract_videos(films, tmp_path / "filled", one, LABELS, settings("none"), progress=False)
    fill_store(films, tmp_path / "filled", FinerBackbone(), LABELS, settings(), progress=False)
    extract_videos(films, tmp_path / "several", several, LABELS, settings(workers=3), progress=False)
    assert max(count for kind, count in several.calls if kind == "pairs") == 2
    assert tree(tmp_path / "filled") == tree(store) == tree(tmp_path / "several")


@pytest.mark.media
def test_scores_are_read_in_blocks_joined_and_of_some_videos(store: Path, tmp_path: Path) -> None:
    whole = open_store(store)
    bundle = whole.bundle()
    write_subset(whole, tmp_path / "one", ["a"], {})
    write_subset(whole, tmp_path / "two", ["blind", "silent"], {})
    assert verify_store(tmp_path / "two") == []
    joined = open_stores([tmp_path / "one", tmp_path / "two"])
    assert joined.config["dims"] == whole.config["dims"]
    for scores in (None, "pool:topk:2"):
        want = whole.bundle(scores)
        blocks = whole.score_blocks(scores, memory=1 << 14)
        for got in (joined.bundle(scores), blocks.read(np.arange(3)), whole.computed_bundle() if not scores else want):
            for name in (*ARRAYS, "audio_segments", "window_audio", "visual_cosine"):
                np.testing.assert_array_equal(getattr(got, name), getattr(want, name), name)
    pooled = whole.bundle("pool:max")
    assert pooled.audio_frames is None
    np.testing.assert_array_equal(pooled.audio_segments, np.asarray(bundle.audio_frames).max(axis=1))
    with pytest.raises(UsageError, match="topk:9 and a segment has 4 frames"):
        whole.bundle("pool:topk:9")


@pytest.mark.media
def test_labels_change_without_the_videos(store: Path, films: Path, tmp_path: Path) -> None:
    extract_videos(films, tmp_path / "s", FinerBackbone(), LABELS[:2], settings(), progress=False)
    words = NewWords(open_store(tmp_path / "s"), backbone=FinerBackbone()).scores(LABELS[2:])
    with_word = open_store(tmp_path / "s").bundle().with_labels(words)
    embed_labels(tmp_path / "s", LABELS, backbone=FinerBackbone())
    after, wanted = open_store(tmp_path / "s").bundle(), open_store(store).bundle()
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(after, name), getattr(wanted, name))
        np.testing.assert_allclose(getattr(with_word, name), getattr(wanted, name), rtol=1e-6)
    assert verify_store(tmp_path / "s") == []


@pytest.mark.media
def test_replay_pools_and_says_so(store: Path, tmp_path: Path) -> None:
    values = {"audio_scores": "segment", "score_norm": "sigmoid", "select_classes": False, "refine": False}
    params = make_params(values={**values, "tau0": 0.4})
    found = {rule: replay(store, params, tracks=("audio",), scores=f"pool:{rule}") for rule in ("mean", "noisy_or")}
    lengths = {rule: int((r.replay.events.offset - r.replay.events.onset).sum()) for rule, r in found.items()}
    assert lengths["noisy_or"] > lengths["mean"]
    request = ReplayRequest(
        [str(store)], settings=[f"{k}={str(v).lower()}" for k, v in params.as_dict().items()], tracks="audio",
        pool="noisy_or", out=str(tmp_path / "p.json"),
    )  # fmt: skip
    replay_to_files(request)
    said = json.loads((tmp_path / "p.json").read_text())
    assert said["made_from"]["scores"] == "pool:noisy_or"
    with pytest.raises(UsageError, match="choose mean, max, topk:K or noisy_or"):
        ReplayRequest([str(store)], pool="median")
    with pytest.raises(UsageError, match="leave one of them out"):
        ReplayRequest([str(store)], pool="max", scores="tuned")
    given = make_params(values={"av_scores": "given", "select_classes": False, "refine": False, "tau0": 0.3})
    assert len(replay(store, given, tracks=("audio_visual",)).replay.events.label)


def scores(frames: bool) -> ScoreBundle:
    rng = np.random.default_rng(3)
    return ScoreBundle.create(
        video_ids=["a", "b"], labels=["x", "y"], segments_per_video=[1, 2], kind="probability",
        audio_segments=rng.random((3, 2)), visual_segments=rng.random((3, 2)),
        audio_frames=rng.random((3, 5, 2)) if frames else None,
    )  # fmt: skip


def test_frames_are_imported_from_a_bundle(tmp_path: Path) -> None:
    bundle = scores(frames=True)
    write_bundle(bundle, tmp_path / "b.npz")
    assert np.array_equal(read_bundle(tmp_path / "b.npz").audio_frames, bundle.audio_frames)  # type: ignore[arg-type]
    import_bundle(read_bundle(tmp_path / "b.npz"), tmp_path / "s")
    opened = open_store(tmp_path / "s")
    want = pool_frames(bundle, parse_pool("noisy_or")).audio_segments
    np.testing.assert_array_equal(opened.bundle("pool:noisy_or").audio_segments, want)
    np.testing.assert_array_equal(opened.score_blocks("pool:noisy_or").read(np.arange(2)).audio_segments, want)
    with pytest.raises(DataError, match="no audio_frames, which pooling by max needs"):
        pool_frames(scores(frames=False), parse_pool("max"))


def test_keys_of_score_sets_without_frames_are_those_of_before(tmp_path: Path) -> None:
    assert score_set_key(scores(frames=False), {"a": 1}) == "9930a8d3d96f6be3"
    assert score_set_key(scores(frames=True), {"a": 1}) != score_set_key(scores(frames=False), {"a": 1})
    write_bundle(scores(frames=True), tmp_path / "b.npz")
    import_bundle(read_bundle(tmp_path / "b.npz"), tmp_path / "s")
    write_score_set(tmp_path / "s", "more", scores(frames=True), {"a": 1})
    assert verify_store(tmp_path / "s") == []
    assert open_store(tmp_path / "s").bundle("more").audio_frames is not None


@pytest.mark.media
def test_other_rates_than_the_configuration_says_need_a_newer_avreplay(
    store: Path, films: Path, tmp_path: Path
) -> None:
    extract_videos(films / "a.mp4", tmp_path / "s", FinerBackbone(), (), settings("none"), progress=False)
    place = Location(tmp_path / "s")
    for audio in (1, 5):
        root = place.attributes()
        assert root is not None
        place.set_attributes("", {**root, "rates": {"audio": audio, "visual": 1}})
        with pytest.raises(DataError, match=r"rows a segment, of which this avreplay reads only .*'audio': 4"):
            open_store(tmp_path / "s")


@pytest.mark.media
@pytest.mark.parametrize(
    ("bad", "words"),
    [("shape", r"encode_frames of backbone 'finer' gave shape \(7, 4\) and should give \(8, 4\)"),
     ("count", "gave the frames of 0 sounds of 3")],
)  # fmt: skip
def test_wrong_frames_are_told(bad: str, words: str, films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        extract_videos(films / "a.mp4", tmp_path / "s", FinerBackbone(bad), (), settings("none"), progress=False)


@pytest.mark.media
def test_a_video_whose_frames_are_nan_has_failed(films: Path, tmp_path: Path) -> None:
    summary = extract_videos(
        films / "a.mp4", tmp_path / "s", FinerBackbone("nan"), (), settings("none"), progress=False
    )
    assert summary.counts == {"failed": 1}
    with pytest.raises(
        UsageError, match=r"segments of 0\.3 s hold 1\.2 frames at 4 a second; choose a multiple of 0\.25"
    ):
        extract_videos(
            films / "a.mp4", tmp_path / "t", FinerBackbone(), (), settings(segment_seconds=0.3), progress=False
        )


@pytest.mark.media
def test_what_it_takes_is_counted(films: Path, store: Path) -> None:
    spec = FinerBackbone().spec
    plan = Planner.of(spec, settings())(probe(films / "a.mp4"))
    frames, pairs = 5 * 4, 5
    assert stored_bytes(plan, spec, "float16", 3) - stored_bytes(
        Planner.of(FakeBackbone().spec, settings())(probe(films / "a.mp4")), FakeBackbone().spec, "float16", 3
    ) == 2 * (frames * 4 + pairs * 2) + 4 * 3 * (frames + pairs)
    assert store_size(10, 10, frames=True, joint=True).objects > store_size(10, 10).objects
