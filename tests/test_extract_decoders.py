"""Decoders besides PyAV: what is said where they are missing, how one is chosen, and that PyAV takes over from them.

torchcodec itself is tested where it is installed (tests/backbones/test_torchcodec.py); here a stand-in is written over
PyAV, which also stands for a GPU.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.core.installation import install_command
from avreplay.extract import ExtractSettings, declare, load_backbone
from avreplay.extract.media import torchcodec as torchcodec_pictures
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import MediaInfo, probe, pyav_declaration
from avreplay.extract.media.reader_choice import faster_reader
from avreplay.extract.media.video_readers import READERS, VideoReader, declared_reader, installed_readers
from click.testing import CliRunner
from media_maker import noise, write_media
from numpy.typing import NDArray

RATE = 16000
NO_FFMPEG = """Could not load libtorchcodec. Likely causes: ...
[start of libtorchcodec loading traceback]
FFmpeg version 8:
Traceback (most recent call last):
OSError: libavutil.so.60: cannot open shared object file: No such file or directory
OSError: Could not load this library: libtorchcodec_core8.so
FFmpeg version 7:
OSError: libavutil.so.59: cannot open shared object file: No such file or directory
"""
OTHER_TORCH = NO_FFMPEG + "OSError: libtorchcodec_core4.so: undefined symbol: _ZN3c10\n"


class StandIn:
    """torchcodec's VideoDecoder over PyAV."""

    falls_back = False
    error = ""

    def __init__(self, source: str, *, device: str = "cpu", **_: Any) -> None:
        if self.error:
            raise RuntimeError(self.error)
        self.metadata = SimpleNamespace(rotation=None)
        self.cpu_fallback = self.falls_back
        with av.open(source) as container:
            self._frames = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]

    def __len__(self) -> int:
        return len(self._frames)

    def get_frame_at(self, index: int) -> SimpleNamespace:
        torch = pytest.importorskip("torch")
        seconds, pixels = self._frames[index]
        return SimpleNamespace(pts_seconds=seconds, data=torch.from_numpy(pixels))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """An installed torchcodec 9.9 that decodes on the processor and on a GPU."""
    torch = pytest.importorskip("torch")

    class Mine(StandIn):
        pass

    modules: dict[str, dict[str, Any]] = {
        "torchcodec": {},
        "torchcodec.decoders": {"VideoDecoder": Mine},
        "torchcodec._core": {
            "get_ffmpeg_library_versions": lambda: {key: [1, 2, 3] for key in torchcodec_pictures.LIBRARIES}
        },
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(torchcodec_pictures, "find_spec", lambda name: name)
    monkeypatch.setattr(torchcodec_pictures, "version", lambda name: "9.9+cu130")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torchcodec_pictures, "own_stream", lambda device: nullcontext())
    torchcodec_pictures.load_torchcodec.cache_clear()
    yield Mine
    torchcodec_pictures.load_torchcodec.cache_clear()


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchcodec_pictures, "find_spec", lambda name: None)
    torchcodec_pictures.load_torchcodec.cache_clear()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return write_media(tmp_path / "films/a.mp4", seconds=3, channels=1)


def run(*arguments: object) -> Any:
    """In threads: the stand-ins are known in this process only."""
    return CliRunner().invoke(main, ["extract", *map(str, arguments), "--decode-in", "threads"])


def slow_start(info: MediaInfo, wanted: NDArray[np.int64], place: object = None) -> Iterator[Any]:
    """Leaves everything to PyAV, later."""
    time.sleep(0.7)
    yield from ()


@pytest.mark.usefixtures("missing")
@pytest.mark.parametrize("decoder", ["torchcodec", "nvdec"])
def test_a_decoder_that_is_not_installed_is_refused_at_once(film: Path, tmp_path: Path, decoder: str) -> None:
    done = run(film, "--store", tmp_path / "s", "--video-reader", decoder)
    assert done.exit_code == 2
    assert install_command("torchcodec") in done.stderr
    assert "FFmpeg" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "s").exists()
    assert run(film, "--store", tmp_path / "s", "--video-reader", decoder, "--estimate").exit_code == 2
    assert installed_readers() == ["pyav"]
    bench = CliRunner().invoke(main, ["bench", "--videos", str(film), "--video-reader", decoder])
    assert bench.exit_code == 2
    assert install_command("torchcodec") in bench.stderr


