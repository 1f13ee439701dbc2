"""The media files that the explorer shows: which is which id, what a browser plays, previews, thumbnails, sound."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.encoding.sampling import frame_at
from avreplay.extract.for_explorer import media, preview_job, previews
from avreplay.extract.for_explorer.envelope import EnvelopeJob, in_bins
from avreplay.extract.for_explorer.header import HeaderJob
from avreplay.extract.for_explorer.media import MediaLibrary
from avreplay.extract.media.decode_process import Decoders
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.probe import probe
from avreplay.extract.media.trouble import Trouble
from hypothesis import given, settings
from hypothesis import strategies as st
from media_maker import cut, remuxed, shifted, shown_number, turn, write_clip, write_media, write_moving

PLAYED = "playable"


def late(kind: str, seconds: float) -> Any:
    return lambda of, number, packet: shifted(packet, seconds) if of == kind else packet


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of `write_clip`, 6 s long, in what cameras, browsers and archives write; by what becomes of them."""
    folder = tmp_path_factory.mktemp("clips")
    mp4 = write_clip(folder / "mp4.mp4", seconds=6)
    webm = write_clip(folder / "webm.webm", seconds=6, codec="libvpx", audio_codec="libopus")
    write_clip(folder / "mov.mov", seconds=6)
    remuxed(mp4, folder / "late-pictures.mp4", late("video", 2))
    remuxed(mp4, folder / "late-sound.mp4", late("audio", 2))
    remuxed(webm, folder / "late-pictures-webm.webm", late("video", 2))
    remuxed(mp4, folder / "fragments.mp4", options={"movflags": "frag_keyframe+empty_moov"})
    remuxed(mp4, folder / "silent.mp4", streams=["video"])
    remuxed(mp4, folder / "sound.m4a", streams=["audio"])
    write_clip(folder / "avi.avi", seconds=6, codec="mpeg4", audio_codec="mp3")
    write_clip(folder / "ts.ts", seconds=6)
    write_clip(folder / "mpg.mpg", seconds=6, codec="mpeg2video", audio_codec="mp2")
    remuxed(mp4, folder / "mkv.mkv")
    remuxed(mp4, folder / "mkv-late-pictures.mkv", late("video", 2))
    write_clip(folder / "mpeg4.mp4", seconds=6, codec="mpeg4")
    write_clip(folder / "starts-at-5.mp4", seconds=6, start=5)
    remuxed([mp4, mp4, mp4], folder / "two-sounds.mp4", streams=["video", "audio", "audio"], default=[0, 2])
    write_media(folder / "444.mp4", size=(33, 25), seconds=2)
    (folder / "nothing.mp4").write_bytes(b"")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    cut(write_clip(folder / "cut.mp4", seconds=3), 0.5)
    cut(write_clip(folder / "cut-avi.avi", seconds=6, codec="mpeg4", audio_codec="mp3"), 0.5)
    return folder


@pytest.fixture(scope="module")
def library(clips: Path) -> Iterator[MediaLibrary]:
    with MediaLibrary([clips], [path.stem for path in clips.iterdir()] + ["gone"]) as made:
        yield made


