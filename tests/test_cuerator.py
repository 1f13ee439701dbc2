"""CueRator's rule against what the published code returned, and its kernel against its plain twin."""

from __future__ import annotations

import json
from dataclasses import replace

import golden_rivals as golden
import numpy as np
import pytest
from avreplay.cli import main
from avreplay.core import reference_cuerator as reference
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.cuerator import CueratorDecoder, cuerator_votes
from avreplay.core.decoders.segment_events import label_events
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import TRACKS
from avreplay.core.metrics.ovavel import ovavel_metrics
from avreplay.core.params.cuerator import CUERATOR_BOX, CUERATOR_PRESETS, CueratorParams
from avreplay.core.params.table import ParamTable
from avreplay.evaluate.cuerator_oracle import cuerator_oracle
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.registry import load_annotations
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ovavebench_made import Sizes, made_targets, write_made_annotations, write_made_store

pytestmark = pytest.mark.once

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
DECODER = CueratorDecoder()
CASES = [(file, case) for file in ("cuerator_rule", "cuerator_exact") for case in golden.load(file)]


@pytest.mark.parametrize(("file", "case"), CASES)
def test_decisions_and_figures_are_the_published_ones(file, case):
    g = golden.load(file)[case]
    b = golden.bundle(g["a"], g["v"])
    n, t, c = g["a"].shape
    votes = cuerator_votes(b, g["p"])[:, 2]
    want = np.where(g["pred"] == c, -1, g["pred"])
    np.testing.assert_array_equal(votes.reshape(want.shape), want)
    events = label_events(votes[:, None], b.segments_per_video, ("audio_visual",))
    truth = golden.truth(g["avc"], g["category"], c)
    m = ovavel_metrics(events, truth, np.full(n, t), c)
    np.testing.assert_allclose(m.per_video / 100, g["per_video"], atol=1e-12, rtol=0)
    np.testing.assert_allclose((m.per_video / 100).mean(axis=1), g["dataset"], atol=1e-12, rtol=0)
    for i, p in enumerate(g["p"]):
        for v in (0, n - 1):
            np.testing.assert_array_equal(reference.votes(g["a"][v], g["v"][v], p)[2], want[i, v])


@pytest.mark.parametrize("case", golden.load("cuerator_rule"))
def test_thresholds_are_the_published_ones(case):
    g = golden.load("cuerator_rule")[case]
    for j, v in enumerate(g["theta_video_index"].tolist()):
        for i, p in enumerate(g["theta_p_index"].tolist()):
            found = reference.thresholds(g["a"][v], g["v"][v], g["p"][p])
            for side, name in zip(found, ("theta_a", "theta_v"), strict=True):
                np.testing.assert_allclose(side, g[name][i, j], atol=2e-7, rtol=0)


def annotations(g) -> Annotations:
    n, t, c = g["a"].shape
    b = golden.bundle(g["a"], g["v"])
    events = golden.truth(g["avc"], g["category"], c)
    return Annotations("json", "train", b.labels, b.video_ids, np.full(n, t), events, "made")


@pytest.mark.parametrize("case", [
    pytest.param(c, marks=pytest.mark.slow if c.endswith("_131072") else ())
    for c in golden.load("cuerator_oracle") if c[0] not in "-g"
])  # fmt: skip
def test_the_oracle_is_the_published_one(case):
    g = golden.load("cuerator_oracle")
    made, want = g["-"], g[case]
    score, _, points = case.rpartition("_")
    some = want["video_index"]
    b = golden.bundle(made["a"], made["v"]).select_videos(some)
    found = cuerator_oracle(b, annotations(made), score=score, points=int(points))
    np.testing.assert_array_equal(found.index, want["best_index"])
    np.testing.assert_array_equal(found.weights, want["best_p"])
    np.testing.assert_array_equal(found.score, want["best_score"])
    _, t, c = made["a"].shape
    np.testing.assert_array_equal(
        golden.timelines(found.events, "audio_visual", t), np.where(want["pred"] == c, -1, want["pred"])
    )
    assert found.params(0) == CueratorParams(*map(float, want["best_p"][0]))


