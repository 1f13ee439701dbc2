"""`avreplay plan`: what it says is what a store then takes, and what it refuses."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.extract.backbones.registry import load_backbone
from avreplay.extract.command_options import WINDOW_RULES, ExtractSettings
from avreplay.extract.demo.world import LABELS, write_demo_world
from avreplay.extract.encoding import plan
from avreplay.extract.encoding.calibration import Calibration, calibrate
from avreplay.extract.encoding.sampling import most_windows, window_list
from avreplay.extract.forecast.command import plan_extraction
from avreplay.extract.forecast.forecast import Forecast, forecast
from avreplay.extract.forecast.request import PlanRequest
from avreplay.extract.forecast.store_size import MOST_VIDEOS, store_size
from avreplay.extract.forecast.text import forecast_text
from avreplay.extract.media.find_videos import find_videos
from avreplay.extract.writing.extract import extract_videos
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

THREADS = ExtractSettings(decode_in="threads")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_demo_world(folder, "val", videos=6)
    return folder


@pytest.fixture(scope="module")
def measured(world: Path) -> Calibration:
    found = calibrate(find_videos(world), load_backbone("demo"), THREADS, len(LABELS))
    assert found is not None
    return found


def forecast_of(measured: Calibration, videos: int = 1000, hours: float = 3.0, **how: Any) -> Forecast:
    settings = how.pop("settings", THREADS)
    return forecast(videos, hours, measured, load_backbone("demo"), settings, labels=how.pop("labels", 25), **how)


def files(store: Path) -> list[Path]:
    return [Path(base, name) for base, _, names in os.walk(store) for name in names]


@pytest.mark.media
@pytest.mark.parametrize("settings", [{}, {"windows": "none", "dtype": "float32"}, {"segment_seconds": 2.0}])
def test_a_store_takes_what_was_forecast(
    world: Path, measured: Calibration, tmp_path: Path, settings: dict[str, Any]
) -> None:
    chosen = replace(THREADS, shard_videos=2, **settings)
    store = tmp_path / "store"
    extract_videos(world, store, "demo", LABELS, chosen, progress=False)
    records = open_store(store).videos
    hours = sum(r.duration for r in records) / 3600
    f = forecast_of(measured, len(records), hours, labels=len(LABELS), settings=chosen)
    shards = [p for p in files(store / "shards") if p.name != "zarr.json"]
    scores = [p for p in files(store / "vocabularies") if "scores" in p.parts and p.name != "zarr.json"]
    assert f.size.shards == 3
    assert f.size.objects == len(files(store / "shards")) - 1  # the folder's own
    # an index and a checksum an array are in the files beside their values; cosines and windows are small here
    assert sum(p.stat().st_size for p in shards) == pytest.approx(f.embedding_bytes, rel=0.03)
    assert sum(p.stat().st_size for p in scores) == pytest.approx(f.score_bytes, rel=0.1)
    metadata = sum(p.stat().st_size for p in files(store / "shards") if p.name == "zarr.json")
    assert metadata == pytest.approx(f.size.metadata_bytes, rel=0.1)


def test_costs_grow_with_the_videos_and_their_length(measured: Calibration) -> None:
    one, ten, longer = forecast_of(measured), forecast_of(measured, 10_000, 30.0), forecast_of(measured, 1000, 30.0)
    for name in ("encoder_hours", "decoder_hours", "wall_hours", "embedding_bytes", "score_bytes"):
        assert getattr(ten, name) == pytest.approx(10 * getattr(one, name))
        assert getattr(longer, name) > 5 * getattr(one, name)
    assert ten.size.objects == pytest.approx(10 * one.size.objects)
    replayed = one.with_replay(8.0)
    assert replayed.replay_hours == pytest.approx(8e-6 * 1.08 * 1000 / 3600)
    assert replayed.search_hours == pytest.approx(8192 * replayed.replay_hours)


def test_the_slower_side_decides(measured: Calibration) -> None:
    slow = replace(measured, decode=1.0, item={"pictures": 1e-4, "sequences": 0.0, "sounds": 0.0}, duration=10.0)
    f = forecast_of(slow, 1000, 10 * 1000 / 3600, devices=2, cores=4)
    assert f.bound_by == "decoder"
    assert f.wall_hours == pytest.approx(1000 / 4 / 3600)
    assert f.cores_to_feed >= 100
    quick = forecast_of(replace(slow, decode=1e-9), 1000, 10 * 1000 / 3600, devices=2, cores=4)
    assert quick.bound_by == "encoder"
    assert quick.cores_to_feed == 1


def test_more_videos_than_a_store_holds_are_several_stores(measured: Calibration) -> None:
    f = forecast_of(measured, 3 * MOST_VIDEOS + 1, 1e4)
    assert f.stores == 4
    assert "in 4 stores that are read as one" in forecast_text(f)


def test_a_true_encoder_and_video_have_no_notes(measured: Calibration) -> None:
    f = replace(forecast_of(measured), backbone="languagebind", measured_on="walk")
    assert "note:" not in forecast_text(f)
    assert "note:" in forecast_text(replace(f, measured_on="demo_test_000"))


def test_a_million_ids_fit_into_the_root_of_a_store() -> None:
    from avreplay.cache.layout.group_file import MOST

    ids = [f"video_{i:09d}_000000_010000" for i in range(1000)]
    assert len(json.dumps(ids)) * MOST_VIDEOS / len(ids) < MOST


def test_shards_that_are_not_full_count() -> None:
    assert [store_size(n, 256).shards for n in (1, 256, 257)] == [1, 1, 2]


def test_the_command(world: Path) -> None:
    words = ["plan", "--videos", "100000", "--hours", "278", "--media", str(world), "--decode-in", "threads"]
    done = CliRunner().invoke(main, [*words, "--devices", "4", "--cores", "16"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("100,000 videos of 10.0 s, 278.0 hours in all, by demo\n")
    assert "with 4 devices and 16 cores" in done.output
    assert "note: demo is a toy encoder" in done.output
    assert "note: a generated video was measured" in done.output
    assert max(map(len, done.output.splitlines())) <= 96
    found = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert found["videos"] == 100_000
    assert found["size"]["shards"] == 391
    assert found["replay_hours"] > 0
    assert found["bound_by"] in ("encoder", "decoder")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--videos", "0", "--hours", "1"), "videos is 0; it must lie in 1 to"),
        (("--videos", "5", "--hours", "0"), "hours is 0.0; it must be more than 0"),
        (("--videos", "5", "--hours", "nan"), "hours is nan"),
        (("--videos", "5", "--hours", "1", "--devices", "0"), "devices is 0"),
        (("--videos", "5", "--hours", "1", "--devices", "2.5"), "give a number, or names"),
        (("--videos", "5", "--hours", "1", "--cores", "-2"), "cores is -2"),
        (("--videos", "5", "--hours", "1", "--label-count", "-1"), "label_count is -1"),
        (("--videos", "1000000", "--hours", "1"), "less than a segment of 1 s; give more hours"),
        (("--videos", "5", "--hours", "1", "--backbone", "clipclap"), "did you mean"),
        (("--videos", "5", "--hours", "1", "--media", "nowhere"), "nowhere"),
        (("--videos", "10", "--hours", "10000000"), "too long to be worked out"),
        (("--videos", "1", "--hours", "1000000000000"), "too long to be worked out"),
        (("--videos", "1", "--hours", "20", "--windows", "all"), "too long to be worked out"),
    ],
)
def test_mistakes(words: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(main, ["plan", *words, "--decode-in", "threads"])
    assert done.exit_code == 2, done.output
    assert message in done.output


def test_videos_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    request = PlanRequest(videos=5, hours=1.0, media=(str(tmp_path),), settings={"decode_in": "threads"})
    with pytest.raises(DataError, match="can be read; give others with --media"):
        plan_extraction(request)


@pytest.mark.parametrize(("text", "count"), [("8", 8), ("cuda", 1), ("cuda:0,cuda:1, cuda:2", 3)])
def test_devices_are_a_number_or_names(text: str, count: int) -> None:
    assert PlanRequest(videos=1, hours=1.0, devices=text).device_count == count


@pytest.mark.parametrize("how", [{"windows": "all"}, {"windows": "auto", "max_all_segments": 10**6}])
def test_all_windows_of_hours_are_refused_with_what_to_do(measured: Calibration, how: dict[str, Any]) -> None:
    asked = replace(THREADS, **how)
    with pytest.raises(
        UsageError, match=r"windows by the rule \w+, which would take .* GB of memory; extract it with .*multisc"
    ):
        forecast_of(measured, videos=1, hours=1.0, settings=asked)
    assert forecast_of(measured, videos=1, hours=1.0, settings=replace(asked, windows="multiscale")).windows > 3600


def test_a_video_that_is_measured_leaves_out_rules_of_too_many_windows(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MOST_WINDOW_BYTES", 10**6)
    asked = replace(THREADS, windows="multiscale", segment_seconds=0.1)
    found = calibrate(find_videos(world), load_backbone("demo"), asked, len(LABELS))
    assert found is not None
    assert found.costs.keys() == {"none", "multiscale"}
    with pytest.raises(UsageError, match=r"cannot be measured: its 100 segments have 5,050 windows"):
        calibrate(find_videos(world), load_backbone("demo"), replace(asked, windows="all"), len(LABELS))


def test_hours_shorter_than_a_segment_a_video_are_refused(measured: Calibration) -> None:
    with pytest.raises(UsageError, match="less than a segment"):
        forecast_of(measured, 10**6, 0.001)


@settings(max_examples=60, deadline=None)
@given(segments=st.integers(1, 300), rule=st.sampled_from(WINDOW_RULES), most=st.integers(0, 40))
def test_the_windows_of_a_video_are_bounded_without_making_them(segments: int, rule: str, most: int) -> None:
    made = len(window_list(segments, rule, most))
    assert made <= most_windows(segments, rule, most)
