"""Pictures and sound that lie apart become videos whose frames and samples are theirs."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import extract_videos, join_stills
from click.testing import CliRunner
from PIL import Image

pytestmark = pytest.mark.media


def picture(file: Path, value: int, size: tuple[int, int] = (64, 48)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(file)


def sound(file: Path, seconds: int = 12) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seconds).integers(-9000, 9000, 16000 * seconds).astype("<i2")
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(samples.tobytes())
    return samples


def ovavel(source: Path, suffix: str = "jpg") -> np.ndarray:
    samples = sound(source / "test/audio/dog/-a b.wav")
    for t in range(12):
        picture(source / f"test/frames/dog/-a b/{t}.{suffix}", 20 * t)  # 10 comes after 9
    sound(source / "test/audio/dog/heard.wav", 3)
    for t in range(3):
        picture(source / f"test/frames/dog/seen/{t}.{suffix}", 20 * t)
    return samples


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_frames_and_samples_are_those_of_the_files(suffix, tmp_path):
    samples = ovavel(tmp_path / "s", suffix)
    done = join_stills(tmp_path / "s", tmp_path / "out")
    assert done.written == ("-a b", "heard", "seen")
    assert not done.problems
    with av.open(str(tmp_path / "out/-a b.mov")) as file:
        shown = [(float(f.time), int(f.to_ndarray(format="rgb24").mean())) for f in file.decode(video=0)]
    assert [t for t, _ in shown] == list(range(12))
    assert np.allclose([value for _, value in shown], 20 * np.arange(12), atol=2)
    with av.open(str(tmp_path / "out/-a b.mov")) as file:
        heard = np.concatenate([f.to_ndarray().ravel() for f in file.decode(audio=0)])
    assert np.array_equal(heard, samples)


def test_the_store_is_that_of_videos(tmp_path):
    ovavel(tmp_path / "s")
    join_stills(tmp_path / "s", tmp_path / "out")
    extract_videos(tmp_path / "out", tmp_path / "store", progress=False)
    found = {r.id: (r.status, r.segments) for r in open_store(tmp_path / "store").videos}
    assert found == {"-a b": ("ok", 12), "heard": ("no_video", 3), "seen": ("no_audio", 3)}


def test_again_it_keeps_what_is_there_and_elsewhere_makes_the_same_bytes(tmp_path):
    ovavel(tmp_path / "s")
    join_stills(tmp_path / "s", tmp_path / "out")
    assert join_stills(tmp_path / "s", tmp_path / "out").kept == ("-a b", "heard", "seen")
    join_stills(tmp_path / "s", tmp_path / "other")
    for file in (tmp_path / "out").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_what_cannot_be_joined_is_named_and_costs_nothing_else(tmp_path):
    ovavel(tmp_path / "s")
    picture(tmp_path / "s/mixed/0.jpg", 5)
    picture(tmp_path / "s/mixed/1.jpg", 5, (32, 32))
    (tmp_path / "s/broken").mkdir()
    (tmp_path / "s/broken/0.jpg").write_bytes(b"no picture")
    (tmp_path / "s/cut.wav").write_bytes(b"RIFF")
    done = join_stills(tmp_path / "s", tmp_path / "out")
    assert sorted(done.problems) == ["broken", "cut", "mixed"]
    assert len(done.written) == 3
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["-a b.mov", "heard.mov", "seen.mov"]


def test_the_command(tmp_path):
    ovavel(tmp_path / "s")
    (tmp_path / "s/broken").mkdir()
    (tmp_path / "s/broken/0.jpg").write_bytes(b"no picture")
    command = ["join-stills", str(tmp_path / "s"), "--out", str(tmp_path / "out"), "--picture-seconds", "2"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert f"3 written, 1 not joined; `avreplay extract {tmp_path / 'out'} --store STORE` takes them" in done.stdout
    assert "broken: " in done.stderr
    with av.open(str(tmp_path / "out/seen.mov")) as file:
        assert [float(f.time) for f in file.decode(video=0)] == [0, 2, 4]
    shutil.rmtree(tmp_path / "s/broken")
    again = CliRunner().invoke(main, [*command, "--json"])
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"written": [], "kept": ["-a b", "heard", "seen"], "problems": {}}
    done = CliRunner().invoke(
        main, ["extract", str(tmp_path / "out"), "--store", str(tmp_path / "store"), "--no-calibration"]
    )
    assert done.exit_code == 0, done.output
    assert {r.id: r.segments for r in open_store(tmp_path / "store").videos} == {"-a b": 24, "heard": 3, "seen": 6}


def test_refusals(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        join_stills(tmp_path / "none", tmp_path / "out")
    with pytest.raises(DataError, match="neither"):
        join_stills(tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="picture_seconds"):
        join_stills(tmp_path, tmp_path / "out", picture_seconds=0)
    sound(tmp_path / "s/train/x.wav", 1)
    sound(tmp_path / "s/test/x.wav", 1)
    with pytest.raises(DataError, match="one split at a time"):
        join_stills(tmp_path / "s", tmp_path / "out")
