"""The options of the commands that extract: what they are, their defaults, and which are wrong.

Only the standard library is imported here, so that the command line can list options without waiting.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

from ..core.command_options import REQUIRED, checked_choices, group, setting
from ..core.errors import UsageError
from .media.processors import usable_processors

FRAME_RULES = ("middle", "release")
WINDOW_RULES = ("auto", "all", "multiscale", "none")
DTYPES = ("float16", "float32")
DECODE_IN = ("auto", "threads", "processes")
VIDEO_READERS = ("pyav", "torchcodec", "nvdec")
"""Names of `media.video_readers.READERS`."""

AUTO = "auto"
"""As a video reader: the fastest, for a new store."""

PRECISIONS: dict[str, dict[str, Any]] = {
    "fp32": {"dtype": "float32"},
    "tf32": {"dtype": "tf32"},
    "bf16": {"dtype": "bfloat16"},
    "fp16": {"dtype": "float16"},
    "amp-bf16": {"dtype": "bfloat16", "autocast": True},
    "amp-fp16": {"dtype": "float16", "autocast": True},
}
"""Number types of weights and activations, as options of a backbone; amp: float32 weights, and the smaller type where
torch considers it safe."""

SHARD_VIDEOS = 256
"""Videos per shard, as `cache` has it."""

MOST_WORKERS = 32
"""Decoding processes of a run, unless another number is given: a GPU takes what 10 to 17 decode for the smallest
encoder; each holds about 130 MB of pictures ahead."""

MOST_GPU_WORKERS = 2
"""The same where they decode on a GPU."""

RAY_HELP = "Encode on a Ray cluster: HOST:PORT of its head, auto, or local to start one here."
RAY_ENCODER_HELP = "What an encoder there needs: gpus=1, cpus=8, memory=16GB."

FAIL_ON = ("failed", "any", "none")
"""What makes a run fail: videos without data, any video that is not ``ok``, or nothing."""


@dataclass(frozen=True)
class ExtractSettings:
    """How videos are cut and sampled, and how the work is done.

    Attributes
    ----------
    segment_seconds : length of a segment in seconds
    frame_rule : ``middle`` or ``release``, see `encoding.sampling`
    windows : ``auto``, ``all``, ``multiscale`` or ``none``, see `encoding.sampling.window_list`
    max_all_segments : the number of segments up to which ``auto`` means all windows
    dtype : of the stored embeddings, ``float16`` or ``float32``
    shard_videos : videos that are committed together; None: 256, or fewer where that gives every part its share
    workers : decoding processes; None: one per processor that this process may use, at most `MOST_WORKERS`. The result
        does not depend on it
    video_reader : what reads the pictures, one of `VIDEO_READERS`; declared, since another may choose other pixels
    decode_in : ``processes``, which a damaged file can crash without harm to the run; ``threads`` of the process that
        writes the store, for files that are known to be sound: a damaged one can end the run or disturb its memory;
        ``auto``: processes, on Linux and macOS
    video_timeout : seconds after which a video is given up whose reader gives nothing
    part : (i, n): of the planned shards, only those of part i of n, 1 to n; other processes write the others
    decoder : the former name of ``video_reader``

    Raises
    ------
    UsageError
        a value out of range, or none of the choices; it names the setting
    """

    segment_seconds: float = setting(1.0, "Length of a segment.")
    frame_rule: str = setting("middle", "Frame of a segment.", choices=FRAME_RULES, flag="--frames")
    windows: str = setting("auto", "Windows.", choices=WINDOW_RULES)
    max_all_segments: int = setting(16, "auto: every window up to this number of segments.")
    dtype: str = setting("float16", "Stored embeddings.", choices=DTYPES)
    shard_videos: int | None = setting(
        None, "Videos per shard: what a crash can cost.", shown_default=str(SHARD_VIDEOS)
    )
    workers: int | None = setting(None, "Decoding processes.", shown_default=f"one a core, at most {MOST_WORKERS}")
    video_reader: str = setting("pyav", "Reads the pictures.", choices=VIDEO_READERS, former="--decoder")
    decode_in: str = setting(
        "auto", "threads: unsafe, a damaged file can end the run; auto: processes.", choices=DECODE_IN
    )
    video_timeout: float = setting(300.0, "Give up a video whose reader gives nothing for this number of seconds.")
    part: tuple[int, int] | None = None
    decoder: InitVar[str | None] = None

    def __post_init__(self, decoder: str | None) -> None:
        if decoder is not None:
            warnings.warn("ExtractSettings(decoder=...) is called video_reader now", FutureWarning, stacklevel=3)
            object.__setattr__(self, "video_reader", decoder)
        if not 0.01 <= self.segment_seconds <= 3600:
            raise UsageError(f"segment_seconds is {self.segment_seconds}; it must lie in 0.01 to 3600")
        checked_choices(self)
        for name, least in (("max_all_segments", 0), ("shard_videos", 1), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}; it must be at least {least}")
        if not self.video_timeout > 0:
            raise UsageError(f"video_timeout is {self.video_timeout}; it must be more than 0 seconds")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise UsageError(f"part is {self.part[0]}/{self.part[1]}; it must be i/n with i from 1 to n")

    @property
    def in_processes(self) -> bool:
        """Whether videos are decoded in processes of their own."""
        return os.name == "posix" if self.decode_in == "auto" else self.decode_in == "processes"

    def decoders(self) -> int:
        """The number of decoding processes or threads of a run."""
        # on a GPU every process needs memory of its own there
        most = MOST_GPU_WORKERS if self.video_reader == "nvdec" else MOST_WORKERS
        return self.workers or min(usable_processors(), most)

    def shard_size(self, videos: int) -> int:
        """Videos per shard of a new plan for a number of videos: as given, else so that all parts get alike shares."""
        if self.shard_videos is not None or self.part is None:
            return self.shard_videos or SHARD_VIDEOS
        parts = self.part[1]
        rounds = max(1, -(-videos // (SHARD_VIDEOS * parts)))
        return max(1, -(-videos // (parts * rounds)))


def check_ray(address: str | None, needs: tuple[str, ...]) -> None:
    """Raises: UsageError for needs of encoders without a cluster."""
    if needs and address is None:
        raise UsageError("--ray-encoder is for encoders on a cluster; give --ray, too")


@dataclass(frozen=True)
class ExtractRequest:
    """One run of ``avreplay extract``: everything that was requested.

    Attributes
    ----------
    media : files and folders
    store : path or fsspec URL
    backbone : a name, or ``package.module:Class``
    backbone_settings : options of the backbone as ``KEY=VALUE``
    check : try the backbone on generated media first
    labels_file, ids_file : labels to score, and the ids of the videos to extract, one a line
    settings : the given ones of `ExtractSettings`, by name; the others are the store's, or the defaults
    fill : add windows, labels or another backbone to an existing store
    recursive : also the media files of all folders below the given ones
    retry : try the videos of a store that have no data again, and do the rest of its plan
    estimate : only measure and report what the run would cost
    calibration : measure on the first video, and report what the run will cost, before it begins
    shard : ``i/n``: only this part of the planned shards
    devices : one or more, with commas between them: a process for each
    precision : one of `PRECISIONS`: the backbone's options ``dtype`` and ``autocast``
    compile : compile the towers first: the backbone's option of this name
    ray : address of a Ray cluster whose nodes encode, ``auto`` or ``local``
    ray_encoder : what each encoder there declares to use, as ``KEY=VALUE``: gpus, cpus, memory
    fail_on : one of `FAIL_ON`: a video of which sound or pictures alone can be used is no failure, unless it is ``any``
    video_reader : one of `VIDEO_READERS`; None: that of the store, or ``pyav``; ``auto``: that of the store, for a new
        one the fastest here

    Raises
    ------
    UsageError
        a setting out of range or none of its choices, a shard that is not i/n, options that exclude each other
    """

    media: tuple[str, ...] = setting(REQUIRED, "Videos: files or folders.", metavar="MEDIA", argument=True)
    store: str = setting(
        REQUIRED, "Store to make or resume: a path or an fsspec URL.", flag="--store,-o", metavar="STORE"
    )
    backbone: str = setting("demo", "Encoder: a name of `avreplay backbones`, or package.module:Class.", metavar="NAME")
    backbone_settings: tuple[str, ...] = setting(
        (),
        "An option of the backbone, say device=cuda.",
        flag="--backbone-option",
        former="--set",
        metavar="KEY=VALUE",
    )
    check: bool = setting(False, "First try the encoder on generated pictures and sounds.")
    labels_file: str | None = setting(
        None, "Labels, one a line.", flag="--labels", metavar="FILE", shown_default="those of the backbone"
    )
    ids_file: str | None = setting(
        None, "Only these video ids, one a line; absent ones are recorded.", flag="--ids", metavar="FILE"
    )
    settings: Mapping[str, Any] = group(ExtractSettings)
    recursive: bool = setting(False, "Also the folders below the given ones.")
    fill: bool = setting(False, "Add windows, labels or another backbone to a store; keep what it has.")
    retry: bool = setting(False, "Try videos without data again, with the files given now.")
    estimate: bool = setting(False, "Only report what it would cost.")
    calibration: bool = setting(
        True, "Measure on the first video, report the cost first.", flag="--calibration/--no-calibration"
    )
    shard: str | None = setting(
        None, "Only part I of N of the shards; other processes or nodes do the others.", metavar="I/N"
    )
    devices: str | None = setting(None, "A process for each device, say cuda:0,cuda:1.", metavar="D,D,...")
    ray: str | None = setting(None, RAY_HELP, metavar="ADDRESS")
    ray_encoder: tuple[str, ...] = setting((), RAY_ENCODER_HELP, metavar="KEY=VALUE")
    precision: str | None = setting(None, "Of the encoder; amp: mixed.", choices=tuple(PRECISIONS))
    compile: bool = setting(False, "Compile the encoder first; pays for many videos.")
    fail_on: str = setting(
        "failed", "What exits with 1: a video without data, any that is not ok, or none.", choices=FAIL_ON
    )
    video_reader: str | None = setting(
        None,
        "Reads the pictures; auto: for a new store the fastest here.",
        choices=(*VIDEO_READERS, AUTO),
        former="--decoder",
        shown_default="the store's, or pyav",
    )

    def __post_init__(self) -> None:
        checked_choices(self)
        if not self.media:
            raise UsageError("no video files were given")
        if self.fill and self.retry:
            raise UsageError("--fill and --retry are two steps; first --retry, then --fill")
        check_ray(self.ray, self.ray_encoder)
        if self.ray is not None:
            if self.estimate:
                raise UsageError("--estimate measures this machine; leave --ray out for it")
            if self.video_reader == AUTO:
                raise UsageError("--video-reader auto measures this machine; with --ray name the reader")
            if len(self.device_names) > 1:
                raise UsageError("--ray gives each encoder its GPU; name one device, cuda, or leave --devices out")
        ExtractSettings(**self.given)

    @property
    def given(self) -> dict[str, Any]:
        """The given settings by their names in `ExtractSettings`: the group, the part, and the video reader unless it
        is ``auto``."""
        given = dict(self.settings)
        if self.shard is not None:
            found = re.fullmatch(r"([0-9]+)/([0-9]+)", self.shard)
            if found is None:
                raise UsageError(f"the shard {self.shard!r} is not of the form i/n, say 1/4")
            given["part"] = (int(found[1]), int(found[2]))
        if self.video_reader not in (None, AUTO):
            given["video_reader"] = self.video_reader
        return given

    @property
    def device_names(self) -> tuple[str, ...]:
        """The devices, one by one."""
        return tuple(name.strip() for name in (self.devices or "").split(",") if name.strip())


@dataclass(frozen=True)
class JoinStillsRequest:
    """One run of ``avreplay join-stills``: videos of folders of pictures and sounds that lie apart.

    Attributes
    ----------
    source : the folder of both, searched with everything below it
    out : the folder of the videos
    picture_seconds : how long each picture stands
    """

    source: str = setting(
        REQUIRED, "Folder of .wav files and of a folder of pictures a video.", metavar="SOURCE", argument=True
    )
    out: str = setting(REQUIRED, "Folder of the videos, for `extract`.", metavar="FOLDER")
    picture_seconds: float = setting(1.0, "How long each picture stands.")


@dataclass(frozen=True)
class EmbedTextRequest:
    """One run of ``avreplay embed-text``: another list of labels for a store.

    Attributes
    ----------
    store : path or fsspec URL
    labels_file : the labels, one a line
    backbone : a name, or ``package.module:Class``, where the store's own cannot be found
    backbone_settings : options of the backbone as ``KEY=VALUE``
    ray, ray_encoder : as `ExtractRequest` has them

    Raises: UsageError for needs of an encoder without a cluster.
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    labels_file: str = setting(REQUIRED, "New labels, one a line.", flag="--labels", metavar="FILE")
    backbone: str | None = setting(
        None,
        "Where the store's own cannot be found: its name, or package.module:Class.",
        metavar="NAME",
        shown_default="the store's",
    )
    backbone_settings: tuple[str, ...] = setting(
        (),
        "An option of the backbone, say device=cuda.",
        flag="--backbone-option",
        former="--set",
        metavar="KEY=VALUE",
    )
    ray: str | None = setting(None, RAY_HELP, metavar="ADDRESS")
    ray_encoder: tuple[str, ...] = setting((), RAY_ENCODER_HELP, metavar="KEY=VALUE")

    def __post_init__(self) -> None:
        check_ray(self.ray, self.ray_encoder)


