"""torchcodec's pictures beside PyAV's: the same frames, equal bytes, the same said about what is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.core.errors import DataError
from avreplay.extract import ExtractSettings, declare, extract_videos, load_backbone
from avreplay.extract.command import extract_to_store
from avreplay.extract.command_options import ExtractRequest
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import MediaError, probe
from avreplay.extract.media.video_readers import READERS, declared_reader, installed_readers
from media_maker import cut, noise, turn, write_media
from numpy.typing import NDArray

RATE = 16000


def smooth(count: int, width: int, height: int) -> list[NDArray[np.uint8]]:
    """Moving waves of saturated colours."""
    y, x = np.mgrid[:height, :width]
    waves = [(np.sin(x / 9 + k / 3), np.cos(y / 7 + k / 5), np.sin((x + y) / 11)) for k in range(count)]
    return [(127.5 + 120 * np.stack(np.broadcast_arrays(*wave), axis=2)).astype(np.uint8) for wave in waves]


def encoded(path: Path, codec: str, pixels: str, count: int = 25, tag: int | None = None, **options: str) -> Path:
    """Noise and waves in a codec and pixel format; ``tag`` is a colour matrix of ISO 23091-2."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10), options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        if tag is not None:
            stream.codec_context.colorspace = tag
        for k, picture in enumerate(noise(count - 5, 96, 64) + smooth(5, 96, 64)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts = k
            if tag is not None:
                frame.colorspace = tag
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def remuxed(source: Path, target: Path, bitstream_filter: str) -> Path:
    """Copy the pictures of a file through one of FFmpeg's bitstream filters."""
    from av.bitstream import BitStreamFilterContext

    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        change = BitStreamFilterContext(bitstream_filter, given.streams.video[0], stream)
        for packet in given.demux(given.streams.video[0]):
            for changed in change.filter(packet if packet.size else None):
                changed.stream = stream
                made.mux(changed)
    return target


def with_cover(path: Path) -> Path:
    """A cover image as the first stream, then a film."""
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        film = container.add_stream("libx264", rate=10)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(noise(1, 32, 32)[0], format="rgb24")))
        container.mux(cover.encode(None))
        for picture in noise(12):
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(film.encode(None))
    return path


