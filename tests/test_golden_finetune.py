"""Temporal layer, loss, gradients and optimisation against the released OV-AVEL code."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import golden_finetune as golden  # noqa: E402
from avreplay.core.segment_targets import SegmentTargets  # noqa: E402
from avreplay.extract.finetune.config import FinetuneConfig, LayerConfig  # noqa: E402
from avreplay.extract.finetune.data import Chosen, Embeddings  # noqa: E402
from avreplay.extract.finetune.loss import (  # noqa: E402
    forward_probabilities,
    fused,
    probabilities,
    segment_loss,
    unit,
)
from avreplay.extract.finetune.temporal import TemporalLayer  # noqa: E402
from avreplay.extract.finetune.train import Trainer, train_step  # noqa: E402


def tensors(raw, *names, dtype=torch.float64):
    return [torch.from_numpy(raw[n]).to(dtype) for n in names]


@pytest.mark.parametrize("variant", golden.VARIANTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float32, 1e-5)])
def test_temporal_layer_and_its_switches(variant, dtype, tolerance):
    raw = golden.load("temporal_small")
    layer = golden.layer(golden.under(raw, f"{variant}/w"), dtype, **golden.VARIANTS[variant])
    with torch.no_grad():
        audio, visual = layer(*tensors(raw, "audio_in", "visual_in", dtype=dtype))
    np.testing.assert_allclose(audio.numpy(), raw[f"{variant}/audio_out"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(visual.numpy(), raw[f"{variant}/visual_out"], rtol=0, atol=tolerance)


def test_what_happens_inside_the_block():
    raw = golden.load("temporal_small")
    block = golden.layer(golden.under(raw, "default/w")).a_sa_blocks[0]
    (x,) = tensors(raw, "audio_in")
    with torch.no_grad():
        attention = block.self_attn(x, x, None, None)
        first = block.norm1(x + attention)
        rest = block.ffn(first)
    for got, name in ((attention, "attn"), (first, "norm1"), (rest, "ffn")):
        np.testing.assert_allclose(got.numpy(), raw[f"default/audio_{name}_out"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_temporal_layer_at_its_released_size(dtype):
    raw = golden.load("temporal_full")
    layer = golden.layer(golden.full_weights(), dtype)
    assert layer.config == LayerConfig(dropout=0.0)
    with torch.no_grad():
        audio, visual = layer(*(torch.from_numpy(x).to(dtype) for x in golden.full_inputs()))
    np.testing.assert_allclose(audio.numpy(), raw["audio_out"], rtol=0, atol=2e-5)
    np.testing.assert_allclose(visual.numpy(), raw["visual_out"], rtol=0, atol=2e-5)


def test_number_of_parameters_is_that_of_those_the_release_trains():
    assert sum(p.numel() for p in TemporalLayer(1024, LayerConfig()).parameters()) == 4_209_152
    assert sum(p.numel() for p in TemporalLayer(1024, LayerConfig(attention="both")).parameters()) == 8_418_304


def test_similarities_probabilities_and_loss():
    raw = golden.load("loss_path")
    audio, visual, text = tensors(raw, "audio_feat", "visual_feat", "text_feat")
    heard, seen = (unit(x) @ unit(text).T for x in (audio, visual))
    np.testing.assert_allclose(heard.numpy(), raw["simm_at"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(seen.numpy(), raw["simm_vt"], rtol=0, atol=1e-6)
    # near a product of 0 the root magnifies the float32 error of the recorded cosines
    recorded = torch.from_numpy(raw["simm_at"]), torch.from_numpy(raw["simm_vt"])
    np.testing.assert_allclose(fused(*recorded).numpy(), raw["fused"], rtol=2e-7, atol=0)
    np.testing.assert_allclose(fused(heard, seen).numpy() ** 2, raw["fused"] ** 2, rtol=0, atol=1e-6)
    predicted = forward_probabilities(audio, visual, unit(text), unit(text))
    exact = probabilities(torch.from_numpy(raw["fused"])).numpy()
    np.testing.assert_allclose(exact, raw["pred_logits"], rtol=0, atol=5e-5)
    np.testing.assert_allclose(predicted.numpy() ** 2, raw["pred_logits"] ** 2, rtol=0, atol=5e-5)
    classes = torch.from_numpy(raw["full_label"])
    assert abs(segment_loss(predicted, classes).item() - raw["loss_f64"]) < 1e-12
    each = torch.stack([segment_loss(p[None, None], c[None, None]) for p, c in zip(
        predicted.reshape(-1, len(text)), classes.reshape(-1), strict=True)])  # fmt: skip
    np.testing.assert_allclose(each.numpy(), raw["loss_per_segment"].ravel(), rtol=0, atol=5e-5)


@pytest.mark.parametrize(("dtype", "suffix", "tolerance"), [("float64", "_f64", 1e-9), ("float32", "", 1e-5)])
def test_gradients_with_segments_of_only_negative_products(dtype, suffix, tolerance):
    raw = golden.load("loss_path")
    audio, visual, text = tensors(raw, "audio_feat", "visual_feat", "text_feat", dtype=getattr(torch, dtype))
    audio.requires_grad_()
    visual.requires_grad_()
    predicted = forward_probabilities(audio, visual, unit(text), unit(text))
    assert torch.all(predicted[1, 0] == 0)
    loss = segment_loss(predicted, torch.from_numpy(raw["full_label"]))
    loss.backward()
    assert abs(loss.item() - raw[f"loss{suffix}"]) < (1e-12 if suffix else 1e-6)
    assert torch.all(audio.grad[1, 0] == 0)
    assert torch.all(visual.grad[1, 0] == 0)
    np.testing.assert_allclose(audio.grad.numpy(), raw[f"grad_audio_feat{suffix}"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(visual.grad.numpy(), raw[f"grad_visual_feat{suffix}"], rtol=0, atol=tolerance)


def test_prediction_after_the_layer():
    raw = golden.load("e2e_eval")
    layer = golden.layer(golden.under(raw, "w"), torch.float32)
    audio, visual, text = tensors(raw, "audio", "visual", "text", dtype=torch.float32)
    with torch.no_grad():
        predicted = forward_probabilities(*layer(audio, visual), unit(text), unit(text))
    np.testing.assert_array_equal(predicted.argmax(-1).numpy(), raw["ft_pred_class"])
    loss = segment_loss(predicted, torch.from_numpy(raw["full_label"]))
    assert abs(loss.item() - golden.load_json("e2e_eval")["results"]["ft_v1_bs4"]["loss"]) < 1e-5


def test_a_segment_whose_products_are_all_negative_gets_the_first_class_and_no_gradient():
    audio = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    text_audio, text_visual = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), -torch.eye(3, 2).abs()
    predicted = forward_probabilities(audio, torch.tensor([[[1.0, 1.0]]]), text_audio, text_visual)
    loss = segment_loss(predicted, torch.tensor([[2]]))
    loss.backward()
    assert predicted.argmax(-1).item() == 0
    assert math.isclose(loss.item(), math.log(3), rel_tol=1e-6)
    assert torch.all(audio.grad == 0)


def test_the_config_of_the_release_is_the_default():
    config = FinetuneConfig()
    assert (config.layers, config.heads, config.hidden, config.feedforward, config.dropout) == (1, 1, 256, 512, 0.1)
    assert (config.epochs, config.batch_size, config.learning_rate, config.clip, config.seed) == (
        10,
        32,
        5e-5,
        0.8,
        123,
    )
    assert (config.audio_norm, config.visual_norm, config.attention) == (20.0, 1.0, "intra")
    assert FinetuneConfig.from_dict(config.as_dict()) == config


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "suffix"), [("float64", "_f64"), ("float32", "")])
def test_a_whole_training_takes_the_released_steps(dtype, suffix):
    """Two epochs of six steps, the last batch of each partial, dropout off, no shuffling."""
    raw = golden.load("train_steps")
    kind = getattr(torch, dtype)
    layer = golden.layer(golden.under(raw, "w0"), kind).train()
    optimizer = torch.optim.Adam(layer.parameters(), lr=float(raw["lr"]))
    audio, visual, text = tensors(raw, "audio", "visual", "text", dtype=kind)
    classes = torch.from_numpy(raw["full_label"])
    size, clip = int(raw["batch_size"]), float(raw["clip"])
    first = segment_loss(forward_probabilities(*layer(audio[:size], visual[:size]), unit(text), unit(text)),
                         classes[:size])  # fmt: skip
    for name, grad in zip(dict(layer.named_parameters()), torch.autograd.grad(first, layer.parameters()), strict=True):
        np.testing.assert_allclose(grad.numpy(), raw[f"g0_f64/{name}"], rtol=0, atol=1e-10 if suffix else 1e-4)
    steps = []
    for _ in range(int(raw["epochs"])):
        for i in range(0, len(audio), size):
            part = slice(i, i + size)
            steps.append(
                train_step(layer, optimizer, audio[part], visual[part], (unit(text), unit(text)), classes[part], None,
                           None, clip)
            )  # fmt: skip
    assert len(steps) == len(raw["step_loss"])
    losses, norms = np.array(steps).T
    np.testing.assert_allclose(losses, raw[f"step_loss{suffix}"], rtol=0, atol=1e-12 if suffix else 1e-5)
    np.testing.assert_allclose(norms, raw[f"step_grad_norm{suffix}"], rtol=1e-10 if suffix else 1e-3)
    for name, value in layer.state_dict().items():
        # the keys' bias has no true gradient, and Adam makes something of its rounding
        if suffix or not name.endswith("self_attn.k.bias"):
            want = raw[f"w1{suffix}/{name}"]
            np.testing.assert_allclose(value.numpy(), want, rtol=0, atol=1e-11 if suffix else 1e-4, err_msg=name)


def test_the_trainer_takes_these_steps_too():
    """Store-shaped input, targets and epochs: the released losses, up to the order of the videos in an epoch."""
    raw = golden.load("train_steps")
    n, segments, dim = raw["audio"].shape
    width = len(raw["text"])
    embeddings = Embeddings(
        tuple(map(str, range(n))), np.arange(0, n * segments + 1, segments), raw["audio"].reshape(-1, dim),
        raw["visual"].reshape(-1, dim), np.ones(n, bool), np.ones(n, bool),
    )  # fmt: skip
    names = [str(i) for i in range(width)]
    targets = SegmentTargets.create(
        video_ids=embeddings.video_ids, labels=names, train_labels=names, classes=raw["full_label"],
        splits=np.zeros(n, int),
    )  # fmt: skip
    hidden = len(raw["w0/a_sa_blocks.0.self_attn.q.weight"])
    config = FinetuneConfig(
        hidden=hidden, feedforward=len(raw["w0/a_sa_blocks.0.ffn.w_1.weight"]), dropout=0.0, audio_norm=0,
        visual_norm=0, batch_size=n, learning_rate=float(raw["lr"]), dtype="float64",
    )  # fmt: skip
    everything = Chosen(np.arange(n), np.arange(n))
    trainer = Trainer(embeddings, targets, everything, (raw["text"], raw["text"]), config)
    trainer.layer.load_state_dict(golden.layer(golden.under(raw, "w0")).state_dict())
    audio, visual, text = tensors(raw, "audio", "visual", "text")
    with torch.no_grad():
        want = segment_loss(
            forward_probabilities(*trainer.layer(audio, visual), unit(text), unit(text)),
            torch.from_numpy(raw["full_label"]),
        ).item()
    assert trainer.run_epoch()["loss"] == pytest.approx(want, abs=1e-12)
