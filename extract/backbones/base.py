"""What an encoder has to offer (`Backbone`), and the list of encoders that exist (`BACKBONES`).

To add one: write ``extract/backbones/<name>.py`` with a subclass of `Backbone`, and add one line to
`BACKBONES`.
"""

from __future__ import annotations

import importlib
import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError

Modality: TypeAlias = Literal["audio", "visual"]
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
    """

    audio_dim: int
    visual_dim: int
    sample_rate: int
    window_frames: int = 8
    visual_rows: int = 1
    licence: str = ""

    def __post_init__(self) -> None:
        for field in ("audio_dim", "visual_dim", "sample_rate", "window_frames", "visual_rows"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least 1")
        if self.visual_rows not in (1, self.window_frames):
            raise ValueError(f"visual_rows is {self.visual_rows}; it must be 1 or window_frames ({self.window_frames})")


class Backbone(ABC):
    """An encoder of pictures, frame sequences, sound and text.

    Encoders are deterministic, take items of any length or size, and return float32 rows in the order of the
    items, not necessarily of unit length. They are called from one thread, with items of one video at a time unless
    they say otherwise (``calls_at_once``, ``items_per_call``).
    A `ValueError` means "this item cannot be encoded": the video is noted as unreadable and the run goes on.
    """

    name: str
    """The key in `BACKBONES`."""

    spec: BackboneSpec

    items_per_call: int | None = None
    """How many items are gathered, from as many videos as it takes, for one call; None: items of one video at a time.
    The rows of an item may depend on what is beside it by rounding only."""

    calls_at_once: int = 1
    """From so many threads the encoders may be called: more than one where a device works beside the processor."""

    shrink: Callable[[Frame], Frame] | None = None
    """Makes a frame smaller where it is decoded, in any thread or process, without a change to its rows: what the
    encoders get is then less to hand on and to keep. To be pickled, so not a local function."""

    preprocess_seconds: float = 0.0
    """Spent so far inside `preprocessing`."""

    timed: bool = False
    """While it is set, `preprocessing` waits for the device, so that its seconds are its own."""

    @contextmanager
    def preprocessing(self) -> Iterator[None]:
        """Goes around what turns frames and sound into the model's input: `bench` tells it from the model."""
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

    def encode_clips(self, clips: Sequence[Sequence[Frame]]) -> Embeddings:
        """Windows and clips of ``window_frames`` frames: [len(clips), visual_rows, visual_dim] float32.

        Backbones with one row per frame need not define it.
        """
        if self.spec.visual_rows == 1 and self.spec.window_frames != 1:
            raise NotImplementedError(f"{type(self).__name__} encodes frames jointly and must define encode_clips")
        rows = self.encode_images([frame for clip in clips for frame in clip])
        return rows.reshape(len(clips), self.spec.visual_rows, self.spec.visual_dim)


