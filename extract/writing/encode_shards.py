"""Shard by shard: videos decoded ahead, encoded together, each with what became of it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ...cache import VideoRecord
from ...core.errors import UsageError
from ..backbones.base import Backbone
from ..command_options import MOST_WORKERS, ExtractSettings
from ..encoding.encode import Encoder, Rows
from ..encoding.plan import VideoPlan
from ..media.decode_process import DecodeProcesses
from ..media.find_videos import VideoFile
from ..media.prefetch import Item, Prefetch, decode_items
from ..media.probe import MediaError, MediaInfo
from ..progress import video_progress
from ..summary import Clock


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one video: its record, and where it has data, what was found in the file and its embeddings."""

    record: VideoRecord
    info: MediaInfo | None = None
    rows: Rows | None = None


def encode_shards(
    pending: Sequence[tuple[int, list[str]]],
    files: Mapping[str, VideoFile],
    encoder: Encoder,
    planner: Callable[[MediaInfo], VideoPlan],
    settings: ExtractSettings,
    clock: Clock,
    progress: bool | None = None,
) -> Iterator[tuple[int, list[Outcome]]]:
    """Every pending shard in order, with its videos' outcomes. A call of the encoder never spans two shards, so that
    a shard is the same however the work before it was interrupted."""
    queue = [files.get(id, VideoFile(id, None)) for _, names in pending for id in names]
    processors = os.cpu_count() or 1
    workers = settings.workers or min(processors, MOST_WORKERS)
    backbone, seconds, reader = encoder.backbone, settings.segment_seconds, settings.video_reader
    rate, resize = backbone.spec.sample_rate, backbone.resize_at_decode
    # the decoder's own threads do not pay where every processor has a file of its own
    threads = max(1, processors // workers)
    with ExitStack() as stack:
        processes = settings.in_processes(len(queue))
        if processes:
            _check_pickles(resize, backbone)
            pool = stack.enter_context(
                DecodeProcesses(planner, rate, seconds, threads, settings.video_timeout, resize, reader)
            )
            decode: Callable[[VideoFile], Iterator[Item]] = pool.items
        else:

            def decode(video: VideoFile) -> Iterator[Item]:
                return decode_items(video, planner, rate, seconds, threads, resize, reader=reader)

        def work(video: VideoFile) -> Iterator[Item]:
            if video.path is None:
                raise MediaError("missing", "there is no file of this id")
            try:
                yield from decode(video)
            except MemoryError as error:
                raise MediaError("unreadable", "the machine has too little memory to decode it") from error

        timeout = None if processes else settings.video_timeout
        prefetch = stack.enter_context(Prefetch(queue, work, workers, timeout))
        advance = stack.enter_context(video_progress(len(queue), progress))
        decoded = iter(prefetch)
        for shard, names in pending:
            outcomes = []
            for _ in names:
                video, items = next(decoded)
                outcomes.append(_encode_one(video, _timed(items, clock), encoder))
                advance()
            encoder.flush()
            yield shard, [_settled(outcome) for outcome in outcomes]


def _check_pickles(resize: Callable[[Any], Any] | None, backbone: Backbone) -> None:
    """Raises: UsageError where decoding processes cannot be given a backbone's function."""
    try:
        pickle.dumps(resize)
    except Exception as error:
        raise UsageError(
            f"resize_at_decode of backbone {backbone.name!r} cannot be pickled ({error}); make it a function of a "
            "module, or decode in threads (--decode-in threads)"
        ) from error


def _encode_one(video: VideoFile, items: Iterator[Item], encoder: Encoder) -> Outcome:
    """Hand one video's items to the encoder; its rows are complete after the next flush."""
    rows = None
    try:
        info, plan = next(items)  # type: ignore[misc]
        rows = encoder.begin(video.id, plan)
        for item in items:
            if rows.error:
                break
            encoder.feed(rows, item)  # type: ignore[arg-type]
    except MediaError as error:
        return _given_up(video, rows, error.status, error.reason)
    except TimeoutError as error:
        return _given_up(video, rows, "unreadable", str(error))
    return Outcome(VideoRecord(video.id, info.status, info.reason, rows.plan.segments, info.duration), info, rows)


def _given_up(video: VideoFile, rows: Rows | None, status: str, reason: str) -> Outcome:
    if rows is not None:
        rows.error = reason  # what still waits for the encoder need not be encoded
    return Outcome(VideoRecord(video.id, status, reason))


def _settled(outcome: Outcome) -> Outcome:
    """The outcome, now that the encoder is done: a video that it could not encode has failed."""
    if outcome.rows is None or not outcome.rows.error:
        return outcome
    r = outcome.record
    return Outcome(VideoRecord(r.id, "failed", outcome.rows.error, r.segments, r.duration))


def _timed(items: Iterator[Any], clock: Clock) -> Iterator[Any]:
    """The items, the time they were waited for counted as ``decode_wait``."""
    while True:
        with clock.stage("decode_wait"):
            item = next(items, None)
        if item is None:
            return
        yield item
