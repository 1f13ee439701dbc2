"""The training itself: optimisation steps, epochs, and prediction with the layers as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import DataError, UsageError
from ...core.segment_targets import SegmentTargets
from ..float32 import EXACT, float32
from .config import FinetuneConfig
from .data import Chosen, Embeddings
from .loss import forward_probabilities, fuse, probabilities, rescaled, segment_loss, unit
from .temporal import TemporalLayer

EVALUATION_SEGMENTS = 4096
"""Segments scored together at most, so that long videos do not fill the memory; a video is never divided."""

Text = tuple[NDArray[np.float32], NDArray[np.float32]]


def train_step(
    layer: TemporalLayer,
    optimizer: torch.optim.Optimizer,
    audio: Tensor,
    visual: Tensor,
    text: tuple[Tensor, Tensor],
    classes: Tensor,
    present: Tensor | None,
    keys: Tensor | None,
    clip: float,
    fusion: str = "sqrt",
) -> tuple[float, float] | None:
    """One step of the optimisation; the loss, and the norm of the gradient before it is clipped.

    None, and nothing changed, where a probability is NaN, as released, or the gradient is not finite (which costs the
    release its weights). ``present`` (B, T) marks the segments that count for
    the loss, ``keys`` which exist; None: all.
    """
    audio_rows, visual_rows = layer(audio, visual, keys)
    predicted = forward_probabilities(audio_rows, visual_rows, *text, fusion)
    counted = predicted if keys is None else predicted[keys]
    if bool(torch.isnan(counted).any()):
        return None
    loss = segment_loss(predicted, classes, present)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(layer.parameters(), clip)
    if not bool(torch.isfinite(norm)):
        optimizer.zero_grad()
        return None
    optimizer.step()
    optimizer.zero_grad()
    return loss.item(), norm.item()


class Trainer:
    """Trains layers on some videos of a store, an epoch at a time.

    What an epoch does depends on the weights and moments before it, the configuration and the number of the epoch:
    the order of the videos and the dropout of each epoch have a seed of their own, so that a training that goes on
    from a checkpoint takes the steps of one that was never interrupted.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        targets: SegmentTargets,
        train: Chosen,
        text: Text,
        config: FinetuneConfig,
        device: str = "cpu",
    ) -> None:
        self.embeddings: Embeddings = embeddings
        self.targets: SegmentTargets = targets
        self.train: Chosen = train
        self.config: FinetuneConfig = config
        self.device: Any = torch.device(device)
        self.dtype: Any = getattr(torch, config.dtype)
        with seeded(config.seed, self.device):
            self.layer: TemporalLayer = TemporalLayer(embeddings.dim, config, embeddings.visual_dim)
        self.layer.to(self.device, self.dtype)
        self.optimizer: Any = torch.optim.Adam(self.layer.parameters(), lr=config.learning_rate)
        self._text = text_tensors(text, self.device, self.dtype)
        self._columns = targets.train_classes
        self.epoch: int = 0

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.train) // self.config.batch_size)

    def run_epoch(self, after_step: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Train one epoch; what came of it: mean loss over segments, mean gradient norm, learning rate, skipped steps.

        Raises: DataError where every step was skipped because of NaN.
        """
        config, number = self.config, self.epoch + 1
        rate = config.learning_rate * config.lr_factor ** sum(m < number for m in config.lr_milestones)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        order = np.random.default_rng([config.seed, 0, number]).permutation(len(self.train))
        total, weight, norms = 0.0, 0, []
        self.layer.train()
        with exact(config, self.device), seeded(config.seed + number, self.device):
            for begin in range(0, len(order), config.batch_size):
                audio, visual, keys, classes, present = self._batch(order[begin : begin + config.batch_size])
                done = train_step(
                    self.layer, self.optimizer, audio, visual, self._text, classes, present, keys, config.clip,
                    config.fusion,
                )  # fmt: skip
                if done is not None:
                    count = classes.numel() if present is None else int(present.sum())
                    total, weight = total + done[0] * count, weight + count
                    norms.append(done[1])
                after_step()
        if not norms:
            raise DataError("every step of this epoch gave NaN; lower the learning rate, or check the embeddings")
        self.epoch = number
        return {
            "epoch": number,
            "loss": total / weight,
            "grad_norm": float(np.mean(norms)),
            "learning_rate": rate,
            "skipped": self.steps - len(norms),
        }

    def _batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor | None]:
        """Audio, visual, which segments exist, their training columns, and which of them count for the loss."""
        audio, visual, keys = inputs(self.embeddings, self.train.embeddings[rows], self.config, self.device, self.dtype)
        of_targets = self.train.targets[rows]
        segments = audio.shape[1]
        classes = np.zeros((len(rows), segments), np.int64)
        present = np.zeros((len(rows), segments), np.bool_)
        common = min(segments, self.targets.classes.shape[1])
        classes[:, :common] = self._columns[self.targets.classes[of_targets, :common]]
        present[:, :common] = self.targets.mask[of_targets, :common]
        if keys is not None:
            present &= keys.cpu().numpy()
        counted = None if present.all() else torch.from_numpy(present).to(self.device)
        return audio, visual, keys, torch.from_numpy(classes).to(self.device), counted

    def predict(self, chosen: Chosen, text: Text) -> NDArray[np.int64]:
        """(n, T) class of every segment of the targets by the largest probability (the release's strategy v1);
        background where a video has fewer segments than its annotation, or lacks sound or pictures."""
        out = np.full((len(chosen), self.targets.classes.shape[1]), self.targets.background, np.int64)
        at = 0
        for features in evaluated(self.layer, self.embeddings, chosen.embeddings, text, self.config, self.device):
            best = probabilities(features.fused).argmax(-1).cpu().numpy()
            common = min(best.shape[1], out.shape[1])
            present = features.present[:, :common]
            out[at : at + len(best), :common][present] = best[:, :common][present]
            at += len(best)
        both = self.embeddings.has_audio & self.embeddings.has_visual
        out[~both[chosen.embeddings]] = self.targets.background
        return out


class Scored:
    """What the layers compute of a batch of videos: cosines and their fusion (B, T, K), features (B, T, D), and which
    segments exist (B, T)."""

    def __init__(
        self, audio: Tensor, visual: Tensor, text: tuple[Tensor, Tensor], present: NDArray[np.bool_], fusion: str
    ) -> None:
        self.visual_features = visual
        self.audio: Tensor = unit(audio) @ text[0].T
        self.visual: Tensor = unit(visual) @ text[1].T
        self.fused: Tensor = fuse(audio, visual, *text, fusion)
        self.present = present


def evaluated(
    layer: TemporalLayer,
    embeddings: Embeddings,
    videos: NDArray[np.int64],
    text: Text,
    config: FinetuneConfig,
    device: torch.device,
) -> Iterator[Scored]:
    """Scores of some videos (rows of the embeddings), batch by batch, without dropout."""
    dtype = getattr(torch, config.dtype)
    words = text_tensors(text, device, dtype)
    layer.eval()
    for batch in _batches(videos, embeddings.segments[videos]):
        with exact(config, device), torch.no_grad():
            audio, visual, keys = inputs(embeddings, batch, config, device, dtype)
            present = np.ones(audio.shape[:2], np.bool_) if keys is None else keys.cpu().numpy()
            audio_rows, visual_rows = layer(audio, visual, keys)
            scored = Scored(audio_rows, visual_rows, words, present, config.fusion)
        yield scored


def _batches(videos: NDArray[np.int64], segments: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Runs of videos that are few enough when padded to the longest of them."""
    begin, longest = 0, 0
    for i, count in enumerate(segments.tolist()):
        longest = max(longest, count)
        if i > begin and (i + 1 - begin) * longest > EVALUATION_SEGMENTS:
            yield videos[begin:i]
            begin, longest = i, count
    if begin < len(videos):
        yield videos[begin:]


def inputs(
    embeddings: Embeddings, videos: NDArray[np.int64], config: FinetuneConfig, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What enters the layers: audio and visual (B, T, D) at their lengths, and which segments exist (None: all)."""
    audio, visual, present = embeddings.batch(videos)
    audio_rows, visual_rows = (torch.from_numpy(x).to(device).to(dtype) for x in (audio, visual))
    keys = None if present is None else torch.from_numpy(present).to(device)
    return rescaled(audio_rows, config.audio_norm), rescaled(visual_rows, config.visual_norm), keys


def text_tensors(text: Text, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Text of length 1."""
    audio, visual = (unit(torch.from_numpy(np.ascontiguousarray(x)).to(device).to(dtype)) for x in text)
    return audio, visual


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers of torch from a seed; those of the caller go on afterwards as if nothing had been."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def exact(config: FinetuneConfig, device: torch.device) -> Iterator[None]:
    """The declared number of threads, float32 as such, and on a GPU only operations that give the same bits each
    time."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        if device.type == "cuda":
            # cuBLAS reads this when its first handle is made
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
        else:
            torch.set_num_threads(config.threads)
        with float32(EXACT):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def find_device(name: str) -> str:
    """``auto`` is a GPU where there is one. Raises: UsageError for a device that does not exist."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        kind = ""
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"there is no device {name!r} here; give cpu, cuda or auto")
    return name