@dataclass(frozen=True)
class BackbonesRequest:
    """What ``avreplay backbones`` lists: all of them, or one with its options."""

    name: str | None = setting(None, "Only this one, with its options.", metavar="NAME", argument=True)


@dataclass(frozen=True)
class InstallRequest:
    """One run of ``avreplay install``.

    Attributes
    ----------
    names : backbones, or extras of this package
    dry_run : only say what would be run
    """

    names: tuple[str, ...] = setting(REQUIRED, "Backbones, or extras of this package.", metavar="WHAT", argument=True)
    dry_run: bool = setting(False, "Print the commands and run none of them.")


@dataclass(frozen=True)
class ConvertWeightsRequest:
    """What ``avreplay convert-weights`` reads and writes."""

    source: str = setting(REQUIRED, "The checkpoint of torch (.pt, .pth, .bin).", metavar="CHECKPOINT", argument=True)
    target: str = setting(REQUIRED, "The file to write, .safetensors.", metavar="OUT", argument=True)


@dataclass(frozen=True)
class DemoRequest:
    """One run of ``avreplay demo``.

    Attributes
    ----------
    out : folder to fill
    videos : number of videos to generate
    split : ``test`` or ``val``: other videos, to tune on

    Raises: UsageError for an unknown split.
    """

    out: str = setting("demo-output", "Folder to fill.", metavar="FOLDER")
    videos: int = setting(24, "Number of videos to generate.")
    split: str = setting("test", "val: other videos, to tune on.", choices=("test", "val"))

    def __post_init__(self) -> None:
        checked_choices(self)


