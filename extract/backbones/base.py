"""The type of an encoder of pictures, sound and text: subclass `Backbone` to add one.

A subclass is used by its name once it is declared as an entry point of the group ``avreplay.backbones`` or given to
`register_backbone`, and without either as ``package.module:Class``; see `registry`.
"""

from __future__ import annotations

import json
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.logits import checked_logits
from ...core.registry import failures_of

Modality: TypeAlias = Literal["audio", "visual", "audio_visual"]
"""``audio_visual`` : of an encoder with a tower for sound and pictures together."""
Frame: TypeAlias = NDArray[np.uint8]
"""One picture, [height, width, 3] uint8, RGB, upright, at the size the file has."""
Waveform: TypeAlias = NDArray[np.float32]
"""Mono sound, [samples] float32 in about [-1, 1], at the backbone's sample rate; may be a read-only view."""
Embeddings: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class BackboneSpec:
    """The sizes and rates the pipeline needs to feed a backbone.

    Attributes
    ----------
    audio_dim, visual_dim : widths of the audio and visual embeddings; text for a modality is as wide
    sample_rate : of the sound it wants, in Hz
    window_frames : number of frames it is given for a window or for the whole clip
    visual_rows : embeddings per window or clip: 1 (the frames are encoded jointly), or ``window_frames``
        (row k is ``encode_images`` of frame k; every frame of a video is then encoded only once)
    licence : of the weights, kept in the store and shown in reports
    frame_rate : rows a second that `Backbone.encode_frames` gives of a sound, beside its one row; 0: it gives none
    frame_seconds : the most seconds of sound whose frames are encoded together; a longer video is cut
    audio_visual_dim : width of what `Backbone.encode_audio_visual` gives of a segment; 0: there is no such tower
    """

    audio_dim: int
    visual_dim: int
    sample_rate: int
    window_frames: int = 8
    visual_rows: int = 1
    licence: str = ""
    frame_rate: float = 0.0
    frame_seconds: float = 30.0
    audio_visual_dim: int = 0

    def __post_init__(self) -> None:
        for field in ("audio_dim", "visual_dim", "sample_rate", "window_frames", "visual_rows"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least 1")
        if self.visual_rows not in (1, self.window_frames):
            raise ValueError(f"visual_rows is {self.visual_rows}; it must be 1 or window_frames ({self.window_frames})")
        if self.frame_rate < 0 or self.frame_seconds <= 0 or self.audio_visual_dim < 0:
            raise ValueError("frame_rate and audio_visual_dim must be at least 0, and frame_seconds above 0")

    def frames_in(self, seconds: float) -> int:
        """The number of frames of a segment of this length; 0 where the backbone gives none.

        Raises: UsageError where it is not whole, so that segments could not share frames out.
        """
        count = round(self.frame_rate * seconds)
        if abs(self.frame_rate * seconds - count) > 1e-6 or (self.frame_rate and not count):
            raise UsageError(
                f"segments of {seconds:g} s hold {self.frame_rate * seconds:g} frames at {self.frame_rate:g} a second; "
                f"choose a multiple of {1 / self.frame_rate:g} s"
            )
        return count


class Backbone(ABC):
    """An encoder of pictures, frame sequences, sound and text.

    Encoders are deterministic, take items of any length or size, and return float32 rows in the order of the
    items, not necessarily of unit length. They are called from one thread, with items of one video at a time, unless
    they allow more (``calls_at_once``, ``items_per_call``).
    A `ValueError` means "this item cannot be encoded": the video is noted as failed and the run goes on.

    A subclass defines ``name``, ``spec`` and the abstract methods. The keyword arguments of its constructor are its
    options (``--backbone-option KEY=VALUE``); four names among them have a meaning for commands: ``device``
    (``--devices``), ``dtype`` and ``autocast`` (``--precision``), ``compile`` (``--compile``). Every option that
    changes embeddings belongs in ``declaration()``.
    """

    name: str
    """Stored with the embeddings; also the folder's name where it is a store's second backbone."""

    spec: BackboneSpec
    """Sizes and rates; of the class or of the instance."""

    about: ClassVar[str] = ""
    """One line for ``avreplay backbones``; by default the first line of the class's docstring."""

    dims: ClassVar[str] = ""
    """Widths with the default weights, as in "audio 512, visual 512"; by default those of a ``spec`` of the class."""

    licence: ClassVar[str] = ""
    """Of the default weights; by default that of a ``spec`` of the class."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Packages that it imports when it is made: the class itself can then be listed without them."""

    install: ClassVar[str] = ""
    """The command that installs them."""

    logits: Mapping[str, tuple[float, float]] = MappingProxyType({})
    """Scale and bias of the model's own logit by modality. The scores of a modality that has them are scale times
    product of embedding and text plus bias, of which ``score_norm=sigmoid`` makes the probabilities of a model that was
    trained with a sigmoid; those of a modality without them are the products. Part of a store's configuration."""

    batch_size: int | None = None
    """How many items go through the model at once. Where memory runs out, the extraction halves it and repeats the
    call. None: a call is encoded in one go, and the extraction halves the number of items of a call instead."""

    fixed_batch: bool = False
    """Whether every batch has ``batch_size`` items, filled up where there are fewer, so that on one device and build a
    row has the same bytes whatever is beside it. The extraction does not halve such batches."""

    device: Any = "cpu"
    """Where it computes, for estimates."""

    frame_device: str | None = None
    """A device, as in ``cuda:1``, on which it takes frames: each is then an array or a tensor of the same shape there,
    with the functions of ``resize_at_decode`` and ``joint_picture`` as well. None: arrays only."""

    items_per_call: int | None = None
    """How many items are gathered, from as many videos as it takes, for one call; None: items of one video at a time.
    The rows of an item may depend on what is beside it by rounding only."""

    joint_picture: Callable[[Frame], Frame] | None = None
    """Makes a picture smaller that is kept until the sound of its video is there, without a change to what
    `encode_audio_visual` gives."""

    calls_at_once: int = 1
    """The number of threads that may call the encoders: more than one where a device works beside the processor."""

    resize_at_decode: Callable[[Frame], Frame] | None = None
    """Makes a frame smaller where it is decoded, in any thread or process, without a change to its rows: what is handed
    to the encoders and kept is then smaller. It is pickled, so it is not a local function."""

    preprocess_seconds: float = 0.0
    """Spent so far inside `preprocessing`."""

    timed: bool = False
    """While it is set, `preprocessing` waits for the device, so that its seconds are its own."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "shrink" in cls.__dict__:
            _note_shrink(cls.__name__)
            cls.resize_at_decode = cls.__dict__["shrink"]

    @property
    def shrink(self) -> Callable[[Frame], Frame] | None:
        """The former name of ``resize_at_decode``."""
        return self.resize_at_decode

    @shrink.setter
    def shrink(self, function: Callable[[Frame], Frame] | None) -> None:
        _note_shrink(type(self).__name__)
        self.resize_at_decode = function

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'name', '')!r}>"

    @contextmanager
    def preprocessing(self) -> Iterator[None]:
        """Put around what turns frames and sound into the model's input: `bench` times it apart from the model."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.preprocess_seconds += time.perf_counter() - began

    @abstractmethod
    def declaration(self) -> dict[str, Any]:
        """What the embeddings depend on, as JSON values, for the store's fingerprint.

        Model id, weights id and sha256, preprocessing, prompt templates; no path, device or date. An entry
        ``"options"`` holds the keyword arguments with which `load_backbone` makes the same encoder again.
        """

    @abstractmethod
    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        """The text that stands for each label, e.g. "A dog" or "This is a sound of dog"."""

    @abstractmethod
    def encode_text(self, prompts: Sequence[str], modality: Modality) -> Embeddings:
        """Text for comparison with a modality: [len(prompts), audio_dim or visual_dim] float32."""

    @abstractmethod
    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        """One embedding per picture (a segment has one): [len(frames), visual_dim] float32."""

    @abstractmethod
    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        """One embedding per sound (segment, window or whole clip): [len(clips), audio_dim] float32."""

    def reference_tolerances(self) -> dict[str, float]:
        """Towers whose rows of a few fixed inputs a store keeps, to notice other weights or packages.

        By name (``audio_text``, ``visual_text``, ``audio_visual_text``, ``pictures``, ``clips``, ``sounds``,
        ``frames``, ``audio_visual``) the most by which a row may differ from the same encoder's on another device, in
        parts of its norm. By default texts, by 0.05; more inputs are encoded at the start of each extraction where more
        towers are named.
        """
        return {"audio_text": 0.05, "visual_text": 0.05}

    def batch_tolerances(self) -> dict[str, float]:
        """By tower, as `reference_tolerances` names them, the most by which a row may differ beside other items from
        the same row alone, in parts of its norm, on one device and build; 0: equal bytes. By default none are promised.
        """
        return {}

    def encode_clips(self, clips: Sequence[Sequence[Frame]]) -> Embeddings:
        """Windows and clips of ``window_frames`` frames: [len(clips), visual_rows, visual_dim] float32.

        Backbones with one row per frame need not define it.
        """
        if self.spec.visual_rows == 1 and self.spec.window_frames != 1:
            raise NotImplementedError(f"{type(self).__name__} encodes frames jointly and must define encode_clips")
        rows = self.encode_images([frame for clip in clips for frame in clip])
        return rows.reshape(len(clips), self.spec.visual_rows, self.spec.visual_dim)

    def encode_frames(self, clips: Sequence[Waveform]) -> Sequence[Embeddings]:
        """The frames of each sound, in order: [seconds * ``frame_rate``, audio_dim] float32 of each.

        Their mean is compared with the same text as a row of `encode_audio`. For backbones with a ``frame_rate``.
        """
        raise NotImplementedError(f"{type(self).__name__} has a frame_rate and must define encode_frames")

    def encode_audio_visual(self, items: Sequence[tuple[Sequence[Frame], Waveform]]) -> Embeddings:
        """One embedding of the pictures and the sound of each segment together: [len(items), audio_visual_dim] float32.

        For backbones with an ``audio_visual_dim``.
        """
        raise NotImplementedError(f"{type(self).__name__} has an audio_visual_dim and must define encode_audio_visual")


def backbone_declaration(backbone: Backbone) -> dict[str, Any]:
    """Name, sizes and own declaration of a backbone, as a store's configuration has them."""
    spec = backbone.spec
    with failures_of("backbone", backbone, backbone.name):
        own = backbone.declaration()
        if not isinstance(own, dict):
            raise TypeError(f"declaration() gave {type(own).__name__}, not a dict")
        json.dumps(own, allow_nan=False)
    logits = {modality: list(pair) for modality, pair in checked_logits(backbone.logits).items()}
    return {
        "name": backbone.name,
        "audio_dim": spec.audio_dim,
        "visual_dim": spec.visual_dim,
        "sample_rate": spec.sample_rate,
        "window_frames": spec.window_frames,
        "visual_rows": spec.visual_rows,
        "licence": spec.licence,
        **({"frame_rate": spec.frame_rate, "frame_seconds": spec.frame_seconds} if spec.frame_rate else {}),
        **({"audio_visual_dim": spec.audio_visual_dim} if spec.audio_visual_dim else {}),
        **({"logits": logits} if logits else {}),
        **own,
    }


def _note_shrink(name: str) -> None:
    warnings.warn(f"{name}.shrink is called resize_at_decode now", FutureWarning, stacklevel=3)
