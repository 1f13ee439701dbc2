"""Between two shards neither the encoder nor the writing waits for the other; a failing or stopped run keeps what it
has."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import StoreWriter, open_store
from avreplay.core.errors import DataError
from avreplay.extract import ExtractSettings, extract_videos
from avreplay.extract.encoding.encode import Encoder
from avreplay.extract.writing.write_behind import WriteBehind
from fake_backbone import FakeBackbone
from media_maker import write_media
from numpy.typing import NDArray
from store_files import tree

SECONDS = 120.0
SETTINGS = ExtractSettings(shard_videos=1, workers=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for k in range(3):
        write_media(folder / f"v{k}.mp4", seconds=2, channels=1)
    return folder


def test_a_shard_is_written_while_the_next_one_is_encoded(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_videos(world, tmp_path / "one", FakeBackbone(), ["Dog"], SETTINGS)
    fed, write, begin = threading.Event(), StoreWriter.write_shard, Encoder.begin
    overlapped = []

    def begin_video(self: Encoder, name: str, plan: Any) -> Any:
        if name == "v1":
            fed.set()
        return begin(self, name, plan)

    def write_shard(self: StoreWriter, index: int, videos: Any) -> None:
        if index == 0:
            overlapped.append(fed.wait(SECONDS))
        write(self, index, videos)

    monkeypatch.setattr(Encoder, "begin", begin_video)
    monkeypatch.setattr(StoreWriter, "write_shard", write_shard)
    extract_videos(world, tmp_path / "s", FakeBackbone(), ["Dog"], SETTINGS)
    assert overlapped == [True]
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


class Overlapping(FakeBackbone):
    """Its first sounds wait until pictures of another shard are encoded."""

    items_per_call = 1000
    calls_at_once = 4

    def __init__(self) -> None:
        super().__init__()
        self.sounds = 0
        self.pictures = 0
        self.second = threading.Event()
        self.overlapped: list[bool] = []

    def encode_images(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.pictures += 1
        if self.pictures == 2:
            self.second.set()
        return super().encode_images(frames)

    def encode_audio(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        self.sounds += 1
        if self.sounds == 1:
            self.overlapped.append(self.second.wait(SECONDS))
        return super().encode_audio(clips)


def test_the_last_calls_of_a_shard_are_under_way_beside_the_next_one(world: Path, tmp_path: Path) -> None:
    extract_videos(world, tmp_path / "one", FakeBackbone(), ["Dog"], SETTINGS)
    backbone = Overlapping()
    extract_videos(world, tmp_path / "s", backbone, ["Dog"], SETTINGS)
    assert backbone.overlapped == [True]
    assert {count for kind, count in backbone.calls if kind == "images"} == {2}  # no call has pictures of two shards
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


def test_a_failing_write_ends_the_run_and_the_shards_before_it_are_kept(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = StoreWriter.write_shard

    def write_shard(self: StoreWriter, index: int, videos: Any) -> None:
        if index == 1:
            raise OSError(28, "No space left on device")
        write(self, index, videos)

    monkeypatch.setattr(StoreWriter, "write_shard", write_shard)
    with pytest.raises(DataError, match="No space left on device"):
        extract_videos(world, tmp_path / "s", FakeBackbone(), ["Dog"], SETTINGS)
    assert open_store(tmp_path / "s").committed == [0]
    monkeypatch.undo()
    extract_videos(world, tmp_path / "s", FakeBackbone(), ["Dog"], SETTINGS)
    extract_videos(world, tmp_path / "one", FakeBackbone(), ["Dog"], SETTINGS)
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


def test_what_is_being_written_is_finished_whatever_ends_the_run() -> None:
    begun, may_end, done = threading.Event(), threading.Event(), []

    def write() -> None:
        begun.set()
        assert may_end.wait(SECONDS)
        done.append(True)

    def interrupted() -> None:
        with WriteBehind() as behind:
            behind.give(write)
            assert begun.wait(SECONDS)
            threading.Timer(0.2, may_end.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [True]