@dataclass(frozen=True)
class BenchRequest:
    """What ``avreplay bench`` measures of extraction.

    Attributes
    ----------
    videos : a folder or file; None: a demo world, generated for the purpose
    backbone : a name, or ``package.module:Class``
    sample : videos at most, evenly spaced in the order of their ids
    video_reader : one of `VIDEO_READERS`
    repeats : passes over the videos, at most

    Raises
    ------
    UsageError
        a sample or a number of passes below 1, an unknown video reader
    """

    videos: str | None = setting(
        None,
        "Measure extraction on these videos: a file or folder.",
        flag="--media",
        former="--videos",
        metavar="MEDIA",
        shown_default="generated demo videos",
    )
    backbone: str = setting(
        "demo", "Encoder of the extraction: a name of `avreplay backbones`, or package.module:Class.", metavar="NAME"
    )
    sample: int = setting(8, "Extract at most this number of videos.")
    video_reader: str = setting("pyav", "Reads the pictures.", choices=VIDEO_READERS, former="--decoder")
    repeats: int = 3

    def __post_init__(self) -> None:
        checked_choices(self)
        check_bench_numbers(self.sample, self.repeats)


def check_bench_numbers(sample: int, repeats: int) -> None:
    """Raises: UsageError for one below 1."""
    for name, value in (("sample", sample), ("repeats", repeats)):
        if value < 1:
            raise UsageError(f"{name} is {value}; it must be at least 1")
