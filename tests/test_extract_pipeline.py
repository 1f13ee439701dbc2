"""From files to a store: bad videos, hostile names, resuming, and the same bytes every time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import open_store, verify_store
from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.extract import ExtractSettings, extract_videos, find_videos
from avreplay.extract.backbones.registry import reload_backbone
from avreplay.extract.encoding.plan import plan_video
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.prefetch import FrameBatch, Prefetch, decode_items
from avreplay.extract.media.probe import probe
from fake_backbone import FakeBackbone
from media_maker import cut, noise, write_media
from store_files import tree

LABELS = ("Dog", "Speech", "Church bell")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole videos and one of every bad kind."""
    folder = tmp_path_factory.mktemp("world")
    write_media(folder / "a_whole.mp4", seconds=3, channels=2)
    write_media(folder / "b_long.mkv", seconds=5, fps=4, channels=1)
    write_media(folder / "c_silent.mp4", seconds=2)
    write_media(folder / "d_sound.mp4", seconds=2, channels=1, video=False)
    (folder / "e_empty.mp4").touch()
    cut(write_media(folder / "f_cut.mp4", pictures=noise(40), codec="mpeg4"), 0.5)
    (folder / "g_text.mp4").write_text("this is not a video\n" * 100)
    (folder / "._a_whole.mp4").write_bytes(b"\0\5\x16\7")
    (folder / ".hidden.mp4").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("no video")
    (folder / "folder.mp4").mkdir()
    return folder


def test_every_video_gets_a_status_and_nothing_else_is_lost(world: Path, tmp_path: Path) -> None:
    summary = extract_videos(world, tmp_path / "store", FakeBackbone(), LABELS)
    store = open_store(tmp_path / "store")
    assert {r.id: (r.status, r.segments) for r in store.videos} == {
        "a_whole": ("ok", 3),
        "b_long": ("ok", 5),
        "c_silent": ("no_audio", 2),
        "d_sound": ("no_video", 2),
        "e_empty": ("empty_file", 0),
        "f_cut": ("truncated", 0),
        "g_text": ("unreadable", 0),
    }
    assert all(r.reason for r in summary.failures)
    assert [r.id[0] for r in summary.failures] == list("cdefg")
    assert summary.counts == {
        "empty_file": 1, "no_audio": 1, "no_video": 1, "ok": 2, "truncated": 1, "unreadable": 1,
    }  # fmt: skip
    assert (summary.videos, summary.new, summary.resumed) == (7, 7, 0)
    assert summary.media_seconds == pytest.approx(12, abs=0.2)
    assert summary.as_dict()["videos_per_second"] > 0
    assert store.complete
    assert store.labels == LABELS
    assert verify_store(tmp_path / "store") == []


@pytest.mark.parametrize("rows", [1, 8])
def test_embeddings_are_those_of_the_frames_and_sounds_they_stand_for(world: Path, tmp_path: Path, rows: int) -> None:
    settings = ExtractSettings(dtype="float32")
    extract_videos(world, tmp_path / "store", FakeBackbone(rows), LABELS, settings, ids=["a_whole"])
    got = open_store(tmp_path / "store").embeddings()
    level = got["visual_segments"][:, 0] * 255 / 4  # the number of the frame
    assert np.allclose(level, [5, 15, 25], atol=0.6)
    index = got["window_index"].tolist()
    assert [row[1:] for row in index] == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    for (_, start, end), visual, audio in zip(index, got["window_visual"], got["window_audio"], strict=True):
        # 10 frames a second: the middles of 8 equal parts of the window
        frames = np.floor((start + (np.arange(8) + 0.5) / 8 * (end - start)) * 10 + 1e-9)
        expected = frames if rows == 8 else [frames.mean()]
        assert np.allclose(visual[:, 0] * 255 / 4, expected, atol=0.6)
        assert audio[3] == end - start
    assert np.array_equal(got["visual_clip"][0], got["window_visual"][2])
    assert np.array_equal(got["audio_clip"][0], got["window_audio"][2])
    assert np.array_equal(got["audio_segments"], got["window_audio"][[0, 3, 5]])


def test_nothing_is_encoded_twice(world: Path, tmp_path: Path) -> None:
    joint, single = FakeBackbone(1), FakeBackbone(8)
    extract_videos(world, tmp_path / "joint", joint, LABELS, ids=["a_whole"])
    assert sorted(joint.calls) == [("audio", 6), ("clips", 6), ("images", 3)]
    extract_videos(world, tmp_path / "single", single, LABELS, ids=["a_whole"])
    assert sorted(single.calls)[0] == ("audio", 6)
    assert sum(count for call, count in single.calls if call == "images") <= 30