@dataclass(frozen=True)
class BackboneEntry:
    """What is known of a backbone before it is imported.

    Attributes
    ----------
    path : ``module:class``, relative to here
    extra : the extra that installs what it needs
    about : one line
    dims : widths of the audio and visual embeddings with the default weights
    licence : of the default weights
    needs : the packages it imports
    pip : what to install if the extra is not enough
    """

    path: str
    extra: str = ""
    about: str = ""
    dims: str = ""
    licence: str = ""
    needs: tuple[str, ...] = ()
    pip: str = ""

    @property
    def install(self) -> str:
        """The command that installs what it needs; empty if it needs nothing."""
        return " ".join(['pip install "avreplay[' + self.extra + ']"', self.pip]).strip() if self.extra else ""

    @property
    def missing(self) -> list[str]:
        """The packages it needs that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


BACKBONES: dict[str, BackboneEntry] = {
    "demo": BackboneEntry(
        ".demo:DemoBackbone",
        about="small encoder that ships with the package, for generated videos",
        dims="audio 48, visual 48",
        licence="Apache-2.0",
    ),
    "clip_clap": BackboneEntry(
        ".clip_clap:ClipClapBackbone",
        extra="clip-clap",
        about="CLIP (any open_clip model) for pictures, CLAP for sounds",
        dims="audio 512, visual 512",
        licence="CLIP MIT, CLAP Apache-2.0",
        needs=("torch", "open_clip", "transformers"),
    ),
    "languagebind": BackboneEntry(
        ".languagebind:LanguageBindBackbone",
        extra="languagebind",
        about="LanguageBind: images for segments, 8-frame videos for windows; transformers 4",
        dims="audio 768, visual 768",
        licence="MIT",
        needs=("torch", "languagebind", "transformers", "peft", "open_clip"),
    ),
    "imagebind": BackboneEntry(
        ".imagebind:ImageBindBackbone",
        extra="imagebind",
        about="ImageBind-Huge, as in OV-AVEL",
        dims="audio 1024, visual 1024",
        licence="CC-BY-NC-SA-4.0",
        needs=("torch", "imagebind", "open_clip", "timm", "einops", "iopath"),
        pip="&& pip install --no-deps imagebind-packaged==0.1.2",
    ),
    "pe_av": BackboneEntry(
        ".pe_av:PeAvBackbone",
        extra="pe-av",
        about="Perception Encoder Audio-Visual, 16-frame windows; transformers 5",
        dims="audio 1024, visual 1024",
        licence="Apache-2.0",
        needs=("torch", "transformers", "timm"),
    ),
}
"""Every backbone by name; the module is imported when it is asked for."""


def backbone_class(name: str) -> type[Backbone]:
    """The class of a backbone.

    Raises
    ------
    UsageError
        an unknown name (the nearest one is named), an extra not installed
    """
    if name not in BACKBONES:
        near = get_close_matches(name, BACKBONES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"there is no backbone {name!r}; {hint}choose one of {', '.join(sorted(BACKBONES))}")
    entry = BACKBONES[name]
    module, _, attribute = entry.path.partition(":")
    with _needing(name, entry):
        found: type[Backbone] = getattr(importlib.import_module(module, __package__), attribute)
    return found


def load_backbone(name: str, **options: Any) -> Backbone:
    """Make a backbone by name.

    Raises
    ------
    UsageError
        an unknown name (the nearest one is named), an option it does not take, an extra not installed
    """
    factory = backbone_class(name)
    taken = [p for p in inspect.signature(factory).parameters if p != "self"]
    for option in options:
        if option not in taken:
            offer = f"it takes {', '.join(taken)}" if taken else "it takes none"
            raise UsageError(f"backbone {name!r} has no option {option!r}; {offer}")
    with _needing(name, BACKBONES[name]):
        return factory(**options)


@contextmanager
def _needing(name: str, entry: BackboneEntry) -> Iterator[None]:
    """Says what to install where a package is missing."""
    try:
        yield
    except ImportError as error:
        if not entry.extra or (error.name or "").startswith(__package__.partition(".")[0]):
            raise
        raise UsageError(
            f"backbone {name!r} needs {error.name or 'a package'}, which is not installed: {entry.install}"
        ) from error


def reload_backbone(declared: Mapping[str, Any], **options: Any) -> Backbone:
    """Make the backbone a store declares (see `backbone_declaration`); ``options`` add to the declared ones.

    Raises
    ------
    DataError
        the store names no backbone, or the one made here declares something else (say, other weights)
    UsageError
        as `load_backbone`
    """
    name = declared.get("name")
    if not isinstance(name, str):
        raise DataError("the store declares no backbone, so its labels cannot be encoded here")
    backbone = load_backbone(name, **{**declared.get("options", {}), **options})
    here = backbone_declaration(backbone)
    changed = [key for key in sorted({*declared, *here}) if declared.get(key) != here.get(key)]
    if changed:
        key = changed[0]
        raise DataError(
            f"the store was made with another {name!r} backbone: {key} was {declared.get(key)!r} "
            f"and is {here.get(key)!r} here; install the version that made the store, or extract again"
        )
    return backbone


def backbone_declaration(backbone: Backbone) -> dict[str, Any]:
    """Name, sizes and own declaration of a backbone, as they stand in a store's configuration."""
    spec = backbone.spec
    return {
        "name": backbone.name,
        "audio_dim": spec.audio_dim,
        "visual_dim": spec.visual_dim,
        "sample_rate": spec.sample_rate,
        "window_frames": spec.window_frames,
        "visual_rows": spec.visual_rows,
        "licence": spec.licence,
        **backbone.declaration(),
    }
