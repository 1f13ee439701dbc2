"""A backbone whose encoders are not in this process: it gives texts here, and whole shards are encoded there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..encoding.plan import VideoPlan
from ..media.find_videos import VideoFile
from ..media.probe import MediaInfo
from ..progress import Show
from ..summary import EncoderShare
from .encode_shards import Outcome
from .reference import KeepsReference


class BackboneElsewhere(KeepsReference):
    """What writes a store takes it as any other backbone; `ShardLoop` has it encode the shards.

    ``stored_class`` : ``module:Class`` of the encoders, for the store; None for one of this package
    """

    stored_class: str | None = None

    @abstractmethod
    def encode_shards(
        self,
        pending: Sequence[tuple[int, list[str]]],
        files: Mapping[str, VideoFile],
        planner: Callable[[MediaInfo], VideoPlan],
        progress: Show = None,
    ) -> Iterator[tuple[int, list[Outcome]]]:
        """As `encode_shards.encode_shards`, with the settings of the encoders, in the order in which the shards come
        back."""

    @abstractmethod
    def shares(self) -> list[EncoderShare]:
        """Of each encoder that worked, what it did."""

    @abstractmethod
    def encoded(self) -> dict[str, int]:
        """Items that were encoded so far, by kind."""

    @abstractmethod
    def stages(self) -> dict[str, float]:
        """Seconds of all encoders waiting for the decoder (``decode_wait``) and in the backbone (``encode``)."""
