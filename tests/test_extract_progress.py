"""Progress of an extraction: videos done, seconds read within a long one, a rate and a time left that are true."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from avreplay.extract import ExtractSettings, extract_videos, import_embeddings
from avreplay.extract.course import Course, State
from avreplay.extract.encoding.encode import Rows
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media import decode
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.find_videos import find_videos
from avreplay.extract.progress import progress_line
from avreplay.extract.summary import Clock
from avreplay.extract.writing.devices import Job, run_on_devices
from fake_backbone import FakeBackbone
from media_maker import grey, write_media
from rich.console import Console

LABELS = ("dog", "cat")


class Spent(Clock):
    """A clock of given seconds."""

    def __init__(self, **seconds: float) -> None:
        super().__init__()
        self.seconds.update(seconds)


def rows(count: int, filled: int = 0) -> Rows:
    plan = SimpleNamespace(pictures=range(count), sequences=(), sounds=(), frames=(), pairs=())
    made = Rows("v", plan, np.zeros((count, 1), np.float32), np.zeros((0, 1, 1)), *[np.zeros((0, 1))] * 3)  # type: ignore
    made.filled = filled
    return made


def text_of(state: State, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(progress_line(state))
    return out.getvalue()


def test_a_video_counts_when_it_is_encoded_not_when_it_is_read() -> None:
    course = Course(10, Spent(decode_wait=1.0, encode=1.0))
    waiting = rows(10)
    for k in range(8):  # decoding is far ahead
        course.begun(f"v{k}", 10.0)
        course.whole(f"v{k}")
    course.encoding("v0", waiting)
    assert course.state().done == 0
    assert course.state().left is None  # nothing says what encoding costs
    assert "videos/s" not in text_of(course.state())
    waiting.filled = 5
    assert course.state().done == 0
    # encoding took 1 s for a twentieth of all, reading 1 s for eight tenths
    assert course.state().left == pytest.approx(19 + 0.25)
    waiting.filled = 10
    assert course.state().done == 1
    course.encoding("v1", rows(10))
    assert course.state().done == 1
    course.settle()
    assert course.state().done == 2


def test_a_long_video_moves_while_it_is_read_and_encoded() -> None:
    course, of = Course(1, Spent(decode_wait=3.0, encode=1.0)), rows(100)
    course.read("walk", 3.0)  # of a decoder that was given up
    assert course.state().current == ""
    course.begun("walk", 1800.0)
    seen = []
    for seconds, filled in ((0, 0), (600, 0), (1200, 40), (5000, 80)):
        course.read("walk", seconds)
        of.filled = filled
        course.encoding("walk", of)
        seen.append(course.state())
    assert [s.current for s in seen] == [
        "walk: 0 of 1,800 s read, 0% encoded", "walk: 600 of 1,800 s read, 0% encoded",
        "walk: 1,200 of 1,800 s read, 40% encoded", "walk: 1,800 of 1,800 s read, 80% encoded",
    ]  # fmt: skip
    assert [s.share for s in seen] == sorted({s.share for s in seen})
    assert seen[2].left == pytest.approx(3.0 / 2 + 1.0 * 1.5)
    assert {s.done for s in seen} == {0}


def test_what_gives_no_data_is_done_and_what_has_no_file_is_not_counted(tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", seconds=2, channels=1)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    seen = Seen()
    ids = ["a", "b", *(f"absent {k}" for k in range(500))]
    extract_videos(tmp_path, tmp_path / "s", FakeBackbone(), LABELS, ids=ids, progress=seen.show)
    assert (seen.states[-1].done, seen.states[-1].files, seen.states[-1].share) == (2, 2, 1.0)


class Seen:
    """Keeps the states of an extraction, asked for as often as possible."""

    def __init__(self) -> None:
        self.states: list[State] = []

    @contextmanager
    def show(self, state: Callable[[], State]) -> Iterator[None]:
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.002):
                self.states.append(state())

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.states.append(state())


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    write_media(folder / "walk.mp4", seconds=0, pictures=[grey(k, 64, 48) for k in range(25)] * 36, channels=1,
                audio_seconds=90)  # fmt: skip
    return folder


@pytest.mark.media
def test_seconds_of_media_are_counted_as_they_are_read(
    long_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "READ_SECONDS", 0.0)
    seen = Seen()
    settings = ExtractSettings(windows="none", decode_in="threads", workers=1)
    extract_videos(long_video, tmp_path / "s", FakeBackbone(), LABELS, settings, progress=seen.show)
    read = [float(s.current.split()[1]) for s in seen.states if s.current.endswith(" 0% encoded")]
    assert len(set(read)) > 2  # it moves before anything is encoded
    assert read == sorted(read)
    assert all("of 90 s read" in s.current for s in seen.states if s.current)
    assert (seen.states[-1].share, seen.states[-1].done) == (1.0, 1)


@pytest.mark.media
@pytest.mark.process
@pytest.mark.parametrize("processes", [False, True])
def test_every_decoder_says_what_it_has_read(long_video: Path, processes: bool) -> None:
    job = DecodeJob(Planner.of(FakeBackbone().spec, ExtractSettings(windows="none")), 16000, 1.0)
    reported: list[float] = []
    with Decoders(processes) as decoders:
        (video,) = find_videos(long_video)
        watched = list(decoders.items(video, job, reported.append))
        assert len(list(decoders.items(video, job))) == len(watched)  # nobody listens
    assert reported
    assert all(-1 <= seconds <= 91 for seconds in reported)


@pytest.mark.media
def test_what_is_read_is_the_same_whoever_looks(long_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avreplay.extract.media.probe import probe

    info = probe(long_video / "walk.mp4")
    monkeypatch.setattr(decode, "READ_SECONDS", 0.0)
    reported: list[float] = []
    frames = np.arange(0, len(info.frame_pts), 50)
    alone = decode.Decoding(info, frames, 16000, info.duration)
    watched = decode.Decoding(info, frames, 16000, info.duration, read=reported.append)
    for (i, a), (j, b) in zip(alone.frames(), watched.frames(), strict=True):
        assert i == j
        assert np.array_equal(a, b)
    assert np.array_equal(alone.audio, watched.audio)
    assert len(reported) > 500
    assert min(reported) <= 1
    assert max(reported) == pytest.approx(90, abs=1)
    with av.open(str(long_video / "walk.mp4")) as file:
        assert len(reported) <= sum(1 for _ in file.demux())


@pytest.mark.media
@pytest.mark.process
def test_processes_of_several_devices_say_how_far_they_are(tmp_path: Path) -> None:
    for k in range(6):
        write_media(tmp_path / f"videos/v{k}.mp4", seconds=2, channels=1) if k else (tmp_path / "videos").mkdir()
    seen = Seen()
    job = Job((str(tmp_path / "videos"),), str(tmp_path / "s"), "demo", {}, LABELS, ExtractSettings(shard_videos=2))
    run_on_devices(job, ["cpu", "cpu"], seen.show)
    assert (seen.states[-1].done, seen.states[-1].files, seen.states[-1].share) == (5, 5, 1.0)


def test_states_of_processes_are_put_together() -> None:
    some = [State(1, 4, 0.5, 8.0, 8.0, ""), State(2, 4, 0.25, 9.0, 24.0, "walk: 3 s")]
    assert State.together(some) == State(3, 8, 0.375, 9.0, 24.0, "walk: 3 s")
    assert State.together([*some, State(0, 1, 0.0, 1.0, None, "")]).left is None
    assert State.together([]) == State(0, 0, 0.0, 0.0, None, "")


def test_the_line() -> None:
    line = text_of(State(13, 40, 0.3, 10.0, 20.4, "[red]walk\x1b[31m: 612 of 1,800 s read, 35% encoded"))
    assert "13/40" in line
    assert "1.3 videos/s left: 0:00:20" in line
    assert "[red]walk" in line
    assert "\x1b" not in line
    assert "0.005 videos/s left: 2:00:00" in text_of(State(1, 40, 0.3, 200.0, 7200.0, ""))
    assert len(text_of(State(13, 40, 0.3, 10.0, 20.0, "x" * 300), 80).splitlines()[0]) <= 80


def test_an_import_says_how_many_videos_are_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f").mkdir()
    for k in range(7):
        np.save(tmp_path / f"f/v{k}_a.npy", np.ones((10, 3), np.float32))
    (tmp_path / "m.toml").write_text('[embeddings]\n[embeddings.audio]\npath = "{id}_a.npy"\n')
    import_embeddings(tmp_path / "f", tmp_path / "quiet", tmp_path / "m.toml")
    assert capfd.readouterr() == ("", "")
    import_embeddings(tmp_path / "f", tmp_path / "s", tmp_path / "m.toml", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "importing" in err
    assert "7/7" in err
