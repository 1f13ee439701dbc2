"""The switches of the trained layers that no golden vector covers, against a plain NumPy reading of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from avreplay.extract.finetune.config import LayerConfig  # noqa: E402
from avreplay.extract.finetune.loss import fuse, probabilities, segment_loss, unit  # noqa: E402
from avreplay.extract.finetune.temporal import TemporalLayer, neighbours  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

DIM = 6


def norm(x, weight, bias):
    return (x - x.mean()) / math.sqrt(x.var() + 1e-5) * weight + bias


def block(w, name, x, source, there, heads):
    """One segment, one head and one key at a time."""

    def linear(key, row):
        return w[f"{name}.{key}.weight"] @ row + w[f"{name}.{key}.bias"]

    q = [linear("self_attn.q", row) for row in x]
    k, v = ([linear(f"self_attn.{m}", row) for row in source] for m in "kv")
    hidden = len(q[0])
    width = hidden // heads
    out = []
    for t, row in enumerate(x):
        gathered = np.zeros(hidden)
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            keys = [s for s in range(len(source)) if there[s]]
            logits = np.array([q[t][part] @ k[s][part] / math.sqrt(hidden) for s in keys])
            weights = np.exp(logits - logits.max())
            for s, share in zip(keys, weights / weights.sum(), strict=True):
                gathered[part] += share * v[s][part]
        y = norm(row + linear("self_attn.o", gathered), w[f"{name}.norm1.weight"], w[f"{name}.norm1.bias"])
        inner = np.maximum(linear("ffn.w_1", y), 0)
        out.append(norm(y + linear("ffn.w_2", inner), w[f"{name}.norm2.weight"], w[f"{name}.norm2.bias"]))
    return np.array(out)


@pytest.mark.parametrize("attention", ["intra", "cross", "both"])
@pytest.mark.parametrize("segments", [[5, 5], [5, 2], [1, 4]])
def test_blocks_within_and_across_modalities(attention, segments):
    torch.manual_seed(1)
    config = LayerConfig(hidden=4, feedforward=5, heads=2, layers=2, attention=attention)
    layer = TemporalLayer(DIM, config).double().eval()
    for p in layer.parameters():
        torch.nn.init.normal_(p)
    w = {k: v.numpy() for k, v in layer.state_dict().items()}
    audio, visual = torch.randn(2, len(segments), max(segments), DIM, dtype=torch.float64)
    there = torch.arange(max(segments)) < torch.tensor(segments)[:, None]
    with torch.no_grad():
        heard, seen = layer(audio, visual, None if there.all() else there)
    for b, count in enumerate(segments):
        a, v = audio[b].numpy(), visual[b].numpy()
        for kind in ("sa",) * (attention != "cross") + ("xa",) * (attention != "intra"):
            for i in range(2):
                other = (v, a) if kind == "xa" else (a, v)
                a, v = (
                    block(w, f"{m}_{kind}_blocks.{i}", x, source, there[b].numpy(), 2)
                    for m, x, source in (("a", a, other[0]), ("v", v, other[1]))
                )
        np.testing.assert_allclose(heard[b, :count].numpy(), a[:count], atol=1e-10)
        np.testing.assert_allclose(seen[b, :count].numpy(), v[:count], atol=1e-10)


def test_linear_layers_see_one_segment_and_all_blocks_start_alike():
    torch.manual_seed(2)
    layer = TemporalLayer(DIM, LayerConfig(layer="linear"))
    w = layer.state_dict()
    assert set(w) == {"a_linear.0.weight", "a_linear.0.bias", "v_linear.0.weight", "v_linear.0.bias"}
    x = torch.randn(1, 3, DIM)
    with torch.no_grad():
        heard, seen = layer(x, 2 * x)
    np.testing.assert_allclose(heard[0], x[0] @ w["a_linear.0.weight"].T + w["a_linear.0.bias"], atol=1e-6)
    np.testing.assert_allclose(seen[0], 2 * x[0] @ w["v_linear.0.weight"].T + w["v_linear.0.bias"], atol=1e-6)
    for switches in ({"layer": "linear", "layers": 2}, {"attention": "both", "layers": 2, "hidden": 4}):
        starts = {}
        for name, value in TemporalLayer(DIM, LayerConfig(**switches)).state_dict().items():
            starts.setdefault(name.split(".", 2)[2], []).append(value)
        assert all(torch.equal(v, values[0]) for values in starts.values() for v in values)
        assert {len(values) for values in starts.values()} <= {4, 8}


@given(segments=st.integers(1, 12), window=st.integers(1, 15))
def test_neighbours_are_those_of_the_released_loop(segments, window):
    want = np.zeros((segments, segments), bool)
    for j in range(segments):
        for k in range(window):
            want[j, min(max(j - window // 2 + k, 0), segments - 1)] = True
    np.testing.assert_array_equal(neighbours(segments, window).numpy(), want)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4), min_size=1, max_size=5),
    st.sampled_from(["sqrt", "prob_avg", "fea_avg"]),
    st.integers(0, 3),
)
def test_probabilities_and_loss_one_number_at_a_time(rows, fusion, wanted):
    audio = np.array(rows)
    visual = audio[:, ::-1].copy()
    text = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [-0.6, 0.8, 0, 0], [0.5, 0.5, 0.5, 0.5]])
    scores = fuse(*map(torch.from_numpy, (audio[None], visual[None], text, text)), fusion)
    predicted = probabilities(scores)[0].numpy()
    losses = []
    for t in range(len(audio)):
        a, v = audio[t], visual[t]
        mean = (a + v) / 2
        cosine = [[float(x @ w) / max(np.linalg.norm(x), 1e-8) for w in text] for x in (a, v, mean)]
        f = [
            {"sqrt": math.sqrt(max(x * y, 0)), "prob_avg": (x + y) / 2, "fea_avg": z}[fusion]
            for x, y, z in zip(*cosine, strict=True)
        ]
        p = [(x - min(f)) / (max(f) - min(f) + 1e-8) for x in f]
        np.testing.assert_allclose(scores[0, t].numpy(), f, atol=1e-7)
        # a spread of rounding errors only is stretched to the same 0 to 1
        if max(f) - min(f) > 1e-6 or max(f) == min(f):
            np.testing.assert_allclose(predicted[t], p, atol=1e-3)
        losses.append(math.log(sum(math.exp(x) for x in predicted[t])) - predicted[t][wanted])
    classes = torch.full((1, len(audio)), wanted)
    there = torch.arange(len(audio))[None] % 2 == 0
    assert segment_loss(torch.from_numpy(predicted)[None], classes).item() == pytest.approx(np.mean(losses), abs=1e-9)
    some = segment_loss(torch.from_numpy(predicted)[None], classes, there).item()
    assert some == pytest.approx(np.mean(losses[::2]), abs=1e-9)
    assert torch.equal(unit(torch.zeros(1, 3)), torch.zeros(1, 3))
