"""Damaged copies of small media files, each probed and decoded in a forked child: ``python media_mutants.py N SEED``.

Prints how often each status came out as JSON. Anything but a status or an error of the machine is listed under ``bad``:
a child that died or ran out of time, an exception of another type, sound that is no numbers.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
from avreplay.extract.encoding.sampling import num_segments, segment_frames
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import MediaError, probe
from media_maker import remuxed, write_clip

SECONDS = 30
MEMORY = 4 << 30
RATE = 16000


def sources(folder: Path) -> list[Path]:
    """A file of each format, 2 s long."""
    kinds = {
        "plain.mp4": {},
        "index_first.mp4": {"options": {"movflags": "faststart"}},
        "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
        "six_channels.mp4": {"layout": "5.1"},
        "plain.mov": {"audio_codec": "pcm_s16le"},
        "plain.mkv": {},
        "lossless.mkv": {"audio_codec": "flac"},
        "plain.webm": {"codec": "libvpx", "audio_codec": "libopus"},
        "plain.ts": {},
        "plain.avi": {"codec": "mpeg4", "audio_codec": "libmp3lame"},
        "plain.flv": {"codec": "flv", "audio_codec": "libmp3lame"},
        "plain.mpg": {"codec": "mpeg2video", "audio_codec": "mp2"},
    }
    files = [write_clip(folder / name, seconds=2, **how) for name, how in kinds.items()]
    for codec, suffix in (("libmp3lame", ".mp3"), ("libopus", ".ogg")):
        whole = write_clip(folder / f"{codec}.mkv", seconds=2, audio_codec=codec)
        files.append(remuxed(whole, folder / f"sound{suffix}", streams=["audio"]))
    return files


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flipped bits, changed, removed, repeated or zeroed bytes, or an end that is cut off; often in the header."""
    made = bytearray(data)
    in_header = rng.random() < 0.5

    def place() -> int:
        if in_header and rng.random() < 0.7:
            return rng.randrange(min(len(made), 2000))
        return rng.randrange(len(made)) if rng.random() < 0.7 else len(made) - 1 - rng.randrange(min(len(made), 4000))

    kind = rng.choices(("flip", "change", "remove", "zero", "repeat", "cut"), (10, 4, 2, 2, 1, 1))[0]
    if kind == "flip":
        for _ in range(rng.choice((1, 1, 3, 10, 50))):
            made[place()] ^= 1 << rng.randrange(8)
    elif kind == "change":
        for _ in range(rng.choice((1, 4, 20))):
            made[place()] = rng.choice((0, 255, rng.randrange(256)))
    elif kind == "cut":
        del made[rng.randrange(len(made)) :]
    else:
        first = place()
        part = bytes(made[first : first + rng.choice((1, 4, 188, 3000))])
        made[first : first + len(part)] = {"remove": b"", "zero": bytes(len(part)), "repeat": part + part}[kind]
    return bytes(made)


def outcome(path: Path) -> str:
    """The status of a file, or the error of the machine; whatever else is raised is a fault."""
    try:
        info = probe(path)
        segments = num_segments(info.duration)
        wanted = np.unique(segment_frames(info.frame_times, segments)) if info.has_video else np.zeros(0, np.int64)
        decoding = Decoding(info, wanted, RATE, float(segments))
        assert [number for number, _ in decoding.frames()] == wanted.tolist()
        if decoding.audio is not None:
            assert np.isfinite(decoding.audio).all()
            assert np.abs(decoding.audio).max() < 1e6
    except MediaError as error:
        return error.status
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return info.status


def in_child(path: Path) -> str:
    """`outcome` in a forked process with limits of time and memory."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # FFmpeg's complaints
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.alarm(SECONDS)
        try:
            said = outcome(path)
        except BaseException:
            said = "fault: " + traceback.format_exc()
        os.write(writing, said.encode()[-3000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said if code == 0 else f"fault: ended with {code}"


def main(count: int, seed: int) -> None:
    counts: Counter[str] = Counter()
    bad = []
    with tempfile.TemporaryDirectory() as name:
        files = sources(Path(name))
        contents = [path.read_bytes() for path in files]
        for number in range(count):
            rng = random.Random(f"{seed}/{number}")
            source = rng.randrange(len(files))
            path = Path(name, "mutant").with_suffix(files[source].suffix)
            path.write_bytes(mutated(contents[source], rng))
            said = in_child(path)
            counts[said.split(":")[0]] += 1
            if said.startswith("fault"):
                bad.append({"number": number, "source": files[source].name, "said": said})
    print(json.dumps({"counts": counts, "bad": bad}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
