"""What a run will cost, said before it; and how it compares with the model alone, said after it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.errors import UsageError
from avreplay.extract import ExtractSettings, extract_videos, find_videos, load_backbone
from avreplay.extract.command import extract_to_store
from avreplay.extract.command_options import ExtractRequest
from avreplay.extract.encoding.calibration import calibrate, stored_bytes
from avreplay.extract.encoding.plan import Planner
from avreplay.extract.media.decode_process import Decoders
from avreplay.extract.media.probe import probe
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from media_maker import write_media


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    (folder / "a_text.mp4").write_text("no video")
    for k in range(3):
        write_media(folder / f"v{k}.mp4", seconds=6, channels=1)
    return folder


def run(*arguments):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(main, ["extract", *map(str, arguments)])


@pytest.mark.parametrize("windows", ["none", "multiscale", "all"])
@pytest.mark.parametrize("rows", [1, 8])
def test_bytes_are_those_that_a_store_takes(world: Path, tmp_path: Path, windows: str, rows: int) -> None:
    fake, settings = FakeBackbone(rows), ExtractSettings(windows=windows)
    plan = Planner.of(fake.spec, settings)(probe(world / "v0.mp4"))
    extract_videos(world / "v0.mp4", tmp_path / "s", fake, ("Dog", "Cat"), settings)
    arrays = open_store(tmp_path / "s").embeddings()
    size = sum(a.nbytes for k, a in arrays.items() if k != "segments_per_video")
    assert stored_bytes(plan, fake.spec, "float16") == size
    b = open_store(tmp_path / "s").bundle()
    scores = [b.visual_segments, b.audio_segments, b.audio_clip, b.visual_clip, b.visual_cosine]
    scores += [b.window_audio, b.window_visual] if windows != "none" else []
    want = size + sum(a.nbytes for a in scores) + 24 * len(b.window_video)
    assert stored_bytes(plan, fake.spec, "float16", labels=2) == want


def test_a_calibration_measures_the_first_usable_video(world: Path) -> None:
    found = calibrate(find_videos(world), load_backbone("demo"), ExtractSettings(windows="auto"), 12)
    assert found is not None
    assert (found.video, found.segments) == ("v0", 6)
    assert list(found.costs) == ["none", "multiscale", "all", "auto"]
    assert found.costs["auto"] == found.costs["all"]
    assert found.costs["none"].windows == 0
    assert found.costs["all"].windows == 21
    assert found.costs["none"].encode < found.costs["multiscale"].encode < found.costs["all"].encode
    assert found.costs["none"].bytes < found.costs["multiscale"].bytes < found.costs["all"].bytes
    assert all(0 < found.ready[kind] < found.item[kind] for kind in found.item)
    assert found.decode > 0
    assert calibrate(find_videos(world / "a_text.mp4"), FakeBackbone(), ExtractSettings()) is None


def test_estimate_only_says_what_it_would_cost(world: Path, tmp_path: Path) -> None:
    done = run(world, "--store", tmp_path / "s", "--estimate", "--windows", "multiscale")
    assert done.exit_code == 0, done.output
    assert "estimate for 4 videos like v0 (6.0 s, 6 segments)\nwith the encoder on cpu" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"^\* multiscale", done.stdout, re.M)
    assert not (tmp_path / "s").exists()
    found = json.loads(run(world, "--store", tmp_path / "s", "--estimate", "--json").stdout)
    assert found["costs"]["all"]["windows"] == 21


def test_the_cost_is_said_before_and_the_rate_after(world: Path, tmp_path: Path) -> None:
    done = run(world, "--store", tmp_path / "s")
    assert "estimate for 4 videos" in done.stderr
    assert "encoder busy" in done.stdout
    assert "ready tensors" in done.stdout
    found = json.loads(run(world, "--store", tmp_path / "t", "--json").stdout)
    assert 0 < found["encoder_busy"] <= 1
    assert found["of_ready_rate"] > 0
    assert found["encoded"] == {"pictures": 18, "sequences": 63, "sounds": 63}
    quiet = run(world, "--store", tmp_path / "u", "--no-calibration")
    assert quiet.stderr.startswith("WARNING: the demo encoder is a toy for generated videos, and ")
    assert quiet.stderr.count("\n") == 1
    assert "ready tensors" not in quiet.stdout
    again = run(world, "--store", tmp_path / "u")  # nothing to do: nothing to measure
    assert again.stderr == ""
    assert run(world, "--store", tmp_path / "u", "--estimate").exit_code == 1


def test_precision_is_the_backbones_number_type(world: Path, tmp_path: Path) -> None:
    request = ExtractRequest((str(world),), str(tmp_path / "s"))
    with pytest.raises(UsageError, match="demo computes in fp32 only"):
        extract_to_store(replace(request, precision="bf16"))
    with pytest.raises(UsageError, match="number type is given twice"):
        extract_to_store(replace(request, precision="bf16", backbone_settings=("dtype=float16",)))
    with pytest.raises(UsageError, match="device is given twice"):
        extract_to_store(replace(request, devices="cpu", backbone_settings=("device=cpu",)))
    assert run(world, "--store", tmp_path / "s", "--precision", "fp32", "--devices", "cpu").exit_code == 1
    assert open_store(tmp_path / "s").complete


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--store", "{made}", "--windows", "none"], 1, "windows is 'all' in the store and 'none' in this run"),
        (["--store", "{made}", "--fill", "--windows", "none"], 2, "'none' are not more"),
        (["--store", "{made}", "--retry", "--dtype", "float32"], 1, "dtype is 'float16' in the store"),
        (["--store", "{foreign}"], 1, "is not an avreplay store"),
        (["--store", "{new}", "--backbone-option", "colour=1"], 2, "has no option 'colour'"),
        (["--store", "{new}", "--labels", "{foreign}/twice.txt"], 1, "repeats 'Dog'"),
        (["--store", "{new}", "--ids", "{foreign}/none.txt"], 1, "there is no video id list"),
        (["--store", "{new}", "--devices", "cuda:0"], 2, "on the CPU only"),
        (["--store", "{new}", "--backbone", "os:path"], 2, "not a subclass"),
    ],
)
def test_what_is_wrong_is_found_before_a_video_is_decoded(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], code: int, words: str
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "twice.txt").write_text("Dog\n\nDog\n")
    places = {"made": tmp_path / "made", "foreign": foreign, "new": tmp_path / "new"}
    if "{made}" in more:
        extract_videos(world, places["made"], "demo", ("Dog",), ExtractSettings(windows="all"))

    def decoded(*_: object) -> None:
        raise AssertionError("a video is decoded")

    monkeypatch.setattr(Decoders, "items", decoded)
    done = run(world, *(argument.format(**places) for argument in more))
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not places["new"].exists()
