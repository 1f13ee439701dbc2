"""Shard by shard: videos decoded ahead, encoded together, each with what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...cache import VideoRecord
from ...core.text import printable
from ..command_options import ExtractSettings
from ..course import Course
from ..encoding.encode import Encoder, Rows
from ..encoding.plan import VideoPlan
from ..media.decode_ahead import DecodeAhead
from ..media.decode_process import DecodeJob, Decoders
from ..media.find_videos import VideoFile
from ..media.prefetch import Item, Noted
from ..media.probe import MediaError, MediaInfo
from ..media.video_readers import READERS
from ..progress import Show, extraction_progress
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
    progress: Show = None,
    *,
    decoders: Decoders | None = None,
    turn: AbstractContextManager[object] | None = None,
) -> Iterator[tuple[int, list[Outcome]]]:
    """Every pending shard in order, with its videos' outcomes. A call of the encoder never spans two shards, so that
    a shard is the same however the work before it was interrupted. The last calls of a shard are under way while the
    first videos of the next one are handed to the encoder.

    Parameters
    ----------
    decoders : that decode; None: processes or threads of this run alone, as the settings have it
    turn : held while the encoder is used: videos are decoded ahead before
    """
    queue = [files.get(id, VideoFile(id, None)) for _, names in pending for id in names]
    backbone = encoder.backbone
    place = READERS[settings.video_reader].place_for(backbone.frame_device)
    job = DecodeJob(
        planner, backbone.spec.sample_rate, settings.segment_seconds, backbone.resize_at_decode, settings.video_reader,
        place,
    )  # fmt: skip
    course = Course(sum(video.path is not None for video in queue), clock)
    with ExitStack() as stack:
        if decoders is None:
            decoders = stack.enter_context(Decoders(settings.in_processes, settings.video_timeout))

        def work(video: VideoFile) -> Iterator[Item]:
            if video.path is None:
                raise MediaError("missing", "there is no file of this id")
            if video.problem:
                raise MediaError("unreadable", video.problem)
            for item in decoders.items(video, job, partial(course.read, video.id)):
                if isinstance(item, tuple):
                    course.begun(video.id, item[0].duration)
                yield item
            course.whole(video.id)

        timeout = None if settings.in_processes else settings.video_timeout
        ahead = stack.enter_context(DecodeAhead(queue, work, settings.decoders(), timeout, decoders.interrupt))
        stack.enter_context(extraction_progress(course.state, progress))
        decoded = iter(ahead)
        before: tuple[int, list[Outcome], int] | None = None  # the shard whose last calls are under way, and its mark
        for shard, names in pending:
            outcomes = []
            for _ in names:
                video, items = next(decoded)
                if turn is not None:
                    stack.enter_context(turn)
                    turn = None
                outcomes.append(_encode_one(video, _timed(items, clock), encoder, course))
                if before is not None and encoder.settled(before[2]):
                    yield _settled(*before[:2], course)
                    before = None
            now = (shard, outcomes, encoder.begin_all())
            if before is not None:
                encoder.settle(before[2])
                yield _settled(*before[:2], course)
            before = now
            if encoder.settled(before[2]):
                yield _settled(*before[:2], course)
                before = None
        if before is not None:
            encoder.settle(before[2])
            yield _settled(*before[:2], course)


def _encode_one(video: VideoFile, items: Iterator[Item], encoder: Encoder, course: Course) -> Outcome:
    """Hand one video's items to the encoder; its rows are complete after the next flush."""
    outcome = _handed_over(video, items, encoder, course)
    if outcome.rows is None and video.path is not None:
        course.given_up(video.id)
    return outcome


def _handed_over(video: VideoFile, items: Iterator[Item], encoder: Encoder, course: Course) -> Outcome:
    rows = None
    try:
        info, plan = next(items)  # type: ignore[misc]
        rows = encoder.begin(video.id, plan)
        course.encoding(video.id, rows)
        notes = info.notes
        for item in items:
            if rows.error:
                break
            if isinstance(item, Noted):
                notes += item.notes
            else:
                encoder.feed(rows, item)  # type: ignore[arg-type]
    except MediaError as error:
        return _given_up(video, rows, error.status, error.reason)
    except TimeoutError as error:
        return _given_up(video, rows, "unreadable", str(error))
    except MemoryError:
        return _given_up(video, rows, "failed", "memory ran out for its pictures, sound or embeddings")
    record = VideoRecord(video.id, info.status, info.reason, rows.plan.segments, info.duration, notes)
    return Outcome(record, info, rows)


def _given_up(video: VideoFile, rows: Rows | None, status: str, reason: str) -> Outcome:
    if rows is not None:
        rows.error = reason  # what still waits for the encoder need not be encoded
    return Outcome(VideoRecord(video.id, status, printable(reason)))


def _settled(shard: int, outcomes: list[Outcome], course: Course) -> tuple[int, list[Outcome]]:
    """The shard, now that the encoder is done with it."""
    course.settle(outcome.record.id for outcome in outcomes)
    return shard, [_judged(outcome) for outcome in outcomes]


def _judged(outcome: Outcome) -> Outcome:
    """The outcome: a video that the encoder could not encode has failed."""
    if outcome.rows is None or not outcome.rows.error:
        return outcome
    r = outcome.record
    return Outcome(VideoRecord(r.id, "failed", printable(outcome.rows.error), r.segments, r.duration, r.notes))


def _timed(items: Iterator[Any], clock: Clock) -> Iterator[Any]:
    """The items, the time they were waited for counted as ``decode_wait``."""
    while True:
        with clock.stage("decode_wait"):
            item = next(items, None)
        if item is None:
            return
        yield item
