"""The metrics against what the authors' evaluation functions returned."""

from __future__ import annotations

import golden_av2a as golden
import numpy as np
import pytest
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.events import Events
from avreplay.core.metrics.ave_accuracy import ave_accuracy
from avreplay.core.metrics.llp import PARTS, llp_metrics, named_columns

# columns of `per_video`: audio, visual, pooled, audio-visual at segment level, then the same at event level
_PER_VIDEO = [(PARTS.index(p), level) for level in (0, 1) for p in ("audio", "visual", "event_av", "audio_visual")]
# columns of `aggregate`, as indices into METRIC_NAMES
_AGGREGATE = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]


def events_of_masks(masks: np.ndarray) -> Events:
    """(N, 3, C, T) masks as one-segment events (the metric joins them into runs)."""
    return Events.from_tracks(
        [[[(c, t, t + 1) for c, t in np.argwhere(track).tolist()] for track in video] for video in masks]
    )


def unpacked(packed: np.ndarray, tracks: int) -> np.ndarray:
    bits = np.unpackbits(packed, axis=1)[:, : tracks * 250]
    return bits.reshape(-1, tracks, 25, 10)


def columns(per_video: np.ndarray) -> np.ndarray:
    return np.stack([per_video[:, part, level] for part, level in _PER_VIDEO], axis=1)


def test_mask_cases():
    g = golden.load("llp_metrics")
    masks = unpacked(g["masks_packed"], 6)
    m = llp_metrics(events_of_masks(masks[:, :3]), events_of_masks(masks[:, 3:]), np.full(len(masks), 10), 25)
    np.testing.assert_allclose(columns(m.per_video[0]), g["mask_metrics"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(m.table()[0][_AGGREGATE], g["mask_aggregate"], atol=1e-9, rtol=0)


def llp_truth() -> Events:
    pair = unpacked(golden.load("llp_metrics")["gt_packed"], 2)
    return events_of_masks(np.concatenate([pair, pair[:, :1] & pair[:, 1:]], axis=1))


@pytest.mark.parametrize("audio_from_visual", [False, True])
def test_llp_end_to_end(audio_from_visual):
    """From raw scores to the table of the released evaluation."""
    g = golden.load("llp_metrics")
    configs = {c["id"]: c for c in golden.meta()["configs"]}
    truth = llp_truth()
    for k, config in enumerate(g["config"].tolist()):
        bundle = golden.bundle("LLP", configs[config]["backbone"])
        events = replay_scores(bundle, golden.params(configs[config])).events
        m = llp_metrics(events, truth, bundle.segments_per_video, 25, audio_from_visual=audio_from_visual)
        axis = int(audio_from_visual)
        np.testing.assert_allclose(columns(m.per_video[0]), g["per_video"][k, axis], atol=1e-9, rtol=0)
        np.testing.assert_allclose(m.table()[0][_AGGREGATE], g["aggregate"][k, axis], atol=1e-9, rtol=0)
        want = g["per_class"][k, axis]
        np.testing.assert_allclose(100 * named_columns(m.per_class[0])[:, _AGGREGATE], want[:, :10], atol=1e-9, rtol=0)
        np.testing.assert_allclose(m.class_length, want[:, 10], atol=1e-9, rtol=0)


def _ave_truth(videos: np.ndarray) -> Events:
    return Events.from_tracks([[[], [], [tuple(row)]] for row in videos.tolist()])


def test_ave_end_to_end():
    g = golden.load("ave_metrics")
    configs = {c["id"]: c for c in golden.meta()["configs"]}
    for k, config in enumerate(g["config"].tolist()):
        bundle = golden.bundle("AVE", configs[config]["backbone"])
        events = replay_scores(bundle, golden.params(configs[config])).events
        correct = ave_accuracy(events, _ave_truth(g["gt_first"][g["video"]]), bundle.segments_per_video, 28)
        assert correct[0].tolist() == g["correct"][k].tolist()
        assert 100 * correct.sum() / bundle.segments_per_video.sum() == pytest.approx(g["accuracy"][k], abs=1e-9)


def test_ave_random_predictions():
    g = golden.load("ave_metrics")
    rows = g["random_rows"][np.lexsort((g["random_rows"][:, 5],))]
    for case in range(len(g["random_accuracy"])):
        tracks = [[[], [], []] for _ in range(402)]
        for _, video, label, start, end, _ in rows[rows[:, 0] == case].tolist():
            tracks[video][2].append((label, start, end))
        correct = ave_accuracy(Events.from_tracks(tracks), _ave_truth(g["gt_first"]), np.full(402, 10), 28)
        assert correct[0].tolist() == g["random_correct"][case].tolist()


def test_events_and_pairs_of_every_mask():
    """All 1,024 x 1,024 pairs of ten-segment masks, one label: event counts summed either way."""
    g = golden.load("units")
    bits = ((np.arange(1024)[:, None] >> np.arange(10)) & 1).astype(bool)
    by_pred = np.zeros((1024, 3), np.int64)
    by_gt = np.zeros((1024, 3), np.int64)
    runs = [_runs_of(b) for b in bits]
    assert [[list(r) for r in x] for x in runs] == [
        [p for p in row if p[0] >= 0] for row in g["metric_events"].tolist()
    ]
    everything = Events.from_tracks([[[], [], [(0, s, e) for s, e in runs[i]]] for i in range(1024)])
    for i in range(0, 1024, 7):
        truth = Events.from_tracks([[[], [], [(0, s, e) for s, e in runs[i]]]] * 1024)
        m = llp_metrics(everything, truth, np.full(1024, 10), 1)
        by_gt[i] = m.totals[0, 0, 2, 1]
        m = llp_metrics(truth, everything, np.full(1024, 10), 1)
        by_pred[i] = m.totals[0, 0, 2, 1]
        assert by_gt[i].tolist() == g["event_pair_sum_by_gt"][i].tolist()
        assert by_pred[i].tolist() == g["event_pair_sum_by_pred"][i].tolist()


def _runs_of(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
