"""Items of several videos in one call: the same rows as one by one, and running out of memory halves the batch."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.core.errors import DataError
from avreplay.extract import ExtractSettings, extract_videos, load_backbone
from avreplay.extract.encoding.out_of_memory import out_of_memory
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media.decode_process import DecodeJob, Decoders
from avreplay.extract.media.find_videos import VideoFile
from avreplay.extract.media.prefetch import decode_items
from avreplay.extract.media.probe import probe
from avreplay.extract.media.resize import Resize
from fake_backbone import FakeBackbone
from media_maker import noise, write_media
from store_files import tree

LABELS = ("Dog", "Speech")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k, seconds in enumerate((3, 5, 2, 4, 6)):
        write_media(folder / f"v{k}.mp4", seconds=seconds, channels=1 if k != 2 else 0)
    (folder / "v5_text.mp4").write_text("no video")
    return folder


class Gathering(FakeBackbone):
    """Takes items of several videos; ``most`` items fit into its memory."""

    def __init__(self, rows: int = 1, per_call: int = 16, most: int | None = None, error: type | None = None) -> None:
        super().__init__(rows)
        self.items_per_call = per_call
        self.most = most
        self.error = error or MemoryError

    def _fits(self, items) -> None:  # type: ignore[no-untyped-def]
        if self.most is not None and len(items) > self.most:
            raise self.error("not enough")

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        self._fits(frames)
        return super().encode_images(frames)

    def encode_clips(self, clips):  # type: ignore[no-untyped-def]
        self._fits(clips)
        return super().encode_clips(clips)

    def encode_audio(self, clips):  # type: ignore[no-untyped-def]
        self._fits(clips)
        return super().encode_audio(clips)


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("per_call", [1, 7, 10_000])
def test_batches_across_videos_give_the_same_store(world: Path, tmp_path: Path, rows: int, per_call: int) -> None:
    settings = ExtractSettings(shard_videos=4)
    extract_videos(world, tmp_path / "alone", FakeBackbone(rows), LABELS, settings)
    backbone = Gathering(rows, per_call)
    extract_videos(world, tmp_path / "together", backbone, LABELS, settings)
    assert tree(tmp_path / "together") == tree(tmp_path / "alone")
    assert max(count for _, count in backbone.calls) <= per_call
    if per_call == 10_000:  # two shards: no call spans both
        assert sum(call == "audio" for call, _ in backbone.calls) == 2
    if per_call == 7:
        assert sum(count < 7 for call, count in backbone.calls if call == "audio") <= 2


def test_the_demo_store_is_the_same_for_any_number_of_workers(world: Path, tmp_path: Path) -> None:
    for name, how in {
        "one": {"workers": 1},
        "three": {"workers": 3},
        "processes": {"workers": 2, "decode_in": "processes"},
    }.items():
        extract_videos(world, tmp_path / name, "demo", LABELS, ExtractSettings(shard_videos=4, **how))
    single = load_backbone("demo")
    single.items_per_call = None
    extract_videos(world, tmp_path / "single", single, LABELS, ExtractSettings(shard_videos=4))
    assert tree(tmp_path / "one") == tree(tmp_path / "three") == tree(tmp_path / "processes")
    assert tree(tmp_path / "one") == tree(tmp_path / "single")


class Picky(Gathering):
    """Refuses the darkest frames, or answers them with NaN."""

    nan = False

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        dark = [frame.mean() < 4 for frame in frames]
        rows = super().encode_images(frames)
        if any(dark) and not self.nan:
            raise ValueError("too dark")
        rows[dark] = np.nan
        return rows


@pytest.mark.parametrize(("nan", "reason"), [(True, "NaN or infinity"), (False, "refuses it: too dark")])
def test_only_the_video_at_fault_fails(tmp_path: Path, nan: bool, reason: str) -> None:
    (tmp_path / "videos").mkdir()
    for k, level in enumerate((100, 0, 200)):
        pictures = [np.full((48, 64, 3), level, np.uint8)] * 20
        write_media(tmp_path / "videos" / f"v{k}.mp4", pictures=pictures)
    backbone = Picky(per_call=100)
    backbone.nan = nan
    summary = extract_videos(tmp_path / "videos", tmp_path / "s", backbone, LABELS)
    assert [(r.id, r.status) for r in summary.failures if r.status == "failed"] == [("v1", "failed")]
    assert reason in next(r.reason for r in summary.failures if r.id == "v1")
    level = open_store(tmp_path / "s").embeddings()["visual_segments"].mean(axis=1) * 255
    np.testing.assert_allclose(level, [100, 100, 200, 200], atol=2)


def memory_errors() -> list[type]:
    torch = pytest.importorskip("torch")
    return [MemoryError, torch.OutOfMemoryError]


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("gathers", [True, False])
def test_out_of_memory_halves_the_batch_and_goes_on(world: Path, tmp_path: Path, kind: int, gathers: bool) -> None:
    extract_videos(world, tmp_path / "plenty", FakeBackbone(), LABELS)
    backbone = Gathering(per_call=32, most=3, error=memory_errors()[kind])
    if not gathers:
        backbone.items_per_call = None
    summary = extract_videos(world, tmp_path / "little", backbone, LABELS)
    assert summary.counts == {"no_audio": 1, "ok": 4, "unreadable": 1}
    assert tree(tmp_path / "little") == tree(tmp_path / "plenty")
    assert max(count for _, count in backbone.calls) <= 3


def test_the_backbones_own_batch_is_halved_first(world: Path, tmp_path: Path) -> None:
    class Batched(Gathering):
        batch_size = 64

        def _fits(self, items) -> None:  # type: ignore[no-untyped-def]
            if self.batch_size > 5:
                raise MemoryError

    backbone = Batched(per_call=1000)
    extract_videos(world, tmp_path / "s", backbone, LABELS)
    assert 1 < backbone.batch_size <= 5
    assert max(count for _, count in backbone.calls) > 5  # the calls stay whole


def test_an_item_that_never_fits_fails_its_video_alone(world: Path, tmp_path: Path) -> None:
    class Narrow(Gathering):
        def encode_audio(self, clips):  # type: ignore[no-untyped-def]
            if max(map(len, clips)) > 5.5 * 16000:
                raise MemoryError
            return super().encode_audio(clips)

    summary = extract_videos(world, tmp_path / "s", Narrow(), LABELS)
    assert summary.counts == {"failed": 1, "no_audio": 1, "ok": 3, "unreadable": 1}
    assert "ran out of memory with a single item" in next(r.reason for r in summary.failures if r.status == "failed")


def test_a_failure_names_the_videos_of_the_call(world: Path, tmp_path: Path) -> None:
    class Broken(Gathering):
        def encode_audio(self, clips):  # type: ignore[no-untyped-def]
            raise RuntimeError("wires crossed")

    with pytest.raises(DataError, match=r"videos 'v0' to 'v4': encode_audio .* failed: RuntimeError: wires crossed"):
        extract_videos(world, tmp_path / "s", Broken(per_call=10_000), LABELS)


_MEASURED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.encoding import encode
from avreplay.extract.media import prefetch
from fake_backbone import FakeBackbone
prefetch.BATCH_BYTES = encode.CALL_BYTES = 2 << 20
extract_videos(sys.argv[2], sys.argv[3], FakeBackbone(int(sys.argv[4])), ["Dog"],
               ExtractSettings(windows="multiscale", workers=1, decode_in="threads"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path: Path) -> None:
    """Pictures are let go: of a video that is longer by 80 MB of wanted frames, a small part of them stays."""
    used = {}
    for seconds in (60, 240):
        path = tmp_path / f"{seconds}.mp4"
        write_media(path, pictures=noise(8, 320, 240) * (seconds // 4), fps=2, codec="mpeg4")
        arguments = [str(Path(__file__).parent), str(path), str(tmp_path / f"s{seconds}"), "8"]
        done = subprocess.run([sys.executable, "-c", _MEASURED, *arguments], capture_output=True, text=True, check=True)
        used[seconds] = int(done.stdout)
        planner = Planner.of(FakeBackbone(8).spec, ExtractSettings(windows="multiscale"))
        assert len(planner(probe(path)).wanted_frames) > 1.9 * seconds
        assert open_store(tmp_path / f"s{seconds}").videos[0].segments == seconds
    longer = (240 - 60) * 2 * 320 * 240 * 3
    assert used[240] - used[60] < 0.3 * longer


def test_decoding_is_the_same_in_a_process(world: Path) -> None:
    planner = Planner.of(FakeBackbone().spec, ExtractSettings())
    video = VideoFile("v1", world / "v1.mp4")
    with Decoders() as decoders:
        there = list(decoders.items(video, DecodeJob(planner, 16000, 1.0)))
    here = list(decode_items(video, planner, 16000, 1.0))
    assert [type(item) for item in there] == [type(item) for item in here]
    for (row, frame), (other, same) in zip(there[1].pictures, here[1].pictures, strict=True):  # type: ignore[union-attr]
        assert row == other
        assert np.array_equal(frame, same)
    # frames that sequences share are sent once
    shared = {id(frame) for _, frames in there[1].sequences for frame in frames}  # type: ignore[union-attr]
    assert len(shared) == len({id(frame) for _, frames in here[1].sequences for frame in frames})  # type: ignore[union-attr]
    assert np.array_equal(there[2].samples, here[2].samples)  # type: ignore[union-attr]


class SideBySide(Gathering):
    """Called from several threads, of which the later ones tend to finish first."""

    calls_at_once = 3

    def __init__(self, **options) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**options)
        self.together = self.most_together = 0
        self.lock = threading.Lock()

    @contextmanager
    def _slowly(self) -> Iterator[None]:
        with self.lock:
            self.together += 1
            self.most_together = max(self.most_together, self.together)
            wait = 0.02 / self.together
        time.sleep(wait)
        try:
            yield
        finally:
            with self.lock:
                self.together -= 1

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        with self._slowly():
            return super().encode_images(frames)

    def encode_clips(self, clips):  # type: ignore[no-untyped-def]
        with self._slowly():
            return super().encode_clips(clips)

    def encode_audio(self, clips):  # type: ignore[no-untyped-def]
        with self._slowly():
            return super().encode_audio(clips)


def test_calls_side_by_side_give_the_same_store(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "one", FakeBackbone(), LABELS)
    backbone = SideBySide(per_call=4)
    summary = extract_videos(world, tmp_path / "three", backbone, LABELS)
    assert tree(tmp_path / "three") == tree(tmp_path / "one")
    assert 1 < backbone.most_together <= 3
    assert summary.stages["encode"] <= summary.seconds  # what overlaps counts once


class BatchedSideBySide(SideBySide):
    """Has memory for 20 items."""

    batch_size = 64

    def _fits(self, items) -> None:  # type: ignore[no-untyped-def]
        if self.batch_size > 20:
            raise MemoryError


def test_running_out_of_memory_side_by_side(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "one", FakeBackbone(), LABELS)
    backbone = BatchedSideBySide(per_call=64)
    extract_videos(world, tmp_path / "three", backbone, LABELS)
    assert tree(tmp_path / "three") == tree(tmp_path / "one")
    assert 5 < backbone.batch_size <= 20  # three calls that fail together make it smaller once


def test_failures_side_by_side_are_those_of_one_call(world: Path, tmp_path: Path) -> None:
    class Narrow(SideBySide):
        def encode_audio(self, clips):  # type: ignore[no-untyped-def]
            if max(map(len, clips)) > 5.5 * 16000:
                raise ValueError("too long")
            return super().encode_audio(clips)

    summary = extract_videos(world, tmp_path / "s", Narrow(per_call=4), LABELS)
    assert summary.counts == {"failed": 1, "no_audio": 1, "ok": 3, "unreadable": 1}

    class Broken(SideBySide):
        def encode_clips(self, clips):  # type: ignore[no-untyped-def]
            raise RuntimeError("wires crossed")

    with pytest.raises(DataError, match=r"encode_clips .* failed: RuntimeError: wires crossed"):
        extract_videos(world, tmp_path / "t", Broken(per_call=4), LABELS)


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("MPS backend out of memory"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error: Exception, is_memory: bool) -> None:
    assert out_of_memory(error) is is_memory


def test_torch_itself_says_so() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 62, dtype=torch.uint8)
    assert out_of_memory(caught.value)


class Halved(FakeBackbone):
    """Its pictures are made smaller where they are decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.resize_at_decode = Resize(24)
        self.sizes: set[tuple[int, ...]] = set()

    def encode_images(self, frames):  # type: ignore[no-untyped-def]
        self.sizes |= {frame.shape for frame in frames}
        return super().encode_images([self.resize_at_decode(frame) for frame in frames])

    def encode_clips(self, clips):  # type: ignore[no-untyped-def]
        self.sizes |= {frame.shape for clip in clips for frame in clip}
        return super().encode_clips([[self.resize_at_decode(frame) for frame in clip] for clip in clips])


