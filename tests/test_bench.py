"""`avreplay bench`: what it measures, and after how many settings extraction has paid for itself."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from avreplay.cache import open_store
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.bench.breakeven import (
    SETTINGS,
    Baseline,
    break_even,
    extraction_baselines,
    paper_baselines,
    settings_to_pay,
)
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import bench, bench_replay
from avreplay.evaluate.command_options import ReplayBenchRequest
from avreplay.extract.bench import bench_extraction
from avreplay.extract.writing.extract import ExtractSettings, extract_videos
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from hypothesis import given
from hypothesis import strategies as st
from media_maker import write_media

seconds = st.floats(0, 1e4)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three usable clips of 2, 3 and 4 seconds, and a file that is none."""
    folder = tmp_path_factory.mktemp("clips")
    for length in (2, 3, 4):
        write_media(folder / f"clip{length}.mp4", seconds=length, channels=1)
    (folder / "broken.mp4").write_bytes(b"not a video")
    return folder


@given(seconds, seconds, seconds)
def test_the_break_even_is_the_first_setting_that_costs_less(once, each, other):
    def ours_is_less(n):
        return Fraction(once) + n * Fraction(each) < n * Fraction(other)

    n = settings_to_pay(once, each, other)
    if n is None:
        assert other <= each
        assert not ours_is_less(10**30)
    else:
        assert n >= 1
        assert ours_is_less(n)
        assert n == 1 or not ours_is_less(n - 1)


@pytest.mark.parametrize(
    ("once", "each", "other", "settings"),
    [(3.0, 0.5, 1.5, 4), (3.0, 0.5, 2.0, 3), (0.0, 0.5, 1.0, 1), (0.5, 0.0, 4.0, 1), (1.0, 2.0, 2.0, None)],
)
def test_break_even_by_hand(once, each, other, settings):
    """A tie has not paid off yet: 3 + 3 * 0.5 = 3 * 1.5."""
    assert settings_to_pay(once, each, other) == settings


def test_ratios_count_extraction_once():
    (row,) = break_even(2.0, 0.5, [Baseline("again", 3.0, "here", True)])
    assert row.settings == 1
    assert row.ratios == {n: pytest.approx(3 * n / (2 + n / 2)) for n in SETTINGS}
    assert row.as_dict()["ratios"].keys() == {str(n) for n in SETTINGS}


def test_the_papers_seconds():
    own, weak = paper_baselines()
    assert own.seconds == 2.49
    assert weak.seconds == pytest.approx(2.49 + 2.68)
    assert not own.same_machine
    assert "the authors' hardware" in own.source


def test_stages_of_given_videos(clips):
    backbone = FakeBackbone()
    found = bench_extraction(clips, backbone, repeats=2)
    assert (found.videos, found.refused, found.passes) == (3, 1, 2)
    assert (found.video_seconds, found.windows) == (3.0, 6)
    # this backbone does not tell its preprocessing from its encoding
    assert found.preprocess is None
    for stage in (found.decode, found.encode, found.write, found.least_again, found.as_run):
        assert stage > 0
    shown = found.as_dict()
    assert shown["once"] == found.decode + found.encode + found.write
    assert shown["again"] == found.decode + found.encode
    again, least = extraction_baselines(shown)
    assert (again.seconds, least.seconds) == (shown["again"], shown["least_again"])
    # one pass to warm up the first video, two with and two without windows, warmed up too, and the real run
    assert sum(kind == "audio" for kind, _ in backbone.calls) == 2 * (1 + 3 * 2) + 3


def test_no_pass_begins_after_the_budget(clips, monkeypatch):
    monkeypatch.setattr("avreplay.extract.bench.PASS_BUDGET", 0.0)
    assert bench_extraction(clips, FakeBackbone(), repeats=3).passes == 1


@pytest.mark.media
def test_text_where_preprocessing_is_not_told_and_replay_never_pays():
    extraction = {
        **bench_extraction(backbone=FakeBackbone(), sample=1, repeats=1).as_dict(),
        "again": 0.0,
        "least_again": 0.0,
    }
    said = bench(bench_replay(ReplayBenchRequest(None, 2, 3, repeats=1)), extraction).text().splitlines()
    assert next(line for line in said if "preprocess" in line).endswith("in encode")
    assert [("never" in line) for line in said if "times as much" in line] == [True, True, False, False]


