"""Reading media: time stamps, odd files, sound, rotation, and what is said about damaged files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from avreplay.extract.encoding.sampling import num_segments, segment_frames
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import MediaError, MediaInfo, probe, pyav_declaration
from media_maker import cut, grey, noise, number_of, steps_of_tone, tone, turn, write_media

RATE = 16000


def frames_of(path: Path) -> tuple[MediaInfo, dict[int, np.ndarray]]:
    info = probe(path)
    return info, dict(Decoding(info, np.arange(len(info.frame_pts)), RATE, 1.0).frames())


def notes_of(path: Path) -> list[tuple[str, str]]:
    return [(note.kind, note.text) for note in probe(path).notes]


def sound_of(path: Path, seconds: float, rate: int = RATE) -> np.ndarray:
    decoding = Decoding(probe(path), np.zeros(0, np.int64), rate, seconds)
    assert list(decoding.frames()) == []
    assert decoding.audio is not None
    return decoding.audio


def segments_of(path: Path, rule: str = "middle") -> list[int]:
    """Which generated frame stands for each segment."""
    info = probe(path)
    chosen = segment_frames(info.frame_times, num_segments(info.duration), rule=rule)
    got = dict(Decoding(info, np.unique(chosen), RATE, 1.0).frames())
    return [number_of(got[number]) for number in chosen.tolist()]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((suffix, "libx264") for suffix in (".mp4", ".mkv", ".mov", ".avi", ".m4v")),
        *((suffix, "mpeg4") for suffix in (".mp4", ".mkv", ".avi")),
    ],
)
def test_every_frame_of_every_container_by_its_number(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_media(tmp_path / f"a{suffix}", seconds=3, fps=10, codec=codec)
    info, frames = frames_of(path)
    assert info.status == "no_audio"
    assert info.duration == pytest.approx(3.0, abs=0.002)
    assert np.allclose(info.frame_times, np.arange(30) / 10, atol=0.001)
    assert [number_of(frames[i]) for i in range(30)] == list(range(30))


def test_webm(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.webm", seconds=2, fps=10, codec="libvpx", channels=2, rate=48000, audio_codec="libopus"
    )
    info, frames = frames_of(path)
    assert info.status == "ok"
    assert num_segments(info.duration) == 2
    assert [number_of(f) for f in frames.values()] == list(range(20))
    assert np.sqrt(np.mean(sound_of(path, 2.0)[8000:24000] ** 2)) == pytest.approx(0.375 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("fps", [1, 5, 12, Fraction(30000, 1001)])
def test_middle_frame_of_each_segment_at_any_rate(tmp_path: Path, fps: Fraction | int) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=2.0, fps=fps)
    count = round(2 * fps)
    begins = [float(k / Fraction(fps)) for k in range(count)]
    expected = [max(k for k in range(count) if begins[k] <= t + 0.5) for t in range(2)]
    assert segments_of(path) == expected


def test_variable_frame_rate_goes_by_time_not_by_number(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 1.9, 2.0, 2.1, 2.2, 2.6]
    path = write_media(tmp_path / "a.mp4", times=times)
    info = probe(path)
    assert np.allclose(info.frame_times, times, atol=0.002)
    assert segments_of(path)[:3] == [4, 4, 8]


def test_release_rule_goes_by_number(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=3, fps=10)
    assert segments_of(path, "release") == [0, 14, 29]


def test_time_zero_is_the_first_frame(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", times=[5.0 + k / 10 for k in range(20)])
    info = probe(path)
    assert info.origin == pytest.approx(5.0)
    assert info.frame_times[0] == 0
    assert num_segments(info.duration) == 2
    assert segments_of(path) == [5, 15]


@pytest.mark.parametrize("size", [(1, 1), (33, 17), (17, 64), (2, 2), (322, 242)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    codec = "ffv1" if min(size) < 4 else "libx264"
    path = write_media(tmp_path / "a.mkv", seconds=1, fps=5, size=size, codec=codec)
    _, frames = frames_of(path)
    assert {frame.shape for frame in frames.values()} == {(size[1], size[0], 3)}
    assert all(frame.dtype == np.uint8 for frame in frames.values())
    assert [number_of(f) for f in frames.values()] == list(range(5))


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), "top left"),
        ((0, 1, -1, 0), "top right"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "bottom right"),
        ((0, -1, 1, 0), "bottom left"),
        ((-1, 0, 0, 1), "top right"),  # mirrored
        ((1, 0, 0, -1), "bottom left"),
        ((0, 1, 1, 0), "top left"),  # transposed
        ((0, -1, -1, 0), "bottom right"),
    ],
)
def test_display_matrix(tmp_path: Path, matrix: tuple[int, int, int, int], corner: str) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255  # white in the top left corner
    path = turn(write_media(tmp_path / "a.mp4", pictures=[picture] * 5), *matrix)
    frame = frames_of(path)[1][0]
    assert frame.shape == ((48, 64, 3) if matrix[0] else (64, 48, 3))
    assert frame.flags.c_contiguous
    rows = slice(0, 12) if "top" in corner else slice(-12, None)
    columns = slice(0, 12) if "left" in corner else slice(-12, None)
    assert frame[rows, columns].mean() > 230
    assert frame.mean() == pytest.approx(255 * 256 / (48 * 64), abs=4)


@pytest.mark.parametrize(("channels", "peak"), [(1, 0.5), (2, 0.375)])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_sound_is_the_mean_of_the_channels_at_the_rate_asked_for(
    tmp_path: Path, channels: int, peak: float, rate: int
) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=2, channels=channels)
    samples = sound_of(path, 2.0, rate)
    assert samples.shape == (2 * rate,)
    assert samples.dtype == np.float32
    expected = tone(2, rate, 1)[0] * 2 * peak
    inside = slice(rate // 4, 7 * rate // 4)
    assert np.abs(samples[inside] - expected[inside]).max() < 0.03  # AAC is lossy


def test_sound_longer_and_shorter_than_the_picture(tmp_path: Path) -> None:
    longer = write_media(tmp_path / "longer.mp4", seconds=2, channels=1, audio_seconds=5)
    assert num_segments(probe(longer).duration) == 5
    assert segments_of(longer) == [5, 15, 19, 19, 19]
    assert sound_of(longer, 5.0).shape == (80000,)
    assert notes_of(longer) == [("early_end_of_pictures", "the pictures end at 2.0 of 5.0 s; the last one stands")]
    shorter = write_media(tmp_path / "shorter.mp4", seconds=4, channels=1, audio_seconds=1)
    assert num_segments(probe(shorter).duration) == 4
    samples = sound_of(shorter, 4.0)
    assert np.abs(samples[4000:12000]).max() > 0.4
    assert np.abs(samples[20000:]).max() == 0
    assert notes_of(shorter) == [("early_end_of_sound", "the sound ends at 1.0 of 4.0 s; there is silence after")]


def test_sound_that_starts_later_stays_at_its_time(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", seconds=3, channels=1, audio_seconds=1, audio_start=1.5)
    samples = sound_of(path, 3.0)
    assert np.abs(samples[: int(1.4 * RATE)]).max() == 0
    assert [kind for kind, _ in notes_of(path)] == ["late_sound"]
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    assert loud[0] / RATE == pytest.approx(1.5, abs=0.03)
    assert loud[-1] / RATE == pytest.approx(2.5, abs=0.06)


def test_the_first_picture_stands_before_it_came(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", times=[2 + k / 10 for k in range(20)], channels=1, audio_seconds=2)
    info = probe(path)
    assert info.frame_times[0] == pytest.approx(2.0, abs=0.03)
    assert num_segments(info.duration) == 4
    assert segments_of(path) == [0, 0, 5, 15]
    samples = sound_of(path, 4.0)
    assert np.abs(samples[: int(1.9 * RATE)]).max() > 0.4
    assert np.abs(samples[int(2.1 * RATE) :]).max() == 0
    assert [kind for kind, _ in notes_of(path)] == ["late_pictures", "early_end_of_sound"]


def test_sound_only(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=False, channels=2, seconds=3)
    info = probe(path)
    assert (info.status, info.reason) == ("no_video", "the file has no video stream")
    assert num_segments(info.duration) == 3
    assert not info.has_video
    assert sound_of(path, 3.0)[16000:32000].std() > 0.2


def test_one_picture_under_a_long_sound_lasts_as_long_as_the_sound(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures=[grey(5, 64, 48)], channels=1, audio_seconds=4)
    assert num_segments(probe(path).duration) == 4
    assert segments_of(path) == [5, 5, 5, 5]


def test_short_clip_has_one_segment(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=1.2, fps=10, channels=1)
    assert num_segments(probe(path).duration) == 1
    assert segments_of(path) == [5]


def status_of(path: Path) -> tuple[str, str]:
    """How probing and decoding everything fails."""
    with pytest.raises(MediaError) as caught:
        frames_of(path)
    return caught.value.status, caught.value.reason


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.touch()
    assert status_of(path) == ("empty_file", "the file has 0 bytes")


@pytest.mark.media
@pytest.mark.parametrize(
    "content",
    [b"hello\n" * 1000, b"\0" * 5000, b"\xff\xd8\xff\xe0" + bytes(200), b"x", b"<html><body>404</body></html>"],
)
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert status_of(path)[0] == "unreadable"


@pytest.mark.parametrize("kind", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXTINF:3,\n{}\n"])
def test_playlists_do_not_open_other_files(tmp_path: Path, kind: str) -> None:
    other = write_media(tmp_path / "other.mp4")
    path = tmp_path / "a.mp4"
    path.write_text(kind.format(other))
    assert status_of(path)[0] == "unreadable"


def test_folder_and_absent_file(tmp_path: Path) -> None:
    assert status_of(tmp_path)[0] == "unreadable"
    assert status_of(tmp_path / "absent.mp4")[0] == "unreadable"


@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.85])
def test_truncated_mp4_with_the_index_behind_or_before_the_data(tmp_path: Path, faststart: bool, part: float) -> None:
    path = write_media(
        tmp_path / "a.mp4", pictures=noise(60), channels=1, audio_seconds=6, faststart=faststart, codec="mpeg4"
    )
    assert probe(path).status == "ok"
    status, reason = status_of(cut(path, part))
    assert status == "truncated"
    assert ("declares 6.0 s" in reason) if faststart else ("moov" in reason)


def test_truncated_inside_the_index(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=3, faststart=True)
    path.write_bytes(path.read_bytes()[:200])
    assert status_of(path)[0] == "truncated"


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_truncated_files_of_other_formats(tmp_path: Path, suffix: str) -> None:
    path = cut(write_media(tmp_path / f"a{suffix}", pictures=noise(60), codec="mpeg4"), 0.5)
    assert status_of(path)[0] == "truncated"


def _sound_file(path: Path, codec: str, options: dict[str, str] | None = None) -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (steps_of_tone(4, 48000) * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = 48000
        for part in av.AudioResampler(stream.format, "mono", 48000, stream.codec_context.frame_size).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        *[(".wav", codec, {}) for codec in ("pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_mulaw", "adpcm_ima_wav")],
        (".wav", "pcm_s16le", {"rf64": "always"}),
        (".aiff", "pcm_s16be", {}),
        (".flac", "flac", {}),
    ],
)
@pytest.mark.parametrize("part", [0.2, 0.7])
def test_truncated_files_of_sound(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], part: float
) -> None:
    path = _sound_file(tmp_path / f"a{suffix}", codec, options)
    assert (probe(path).status, round(probe(path).duration)) == ("no_video", 4)
    status, reason = status_of(cut(path, part))
    assert status == "truncated"
    assert "declares 3.8 s" in reason or "declares 4.0 s" in reason


@pytest.mark.parametrize("size", [0, 0x7F000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_sound_that_was_written_into_a_pipe_is_whole(tmp_path: Path, size: int) -> None:
    path = _sound_file(tmp_path / "a.wav", "pcm_s16le")
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert (probe(path).status, round(probe(path).duration)) == ("no_video", 4)


def test_tail_of_zeros_is_truncated(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", pictures=noise(60), faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\0"))
    assert status_of(path)[0] == "truncated"


def test_hole_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", pictures=noise(90), faststart=True, codec="mpeg4")
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : 3 * len(data) // 4] = bytes(len(data) // 2)
    path.write_bytes(data)
    status, reason = status_of(path)
    assert status == "unreadable"
    assert "damaged around" in reason


def test_a_little_less_than_declared_is_fine(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", pictures=noise(60), faststart=True, codec="mpeg4")
    info, frames = frames_of(cut(path, 0.97))
    assert num_segments(info.duration) == 6
    assert len(frames) == len(info.frame_pts)


def test_hostile_file_names(tmp_path: Path) -> None:
    made = write_media(tmp_path / "a.mp4", seconds=1)
    for name in ["http:x.mp4", "concat:a.mp4|b.mp4", "%03d.mp4", "-i.mp4", "a b'\"<>&.mp4", "ü漢.mp4", "*.mp4"]:
        path = tmp_path / name
        path.write_bytes(made.read_bytes())
        assert probe(path).status == "no_audio"


def test_decoder_is_declared_with_its_version() -> None:
    declared = pyav_declaration()
    assert declared["name"] == "PyAV"
    assert {"version", "libavcodec", "libswscale", "libswresample"} <= set(declared)
    assert all(isinstance(value, str) for value in declared.values())


@pytest.mark.media
def test_real_clips(shared_data: Path) -> None:
    info = probe(shared_data / "data/media/BjCEufrlXm4.mp4")
    assert info.status == "ok"
    assert num_segments(info.duration) == 10
    assert len(info.frame_pts) == 300
    assert info.frame_times[1] == pytest.approx(12 / 359)
    decoding = Decoding(info, np.array([0, 150, 299]), RATE, 10.0)
    assert {frame.shape for _, frame in decoding.frames()} == {(240, 320, 3)}
    assert decoding.audio is not None
    assert decoding.audio.shape == (160000,)
    assert 0.01 < decoding.audio.std() < 0.5
    info = probe(shared_data / "data/media/no_audio_portrait.mp4")
    assert info.status == "no_audio"
    assert num_segments(info.duration) == 8
    decoding = Decoding(info, np.array([0, 100]), RATE, 8.0)
    assert {frame.shape for _, frame in decoding.frames()} == {(720, 406, 3)}
    assert decoding.audio is None
