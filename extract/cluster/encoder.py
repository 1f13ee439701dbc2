"""What runs on the nodes: an encoder that is loaded once and encodes whole shards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backbones.base import Backbone, BackboneSpec, Modality, backbone_declaration
from ..backbones.check import check_backbone
from ..backbones.registry import load_backbone, reload_backbone
from ..command_options import ExtractSettings
from ..course import State
from ..encoding.encode import Encoder
from ..encoding.plan import VideoPlan
from ..media.find_videos import VideoFile
from ..media.probe import MediaInfo
from ..media.video_readers import READERS
from ..summary import Clock
from ..writing.encode_shards import Outcome, encode_shards
from ..writing.reference import Reference, reference_of
from .shared_decoding import SharedDecoders


@dataclass(frozen=True)
class BackboneSource:
    """How a node makes the backbone: by name, or from what a store declares.

    Attributes
    ----------
    name : a name, or ``package.module:Class``; None: what ``declared`` says
    options : keyword arguments, beside the declared ones
    declared, stored_class : of a store, for `reload_backbone`
    """

    name: str | None
    options: Mapping[str, Any]
    declared: Mapping[str, Any] | None = None
    stored_class: str | None = None

    def load(self) -> Backbone:
        """Raises: as `load_backbone` and `reload_backbone`."""
        if self.declared is not None:
            return reload_backbone(self.declared, self.stored_class, backbone=self.name, **self.options)
        assert self.name is not None
        return load_backbone(self.name, **self.options)


@dataclass(frozen=True)
class EncoderFacts:
    """What an encoder says of itself.

    Attributes
    ----------
    declared : as `backbone_declaration` gives it
    reader : what the video reader declares
    """

    name: str
    spec: BackboneSpec
    declared: dict[str, Any]
    reader: dict[str, Any]
    device: str


@dataclass(frozen=True)
class ShardWork:
    """A shard to encode: index, video ids, their files, how a video is planned, and how many are decoded elsewhere."""

    index: int
    ids: list[str]
    files: dict[str, VideoFile]
    planner: Callable[[MediaInfo], VideoPlan]
    helpers: int


@dataclass(frozen=True, eq=False)
class ShardDone:
    """What became of a shard's videos, how many of them other nodes decoded; and what its encoder has done since it
    began."""

    outcomes: list[Outcome]
    elsewhere: int
    seconds: dict[str, float]
    encoded: dict[str, int]


class ShardEncoder:
    """The worker of a pool. Two shards may be in hand: while one is encoded, the other is decoded ahead.

    Raises: as `BackboneSource.load`.
    """

    def __init__(self, source: BackboneSource, settings: ExtractSettings, here: int | None = None) -> None:
        self._settings = settings
        self._backbone = source.load()
        self._here = max(1, here or _own_processors())
        self._clock = Clock()
        self._encoder = Encoder(self._backbone, settings.segment_seconds, self._clock)
        self._turn = threading.Lock()
        self._states: list[Callable[[], State]] = []
        self.facts: EncoderFacts = EncoderFacts(
            self._backbone.name,
            self._backbone.spec,
            backbone_declaration(self._backbone),
            READERS[settings.video_reader].declare(self._backbone.frame_device),
            str(self._backbone.device),
        )

    def __call__(self, work: ShardWork) -> ShardDone:
        """Raises: as `Encoder.feed`, and DataError where this node does not see a file."""
        s = self._settings
        with SharedDecoders(s.in_processes, s.video_timeout, self._here, work.helpers) as decoders:
            [(_, outcomes)] = encode_shards(
                [(work.index, work.ids)],
                work.files,
                self._encoder,
                work.planner,
                replace(s, workers=s.workers or self._here + work.helpers),
                self._clock,
                self._shown,
                decoders=decoders,
                turn=decoders.turn(self._turn),
            )
        return ShardDone(outcomes, decoders.elsewhere, dict(self._clock.seconds), dict(self._encoder.counts))

    @contextmanager
    def _shown(self, state: Callable[[], State]) -> Iterator[None]:
        self._states.append(state)
        try:
            yield
        finally:
            self._states.remove(state)

    def state(self) -> State:
        """How far the shards in hand are."""
        return State.together([state() for state in list(self._states)])

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        """As `Backbone.prompts`."""
        return list(self._backbone.prompts(labels, modality))

    def encode_text(self, prompts: Sequence[str], modality: Modality) -> NDArray[np.float32]:
        """As `Backbone.encode_text`."""
        return np.asarray(self._backbone.encode_text(prompts, modality), np.float32)

    def reference(self, towers: bool) -> Reference:
        """As `reference_of`."""
        return reference_of(self._backbone, towers=towers)

    def check(self) -> str:
        """What `check_backbone` says."""
        return check_backbone(self._backbone).text()


def _own_processors() -> int:
    """The processors that this actor declared."""
    from ...cache.cluster.nodes import loaded_ray

    return int(loaded_ray().get_runtime_context().get_assigned_resources().get("CPU", 1))