def test_a_sample_spans_the_folder(clips):
    found = bench_extraction(clips, FakeBackbone(), sample=2, repeats=1)
    # the first file of the sorted folder is broken, the last is the 4 s clip
    assert (found.videos, found.refused, found.video_seconds) == (1, 1, 4.0)


def test_preprocessing_is_told_from_encoding_and_changes_nothing(clips, tmp_path):
    found = bench_extraction(clips / "clip2.mp4", "demo", repeats=1)
    assert found.preprocess is not None
    assert 0 < found.preprocess < found.again
    extract_videos(clips / "clip2.mp4", tmp_path / "s", "demo", settings=ExtractSettings())
    assert [v.id for v in open_store(tmp_path / "s").videos] == ["clip2"]


def test_wrong_requests(clips):
    with pytest.raises(DataError, match=r"none of 1 videos can be used; broken: .*format"):
        bench_extraction(clips / "broken.mp4", FakeBackbone())
    for wrong in ({"sample": 0}, {"repeats": 0}):
        with pytest.raises(UsageError, match="must be at least 1"):
            bench_extraction(clips, FakeBackbone(), **wrong)


def run(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.mark.media
def test_command_on_the_demo_world():
    done = run("--sample", 1, "--synthetic-videos", 4, "--synthetic-labels", 5, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["videos"], found["labels"], found["load_us"]) == (4, 5, None)
    assert found["paper_seconds_per_video"] == 2.49
    assert found["versions"].keys() >= {"python", "avreplay", "numpy", "numba", "av", "zarr"}
    assert found["cpu"] in found["machine"]
    extraction = found["extraction"]
    assert (extraction["backbone"], extraction["videos"], extraction["windows"]) == ("demo", 1, 55)
    stages = [extraction[stage] for stage in ("decode", "preprocess", "encode", "write")]
    assert min(stages) > 0
    assert extraction["once"] == pytest.approx(sum(stages))
    again, least, own, weak = found["break_even"]
    assert again["rival"]["seconds"] == pytest.approx(sum(stages[:3]))
    assert (own["rival"]["seconds"], weak["rival"]["seconds"]) == (2.49, pytest.approx(5.17))
    for row in found["break_even"]:
        assert row["once"] == extraction["once"]
        assert row["each"] == pytest.approx(found["replay_us"] * 1e-6)
        assert row["settings"] == settings_to_pay(row["once"], row["each"], row["rival"]["seconds"])
    assert least["rival"]["same_machine"]


def test_command_on_a_store_and_a_folder(clips, tmp_path):
    extract_videos(clips, tmp_path / "s", FakeBackbone(), ["a", "b", "c"])
    done = run("--store", tmp_path / "s", "--media", clips, "--sample", 4)
    assert done.exit_code == 0, done.output
    for words in ("demo encoder, 3 given videos of 3.0 s", "they cannot be used: 1", "load", "3 labels", "2.490 s",
                  "5.170 s", "orientation only", describe_machine()["cpu"], describe_versions()["numba"]):  # fmt: skip
        assert words in done.stdout
    found = json.loads(run("--store", tmp_path / "s", "--media", clips, "--json").stdout)
    assert found["break_even"][0]["once"] == pytest.approx(found["extraction"]["once"] + found["load_us"] * 1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--media", "{clips}/nothing"], 2, "there is no file or folder"),
        (["--media", "{clips}/broken.mp4"], 1, "none of 1 videos"),
        (["--backbone", "dem"], 2, "did you mean 'demo'"),
        (["--sample", "0"], 2, "sample is 0"),
        (["--synthetic-videos", "0"], 2, "videos is 0"),
        (["--store", "{clips}/nothing"], 1, "there is no store"),
    ],
)
def test_errors(clips, arguments, code, words):
    done = run(*(a.format(clips=clips) for a in arguments))
    assert done.exit_code == code
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
