"""What is known of backbones without importing them, and the zero-shot check, on backbones made to be broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from avreplay.cli import main
from avreplay.core.errors import UsageError
from avreplay.extract.backbones.check import check_backbone
from avreplay.extract.backbones.checkpoints import CHECKPOINTS
from avreplay.extract.backbones.listing import list_backbones
from avreplay.extract.backbones.options import parse_options
from avreplay.extract.backbones.registry import BUILT_IN, load_backbone
from avreplay.extract.doctor import in_child
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from media_maker import write_media


def test_every_backbone_names_what_it_needs() -> None:
    found = {b["name"]: b for b in list_backbones()}
    assert set(found) == set(BUILT_IN)
    assert set(BUILT_IN) == {
        "demo", "clip_clap", "pe_core", "siglip2", "mobileclip2", "languagebind", "imagebind", "pe_av",
        "pe_av_joint", "pe_a_frame",
    }  # fmt: skip
    for b in found.values():
        assert b["about"]
        assert b["dims"]
        assert b["licence"]
        assert b["installed"] == (not b["missing"])
        assert bool(b["needs"]) == bool(b["extra"]) == bool(b["install"])
    assert "NC" in found["imagebind"]["licence"]
    spec = load_backbone("demo").spec
    assert found["demo"]["dims"] == f"audio {spec.audio_dim}, visual {spec.visual_dim}"
    assert (found["demo"]["sample_rate"], found["demo"]["window_frames"]) == (spec.sample_rate, spec.window_frames)


def test_the_check_up_knows_every_encoder() -> None:
    assert all(callable(getattr(in_child, name)) for name, facts in BUILT_IN.items() if facts.extra)


def test_checkpoints_have_a_size_and_a_licence_and_begin_with_the_default() -> None:
    found = {b["name"]: b for b in list_backbones()}
    assert set(CHECKPOINTS) == set(BUILT_IN) - {"demo"}
    lines = CliRunner().invoke(main, ["backbones"]).output.splitlines()
    for name, checkpoints in CHECKPOINTS.items():
        listed = found[name]["checkpoints"]
        assert listed == [c.as_dict() for c in checkpoints]
        assert all(c["bytes"] == 4 * c["parameters"] > 1e8 for c in listed)
        for c in listed:
            said = " ".join(f"{key}={value}" for key, value in c["options"].items())
            assert sum(f"    {said}: " in line and line.endswith(f"; {c['licence']}") for line in lines) >= 1
    assert "    weights=facebook/pe-av-large-16-frame: 1.46 G parameters, 5.8 GB in float32; Apache-2.0" in lines
    assert lines[lines.index("demo: " + BUILT_IN["demo"].about) + 2] == (
        "  sound at 16 kHz; a picture a segment, 8 a window"
    )
    rates = "  sound at 48 kHz; a picture a segment, 16 a window; "
    for name, finer in (
        ("pe_a_frame", "25 rows of sound a second"),
        ("pe_av_joint", "sound and picture of a segment together"),
    ):
        assert lines[lines.index(f"{name}: {BUILT_IN[name].about}") + 2] == rates + finer
    assert (found["pe_a_frame"]["frame_rate"], found["pe_av_joint"]["audio_visual"]) == (25.0, 1024)
    assert found["demo"]["frame_rate"] == found["demo"]["audio_visual"] == 0


def test_extras_exist_and_the_command_lists_them() -> None:
    import tomllib

    extras = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
    for entry in BUILT_IN.values():
        assert not entry.extra or entry.extra in extras["optional-dependencies"]
    ran = CliRunner().invoke(main, ["backbones"])
    assert ran.exit_code == 0
    assert all(name in ran.output for name in BUILT_IN)
    assert [b["name"] for b in json.loads(CliRunner().invoke(main, ["backbones", "--json"]).stdout)] == list(BUILT_IN)


def test_a_missing_package_is_one_line_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("open_clip", "transformers", "imagebind", "languagebind"):
        monkeypatch.setitem(sys.modules, package, None)
    for name in ("clip_clap", "imagebind", "languagebind", "pe_av"):
        with pytest.raises(UsageError) as raised:
            load_backbone(name, **{"weights": "random:0"} if name in ("imagebind", "pe_av") else {})
        assert BUILT_IN[name].install in str(raised.value)
        assert f"[{BUILT_IN[name].extra}]" in str(raised.value) or name == "imagebind"
        assert "\n" not in str(raised.value)


def test_options_are_numbers_truth_values_or_text() -> None:
    given = ["a=1", "b=0.5", "c=true", "d=null", "weights=random:0", "prompt=A {label}", "e=x=y", "f=[1]"]
    assert parse_options(given) == {
        "a": 1, "b": 0.5, "c": True, "d": None, "weights": "random:0", "prompt": "A {label}", "e": "x=y", "f": "[1]",
    }  # fmt: skip
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            parse_options(wrong)


class Seeing(FakeBackbone):
    """Knows every generated picture and sound by heart: item k and label k get the same row."""

    def encode_text(self, prompts, modality):
        return np.eye(8, dtype=np.float32)[: len(prompts)]

    def encode_images(self, frames):
        return np.eye(8, dtype=np.float32)[: len(frames)]

    encode_audio = encode_images


def test_a_sound_encoder_passes_the_check() -> None:
    result = check_backbone(Seeing())
    assert (result.visual, result.audio, result.problems) == (1.0, 1.0, ())
    assert "100% of the pictures" in result.text()


@pytest.mark.parametrize(
    ("method", "rows", "words"),
    [
        ("encode_images", lambda n: np.ones((n, 8), np.float32), "same embedding for different generated pictures"),
        ("encode_audio", lambda n: np.full((n, 8), np.nan, np.float32), "NaN or infinity for generated sounds"),
        ("encode_images", lambda n: np.eye(8, dtype=np.float32)[:n][::-1], "recognises 0% of the generated pictures"),
    ],
)
def test_a_broken_encoder_is_reported(monkeypatch: pytest.MonkeyPatch, method: str, rows, words: str) -> None:
    monkeypatch.setattr(Seeing, method, lambda self, items: rows(len(items)))
    result = check_backbone(Seeing())
    assert len(result.problems) == 1
    assert words in result.problems[0]


def test_texts_that_are_all_alike_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seeing, "encode_text", lambda self, prompts, modality: np.ones((len(prompts), 8), np.float32))
    assert [p for p in check_backbone(Seeing()).problems if "different texts for" in p] == list(
        check_backbone(Seeing()).problems
    )
    assert len(check_backbone(Seeing()).problems) == 2


def test_the_command_checks_first_and_passes_options_on(tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", seconds=1, channels=1)
    arguments = ["extract", str(tmp_path / "a.mp4"), "-o", str(tmp_path / "store")]
    ran = CliRunner().invoke(main, [*arguments, "--check"])
    assert ran.exit_code == 0
    assert "zero-shot check" in ran.stderr
    assert "zero-shot check" not in ran.stdout
    refused = CliRunner().invoke(main, [*arguments, "--backbone-option", "colour=blue"])
    assert refused.exit_code == 2
    assert "has no option 'colour'" in refused.stderr


@pytest.mark.torch
def test_one_backbone_with_its_options() -> None:
    done = CliRunner().invoke(main, ["backbones", "clip_clap", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["name"], found["options"]["clip_weights"], found["options"]["device"]) == (
        "clip_clap",
        "openai",
        None,
    )
    text = CliRunner().invoke(main, ["backbones", "clip_clap"]).stdout
    assert "--backbone-option KEY=VALUE" in text
    assert all(f"  {name} " in text for name in found["options"])
    assert CliRunner().invoke(main, ["backbones", "demo"]).stdout == "demo has no options\n"
