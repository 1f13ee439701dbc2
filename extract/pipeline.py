"""Stage 1: video files in, a store of embeddings and scores out. One bad file costs nothing but itself."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from ..cache import StoreWriter, VideoEmbeddings, VideoRecord, open_store
from ..core.errors import AvreplayError, DataError, UsageError
from .backbone import Backbone, backbone_declaration, load_backbone
from .encoding import EncodingError, encode_video
from .media import MediaError, MediaInfo, decoder_declaration
from .plan import VideoPlan, plan_video
from .prefetch import Item, Prefetch, decode_items
from .progress import video_progress
from .sampling import FRAME_RULES, WINDOW_RULES
from .videos import Source, VideoFile, find_videos
from .vocabulary import encode_labels

READER_VERSION = 1
"""Declared in every store; counts the changes to this folder that give other embeddings for the same file."""


@dataclass(frozen=True)
class ExtractSettings:
    """How videos are cut and sampled, and how the work is done.

    Attributes
    ----------
    segment_seconds : length of a segment in seconds
    frame_rule : ``middle`` or ``release``, see `sampling`
    windows : ``auto``, ``all``, ``multiscale`` or ``none``, see `sampling.window_list`
    max_all_segments : up to so many segments ``auto`` means all windows
    dtype : of the stored embeddings, ``float16`` or ``float32``
    shard_videos : videos that are committed together
    workers : decoding threads, at most one per processor by default; they do not change the result
    """

    segment_seconds: float = 1.0
    frame_rule: str = "middle"
    windows: str = "auto"
    max_all_segments: int = 16
    dtype: str = "float16"
    shard_videos: int = 256
    workers: int | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.segment_seconds <= 3600:
            raise UsageError(f"segment_seconds is {self.segment_seconds}; it must lie in 0.01 to 3600")
        for name, choices in (
            ("frame_rule", FRAME_RULES),
            ("windows", WINDOW_RULES),
            ("dtype", ("float16", "float32")),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}")
        for name, least in (("max_all_segments", 0), ("shard_videos", 1), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}; it must be at least {least}")


@dataclass(frozen=True)
class ExtractSummary:
    """What an extraction did.

    Attributes
    ----------
    store : its URL
    videos : in the store now
    new, resumed : encoded or refused in this run; in the store before it
    counts : videos per status, of the whole store
    failures : every video of the store whose status is not ``ok``
    seconds : wall time of this run; ``media_seconds`` : length of the new videos
    stages : seconds of this run spent waiting for the decoder (``decode_wait``), in the backbone (``encode``), and
        writing the store (``write``); decoding goes on beside the other two
    """

    store: str
    videos: int
    new: int
    resumed: int
    counts: dict[str, int]
    failures: list[VideoRecord]
    seconds: float
    media_seconds: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def videos_per_second(self) -> float:
        return self.new / self.seconds if self.seconds > 0 else 0.0

    @property
    def times_real_time(self) -> float:
        """Seconds of video per second of work."""
        return self.media_seconds / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON values, rates included."""
        rates = {"videos_per_second": self.videos_per_second, "times_real_time": self.times_real_time}
        return {**asdict(self), **rates}


def declare(backbone: Backbone, settings: ExtractSettings) -> dict[str, Any]:
    """The declared configuration: all that embeddings depend on, as JSON values. Its hash is the fingerprint."""
    spec = backbone.spec
    return {
        "backbone": backbone_declaration(backbone),
        "decoder": decoder_declaration(),
        "reader": READER_VERSION,
        "dims": {"audio": spec.audio_dim, "visual": spec.visual_dim, "visual_rows": spec.visual_rows},
        "dtype": settings.dtype,
        "sample_rate": spec.sample_rate,
        "audio": "mean of the channels, resampled by libswresample",
        "segment_seconds": float(settings.segment_seconds),
        "frame_rule": settings.frame_rule,
        "windows": settings.windows,
        "max_all_segments": settings.max_all_segments,
    }


