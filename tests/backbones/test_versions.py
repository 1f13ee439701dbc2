"""torch and torchvision that do not fit together are named in one sentence wherever encoders are listed or made."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from avreplay.core.errors import UsageError  # noqa: E402
from avreplay.extract.backbones import _versions, listing  # noqa: E402
from avreplay.extract.backbones.registry import load_backbone  # noqa: E402

NMS = RuntimeError("operator torchvision::nms does not exist")
SENTENCE = (
    "torch {torch} and torchvision {own} do not fit together (operator torchvision::nms does not exist); install "
    "torchvision {wanted} built for the same device as torch, from the index that torch came from"
)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """A torchvision that cannot be imported beside this torch; gives the sentence."""

    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "torchvision":
                raise NMS

    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchvision", "open_clip", "timm")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.27.0"}
    monkeypatch.setattr(_versions, "version", lambda name: versions[name])
    return SENTENCE.format(torch="2.13.0+cpu", own="0.27.0", wanted="0.28")


def test_the_list_of_encoders_says_it(broken: str) -> None:
    found = {b["name"]: b for b in listing.list_backbones()}
    usable = [name for name, b in found.items() if b["needs"] and not b["missing"]]
    assert usable
    for name in usable:
        assert found[name]["trouble"] == broken
        assert found[name]["installed"] is False
    assert found["demo"]["trouble"] == ""
    assert f"installed, and cannot be used: {broken}" in listing.backbones_text(list(found.values()))


def test_an_encoder_that_imports_it_says_it(broken: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_backbone("clip_clap", clip_weights="random:1", clap_weights="random:2")
    assert str(raised.value) == f"backbone 'clip_clap' cannot be used: {broken}"


@pytest.mark.parametrize(
    "error",
    [
        NMS,
        AttributeError("partially initialized module 'torchvision' has no attribute 'extension'"),
        OSError("/x/torchvision/_C.so: undefined symbol: _ZN5torch3jit"),
        ImportError("cannot import name 'x' from 'torchvision.ops'"),
    ],
)
def test_every_form_of_it_is_known(error: Exception) -> None:
    wrapped = RuntimeError("Failed to import a module")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        assert str(error)[:60] in _versions.trouble_of(one)
    assert _versions.trouble_of(ModuleNotFoundError("No module named 'torchvision'", name="torchvision")) == ""
    assert _versions.trouble_of(ValueError("something else")) == ""


def test_without_torchvision_there_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(_versions, "version", absent)
    assert _versions.torchvision_trouble() == ""
    assert _versions.trouble_of(NMS) == ""


@pytest.mark.parametrize(("torch_version", "wanted"), [("2.0.1", "0.15"), ("2.13.0+cpu", "0.28"), ("3.0", "")])
def test_which_torchvision_belongs_to_a_torch(torch_version: str, wanted: str) -> None:
    assert _versions._belonging(torch_version) == wanted
