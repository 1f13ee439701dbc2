"""Stage 1: video files in, a store of embeddings and scores out. One bad file costs nothing but itself."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ..cache import StoreWriter, VideoEmbeddings, VideoRecord, open_store
from ..core.errors import DataError, Interrupted
from .backbones.base import Backbone, load_backbone
from .encoding.encode import Encoder
from .settings import ExtractSettings, declare
from .summary import Clock, ExtractSummary
from .videos import Source, find_videos
from .vocabulary import encode_labels
from .writing.shards import Outcome, encode_shards
from .writing.stopping import stop_on_interrupt

__all__ = ["ExtractSettings", "ExtractSummary", "declare", "extract_videos"]


def extract_videos(
    videos: Source | Sequence[Source],
    store_url: str | os.PathLike[str],
    backbone: Backbone | str = "demo",
    labels: Sequence[str] = (),
    settings: ExtractSettings | None = None,
    *,
    ids: Iterable[str] | None = None,
    progress: bool | None = None,
    stop: Callable[[], bool] | None = None,
) -> ExtractSummary:
    """Extract a folder of videos, or the given files, into a store; or go on where an earlier run was interrupted.

    Videos are decoded ahead and encoded together, whole shards are written. A file that cannot be used gets a status
    and a reason in the store and is skipped. The result is the same, byte for byte, for any number of workers and
    however often the run was interrupted, where the backbone gives an item the same row in any company.

    Parameters
    ----------
    videos : a folder, a file, or several; see `videos.find_videos`
    store_url : a local path or fsspec URL; a store of another configuration is refused
    backbone : a `Backbone`, or the name of one
    labels : what to score; none: embeddings only, `vocabulary.embed_labels` can add labels later
    ids : exactly the videos to extract; those without a file get the status ``missing``
    progress : show it on stderr; None: if that is a terminal
    stop : asked between shards whether to stop, besides Ctrl-C

    Raises
    ------
    UsageError
        no videos, an unknown backbone, wrong labels
    DataError
        the place holds something else or another configuration; the backbone fails as a whole; the disk is full
    Interrupted
        stopped from the keyboard; what was committed is in the store, and the same call finishes it
    """
    began = time.perf_counter()
    settings = settings or ExtractSettings()
    files = {video.id: video for video in find_videos(videos, ids)}
    backbone = load_backbone(backbone) if isinstance(backbone, str) else backbone
    vocabulary = encode_labels(backbone, labels) if labels else None
    clock = Clock()
    encoder = Encoder(backbone, settings.segment_seconds, clock)
    media_seconds, new = 0.0, 0
    with (
        stop_on_interrupt() as stopping,
        StoreWriter.open(
            store_url,
            declare(backbone, settings),
            list(files),
            shard_videos=settings.shard_size(len(files)),
            part=settings.part,
        ) as writer,
        resumable(store_url),
    ):
        pending = writer.pending()
        left = len(pending)
        for shard, outcomes in encode_shards(
            pending, files, encoder, settings.planner(backbone), settings, clock, progress
        ):
            with clock.stage("write"), room_on_disk(store_url):
                writer.write_shard(shard, [stored(outcome, backbone) for outcome in outcomes])
            new += len(outcomes)
            left -= 1
            media_seconds += sum(outcome.record.duration for outcome in outcomes)
            if left and (stopping or (stop is not None and stop())):
                raise KeyboardInterrupt
        with clock.stage("write"), room_on_disk(store_url):
            if vocabulary is not None:
                writer.set_vocabulary(vocabulary)
            writer.finish()
    return summarise(store_url, new, time.perf_counter() - began, media_seconds, clock.seconds, encoder.counts)


def summarise(
    store_url: str | os.PathLike[str],
    new: int,
    seconds: float,
    media_seconds: float,
    stages: dict[str, float],
    encoded: dict[str, int],
    processes: int = 1,
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
        encoded=encoded,
        processes=processes,
    )


@contextmanager
def resumable(store_url: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an interruption from the keyboard into a sentence that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        store = open_store(store_url)
        raise Interrupted(
            f"interrupted: {len(store.videos)} of {store.expected} videos are in {store.url}; "
            "run the same command again to do the rest"
        ) from None


@contextmanager
def room_on_disk(store_url: str | os.PathLike[str]) -> Iterator[None]:
    """Turns a failing write into a sentence."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{store_url} cannot be written: {error.strerror or error}; what was committed is kept, "
            "run the same command again when there is room"
        ) from error


def stored(outcome: Outcome, backbone: Backbone) -> tuple[VideoRecord, VideoEmbeddings | None]:
    """A video as `StoreWriter.write_shard` takes it."""
    rows = outcome.rows
    return outcome.record, None if rows is None else rows.embeddings(backbone.spec)
