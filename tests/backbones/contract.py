"""What every backbone of real architecture is held to, and the pipeline written plainly, one video at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import torch
from avreplay.cache import open_store
from avreplay.core import reference
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.params.av2a import make_params
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.backbones.base import Backbone, backbone_declaration
from avreplay.extract.backbones.registry import load_backbone
from numpy.typing import NDArray

LABELS = ("Dog", "Speech", "Church_bell", "Violin, fiddle", "Chainsaw", "Cat")
BATCHING = 2e-4
"""Largest change by batching or compiling, as a share of how far items lie apart (float32)."""


def error(got: NDArray, want: NDArray) -> float:
    """Largest deviation, as a share of how far the wanted rows of different items lie apart.

    Embeddings of random weights are alike, so that a deviation has to be seen against their differences.
    """
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    spread = np.sqrt(((want - want.mean(axis=0)) ** 2).mean())
    assert spread > 0, "the items cannot be told apart, so the comparison would say nothing"
    return float(np.abs(got - want).max() / spread)


def clips_of(pictures: Sequence[NDArray[np.uint8]], frames: int) -> list[list[NDArray[np.uint8]]]:
    """Three sequences of the pictures of equal size, with frames in common."""
    same = [p for p in pictures if p.shape == pictures[0].shape]
    turned = [np.ascontiguousarray(p[:, ::-1]) for p in same]
    pool = [*same, *turned]
    return [[pool[(start + k) % len(pool)] for k in range(frames)] for start in range(3)]


def encoders(
    backbone: Backbone, pictures: Sequence[Any], clips: Sequence[Any], sounds: Sequence[Any], labels: Sequence[str]
) -> dict[str, tuple[Callable[[Any], NDArray], Sequence[Any]]]:
    """Every way to encode for which there are items, with the items. Clips only where they are not rows of pictures."""
    if backbone.spec.visual_rows > 1:
        clips = []
    every: dict[str, tuple[Callable[[Any], NDArray], Sequence[Any]]] = {
        "images": (backbone.encode_images, pictures),
        "clips": (backbone.encode_clips, clips),
        "audio": (backbone.encode_audio, sounds),
        "audio text": (lambda texts: backbone.encode_text(texts, "audio"), backbone.prompts(labels, "audio")),
        "visual text": (lambda texts: backbone.encode_text(texts, "visual"), backbone.prompts(labels, "visual")),
    }
    return {name: (encode, items) for name, (encode, items) in every.items() if len(items)}


Company = dict[str, list[Any]]
"""Of each kind (pictures, sounds, texts) an item that is looked at, then others to be beside it."""


def assert_same_in_any_company(backbone: Backbone, company: Company, texts: Sequence[str] = ()) -> None:
    """Each tower's row of an item alone and among others, within what the tower declares; 0 means equal bytes."""
    declared, seen = backbone.batch_tolerances(), set()
    for tower, encode, items in towers_of(backbone, company, list(texts) or company["texts"]):
        seen.add(tower)
        alone = encode(items[:1])[0].astype(np.float64)
        beside = encode([*items[1:], items[0]])[-1]
        assert np.isfinite(alone).all()
        apart = np.linalg.norm(beside - alone) / np.linalg.norm(alone)
        assert apart <= declared[tower], tower
    assert set(backbone.reference_tolerances()) <= set(declared) == seen


def towers_of(
    backbone: Backbone, company: Company, texts: Sequence[str]
) -> Iterator[tuple[str, Callable[[Any], Sequence[NDArray[np.float32]]], list[Any]]]:
    """Each tower with its call and its items, three of each."""
    step = 48000 // backbone.spec.sample_rate
    heard = [np.ascontiguousarray(sound[::step]) for sound in company["sounds"]]
    yield "pictures", backbone.encode_images, company["pictures"]
    yield "sounds", backbone.encode_audio, heard
    if backbone.spec.visual_rows == 1:
        first, _, alike = company["pictures"]
        shown = [[(first, alike)[(k >> (i % 3)) & 1] for i in range(backbone.spec.window_frames)] for k in (1, 2, 5)]
        yield "clips", lambda clips: backbone.encode_clips(clips)[:, 0], shown
    if backbone.spec.frame_rate:
        yield "frames", lambda some: [rows.ravel() for rows in backbone.encode_frames(some)], heard
    if backbone.spec.audio_visual_dim:
        yield "audio_visual", backbone.encode_audio_visual, [([frame], heard[-1]) for frame in company["pictures"]]
        yield "audio_visual_text", lambda some: backbone.encode_text(some, "audio_visual"), list(texts)
    yield "audio_text", lambda some: backbone.encode_text(some, "audio"), list(texts)
    yield "visual_text", lambda some: backbone.encode_text(some, "visual"), list(texts)


