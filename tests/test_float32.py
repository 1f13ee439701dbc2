"""float32 is computed as such: torch's switches inside, after, and in threads beside each other."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from avreplay.core.errors import UsageError  # noqa: E402
from avreplay.extract.backbones._torch import TorchBackbone, inference  # noqa: E402
from avreplay.extract.command_options import PRECISIONS  # noqa: E402
from avreplay.extract.float32 import EXACT, Float32, float32  # noqa: E402

pytestmark = pytest.mark.torch

PRODUCTS, CONVOLUTIONS = torch.backends.cuda.matmul, torch.backends.cudnn
RULES = [EXACT, Float32(True, False), Float32(True, True), Float32(False, True)]


def switches() -> list[Any]:
    """All of them, by their older and newer names; "?" for one that contradictions keep from being read."""
    readers = [
        lambda: PRODUCTS.allow_tf32,
        lambda: CONVOLUTIONS.allow_tf32,
        torch.get_float32_matmul_precision,
        lambda: PRODUCTS.fp32_precision,
        lambda: CONVOLUTIONS.conv.fp32_precision,
        lambda: CONVOLUTIONS.rnn.fp32_precision,
        lambda: torch.backends.mkldnn.matmul.fp32_precision,
    ]
    found = []
    for read in readers:
        try:
            found.append(read())
        except RuntimeError:
            found.append("?")
    return found


def newer(value: str) -> None:
    PRODUCTS.fp32_precision = CONVOLUTIONS.conv.fp32_precision = value


def older(value: bool) -> None:
    PRODUCTS.allow_tf32 = CONVOLUTIONS.allow_tf32 = value


SET = {
    "newer ieee": lambda: newer("ieee"),
    "newer tf32": lambda: newer("tf32"),
    "older off": lambda: older(False),
    "older on": lambda: older(True),
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
}


@pytest.fixture(autouse=True)
def switches_as_before() -> Any:
    """Around every test torch's defaults."""
    defaults = dict(zip(("products", "conv", "rnn", "mkldnn"), switches()[3:], strict=True))
    yield
    torch.set_float32_matmul_precision("highest")
    CONVOLUTIONS.allow_tf32 = True
    PRODUCTS.fp32_precision, CONVOLUTIONS.conv.fp32_precision = defaults["products"], defaults["conv"]
    CONVOLUTIONS.rnn.fp32_precision = defaults["rnn"]
    torch.backends.mkldnn.matmul.fp32_precision = defaults["mkldnn"]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("second", [None, *SET])
@pytest.mark.parametrize("first", [None, *SET])
def test_switches_are_set_inside_and_put_back(first: str | None, second: str | None, rule: Float32) -> None:
    for name in (first, second):
        if name is not None:
            SET[name]()
    before = switches()
    with float32(rule):
        assert (PRODUCTS.allow_tf32, CONVOLUTIONS.allow_tf32) == (rule.products, rule.convolutions)
        assert "?" not in switches()
        with float32(rule):
            pass
        assert (PRODUCTS.allow_tf32, CONVOLUTIONS.allow_tf32) == (rule.products, rule.convolutions)
    # what contradicted itself before, and could not be read, may be readable now
    assert [now for now, was in zip(switches(), before, strict=True) if was != "?"] == [
        was for was in before if was != "?"
    ]


def test_threads_with_other_rules_wait_for_each_other() -> None:
    before, seen = switches(), []

    def work(rule: Float32) -> None:
        for _ in range(20):
            with float32(rule):
                seen.append((PRODUCTS.allow_tf32, CONVOLUTIONS.allow_tf32) == (rule.products, rule.convolutions))
                time.sleep(0.0002)
                seen.append((PRODUCTS.allow_tf32, CONVOLUTIONS.allow_tf32) == (rule.products, rule.convolutions))

    threads = [threading.Thread(target=work, args=(RULES[k % 3],)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 240
    assert all(seen)
    assert switches() == before


class Probe(TorchBackbone):
    """Tells the switches that its towers compute under."""

    name = "probe"
    declaration = prompts = encode_text = encode_images = encode_audio = None  # type: ignore[assignment]

    @inference
    def look(self) -> tuple[bool, bool, bool]:
        return PRODUCTS.allow_tf32, CONVOLUTIONS.allow_tf32, torch.is_autocast_enabled("cpu")


Probe.__abstractmethods__ = frozenset()


@pytest.mark.parametrize("precision", [None, *PRECISIONS])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("exact", [False, True])
def test_what_a_precision_means(precision: str | None, device: str, exact: bool) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True  # as a caller may have it
    probe = Probe("cpu", batch_size=1, **{"dtype": "float32", **PRECISIONS.get(precision or "", {})})
    probe.exact_convolutions = exact  # type: ignore[misc]
    autocast = (precision or "").startswith("amp")
    if device == "cuda":
        if autocast:
            return  # torch refuses autocast for a device that is not there
        probe.device = torch.device("cuda")
    rounded = precision == "tf32" and device == "cuda"
    assert probe.look() == (rounded, rounded and not exact, autocast)
    assert probe._declared({})["dtype"] == {"tf32": "tf32"}.get(precision or "", probe._declared({})["dtype"])


def test_mixed_precision_needs_a_smaller_type() -> None:
    for dtype in ("float32", "tf32"):
        with pytest.raises(UsageError, match="autocast needs a smaller number type"):
            Probe("cpu", dtype, 1, autocast=True)
    with pytest.raises(UsageError, match="choose one of float32, tf32, float16, bfloat16"):
        Probe("cpu", "float64", 1)
