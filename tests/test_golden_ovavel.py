"""OV-AVEL's decoders and metrics against what the authors' functions returned."""

from __future__ import annotations

import golden_ovavel as golden
import numpy as np
import pytest
from avreplay.core import reference
from avreplay.core.decoders.ovavel import ovavel_events, runs_of
from avreplay.core.events import Events
from avreplay.core.metrics.ovavel import ovavel_metrics
from avreplay.core.params.ovavel import make_ovavel_params
from temporal_twin import temporal_layer

STRATEGIES = {"v0": make_ovavel_params("training_free_no_other"), "v01": make_ovavel_params("training_free"),
              "v1": make_ovavel_params("finetuned")}  # fmt: skip
F32 = 1e-6  # the authors' segment F is float32


def from_embeddings(g: dict) -> tuple[np.ndarray, np.ndarray]:
    return tuple(reference.cosines(g[m], g["text"]).astype(np.float32) for m in ("audio", "visual"))


def check_strategy(g: dict, name: str, audio: np.ndarray, visual: np.ndarray) -> None:
    columns = audio.shape[2]
    events = ovavel_events(golden.bundle(audio, visual), STRATEGIES[name])
    flags, category = golden.agreement(events, 10, columns)
    np.testing.assert_array_equal(flags, g[f"{name}_is_event"])
    np.testing.assert_array_equal(category, g[f"{name}_class"])
    if f"{name}_pred_mat" in g:
        np.testing.assert_array_equal(golden.matrices(events, 10, columns), g[f"{name}_pred_mat"])
        np.testing.assert_array_equal(golden.matrices(golden.truth(g["avc"], g["cat"]), 10, columns), g["gt_mat"])
    m = ovavel_metrics(events, golden.truth(g["avc"], g["cat"]), np.full(len(audio), 10), columns, other=columns - 1)
    if f"{name}_acc_per_video" in g:
        np.testing.assert_allclose(m.correct[0] / 10, g[f"{name}_acc_per_video"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(m.f_scores[0, :, 0], g[f"{name}_segF_per_video"], atol=F32, rtol=0)
    np.testing.assert_allclose(m.f_scores[0, :, 1], g[f"{name}_eveF_per_video"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(m.table()[0, :3] / 100, g[f"{name}_batch_means"], atol=F32, rtol=0)


@pytest.mark.parametrize("name", ["v0", "v01"])
@pytest.mark.parametrize("file", ["tf_d32", "tf_d1024"])
def test_training_free_from_embeddings(file, name):
    g = golden.load(file)
    audio, visual = from_embeddings(g)
    np.testing.assert_allclose(audio[:4], g["simm_at_first4"], atol=1e-6)
    np.testing.assert_allclose(visual[:4], g["simm_vt_first4"], atol=1e-6)
    check_strategy(g, name, audio, visual)


@pytest.mark.parametrize("name", ["v0", "v01"])
@pytest.mark.parametrize("file", ["tf_edge_sims", "train_vocab"])
def test_training_free_from_similarities(file, name):
    g = golden.load(file)
    check_strategy(g, name, g["simm_at"], g["simm_vt"])


def test_runs_and_event_counts():
    g = golden.load("events")
    bits = (np.arange(1024)[:, None] >> np.arange(9, -1, -1)) & 1
    np.testing.assert_array_equal(g["seqs"], bits)
    everything = runs_of(bits.reshape(1, -1).astype(np.int32) - 1, np.full(1024, 10))
    for i, want in enumerate(g["intervals"].tolist()):
        assert [[s, e] for _, s, e, _ in everything.track(i, 2)] == [pair for pair in want if pair[0] >= 0]
    # with one class, the event F of a pair follows from the counts of the class row and of the background row
    tracks = [[[], [], [(0, s, e) for s, e in reference.runs_of(row)]] for row in bits]
    p, t = (Events.from_tracks([tracks[i] for i in g[k].tolist()]) for k in ("pair_pred", "pair_gt"))
    m = ovavel_metrics(p, t, np.full(len(g["pair_pred"]), 10), 1)

    def f(tp, fp, fn):
        return 2 * tp / np.maximum(2 * tp + fp + fn, 1), (tp + fp + fn) > 0

    row = f(*g["pair_tp_fp_fn"].astype(int).T)
    x, y = bits[g["pair_pred"]], bits[g["pair_gt"]]
    counts = []
    for a, b in zip(1 - x, 1 - y, strict=True):
        pa, gb = reference.runs_of(a), reference.runs_of(b)
        tp = sum(any(reference.intersection_over_union(i, j) >= 0.5 for j in gb) for i in pa)
        counts.append((tp, len(pa) - tp, len(gb) - tp))
    background = f(*np.array(counts).T)
    want = (row[0] * row[1] + background[0] * background[1]) / (row[1].astype(int) + background[1])
    np.testing.assert_allclose(m.f_scores[0, :, 1], want, atol=1e-12, rtol=0)


def test_metrics_of_class_per_segment():
    """Strategy v1 from logits: its fused scores are the square root of a product with itself."""
    g = golden.load("v1_metrics")
    logits = g["pred_logits"].astype(np.float32)
    np.testing.assert_array_equal(logits.argmax(-1), g["pred_class"])
    said = np.where(g["pred_class"] == golden.OTHER, -1, g["pred_class"]).astype(np.int32)
    events = runs_of(said.reshape(1, -1), np.full(len(said), 10))
    np.testing.assert_array_equal(golden.matrices(events, 10, 68), g["pred_mat"])
    truth = golden.truth(g["avc"], g["cat"])
    np.testing.assert_array_equal(golden.matrices(truth, 10, 68), g["gt_mat"])
    m = ovavel_metrics(events, truth, np.full(len(said), 10), 68, other=golden.OTHER)
    np.testing.assert_allclose(m.correct[0] / 10, g["acc_per_video"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(m.f_scores[0, :, 0], g["segF_per_video"], atol=F32, rtol=0)
    np.testing.assert_allclose(m.f_scores[0, :, 1], g["eveF_per_video"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(m.table()[0, :3] / 100, g["batch_means"], atol=F32, rtol=0)


@pytest.mark.parametrize(("paradigm", "name"), [("tf", "v0"), ("tf", "v01"), ("ft", "v0"), ("ft", "v01"), ("ft", "v1")])
def test_end_to_end(paradigm, name):
    """From embeddings, through the temporal layer where fine-tuned, to the logged figures at both batch sizes."""
    g, results = golden.load("e2e_eval"), golden.load_json("e2e_eval")["results"]
    features = {m: g[m].astype(np.float64) for m in ("audio", "visual")}
    if paradigm == "ft":
        for modality, letter in (("audio", "a"), ("visual", "v")):
            head = f"{letter}_sa_blocks.0."
            weights = {k[k.index(head) + len(head) :]: v for k, v in g.items() if head in k}
            features[modality] = temporal_layer(features[modality], weights)
    audio, visual = (reference.cosines(features[m], g["text"]).astype(np.float32) for m in ("audio", "visual"))
    events = ovavel_events(golden.bundle(audio, visual), STRATEGIES[name])
    n = len(audio)
    want = np.unpackbits(g[f"{paradigm}_{name}/pred_mat_packed"])[: n * 680].reshape(n, 68, 10)
    np.testing.assert_array_equal(golden.matrices(events, 10, 68), want)
    m = ovavel_metrics(events, golden.truth(g["avc"], g["cat"]), np.full(n, 10), 68, other=golden.OTHER)
    np.testing.assert_allclose(m.f_scores[0, :, 0], g[f"{paradigm}_{name}/segF_per_video"], atol=F32, rtol=0)
    np.testing.assert_allclose(m.f_scores[0, :, 1], g[f"{paradigm}_{name}/eveF_per_video"], atol=1e-12, rtol=0)
    for size in (4, 32):
        logged = results[f"{paradigm}_{name}_bs{size}"]
        measured = m.table(batch_size=size)[0] / 100
        np.testing.assert_allclose(measured[0], logged["acc"], atol=1e-12, rtol=0)
        np.testing.assert_allclose(measured[1], logged["segF"], atol=F32, rtol=0)
        np.testing.assert_allclose(measured[2], logged["eveF"], atol=1e-12, rtol=0)
        returned = measured[0] if paradigm == "tf" else measured[3]
        np.testing.assert_allclose(returned, logged["returned"], atol=F32, rtol=0)
