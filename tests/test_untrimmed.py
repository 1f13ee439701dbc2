"""Untrimmed videos: from a store with an hour-long one to figures in seconds, within bounds of windows and memory."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from avreplay import open_store
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.inputs import decoder_inputs, reads_of
from avreplay.extract.encoding.sampling import most_windows, window_list
from click.testing import CliRunner
from untrimmed_data import LABELS, SECONDS, write_untrimmed

pytestmark = pytest.mark.once

VALUES = {"av2a": {"audio_scores": "segment"}, "ovavel": {"background": "none"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untrimmed")
    write_untrimmed(folder)
    return folder


def run(place, *arguments):
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_windows_of_an_hour_are_bounded():
    """Fewer than five to a segment, where all of them would be six and a half million."""
    assert len(window_list(3600)) == 16_779
    assert len(window_list(3600)) <= most_windows(3600, "auto", 16) < 6 * 3600
    per_segment = [len(window_list(t)) / t for t in (100, 1000, 10_000)]
    assert max(per_segment) < 5


def test_from_the_store_to_figures_in_seconds(place):
    store, file = place / "untrimmed", place / "unav100_annotations.json"
    truth = ["--dataset", "unav", "--annotations", file]
    settings = ["--set", "tau0=0.6", "--set", "tau_r=0.6", "--set", "decay=0.8", "--set", "audio_scores=segment"]
    run(place, "replay", store, *settings, "--out", place / "p.json")
    found = json.loads(run(place, "evaluate", place / "p.json", *truth, "--json"))
    assert (found["videos_scored"], found["length_mismatches"]) == (len(SECONDS), 0)
    assert found["metric"] == "map_tiou"
    assert found["metrics"]["map_50"] > found["metrics"]["map_90"] >= 0
    assert found["metrics"]["map_50"] > 40
    run(place, "report", place / "p.json", *truth, "--out", place / "r.html")
    assert "hour" in (place / "r.html").read_text()
    out = run(place, "tune", store, *truth, "--split", "test", "--set", "audio_scores=segment", "--sampler", "random",
              "--trials", 8, "--out", place / "tuned", "--json")  # fmt: skip
    assert json.loads(out)["objective"] == "map"
    assert (place / "tuned" / "best.toml").exists()


@pytest.mark.parametrize("name", ["av2a", "ovavel", "threshold", "hysteresis", "cuerator", "scope"])
def test_memory_grows_with_the_length_of_a_video_and_not_with_its_square(place, name):
    """What decoding takes beside the scores, for an hour and for a quarter of it."""
    decoder = DECODERS.get(name)
    params = decoder.make_params(values=VALUES.get(name, {}))
    inputs = decoder_inputs(open_store(place / "untrimmed"), reads_of(decoder, [params]))
    hour = inputs.select([inputs.scores.video_ids.index("hour")])
    song = inputs.select([inputs.scores.video_ids.index("song")])
    decoder.decode_many(hour, [params], threads=1)

    def peak(of):
        tracemalloc.start()
        decoder.decode_many(of, [params], threads=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    a, b = peak(song), peak(hour)
    times = SECONDS["hour"] / SECONDS["song"]
    assert b < 2 * times * a
    assert b < 3600 * len(LABELS) * 400


def test_thousands_of_events_of_a_track_stand_in_order():
    """The highest score first, equals as they come: by label, then time; whatever their number."""
    rng = np.random.default_rng(3)
    audio, visual = (rng.integers(0, 3, size=(900, 5)).astype(np.float32) for _ in range(2))
    bundle = ScoreBundle.create(
        video_ids=("long",), labels=tuple("abcde"), segments_per_video=[900], kind="probability",
        audio_segments=audio / 2, visual_segments=visual / 2,
    )  # fmt: skip
    decoder = DECODERS.get("threshold")
    params = decoder.make_params(values={"threshold": 0.4})
    events = decoder.decode_many(Inputs(bundle), [params]).events
    for track in ("audio", "visual"):
        found = events.track(0, track)
        assert len(found) > 500
        assert found == sorted(found, key=lambda e: (-e[3], e[0], e[1]))
        assert len({e[3] for e in found}) < len(found)


def test_annotations_of_the_made_store(place):
    found = load_annotations("unav", place)
    assert found.segments_per_video.tolist() == [18, 61, 215, 3600, 33]
    assert np.array_equal(found.durations, list(SECONDS.values()))
