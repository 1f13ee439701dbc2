"""PE-A-Frame and PE-AV's joint tower against transformers' models, and stores that hold what they give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avreplay.cache import open_store, verify_store
from avreplay.cache.layout.location import Location
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import make_params
from avreplay.core.pooling import Pool
from avreplay.core.reference_pooling import pooled_row
from avreplay.evaluate.replay import replay
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.backbones.weights.fill import randomise
from avreplay.extract.labels import embed_labels
from backbones.contract import (
    BATCHING,
    LABELS,
    assert_made_again_from_its_declaration,
    error,
    smallest_cosine,
)
from backbones.inputs import PE_AV_PROCESSOR, pe_av_pictures, pe_av_sound
from backbones.pe_models import SMALL, SMALL_SOUND, last_layer
from backbones.small_checkpoints import save_byte_tokenizer
from media_maker import write_media
from transformers import (
    AutoTokenizer,
    PeAudioConfig,
    PeAudioFeatureExtractor,
    PeAudioFrameLevelModel,
    PeAudioVideoConfig,
    PeAudioVideoModel,
)

LOGIT = (12.5, -4.0)


@pytest.fixture(scope="module")
def frame_model() -> Any:
    model = PeAudioFrameLevelModel(PeAudioConfig.from_dict(SMALL_SOUND)).eval()
    randomise(model, 5)
    with torch.no_grad():
        model.text_audio_logit_scale.fill_(LOGIT[0])
        model.text_audio_logit_bias.fill_(LOGIT[1])
    return model


@pytest.fixture(scope="module")
def joint_model() -> Any:
    model = PeAudioVideoModel(PeAudioVideoConfig.from_dict(SMALL)).eval()
    randomise(model, 3)
    return model


@pytest.fixture(scope="module")
def folders(frame_model: Any, joint_model: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The models as transformers saves them, with a tokenizer and the published processor."""
    made = {}
    for name, model in (("weights", frame_model), ("video_weights", joint_model)):
        place = tmp_path_factory.mktemp(name)
        model.save_pretrained(place)
        save_byte_tokenizer(place)
        (place / "processor_config.json").write_text(json.dumps(PE_AV_PROCESSOR))
        made[name] = str(place)
    return made


@pytest.fixture(scope="module")
def framed(folders: dict[str, str]) -> Any:
    return load_backbone("pe_a_frame", **folders, batch_size=4, frames=4)


@pytest.fixture(scope="module")
def joint(folders: dict[str, str]) -> Any:
    return load_backbone("pe_av_joint", weights=folders["video_weights"], batch_size=4, frames=4)


def tokens_of(folder: str, texts: list[str]) -> dict[str, torch.Tensor]:
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    return {key: tokens[key] for key in ("input_ids", "attention_mask")}


