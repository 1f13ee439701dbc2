"""What ``avreplay extract`` does: options in, a store and a summary out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..cache import open_store
from ..core.errors import DataError, UsageError
from .backbones.base import backbone_class, load_backbone
from .backbones.check import check_backbone
from .backbones.listing import parse_options
from .encoding.calibration import Calibration, calibrate
from .encoding.memory import release_memory
from .media.reader_choice import AUTO, choose_decoder, stored_decoder
from .media.readers import DECODERS
from .settings import ExtractSettings, stored_settings
from .summary import ExtractSummary
from .videos import find_videos
from .vocabulary import read_labels
from .writing.devices import Job, device_options, run_on_devices
from .writing.retry import left_to_do
from .writing.second_backbone import is_another, plan_addition

PRECISIONS: dict[str, dict[str, Any]] = {
    "fp32": {"dtype": "float32"},
    "bf16": {"dtype": "bfloat16"},
    "fp16": {"dtype": "float16"},
    "amp-bf16": {"dtype": "bfloat16", "autocast": True},
    "amp-fp16": {"dtype": "float16", "autocast": True},
}
"""Number types of weights and activations; amp: float32 weights, and the smaller type where torch holds it safe."""

MAY_CHANGE = ("failed", "missing", "unreadable")
"""Statuses that another file, or another try, may change."""

MOST_FAILURES = 20
"""Failures that the summary names one by one."""


@dataclass(frozen=True)
class ExtractOutcome:
    """A summary with the words and the exit code of the command."""

    summary: ExtractSummary

    @property
    def exit_code(self) -> int:
        """1 if any video of the store could not be used as it should, else 0."""
        return 1 if self.summary.failures else 0

    def as_dict(self) -> dict[str, Any]:
        return self.summary.as_dict()

    def text(self) -> str:
        s = self.summary
        counts = ", ".join(f"{n} {status}" for status, n in s.counts.items())
        lines = [
            f"{s.store}: {s.videos} videos ({counts})",
            f"{s.new} new in {s.seconds:.1f} s, {s.videos_per_second:.1f} videos/s, "
            f"{s.times_real_time:.0f} times real time; {s.resumed} were there",
        ]
        if s.new:
            lines.append(f"encoder busy {s.encoder_busy:.0%} of the time" + _ready_text(s))
        lines += [f"  {v.id}: {v.status}, {v.reason}" for v in s.failures[:MOST_FAILURES]]
        if len(s.failures) > MOST_FAILURES:
            lines.append(f"  and {len(s.failures) - MOST_FAILURES} more; `avreplay info {s.store} --json` has them all")
        lost = sum(n for status, n in s.counts.items() if status in MAY_CHANGE)
        if lost:
            lines.append(
                f"{lost} missing, unreadable or failed: `avreplay extract ... --store {s.store} --retry` tries again, "
                "say with mended files"
            )
        return "\n".join(lines)


def _ready_text(summary: ExtractSummary) -> str:
    share = summary.of_ready_rate
    return "" if share is None else f"; {share:.0%} of the rate that the model alone reaches with ready tensors"


@dataclass(frozen=True)
class Estimate:
    """What a run would cost, and nothing done."""

    calibration: Calibration
    videos: int
    windows: str
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {"videos": self.videos, "windows": self.windows, **self.calibration.as_dict()}

    def text(self) -> str:
        return self.calibration.text(self.videos, self.windows)


def extract_to_store(
    media: Sequence[str],
    store: str,
    *,
    backbone: str = "demo",
    labels_file: str | None = None,
    ids_file: str | None = None,
    frames: str | None = None,
    backbone_settings: Sequence[str] = (),
    precision: str | None = None,
    compile: bool = False,
    decoder: str | None = None,
    devices: str | None = None,
    shard: str | None = None,
    fill: bool = False,
    retry: bool = False,
    estimate: bool = False,
    calibration: bool = True,
    check: bool = False,
    say: Callable[[str], None] = print,
    **settings: Any,
) -> ExtractOutcome | Estimate:
    """Extract files or folders into a store with labels and ids from files.

    Parameters
    ----------
    backbone_settings : options of the backbone as ``KEY=VALUE``
    precision : one of `PRECISIONS`: the backbone's options ``dtype`` and ``autocast``
    compile : compile the towers first: the backbone's option of this name
    decoder : one of `DECODERS`; None: that of the store, or ``pyav``; ``auto``: that of the store, for a new one the
        fastest here, which it will ``say``
    devices : one or more, with commas between them: a process for each
    shard : ``i/n``: only this part of the planned shards
    fill : add windows, labels or another backbone to a store that is there
    retry : try the videos of a store that have no data again, and do the rest of its plan
    estimate : only measure and say what it would cost
    calibration : measure on the first video, and ``say`` what the run will cost, before it begins
    check : try the backbone on generated media first, and ``say`` what was seen
    settings : those of `ExtractSettings`; None: not asked for, so as the store has it, or else the default

    Raises as :func:`.pipeline.extract_videos`, :func:`.fill.fill_store`, :func:`.second_backbone.plan_addition` and
    :func:`.retry.retry_videos` do, and UsageError where a backbone has no labels of its own and none are given.
    """
    names = [d.strip() for d in devices.split(",") if d.strip()] if devices else []
    options = _with_precision(backbone, parse_options(backbone_settings), precision)
    if compile:
        options["compile"] = True
    if names and "device" in options:
        raise UsageError("the device is given twice; use --devices or --set device, not both")
    if fill and retry:
        raise UsageError("--fill and --retry are two steps; first --retry, then --fill")
    asked = {"frame_rule": frames, "part": _part(shard), "decoder": None if decoder == AUTO else decoder, **settings}
    asked = {key: value for key, value in asked.items() if value is not None}
    there = open_store(store) if retry else None
    kept = stored_settings(there.config) if there else {"decoder": stored_decoder(store) or "pyav"}
    chosen = ExtractSettings(**{**kept, **asked})
    labels = _labels(labels_file, backbone, in_store=fill or bool(there and there.labels))
    ids = read_labels(ids_file) if ids_file is not None else None
    job = Job(tuple(media), store, backbone, options, labels, chosen, ids, fill, retry)
    if fill and is_another(store, backbone):
        backbone_class(backbone)  # an unknown name is not taken for a folder
        job = replace(job, **vars(plan_addition(store, backbone, labels, asked, ids)))
    _check_decoder(job)
    encoder = load_backbone(backbone, **(device_options(backbone, options, names[0]) if names else options))
    if check:
        say(check_backbone(encoder).text())
    measured, seconds = None, None
    if decoder == AUTO:
        planner, length = job.settings.planner(encoder, "multiscale"), job.settings.segment_seconds
        name, why, seconds = choose_decoder(job.store, _not_there_yet(job), planner, encoder.spec.sample_rate, length)
        say(why)
        job = replace(job, settings=replace(job.settings, decoder=name))
    if estimate or calibration:
        videos = _not_there_yet(job)
        scored = len(job.labels) or (len(open_store(job.store).labels) if job.fill or retry else 0)
        measured = calibrate(videos, encoder, job.settings, scored, seconds or None) if videos else None
        if estimate:
            if measured is None:
                raise DataError("there is nothing to measure: no video is left to do, or none can be read")
            return Estimate(measured, len(videos), job.settings.windows)
        if measured is not None:
            say(measured.text(len(videos), job.settings.windows))
    if len(names) > 1:
        del encoder  # every process loads its own
        release_memory()
        summary = run_on_devices(job, names)
    else:
        summary = job.run(encoder)
    if measured is not None and summary.new:
        summary = replace(summary, ready_seconds=measured.ready_seconds(summary.encoded))
    return ExtractOutcome(summary)


def _labels(labels_file: str | None, backbone: str, in_store: bool) -> tuple[str, ...]:
    """The labels of the file, else none where the store has some, else those that the demo encoder was made for."""
    if labels_file is not None:
        return read_labels(labels_file)
    if in_store:
        return ()
    if backbone == "demo":
        from .demo.world import LABELS

        return LABELS
    raise UsageError(f"the backbone {backbone} needs labels; give a file with --labels, one a line")


def _check_decoder(job: Job) -> None:
    """Before anything is loaded: whether the decoder is the store's, and works."""
    there, chosen = stored_decoder(job.store), job.settings.decoder
    if there not in (None, chosen):
        raise DataError(f"{job.store} was made with --decoder {there}, not {chosen}; use that one, or another store")
    DECODERS[chosen].declare()