def punched(path: Path, start: float, end: float) -> Path:
    """Zeros in a part of the file."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * start), int(len(data) * end)
    data[first:last] = bytes(last - first)
    path.write_bytes(data)
    return path


def both(path: Path, every: int = 1) -> tuple[int, int]:
    """Decode with both decoders, compare all there is; (frames wanted, frames that torchcodec itself gave)."""
    info = probe(path)
    wanted = np.arange(0, len(info.frame_pts), every)
    seconds = max(1.0, info.duration)
    plain = Decoding(info, wanted, RATE, seconds)
    other = Decoding(info, wanted, RATE, seconds, reader="torchcodec")
    for (i, a), (j, b) in zip(plain.frames(), other.frames(), strict=True):
        assert i == j
        assert b.dtype == np.uint8
        assert b.flags.c_contiguous
        assert np.array_equal(a, b), f"frame {i} differs by up to {np.abs(a.astype(int) - b).max()}"
    assert np.array_equal(plain.audio, other.audio) if info.has_audio else other.audio is None
    pictures = READERS["torchcodec"].pictures
    assert pictures is not None
    return len(wanted), len(list(pictures(info, wanted, None)))


def assert_all_by_torchcodec(path: Path, every: int = 1) -> None:
    wanted, given = both(path, every)
    assert given == wanted > 0


def everything(path: Path, decoder: str) -> None:
    """Probe and decode all of a file."""
    info = probe(path)
    for _ in Decoding(info, np.arange(len(info.frame_pts)), RATE, 1.0, reader=decoder).frames():
        pass


VFR = [0.0, 0.1, 0.2, 0.3, 0.4, 1.9, 2.0, 2.1, 2.2, 2.6]
FILES: dict[str, Callable[[Path], Path]] = {
    "mp4": lambda f: write_media(f / "a.mp4", pictures=noise(30), channels=2, audio_seconds=3),
    "mkv": lambda f: write_media(f / "a.mkv", pictures=noise(30), channels=1, audio_seconds=4),
    "mov": lambda f: write_media(f / "a.mov", pictures=noise(30)),
    "mpeg4": lambda f: write_media(f / "a.mp4", pictures=noise(30), codec="mpeg4"),
    "webm": lambda f: write_media(f / "a.webm", pictures=noise(20), codec="libvpx"),
    "flv": lambda f: write_media(f / "a.flv", pictures=noise(20)),
    "transport stream": lambda f: write_media(f / "a.ts", pictures=noise(20), codec="mpeg4"),
    "variable rate": lambda f: write_media(f / "a.mp4", times=VFR),
    "thirtieths": lambda f: write_media(f / "a.mp4", pictures=noise(40), fps=Fraction(30000, 1001)),
    "late start": lambda f: write_media(f / "a.mkv", times=[5.0 + k / 10 for k in range(20)], channels=1),
    "B-frames, key frames": lambda f: encoded(f / "a.mp4", "libx264", "yuv420p", bf="3", g="7"),
    "open groups": lambda f: encoded(f / "a.mkv", "libx264", "yuv420p", bf="3", g="7", x264opts="open-gop=1"),
    "hevc": lambda f: encoded(f / "a.mp4", "libx265", "yuv420p", **{"x265-params": "log-level=none:keyint=7"}),
    "av1": lambda f: encoded(f / "a.mkv", "libsvtav1", "yuv420p", svtav1_params="keyint=7"),
    "vp9": lambda f: encoded(f / "a.webm", "libvpx-vp9", "yuv420p", g="7"),
    "4:2:2": lambda f: encoded(f / "a.mp4", "libx264", "yuv422p"),
    "4:4:4 of 10 bits": lambda f: encoded(f / "a.mp4", "libx264", "yuv444p10le"),
    "grey": lambda f: encoded(f / "a.mp4", "libx264", "gray"),
    "full range": lambda f: encoded(f / "a.mp4", "libx264", "yuvj420p"),
    "BT.709": lambda f: encoded(f / "a.mp4", "libx264", "yuv420p", tag=1),
    "BT.2020": lambda f: encoded(f / "a.mp4", "libx264", "yuv420p", tag=9),
    "cover": lambda f: with_cover(f / "a.mkv"),
    "name": lambda f: write_media(f / "http:a %03d.mp4", pictures=noise(5)),
}


@pytest.mark.parametrize("name", FILES)
def test_equal_pictures(tmp_path: Path, name: str) -> None:
    assert_all_by_torchcodec(FILES[name](tmp_path))
    assert_all_by_torchcodec(FILES[name](tmp_path), every=4)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (33, 17), (17, 64), (322, 242), (426, 240), (854, 480)])
def test_equal_pictures_of_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    codec = "ffv1" if min(size) < 4 else "libx264"
    assert_all_by_torchcodec(write_media(tmp_path / "a.mkv", pictures=noise(8, *size), codec=codec))


@pytest.mark.parametrize(
    ("matrix", "plain"),
    [
        *((matrix, True) for matrix in [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]),
        *((matrix, False) for matrix in [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]),
    ],
)
def test_turned_by_torchcodec_and_mirrored_by_pyav(
    tmp_path: Path, matrix: tuple[int, int, int, int], plain: bool
) -> None:
    path = turn(write_media(tmp_path / "a.mp4", pictures=noise(6)), *matrix)
    wanted, given = both(path)
    assert given == (wanted if plain else 0)


def test_a_turn_that_only_the_frames_tell(tmp_path: Path) -> None:
    plain = write_media(tmp_path / "a.mkv", pictures=noise(6))
    path = remuxed(plain, tmp_path / "b.mkv", "h264_metadata=display_orientation=insert:rotate=90")
    info = probe(path)
    _, frame = next(Decoding(info, np.array([0]), RATE, 1.0).frames())
    assert frame.shape == (64, 48, 3)
    both(path)


@pytest.mark.parametrize("suffix", [".avi", ".ts"])
def test_what_has_no_sure_time_stamps_is_read_by_pyav(tmp_path: Path, suffix: str) -> None:
    _, given = both(write_media(tmp_path / f"a{suffix}", pictures=noise(20), channels=1, audio_seconds=2))
    assert given == 0


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p10le"])
def test_subsampled_colours_of_10_bits_differ_by_their_interpolation(tmp_path: Path, pixels: str) -> None:
    path = encoded(tmp_path / "a.mp4", "libx264", pixels)
    info = probe(path)
    wanted = np.arange(20, 25)  # the waves
    plain = dict(Decoding(info, wanted, RATE, 1.0).frames())
    other = dict(Decoding(info, wanted, RATE, 1.0, reader="torchcodec").frames())
    away = [np.abs(plain[k].astype(int) - other[k]) for k in wanted.tolist()]
    assert 0 < max(a.max() for a in away) <= 20
    assert np.mean(away) < 3


DAMAGED: dict[str, Callable[[Path], Path]] = {
    **{
        f"cut at {part}, index {'first' if first else 'last'}": lambda f, part=part, first=first: cut(  # type: ignore[misc]
            write_media(f / "a.mp4", pictures=noise(60), codec="mpeg4", faststart=first), part
        )
        for part in (0.3, 0.6, 0.85)
        for first in (False, True)
    },
    "mkv cut": lambda f: cut(write_media(f / "a.mkv", pictures=noise(60)), 0.5),
    "tail of zeros": lambda f: punched(write_media(f / "a.mp4", pictures=noise(60), faststart=True), 0.5, 1.0),
    "long hole": lambda f: punched(
        write_media(f / "a.mp4", pictures=noise(90), faststart=True, codec="mpeg4"), 0.25, 0.75
    ),
    # what follows is made from the lost pictures, up to the next key picture, which there is none
    "short hole, h264": lambda f: punched(
        write_media(f / "a.mp4", pictures=noise(90), faststart=True, codec="libx264"), 0.5, 0.53
    ),
    "text": lambda f: Path(f / "a.mp4").write_bytes(b"hello\n" * 1000) and f / "a.mp4",  # type: ignore[return-value]
    "empty": lambda f: Path(f / "a.mp4").touch() or f / "a.mp4",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_the_same_is_said_about_damaged_files(tmp_path: Path, name: str) -> None:
    path = DAMAGED[name](tmp_path)
    said = []
    for decoder in ("pyav", "torchcodec"):
        with pytest.raises(MediaError) as caught:
            everything(path, decoder)
        said.append((caught.value.status, caught.value.reason))
    assert said[0] == said[1]


def test_a_short_hole_is_filled_alike(tmp_path: Path) -> None:
    path = punched(write_media(tmp_path / "a.mp4", pictures=noise(90), faststart=True, codec="mpeg4"), 0.5, 0.53)
    wanted, given = both(path)
    assert 0 < given < wanted


def test_a_little_less_than_declared(tmp_path: Path) -> None:
    both(cut(write_media(tmp_path / "a.mp4", pictures=noise(60), faststart=True, codec="mpeg4"), 0.97))


@pytest.mark.parametrize("name", ["BjCEufrlXm4.mp4", "no_audio_portrait.mp4"])
@pytest.mark.parametrize("every", [1, 9])
def test_real_clips(shared_data: Path, name: str, every: int) -> None:
    assert_all_by_torchcodec(shared_data / "data/media" / name, every)


def test_the_declaration_names_what_decodes() -> None:
    assert installed_readers() == ["pyav", "torchcodec"]
    declared = declare(load_backbone("demo"), ExtractSettings(video_reader="torchcodec"))
    assert declared_reader(declared) == "torchcodec"
    assert declared["decoder"]["device"] == "cpu"
    assert declared["decoder"]["sound"] == READERS["pyav"].declare()
    assert declared["decoder"]["libavcodec"].count(".") == 2


def test_stores_hold_the_same_numbers(tmp_path: Path) -> None:
    for k in range(3):
        write_media(tmp_path / "films" / f"v{k}.mp4", seconds=4, channels=1) if k else (tmp_path / "films").mkdir()
    made = []
    for decoder, place in (("pyav", "threads"), ("torchcodec", "threads"), ("torchcodec", "processes")):
        settings = ExtractSettings(video_reader=decoder, decode_in=place)
        store = tmp_path / f"{decoder}-{place}"
        extract_videos(tmp_path / "films", store, "demo", ("Dog",), settings)
        made.append(open_store(store).embeddings())
    for other in made[1:]:
        assert all(np.array_equal(made[0][key], other[key]) for key in made[0])


def test_auto_measures_and_then_keeps_what_is_declared(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for k in range(2):
        write_media(tmp_path / "films" / f"v{k}.mp4", seconds=4, channels=1)
    lines: list[str] = []
    films, first = str(tmp_path / "films"), str(tmp_path / "films/v0.mp4")
    auto = ExtractRequest((films,), str(tmp_path / "s"), video_reader="auto", calibration=False)
    found = extract_to_store(replace(auto, estimate=True), report=lines.append).as_dict()
    assert set(found["decoders"]) == {"pyav", "torchcodec"}
    assert found["decoder"] == min(found["decoders"], key=found["decoders"].get)
    assert f"video reader auto: {found['decoder']}, " in lines[0]
    one = ExtractRequest((first,), str(tmp_path / "t"), calibration=False)
    extract_to_store(replace(one, video_reader="torchcodec"))
    with pytest.raises(DataError, match="was made with --video-reader torchcodec, not pyav"):
        extract_to_store(replace(one, video_reader="pyav"))
    extract_to_store(one)  # none is given: the store's
    extract_to_store(replace(one, video_reader="auto"), report=lines.append)
    assert lines[-1] == "video reader auto: torchcodec, which the store declares"
