"""What every run that writes a store has in common: the loop over shards, how it stops, and its summary."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from ...cache import StoreWriter, VideoEmbeddings, VideoRecord, open_store
from ...cache.places import store_not_written
from ...core.errors import AvreplayError, DataError, Interrupted
from ..backbones.base import Backbone
from ..backbones.registry import as_backbone, class_path
from ..command_options import ExtractSettings
from ..encoding.encode import OF_EVERY_RUN, Encoder
from ..encoding.plan import VideoPlan
from ..labels import encode_labels
from ..media.find_videos import Source, VideoFile, left_out
from ..media.probe import MediaInfo
from ..media.trouble import machine_lacks
from ..progress import Show
from ..summary import Clock, ExtractSummary
from .configuration import declare_for
from .elsewhere import BackboneElsewhere
from .encode_shards import Outcome, encode_shards
from .interrupt import Stop, stop_on_interrupt
from .reference import PROMPTS, reference_of
from .write_behind import WriteBehind


class ShardLoop:
    """One run that writes a store: opened by `writer`, it encodes shard by shard and is summed up.

    Parameters
    ----------
    store_url : the store
    backbone, labels, settings, progress, stop : as `extract.extract_videos` takes them

    Raises: UsageError and DataError as `load_backbone`, `encode_labels` and `declare` do.
    """

    def __init__(
        self,
        store_url: str | os.PathLike[str],
        backbone: Backbone | type[Backbone] | str,
        labels: Sequence[str],
        settings: ExtractSettings,
        progress: Show,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._began = time.perf_counter()
        self._url = store_url
        self._settings = settings
        self._progress = progress
        self._stop = stop
        self._interrupted = Stop()
        self.backbone: Backbone = as_backbone(backbone)
        self.config: dict[str, Any] = declare_for(store_url, self.backbone, settings)
        self._vocabulary = encode_labels(self.backbone, labels) if labels else None
        self._clock = Clock()
        self._writer: StoreWriter
        self._elsewhere = self.backbone if isinstance(self.backbone, BackboneElsewhere) else None
        self._encoder = None if self._elsewhere else Encoder(self.backbone, settings.segment_seconds, self._clock)
        self._new = self._absent = 0
        self._media_seconds = 0.0

    @contextmanager
    def writer(self, video_ids: Sequence[str] = (), **how: Any) -> Iterator[StoreWriter]:
        """The store's writer, for the settings' part; ``how`` : further arguments of `StoreWriter.open`.

        Raises: as `StoreWriter.open`; Interrupted where the run was stopped from the keyboard.
        """
        with (
            stop_on_interrupt() as self._interrupted,
            StoreWriter.open(
                self._url,
                self.config,
                list(video_ids),
                part=self._settings.part,
                backbone_class=self._elsewhere.stored_class if self._elsewhere else class_path(type(self.backbone)),
                **how,
            ) as writer,
            resumable(self._url),
        ):
            self._writer = writer
            yield writer

    def encode(
        self,
        work: Sequence[tuple[int, list[str]]],
        files: Mapping[str, VideoFile],
        planner: Callable[[MediaInfo], VideoPlan],
        write: Callable[[int, list[Outcome]], bool],
    ) -> None:
        """Decode and encode the videos of each shard, and have it written while the next one is encoded.

        Parameters
        ----------
        work : index and video ids of each shard
        write : writes one shard from its videos' outcomes, in a thread, one shard at a time; False: it left the shard
            as it was

        Raises: DataError where the encoder has other weights than the store; KeyboardInterrupt between two shards where
        the run is to be stopped; the outcomes so far are written.
        """
        left = len(work)
        if work:
            kept = reference_of(self.backbone, towers=True)
            with self.writing():
                self._writer.keep_reference(PROMPTS, kept.rows, kept.tolerances, kept.made_with)
        shards = self._encoded(work, files, planner)
        with closing(shards), WriteBehind() as behind:
            for index, outcomes in shards:
                behind.give(partial(self._write, write, index, outcomes))
                left -= 1
                if left and (self._interrupted or (self._stop is not None and self._stop())):
                    behind.wait()
                    raise KeyboardInterrupt
            behind.wait()

    def _encoded(
        self,
        work: Sequence[tuple[int, list[str]]],
        files: Mapping[str, VideoFile],
        planner: Callable[[MediaInfo], VideoPlan],
    ) -> Generator[tuple[int, list[Outcome]], None, None]:
        if self._elsewhere is not None:
            yield from self._elsewhere.encode_shards(work, files, planner, self._progress)
        else:
            assert self._encoder is not None
            how = (planner, self._settings, self._clock, self._progress)
            yield from encode_shards(work, files, self._encoder, *how)

    def _write(self, write: Callable[[int, list[Outcome]], bool], index: int, outcomes: list[Outcome]) -> None:
        with self.writing():
            written = write(index, outcomes)
        if written:
            self._new += len(outcomes)
            self._absent += sum(outcome.record.status == "missing" for outcome in outcomes)
            self._media_seconds += sum(outcome.record.duration for outcome in outcomes)

    def stored(self, outcome: Outcome) -> tuple[VideoRecord, VideoEmbeddings | None]:
        """A video as `StoreWriter.write_shard` takes it."""
        rows = outcome.rows
        return outcome.record, None if rows is None else rows.embeddings(self.backbone.spec)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around every change of the store: counts the time, and turns a failing write into a sentence."""
        try:
            with self._clock.stage("write"):
                yield
        except OSError as error:
            raise store_not_written(os.fspath(self._url), error) from error

    def finish(self, writer: StoreWriter, *, scores: bool = True) -> None:
        """Set the labels if any were given, and write the scores."""
        with self.writing():
            if self._vocabulary is not None:
                if not writer.has_vocabulary(self._vocabulary):
                    own = reference_of(self.backbone)
                    writer.check_reference(own.rows, own.tolerances, own.made_with)
                writer.set_vocabulary(self._vocabulary)
            if scores:
                writer.finish()

    def summary(self, videos: Source | Sequence[Source]) -> ExtractSummary:
        """What was done so far with the given files and folders."""
        seconds = time.perf_counter() - self._began
        there = self._elsewhere
        if there is None:
            assert self._encoder is not None
            done = (self._new, seconds, self._media_seconds, self._clock.seconds, self._encoder.counts)
            return summarise(self._url, videos, *done, absent=self._absent)
        shares, stages = there.shares(), {**self._clock.seconds, **there.stages()}
        done = (self._new, seconds, self._media_seconds, stages, there.encoded())
        found = summarise(self._url, videos, *done, max(1, len(shares)), self._absent)
        return replace(found, encoders=shares)