def test_the_search_for_all_videos_is_the_published_one():
    g = golden.load("cuerator_oracle")
    made, want = g["-"], g["global_4096"]
    b = golden.bundle(made["a"], made["v"])
    found = [cuerator_oracle(b, annotations(made), points=4096, threads=n) for n in (1, 2)]
    for one in found:
        np.testing.assert_array_equal(one.points, made["grid_4096"])
        np.testing.assert_allclose(one.mean_accuracy, want["mean_frame_acc"], atol=1e-12, rtol=0)
        assert one.best == int(want["best_index"])
    assert found[0].params() == CueratorParams(*map(float, made["grid_4096"][found[0].best]))


def test_what_the_oracle_does_not_take():
    g = golden.load("cuerator_oracle")["-"]
    with pytest.raises(UsageError, match="score is 'acc'; it must be one of frame_acc"):
        cuerator_oracle(golden.bundle(g["a"], g["v"]), annotations(g), score="acc")
    with pytest.raises(UsageError, match="points and threads must be at least 1"):
        cuerator_oracle(golden.bundle(g["a"], g["v"]), annotations(g), points=0)
    with pytest.raises(UsageError, match="points is 99999999999; at most 16777216 weights are tried"):
        cuerator_oracle(golden.bundle(g["a"], g["v"]), annotations(g), points=99_999_999_999)


LABELS = ("dog", "Other", "cat", "background", *(f"class {i}" for i in range(40)))


def made(seed, segments, labels, style):
    rng = np.random.default_rng(seed)
    scores = {}
    for name in ("audio_segments", "visual_segments"):
        x = rng.uniform(-0.3, 0.6, (int(np.sum(segments)), labels))
        if style == "ties":
            x = np.round(x * 4) / 4
        elif style == "flat":
            x[:] = 0.25
        scores[name] = x.astype(np.float32)
    b = ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(len(segments))],
        labels=LABELS[:labels],
        segments_per_video=np.array(segments, np.int64),
        has_audio=rng.random(len(segments)) > 0.1,
        has_visual=rng.random(len(segments)) > 0.1,
        **scores,
    )
    if style == "nan":
        x = np.array(b.audio_segments)
        x[rng.random(len(x)) < 0.2] = np.nan
        x[rng.random(x.shape) < 0.02] = np.nan
        b = replace(b, audio_segments=x)
    return b


@SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 20), min_size=1, max_size=4),
    st.sampled_from([4, 5, 7, 12, 40, 44]),
    st.sampled_from(["normal", "ties", "flat", "nan"]),
)
def test_the_kernel_equals_the_twin(seed, segments, labels, style):
    b = made(seed, segments, labels, style)
    rng = np.random.default_rng(seed)
    low, high = np.array(list(CUERATOR_BOX.values())).T
    rows = [*(low + rng.random((4, 10)) * (high - low)), np.zeros(10), low, np.round(rng.normal(size=10), 1)]
    params = [CueratorParams(*map(float, row)) for row in rows]
    events = DECODER.decode_many(Inputs(b), params).events
    columns = np.array([i for i, name in enumerate(b.labels) if name.lower() not in ("other", "background")])
    for v, t in enumerate(segments):
        at = b.segment_starts[v]
        a, x = (s[at : at + t][:, columns] for s in (b.audio_segments, b.visual_segments))
        there = t and b.has_audio[v] and b.has_visual[v]
        for i, row in enumerate(rows):
            want = reference.votes(a, x, row) if there else [[-1] * t] * 3
            for track, line in zip(TRACKS, want, strict=True):
                named = [int(columns[k]) if k >= 0 else -1 for k in line]
                assert golden.timelines(events.setting(i).select([v]), track, t)[0].tolist() == named


def test_a_search_finds_what_a_replay_finds():
    b = made(1, (10, 3, 0, 7), 12, "normal")
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(*CUERATOR_BOX[name], 8) for name in ("p0", "p1", "p9")}
    table = ParamTable(DECODER.make_params("box_middle"), columns)
    run = DECODER.sweeper(Inputs(b), table, ("audio", "audio_visual"))
    found = run(2, 8)
    want = DECODER.decode_many(Inputs(b), [table.params(i) for i in range(2, 8)], tracks=("audio", "audio_visual"))
    for name in ("starts", "label", "onset", "offset"):
        np.testing.assert_array_equal(getattr(found, name), getattr(want.events, name))
    assert found.of_each_track()[1] == 0
    assert len(found.label)


