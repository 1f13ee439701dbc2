"""Files are decoded in other processes: what crashes, runs out or is killed there, costs a video and never the run."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from avreplay.cache import open_store, verify_store
from avreplay.cli import main
from avreplay.core.errors import UsageError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.encoding.calibration import calibrate
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media.channel import Channel
from avreplay.extract.media.decode_ahead import DecodeAhead
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.find_videos import VideoFile, find_videos
from avreplay.extract.media.probe import MediaError, MediaInfo
from avreplay.extract.media.trouble import MEMORY, Trouble, judged
from click.testing import CliRunner
from deadly_planner import FIRST, Deadly, Raising
from fake_backbone import FakeBackbone
from media_maker import write_media
from store_files import tree

LABELS = ("Dog", "Speech")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k in range(4):
        write_media(folder / f"v{k}.mp4", seconds=3 + k, channels=1)
    return folder


def test_a_decoder_that_hangs_in_the_calibration_takes_one_video(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avreplay.extract.encoding.calibration.Planner", Deadly)
    settings = ExtractSettings(windows="multiscale", video_timeout=4)
    found = calibrate(find_videos([world / "v1.mp4", world / "v2.mp4"]), FakeBackbone(), settings)
    assert found is not None
    assert found.video == "v2"


@pytest.mark.parametrize("place", ["threads", "processes"])
@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (0, "unreadable", r"decoding it failed: ZeroDivisionError: \x1b[31m no"),
        (1, "unreadable", r"decoding it failed: RecursionError: \x1b[31m no"),
        (2, "failed", MEMORY),
        (3, "failed", "too many files were open while it was decoded"),
        (4, "failed", "the disk gave an input/output error while it was decoded"),
    ],
)
def test_any_exception_of_one_file_is_its_status(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, kind: int, status: str, reason: str
) -> None:
    monkeypatch.setattr("avreplay.extract.writing.extract.Planner", Raising)
    settings = ExtractSettings(decode_in=place, workers=2, max_all_segments=FIRST + kind)
    summary = extract_videos(world, tmp_path / "s", FakeBackbone(), LABELS, settings)
    assert summary.counts == {status: 1, "ok": 3}
    assert [(r.id, r.reason) for r in summary.failures] == [("v1", reason)]
    assert verify_store(tmp_path / "s") == []


def test_an_error_that_is_of_no_file_ends_the_run() -> None:
    error = UsageError("the video reader is not installed")
    assert judged(error, None) is error
    assert isinstance(judged(OSError(errno.ENOMEM, "x"), None), Trouble)
    chained = MediaError("truncated", "the index is missing")
    chained.__cause__ = MemoryError()
    assert isinstance(judged(chained, None), Trouble)


def test_trouble_is_tried_again_alone_and_items_are_handed_over_once() -> None:
    tries: dict[str, int] = {}
    interrupted = []

    def work(video: VideoFile) -> Iterator[str]:
        tries[video.id] = tries.get(video.id, 0) + 1
        for k in range(4):
            if k == 2 and (video.id == "9" or (video.id == "3" and tries["3"] == 1)):
                raise Trouble("failed", "memory ran out")
            yield f"{video.id}.{k}"

    videos = [VideoFile(str(k), None) for k in range(12)]
    got: dict[str, list[str]] = {}
    refused = []
    with DecodeAhead(videos, work, 4, interrupt=lambda: interrupted.append(1)) as ahead:
        for video, items in ahead:
            got[video.id] = []
            try:
                got[video.id] += items
            except MediaError as error:
                refused.append((video.id, error.status, error.reason))
    assert refused == [("9", "failed", "memory ran out")]
    assert list(got) == [video.id for video in videos]
    assert all(items == [f"{id}.{k}" for k in range(2 if id == "9" else 4)] for id, items in got.items())
    assert tries["3"] == tries["9"] == 2
    assert interrupted


def test_the_same_bytes_for_any_way_of_decoding_damaged_files(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    rng = random.Random(12)
    whole = (world / "v1.mp4").read_bytes()
    for k in range(12):
        data = bytearray(whole)
        for _ in range(1 + 8 * k):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (folder / f"f{k}.mp4").write_bytes(data)
    ways = [{"workers": 1}, {"workers": 3}, {"workers": 8}, {"decode_in": "threads", "workers": 2}]
    for n, way in enumerate(ways):
        extract_videos(folder, tmp_path / f"s{n}", FakeBackbone(), LABELS, ExtractSettings(windows="none", **way))
    assert all(tree(tmp_path / f"s{n}") == tree(tmp_path / "s0") for n in range(1, len(ways)))


_SLOW = """
import os, sys
from avreplay.extract.encoding.plan import Planner
from avreplay.extract import ExtractSettings
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.find_videos import VideoFile
from deadly_planner import Deadly
from pathlib import Path
from fake_backbone import FakeBackbone
planner = Deadly.of(FakeBackbone().spec, ExtractSettings(), "multiscale")
with Decoders() as decoders:
    job = DecodeJob(planner, 16000, 1.0)
    decoders.warm_up(job)
    child, = decoders._idle
    print(child.pid, decoders._server._process.pid, flush=True)
    list(decoders.items(VideoFile("v1", Path(sys.argv[1])), job))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_decoder_outlives_its_parent(world: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    parent = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(world / "v1.mp4")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(1)  # it hangs in the planner by now
    assert all(map(_runs, pids))
    parent.send_signal(number)
    parent.wait(30)
    deadline = time.monotonic() + 30
    while any(map(_runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


_LIMITED = """
import resource, sys
from avreplay.cli import main
limit = (int(sys.argv[2]), int(sys.argv[2]))
resource.setrlimit(getattr(resource, sys.argv[1]), limit)
main(sys.argv[3:])
"""


@pytest.mark.parametrize(
    ("limit", "value"),
    [("RLIMIT_NOFILE", 14), ("RLIMIT_NOFILE", 20), ("RLIMIT_AS", 430 << 20)],
)
def test_a_machine_without_memory_or_files_is_no_property_of_a_video(
    world: Path, tmp_path: Path, limit: str, value: int
) -> None:
    command = ["extract", str(world), "--store", str(tmp_path / "s"), "--no-calibration", "--workers", "4"]
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, limit, str(value), *command], capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0 or "(4 ok)" in done.stdout
    if (tmp_path / "s").exists():
        assert {r.status for r in open_store(tmp_path / "s").videos} <= {"ok", "failed"}
    assert CliRunner().invoke(main, [*command, "--retry"] if (tmp_path / "s").exists() else command).exit_code == 0
    assert [r.status for r in open_store(tmp_path / "s").videos] == ["ok"] * 4


def test_a_server_that_is_killed_is_started_again(world: Path) -> None:
    job = DecodeJob(Planner.of(FakeBackbone().spec, ExtractSettings()), 16000, 1.0)
    with Decoders() as decoders:
        decoders._server._process.kill()
        decoders._server._process.wait()
        assert len(list(decoders.items(VideoFile("v0", world / "v0.mp4"), job))) >= 3


def test_exit_codes_by_fail_on(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    write_media(tmp_path / "m/a.mp4", seconds=2)
    command = ["extract", str(tmp_path / "m"), "--store", str(tmp_path / "s"), "--no-calibration"]
    codes = [CliRunner().invoke(main, [*command, "--fail-on", how]).exit_code for how in ("failed", "any", "none")]
    assert codes == [0, 1, 0]
    (tmp_path / "m/b.mp4").write_text("no video")
    codes = [CliRunner().invoke(main, [*command, "--fail-on", how]).exit_code for how in ("failed", "any", "none")]
    assert codes == [1, 1, 0]
    assert CliRunner().invoke(main, command).exit_code == 1


def test_a_second_run_without_labels_leaves_the_vocabulary_alone(world: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Dog\nSpeech\n")
    store = str(tmp_path / "s")
    common = ["--store", store, "--no-calibration"]

    def run(*more: str) -> None:
        done = CliRunner().invoke(main, ["extract", *more, *common])
        assert done.exit_code == 0, done.output
        assert open_store(store).labels == ("Dog", "Speech")

    run(str(world / "v0.mp4"), "--labels", str(tmp_path / "labels.txt"), "--windows", "none")
    fingerprint = open_store(store).vocabulary_ids
    run(str(world / "v0.mp4"), "--windows", "none")
    run(str(world / "v0.mp4"), str(world / "v1.mp4"), "--windows", "none", "--shard", "2/2")
    run(str(world / "v0.mp4"), str(world / "v1.mp4"), "--windows", "none")
    run(str(world), "--windows", "none", "--devices", "cpu,cpu")
    run(str(world), "--retry")
    run(str(world), "--fill", "--windows", "multiscale")
    assert open_store(store).vocabulary_ids == fingerprint


def test_notes_reach_the_record_the_summary_and_info(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from avreplay.cache import Note
    from avreplay.extract.media import prefetch

    real = prefetch.probe
    note = Note("track_chosen", "track 2 of 3, \x1b[31m'deu'")
    monkeypatch.setattr(prefetch, "probe", lambda path: replace(real(path), notes=(note,)))
    media = [str(world / "v0.mp4"), str(world / "v1.mp4")]
    command = ["extract", *media, "--store", str(tmp_path / "s"), "--no-calibration", "--decode-in", "threads"]
    shown = CliRunner().invoke(main, command)
    assert "notes on 2 videos (2 track_chosen):\n  v0: track 2 of 3, \\x1b[31m'deu'\n" in shown.stdout
    assert [r.notes for r in open_store(tmp_path / "s").videos] == [(note,), (note,)]
    summary = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    found = json.loads(CliRunner().invoke(main, ["info", str(tmp_path / "s"), "--json"]).stdout)
    for one in (summary, found):
        assert one["note_counts"] == {"track_chosen": 2}
        assert one["notes"]["v1"] == [{"kind": note.kind, "text": note.text}]
    text = CliRunner().invoke(main, ["info", str(tmp_path / "s")]).stdout
    assert "notes        on 2 videos (2 track_chosen)" in text
    assert "\x1b" not in text


class Calling:
    """What a decoder that a file has taken over might send."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("called",)


def test_nothing_is_called_that_a_decoder_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours, theirs = socket.socketpair()
    here, there = Channel(ours, only_data=True), Channel(theirs)
    try:
        there.send(Calling())
        with pytest.raises(pickle.UnpicklingError, match=r"a decoding process sent posix\.mkdir"):
            here.receive()
        there.send(("begin", MediaInfo(Path("a"), "ok", "", 1.0, 0.0), None))
        assert here.receive()[0][1].duration == 1.0
    finally:
        here.close()
        there.close()
    assert list(tmp_path.iterdir()) == []