def smallest_cosine(a: NDArray, b: NDArray) -> float:
    """Of the rows of two arrays, each with its own."""
    return float(((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)).min())


def assert_half_precision_is_close(
    make: Callable[[str], Backbone],
    pictures: Sequence[NDArray[np.uint8]],
    sounds: Sequence[NDArray[np.float32]],
    clips: Sequence[Sequence[NDArray[np.uint8]]] | None = None,
    labels: Sequence[str] = LABELS,
    least: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Cosine to float32 of at least 0.999 in every tower, or as ``least`` says for a number type and tower; returns
    the smallest cosines. One model is held at a time."""
    want: dict[str, NDArray] = {}
    smallest = {}
    for dtype in ("float32", "bfloat16", "float16"):
        backbone = make(dtype)
        assert backbone_declaration(backbone)["dtype"] == dtype
        chosen = clips_of(pictures, backbone.spec.window_frames)[:1] if clips is None else clips
        calls = encoders(backbone, pictures, chosen, sounds, labels)
        rows = {name: encode(items) for name, (encode, items) in calls.items()}
        del backbone, calls
        want = want or rows
        if dtype != "float32":
            for name, row in rows.items():
                smallest[f"{dtype} {name}"] = smallest_cosine(want[name], row)
    assert all(cosine >= least.get(name, 0.999) for name, cosine in smallest.items()), smallest
    return smallest


def assert_other_ways_to_compute_are_close(
    make: Callable[..., Backbone],
    pictures: Sequence[NDArray[np.uint8]],
    sounds: Sequence[NDArray[np.float32]],
) -> None:
    """Mixed precision: a cosine of at least 0.999. Compiled towers: the same rows but for rounding."""
    plain = make()
    calls = encoders(plain, pictures, clips_of(pictures, plain.spec.window_frames), sounds, LABELS)
    want = {name: encode(items) for name, (encode, items) in calls.items()}
    for dtype in ("bfloat16", "float16"):
        mixed = make(dtype=dtype, autocast=True)
        assert mixed.declaration()["dtype"] == f"{dtype}, autocast"
        assert mixed.declaration()["options"]["autocast"] is True
        for name, (encode, items) in _of(mixed, calls).items():
            assert smallest_cosine(want[name], encode(items)) >= 0.999, f"{name} under autocast in {dtype}"
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    before = set(sys.modules)
    try:
        with patch.object(torch.nn.Module, "compile", _traced):
            compiled = make(compile=True)
        assert compiled.declaration() == plain.declaration()
        for name, (encode, items) in _of(compiled, calls).items():
            assert error(encode(items), want[name]) <= BATCHING, f"{name} compiled"
    finally:  # the models that compiling leaves behind are not what an import of their package gives
        for module in set(sys.modules) - before:
            if module.partition(".")[0] in ("imagebind", "languagebind", "laion_clap"):
                del sys.modules[module]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2  # pictures and sounds


def _of(backbone: Backbone, calls: dict[str, tuple[Any, Sequence[Any]]]) -> dict[str, tuple[Any, Sequence[Any]]]:
    """The same calls of another backbone."""
    images, clips, sounds = (calls[kind][1] if kind in calls else [] for kind in ("images", "clips", "audio"))
    return encoders(backbone, images, clips, sounds, LABELS)


def _traced(module: torch.nn.Module) -> None:
    """torch.compile up to the code generator, which needs a C++ compiler."""
    module._compiled_call_impl = torch.compile(module._call_impl, backend="eager")


def assert_made_again_from_its_declaration(backbone: Backbone, **local: str) -> None:
    """A store's declaration, with the ``local`` paths, is enough to make the same encoder."""
    declared = backbone_declaration(backbone)
    again = load_backbone(declared["name"], **declared["options"], **local)
    assert backbone_declaration(again) == declared


class EachOnce:
    """Encodes every item alone, and only once however often it is asked for."""

    def __init__(self, backbone: Backbone) -> None:
        self.spec, self.prompts, self.encode_text = backbone.spec, backbone.prompts, backbone.encode_text
        self._backbone = backbone
        self._known: dict[tuple[str, bytes], NDArray] = {}

    def encode_images(self, frames: Sequence[NDArray]) -> NDArray:
        return self._rows(self._backbone.encode_images, frames)

    def encode_clips(self, clips: Sequence[Sequence[NDArray]]) -> NDArray:
        return self._rows(self._backbone.encode_clips, clips)

    def encode_audio(self, clips: Sequence[NDArray]) -> NDArray:
        return self._rows(self._backbone.encode_audio, clips)

    def _rows(self, encode: Callable[[Any], NDArray], items: Sequence[Any]) -> NDArray:
        made = []
        for item in items:
            key = (encode.__name__, sha256(np.ascontiguousarray(item).tobytes()).digest())
            if key not in self._known:
                self._known[key] = encode([item])
            made.append(self._known[key])
        return np.concatenate(made)


class PlainVideo:
    """The released procedure on one video: decode everything, then encode what each step asks for, item by item."""

    def __init__(self, path: Path, backbone: EachOnce) -> None:
        self.frames, self.sound = _decode(path, backbone.spec.sample_rate)
        self.backbone = backbone
        self.segments = len(self.sound) // backbone.spec.sample_rate
        self.text = {m: backbone.encode_text(backbone.prompts(LABELS, m), m) for m in ("audio", "visual")}
        count, n = len(self.frames), self.segments
        shown = [self.frames[t * (count - 1) // (n - 1)] for t in range(n)]
        whole = [self.frames[k * (count - 1) // (self.rows - 1)] for k in range(self.rows)]
        x = np.concatenate([backbone.encode_images([frame]) for frame in shown]).astype(np.float64)
        length = np.linalg.norm(x, axis=1)
        cosine = [x[t] @ x[t + 1] / (length[t] * length[t + 1]) for t in range(n - 1)] + [0.0]
        self.bundle = ScoreBundle.create(
            video_ids=[path.stem], labels=LABELS, segments_per_video=[n],
            visual_segments=self.scores(x, "visual"),
            audio_clip=self.scores(backbone.encode_audio([self.sound]), "audio"),
            audio_segments=np.concatenate([self.window_rows(None, 0, t, t + 1, "audio") for t in range(n)]),
            visual_clip=self.scores(backbone.encode_clips([whole])[0], "visual")[None],
            visual_cosine=np.array(cosine),
        )  # fmt: skip

    def stages(self, params) -> tuple[reference.Stages, ...]:
        """The stages of the three tracks; a window is encoded when the refinement asks for it."""
        with patch.object(reference, "window_rows", self.window_rows):
            return reference.video_stages(self.bundle, params, 0)

    @property
    def rows(self) -> int:
        return self.backbone.spec.window_frames

    def scores(self, rows, modality):
        return (rows.astype(np.float64) @ self.text[modality].T.astype(np.float64)).astype(np.float32)

    def window_rows(self, bundle, video, start, end, modality):
        rate, per_second = self.backbone.spec.sample_rate, len(self.frames) // self.segments
        if modality == "audio":
            return self.scores(self.backbone.encode_audio([self.sound[start * rate : end * rate]]), "audio")
        inside = self.frames[start * per_second : end * per_second]
        shown = [inside[k * (len(inside) - 1) // (self.rows - 1)] for k in range(self.rows)]
        return self.scores(self.backbone.encode_clips([shown])[0], "visual")


def _decode(path: Path, rate: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """All frames, and the sound of whole seconds."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        seconds = round(len(frames) / container.streams.video[0].average_rate)
    with av.open(str(path)) as container:
        resampler, parts = None, []
        for frame in container.decode(audio=0):
            resampler = resampler or av.AudioResampler("fltp", frame.layout.name, rate)
            parts += [f.to_ndarray().mean(axis=0) for f in resampler.resample(frame)]
        parts += [f.to_ndarray().mean(axis=0) for f in resampler.resample(None)]
    sound = np.concatenate(parts)[: seconds * rate]
    return frames, np.pad(sound, (0, seconds * rate - len(sound))).astype(np.float32)


def assert_replay_equals_the_plain_pipeline(path: Path, backbone: Backbone, folder: Path) -> int:
    """A store replays to the events of `PlainVideo`, under several settings; returns how many events there were."""
    settings = ExtractSettings(frame_rule="release", dtype="float32")
    extract_videos(path, folder / "store", backbone, LABELS, settings, progress=False)
    bundle = open_store(folder / "store").bundle()
    events, alone = 0, EachOnce(backbone)
    for values in (
        {"tau0": 0.6, "tau_f": 0.3, "tau_r": 0.5},
        {"tau0": 0.55, "tau_f": 0.1, "tau_r": 0.6, "audio_scores": "segment", "method": "label_shift_cosine"},
        {"tau0": 0.5, "select_classes": False, "tau_r": 0.7, "alpha": 0.5, "method": "naive", "min_length": 1},
    ):
        params = make_params("clip_clap", "release", values)
        got, stages = replay_scores(bundle, params).events, PlainVideo(path, alone).stages(params)
        want = [s.events for s in stages]
        assert min(s.margin for s in stages) > 1e-5, (
            "a score so close to its threshold decides nothing; choose other thresholds"
        )
        for track in range(3):
            assert [e[:3] for e in got.track(0, track)] == [e[:3] for e in want[track]]
            np.testing.assert_allclose(
                [e[3] for e in got.track(0, track)], [e[3] for e in want[track]], atol=2e-3, rtol=0
            )
            events += len(want[track])
    return events