def test_too_few_labels_and_missing_scores_are_named():
    b = made(1, (3,), 4, "normal")
    alone = b.select_labels([0, 1, 3])
    with pytest.raises(DataError, match="hold 1 label besides background texts, and the cuerator decoder compares"):
        DECODER.decode(Inputs(alone), CueratorParams())
    with pytest.raises(DataError, match="no visual_segments, which the cuerator decoder needs"):
        DECODER.decode(Inputs(replace(b, visual_segments=None)), CueratorParams())


@pytest.mark.parametrize("style", ["normal", "ties"])
def test_reasons_and_traces_agree_with_the_events(style):
    b = made(3, (10, 4, 6), 7, style)
    b = replace(b, has_audio=np.array([True, True, False]), has_visual=np.ones(3, bool))
    for params in (DECODER.make_params("box_middle"), CueratorParams(p0=0.1, p5=0.2), CueratorParams()):
        replayed = DECODER.decode_many(Inputs(b), [params], trace=True)
        trace = replayed.trace
        assert trace is not None
        assert trace.active[:2, :2, 0].all()
        assert not trace.active[:, 2].any()
        assert not trace.active[:, :, [1, 3]].any()
        for v in range(3):
            for track in TRACKS:
                line = golden.timelines(replayed.events.select([v]), track, int(b.segments_per_video[v]))[0]
                for label in range(b.num_labels):
                    for t in range(len(line)):
                        why = DECODER.explain(Inputs(b), params, v, track, label, t, t + 1)
                        assert (not why.lost_at) == (line[t] == label), why.text()
                    row = int(b.segment_starts[v])
                    if track != "audio_visual":
                        k = TRACKS.index(track)
                        voted = np.flatnonzero(line == label) + row
                        assert (trace.score[k, voted, label] > trace.tau[k, voted, label]).all()


def test_options_and_the_space_of_a_search():
    assert DECODER.make_params("box_low").p0 == -0.1
    assert set(CUERATOR_PRESETS) == {"box_middle", "box_low"}
    assert DECODER.search_space()[0] == "p0=-0.1:0.5"
    assert CueratorParams(p3=-7).p3 == -7  # the box bounds a search, not a setting


def test_the_command_says_that_it_is_a_bound(tmp_path):
    sizes = Sizes(share=0.004, seen=4, unseen=2, dim=24, signal=0.3)
    targets = made_targets(sizes)
    write_made_store(str(tmp_path / "ov"), targets, sizes)
    write_made_annotations(tmp_path / "truth", targets)
    where = ("--dataset", "json", "--annotations", str(tmp_path / "truth"), "--split", "val", "--points", "256")
    text, told = (
        CliRunner().invoke(main, ["oracle", str(tmp_path / "ov"), *where, *more]) for more in ((), ("--json",))
    )
    assert (text.exit_code, told.exit_code) == (0, 0), text.output + told.output
    assert text.stdout.startswith("upper bound, not a result: the weights of each video are chosen by its own annotat")
    assert "best" not in text.stdout
    videos = len(load_annotations("json", tmp_path / "truth", "val").video_ids)
    assert f"of {videos} videos of val, 256 sets of weights tried\n" in text.stdout
    found = json.loads(told.stdout)
    assert (found["upper_bound"], found["uses_the_truth_of"]) == (True, "val")
    want = cuerator_oracle(str(tmp_path / "ov"), load_annotations("json", tmp_path / "truth", "val"), points=256)
    assert found["bound"] == pytest.approx(100 * float(want.score.mean()))
    assert found["videos_expected"] == videos
    assert found["figures"] == pytest.approx(dict(want.figures))
    assert found["figures"]["total_acc"] == pytest.approx(found["bound"], abs=1e-3)
    assert found["one_for_all"] == pytest.approx(100 * want.mean_accuracy.max())
    assert found["one_for_all"] < found["bound"]
    wrong = CliRunner().invoke(main, ["oracle", str(tmp_path / "ov"), *where, "--score", "f1"])
    assert wrong.exit_code == 2
