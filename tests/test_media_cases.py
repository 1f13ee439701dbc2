"""What decoding means where files are odd: damaged sound, tracks, channels, and what the machine lacks."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.core.errors import DataError
from avreplay.extract import ExtractSettings, extract_videos, load_backbone
from avreplay.extract.media import opening
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import DECODING_RULE, MediaError, probe
from avreplay.extract.writing import configuration
from media_maker import (
    noise,
    overwritten,
    remuxed,
    shifted,
    write_clip,
    write_media,
)
from media_taken import ALL, FORMATS, MIDDLES, RATE, Taken, refusal, together

# damaged and missing sound


@pytest.mark.parametrize(("suffix", "codec", "audio_codec"), [f for f in FORMATS if f[2] != "pcm_s16le"])
@pytest.mark.parametrize("value", [b"\0", None], ids=["zeros", "noise"])
def test_damaged_sound_is_never_ok(
    tmp_path: Path, suffix: str, codec: str, audio_codec: str, value: bytes | None
) -> None:
    path = write_clip(tmp_path / f"a{suffix}", codec=codec, audio_codec=audio_codec)
    status, reason = refusal(overwritten(path, "audio", 3, 7, value))
    assert status in ("unreadable", "truncated")
    assert any(word in reason for word in ("damaged", "lost", "ends after", "cannot be read"))


def test_damaged_sound_is_named_or_noted(tmp_path: Path) -> None:
    long = overwritten(write_clip(tmp_path / "long.mp4"), "audio", 3, 7)
    assert refusal(long) == ("unreadable", "the sound is damaged from 3.0 to 7.0 s (aac)")
    short = Taken(overwritten(write_clip(tmp_path / "short.mp4"), "audio", 3.2, 3.7))
    assert short.status == "ok"
    assert short.notes == {"damaged_sound": "the sound is damaged at 3.2 s, for 0.49 s in all; it is silent there"}
    often = write_clip(tmp_path / "often.mp4")
    for k in range(30, 70):
        overwritten(often, "audio", k / 10, k / 10 + 0.05)
    assert refusal(often)[0] == "unreadable"


@pytest.mark.parametrize(("suffix", "codec", "audio_codec"), FORMATS)
def test_a_hole_in_the_file_is_never_ok(tmp_path: Path, suffix: str, codec: str, audio_codec: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", codec=codec, audio_codec=audio_codec)
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * 0.4), int(len(data) * 0.7)
    path.write_bytes(data[:first] + bytes(last - first) + data[last:])
    assert refusal(path)[0] in ("unreadable", "truncated")
    path.write_bytes(data[:first] + data[last:])
    assert refusal(path)[0] in ("unreadable", "truncated")


def test_sound_that_ends_before_its_index_does(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    data = bytearray(clip.read_bytes())
    sizes = data.rindex(b"stsz")  # of the sound: a packet beyond the end of the file
    count = int.from_bytes(data[sizes + 12 : sizes + 16], "big")
    assert count == 470
    data[sizes + 16 + 4 * 100 : sizes + 20 + 4 * 100] = (1 << 24).to_bytes(4, "big")
    clip.write_bytes(data)
    assert refusal(clip)[0] in ("truncated", "unreadable")


def test_frames_that_are_no_numbers_are_damage(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", seconds=6, channels=1, audio_codec="pcm_s16le")
    floats = tmp_path / "b.mkv"
    with av.open(str(floats), "w") as container:
        sound = container.add_stream("pcm_f32le", rate=8000, layout="mono")
        for k in range(60):
            block = np.full((1, 800), np.nan if 20 <= k < 40 else 0.1, np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
            frame.sample_rate, frame.pts = 8000, 800 * k
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert Taken(path).status == "ok"
    status, reason = refusal(floats)
    assert (status, reason[:30]) == ("unreadable", "the sound is damaged from 2.0 ")


# channels


@pytest.mark.parametrize("channels", range(1, 25))
def test_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    taken = Taken(write_clip(tmp_path / "a.mkv", seconds=3, layout=f"{channels}C", audio_codec="pcm_s16le"))
    assert (taken.status, taken.seconds, taken.notes) == ("ok", [1, 2, 3], {})


@pytest.mark.parametrize(
    ("layout", "codec"),
    [("7.1", "aac"), ("7.1", "flac"), ("5.1", "aac"), ("hexadecagonal", "pcm_s16le"), ("ambisonic 1", "libopus")],
)
def test_any_layout_of_channels(tmp_path: Path, layout: str, codec: str) -> None:
    options = {"mapping_family": "2"} if codec == "libopus" else None
    if options:
        path = tmp_path / "a.mkv"
        with av.open(str(path), "w") as container:
            sound = container.add_stream(codec, rate=48000, layout=layout, options=options)
            for k in range(150):
                block = np.full((1, 4 * 960), 0.1, np.float32)
                frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
                frame.sample_rate, frame.pts = 48000, 960 * k
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        assert Taken(path).status == "no_video"
        return
    taken = Taken(write_clip(tmp_path / "a.mkv", seconds=3, layout=layout, audio_codec=codec))
    assert (taken.status, taken.seconds, taken.notes) == ("ok", [1, 2, 3], {})


def test_sound_that_changes_its_kind_for_good_is_followed(tmp_path: Path) -> None:
    mono = write_clip(tmp_path / "mono.ts", seconds=3)
    stereo = write_clip(tmp_path / "stereo.ts", seconds=3, layout="stereo", rate=44100)
    assert Taken(together(tmp_path / "both.ts", mono, stereo)).seconds == [1, 2, 3, 1, 2, 3]


def test_sound_whose_time_stamps_do_not_survive_a_change_says_so(tmp_path: Path) -> None:
    """FFmpeg goes on counting in the former rate: what is wrong is the change, not the sound."""
    options = {"max_delay": "700000"}  # so that packets of the stream hold several of the sound
    stereo = write_clip(tmp_path / "stereo.ts", seconds=3, layout="stereo", options=options)
    half = write_clip(tmp_path / "half.ts", seconds=4, rate=24000, start=3, options=options)
    status, reason = refusal(together(tmp_path / "both.ts", stereo, half))
    assert status == "unreadable"
    assert reason.startswith("the sound changes from 2 channels of 48000 Hz to 1 channel of 24000 Hz at 3.0 s, and")


# tracks


def test_the_default_track_is_taken_as_ffmpeg_does(tmp_path: Path) -> None:
    tones, other = write_clip(tmp_path / "tones.mkv"), tmp_path / "silence.mkv"
    with av.open(str(other), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for k in range(470):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, 1024 * k
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    tracks = ["video", "audio", "audio"]
    for suffix in (".mp4", ".mkv"):
        for order, default, number in (([0, 1, 0], (0, 2), 2), ([0, 0, 1], (0, 1), 1), ([0, 0, 1], (0, 1, 2), 1)):
            files = [tones if k == 0 else other for k in order]
            taken = Taken(remuxed(files, tmp_path / f"a{suffix}", streams=tracks, default=default))
            assert taken.seconds == ALL
            assert taken.notes["track_chosen"] == f"audio track {number} of 2 was taken, as ffmpeg does"
    stereo = write_clip(tmp_path / "stereo.mkv", layout="stereo")
    more = remuxed([tones, other, stereo], tmp_path / "more.mkv", streams=tracks, default=(0,))
    assert Taken(more).seconds == ALL  # of equals, the one with more channels


def test_the_larger_picture_and_no_cover(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mkv", seconds=2)
    large = write_media(tmp_path / "large.mkv", pictures=noise(20, 96, 64))
    both = remuxed([small, large], tmp_path / "both.mkv", streams=["video", "video"], default=(0, 1))
    assert probe(both).video_index == 1  # Matroska's tracks are all default ones
    first = remuxed([small, large], tmp_path / "first.mkv", streams=["video", "video"], default=(0,))
    assert probe(first).video_index == 0
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as made, av.open(str(small)) as given:
        cover = made.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 640, 480, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = made.add_stream_from_template(given.streams.audio[0])
        made.mux(cover.encode(av.VideoFrame.from_ndarray(noise(1, 640, 480)[0], format="rgb24")))
        made.mux(cover.encode(None))
        for packet in given.demux(audio=0):
            if packet.size:
                packet.stream = sound
                made.mux(packet)
    taken = Taken(path)
    assert (taken.status, taken.reason) == ("no_video", "the file has no video stream")
    assert taken.notes["unused_track"] == "a cover image is no video and was left out"


@pytest.mark.parametrize(
    ("name", "tag", "other", "reason"),
    [
        ("a.mkv", b"A_AAC", b"A_XYZ", "there is no decoder for the audio stream (A_XYZ)"),
        ("a.mkv", b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVC", "there is no decoder for the video stream (V_MPEG9/ISO/AVC)"),
        ("a.mp4", b"mp4a", b"xy9z", "there is no decoder for the audio stream (xy9z)"),
        ("b.mp4", b"mp4v", b"xy9z", "there is no decoder for the video stream (xy9z)"),
        ("a.avi", b"FMP4", b"XY9Z", "there is no decoder for the video stream (XY9Z)"),
    ],
)
def test_a_codec_without_decoder_is_named(tmp_path: Path, name: str, tag: bytes, other: bytes, reason: str) -> None:
    path = write_clip(tmp_path / name, codec="mpeg4" if name in ("a.avi", "b.mp4") else "libx264")
    data = path.read_bytes()
    data = data.replace(tag, other) if name == "a.avi" else data.replace(tag, other, 1)
    if name.endswith(".mp4"):  # this names the codec once more
        at = data.index(b"esds", data.index(other))
        data = data[:at] + b"none" + data[at + 4 :]
    path.write_bytes(data)
    taken = Taken(path)
    assert (taken.status, taken.reason) == ("no_audio" if "audio" in reason else "no_video", reason)
    assert taken.seconds == (None if "audio" in reason else ALL)
    both = path.read_bytes()
    if name == "a.mkv":
        for found in (b"A_AAC", b"V_MPEG4/ISO/AVC"):
            both = both.replace(found, found[:2] + b"Q" + found[3:], 1)
        path.write_bytes(both)
        assert refusal(path)[0] == "unreadable"
        assert "no decoder for the video stream" in refusal(path)[1]


@pytest.mark.parametrize(("codec", "suffix"), [("libmp3lame", ".mp3"), ("flac", ".flac"), ("pcm_s16le", ".wav")])
def test_files_of_sound(tmp_path: Path, codec: str, suffix: str) -> None:
    clip = write_clip(tmp_path / "clip.mkv", audio_codec=codec)
    taken = Taken(remuxed(clip, tmp_path / f"a{suffix}", streams=["audio"]))
    assert (taken.status, taken.seconds) == ("no_video", ALL)


# what does not depend on the machine


def test_status_and_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for k in range(10):
        path = write_clip(folder / f"{k}.mp4", seconds=2, options={"movflags": "faststart"})
        data = bytearray(path.read_bytes())
        for at in rng.integers(len(data) // 3, len(data), 12 * k):
            data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
    stores = []
    for workers in (1, 2, 4):
        url = tmp_path / f"s{workers}"
        extract_videos(str(folder), str(url), load_backbone("demo"), settings=ExtractSettings(workers=workers))
        stores.append(open_store(url))
    records = [[(r.id, r.status, r.reason, r.segments, r.duration) for r in store.videos] for store in stores]
    assert records[0] == records[1] == records[2]
    assert len({status for _, status, *_ in records[0]}) > 1
    for other in stores[1:]:
        for name, array in stores[0].embeddings().items():
            assert np.array_equal(array, other.embeddings()[name], equal_nan=True)


@pytest.mark.media
def test_the_damaged_files_that_were_found(shared_data: Path) -> None:
    media = shared_data / "cases/media"
    assert refusal(media / "flipped_44_channels.mp4")[0] == "truncated"
    assert refusal(media / "status_by_workers.mov")[0] in ("truncated", "unreadable")


def test_too_many_open_files_and_a_bad_disk_are_no_property_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(path, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 8, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(path, os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files") as caught:
            probe(path)
        assert caught.value.errno == errno.EMFILE
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert probe(path).status == "ok"

    def fails(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert refusal(path)[0] == "truncated"
    monkeypatch.setattr(opening, "check_readable", fails)
    with pytest.raises(OSError, match="Input/output error"):  # what FFmpeg could not read was not the end of the file
        probe(path)


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        probe("/proc/self/mem")


@pytest.mark.parametrize(("memory", "raised"), [(False, MemoryError), (True, MediaError)])
def test_too_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool, raised: type[Exception]
) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=1)
    info = probe(path)

    def without(*_: object, **__: object) -> None:
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(opening, "_has_memory", lambda: memory)
    monkeypatch.setattr(av, "open", without)
    for attempt in (lambda: probe(path), lambda: list(Decoding(info, np.array([0]), RATE, 1.0).frames())):
        with pytest.raises(raised):
            attempt()


def test_nothing_wanted_of_a_file_without_sound(tmp_path: Path) -> None:
    info = probe(write_media(tmp_path / "a.mp4", seconds=1))
    assert list(Decoding(info, np.zeros(0, np.int64), RATE, 1.0).frames()) == []


# the rule's number


@pytest.mark.parametrize("stored", [DECODING_RULE - 1, None])
def test_embeddings_of_two_rules_never_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: int | None) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=1)
    declare = configuration.declare

    def former(*arguments: Any) -> dict[str, Any]:
        config = {**declare(*arguments), "decoding_rule": stored}
        return config if stored is not None else {k: v for k, v in config.items() if k != "decoding_rule"}

    def extract() -> None:
        extract_videos(str(path), str(tmp_path / "s"), load_backbone("demo"), settings=ExtractSettings())

    monkeypatch.setattr("avreplay.extract.writing.configuration.declare", former)
    extract()
    monkeypatch.undo()
    with pytest.raises(DataError, match=f"decoding_rule is {stored or 'not set'!r} in the store and {DECODING_RULE}"):
        extract()


def test_damaged_copies_give_a_status(tmp_path: Path) -> None:
    """Further ones: ``python tests/media_mutants.py 10000 1``."""
    script = Path(__file__).with_name("media_mutants.py")
    done = subprocess.run([sys.executable, script, "60", "0"], capture_output=True, text=True, cwd=script.parent)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bad"] == []
    assert sum(found["counts"].values()) == 60


# what the last search found


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libmp3lame"), (".mp4", "ac3"), (".mkv", "libmp3lame")])
@pytest.mark.parametrize(("begin", "end"), [(0, 4), (3, 7), (0, 10)])
@pytest.mark.parametrize("value", [b"\0", None], ids=["zeros", "noise"])
def test_sound_that_a_parser_drops_is_no_pause(
    tmp_path: Path, suffix: str, codec: str, begin: float, end: float, value: bytes | None
) -> None:
    path = overwritten(write_clip(tmp_path / f"a{suffix}", audio_codec=codec), "audio", begin, end, value)
    status, reason = refusal(path)
    assert status in ("unreadable", "truncated")
    assert any(words in reason for words in ("the sound is damaged", "the file ends after", "are lost"))
    alone = overwritten(
        remuxed(write_clip(tmp_path / "b.mkv", audio_codec=codec), tmp_path / f"c{suffix}", streams=["audio"]),
        "audio",
        begin,
        end,
        value,
    )
    assert refusal(alone)[0] in ("unreadable", "truncated")


def test_sound_may_pause(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", audio_codec="libmp3lame")

    def pausing(kind: str, number: int, packet: av.Packet) -> av.Packet | None:
        return None if kind == "audio" and 3 <= packet.pts * packet.time_base < 7 else packet

    taken = Taken(remuxed(clip, tmp_path / "pause.mkv", pausing))
    assert (taken.status, taken.seconds) == ("ok", [1, 2, 3, 0, 0, 0, 0, 8, 9, 10])
    assert list(taken.notes) == ["pause"]


def test_the_end_of_the_pictures_is_that_of_the_track(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", times=[0, 4, 50], channels=1, audio_seconds=60, rate=48000)
    assert probe(path).duration == pytest.approx(60, abs=0.1)


def test_unused_tracks_count_for_the_length_of_a_file(tmp_path: Path) -> None:
    short, long = write_clip(tmp_path / "short.mkv", seconds=4), write_clip(tmp_path / "long.mkv")
    tracks = ["video", "audio", "audio"]
    taken = Taken(remuxed([short, short, long], tmp_path / "a.mkv", streams=tracks, default=(0, 1)))
    assert (taken.status, taken.seconds) == ("ok", [1, 2, 3, 4, 0][: len(taken.seconds or [])])
    subtitles = tmp_path / "b.mkv"
    remuxed([short, long], subtitles, streams=["video", "audio"])
    data = subtitles.read_bytes()
    subtitles.write_bytes(data.replace(b"A_AAC", b"A_XYZ", 1))
    assert Taken(subtitles).status == "no_audio"


def test_a_track_that_changes_its_kind_is_refused(tmp_path: Path) -> None:
    both = write_clip(tmp_path / "both.ts")
    alone = remuxed(both, tmp_path / "alone.ts", streams=["audio"])
    for k, parts in enumerate([(alone, both), (both, alone)]):
        expected = "a track of the file changes between pictures and sound"
        assert refusal(together(tmp_path / f"{k}.ts", *parts)) == ("unreadable", expected)


def test_sound_alone_that_lacks_much(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", audio_codec="libmp3lame")
    for begin, end in ((3, 7), (0, 10)):
        path = overwritten(remuxed(clip, tmp_path / "a.mp3", streams=["audio"]), "audio", begin, end)
        assert refusal(path)[0] in ("truncated", "unreadable")


def test_fragments_with_a_pause_are_good(tmp_path: Path) -> None:
    def late(kind: str, number: int, packet: av.Packet) -> av.Packet:
        return shifted(packet, 0.18) if kind == "audio" and number else packet

    options = {"movflags": "frag_keyframe+empty_moov"}
    taken = Taken(remuxed(write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4", late, options=options))
    assert (taken.status, taken.seconds) == ("ok", [*ALL, 0][: len(taken.seconds or [])])
    assert "damaged_sound" not in taken.notes


@pytest.mark.parametrize("part", [0.5, 0.8])
def test_a_wmv_that_ends_early(tmp_path: Path, part: float) -> None:
    path = write_clip(tmp_path / "a.wmv", codec="mpeg4", audio_codec="libmp3lame")
    assert Taken(path).seconds == ALL
    data = path.read_bytes()
    for rest in (b"", bytes(len(data) - int(part * len(data)))):
        path.write_bytes(data[: int(part * len(data))] + rest)
        assert refusal(path)[0] in ("truncated", "unreadable")


@pytest.mark.parametrize("begin", [3, 7])
def test_zeros_in_a_program_stream_are_damage(tmp_path: Path, begin: int) -> None:
    path = write_clip(tmp_path / "a.mpg", codec="mpeg2video", audio_codec="mp2")
    data = path.read_bytes()
    path.write_bytes(data + bytes(4096))
    assert Taken(path).seconds == ALL
    first = len(data) * begin // 10
    path.write_bytes(data[:first] + bytes(len(data) - first))
    assert refusal(path)[0] in ("unreadable", "truncated")


@pytest.mark.parametrize("loud", [20.0, 1000.0])
def test_sound_far_beyond_full_scale_is_damage(tmp_path: Path, loud: float) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_f32le", rate=8000, layout="mono")
        for k in range(60):
            block = np.full((1, 800), loud if 20 <= k < 40 else 2.0, np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
            frame.sample_rate, frame.pts = 8000, 800 * k
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert refusal(path)[1][:30] == "the sound is damaged from 2.0 "


@pytest.mark.parametrize(("codec", "options"), [("libopus", {}), ("flac", {}), ("flac", {"page_duration": "100000"})])
def test_a_cut_ogg_is_truncated_or_noted(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    """Cut within a page it is truncated; between two pages it may be a live recording, and is taken with a note."""
    clip = write_clip(tmp_path / "clip.mkv", audio_codec=codec)
    whole = remuxed(clip, tmp_path / "whole.ogg", streams=["audio"], options=options)
    taken = Taken(whole)
    assert (taken.status, taken.seconds, taken.notes) == ("no_video", ALL, {})
    data = whole.read_bytes()
    pages = [k for k in range(len(data)) if data[k : k + 4] == b"OggS"]
    path = tmp_path / "a.ogg"
    for cut_at in (len(data) // 2, pages[-1] + 20, pages[-1] + 40, len(data) - 1):
        path.write_bytes(data[:cut_at])
        assert refusal(path) == ("truncated", "the file ends in the middle of a page (Ogg)")
    path.write_bytes(data[: pages[-1]])
    assert "open_end" in Taken(path).notes
    assert Taken(together(path, whole, whole)).seconds == ALL + ALL


class Pipe:
    """What FFmpeg can write to, and not come back in."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> int:
        self.written += bytes(data)
        return len(data)


@pytest.mark.parametrize("audio_codec", ["libmp3lame", "mp2", "ac3", "pcm_s16le"])
def test_an_avi_from_a_pipe_is_as_long_as_it_is(tmp_path: Path, audio_codec: str) -> None:
    clip, pipe = write_clip(tmp_path / "clip.mkv", codec="mpeg4", audio_codec=audio_codec), Pipe()
    with av.open(str(clip)) as given, av.open(pipe, "w", format="avi") as made:
        tracks = {track.index: made.add_stream_from_template(track) for track in given.streams}
        for packet in given.demux():
            if packet.size:
                packet.stream = tracks[packet.stream_index]
                made.mux(packet)
    path = tmp_path / "a.avi"
    path.write_bytes(pipe.written)
    taken = Taken(path)
    assert (taken.status, taken.seconds, taken.notes) == ("ok", ALL, {})
    assert taken.shows(MIDDLES)
    for part in (0.77, 0.3):
        path.write_bytes(pipe.written[: int(len(pipe.written) * part) | 1])  # chunks begin at even bytes
        assert refusal(path)[0] == "truncated"
