"""Options declared as fields of dataclasses: what is listed of them, and objects made from given values."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from avreplay.cache.layout import schema
from avreplay.core.command_options import (
    REQUIRED,
    Setting,
    checked_choices,
    fields_of,
    from_options,
    group,
    setting,
    split_settings,
)
from avreplay.core.errors import UsageError
from avreplay.extract import command_options as extract_settings
from avreplay.extract.command_options import BenchRequest, ExtractRequest, ExtractSettings
from avreplay.extract.finetune.config import FinetuneConfig, FinetuneRequest
from avreplay.extract.media.video_readers import READERS


@dataclass(frozen=True)
class Cut:
    length: float = setting(1.0, "Length of a piece.")
    rule: str = setting("middle", "Frame.", choices=("middle", "first"), flag="--frames", former="--frame")
    reader: str = setting("a", "Inner.")
    hidden: int = 3


@dataclass(frozen=True)
class Request:
    media: tuple[str, ...] = setting(REQUIRED, "Files.", metavar="MEDIA", argument=True)
    count: int | None = setting(None, "How many.", flag="--count,-n", shown_default="all")
    measure: bool = setting(True, "Measure first.", flag="--measure/--no-measure")
    cut: Mapping[str, Any] = group(Cut)
    reader: str | None = setting(None, "Outer.")


def test_what_is_listed() -> None:
    media, count, measure, length, rule, reader = fields_of(Request)
    assert media == Setting("media", (), str, REQUIRED, "Files.", metavar="MEDIA", multiple=True)
    assert count == Setting("count", ("--count", "-n"), int, None, "How many.", optional=True, shown_default="all")
    assert (measure.kind, measure.default, measure.flags) == (bool, True, ("--measure/--no-measure",))
    assert length == Setting("length", ("--length",), float, 1.0, "Length of a piece.")
    assert (rule.flags, rule.former, rule.choices) == (("--frames",), ("--frame",), ("middle", "first"))
    assert (reader.help, reader.optional) == ("Outer.", True)  # in the place of the group's


def test_objects_from_given_values() -> None:
    made = from_options(Request, {"media": ("a",), "count": None, "rule": "first", "length": None, "reader": "b"})
    assert made == Request(("a",), None, True, {"rule": "first"}, "b")
    assert Cut(**made.cut) == Cut(rule="first")
    with pytest.raises(UsageError, match="there is no option 'hidden'; options are media, count, measure, length"):
        from_options(Request, {"media": ("a",), "hidden": 4})
    checked_choices(Cut())
    with pytest.raises(UsageError, match="rule is 'last'; choose one of middle, first"):
        checked_choices(Cut(rule="last"))


def test_pairs() -> None:
    assert split_settings(["a=1", " b =x=y", "c="]) == [("a", "1"), ("b", "x=y"), ("c", "")]
    for wrong in ("a", "=1", " =1"):
        with pytest.raises(UsageError, match=f"the thing '{wrong}' is not of the form a=1"):
            split_settings(["x=1", wrong], "thing", "a=1")


@pytest.mark.parametrize("cls", [ExtractRequest, BenchRequest, FinetuneRequest, ExtractSettings, FinetuneConfig])
def test_every_option_can_be_given_and_has_help(cls: type) -> None:
    found = fields_of(cls)
    assert found
    flags = [flag for s in found for flag in (*s.flags, *s.former)]
    assert len(set(flags)) == len(flags)
    for s in found:
        assert s.help.endswith(".")
        assert s.choices is None or s.default in (*s.choices, None)
        assert s.default is REQUIRED or s.optional or isinstance(s.default, tuple if s.multiple else s.kind)


def test_constants_that_are_said_twice_agree() -> None:
    """Declarations import the standard library only, so what lies elsewhere is repeated there."""
    assert extract_settings.SHARD_VIDEOS == schema.SHARD_VIDEOS
    assert tuple(READERS) == extract_settings.VIDEO_READERS


@pytest.mark.parametrize(
    "module",
    ["core.command_options", "extract.command_options", "extract.finetune.config", "extract.backbones.registry"],
)
def test_declarations_import_only_the_standard_library(module: str) -> None:
    code = (
        f"import sys; before = set(sys.modules); import avreplay.{module}\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names) - {'avreplay'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"windows": "some"}, "windows is 'some'; choose one of auto, all"),
        ({"precision": "fp8"}, "precision is 'fp8'; choose one of fp32"),
        ({"video_reader": "decord"}, "video_reader is 'decord'; choose one of pyav, torchcodec, nvdec, auto"),
        ({"shard": "1-4"}, "the shard '1-4' is not of the form i/n"),
        ({"shard": "3/2"}, "i from 1 to n"),
        ({"segment_seconds": 0.0}, "segment_seconds is 0.0"),
        ({"fill": True, "retry": True}, "two steps"),
        ({"media": ()}, "no video files were given"),
        ({"wndows": "all"}, "there is no option 'wndows'"),
    ],
)
def test_a_request_is_refused_before_anything_is_done(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        from_options(ExtractRequest, {"media": ("a.mp4",), "store": "s", **options})
    assert from_options(ExtractRequest, {"media": ("a.mp4",), "store": "s", "shard": "2/3"}).given == {"part": (2, 3)}
