"""What goes wrong costs one video, or the shard in hand, and never the store."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cache.layout.location import Location
from avreplay.cli import main
from avreplay.core.errors import DataError, Interrupted
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media import prefetch
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.trouble import Trouble
from avreplay.extract.writing.interrupt import stop_on_interrupt
from click.testing import CliRunner
from deadly_planner import Deadly
from fake_backbone import FakeBackbone
from media_maker import write_media
from store_files import tree

LABELS = ("Dog", "Speech")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k in range(5):
        write_media(folder / f"v{k}.mp4", seconds=2 + k, channels=1)
    return folder


@pytest.mark.parametrize(
    ("windows", "reason"),
    [("all", r"the decoder crashed (SIGSEGV)"), ("multiscale", "the decoder gave nothing for 4 s")],
)
def test_a_decoder_that_crashes_or_hangs_takes_one_video(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: str, reason: str
) -> None:
    monkeypatch.setattr("avreplay.extract.writing.extract.Planner", Deadly)
    settings = ExtractSettings(windows=windows, workers=2, video_timeout=4)
    summary = extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings)
    assert summary.counts == {"ok": 4, "unreadable": 1}
    assert [(r.id, r.reason) for r in summary.failures] == [("v2", reason)]
    assert verify_store(tmp_path / "s") == []


def test_a_process_killed_from_outside_takes_one_video(world: Path) -> None:
    job = DecodeJob(Planner.of(FakeBackbone().spec, ExtractSettings()), 16000, 1.0)
    with Decoders() as decoders:
        items = decoders.items(VideoFile("v0", world / "v0.mp4"), job)
        next(items)
        decoders.interrupt()
        with pytest.raises(Trouble, match=r"was killed \(SIGKILL\), as happens where memory runs out") as caught:
            list(items)
        assert caught.value.status == "failed"
        assert len(list(decoders.items(VideoFile("v1", world / "v1.mp4"), job))) == 3


def test_a_thread_that_hangs_takes_one_video(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    real = prefetch.probe

    def probe(path):  # type: ignore[no-untyped-def]
        if path.stem in ("v1", "v2"):
            release.wait(60)
        return real(path)

    monkeypatch.setattr(prefetch, "probe", probe)
    try:
        settings = ExtractSettings(workers=2, video_timeout=1.5, decode_in="threads")
        summary = extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings)
    finally:
        release.set()
    assert summary.counts == {"ok": 3, "unreadable": 2}
    assert {r.reason for r in summary.failures} == {"the decoder gave nothing for 1.5 s"}


def test_too_little_memory_to_decode_takes_one_video(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = prefetch.probe

    def probe(path):  # type: ignore[no-untyped-def]
        if path.stem == "v1":
            raise MemoryError
        return real(path)

    monkeypatch.setattr(prefetch, "probe", probe)
    summary = extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, ExtractSettings(decode_in="threads"))
    assert [(r.id, r.status) for r in summary.failures] == [("v1", "failed")]
    assert summary.failures[0].reason == "memory ran out while it was decoded"


class Interrupting(FakeBackbone):
    """Presses Ctrl-C once or twice, in the second shard."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        if len(frames) == 4:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
        return super().encode_images(frames)


@pytest.mark.parametrize(("times", "kept"), [(1, 4), (2, 2)])
def test_ctrl_c_finishes_the_current_shard_and_twice_stops_at_once(
    world: Path, tmp_path: Path, times: int, kept: int, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ExtractSettings(shard_videos=2)
    with pytest.raises(Interrupted, match=rf"{kept} of 5 videos are in .*run the same command again") as caught:
        extract_videos(world, tmp_path / "s", Interrupting(times), LABELS, settings)
    assert caught.value.exit_code == 130
    assert "stopping when the current shard is written" in capfd.readouterr().err
    assert len(open_store(tmp_path / "s").videos) == kept
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings)
    extract_videos(world, tmp_path / "whole", FakeBackbone(), LABELS, settings)
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_ctrl_c_in_the_last_shard_loses_nothing(world: Path, tmp_path: Path) -> None:
    summary = extract_videos(world, tmp_path / "s", Interrupting(1), LABELS)
    assert summary.counts == {"ok": 5}


def test_a_handler_of_the_program_is_left_alone() -> None:
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with stop_on_interrupt() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            assert not stop
        assert seen == [1]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("more", [[], ["--devices", "cpu,cpu"]])
def test_the_command_exits_130(world: Path, tmp_path: Path, more: list[str]) -> None:
    command = ["extract", str(world), "--store", str(tmp_path / "s"), "--shard-videos", "1", "--no-calibration"]
    code = f"from avreplay.cli import main\nif __name__ == '__main__': main({command + more!r})"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "s/shards/00000/zarr.json").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    store = open_store(tmp_path / "s")
    if child.returncode == 0:
        assert store.complete  # it was faster than the signal
    else:
        assert child.returncode == 130
        assert "run the same command again" in err
        assert 1 <= len(store.videos) < 5


def test_a_full_disk_leaves_a_valid_store(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ExtractSettings(shard_videos=2)
    real = Location.write
    written = []

    def write(self, name, array, chunk_rows):  # type: ignore[no-untyped-def]
        written.append(name)
        if name == "shards/00001/audio_clip":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, name, array, chunk_rows)

    monkeypatch.setattr(Location, "write", write)
    with pytest.raises(
        DataError, match=r"s cannot be written: No space left on device; .*same command again"
    ) as caught:
        extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings)
    assert caught.value.exit_code == 1
    assert "shards/00001/audio_clip" in written
    monkeypatch.setattr(Location, "write", real)
    assert [r.id for r in open_store(tmp_path / "s").videos] == ["v0", "v1"]
    assert verify_store(tmp_path / "s") == []
    extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings)
    extract_videos(world, tmp_path / "whole", FakeBackbone(), LABELS, settings)
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


_LIMITED = """
import resource, sys
from avreplay.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
main(sys.argv[2:])
"""


def test_writes_that_really_fail(world: Path, tmp_path: Path) -> None:
    """The system refuses files beyond 4000 bytes, as it refuses any on a full disk."""
    command = ["extract", str(world), "--store", str(tmp_path / "s"), "--shard-videos", "5", "--no-calibration"]
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, "4000", *command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert open_store(tmp_path / "s").videos == []
    assert CliRunner().invoke(main, command).exit_code == 0
    assert len(open_store(tmp_path / "s").videos) == 5