@torch.no_grad()
def test_frames_and_their_logits_equal_the_frame_level_model(
    framed: Any, frame_model: Any, folders: dict[str, str], sounds: list
) -> None:
    """Meta: frames of the last layer and the text of the layer before the norm through their heads, neither normed;
    the logit is scale times product plus bias."""
    assert framed.logits == {"audio": LOGIT}
    assert framed.spec.frame_rate == 25
    got = framed.encode_frames(sounds)
    texts = framed.prompts(LABELS, "audio")
    text = framed.encode_text(texts, "audio")
    state = last_layer(frame_model.text_model, tokens_of(folders["weights"], texts))[:, 0]
    want_text = frame_model.text_audio_head(state)
    assert error(text, want_text.numpy()) <= 1e-4
    rows = framed.encode_audio(sounds)
    for sound, frames, row in zip(sounds, got, rows, strict=True):
        values, mask = pe_av_sound(sound)
        want = frame_model.get_audio_embeds(values, mask)
        assert frames.shape == (-(-len(sound) // 1920), 32)
        assert error(frames, want[0].numpy()) <= 1e-3
        np.testing.assert_allclose(row, frames.mean(axis=0), atol=1e-5)
        logits = (want @ want_text.T).transpose(1, 2) * LOGIT[0] + LOGIT[1]
        found = LOGIT[0] * (frames @ text.T) + LOGIT[1]
        assert error(found.T, logits[0].numpy()) <= 1e-3


@torch.no_grad()
def test_frames_equal_those_of_a_padded_batch(framed: Any, frame_model: Any, sounds: list) -> None:
    """One second alone, and beside five seconds: nothing is padded here, and what the model's own padding gives is the
    same but for the end, where it is not invariant."""
    short, long = sounds[0][:48000], np.resize(sounds[0], 5 * 48000).astype(np.float32)
    together = framed.encode_frames([short, long])
    (alone,) = framed.encode_frames([short])
    assert error(together[0], alone) <= BATCHING
    padded = PeAudioFeatureExtractor()([short, long], sampling_rate=48000, return_tensors="pt")
    values, mask = padded["input_values"], padded["padding_mask"]
    want = frame_model.get_audio_embeds(values, mask)[0, : len(alone)].numpy()
    inner = slice(0, len(alone) - 8)  # its codec has no mask: near the end it hears the silence beyond
    apart = np.linalg.norm(alone - want, axis=1) / np.linalg.norm(alone, axis=1)
    assert apart[inner].max() <= 0.05
    assert apart[-1] > 0.2


@torch.no_grad()
def test_the_joint_tower_equals_the_joint_model(
    joint: Any, joint_model: Any, folders: dict[str, str], pictures: list, sounds: list
) -> None:
    assert joint.spec.audio_visual_dim == 32
    few = min(len(pictures), len(sounds))
    items = [([picture], sound) for picture, sound in zip(pictures[:few], sounds[:few], strict=True)]
    items.append(([pictures[0], pictures[1]], sounds[0]))
    got = joint.encode_audio_visual(items)
    want = []
    for shown, sound in items:
        values, mask = pe_av_sound(sound)
        videos = torch.stack([pe_av_pictures([one])[0] for one in shown])[None]
        want.append(joint_model.get_audio_video_embeds(values, videos, mask).audio_video_embeds)
    assert error(got, torch.nn.functional.normalize(torch.cat(want), dim=-1).numpy()) <= 1e-3
    texts = joint.prompts(LABELS, "audio_visual")
    state = last_layer(joint_model.text_model, tokens_of(folders["video_weights"], texts))[:, 0]
    head = torch.nn.functional.normalize(joint_model.text_audio_video_head(state), dim=-1)
    assert error(joint.encode_text(texts, "audio_visual"), head.numpy()) <= 1e-4
    alone = np.concatenate([joint.encode_audio_visual([item]) for item in items])
    assert error(got, alone) <= BATCHING
    small = [([joint.joint_picture(one) for one in shown], sound) for shown, sound in items]
    assert all(one.shape == (336, 336, 3) for shown, _ in small for one in shown)
    assert error(joint.encode_audio_visual(small), got) <= BATCHING
    assert all(
        torch.equal(joint._transform([a]), joint._transform([b]))
        for (shown, _), (reduced, _) in zip(items, small, strict=True)
        for a, b in zip(shown, reduced, strict=True)
    )


@torch.no_grad()
def test_all_else_is_pe_av(framed: Any, joint: Any, folders: dict[str, str], pictures: list, sounds: list) -> None:
    plain: Any = load_backbone("pe_av", weights=folders["video_weights"], batch_size=4, frames=4)
    for other in (framed, joint):
        assert np.array_equal(other.encode_images(pictures[:2]), plain.encode_images(pictures[:2]))
        assert np.array_equal(other.encode_text(["dog"], "visual"), plain.encode_text(["dog"], "visual"))
    assert np.array_equal(joint.encode_audio(sounds[:2]), plain.encode_audio(sounds[:2]))
    assert np.array_equal(joint.encode_text(["dog"], "audio"), plain.encode_text(["dog"], "audio"))
    assert not any(key.startswith("audio_model.audio_encoder") for key in framed._towers.state_dict())
    assert "audio_visual_dim" not in str(plain.declaration())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(
    dtype: str, framed: Any, joint: Any, folders: dict[str, str], pictures: list, sounds: list
) -> None:
    half: Any = load_backbone("pe_a_frame", **folders, dtype=dtype)
    assert smallest_cosine(half.encode_frames(sounds[:1])[0], framed.encode_frames(sounds[:1])[0]) >= 0.999
    other: Any = load_backbone("pe_av_joint", weights=folders["video_weights"], dtype=dtype)
    items = [([pictures[0]], sounds[0]), ([pictures[1]], sounds[1])]
    assert smallest_cosine(other.encode_audio_visual(items), joint.encode_audio_visual(items)) >= 0.999


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_media(folder / "both.mp4", seconds=3, channels=1)
    write_media(folder / "silent.mp4", seconds=2, channels=0)
    return folder


def test_a_store_of_frames_replays_pooled(framed: Any, films: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(windows="none", dtype="float32")
    extract_videos(films, tmp_path / "s", framed, LABELS[:3], settings, progress=False)
    store = open_store(tmp_path / "s")
    assert store.config["dims"]["audio_frames"] == 25
    assert np.shape(Location(tmp_path / "s").read("reference/frames")) == (10, 32)
    assert verify_store(tmp_path / "s") == []
    bundle = store.bundle()
    assert bundle.audio_frames is not None
    assert bundle.audio_frames.shape == (5, 25, 3)
    assert bundle.audio_segments is not None
    frames = bundle.audio_frames[:3].astype(np.float64)
    noisy_or = [[pooled_row(frames[s, :, c].tolist(), Pool("noisy_or")) for c in range(3)] for s in range(3)]
    for rule, want in (
        ("mean", frames.mean(axis=1)),
        ("max", frames.max(axis=1)),
        ("topk:5", np.sort(frames, axis=1)[:, -5:].mean(axis=1)),
        ("noisy_or", np.array(noisy_or)),
    ):
        got = store.bundle(f"pool:{rule}").audio_segments
        assert got is not None
        np.testing.assert_allclose(got[bundle.segment_starts[0] : 3], want, rtol=1e-4, atol=1e-5)
    params = make_params(values={"audio_scores": "segment", "score_norm": "sigmoid", "refine": False})
    found = replay(store, params, tracks=("audio",), scores="pool:max")
    assert found.predictions().made_from["scores"] == "pool:max"  # type: ignore[index]
    embed_labels(tmp_path / "s", LABELS[2:4], backbone=framed)
    again = open_store(tmp_path / "s").bundle()
    assert again.audio_frames is not None
    size = np.abs(bundle.audio_frames).max()  # two texts in a batch and three are alike up to rounding
    np.testing.assert_allclose(again.audio_frames[..., 0], bundle.audio_frames[..., 2], rtol=0, atol=1e-5 * size)


def test_a_store_of_the_joint_tower_gives_av_scores(joint: Any, films: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(windows="none", dtype="float32")
    extract_videos(films, tmp_path / "s", joint, LABELS[:3], settings, progress=False)
    store = open_store(tmp_path / "s")
    bundle, rows = store.bundle(), store.embeddings()["audio_visual_segments"]
    assert rows.shape == (5, 32)
    for name in ("audio_visual", "audio_visual_text"):
        assert np.shape(Location(tmp_path / "s").read(f"reference/{name}")) == (2, 32)
    assert np.isnan(rows[3:]).all()
    assert bundle.audio_visual_segments is not None
    text = joint.encode_text(joint.prompts(LABELS[:3], "audio_visual"), "audio_visual")
    np.testing.assert_allclose(bundle.audio_visual_segments[:3], rows[:3] @ text.T, atol=1e-5)
    assert not bundle.audio_visual_segments[3:].any()
    given = make_params(values={"av_scores": "given", "refine": False, "tau_f": 0.0})
    assert len(replay(store, given, tracks=("audio_visual",)).replay.events.label) > 0
    embed_labels(tmp_path / "s", LABELS[2:4], backbone=joint)
    again = open_store(tmp_path / "s").bundle().audio_visual_segments
    assert again is not None
    np.testing.assert_allclose(again[:, 0], bundle.audio_visual_segments[:, 2], rtol=1e-5)


def test_declarations_make_the_same_encoders_again(tmp_path: Path) -> None:
    paths = {"config": tmp_path / "sound.json", "video_config": tmp_path / "video.json"}
    paths["config"].write_text(json.dumps(SMALL_SOUND))
    paths["video_config"].write_text(json.dumps(SMALL))
    local = {key: str(path) for key, path in paths.items()}
    made = load_backbone("pe_a_frame", weights="random:1", video_weights="random:2", frames=4, **local)
    assert made.logits == {}
    assert_made_again_from_its_declaration(made, **local)
    assert_made_again_from_its_declaration(
        load_backbone("pe_av_joint", weights="random:1", config=local["video_config"]), config=local["video_config"]
    )


def test_what_does_not_fit_is_one_sentence(framed: Any, folders: dict[str, str], films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"do not fit PeAudioFrameLevelModel: .* missing"):
        load_backbone("pe_a_frame", weights=folders["video_weights"], video_weights=folders["video_weights"])
    with pytest.raises(UsageError, match=r"video_weights facebook/pe-av-large-16-frame are not on this machine"):
        load_backbone("pe_a_frame", weights=folders["weights"])
    with pytest.raises(UsageError, match=r"segments of 0\.5 s hold 12\.5 frames at 25 a second; choose a multiple"):
        extract_videos(films, tmp_path / "s", framed, (), ExtractSettings(segment_seconds=0.5), progress=False)