@pytest.mark.parametrize(
    ("device", "error", "said"),
    [
        ("cpu", NO_FFMPEG, r"torchcodec 9\.9\+cu130 finds no FFmpeg; install FFmpeg with shared libraries"),
        ("cpu", OTHER_TORCH, "undefined symbol: _ZN3c10.*install the build made for this torch"),
        (
            "cuda",
            "CUDA error: out of luck",
            "cannot decode on the GPU .CUDA error: out of luck.; it needs a CUDA build",
        ),
    ],
)
def test_a_decoder_that_does_not_work_is_refused_with_the_reason(
    stand_in: type[StandIn], device: str, error: str, said: str
) -> None:
    stand_in.error = error
    with pytest.raises(UsageError, match=said) as caught:
        torchcodec_pictures.load_torchcodec(device)
    assert "\n" not in str(caught.value)


def test_a_gpu_that_is_not_there_or_does_not_decode_is_refused(
    stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.falls_back = True
    with pytest.raises(UsageError, match=r"cannot decode on the GPU \(it falls back to the processor"):
        READERS["nvdec"].declare()
    assert installed_readers() == ["pyav", "torchcodec"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="nvdec needs an NVIDIA GPU"):
        READERS["nvdec"].declare()


@pytest.mark.usefixtures("stand_in")
def test_each_decoder_is_declared_and_found_again() -> None:
    demo = load_backbone("demo")
    plain = declare(demo, ExtractSettings())
    assert plain["decoder"] == pyav_declaration()
    assert list(plain["decoder"]) == ["name", "version", "libavcodec", "libswscale", "libswresample"]
    for name in READERS:
        assert declared_reader(declare(demo, ExtractSettings(video_reader=name))) == name
    declared = declare(demo, ExtractSettings(video_reader="nvdec"))["decoder"]
    assert (declared["version"], declared["device"], declared["libavcodec"]) == ("9.9", "cuda", "1.2.3")
    assert declared["sound"] == pyav_declaration()
    with pytest.raises(DataError, match="decoder 'decord', which is not known here"):
        declared_reader({"decoder": {"name": "decord"}})
    with pytest.raises(UsageError, match="video_reader is 'decord'; choose one of pyav, torchcodec, nvdec"):
        ExtractSettings(video_reader="decord")


def test_the_former_names_are_accepted_with_a_note(film: Path, tmp_path: Path) -> None:
    done = run(film, "--store", tmp_path / "s", "--decoder", "pyav", "--no-calibration")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == "Note: --decoder pyav is called --video-reader pyav now"
    bench = CliRunner().invoke(main, ["bench", "--media", str(tmp_path / "none"), "--decoder", "pyav"])
    assert bench.stderr.splitlines()[0] == "Note: --decoder pyav is called --video-reader pyav now"
    with pytest.warns(FutureWarning, match="video_reader now"):
        settings = ExtractSettings(decoder="torchcodec")
    assert settings.video_reader == "torchcodec"
    assert replace(settings, windows="none").video_reader == "torchcodec"
    assert replace(settings, video_reader="pyav").video_reader == "pyav"


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("decoder", ["torchcodec", "nvdec"])
def test_a_store_by_another_decoder(film: Path, tmp_path: Path, decoder: str) -> None:
    for store, name in (("s", "pyav"), ("t", decoder)):
        assert run(film, "--store", tmp_path / store, "--video-reader", name, "--no-calibration").exit_code == 0
    s, t = open_store(tmp_path / "s"), open_store(tmp_path / "t")
    assert s.fingerprint != t.fingerprint
    assert all(np.array_equal(a, b) for a, b in zip(s.embeddings().values(), t.embeddings().values(), strict=True))
    assert run(film, "--store", tmp_path / "t").exit_code == 0  # not asked for: the store's
    refused = run(film, "--store", tmp_path / "t", "--video-reader", "pyav")
    assert refused.exit_code == 1
    assert f"t was made with --video-reader {decoder}, not pyav; use that one, or another store" in refused.stderr


@pytest.mark.parametrize("taken", [0, 1, 7, 20])
def test_pyav_reads_on_where_another_decoder_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    path = write_media(tmp_path / "a.mp4", pictures=noise(20), channels=1, audio_seconds=2)
    info, wanted = probe(path), np.arange(20)
    plain = Decoding(info, wanted, RATE, 2.0)
    expected = dict(plain.frames())

    def some(info: MediaInfo, wanted: NDArray[np.int64], place: object) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        yield from ((k, 255 - expected[k]) for k in wanted[:taken].tolist())

    monkeypatch.setitem(READERS, "torchcodec", VideoReader(lambda _: pyav_declaration(), some))
    other = Decoding(info, wanted, RATE, 2.0, reader="torchcodec")
    got = list(other.frames())
    assert [k for k, _ in got] == wanted.tolist()
    assert all(np.array_equal(frame, expected[k] if k >= taken else 255 - expected[k]) for k, frame in got)
    assert np.array_equal(other.audio, plain.audio)


def test_pictures_are_torchcodecs_up_to_the_first_in_doubt(stand_in: type[StandIn], tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", pictures=noise(20))
    info = probe(path)

    def given() -> list[int]:
        return [k for k, _ in torchcodec_pictures.torchcodec_pictures(info, np.arange(0, 20, 2), None, device="cpu")]

    assert given() == list(range(0, 20, 2))
    get_frame_at = stand_in.get_frame_at

    def late(self: StandIn, index: int) -> SimpleNamespace:
        return get_frame_at(self, index if index < 10 else index + 1)

    stand_in.get_frame_at = late  # type: ignore[method-assign]
    assert given() == [0, 2, 4, 6, 8]
    stand_in.__len__ = lambda self: 19  # type: ignore[method-assign]
    assert given() == []


@pytest.mark.usefixtures("missing")
def test_auto_with_nothing_to_choose_from(film: Path, tmp_path: Path) -> None:
    done = run(film, "--store", tmp_path / "s", "--video-reader", "auto", "--no-calibration")
    assert done.stderr.splitlines()[0] == "video reader auto: pyav, since there is nothing to compare it with"
    assert declared_reader(open_store(tmp_path / "s").config) == "pyav"
    again = run(film, "--store", tmp_path / "s", "--video-reader", "auto", "--no-calibration")
    assert again.stderr == "video reader auto: pyav, which the store declares\n"


@pytest.mark.usefixtures("stand_in")
def test_auto_takes_the_fastest_for_a_new_store_and_keeps_it(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (film.parent / "0.mp4").write_text("no video")
    quick = READERS["nvdec"]
    monkeypatch.setitem(READERS, "pyav", VideoReader(lambda _: pyav_declaration(), slow_start))
    monkeypatch.setitem(READERS, "torchcodec", VideoReader(READERS["torchcodec"].declared, slow_start))
    done = run(film.parent, "--store", tmp_path / "s", "--video-reader", "auto")
    first, *rest = done.stderr.splitlines()
    assert first.startswith("video reader auto: nvdec, 0.")
    assert "pyav 0." in first
    assert "torchcodec 0." in first
    assert not any("would need" in line for line in rest)
    assert declared_reader(open_store(tmp_path / "s").config) == "nvdec"
    monkeypatch.setitem(READERS, "nvdec", VideoReader(quick.declared, slow_start))
    again = run(film.parent, "--store", tmp_path / "s", "--video-reader", "auto")
    assert again.stderr == "video reader auto: nvdec, which the store declares\n"


@pytest.mark.usefixtures("stand_in")
def test_the_estimate_says_which_decoder_would_be_faster(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, "pyav", VideoReader(lambda _: pyav_declaration(), slow_start))
    monkeypatch.setitem(READERS, "nvdec", VideoReader(READERS["nvdec"].declared, slow_start))
    arguments = (film, "--store", tmp_path / "s", "--estimate")
    line = run(*arguments).stdout.splitlines()[-1]
    assert line.startswith("video reader torchcodec would need 0.")
    assert line.endswith(" (--video-reader torchcodec, in a new store)")
    found = json.loads(run(*arguments, "--json").stdout)
    assert found["decoder"] == "pyav"
    assert found["decode"] == found["decoders"]["pyav"] > found["decoders"]["torchcodec"] > 0
    assert set(found["decoders"]) == set(READERS)
    other = run(*arguments, "--video-reader", "torchcodec").stdout
    assert "would need" not in other


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        ({}, ""),
        ({"pyav": 0.05, "torchcodec": 0.06}, ""),
        (
            {"pyav": 0.052, "torchcodec": 0.041, "nvdec": 0.045},
            "video reader torchcodec would need 0.041 s/video instead of 0.052 "
            "(--video-reader torchcodec, in a new store)",
        ),
    ],
)
def test_the_line_about_a_faster_reader(seconds: dict[str, float], line: str) -> None:
    assert faster_reader(seconds, "pyav") == line
