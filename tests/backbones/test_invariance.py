"""Batch invariance of every encoder of the registry, in every number type: a row is the same whatever is beside it.

With batches of a fixed size in every byte; else within the tolerance that is declared beside each tower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from avreplay.extract.backbones._torch import DTYPES, TorchBackbone  # noqa: E402
from avreplay.extract.backbones.base import backbone_declaration  # noqa: E402
from avreplay.extract.backbones.registry import BUILT_IN, load_backbone  # noqa: E402
from backbones.contract import LABELS, Company, assert_same_in_any_company, towers_of  # noqa: E402
from backbones.small_checkpoints import MADE  # noqa: E402


def test_every_encoder_is_tested_in_one_of_the_environments() -> None:
    assert set(MADE) == set(BUILT_IN), "give each encoder a small checkpoint, so that its towers are tested here"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_row_does_not_depend_on_what_is_beside_it(
    made: tuple[str, dict[str, Any]], company: Company, dtype: str
) -> None:
    """In one batch of three, against what is declared beside each tower for the number type."""
    name, options = made
    if dtype != "float32":  # sounds of other lengths are no other kernels
        company = {**company, "sounds": company["sounds"][::2]}
    if name == "demo":
        assert_same_in_any_company(load_backbone(name), company, LABELS[:3])
        return
    backbone = load_backbone(name, **options, dtype=dtype, batch_size=3)
    assert all(backbone.batch_tolerances()[tower] == r.beside[dtype] for tower, r in backbone.rounding.items())
    assert_same_in_any_company(backbone, company)
    if dtype == "float32":
        backbone.fixed_batch = True
        assert set(backbone.batch_tolerances().values()) == {0.0}
        assert_same_in_any_company(backbone, company)


def test_a_batch_of_fixed_size_looks_the_same_to_the_model(
    made: tuple[str, dict[str, Any]], company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where equal shapes mean equal kernels: 3 items a batch, however many there are."""
    name, options = made
    if name == "demo":
        return
    backbone = load_backbone(name, **options, batch_size=3, fixed_batch=True)
    assert backbone._most == 1, "on a processor"
    monkeypatch.setattr(TorchBackbone, "_most", property(lambda self: self.batch_size))
    seen: set[tuple[Any, ...]] = set()

    def note(module: torch.nn.Module, inputs: tuple[Any, ...], *_: Any) -> None:
        seen.add((id(module), *(tuple(x.shape) for x in inputs if isinstance(x, torch.Tensor))))

    with torch.nn.modules.module.register_module_forward_pre_hook(note):
        for tower, encode, items in towers_of(backbone, company, company["texts"]):
            alone = encode(items[:1])
            first, shapes = alone[0].astype(np.float64), seen.copy()
            assert len(shapes) > 3
            seen.clear()
            many = encode(items)
            assert len(many) == len(items)
            assert shapes <= seen, tower
            keeps_lengths = tower.endswith("_text") or (name.startswith("pe_a") and tower in ("sounds", "frames"))
            assert shapes == seen or keeps_lengths, tower
            rounding = backbone.rounding[tower].beside["float32"]
            assert np.linalg.norm(many[0] - first) <= rounding * np.linalg.norm(first)
            seen.clear()


def test_demo_promises_equal_bytes() -> None:
    assert load_backbone("demo").batch_tolerances() == dict.fromkeys(
        ("audio_text", "visual_text", "pictures", "clips", "sounds"), 0.0
    )


def test_declarations_are_whole_and_small(made: tuple[str, dict[str, Any]]) -> None:
    """For every number type; smaller ones round more; other devices more than other company; far below other weights,
    which are about 1 away."""
    name, options = made
    if name == "demo":
        return
    backbone = load_backbone(name, **options)
    for tower, rounding in backbone.rounding.items():
        for figures in (rounding.beside, rounding.elsewhere):
            assert set(figures) == set(DTYPES), tower
            assert 0 < figures["float32"] < figures["tf32"] <= figures["float16"] <= figures["bfloat16"] <= 0.1, tower
            assert figures["float32"] <= 1e-3
        assert all(rounding.beside[kind] <= rounding.elsewhere[kind] for kind in DTYPES), tower


def test_a_fixed_size_belongs_to_what_a_store_declares(made: tuple[str, dict[str, Any]]) -> None:
    name, options = made
    if name == "demo":
        return
    plain = load_backbone(name, **options, batch_size=3)
    fixed = load_backbone(name, **options, batch_size=3, fixed_batch=True)
    assert fixed.fixed_batch
    before, now = backbone_declaration(plain)["options"], backbone_declaration(fixed)["options"]
    assert now == {**before, "fixed_batch": True, "batch_size": 3}
    assert "batch_size" not in before
