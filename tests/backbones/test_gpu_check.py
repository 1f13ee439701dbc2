"""benchmarks/gpu_check.py with the small encoders that are installed, on the processor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from avreplay.extract.backbones.registry import backbone_facts

NAMES = [
    name
    for name, major in {"clip_clap": "", "imagebind": "", "languagebind": "4.", "pe_av": "5."}.items()
    if not backbone_facts(name).missing and transformers.__version__.startswith(major)
]
"""The encoders of this environment: each of the two that `make backbones` sets up has some."""


@pytest.mark.parametrize("name", NAMES)
def test_parity_and_company(name: str, tmp_path: Path) -> None:
    from gpu.encoders import invariance, parity
    from gpu.evidence import Evidence
    from gpu.models import Models

    models = Models(name, True, tmp_path)
    found = {}
    for step in (parity, invariance):
        evidence = Evidence(tmp_path, step.__name__, {}, 600)
        step(evidence, models, "cpu")
        assert evidence.complete, json.loads((tmp_path / f"{step.__name__}.json").read_text())["failed"]
        found[step.__name__] = evidence.found
    for tower in found["parity"]["fp32"].values():
        assert tower["deviation_of_spread"] == 0
    for precision, least in (("tf32", 1.0), ("fp16", 0.999), ("amp-bf16", 0.99)):
        for tower, figures in found["parity"][precision].items():
            assert figures["smallest_cosine"] >= least, (precision, tower)
            assert figures["not_finite"] == 0
    for company, figures in found["invariance"]["fp32"].items():
        assert figures["same bytes again"], company
        assert figures["deviation_of_spread"] <= 2e-4, company


def test_killed_and_resumed_as_if_never_killed(films: Path, tmp_path: Path) -> None:
    """By the command, in processes of its own, with an encoder of foundation models on the device."""
    from gpu.evidence import Evidence
    from gpu.machine import kill_and_resume
    from gpu.models import Models

    models, evidence = Models("clip_clap", True, tmp_path), Evidence(tmp_path, "resume", {}, 600)
    film = min(films.iterdir())
    kill_and_resume(evidence, "cpu", film, tmp_path, models, videos=6, shard=1, windows="none")
    assert evidence.complete, json.loads((tmp_path / "resume.json").read_text())["failed"]
    found = evidence.found["clip_clap"]
    assert 1 <= found["killed_after_videos"] < found["of"] == 6
    assert found["same_bytes_as_never_killed"]


@pytest.mark.parametrize("name", NAMES[:1])  # all of them: test_invariance
def test_rows_beside_others(name: str, tmp_path: Path) -> None:
    from gpu.company import beside_others
    from gpu.models import Models

    towers = beside_others(Models(name, True, tmp_path)("cpu", "fp32", 3))
    assert len(towers) >= 4
    for tower, found in towers.items():
        assert found["same_bytes_with_fixed_batch"], tower
        assert found["within_declared"], (tower, found)


def test_frames_that_stay_where_they_are_encoded(films: Path, tmp_path: Path) -> None:
    from gpu.evidence import Evidence
    from gpu.frames import nvdec_frames

    evidence = Evidence(tmp_path, "nvdec_frames", {}, 600)
    nvdec_frames(evidence, "cpu", min(films.iterdir()), tmp_path, True, ())
    assert evidence.complete, json.loads((tmp_path / "nvdec_frames.json").read_text())["failed"]
    for figures in evidence.found["frames"].values():
        assert figures["same_bytes"]
        assert figures["tensors_on_the_device"] == figures["frames"] > 0
        assert not figures["went_another_way"]
    killed = evidence.found["killed"]
    assert killed["same_bytes_of_what_it_gave_before"]
    assert killed["same_bytes_of_the_next_video"]
    assert "was killed" in killed["said_of_its_video"]
    for kind in ("as torch, to 336", "as Pillow, to 224"):
        assert evidence.found["resizing"][kind]["same_bytes"]
