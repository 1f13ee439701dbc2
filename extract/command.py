"""What ``avreplay extract`` does: a request in, a store and a summary out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..cache import Store, open_store
from ..cache.reading.lists import read_ids
from ..cache.video_lines import failure_lines, note_lines
from ..core.errors import DataError, NoAnswer, UsageError
from ..core.registry import failures_of
from .backbones.base import Backbone
from .backbones.check import check_backbone
from .backbones.options import parse_options, with_device, with_precision
from .backbones.registry import backbone_class, load_backbone
from .command_options import AUTO, ExtractRequest, ExtractSettings
from .demo.toy import toy_lines
from .encoding.calibration import Calibration, calibrate
from .encoding.out_of_memory import release_memory
from .encoding.plan import Planner
from .labels import read_labels
from .media.decode_process import DecodeJob, Decoders
from .media.find_videos import VideoFile, find_videos, left_out_text, with_subfolders
from .media.fork_server import fork_server
from .media.reader_choice import choose_reader, stored_reader
from .media.video_readers import READERS
from .progress import waiting
from .summary import ExtractSummary
from .writing.configuration import stored_settings
from .writing.devices import Job, run_on_devices
from .writing.retry import left_to_do
from .writing.second_backbone import is_another, plan_addition

MAY_CHANGE = ("failed", "missing", "unreadable")
"""Statuses that another file, or another try, may change."""


@dataclass(frozen=True)
class ExtractOutcome:
    """A summary with the words and the exit code of the command."""

    summary: ExtractSummary
    fail_on: str = "failed"

    @property
    def exit_code(self) -> int:
        """1 if a video of the store failed (``any``: if one is not ``ok``), else 0. One without sound or without
        pictures has not failed where the encoder could use the other."""
        counted = {"failed": self.summary.failed, "any": self.summary.failures, "none": []}
        return 1 if counted[self.fail_on] else 0

    def as_dict(self) -> dict[str, Any]:
        return self.summary.as_dict()

    def text(self) -> str:
        s = self.summary
        counts = ", ".join(f"{n} {status}" for status, n in s.counts.items())
        lines = [
            f"{s.store}: {s.videos} videos ({counts})",
            f"{s.new} new{f' ({s.absent} of them without a file)' if s.absent else ''} in {s.seconds:.1f} s, "
            f"{s.videos_per_second:.1f} videos/s, "
            f"{s.times_real_time:.0f} times real time; {s.resumed} from earlier runs",
        ]
        if s.new:
            lines.append(f"encoder busy {s.encoder_busy:.0%} of the time" + _peak_text(s))
            lines += [
                f"  {one.node}, {one.device}: busy {one.busy:.0%} of {one.seconds:.0f} s, {one.shards} shards"
                for one in s.encoders
            ]
        if s.left_out:
            lines.append(f"left out: {left_out_text(s.left_out)}")
        lines += failure_lines(
            ((v.id, v.status, v.reason) for v in s.failures), s.store, f"`avreplay info {s.store} --json`"
        )
        if s.notes:
            counts = ", ".join(f"{n} {kind}" for kind, n in s.note_counts.items())
            lines.append(f"notes on {len(s.notes)} video{'s' if len(s.notes) > 1 else ''} ({counts}):")
            notes = {id: [note.text for note in some] for id, some in s.notes.items()}
            lines += note_lines(notes, "`avreplay info --json`")
        lost = sum(n for status, n in s.counts.items() if status in MAY_CHANGE)
        if lost:
            lines.append(
                f"{lost} missing, unreadable or failed: `avreplay extract ... --store {s.store} --retry` tries again, "
                "for example with repaired files"
            )
        return "\n".join(lines)


def _peak_text(summary: ExtractSummary) -> str:
    share = summary.fraction_of_peak
    return "" if share is None else f"; {share:.0%} of the rate that the model alone reaches with ready tensors"


@dataclass(frozen=True)
class Estimate:
    """What a run would cost; nothing was done."""

    calibration: Calibration
    videos: int
    windows: str
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {"videos": self.videos, "windows": self.windows, **self.calibration.as_dict()}

    def text(self) -> str:
        return self.calibration.text(self.videos, self.windows)


def extract_to_store(request: ExtractRequest, *, report: Callable[[str], None] = print) -> ExtractOutcome | Estimate:
    """Extract files or folders into a store with labels and ids from files.

    Everything that can be wrong with the request is found before a video is decoded.

    Parameters
    ----------
    request : checked when it was made
    report : takes each line that is worth knowing before the run ends: the check of the backbone, the video reader that
        ``auto`` chose, what the run will cost

    Raises: as `extract_videos`, `fill_store`, `plan_addition` and `retry_videos` do; UsageError where a backbone has no
    labels of its own and none are given.
    """
    if request.ray is None and ExtractSettings(**request.given).in_processes:
        fork_server()  # it starts while the encoder is loaded
    job = _job(request)
    devices = request.device_names
    first = with_device(request.backbone, job.options, devices[0]) if devices else job.options
    videos = _left(job)
    READERS[job.settings.video_reader].declare(first.get("device"))
    if request.ray is not None:
        return _on_cluster(replace(job, options=first), videos, request, report)
    encoder = load_backbone(request.backbone, **first)
    if request.check:
        report(check_backbone(encoder).text())
    if request.video_reader != AUTO:
        job.check(encoder)
    seconds: dict[str, float] = {}
    if request.video_reader == AUTO:
        s, planner = job.settings, Planner.of(encoder.spec, job.settings, "multiscale")
        wanted = DecodeJob(planner, encoder.spec.sample_rate, s.segment_seconds)
        with Decoders(s.in_processes, s.video_timeout) as decoders:
            name, why, seconds = choose_reader(job.store, videos, wanted, decoders, encoder.frame_device)
        report(why)
        job = replace(job, settings=replace(job.settings, video_reader=name))
        job.check(encoder)
    for line in [] if request.estimate else _other_labels(job):
        report(line)
    for line in toy_lines(encoder.name, job.labels, (video.id for video in videos)):
        report(line)
    measured = None
    if request.estimate or request.calibration:
        measured = _measured(job, encoder, videos, seconds)
        there = sum(video.path is not None for video in videos)
        if request.estimate:
            if measured is None:
                raise DataError("there is nothing to measure: no video is left to do, or none can be read")
            return Estimate(measured, there, job.settings.windows)
        if measured is not None:
            report(measured.text(there, job.settings.windows))
    if len(devices) > 1:
        del encoder  # every process loads its own
        release_memory()
        summary = run_on_devices(job, devices)
    else:
        summary = job.run(encoder)
    if measured is not None and summary.new:
        summary = replace(summary, ready_seconds=measured.ready_seconds(summary.encoded))
    return ExtractOutcome(summary, request.fail_on)


def _on_cluster(
    job: Job, videos: list[VideoFile], request: ExtractRequest, report: Callable[[str], None]
) -> ExtractOutcome:
    """The same with encoders on a cluster; nothing is measured, and one of the nodes checks the encoder."""
    from .cluster.command import job_encoders

    assert request.ray is not None
    job = job.importable()
    with job_encoders(request.ray, request.ray_encoder, job, videos) as encoders:
        if request.check:
            report(encoders.check())
        job.check(encoders)
        for line in (*_other_labels(job), *toy_lines(encoders.name, job.labels, (video.id for video in videos))):
            report(line)
        return ExtractOutcome(job.run(encoders), request.fail_on)


def _job(request: ExtractRequest) -> Job:
    """The work of a request, with files read and settings completed from the store."""
    name = request.backbone
    own_name = str(getattr(backbone_class(name), "name", name))
    options = with_precision(name, parse_options(request.backbone_settings), request.precision)
    if request.compile:
        options["compile"] = True
    if request.device_names and "device" in options:
        raise UsageError("the device is given twice; use --devices or --backbone-option device, not both")
    given = request.given
    store = open_store(request.store) if request.retry else None
    kept = stored_settings(store.config) if store else {"video_reader": stored_reader(request.store) or "pyav"}
    settings = ExtractSettings(**{**kept, **given})
    labels = _labels(request, store)
    ids = read_ids(request.ids_file) if request.ids_file is not None else None
    media = tuple(map(str, with_subfolders(request.media))) if request.recursive else request.media
    job = Job(media, request.store, name, options, labels, settings, ids, request.fill, request.retry)
    if request.fill and is_another(request.store, own_name):
        job = replace(job, **vars(plan_addition(request.store, own_name, labels, given, ids)))
    declared, chosen = stored_reader(job.store), job.settings.video_reader
    if declared not in (None, chosen):
        raise DataError(
            f"{job.store} was made with --video-reader {declared}, not {chosen}; use that one, or another store"
        )
    return job


def _other_labels(job: Job) -> list[str]:
    """What is said where a store gets other labels than it has."""
    store = _present(job.store) if job.labels else None
    if store is None or not store.labels or store.labels == job.labels:
        return []
    now, before = _few(job.labels), _few(store.labels)
    return [
        f"{job.store} gets other labels, as --labels says: {now} in the place of {before}; its scores are made anew"
    ]


def _few(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:3])}{', ...' if len(labels) > 3 else ''} ({len(labels)})"


def _present(store_url: str) -> Store | None:
    """The store, where there is one that can be opened; what else may lie there is found when it is opened to write."""
    try:
        return open_store(store_url)
    except NoAnswer:
        raise  # it would be asked again and again
    except DataError:
        return None


def _labels(request: ExtractRequest, store: Store | None) -> tuple[str, ...]:
    """The labels of the file, else none where the store has some, which stay as they are, else those that the demo
    encoder was made for."""
    if request.labels_file is not None:
        return read_labels(request.labels_file)
    if request.fill:
        return ()
    store = store or _present(request.store)
    if store and store.labels:
        return ()
    if request.backbone == "demo":
        from .demo.world import LABELS

        return LABELS
    raise UsageError(f"the backbone {request.backbone} needs labels; give a file with --labels, one a line")


def _left(job: Job) -> list[VideoFile]:
    """The videos of the job that the store does not have; all of them if windows are to be added."""
    if job.retry:
        return left_to_do(open_store(job.store), job.media, job.ids)
    found = find_videos(job.media, job.ids)
    if job.fill:
        return found
    store = _present(job.store)
    present = {record.id for record in store.videos} if store else set()
    return [video for video in found if video.id not in present]


def _measured(job: Job, encoder: Backbone, videos: list[VideoFile], seconds: dict[str, float]) -> Calibration | None:
    """What one of the videos costs; None where none is left or none can be read."""
    if not videos:
        return None
    store = None if job.labels else _present(job.store)
    in_store = len(store.labels) if store else 0
    with failures_of("backbone", encoder, encoder.name), waiting("measuring what it will cost, on the first video"):
        return calibrate(videos, encoder, job.settings, len(job.labels) or in_store, seconds or None)