def summarise(
    store_url: str | os.PathLike[str],
    videos: Source | Sequence[Source],
    new: int,
    seconds: float,
    media_seconds: float,
    stages: dict[str, float],
    encoded: dict[str, int],
    processes: int = 1,
    absent: int = 0,
) -> ExtractSummary:
    """What was done, and what the store holds now."""
    store = open_store(store_url)
    records = store.videos
    return ExtractSummary(
        store=store.url,
        videos=len(records),
        new=new,
        resumed=len(records) - new,
        counts=dict(sorted(Counter(record.status for record in records).items())),
        failures=[record for record in records if record.status != "ok"],
        seconds=seconds,
        media_seconds=media_seconds,
        stages=stages,
        encoded={kind: n for kind, n in encoded.items() if n or kind in OF_EVERY_RUN},
        processes=processes,
        left_out=left_out(videos),
        notes={record.id: record.notes for record in records if record.notes},
        absent=absent,
    )


@contextmanager
def resumable(store_url: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an interruption from the keyboard, and a machine that lacks memory or the like, into a sentence with the
    way to go on."""
    try:
        yield
    except AvreplayError:
        raise
    except Exception as error:
        lacking = machine_lacks(error)
        if not lacking:
            raise
        raise DataError(
            f"{lacking} while {store_url} was made; what was committed is kept, run the same command again with more, "
            "or with fewer --workers"
        ) from error
    except KeyboardInterrupt:
        store = open_store(store_url)
        raise Interrupted(
            f"interrupted: {len(store.videos)} of {store.expected} videos are in {store.url}; "
            "run the same command again to do the rest"
        ) from None