def extract_videos(
    videos: Source | Sequence[Source],
    store_url: str | os.PathLike[str],
    backbone: Backbone | str = "demo",
    labels: Sequence[str] = (),
    settings: ExtractSettings | None = None,
    *,
    ids: Iterable[str] | None = None,
    progress: bool | None = None,
) -> ExtractSummary:
    """Extract a folder of videos, or the given files, into a store; or go on where an earlier run was interrupted.

    Videos are decoded ahead in threads and encoded one by one; whole shards are written. A file that cannot be used
    gets a status and a reason in the store and is skipped. The result is the same, byte for byte, for any number of
    workers and however often the run was interrupted.

    Parameters
    ----------
    videos : a folder, a file, or several; see `videos.find_videos`
    store_url : a local path or fsspec URL; a store of another configuration is refused
    backbone : a `Backbone`, or the name of one
    labels : what to score; none: embeddings only, `vocabulary.embed_labels` can add labels later
    ids : exactly the videos to extract; those without a file get the status ``missing``
    progress : show it on stderr; None: if that is a terminal

    Raises
    ------
    UsageError
        no videos, an unknown backbone, wrong labels
    DataError
        the place holds something else or another configuration; the backbone fails as a whole
    AvreplayError
        interrupted from the keyboard; what was committed is in the store, and the same call finishes it
    """
    began = time.perf_counter()
    settings = settings or ExtractSettings()
    files = {video.id: video for video in find_videos(videos, ids)}
    encoder = load_backbone(backbone) if isinstance(backbone, str) else backbone
    vocabulary = encode_labels(encoder, labels) if labels else None
    clock = _Clock()
    with StoreWriter.open(
        store_url, declare(encoder, settings), list(files), shard_videos=settings.shard_videos
    ) as writer:
        pending = writer.pending()
        media_seconds = 0.0
        try:
            for records in _write_shards(writer, pending, files, encoder, settings, clock, progress):
                media_seconds += sum(record.duration for record in records)
            with clock.stage("write"):
                if vocabulary is not None:
                    writer.set_vocabulary(vocabulary)
                writer.finish()
        except KeyboardInterrupt:
            store = open_store(store_url)
            raise AvreplayError(
                f"interrupted: {len(store.videos)} of {store.expected} videos are in {store.url}; "
                "run the same command again to do the rest"
            ) from None
        except OSError as error:
            raise DataError(
                f"{store_url} cannot be written: {error.strerror or error}; what was committed is kept, "
                "run the same command again when there is room"
            ) from error
    store = open_store(store_url)
    records = store.videos
    new = sum(len(names) for _, names in pending)
    return ExtractSummary(
        store=store.url,
        videos=len(records),
        new=new,
        resumed=len(records) - new,
        counts=dict(sorted(Counter(record.status for record in records).items())),
        failures=[record for record in records if record.status != "ok"],
        seconds=time.perf_counter() - began,
        media_seconds=media_seconds,
        stages=clock.seconds,
    )


def _write_shards(
    writer: StoreWriter,
    pending: Sequence[tuple[int, list[str]]],
    files: dict[str, VideoFile],
    encoder: Backbone,
    settings: ExtractSettings,
    clock: _Clock,
    progress: bool | None,
) -> Iterator[list[VideoRecord]]:
    """Encode and commit every pending shard; yields its records."""
    queue = [files.get(id, VideoFile(id, None)) for _, names in pending for id in names]
    processors = os.cpu_count() or 1
    workers = settings.workers or min(processors, 8)

    def planner(info: MediaInfo) -> VideoPlan:
        return plan_video(
            info,
            encoder.spec,
            segment_seconds=settings.segment_seconds,
            frame_rule=settings.frame_rule,
            window_rule=settings.windows,
            max_all_segments=settings.max_all_segments,
        )

    def work(video: VideoFile) -> Iterator[Item]:
        if video.path is None:
            raise MediaError("missing", "there is no file of this id")
        threads = max(1, processors // workers)
        return decode_items(video, planner, encoder.spec.sample_rate, settings.segment_seconds, threads)

    with Prefetch(queue, work, workers) as prefetch, video_progress(len(queue), progress) as advance:
        decoded = iter(prefetch)
        for shard, names in pending:
            results = []
            for _ in names:
                video, items = next(decoded)
                results.append(_extract_one(video, items, encoder, settings.segment_seconds, clock))
                advance()
            with clock.stage("write"):
                writer.write_shard(shard, results)
            yield [record for record, _ in results]


def _extract_one(
    video: VideoFile, items: Iterator[Item], encoder: Backbone, segment_seconds: float, clock: _Clock
) -> tuple[VideoRecord, VideoEmbeddings | None]:
    """One video's record and embeddings; what is wrong with it goes into the record."""
    try:
        rest = _timed_items(items, clock)
        info, plan = next(rest)  # type: ignore[misc]
        waited = clock.seconds["decode_wait"]
        with clock.stage("encode"):
            embeddings = encode_video(encoder, plan, rest, segment_seconds)  # type: ignore[arg-type]
        clock.seconds["encode"] -= clock.seconds["decode_wait"] - waited
    except MediaError as error:
        return VideoRecord(video.id, error.status, error.reason), None
    except EncodingError as error:
        return VideoRecord(video.id, "failed", str(error), plan.segments, info.duration), None
    except DataError as error:
        raise DataError(f"video {video.id!r}: {error}") from error
    return VideoRecord(video.id, info.status, info.reason, plan.segments, info.duration), embeddings


def _timed_items(items: Iterator[Item], clock: _Clock) -> Iterator[Item]:
    while True:
        with clock.stage("decode_wait"):
            item = next(items, None)
        if item is None:
            return
        yield item


class _Clock:
    """Seconds spent per stage."""

    def __init__(self) -> None:
        self.seconds = {"decode_wait": 0.0, "encode": 0.0, "write": 0.0}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began
