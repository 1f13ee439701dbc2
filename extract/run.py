"""What ``avreplay extract`` does: options in, a store and a summary out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..cache import open_store
from ..core.errors import DataError, UsageError
from .backbone import Backbone, backbone_class, load_backbone
from .calibration import Calibration, calibrate
from .check import check_backbone
from .decoder_choice import AUTO, choose_decoder, stored_decoder
from .decoders import DECODERS
from .devices import Job, device_options, run_on_devices
from .fill import fill_store
from .listing import parse_options
from .pipeline import extract_videos
from .settings import ExtractSettings
from .summary import ExtractSummary
from .videos import find_videos
from .vocabulary import read_labels

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

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
    frames: str = "middle",
    backbone_settings: Sequence[str] = (),
    precision: str | None = None,
    decoder: str = "pyav",
    devices: str | None = None,
    shard: str | None = None,
    fill: bool = False,
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
    precision : ``fp32``, ``bf16`` or ``fp16``: the backbone's option ``dtype``
    decoder : one of `DECODERS`, or ``auto``: that of the store, for a new one the fastest here, which it will ``say``
    devices : one or more, with commas between them: a process for each
    shard : ``i/n``: only this part of the planned shards
    fill : add windows, or labels, to a store that is there
    estimate : only measure and say what it would cost
    calibration : measure on the first video, and ``say`` what the run will cost, before it begins
    check : try the backbone on generated media first, and ``say`` what was seen

    Raises as :func:`.pipeline.extract_videos` and :func:`.fill.fill_store` do, and UsageError where a backbone has no
    labels of its own and none are given.
    """
    names = [d.strip() for d in devices.split(",") if d.strip()] if devices else []
    options = _with_precision(backbone, parse_options(backbone_settings), precision)
    if names and "device" in options:
        raise UsageError("the device is given twice; use --devices or --set device, not both")
    fixed = "pyav" if decoder == AUTO else decoder
    chosen = ExtractSettings(frame_rule=frames, part=_part(shard), decoder=fixed, **settings)
    DECODERS[fixed].declare()  # whether it works is said before anything is loaded
    there = stored_decoder(store)
    if decoder != AUTO and there not in (None, decoder):
        raise DataError(f"{store} was made with --decoder {there}, not {decoder}; use that one, or another store")
    labels: tuple[str, ...] = ()
    if labels_file is not None:
        labels = read_labels(labels_file)
    elif backbone == "demo" and not fill:
        from .demo_world import LABELS

        labels = LABELS
    elif not fill:
        raise UsageError(f"the backbone {backbone} needs labels; give a file with --labels, one a line")
    ids = read_labels(ids_file) if ids_file is not None else None
    job = Job(tuple(media), store, backbone, options, labels, chosen, ids, fill)
    if len(names) > 1 and not estimate and not check and decoder != AUTO:
        return ExtractOutcome(run_on_devices(job, names))
    encoder = load_backbone(backbone, **(device_options(backbone, options, names[0]) if names else options))
    if check:
        say(check_backbone(encoder).text())
    measured, seconds = None, None
    if decoder == AUTO:
        rate, planner = encoder.spec.sample_rate, chosen.planner(encoder, "multiscale")
        name, why, seconds = choose_decoder(store, _not_there_yet(job), planner, rate, chosen.segment_seconds)
        say(why)
        chosen = replace(chosen, decoder=name)
        job = replace(job, settings=chosen)
    if estimate or calibration:
        videos = _not_there_yet(job)
        scored = len(labels) or (len(open_store(store).labels) if fill else 0)
        measured = calibrate(videos, encoder, chosen, scored, seconds or None) if videos else None
        if estimate:
            if measured is None:
                raise DataError("there is nothing to measure: no video is left to do, or none can be read")
            return Estimate(measured, len(videos), chosen.windows)
        if measured is not None:
            say(measured.text(len(videos), chosen.windows))
    if len(names) > 1:
        return ExtractOutcome(run_on_devices(job, names))
    return ExtractOutcome(_run_here(job, encoder, measured))


def _run_here(job: Job, encoder: Backbone, measured: Calibration | None) -> ExtractSummary:
    if job.fill:
        summary = fill_store(job.media, job.store, encoder, job.labels, job.settings)
    else:
        summary = extract_videos(job.media, job.store, encoder, job.labels, job.settings, ids=job.ids)
    if measured is None or not summary.new:
        return summary
    return replace(summary, ready_seconds=measured.ready_seconds(summary.encoded))


def _not_there_yet(job: Job) -> list[Any]:
    """The videos of the job that the store does not have; all of them if windows are to be added."""
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
        return {**options, "dtype": PRECISIONS[precision]}
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