def _not_there_yet(job: Job) -> list[Any]:
    """The videos of the job that the store does not have; all of them if windows are to be added."""
    if job.retry:
        return left_to_do(open_store(job.store), job.media, job.ids)
    found = find_videos(job.media, job.ids)
    if job.fill:
        return found
    try:
        there = {record.id for record in open_store(job.store).videos}
    except DataError:
        there = set()
    return [video for video in found if video.id not in there]


def _with_precision(name: str, options: dict[str, Any], precision: str | None) -> dict[str, Any]:
    if precision is None:
        return options
    if precision not in PRECISIONS:
        raise UsageError(f"precision is {precision!r}; choose one of {', '.join(PRECISIONS)}")
    if "dtype" in options:
        raise UsageError("the number type is given twice; use --precision or --set dtype, not both")
    if "dtype" in inspect.signature(backbone_class(name)).parameters:
        return {**options, **PRECISIONS[precision]}
    if precision != "fp32":
        raise UsageError(f"the backbone {name} computes in fp32 only; leave --precision out")
    return options


def _part(shard: str | None) -> tuple[int, int] | None:
    """(i, n) from ``i/n``."""
    if shard is None:
        return None
    i, slash, n = shard.partition("/")
    if not slash or not i.isdecimal() or not n.isdecimal():
        raise UsageError(f"the shard {shard!r} is not of the form i/n, say 1/4")
    return int(i), int(n)
