"""benchmarks/weights_check.py with small checkpoints in their published forms."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import weights_check  # noqa: E402
from avreplay.extract.backbones.checkpoints import CHECKPOINTS  # noqa: E402
from avreplay.extract.backbones.registry import BUILT_IN, backbone_facts  # noqa: E402
from gpu.evidence import Absent  # noqa: E402
from gpu.weights import check_checkpoint  # noqa: E402


def test_a_checkpoint_and_its_reference(made: tuple[str, dict[str, Any]]) -> None:
    name, options = made
    if name not in CHECKPOINTS:
        return
    found = check_checkpoint(name, options, None, expect_sense=False)
    assert found["ok"], found["problems"]
    assert {"audio_text", "visual_text", "pictures", "sounds"} <= set(found["rows"])
    assert all(one["tensors"] > 20 and len(one["sha256"]) == 64 for one in found["weights"])
    assert len(found["weights"]) == {"languagebind": 3, "imagebind": 1, "pe_av": 1, "pe_av_joint": 1}.get(name, 2)
    other = deepcopy(found)
    other["rows"]["sounds"][0] = [-value for value in other["rows"]["sounds"][0]]
    other["weights"][0]["sha256"] = "another"
    again = check_checkpoint(name, options, other, expect_sense=False)
    assert not again["ok"]
    told = again["against_reference"]["problems"]
    assert len(told) == 2
    assert told[0].startswith("sounds is 2 of its norm off")
    assert "has another hash" in told[1]
    assert again["against_reference"]["apart"]["pictures"] <= 1e-6


def test_what_is_not_at_hand_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Absent, match="not on this machine"):
        check_checkpoint("clip_clap", {}, None, expect_sense=True)


def test_the_script_goes_on_where_it_ended(tmp_path: Path) -> None:
    arguments = ["--small", "--out", str(tmp_path / "a"), "--part", "clip_clap"]
    assert weights_check.main([*arguments, "--budget", "0"]) == 1
    assert weights_check.main(arguments) == 0
    written = json.loads((tmp_path / "a" / "clip_clap.json").read_text())
    assert written["about"]["small"] is True
    assert written["about"]["versions"]["torch"] == torch.__version__
    before = (tmp_path / "a" / "clip_clap.json").read_bytes()
    assert weights_check.main([*arguments, "--reference", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "clip_clap.json").read_bytes() == before  # done before, not again
    said, checked = weights_check.summary(tmp_path / "a")
    assert checked == 1
    assert said.split() == ["clip_clap", "small", "ok"]


def test_every_published_checkpoint_is_a_candidate(tmp_path: Path) -> None:
    options = weights_check.argparse.Namespace(small=False, option=["clip_clap:clip_weights=/a/b.pt"])
    assert weights_check._candidates("clip_clap", options, tmp_path) == {
        "clip_weights=/a/b.pt": {"clip_weights": "/a/b.pt"}
    }
    options.option = []
    for name, listed in CHECKPOINTS.items():
        if not backbone_facts(name).missing:
            found = weights_check._candidates(name, options, tmp_path)
            default = {"languagebind": 3, "imagebind": 1, "pe_av": 1, "pe_av_joint": 1}.get(name, 2)
            assert len(found) == 1 + len(listed) - default, name
    assert weights_check._names(None) == [name for name in BUILT_IN if name in CHECKPOINTS]
