"""What extraction costs on this machine, stage by stage, on given videos or on a generated demo world."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from ..cache import StoreWriter, VideoEmbeddings, VideoRecord, Vocabulary
from ..core.errors import DataError
from .backbones.base import Backbone
from .backbones.registry import as_backbone
from .command_options import BenchRequest, ExtractSettings, check_bench_numbers
from .demo.world import LABELS, write_demo_world
from .encoding.encode import EncodingError, encode_video
from .encoding.plan import Planner
from .labels import encode_labels
from .media.decode_process import DecodeJob, Decoders
from .media.find_videos import Source, VideoFile, find_videos
from .media.prefetch import FrameBatch, Sound
from .media.probe import MediaError
from .media.trouble import Trouble
from .media.video_readers import READERS
from .writing.configuration import declare
from .writing.extract import extract_videos

PASS_BUDGET = 60.0
"""Seconds after which no further pass over the videos begins; a large encoder on a CPU gets one."""

WRITTEN_VIDEOS = 64
"""The write stage is timed on a shard of at least this number of videos, copies if need be: its fixed cost is one a
shard."""

T = TypeVar("T")


@dataclass(frozen=True)
class ExtractBench:
    """Medians over videos and passes, in seconds per video, one video after the other, files in the page cache.

    Attributes
    ----------
    backbone, source : the encoder's name; where the videos come from, in words
    videos, refused : how many were measured; how many of the sample could not be used
    video_seconds, windows : median length of a video; median number of windows encoded for each
    decode : opening, decoding, wanted frames to RGB, sound to the encoder's rate
    preprocess : frames and sound to the model's input; None where the encoder does not time it apart from ``encode``
    encode : the model
    write : embeddings and scores into a store, as part of a full shard, on the disk of the temporary folder
    least_again : decode + preprocess + encode of segments and clip alone: the least a setting pays without a cache
    as_run : wall time per video of a whole ``avreplay extract``, decoding ahead in processes
    passes : over the videos, with windows; the first video once more before, to warm up
    """

    backbone: str
    source: str
    videos: int
    refused: int
    video_seconds: float
    windows: float
    decode: float
    preprocess: float | None
    encode: float
    write: float
    least_again: float
    as_run: float
    passes: int

    @property
    def again(self) -> float:
        """Decode + preprocess + encode, all windows: what encoding everything again costs, without writing."""
        return self.decode + (self.preprocess or 0.0) + self.encode

    @property
    def once(self) -> float:
        """All four stages, one after the other."""
        return self.again + self.write

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "again": self.again, "once": self.once}


def bench_extraction(
    videos: Source | Sequence[Source] | None = None,
    backbone: Backbone | type[Backbone] | str = "demo",
    *,
    sample: int = 8,
    repeats: int = 3,
    settings: ExtractSettings | None = None,
) -> ExtractBench:
    """Decode, preprocess, encode and write a sample of videos, each stage timed, into a temporary folder.

    Parameters
    ----------
    videos : a folder, a file, or several; None: a demo world, generated for the purpose
    backbone : a `Backbone` or the name of one; loading it is not timed
    sample : videos at most, evenly spaced in the order of their ids
    repeats : passes over them, fewer if they take more than `PASS_BUDGET` seconds

    Raises
    ------
    UsageError
        no videos, an unknown backbone, a sample or a number of passes below 1
    DataError
        none of the videos can be used, or the backbone fails as a whole
    """
    check_bench_numbers(sample, repeats)
    settings = settings or ExtractSettings()
    given = None if videos is None else find_videos(videos)
    encoder = as_backbone(backbone)
    declare(encoder, settings)  # refuses a video reader that does not work
    vocabulary = encode_labels(encoder, LABELS)
    with tempfile.TemporaryDirectory(prefix="avreplay-bench-") as folder:
        if given is None:
            write_demo_world(Path(folder, "videos"), "val", videos=sample)
            found, source = find_videos(Path(folder, "videos")), "generated demo videos"
        else:
            found, source = given, "given videos"
        chosen = _spread(found, sample)
        with Decoders(settings.in_processes, settings.video_timeout) as decoders:
            full = _measure(chosen, encoder, settings, repeats, decoders)
            usable = [video for video in chosen if video.id in full.results]
            lean = _measure(usable, encoder, replace(settings, windows="none"), repeats, decoders)
        writes = [
            _write_seconds(Path(folder, f"write{k}"), full, encoder, settings, vocabulary) for k in range(repeats)
        ]
        paths = [video.path for video in usable if video.path is not None]
        run = extract_videos(paths, Path(folder, "run"), encoder, LABELS, settings, progress=False)
    stages = full.medians()
    return ExtractBench(
        backbone=encoder.name,
        source=source,
        videos=len(usable),
        refused=len(full.reasons),
        video_seconds=median(record.duration for record, _ in full.results.values()),
        windows=median(len(rows.windows) for _, rows in full.results.values()),
        decode=stages["decode"],
        preprocess=stages["preprocess"] if encoder.preprocess_seconds else None,
        encode=stages["encode"],
        write=median(writes),
        least_again=sum(lean.medians().values()),
        as_run=run.seconds / run.new,
        passes=full.passes,
    )


def bench_request(request: BenchRequest) -> ExtractBench:
    """`bench_extraction` of a request; raises as that does."""
    settings = ExtractSettings(video_reader=request.video_reader)
    return bench_extraction(
        request.videos, request.backbone, sample=request.sample, repeats=request.repeats, settings=settings
    )


@dataclass
class _Measured:
    """What passes over videos gave: results by id, reasons of refusal by id, and each stage's seconds per video."""

    results: dict[str, tuple[VideoRecord, VideoEmbeddings]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {s: [] for s in ("decode", "preprocess", "encode")})
    passes: int = 0

    def medians(self) -> dict[str, float]:
        return {stage: median(values) for stage, values in self.seconds.items()}