@pytest.mark.parametrize("rows", [1, 8])
def test_same_bytes_for_any_number_of_workers(world: Path, tmp_path: Path, rows: int) -> None:
    for workers in (1, 2, 5):
        settings = ExtractSettings(workers=workers, shard_videos=3)
        extract_videos(world, tmp_path / f"store{workers}", FakeBackbone(rows), LABELS, settings)
    assert tree(tmp_path / "store1") == tree(tmp_path / "store2") == tree(tmp_path / "store5")


def test_a_second_run_does_nothing_and_new_videos_are_added(world: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    extract_videos(world, store, FakeBackbone(), LABELS, ids=["a_whole", "c_silent"])
    before = tree(store)
    idle = FakeBackbone()
    again = extract_videos(world, store, idle, LABELS, ids=["a_whole", "c_silent"])
    assert (again.new, again.resumed) == (0, 2)
    assert idle.calls == []
    assert tree(store) == before
    more = extract_videos(world, store, FakeBackbone(), LABELS)
    assert (more.new, more.resumed, more.videos) == (5, 2, 7)
    assert open_store(store).bundle().num_videos == 4


@pytest.mark.parametrize(
    ("weights", "rule", "words"), [("b", "middle", r"weights.*a.*b"), ("a", "release", r"frame_rule.*middle.*release")]
)
def test_another_configuration_is_refused_in_words(
    world: Path, tmp_path: Path, weights: str, rule: str, words: str
) -> None:
    store = tmp_path / "store"
    extract_videos(world, store, FakeBackbone(), LABELS, ids=["a_whole"])
    before = tree(store)
    with pytest.raises(DataError, match=words):
        extract_videos(world, store, FakeBackbone(weights=weights), LABELS, ExtractSettings(frame_rule=rule))
    assert tree(store) == before


def test_configuration_names_what_embeddings_depend_on(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "store", FakeBackbone(), LABELS, ids=["a_whole"])
    config = open_store(tmp_path / "store").config
    assert config["backbone"]["name"] == "fake"
    assert config["backbone"]["weights"] == "a"
    assert config["backbone"]["licence"] == "none"
    assert config["decoder"]["name"] == "PyAV"
    assert config["sample_rate"] == 16000
    assert (config["frame_rule"], config["windows"], config["max_all_segments"]) == ("middle", "auto", 16)
    assert (config["segment_seconds"], config["dtype"]) == (1.0, "float16")
    assert "workers" not in str(config)
    assert str(world) not in str(config)


def test_missing_ids_are_recorded(world: Path, tmp_path: Path) -> None:
    store = tmp_path / "deep/store"
    summary = extract_videos(world, store, FakeBackbone(), LABELS, ids=["a_whole", "gone", "<script>"])
    assert summary.counts == {"missing": 2, "ok": 1}
    with pytest.raises(UsageError, match="passwd2"):
        extract_videos(world, tmp_path / "deep/other", FakeBackbone(), LABELS, ids=["a_whole", "../../etc/passwd2"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep"]
    found = {v.id: v.path for v in find_videos(world, ["a_whole_0_10", "a_whole", "b_0_10"])}
    assert found == {"a_whole_0_10": world / "a_whole.mp4", "a_whole": world / "a_whole.mp4", "b_0_10": None}


def test_hostile_file_names_stay_inside_the_store(tmp_path: Path) -> None:
    made = write_media(tmp_path / "made.mp4", seconds=1)
    folder = tmp_path / "videos"
    folder.mkdir()
    names = [
        "x..mp4..",
        "%2e%2e%2f",
        "http:evil",
        "-rf",
        "a'b\"<img src=x>",
        "shards",
        "zarr.json",
        "ünï 漢",
        "con|cat:x",
    ]
    for name in names:
        (folder / f"{name}.mp4").write_bytes(made.read_bytes())
    summary = extract_videos(folder, tmp_path / "store", FakeBackbone(), LABELS, ExtractSettings(shard_videos=4))
    assert summary.counts == {"no_audio": len(names)}
    assert {r.id for r in open_store(tmp_path / "store").videos} == set(names)
    assert verify_store(tmp_path / "store") == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made.mp4", "store", "videos"]


def test_finding_videos(world: Path, tmp_path: Path) -> None:
    assert [v.id[0] for v in find_videos(world)] == list("abcdefg")
    assert [v.id for v in find_videos([world / "b_long.mkv", world / "a_whole.mp4"])] == ["a_whole", "b_long"]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with pytest.raises(UsageError, match="no video files and no sound files"):
        find_videos(tmp_path / "one")
    with pytest.raises(UsageError, match="no file or folder"):
        find_videos(tmp_path / "three")
    for place in ("one/x.mp4", "two/x.MOV"):
        (tmp_path / place).write_bytes(b"x")
    assert [v.id for v in find_videos(tmp_path / "two")] == ["x"]
    with pytest.raises(UsageError, match=r"one/x\.mp4 and .*two/x\.MOV"):
        find_videos([tmp_path / "one", tmp_path / "two"])


class Moody(FakeBackbone):
    """Fails in a chosen way for videos of two segments."""

    def __init__(self, mood: str) -> None:
        super().__init__()
        self.mood = mood

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        good = super().encode_images(frames)
        if len(frames) != 2:
            return good
        if self.mood == "nan":
            return good * np.nan
        if self.mood == "shape":
            return good[:, :2]
        if self.mood == "refuse":
            raise ValueError("too dark")
        raise RuntimeError("out of memory")


@pytest.mark.parametrize(("mood", "reason"), [("nan", "NaN or infinity"), ("refuse", "too dark")])
def test_a_video_the_backbone_cannot_encode_fails_alone(world: Path, tmp_path: Path, mood: str, reason: str) -> None:
    summary = extract_videos(world, tmp_path / "store", Moody(mood), LABELS, ids=["a_whole", "b_long", "c_silent"])
    assert summary.counts == {"failed": 1, "ok": 2}
    assert summary.failures[0].id == "c_silent"
    assert reason in summary.failures[0].reason
    assert np.isfinite(open_store(tmp_path / "store").embeddings()["visual_segments"]).all()


@pytest.mark.parametrize(("mood", "reason"), [("shape", r"\(2, 2\).*\(2, 3\)"), ("crash", "out of memory")])
def test_a_broken_backbone_stops_the_run_and_keeps_what_is_committed(
    world: Path, tmp_path: Path, mood: str, reason: str
) -> None:
    settings = ExtractSettings(shard_videos=2)
    with pytest.raises(DataError, match=rf"c_silent.*{reason}"):
        extract_videos(world, tmp_path / "store", Moody(mood), LABELS, settings)
    assert [r.id for r in open_store(tmp_path / "store").videos] == ["a_whole", "b_long"]
    summary = extract_videos(world, tmp_path / "store", FakeBackbone(), LABELS, settings)
    assert (summary.new, summary.resumed) == (5, 2)


class Interrupting(FakeBackbone):
    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        if len(frames) == 2:
            raise KeyboardInterrupt
        return super().encode_images(frames)


def test_interruption_says_how_to_go_on(world: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(shard_videos=2)
    with pytest.raises(AvreplayError, match=r"2 of 7 videos are in .*run the same command again") as caught:
        extract_videos(world, tmp_path / "store", Interrupting(), LABELS, settings)
    assert caught.value.exit_code == 130
    extract_videos(world, tmp_path / "store", FakeBackbone(), LABELS, settings)
    extract_videos(world, tmp_path / "whole", FakeBackbone(), LABELS, settings)
    assert tree(tmp_path / "store") == tree(tmp_path / "whole")


_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from avreplay.extract import ExtractSettings, extract_videos
from fake_backbone import FakeBackbone
extract_videos(sys.argv[2], sys.argv[3], FakeBackbone(delay=float(sys.argv[4])), ["Dog", "Speech", "Church bell"],
               ExtractSettings(shard_videos=1))
"""


@pytest.mark.parametrize("committed", [0, 1, 3])
def test_kill_9_in_the_middle_and_again(world: Path, tmp_path: Path, committed: int) -> None:
    settings = ExtractSettings(shard_videos=1)
    extract_videos(world, tmp_path / "whole", FakeBackbone(), LABELS, settings)
    store = tmp_path / "store"
    arguments = [str(Path(__file__).parent), str(world), str(store), "0.4"]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])
    marker = store / "shards" / f"{committed:05d}"
    deadline = time.monotonic() + 60
    seen = store / "zarr.json" if committed == 0 else marker.with_name(f"{committed - 1:05d}") / "zarr.json"
    while not seen.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    half = open_store(store)
    assert not half.complete
    assert len(half.videos) < 7
    summary = extract_videos(world, store, FakeBackbone(), LABELS, settings)
    assert summary.resumed == len(half.videos)
    assert tree(store) == tree(tmp_path / "whole")


def test_settings_are_checked() -> None:
    for wrong, text in (
        ({"segment_seconds": 0.0}, "segment_seconds is 0.0"),
        ({"segment_seconds": float("nan")}, "segment_seconds is nan"),
        ({"frame_rule": "first"}, "frame_rule is 'first'"),
        ({"windows": "many"}, "windows is 'many'"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"workers": 0}, "workers is 0"),
        ({"shard_videos": 0}, "shard_videos is 0"),
    ):
        with pytest.raises(UsageError, match=text):
            ExtractSettings(**wrong)  # type: ignore[arg-type]


def test_long_videos_come_in_pieces_and_frames_are_let_go(tmp_path: Path) -> None:
    path = write_media(tmp_path / "long.mp4", pictures=noise(30) * 8, seconds=24)
    spec = FakeBackbone().spec

    def planner(info):  # type: ignore[no-untyped-def]
        return plan_video(info, spec, segment_seconds=1.0, frame_rule="middle", window_rule="auto", max_all_segments=16)

    plan = planner(probe(path))
    assert len(plan.windows) < 24 * 25 // 2
    video = VideoFile("long", path)
    whole = [i for i in decode_items(video, planner, 16000, 1.0) if isinstance(i, FrameBatch)]
    parts = [i for i in decode_items(video, planner, 16000, 1.0, batch_bytes=200_000) if isinstance(i, FrameBatch)]
    assert len(whole) == 1
    assert len(parts) > 5
    for kind, count in (("pictures", len(plan.pictures)), ("sequences", len(plan.sequences))):
        one = [entry for piece in whole for entry in getattr(piece, kind)]
        many = [entry for piece in parts for entry in getattr(piece, kind)]
        assert [row for row, _ in one] == [row for row, _ in many] == list(range(count))
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, many, strict=True))


def test_prefetch_keeps_order_bounds_its_lead_and_ends_its_threads() -> None:
    begun: list[int] = []

    def work(video: VideoFile):  # type: ignore[no-untyped-def]
        begun.append(int(video.id))
        if video.id == "3":
            raise OSError("bad")
        yield from (f"{video.id}{k}" for k in range(4))

    videos = [VideoFile(str(k), None) for k in range(40)]
    got: list[list[str]] = []
    with Prefetch(videos, work, workers=2) as prefetch:
        for video, items in prefetch:
            if video.id == "3":
                with pytest.raises(OSError, match="bad"):
                    list(items)
                continue
            if video.id == "20":
                break
            got.append(list(items))
            assert max(begun) <= int(video.id) + 4
    assert got == [[f"{n}{k}" for k in range(4)] for n in range(20) if n != 3]
    assert not any(thread.is_alive() for thread in prefetch._threads)


def test_reloading_a_backbone_that_is_not_there() -> None:
    with pytest.raises(DataError, match="declares no backbone"):
        reload_backbone({})
    with pytest.raises(UsageError, match="backbone 'demmo', which is not registered here; name its class"):
        reload_backbone({"name": "demmo"})


@pytest.mark.media
def test_real_clips(shared_data: Path, tmp_path: Path) -> None:
    summary = extract_videos(shared_data / "data/media", tmp_path / "store", FakeBackbone(), LABELS)
    assert summary.counts == {"no_audio": 1, "ok": 1}
    bundle = open_store(tmp_path / "store").bundle()
    assert bundle.video_ids == ("BjCEufrlXm4", "no_audio_portrait")
    assert bundle.segments_per_video.tolist() == [10, 8]
    assert bundle.has_audio.tolist() == [True, False]
    assert len(bundle.window_video) == 55 + 36


def test_progress_is_shown_when_asked_for_and_not_outside_a_terminal(
    world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    extract_videos(world, tmp_path / "quiet", FakeBackbone(), LABELS, ids=["a_whole", "c_silent"])
    assert capfd.readouterr() == ("", "")
    extract_videos(world, tmp_path / "shown", FakeBackbone(), LABELS, ids=["a_whole", "c_silent"], progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "2/2" in err
    assert "videos/s" in err