def grey(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as picture:
        return shown_number(next(picture.decode(video=0)).to_ndarray(format="rgb24"))


def shown_at(path: Path, times: list[float]) -> list[int]:
    """The numbers of the pictures that a player shows at times of a file, by its own time stamps."""
    with av.open(str(path)) as opened:
        pictures = [(frame.time, shown_number(frame.to_ndarray(format="rgb24"))) for frame in opened.decode(video=0)]
    return [[number for begin, number in pictures if begin <= at + 1e-6 or begin == pictures[0][0]][-1] for at in times]


def extracted_at(path: Path, times: list[float]) -> list[int]:
    """The same by time of the store, as extraction finds them."""
    info = probe(path)
    with av.open(str(path)) as opened:
        frames = [(frame.pts, shown_number(frame.to_ndarray(format="rgb24"))) for frame in opened.decode(video=0)]
    by_time = [number for _, number in sorted((pts or 0, number) for pts, number in frames)]
    return [by_time[k] for k in frame_at(info.frame_times, np.array(times)).tolist()]


@pytest.mark.parametrize(
    ("id", "state", "why"),
    [
        *((id, PLAYED, "") for id in ("mp4", "webm", "mov", "late-pictures", "late-sound", "late-pictures-webm",
                                      "fragments", "silent", "sound")),
        ("avi", "preview", "do not play files of the format avi"),
        ("ts", "preview", "do not play files of the format mpegts"),
        ("mpg", "preview", "do not play files of the format mpeg"),
        ("mkv", "preview", "do not play files of the format matroska"),
        ("mpeg4", "preview", "do not play mpeg4 pictures in MP4 files"),
        ("444", "preview", "do not play pictures of the kind yuv444p"),
        ("two-sounds", "preview", "several tracks"),
        ("starts-at-5", "preview", "begin at 4.98 s, which players count differently"),
        ("nothing", "unreadable", "nothing.mp4 cannot be shown: the file has 0 bytes"),
        ("noise", "unreadable", "not a video in a format that can be read"),
        ("cut", "unreadable", "moov"),
        ("gone", "missing", "no file of 'gone'"),
        ("never heard of", "missing", "no file of 'never heard of'"),
    ],
)  # fmt: skip
def test_what_can_be_shown_of_a_file(library: MediaLibrary, id: str, state: str, why: str) -> None:
    found = library.media(id)
    assert (found.state, found.offset) == (state, 0.0)
    assert why in found.why
    assert (found.why == "") == (state == PLAYED)
    assert library.has_file(id) == (state != "missing")
    if state in ("missing", "unreadable"):
        for ask in (library.file, lambda id: library.thumbnails(id, 0, 1, 1), lambda id: library.waveform(id, 0, 1, 1)):
            with pytest.raises(DataError) as told:
                ask(id)
            assert str(told.value) == found.why


@pytest.mark.parametrize(
    "id", ["mp4", "webm", "late-pictures", "late-sound", "late-pictures-webm", "avi", "mpg", "ts",
           "mkv-late-pictures", "starts-at-5", "two-sounds"],
)  # fmt: skip
def test_player_thumbnails_and_sound_are_on_the_clock_of_extraction(
    library: MediaLibrary, clips: Path, id: str
) -> None:
    (source,) = clips.glob(f"{id}.*")
    times, images = library.thumbnails(id, 0, 6, 8)
    assert times == pytest.approx([0.375 + 0.75 * k for k in range(8)])
    wanted = np.array(extracted_at(source, times))
    assert np.abs(np.array([grey(image) for image in images]) - wanted).max() <= 1  # levels of JPEG
    served, offset = library.file(id), library.media(id).offset
    assert np.abs(np.array(shown_at(served.path, [at + offset for at in times])) - wanted).max() <= 1
    assert served.content_type == ("video/webm" if "webm" in id else "video/mp4")

    low, high = library.waveform(id, 0, 10, 1000)
    loud = (high - low) > 0.5
    spans = probe(source).sound_spans
    assert loud[int(spans[0, 0] * 100) + 15 : int(spans[-1, 1] * 100) - 15].all()
    assert not loud[: max(0, int(spans[0, 0] * 100) - 15)].any()
    assert not loud[int(spans[-1, 1] * 100) + 15 :].any()


def test_a_preview_is_small_and_turned_as_it_is_shown(tmp_path: Path) -> None:
    picture = np.zeros((240, 1280, 3), np.uint8)
    picture[:, :640] = 255
    made = turn(write_media(tmp_path / "wide.mp4", pictures=[picture] * 10, codec="mpeg4", channels=2), 0, 1, -1, 0)
    with MediaLibrary([made], ["wide"]) as library:
        served = library.file("wide")
        assert library.file("wide") is served
        assert served.path.stat().st_size < 100_000
        with av.open(str(served.path)) as opened:
            frame = next(opened.decode(video=0))
            assert (frame.width, frame.height) == (90, 480)
            assert {stream.codec_context.name for stream in opened.streams} == {"h264", "aac"}
            assert frame.format.name == "yuv420p"
        for pixels in (
            frame,
            *(next(av.open(io.BytesIO(j)).decode(video=0)) for j in library.thumbnails("wide", 0, 1, 1)[1]),
        ):
            grey = pixels.to_ndarray(format="gray")
            assert grey[: len(grey) // 3].mean() > 200 > 50 > grey[-len(grey) // 3 :].mean()
        assert max(pixels.width, pixels.height) == 160


def test_ids_are_those_of_extraction(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    data = (clips / "mp4.mp4").read_bytes()
    for name in ("a b", "ünï", "-Kx_9", "..odd", "x" * 80):
        (tmp_path / "below" / f"{name}.mp4").write_bytes(data)
    Path(os.fsdecode(os.fsencode(tmp_path / "below") + b"/\xff.mp4")).write_bytes(data)
    with MediaLibrary([tmp_path], ["a b", "ünï", "-Kx_9_10_20", "x" * 80, "\\xff", "no"], recursive=True) as library:
        assert library.note == "1 of 6 videos have no file here, say 'no'"
        assert [library.media(id).state for id in ("a b", "ünï", "-Kx_9_10_20", "x" * 80)] == [PLAYED] * 4
        odd = library.media("\\xff")
        assert (odd.state, "rename the file" in odd.why) == ("unreadable", True)
        json.dumps(odd.why).encode()
    (tmp_path / "a b.webm").write_bytes(data)
    with pytest.raises(UsageError, match="would both be video 'a b'"):
        MediaLibrary([tmp_path], ["a b"], recursive=True)
    with pytest.raises(UsageError, match="no file of any of the store's 2 videos, say 'p'"):
        MediaLibrary([clips], ["q", "p"])
    with pytest.raises(UsageError, match="there is no file or folder"):
        MediaLibrary([clips / "nowhere"], ["p"])


def test_a_file_is_looked_at_again_once_it_has_changed(clips: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"not yet a video")
    with MediaLibrary([tmp_path], ["v"]) as library:
        assert library.media("v").state == "unreadable"
        path.write_bytes((clips / "mp4.mp4").read_bytes())
        assert library.media("v").state == PLAYED
        path.unlink()
        assert (library.media("v").state, library.media("v").why) == ("missing", "the file v.mp4 is not there any more")
        with pytest.raises(DataError, match="not there any more"):
            library.file("v")


def test_a_preview_is_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    """Replaced by another one, by one that is no video, and by one again; and where its folder was cleaned away."""
    with MediaLibrary([write_media(tmp_path / "clip.avi", seconds=1, codec="mpeg4")], ["clip"]) as library:
        made = [library.file("clip").path]
        with pytest.raises(DataError, match=r"clip\.avi cannot be shown: the file has no audio"):
            library.waveform("clip", 0, 1, 4)
        write_media(tmp_path / "clip.avi", seconds=3, codec="mpeg4")
        made.append(library.file("clip").path)
        assert round(probe(made[1]).duration) == 3
        assert not made[0].exists()
        (tmp_path / "clip.avi").write_bytes(b"no video" * 100)
        with pytest.raises(DataError, match="not a video"):
            library.file("clip")
        write_media(tmp_path / "clip.avi", seconds=2, codec="mpeg4")
        shutil.rmtree(made[1].parent)
        made.append(library.file("clip").path)
        assert round(probe(made[2]).duration) == 2
        assert made[2].parent.stat().st_mode & 0o777 == 0o700


def test_a_preview_that_cannot_be_made_says_why_each_time(library: MediaLibrary) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match=r"cut-avi\.avi cannot be shown: the file ends after"):
            library.file("cut-avi")


def test_many_threads_get_one_preview_and_closing_removes_it(clips: Path) -> None:
    library = MediaLibrary([clips], ["mpg", "mp4"])
    with ThreadPoolExecutor(12) as pool:
        files = [pool.submit(library.file, "mpg") for _ in range(4)]
        sounds = [pool.submit(library.waveform, "mp4", 0, 6, 50) for _ in range(4)]
        pictures = [pool.submit(library.thumbnails, "mp4", k, k + 2, 3) for k in range(4)]
        assert len({file.result().path for file in files}) == 1
        assert all(np.array_equal(sound.result()[1], sounds[0].result()[1]) for sound in sounds)
        assert [len(picture.result()[1]) for picture in pictures] == [3] * 4
    folder = files[0].result().path.parent
    assert (folder.stat().st_mode & 0o777, len(list(folder.iterdir()))) == (0o700, 1)
    library.close()
    library.close()
    assert not folder.exists()
    with pytest.raises(DataError, match="closing"):
        library.file("mpg")


@dataclass(frozen=True)
class Deadly:
    """Ends the process that decodes as a decoder that crashes does, or hangs in it, or runs out of memory."""

    target: str = ""
    hang: bool = False
    full: bool = False

    def items(self, video: VideoFile) -> Iterator[float]:
        yield 0.5
        if self.full:
            raise Trouble("failed", "memory ran out while it was decoded")
        if self.hang:
            time.sleep(60)
        os.abort()


def test_a_decoder_that_crashes_costs_a_sentence(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MediaLibrary([clips], ["mpg", "mp4"]) as library:
        monkeypatch.setattr(previews, "PreviewJob", Deadly)
        monkeypatch.setattr(media, "ThumbnailJob", lambda times, origin: Deadly())
        for ask in (lambda: library.file("mpg"), lambda: library.thumbnails("mp4", 0, 1, 1)):
            with pytest.raises(DataError, match=r"cannot be shown: the decoder crashed \(SIGABRT\)"):
                ask()
        assert library.waveform("mp4", 0, 1, 1)[1][0] > 0.3


def test_what_the_machine_lacked_is_not_held_against_the_file(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MediaLibrary([clips], ["mpg", "mp4"]) as library, monkeypatch.context() as short:
        short.setattr(previews, "PreviewJob", lambda target: Deadly(target, full=True))
        short.setattr(media, "HeaderJob", lambda: Deadly(full=True))
        assert library.media("mp4").why == "mp4.mp4 cannot be shown: memory ran out while it was decoded"
        short.setattr(media, "HeaderJob", HeaderJob)
        assert library.media("mp4").state == PLAYED
        with pytest.raises(DataError, match="memory ran out"):
            library.file("mpg")
        short.setattr(previews, "PreviewJob", preview_job.PreviewJob)
        assert library.file("mpg").path.stat().st_size > 0


def test_closing_ends_what_is_being_made(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "PreviewJob", lambda target: Deadly(target, hang=True))
    library = MediaLibrary([clips], ["mpg", "avi"])
    told: list[str] = []

    def ask(id: str) -> None:
        try:
            library.file(id)
        except DataError as error:
            told.append(str(error))

    threads = [threading.Thread(target=ask, args=(id,)) for id in ("mpg", "avi")]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while 0.5 not in (library.progress("mpg"), library.progress("avi")) and time.monotonic() < deadline:
        time.sleep(0.01)
    library.close()
    for thread in threads:
        thread.join(10)
    assert len(told) == 2
    assert all("closing" in line for line in told)


def test_a_long_file_gets_key_pictures_and_all_of_its_sound(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_job, "LONG_SECONDS", 5.0)
    monkeypatch.setattr(media, "LONG_SECONDS", 5.0)
    monkeypatch.setattr(media, "Decoders", partial(Decoders, False))  # where these seconds are known
    made = write_moving(tmp_path / "moving.mp4", gop=20)
    path = remuxed([made, clips / "mp4.mp4"], tmp_path / "long.mkv")
    with MediaLibrary([path], ["long"]) as library:
        with av.open(str(library.file("long").path)) as opened:
            assert opened.duration / 1e6 == pytest.approx(10, abs=0.1)
            assert [round(frame.time) for frame in opened.decode(video=0)] == [0, 2, 4, 6, 8, 10]  # the last one stands
            (sound,) = opened.streams.audio
            assert sound.duration * sound.time_base == pytest.approx(6, abs=0.1)
        assert len(set(library.thumbnails("long", 0, 10, 5)[1])) == 5
        low, high = library.waveform("long", 0, 10, 10)
        loud = ((high - low) > 0.3).tolist()
        assert (loud[:6], loud[7:]) == ([True] * 6, [False] * 3)  # a codec's last packet may reach beyond 6 s


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000), st.floats(0, 12), st.floats(0.001, 12), st.integers(1, 200), st.integers(0, 2**31))
def test_bins_hold_the_lowest_and_highest_step(size: int, start: float, length: float, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    envelope = np.stack([-rng.random(size), rng.random(size)]).astype(np.float16)
    low, high = in_bins(envelope, start, start + length, bins)
    edges = np.linspace(start, start + length, bins + 1) * 200
    for k in range(bins):
        first, until = int(np.floor(edges[k] + 1e-6)), int(np.ceil(edges[k + 1] - 1e-6))
        inside = envelope[:, first : max(until, first + 1)]
        beyond = max(until, first + 1) > size
        assert low[k] == min(*inside[0], *([0.0] if beyond else []), np.inf)
        assert high[k] == max(*inside[1], *([0.0] if beyond else []), -np.inf)


@pytest.mark.parametrize("seconds", [59.9, 60.0, 121.3])
def test_an_envelope_is_that_of_the_whole_sound(tmp_path: Path, seconds: float) -> None:
    rng = np.random.default_rng(1)
    wave = np.round(rng.random(round(seconds * 8000)) * 20000 - 10000).astype(np.int16)
    with av.open(str(tmp_path / "noise.wav"), "w") as made:
        sound = made.add_stream("pcm_s16le", rate=8000, layout="mono")
        chunk = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        chunk.sample_rate = 8000
        made.mux(sound.encode(chunk))
        made.mux(sound.encode(None))
    parts = list(EnvelopeJob(0.0).items(VideoFile("", tmp_path / "noise.wav")))
    found = np.concatenate(parts, axis=1).astype(np.float32)
    steps = np.concatenate([wave, np.zeros(-len(wave) % 40, np.int16)]).reshape(-1, 40) / 32768
    assert found.shape == (2, len(steps))
    assert np.abs(found - np.stack([steps.min(1).clip(max=0), steps.max(1).clip(min=0)])).max() < 2e-4


@pytest.mark.parametrize(
    ("span", "count"), [((0, 0), 1), ((2, 1), 1), ((-1, 1), 1), ((float("nan"), 1), 1), ((0, float("inf")), 1),
                        ((0, 1), 0), ((0, 1), 10_001)],
)  # fmt: skip
def test_impossible_spans_are_refused(library: MediaLibrary, span: tuple[float, float], count: int) -> None:
    with pytest.raises(UsageError, match=r"no span of seconds|cannot be made; give from 1"):
        library.waveform("mp4", *span, count)
    with pytest.raises(UsageError, match=r"no span of seconds|cannot be made; give from 1"):
        library.thumbnails("mp4", *span, count)
