"""The demo world: labelled 10 s mp4 files, generated. Every byte follows from the split, the seed and the codecs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache.places import cannot_write
from ...core.errors import UsageError
from .sights import FPS, HEIGHT, SIGHTS, WIDTH, Film
from .sounds import SAMPLE_RATE, SOUNDS, Soundtrack

LABELS: tuple[str, ...] = tuple(SIGHTS)
"""The classes of the demo world."""

SPLITS = ("train", "val", "test")
"""``train`` fits the encoder, ``val`` tunes the presets, ``test`` is shown; no video is in two of them."""

SEGMENTS = 10
"""Length of every video in segments of one second."""

NO_AUDIO, TRUNCATED = "no_audio", "truncated"
"""How the ids of the two odd files of the test split end."""


@dataclass(frozen=True)
class DemoEvent:
    """One annotated event; ``onset`` and ``offset`` in segments, half-open."""

    label: str
    onset: int
    offset: int


@dataclass(frozen=True)
class DemoVideo:
    """What happens in one video: its audible and its visible events."""

    id: str
    audio: tuple[DemoEvent, ...]
    visual: tuple[DemoEvent, ...]


def write_demo_world(folder: str | Path, split: str = "test", *, videos: int = 24, seed: int = 0) -> Path:
    """Write ``<id>.mp4`` files and ``annotations.json`` into a folder, which is created if needed.

    The test split has two files more than ``videos``: one without an audio track, whose visual events are annotated,
    and one cut off in the middle, which is annotated too and therefore expected but cannot be scored.

    Parameters
    ----------
    folder : where to write; files of the same names are replaced
    split : ``train``, ``val`` or ``test``
    videos : number of whole videos, at least 1
    seed : another seed gives another world of the same kind

    Returns
    -------
    the path of ``annotations.json`` (schema ``avreplay.annotations/1``)

    Raises
    ------
    UsageError
        an unknown split, fewer than one video or a negative seed
    DataError
        the folder cannot be written
    """
    if split not in SPLITS:
        raise UsageError(f"the demo world has no split {split!r}; choose one of {', '.join(SPLITS)}")
    if videos < 1:
        raise UsageError(f"videos is {videos}; the demo world needs at least 1")
    if seed < 0:
        raise UsageError(f"seed is {seed}; it must not be negative")
    folder = Path(folder)
    plans = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(videos):
            plans.append(_write_video(folder, split, seed, index, f"{index:03d}"))
        if split == "test":
            plans.append(_write_video(folder, split, seed, videos, NO_AUDIO))
            plans.append(_write_video(folder, split, seed, videos + 1, TRUNCATED))
        path = folder / "annotations.json"
        path.write_text(json.dumps(_annotations(split, plans), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error) from error
    return path


def plan_video(video_id: str, rng: np.random.Generator, audible: bool = True) -> DemoVideo:
    """Choose the events of a video: one or two of them long, the rest short, audible, visible or both.

    The first class is both audible and visible and lasts most of the video; each other class is audible and visible,
    only audible or only visible, often overlapping with the first.
    """
    tracks: dict[str, list[DemoEvent]] = {"audio": [], "visual": []}
    classes = rng.permutation(len(LABELS))[: rng.choice([1, 2, 3], p=[0.2, 0.45, 0.35])]
    for rank, c in enumerate(classes.tolist()):
        label = LABELS[c]
        where = "both" if rank == 0 else rng.choice(["both", "audio", "visual"], p=[0.4, 0.3, 0.3])
        length = int(rng.choice([10, 10, 8, 7, 6] if rank == 0 else [10, 6, 5, 4, 3, 2]))
        onset = int(rng.integers(0, SEGMENTS - length + 1))
        sound = sight = (onset, onset + length)
        if where == "both" and length < SEGMENTS and rng.random() < 0.5:
            # the sound goes on after the sight has left the frame, or starts before it enters
            sound = (
                max(0, onset - int(rng.integers(0, 4))),
                min(SEGMENTS, onset + length + int(rng.integers(0, 4))),
            )
        if where != "visual":
            tracks["audio"].append(DemoEvent(label, *sound))
        if where != "audio":
            tracks["visual"].append(DemoEvent(label, *sight))
    return DemoVideo(video_id, tuple(tracks["audio"]) if audible else (), tuple(tracks["visual"]))


def film(video: DemoVideo, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(F, 96, 128, 3) RGB frames at 10 per second: the visible events, half hidden at times, and distractors."""
    out = Film(rng, SEGMENTS)
    for _ in range(int(rng.integers(0, 4))):
        out.add_distractor(rng)
    # textures first, sprites on top
    for event in sorted(video.visual, key=lambda e: not SIGHTS[e.label].fills):
        strength = rng.uniform(0.75, 1.0) * _fading(event.offset - event.onset, rng, floor=0.1, chance=0.2)
        out.add(SIGHTS[event.label], event.onset * FPS, np.repeat(strength, FPS), rng)
    return out.pixels(rng)


def soundtrack(video: DemoVideo, rng: np.random.Generator) -> NDArray[np.float32]:
    """(160000,) mono samples at 16 kHz: the audible events, drowned at times, and distractors."""
    out = Soundtrack(rng, SEGMENTS)
    for _ in range(int(rng.integers(0, 4))):
        out.add_distractor(rng)
    for event in video.audio:
        strength = _fading(event.offset - event.onset, rng, floor=0.05, chance=0.25)
        out.add(SOUNDS[event.label], event.onset, strength, rng.uniform(0.06, 0.2), rng)
    return out.samples()


def encode_mp4(path: Path, frames: NDArray[np.uint8], samples: NDArray[np.float32] | None) -> None:
    """Write H.264 video and, unless ``samples`` is None, AAC audio; one thread and no time stamps, for equal bytes."""
    import av

    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        picture = container.add_stream("libx264", rate=FPS, options={"preset": "superfast", "crf": "26"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.codec_context.thread_count = 1
        sound = None
        if samples is not None:
            sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"})
            sound.bit_rate = 48000
        for pixels in frames:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(picture.encode())
        if sound is not None and samples is not None:
            for start in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts = SAMPLE_RATE, start
                container.mux(sound.encode(block))
            container.mux(sound.encode())


def _write_video(folder: Path, split: str, seed: int, index: int, name: str) -> DemoVideo:
    """Write one video; its content follows from the seed, the split and the index alone."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    video = plan_video(f"demo_{split}_{name}", rng, audible=name != NO_AUDIO)
    path = folder / f"{video.id}.mp4"
    encode_mp4(path, film(video, rng), None if name == NO_AUDIO else soundtrack(video, rng))
    if name == TRUNCATED:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    return video


def _fading(seconds: int, rng: np.random.Generator, floor: float, chance: float) -> NDArray[np.float64]:
    """(seconds,) strengths near 1, which in some seconds drop towards ``floor``."""
    strength = rng.uniform(0.7, 1.0, seconds)
    weak = rng.random(seconds) < chance
    strength[weak] *= rng.uniform(floor, 0.5, int(weak.sum()))
    return strength


def _annotations(split: str, videos: Iterable[DemoVideo]) -> dict[str, object]:
    def listed(events: tuple[DemoEvent, ...]) -> list[dict[str, str | int]]:
        return [{"label": e.label, "onset": e.onset, "offset": e.offset} for e in events]

    return {
        "schema": "avreplay.annotations/1",
        "labels": list(LABELS),
        "split": split,
        "videos": {v.id: {"segments": SEGMENTS, "audio": listed(v.audio), "visual": listed(v.visual)} for v in videos},
    }
