"""Time a checkout of the authors' released AV2A code and avreplay on the same videos, on this machine.

The checkout is yours: a clone of the authors' repository at its last commit (b0d6db8), with the environment that its
README asks for. Its ``main.py`` is run as that README says, once on one video and once on all of them, so that
loading the models is told from the cost of a video.

``python benchmarks/authors.py --checkout FOLDER --videos FOLDER --audio FOLDER --python ENV/bin/python``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.evaluate.bench.breakeven import Baseline, break_even
from avreplay.evaluate.bench.replay import bench, bench_replay
from avreplay.evaluate.command_options import ReplayBenchRequest
from avreplay.extract.bench import bench_extraction
from result_file import write_result

README_SETTINGS = {
    "language_bind": {"alpha": 0.5, "filter_threshold": 0.55, "gamma": 2.5},
    "clip_clap": {"alpha": 0.45, "filter_threshold": 0.5, "gamma": 1},
}
"""What the authors' README runs each backbone with; the rest is the same for both."""


@dataclass(frozen=True)
class Checkout:
    """The authors' code: its folder, the Python that runs it, and the arguments that are the user's to choose."""

    folder: Path
    python: str
    backbone: str
    dataset: str
    gpu: int


@dataclass(frozen=True)
class Timing:
    """Wall seconds of the checkout: loading, and a video at one setting; ``exit_code`` is 0 if it evaluated too."""

    videos: int
    start_up: float
    per_video: float
    exit_code: int


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, help="clone of the authors' repository, with main.py")
    parser.add_argument("--videos", type=Path, help="folder of .mp4 files")
    parser.add_argument("--audio", type=Path, help="folder of their sound, files of the same names")
    parser.add_argument("--python", default=sys.executable, help="Python of the environment their README asks for")
    parser.add_argument("--backbone", choices=tuple(README_SETTINGS), default="language_bind", help="theirs")
    parser.add_argument("--encoder", default="demo", help="ours; name the one that equals theirs for a fair ratio")
    parser.add_argument("--dataset", choices=("LLP", "AVE"), default="LLP")
    parser.add_argument("--gpu", type=int, default=-1, help="theirs; -1: CPU")
    parser.add_argument("--sample", type=int, default=8, help="at most so many videos, at least 2")
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    options = parser.parse_args(arguments)
    try:
        result = compare(options)
    except AvreplayError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    write_result(result, options.out)
    return 0


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Both sides on the same videos, as JSON values. Raises UsageError for what is not given, and as its parts do."""
    if options.checkout is None or options.videos is None or options.audio is None:
        raise UsageError(
            "nothing to time: give --checkout (a clone of the authors' repository), --videos (a folder of .mp4 files) "
            "and --audio (their sound, files of the same names)"
        )
    checkout = Checkout(options.checkout.resolve(), options.python, options.backbone, options.dataset, options.gpu)
    if not (checkout.folder / "main.py").is_file():
        raise UsageError(f"{checkout.folder} has no main.py; give the folder of the authors' repository")
    pairs = find_pairs(options.videos, options.audio, options.sample)
    theirs = time_checkout(checkout, pairs)
    extraction = bench_extraction([video for video, _ in pairs], options.encoder, sample=len(pairs)).as_dict()
    ours = bench(bench_replay(ReplayBenchRequest()), extraction).as_dict()
    baseline = Baseline("the authors' code", theirs.per_video, f"measured here, {options.backbone}", True)
    even = break_even(extraction["once"], ours["replay_us"] * 1e-6, [baseline])[0]
    return {
        "authors": {**vars(theirs), "backbone": options.backbone, "commit": _commit(checkout.folder)},
        "avreplay": {key: value for key, value in ours.items() if key != "break_even"},
        "break_even": even.as_dict(),
    }


def find_pairs(videos: Path, audio: Path, sample: int) -> list[tuple[Path, Path]]:
    """The first videos that have a sound file of the same name, at most ``sample``, with that file.

    Raises: UsageError for a missing folder or fewer than two pairs.
    """
    for folder in (videos, audio):
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}")
    sounds = {file.stem: file for file in sorted(audio.iterdir()) if file.suffix != ".mp4"}
    found = [(file.resolve(), sounds[file.stem].resolve()) for file in sorted(videos.glob("*.mp4"))
             if file.stem in sounds][:sample]  # fmt: skip
    if len(found) < 2:
        raise UsageError(
            f"{len(found)} videos of {videos} are used (with a sound in {audio}, at most --sample); at least 2 are "
            "needed to tell the cost of a video from that of loading the models"
        )
    return found


def time_checkout(checkout: Checkout, pairs: Sequence[tuple[Path, Path]]) -> Timing:
    """Run the checkout on the first pair and on all. Raises DataError where it fails or skips a video."""
    one, _ = _run(checkout, pairs[:1])
    many, code = _run(checkout, pairs)
    each = seconds_per_video(one, many, len(pairs))
    return Timing(len(pairs), one - each, each, code)


def seconds_per_video(one: float, many: float, videos: int) -> float:
    """The slope between a run on one video and a run on ``videos``, both in seconds.

    Raises: DataError where the longer run was not slower.
    """
    if many <= one:
        raise DataError(
            f"{videos} videos took {many:.2f} s and one took {one:.2f} s: the difference is lost in noise; give more"
        )
    return (many - one) / (videos - 1)


def _run(checkout: Checkout, pairs: Sequence[tuple[Path, Path]]) -> tuple[float, int]:
    """Wall seconds and exit code of main.py on copies of the pairs' names in empty folders."""
    with tempfile.TemporaryDirectory(prefix="avreplay-authors-") as place:
        videos, audio, out = Path(place, "videos"), Path(place, "audio"), Path(place, "candidates.json")
        videos.mkdir()
        audio.mkdir()
        for video, sound in pairs:
            (videos / video.name).symlink_to(video)
            (audio / sound.name).symlink_to(sound)
        settings = {
            "video_dir_path": videos,
            "audio_dir_path": audio,
            "gpu_id": checkout.gpu,
            "backbone": checkout.backbone,
            "candidates_file_path": out,
            "threshold_stage1": 0.75,
            "threshold_stage2": 0.75,
            "dataset": checkout.dataset,
            "method": "bbse-cosine",
            "fusion": "early",
            **README_SETTINGS[checkout.backbone],
        }
        command = [checkout.python, "main.py", *(str(x) for k, v in settings.items() for x in (f"--{k}", v))]
        began = time.perf_counter()
        try:
            done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, errors="replace")
        except OSError as error:
            raise UsageError(f"{checkout.python} cannot be run: {error.strerror}; give --python") from error
        seconds = time.perf_counter() - began
        count = _videos_done(out)
    if count != len(pairs):
        last = (done.stderr.strip().splitlines() or ["it printed no error"])[-1]
        raise DataError(
            f"the authors' main.py did {count} of {len(pairs)} videos (exit code {done.returncode}): {last}"
        )
    return seconds, done.returncode


def _videos_done(candidates: Path) -> int:
    """How many videos the candidates file has, 0 where there is none."""
    try:
        return len(json.loads(candidates.read_text())["combined"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _commit(folder: Path) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
