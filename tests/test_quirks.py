"""One test for each difference between the released code and the paper's equations (``docs/quirks.md``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.events import Events
from avreplay.core.metrics.ave_accuracy import ave_accuracy
from avreplay.core.metrics.llp import llp_metrics
from avreplay.core.params.av2a import PROFILES, Params
from avreplay.core.params.ovavel import OVAVEL_PROFILES
from pinning import pins

PLAIN = Params(method="naive", select_classes=False, refine=False, tau0=0.5, min_length=1, max_gap=0)


def bundle(rows, *, kind="probability", audio=None, clip=None, features=None, windows=None):
    """One video; ``rows`` (T, C) are its visual segment scores, ``windows`` {(start, end): (C,)} its visual windows."""
    rows = np.asarray(rows, float)
    t, c = rows.shape
    index = np.array(list(windows or {}), np.int64).reshape(-1, 2)
    extra = {} if windows is None else {
        "window_video": np.zeros(len(index), np.int64), "window_start": index[:, 0], "window_end": index[:, 1],
        "window_visual": np.array(list(windows.values()))[:, None],
    }  # fmt: skip
    return ScoreBundle.create(
        video_ids=["v"],
        labels=[f"l{i}" for i in range(c)],
        segments_per_video=[t],
        kind=kind,
        visual_segments=rows,
        audio_segments=None if audio is None else np.asarray(audio, float),
        audio_clip=np.asarray(rows.mean(axis=0) if clip is None else clip, float)[None],
        visual_clip=rows.mean(axis=0)[None, None],
        visual_features=np.ones((t, 2)) if features is None else np.asarray(features, float),
        **extra,
    )


def events(b, params, track="visual"):
    return [e[:3] for e in replay_scores(b, params, tracks=[track]).events.track(0, track)]


def tau(b, params, track="visual"):
    trace = replay_scores(b, params, trace=True).trace
    return trace.tau[("audio", "visual", "audio_visual").index(track)], trace


@pins("audio_chunk")
def test_audio_scores():
    b = bundle(np.zeros((4, 1)), audio=[[0.9], [0.9], [0.1], [0.1]], clip=[0.6])
    assert events(b, PLAIN.override({"audio_scores": "clip"}), "audio") == [(0, 0, 4)]
    assert events(b, PLAIN.override({"audio_scores": "segment"}), "audio") == [(0, 0, 2)]
    b = bundle(np.zeros((4, 1)), audio=[[0.9], [0.3], [0.1], [0.1]])
    assert events(b, PLAIN.override({"audio_scores": "2"}), "audio") == [(0, 0, 2)]


@pytest.mark.slow
@pins("pinv", "times_score", "ridge")
def test_ratio_and_ratio_times_score():
    b = bundle([[0.8, 0.4], [0.7, 0.6]])
    p = PLAIN.override({"method": "label_shift"})
    P, nxt = b.visual_segments[0].astype(float), b.visual_segments[1].astype(float)
    M = np.outer(P, [1.0, 0.0])
    ridge = np.linalg.solve(M.T @ M + np.eye(2), M.T @ nxt)
    inverse = np.linalg.pinv(M) @ nxt
    for ratio, times, want in (("ridge", True, ridge * nxt), ("ridge", False, ridge), ("pinv", False, inverse)):
        _, trace = tau(b, p.override({"ratio": ratio, "ratio_times_score": times}))
        np.testing.assert_allclose(trace.ratio[1, 0], want, atol=1e-12)
    _, trace = tau(b, p.override({"ridge_weight": 0.1}))
    np.testing.assert_allclose(trace.ratio[1, 0], np.linalg.solve(M.T @ M + 0.1 * np.eye(2), M.T @ nxt) * nxt)


@pytest.mark.slow
@pins("pinv_cutoff")
def test_pinv_cutoff():
    """Two segments with nearly parallel scores and other decisions: singular values of about 1 and 1e-4."""
    b = bundle([[0.8, 0.4999], [0.8, 0.5001], [0.5, 0.9]])
    p = PLAIN.override({"method": "label_shift", "ratio": "pinv", "ratio_times_score": False})
    P = b.visual_segments.astype(float)
    M = P[:2].T @ [[1.0, 0.0], [1.0, 1.0]] / 2
    wanted = {cutoff: np.linalg.pinv(M, rcond=cutoff) @ P[2] for cutoff in (1e-12, 0.1)}
    assert np.abs(wanted[1e-12] - wanted[0.1]).min() > 0.1
    for cutoff, want in wanted.items():
        _, trace = tau(b, p.override({"pinv_cutoff": cutoff}))
        np.testing.assert_allclose(trace.ratio[1, 1], want, rtol=1e-6)


@pins("cosine_audio")
def test_cosine_audio():
    b = bundle(np.full((3, 1), 0.4), clip=[0.4], features=[[1, 0], [0, 1], [1, 0]])
    p = PLAIN.override({"method": "cosine", "decay": 0.0})
    assert tau(b, p.override({"cosine_audio": False}), "audio")[0][:, 0].tolist()[:2] == [0.5, 0.0]
    assert tau(b, p.override({"cosine_audio": True}), "audio")[0][:, 0].tolist() == [0.5, 0.5, 0.5]


@pins("cosine_clip")
def test_cosine_clip():
    b = bundle(np.zeros((2, 1)), features=[[1, 0], [-1, 0]])
    p = PLAIN.override({"method": "cosine", "decay": 0.0})
    assert tau(b, p)[0][1, 0] == 1.0
    assert tau(b, p.override({"cosine_clip": True}))[0][1, 0] == 0.5


@pins("min_length", "max_gap")
def test_min_length_and_max_gap():
    b = bundle(np.array([[1, 0, 1, 1, 0, 1, 1, 0, 0, 1]]).T)
    assert events(b, PLAIN) == [(0, 0, 1), (0, 2, 4), (0, 5, 7), (0, 9, 10)]
    # single segments go first, so that they bridge nothing
    assert events(b, PLAIN.override({"min_length": 2, "max_gap": 1})) == [(0, 2, 7)]
    assert events(b, PLAIN.override({"min_length": 1, "max_gap": 1})) == [(0, 0, 7), (0, 9, 10)]
    assert events(b, PLAIN.override({"min_length": 1, "max_gap": 2})) == [(0, 0, 10)]


@pins("check_lone")
def test_lone_candidate():
    b = bundle([[0.9, 0.1]] * 3, windows={(0, 3): [0.2, 0.2]})
    p = PLAIN.override({"refine": True, "tau_r": 0.75, "all_rejected": "keep_none"})
    assert events(b, p.override({"lone_candidate": "keep"})) == [(0, 0, 3)]
    assert events(b, p.override({"lone_candidate": "check"})) == []


@pins("keep_best")
def test_all_rejected():
    b = bundle([[0.9, 0.9]] * 3, windows={(0, 3): [0.2, 0.4]})
    p = PLAIN.override({"refine": True, "tau_r": 0.75})
    assert events(b, p.override({"all_rejected": "keep_best"})) == [(1, 0, 3)]
    assert events(b, p.override({"all_rejected": "keep_none"})) == []
    assert events(bundle([[0.9, 0.9]] * 3, windows={(0, 3): [0.4, 0.4]}), p) == [(0, 0, 3)]


@pins("argmax")
def test_refine_rule():
    b = bundle([[0.9, 0.9, 0.0]] * 3, windows={(0, 3): [0.2, 0.4, 0.3]})
    p = PLAIN.override({"refine": True, "tau_r": 0.1})
    assert events(b, p) == [(0, 0, 3), (1, 0, 3)]
    assert events(b, p.override({"refine_rule": "argmax"})) == [(1, 0, 3)]


@pins("norm", "scale", "bias")
def test_score_norm():
    raw = [[0.1, 0.2, 0.3, 0.9]]
    b = bundle(raw, kind="similarity")
    row = np.array(raw[0], np.float32).astype(float)

    def score(norm, **more):
        return tau(b, PLAIN.override({"score_norm": norm, **more}))[1].score[1, 0]

    z = (row - row.mean()) / row.std(ddof=1)
    np.testing.assert_allclose(score("active"), 1 / (1 + np.exp(-z)), atol=1e-6)
    np.testing.assert_allclose(score("all"), score("active"))
    for scale, bias in ((1.0, 0.0), (10.0, -1.0)):
        plain = 1 / (1 + np.exp(-(scale * row + bias)))
        np.testing.assert_allclose(score("sigmoid", sigmoid_scale=scale, sigmoid_bias=bias), plain, atol=1e-6)
    # over the selected labels only, or still over all
    p = PLAIN.override({"select_classes": True, "tau_f": 0.4})
    kept = score("active") > 0.4
    assert kept.sum() == 2
    some = tau(b, p)[1].score[1, 0]
    assert np.isnan(some[~kept]).all()
    assert not np.allclose(some[kept], score("active")[kept])
    np.testing.assert_allclose(tau(b, p.override({"score_norm": "all"}))[1].score[1, 0][kept], score("active")[kept])


@pins("score_all_if_single")
def test_single_label():
    b = bundle([[0.1, 0.2, 0.9]] * 3, kind="similarity")
    p = PLAIN.override({"select_classes": True, "tau_f": 0.7})
    assert events(b, p.override({"single_label": "none"})) == []
    assert events(b, p.override({"single_label": "score_all"})) == [(2, 0, 3)]


@pins("flat_half")
def test_flat_scores():
    b = bundle([[0.1, 0.9], [0.3, 0.3], [0.1, 0.9]], kind="similarity")
    p = PLAIN.override({"method": "label_shift"})
    assert np.isnan(tau(b, p)[0][1:]).all()
    assert events(b, p) == [(1, 0, 1)]
    assert np.isfinite(tau(b, p.override({"flat_scores": "half"}))[0]).all()


@pins("single")
def test_precision():
    """Two labels tie in float32 and not in float64; then the comparison with tau_f differs."""
    third = np.float32(1 / 3)
    b = bundle([[third, 0.0]])
    p = PLAIN.override({"select_classes": True, "tau_f": 1 / 3, "tau0": 0.1})
    assert events(b, p.override({"precision": "float32"})) == []
    assert events(b, p.override({"precision": "float64"})) == [(0, 0, 1)]
    raw = bundle([[0.1, 0.2, 0.7]], kind="similarity")
    row = raw.visual_segments[0].astype(float)
    exact = 1 / (1 + np.exp(-(row - row.mean()) / row.std(ddof=1)))
    for precision, atol in (("float32", 1e-6), ("float64", 1e-14)):
        score = tau(raw, PLAIN.override({"precision": precision}))[1].score[1, 0]
        np.testing.assert_allclose(score, exact, atol=atol, rtol=0)
        assert (precision == "float32") == np.array_equal(score, score.astype(np.float32))


@pins("av_given")
def test_av_scores():
    b = bundle([[0.9, 0.1]], audio=[[0.9, 0.1]])
    given = ScoreBundle.create(
        video_ids=["v"], labels=b.labels, segments_per_video=[1], kind="probability", visual_segments=b.visual_segments,
        audio_segments=b.audio_segments, audio_visual_segments=[[0.1, 0.9]],
    )  # fmt: skip
    p = PLAIN.override({"audio_scores": "segment"})
    assert events(given, p, "audio_visual") == [(0, 0, 1)]
    assert events(given, p.override({"av_scores": "given"}), "audio_visual") == [(1, 0, 1)]


def test_ave_first_event_only():
    truth = Events.from_tracks([[[], [], [(0, 0, 4), (1, 4, 10)]]])
    predicted = Events.from_tracks([[[], [], [(0, 0, 5, 0.2), (1, 3, 10, 0.9)]]])
    assert ave_accuracy(predicted, truth, [10], 2, first_only=True).tolist() == [[9]]
    assert ave_accuracy(predicted, truth, [10], 2, first_only=False).tolist() == [[9]]
    tie = Events.from_tracks([[[], [], [(1, 0, 10, 0.3), (0, 0, 4, 0.9)]]])
    assert ave_accuracy(tie, truth, [10], 2, first_only=True).tolist() == [[0]]
    assert ave_accuracy(tie, truth, [10], 2, first_only=False).tolist() == [[10]]


def test_audio_from_visual():
    truth = Events.from_tracks([[[(0, 0, 5)], [(1, 0, 5)], []]])
    predicted = Events.from_tracks([[[(0, 0, 5)], [(1, 0, 5)], []]])
    assert llp_metrics(predicted, truth, [10], 2).summary()["audio_seg"] == 100
    assert llp_metrics(predicted, truth, [10], 2, audio_from_visual=True).summary()["audio_seg"] == 0


def test_release_audio_with_label_shift_is_naive():
    """With the clip row, label shift never changes an audio decision (and costs nothing)."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        b = bundle(rng.normal(size=(10, 12)), kind="similarity", clip=rng.normal(size=12))
        shifted, naive = (PLAIN.override({"method": m}) for m in ("label_shift_cosine", "naive"))
        assert events(b, shifted, "audio") == events(b, naive, "audio")


def quirk_rows() -> list[list[str]]:
    text = (Path(__file__).parents[1] / "docs" / "quirks.md").read_text(encoding="utf-8")
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 15
    return rows


def _spelled(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("row", quirk_rows(), ids=lambda r: r[0].strip("`"))
def test_the_quirk_table_is_true(row):
    """Every row names options with the profiles' values, and a test that exists."""
    name, release, paper, *_, test = row
    option = name.strip("`")
    for profiles in (PROFILES, OVAVEL_PROFILES):
        if option in profiles["release"]:
            assert release.split("`")[1] == _spelled(profiles["release"][option])
            assert paper.split("`")[1] == _spelled(profiles["paper"][option])
    where, _, function = test.strip("`").partition("::")
    assert f"def {function}(" in (Path(__file__).parent / where).read_text(encoding="utf-8")


def test_every_quirk_is_in_the_table():
    listed = {row[0].strip("`") for row in quirk_rows()}
    for profiles in (PROFILES, OVAVEL_PROFILES):
        assert {k for k in profiles["release"] if profiles["release"][k] != profiles["paper"][k]} <= listed