def _measure(
    videos: Sequence[VideoFile], encoder: Backbone, settings: ExtractSettings, repeats: int, decoders: Decoders
) -> _Measured:
    """Passes over videos, one after the other in one process; the first one once more before, to warm up."""
    found = _Measured()
    began = time.perf_counter()
    while found.passes < repeats and (not found.passes or time.perf_counter() - began < PASS_BUDGET):
        for video in videos:
            if video.id in found.reasons:
                continue
            try:
                if not found.results:
                    _encode_one(video, encoder, settings, decoders)
                record, rows, seconds = _encode_one(video, encoder, settings, decoders)
            except (MediaError, Trouble, EncodingError) as error:
                found.reasons[video.id] = str(error)
                continue
            found.results[video.id] = record, rows
            for stage, value in seconds.items():
                found.seconds[stage].append(value)
        found.passes += 1
    if not found.results:
        name, reason = next(iter(found.reasons.items()))
        raise DataError(f"none of {len(found.reasons)} videos can be used; {name}: {reason}")
    return found


def _encode_one(
    video: VideoFile, encoder: Backbone, settings: ExtractSettings, decoders: Decoders
) -> tuple[VideoRecord, VideoEmbeddings, dict[str, float]]:
    """One video's record and embeddings, and the seconds of its stages."""

    decode = 0.0

    def timed(items: Iterator[T]) -> Iterator[T]:
        nonlocal decode
        while True:
            began = time.perf_counter()
            item = next(items, None)
            decode += time.perf_counter() - began
            if item is None:
                return
            yield item

    prepared = encoder.preprocess_seconds
    began = time.perf_counter()
    planner, resize = Planner.of(encoder.spec, settings), encoder.resize_at_decode
    rate, each, reader = encoder.spec.sample_rate, settings.segment_seconds, settings.video_reader
    if video.problem:
        raise MediaError("unreadable", video.problem)
    place = READERS[reader].place_for(encoder.frame_device)
    items = timed(decoders.items(video, DecodeJob(planner, rate, each, resize, reader, place)))
    info, plan = next(items)
    media = (item for item in items if isinstance(item, (FrameBatch, Sound)))
    rows = encode_video(encoder, plan, media, settings.segment_seconds, video.id)
    whole = time.perf_counter() - began
    preprocess = encoder.preprocess_seconds - prepared
    seconds = {"decode": decode, "preprocess": preprocess, "encode": whole - decode - preprocess}
    return VideoRecord(video.id, info.status, info.reason, plan.segments, info.duration), rows, seconds


def _write_seconds(
    place: Path, measured: _Measured, encoder: Backbone, settings: ExtractSettings, vocabulary: Vocabulary
) -> float:
    """Seconds per video to write one shard of embeddings and its scores."""
    count = max(WRITTEN_VIDEOS, len(measured.results))
    copies = itertools.islice(itertools.cycle(measured.results.values()), count)
    videos = [(replace(record, id=f"{k:06d}"), rows) for k, (record, rows) in enumerate(copies)]
    began = time.perf_counter()
    ids = [record.id for record, _ in videos]
    with StoreWriter.open(place, declare(encoder, settings), ids, shard_videos=count) as writer:
        for shard, _ in writer.pending():
            writer.write_shard(shard, videos)
        writer.set_vocabulary(vocabulary)
        writer.finish()
    return (time.perf_counter() - began) / count


def _spread(videos: Sequence[VideoFile], sample: int) -> list[VideoFile]:
    """At most ``sample`` videos, evenly spaced from the first to the last."""
    count = min(sample, len(videos))
    return [videos[k * (len(videos) - 1) // max(1, count - 1)] for k in range(count)]