@pytest.mark.parametrize("decode_in", ["threads", "processes"])
def test_frames_are_shrunk_where_they_are_decoded(world: Path, tmp_path: Path, decode_in: str) -> None:
    late = Halved()
    late.resize_at_decode, shrink = None, late.resize_at_decode  # type: ignore[assignment]
    late.encode_images = lambda frames: FakeBackbone.encode_images(late, [shrink(f) for f in frames])  # type: ignore[method-assign]
    late.encode_clips = lambda clips: FakeBackbone.encode_clips(  # type: ignore[method-assign]
        late, [[shrink(f) for f in clip] for clip in clips]
    )
    extract_videos(world, tmp_path / "late", late, LABELS)
    early = Halved()
    extract_videos(world, tmp_path / "early", early, LABELS, ExtractSettings(decode_in=decode_in, workers=2))
    assert early.sizes == {(24, 24, 3)}
    assert tree(tmp_path / "early") == tree(tmp_path / "late")


def test_videos_are_decoded_in_processes_unless_threads_are_asked_for() -> None:
    assert ExtractSettings().in_processes
    assert ExtractSettings(video_reader="nvdec").in_processes
    assert ExtractSettings(video_reader="nvdec").decoders() <= 2
    assert not ExtractSettings(decode_in="threads").in_processes
