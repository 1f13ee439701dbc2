"""Objects of other people: registered, named by where they are, or declared as entry points, sound and broken."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import avreplay
import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.core.decoders.base import Decoder
from avreplay.core.decoders.registry import DECODERS, decoder_of
from avreplay.core.metrics.base import Metric, Scores, checked_score
from avreplay.core.metrics.bootstrap import bootstrap_metric
from avreplay.core.metrics.registry import METRICS
from avreplay.core.params.table import ParamTable
from avreplay.core.registry import Plugin
from avreplay.evaluate.datasets.base import Dataset
from avreplay.evaluate.datasets.registry import DATASETS
from avreplay.extract.backbones.base import Backbone
from avreplay.extract.backbones.registry import backbone_registry, load_backbone
from avreplay.extract.demo.world import LABELS, write_demo_world
from tuning_data import made

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "examples" / "plugin" / "src"
KINDS: dict[str, tuple[Any, str, type]] = {
    "dataset": (DATASETS, "ExampleTsv", Dataset),
    "metric": (METRICS, "MicroF", Metric),
    "decoder": (DECODERS, "SmoothThreshold", Decoder),
    "backbone": (backbone_registry, "Histogram", Backbone),
}
BREAKAGES = {
    "import error": ("import a_package_that_is_not_there", "Thing", "ModuleNotFoundError: No module named"),
    "exit": ("import sys\nsys.exit('I need a GPU')", "Thing", "SystemExit: I need a GPU"),
    "any error": ("raise RuntimeError('two\\nlines')", "Thing", "RuntimeError: two lines"),
    "no Python": ("this is no Python", "Thing", "SyntaxError"),
    "no such object": ("", "Thing", "has no attribute 'Thing'"),
    "wrong kind": ("Thing = 3", "Thing", "3 is not an avreplay.{type}"),
    "other type": ("from fractions import Fraction as Thing", "Thing", "is not an avreplay.{type}"),
    "abstract": ("from {home} import {type} as Thing", "Thing", "abstract"),
}
EXPECTED_OF_BACKBONES = {
    "wrong kind": "it is not a subclass of avreplay.Backbone",
    "other type": "it is not a subclass of avreplay.Backbone",
    "abstract": "it does not define declaration, encode_audio",
}


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, *_ in KINDS.values():
        monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Modules and declarations of a made-up distribution, as an installer leaves them."""
    written: list[str] = []

    def made_up(name: str, modules: dict[str, str], entry_points: dict[str, dict[str, str]]) -> None:
        folder = tmp_path / name
        info = folder / f"{name}-1.5.dist-info"
        info.mkdir(parents=True)
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
            written.append(module)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = [
            f"[avreplay.{kind}s]\n" + "".join(f"{k} = {v}\n" for k, v in of.items())
            for kind, of in entry_points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(folder))
        invalidate_caches()

    yield made_up
    for module in written:
        sys.modules.pop(module, None)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The classes of the example."""
    monkeypatch.syspath_prepend(str(SOURCE))
    found = {k: import_module(f"avreplay_example_plugin.{k}") for k in KINDS}
    return SimpleNamespace(**{name: getattr(found[k], name) for k, (_, name, _) in KINDS.items()}, modules=found)


def listed(name: str) -> list[Plugin]:
    return [p for p in avreplay.plugins() if p.name == name]


# --- registration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_register_makes_a_class_known_by_its_name(kind: str, example: SimpleNamespace) -> None:
    registry, name, of = KINDS[kind]
    item = getattr(example, name)
    assert avreplay.register(item) is item
    found = registry.get(item.name)
    assert found is item if kind == "backbone" else isinstance(found, item)
    assert listed(item.name) == [Plugin(kind, item.name, "registered in this process")]
    with pytest.raises(avreplay.UsageError, match=f"there is a {kind} '{item.name}' already"):
        avreplay.register(item)
    avreplay.register(item, replace=True)
    avreplay.register(item, "another")
    assert registry.names()[-1] == "another"
    with pytest.raises(avreplay.UsageError, match="cannot be the name"):
        avreplay.register(item, "a:b")
    with pytest.raises(avreplay.UsageError, match="already"):
        avreplay.register(item, next(iter(registry._own)))
    with pytest.raises(avreplay.UsageError, match="cannot be registered as"):
        avreplay.register(of, "abstract")


@pytest.mark.parametrize("item", [3, "smooth_threshold", dict, None])
def test_register_refuses_what_is_of_no_type(item: object) -> None:
    with pytest.raises(avreplay.UsageError, match="give one of the types"):
        avreplay.register(item)


def test_an_instance_keeps_its_options(example: SimpleNamespace) -> None:
    avreplay.register(example.MicroF(beta=2), "micro_f2")
    assert METRICS.get("micro_f2").beta == 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_named_by_where_it_is(kind: str, example: SimpleNamespace) -> None:
    registry, name, _ = KINDS[kind]
    found = registry.get(f"avreplay_example_plugin.{kind}:{name}")
    assert found is getattr(example, name) if kind == "backbone" else type(found) is getattr(example, name)
    for reference in (f"avreplay_example_plugin.{kind}:Nothing", "no_such_module_at_all:Thing", ":"):
        with pytest.raises(avreplay.UsageError, match=f"the {kind} '{reference}' cannot be used"):
            registry.get(reference)


# --- entry points, broken ones among them ------------------------------------------------------------------------


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_plug_in_is_named_and_costs_nothing_else(
    kind: str, breakage: str, install: Callable[..., None], example: SimpleNamespace
) -> None:
    registry, name, of = KINDS[kind]
    text, attribute, expected = BREAKAGES[breakage]
    module = f"broken_{kind}_{breakage.replace(' ', '_')}"
    install(
        "halfbroken",
        {module: text.format(home=of.__module__, type=of.__name__)},
        {kind: {"broken": f"{module}:{attribute}", "sound": f"avreplay_example_plugin.{kind}:{name}"}},
    )
    if kind == "backbone":
        expected = EXPECTED_OF_BACKBONES.get(breakage, expected)
    with pytest.raises(avreplay.UsageError) as caught:
        registry.get("broken")
    message = str(caught.value)
    assert f"the {kind} 'broken' of halfbroken 1.5 cannot be used" in message
    assert expected.format(type=of.__name__) in message
    assert "\n" not in message
    found = {(p.name, p.source): p.error for p in avreplay.plugins() if p.kind == kind}
    assert found.pop(("broken", "halfbroken 1.5")) == message
    assert set(found.values()) == {""}
    assert ("sound", "halfbroken 1.5") in found
    assert registry.get("sound") is not None
    assert all(registry.get(own) for own in registry._own if kind != "backbone" or own == "demo")
    with pytest.raises(avreplay.UsageError, match=f"there is no {kind} 'brokenn'; did you mean 'broken'?"):
        registry.get("brokenn")


def test_a_broken_decoder_does_not_keep_others_from_being_found(
    install: Callable[..., None], example: SimpleNamespace
) -> None:
    install(
        "halfbroken",
        {"broken_decoder": "raise SystemExit(1)"},
        {"decoder": {"a": "broken_decoder:A", "smooth_threshold": "avreplay_example_plugin.decoder:SmoothThreshold"}},
    )
    assert decoder_of(example.SmoothThreshold.params()).name == "smooth_threshold"
    bundle, _ = made()
    assert avreplay.replay(bundle, avreplay.Params(audio_scores="segment")).decoder.name == "av2a"


def test_ctrl_c_in_a_plug_in_is_ctrl_c(install: Callable[..., None]) -> None:
    install("slow", {"slow_metric": "raise KeyboardInterrupt"}, {"metric": {"slow": "slow_metric:Slow"}})
    with pytest.raises(KeyboardInterrupt):
        METRICS.get("slow")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_two_distributions_declare_is_used_by_neither(
    kind: str, install: Callable[..., None], example: SimpleNamespace
) -> None:
    registry, name, _ = KINDS[kind]
    reference = f"avreplay_example_plugin.{kind}:{name}"
    install("first", {}, {kind: {"shared": reference, "mine": reference}})
    install("second", {"second_of": ""}, {kind: {"shared": "second_of:Thing"}})
    with pytest.raises(avreplay.UsageError) as caught:
        registry.get("shared")
    assert str(caught.value) == (
        f"the {kind} 'shared' is declared twice, by first 1.5 and by second 1.5; uninstall one, or name the one that "
        f"is meant as {reference} or second_of:Thing"
    )
    assert [(p.source, p.error) for p in listed("shared")] == [
        (f"{w} 1.5", str(caught.value)) for w in ("first", "second")
    ]
    assert listed("mine") == [Plugin(kind, "mine", "first 1.5")]
    assert registry.get("mine") is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_of_the_package_cannot_be_taken(
    kind: str, install: Callable[..., None], example: SimpleNamespace
) -> None:
    registry, name, _ = KINDS[kind]
    own = next(iter(registry._own))
    install("thief", {}, {kind: {own: f"avreplay_example_plugin.{kind}:{name}"}})
    assert registry.is_own(own)
    mine, theirs = (p for p in listed(own) if p.kind == kind)
    assert mine == Plugin(kind, own, "avreplay")
    assert theirs.source == "thief 1.5"
    assert f"name this one as avreplay_example_plugin.{kind}:{name}" in theirs.error
    found = registry.get(own)
    assert getattr(found, "__module__", "").startswith("avreplay.") or type(found).__module__.startswith("avreplay.")


# --- objects that are not what they say --------------------------------------------------------------------------

HEAD = """
from dataclasses import dataclass
from avreplay import Decoder, Events, Metric, OptionSet, Scores, option
"""


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("decoder", "class Thing(Decoder):\n def decode(self, i, p): ...", "Thing does not declare `name`"),
        ("decoder", "class Thing(Decoder):\n name='t'\n def decode(self, i, p): ...", "does not declare `params`"),
        ("decoder", "class Thing(Decoder):\n name='t'\n params=dict\n def decode(self, i, p): ...", "of OptionSet"),
        (
            "decoder",
            "@dataclass(frozen=True)\nclass P(OptionSet):\n x: int = 3\n"
            "class Thing(Decoder):\n name='t'\n params=P\n def decode(self, i, p): ...",
            "'x' of P is no option; declare it with avreplay.option",
        ),
        ("metric", "class Thing(Metric):\n def names(self, t): ...\n def score(self, p, t): ...", "declare `name`"),
        ("metric", "class Thing(Metric):\n name='t'\n def __init__(self, x): ...", "Thing"),
    ],
)  # fmt: skip
def test_what_an_object_lacks_is_said_when_it_is_asked_for(
    kind: str, text: str, expected: str, install: Callable[..., None]
) -> None:
    install("lacking", {"lacking_thing": HEAD + text}, {kind: {"thing": "lacking_thing:Thing"}})
    with pytest.raises(avreplay.UsageError, match=f"the {kind} 'thing' of lacking 1.5") as caught:
        KINDS[kind][0].get("thing")
    assert expected in str(caught.value)


def test_options_are_typed_whether_their_module_postpones_annotations_or_not(install: Callable[..., None]) -> None:
    body = (
        "@dataclass(frozen=True)\nclass P(OptionSet):\n a: float = option(0.5, 'a', low=0, high=1)\n"
        " b: int = option(1, 'b', low=1, high=3)\n c: bool = option(False, 'c')\n"
        " d: str = option('x', 'd', choices=('x', 'y'))\n"
        "class Thing(Decoder):\n name='t'\n params=P\n def decode(self, i, p): ...\n"
    )
    install("options", {"now": HEAD + body, "later": "from __future__ import annotations" + HEAD + body}, {})
    now, later = DECODERS.get("now:Thing"), DECODERS.get("later:Thing")
    assert now.search_space() == later.search_space() == ("a=0:1", "b=1:3", "c=false,true", "d=x,y")
    for decoder in (now, later):
        made = decoder.make_params(values={"a": "0.25", "b": "2", "c": "yes", "d": "y"})
        assert made.as_dict() == {"a": 0.25, "b": 2, "c": True, "d": "y"}
        for wrong in ({"a": 2}, {"b": 1.5}, {"c": "perhaps"}, {"d": "z"}):
            with pytest.raises(avreplay.UsageError, match="expected"):
                decoder.make_params(values=wrong)


class Shapes(Metric):
    """Gives what it is told to."""

    name = "shapes"

    def __init__(self, scores: Scores, mean: bool = True) -> None:
        self.scores = scores
        self.mean_over_videos = mean  # type: ignore[misc]

    def names(self, truth: avreplay.Truth) -> tuple[str, ...]:
        return ("x",)

    def score(self, predicted: avreplay.Events, truth: avreplay.Truth) -> Scores:
        return self.scores


@pytest.mark.parametrize(
    ("scores", "mean", "expected"),
    [
        (Scores(("y",), np.zeros((1, 1)), np.zeros((1, 2, 1))), True, r"names \('y',\)"),
        (Scores(("x",), np.zeros(1), np.zeros((1, 2, 1))), True, r"values of shape \(1,\); it declares \(1, 1\)"),
        (Scores(("x",), np.zeros((1, 1))), True, r"per_video of shape None; it declares \(1, 2, 1\)"),
        (Scores(("x",), np.zeros((1, 1)), np.zeros((1, 3, 1))), True, r"per_video of shape \(1, 3, 1\)"),
        (Scores(("x",), np.zeros((1, 1)), np.zeros((1, 2, 1))), False, r"per_video .*; it declares None"),
    ],
)
def test_a_metric_that_gives_other_shapes_than_it_declares(scores: Scores, mean: bool, expected: str) -> None:
    events = avreplay.Events.from_tracks([[[], [], []]] * 2)
    truth = avreplay.Truth(events, np.array([3, 3]), ("a",), np.ones(2))
    with pytest.raises(avreplay.DataError, match=f"the metric 'shapes' gave {expected}"):
        checked_score(Shapes(scores, mean), events, truth)


@pytest.mark.parametrize("event", [(99, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 1, 1), (0, 0, 99)])
def test_a_decoder_that_gives_events_out_of_range(event: tuple[int, int, int], example: SimpleNamespace) -> None:
    class Wild(example.SmoothThreshold):
        name = "wild"

        def decode(self, inputs, params):
            n = inputs.scores.num_videos
            return avreplay.Events.from_tracks([*[[[], [], []]] * (n - 1), [[], [event], []]])

    bundle, _ = made()
    with pytest.raises(avreplay.DataError, match=f"the decoder 'wild' gave video '{bundle.video_ids[-1]}' an event"):
        avreplay.replay(bundle, Wild.params(), decoder=Wild())


def test_needs_are_checked_of_any_decoder(example: SimpleNamespace) -> None:
    decoder = example.SmoothThreshold()
    bundle, _ = made()
    silent = avreplay.ScoreBundle.create(
        video_ids=bundle.video_ids, labels=bundle.labels, segments_per_video=bundle.segments_per_video,
        visual_segments=bundle.visual_segments,
    )  # fmt: skip
    with pytest.raises(avreplay.DataError, match=r"no audio_segments, which threshold=0\.6 needs"):
        avreplay.replay(silent, decoder.params(), decoder=decoder)
    events = avreplay.replay(silent, decoder.params(), decoder=decoder, tracks=("visual",)).replay.events
    whole = avreplay.replay(bundle, decoder.params(), decoder=decoder, tracks=("visual",)).replay.events
    assert whole.num_videos == events.num_videos


# --- the example -------------------------------------------------------------------------------------------------


def counts_by_hand(metric: Metric, predicted: avreplay.Events, truth: avreplay.Truth, setting: int) -> list[float]:
    """Micro-averaged F, from sets of (track, video, segment, label)."""
    tables = []
    for events, p in ((predicted, setting), (truth.events, 0)):
        tables.append(
            {
                (k, v, t, label)
                for k in range(3)
                for v in range(events.num_videos)
                for label, onset, offset, _ in events.track(v, k, p)
                for t in range(onset, offset)
            }
        )
    found, annotated = tables
    b = metric.beta**2
    values = []
    for tracks in ((0, 1, 2), (0,), (1,), (2,)):
        f, a = ({x for x in table if x[0] in tracks} for table in (found, annotated))
        tp = len(f & a)
        below = (1 + b) * tp + len(f - a) + b * len(a - f)
        values.append(100 * (1 + b) * tp / below if below else np.nan)
    return values


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_metric_counts_as_by_hand_and_on_resamples_too(beta: float, example: SimpleNamespace) -> None:
    bundle, annotations = made(videos=6)
    decoder, metric = example.SmoothThreshold(), example.MicroF(beta)
    settings = [decoder.params(threshold=t) for t in (0.2, 0.45, 0.6, 1.0)]
    result = avreplay.replay(bundle, settings, decoder=decoder)
    at = np.array(annotations.match(bundle.video_ids))
    truth = annotations.select(at.tolist()).truth()
    moved = np.array([annotations.labels.index(name) for name in bundle.labels], np.int32)
    table = result.replay.events
    predicted = avreplay.Events(
        table.num_settings, table.num_videos, table.starts, moved[table.label], table.onset, table.offset, table.score
    )
    values = checked_score(metric, predicted, truth).values
    for p in range(len(settings)):
        np.testing.assert_allclose(values[p], counts_by_hand(metric, predicted, truth, p), rtol=1e-12)
    assert 0 < values[1, 0] < 100
    one = predicted.setting(1)
    found = bootstrap_metric(metric, [one], truth, resamples=30, seed=3)
    draws = np.random.default_rng(3).integers(0, 6, (30, 6))
    again = [counts_by_hand(metric, one.select(d), truth.select(d), 0) for d in draws]
    np.testing.assert_allclose(found.low, np.quantile(again, 0.025, axis=0))
    np.testing.assert_allclose(found.figure, values[1])


def test_resamples_on_which_a_metric_is_undefined_do_not_count(example: SimpleNamespace) -> None:
    events = avreplay.Events.from_tracks([[[(0, 0, 2)], [], []], [[], [], []]])
    truth = avreplay.Truth(events, np.array([3, 3]), ("a",), np.ones(2))
    found = bootstrap_metric(example.MicroF(), [events], truth, resamples=50)
    assert (found.low[0], found.high[0]) == (100, 100)
    assert np.isnan(found.low[2])


def test_the_decoder_gives_each_video_what_it_gives_it_alone(example: SimpleNamespace) -> None:
    bundle, _ = made(videos=5)
    decoder = example.SmoothThreshold()
    space = {"window": np.array([1, 2, 3, 9]), "threshold": np.array([0.3, 0.5, 0.4, 0.6]), "min_length": [1, 2, 1, 2]}
    table = ParamTable(decoder.params(), space)
    inputs = avreplay.Inputs(bundle)
    together = decoder.sweeper(inputs, table)(0, 4)
    assert len(together.label)
    for p, v in np.ndindex(4, 5):
        alone = decoder.decode(inputs.select([v]), table.params(p))
        for track in ("audio", "visual", "audio_visual"):
            events = together.track(v, track, p)
            assert events == alone.track(0, track)
            for label, onset, offset, score in events:
                assert offset - onset >= table.params(p).min_length
                assert score > table.params(p).threshold
                assert decoder.explain(inputs, table.params(p), v, track, label, onset, offset).lost_at == ""
    strict = decoder.params(threshold=1.0)
    assert decoder.explain(inputs, strict, 0, "visual", 0).lost_at == "threshold"


def test_the_decoder_finds_what_stands_out(example: SimpleNamespace) -> None:
    scores = np.full((9, 2), 0.1)
    scores[3:6, 1] = 0.9
    scores[8, 0] = 0.9
    bundle = avreplay.ScoreBundle.create(
        video_ids=["a"], labels=["x", "y"], segments_per_video=[9], kind="probability", visual_segments=scores,
        audio_segments=scores, has_audio=[False],
    )  # fmt: skip
    decoder = example.SmoothThreshold()
    events = decoder.decode(avreplay.Inputs(bundle), decoder.params(window=3, threshold=0.5))
    # a median of three drops the single segment, but for the repeated end
    assert [e[:3] for e in events.track(0, "visual")] == [(0, 8, 9), (1, 3, 6)]
    assert events.track(0, "audio") == events.track(0, "audio_visual") == []
    unsmoothed = decoder.params(window=1, threshold=0.5, min_length=2)
    assert [e[:3] for e in decoder.decode(avreplay.Inputs(bundle), unsmoothed).track(0, "visual")] == [(1, 3, 6)]
    assert decoder.explain(avreplay.Inputs(bundle), unsmoothed, 0, "visual", 0).lost_at == "length"
    assert decoder.explain(avreplay.Inputs(bundle), unsmoothed, 0, "audio", 0).lost_at == "scores"


TSV = "video_id\ttrack\tlabel\tonset\toffset\n"


@pytest.fixture
def tsv(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("dog\nsiren\n")
    (tmp_path / "durations.tsv").write_text("video_id\tseconds\na\t9.5\nb\t4\n")
    lines = ["a\taudio\tdog\t0.5\t4", "a\tvisual\tdog\t3.2\t99", "a\tvisual\tsiren\t1\t2", "b\t\t\t\t"]
    (tmp_path / "val.tsv").write_text(TSV + "\n".join(lines) + "\n")
    return tmp_path


def test_the_dataset_reads_seconds_as_segments(tsv: Path, example: SimpleNamespace) -> None:
    avreplay.register(example.ExampleTsv)
    a = avreplay.load_annotations("example_tsv", tsv, "val")
    assert (a.dataset, a.metric, a.labels, a.video_ids) == ("example_tsv", "micro_f", ("dog", "siren"), ("a", "b"))
    assert a.segments_per_video.tolist() == [10, 4]
    tracks = [[e[:3] for e in a.events.track(0, k)] for k in range(3)]
    assert tracks == [[(0, 0, 4)], [(0, 3, 10), (1, 1, 2)], [(0, 3, 4)]]
    assert all(a.events.track(1, k) == [] for k in range(3))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("c\taudio\tdog\t0\t1", "durations.tsv has no video 'c'"),
        ("a\tboth\tdog\t0\t1", "the track is 'both'"),
        ("a\taudio\tcat\t0\t1", "labels.txt has no label 'cat'"),
        ("a\taudio\tdog\tx\t1", "'x' is not a number of seconds"),
        ("a\taudio\tdog\t2\t1", "2 to 1 s is no span"),
        ("a\taudio\tdog\t2", "4 fields"),
    ],
)
def test_the_dataset_names_the_line(line: str, expected: str, tsv: Path, example: SimpleNamespace) -> None:
    avreplay.register(example.ExampleTsv)
    (tsv / "val.tsv").write_text(TSV + line + "\n")
    with pytest.raises(avreplay.DataError, match=r"val\.tsv, line 2: ") as caught:
        avreplay.load_annotations("example_tsv", tsv, "val")
    assert expected in str(caught.value)
    with pytest.raises(avreplay.UsageError, match="has no split 'test'; it has val"):
        avreplay.load_annotations("example_tsv", tsv, "test")


def test_the_backbone_gives_an_item_the_same_row_beside_any_other(example: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    for bins in (2, 4):
        backbone = load_backbone("avreplay_example_plugin.backbone:Histogram", bins=bins)
        assert backbone.declaration()["options"] == {"bins": bins}
        frames = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((4, 6), (1, 1), (30, 20))]
        waves = [rng.normal(0, 0.1, n).astype(np.float32) for n in (16000, 1, 0, 7000)]
        for rows, items, encode in (
            (backbone.encode_images(frames), frames, backbone.encode_images),
            (backbone.encode_audio(waves), waves, backbone.encode_audio),
        ):
            assert rows.dtype == np.float32
            assert np.isfinite(rows).all()
            for row, item in zip(rows, items, strict=True):
                np.testing.assert_array_equal(encode([item])[0], row)
        np.testing.assert_allclose(backbone.encode_images(frames).sum(axis=1), 1, rtol=1e-6)
        assert backbone.encode_clips([frames[:1] * 4]).shape == (1, 4, bins**3)
        assert backbone.encode_text(["Church bell", "church bell"], "audio").tolist()[0].count(0) <= 31


def test_the_page_on_extending_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """Every Python block of the page, as one module, and what the page says of the classes in it."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (tmp_path / "extending_page.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    told = import_module("extending_page")
    request.addfinalizer(lambda: sys.modules.pop("extending_page"))
    out = capsys.readouterr().out
    assert "type_av_seg" in out
    assert "hit_rate" in out
    assert "the threshold is 0.7" in out
    bundle, annotations = made(videos=7)
    inputs = avreplay.Inputs(bundle)
    table = ParamTable(told.CutParams(), {"cut": np.linspace(0, 1, 9)})
    slow, fast = (decoder().sweeper(inputs, table, ("visual",))(2, 9) for decoder in (told.Cut, told.FastCut))
    assert len(slow.label)
    for name in ("starts", "label", "onset", "offset"):
        np.testing.assert_array_equal(getattr(slow, name), getattr(fast, name))
    longest = ParamTable(told.CutParams(), {"cut": np.array([0.25]), "longest": np.array([True])})
    kept, given = told.FastCut().sweeper(inputs, longest)(0, 1), slow.setting(0)
    assert len(kept.label) == len({(v, e[0]) for v in range(7) for e in given.track(v, "visual")}) < len(given.label)
    e = avreplay.evaluate_predictions(
        avreplay.replay(bundle, told.CutParams(), decoder=told.Cut()).predictions(), annotations, metrics=told.HitRate()
    )
    assert e.per_video["hit_rate"].shape == (7,)
    reads = told.Neighbours().reads([told.CutParams()])
    assert (reads.similarity, reads.embeddings, reads.text) == ("cosine", True, True)
    backbone = told.Brightness()
    assert backbone.encode_clips([[np.zeros((2, 2, 3), np.uint8)] * 8]).shape == (1, 8, 2)
    for kind, (registry, _, _) in KINDS.items():
        assert any(p.kind == kind and p.source == "registered in this process" for p in avreplay.plugins()), kind
        assert f'[project.entry-points."{registry.group}"]' in page


# --- wheels in a fresh environment -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheels of the package and of the example; all else is that of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    copied = folder / "avreplay"
    tracked = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    listing = subprocess.run(tracked, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copied / name)
    for source in (copied, copied / "examples" / "plugin"):
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "wheels"), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    venv.create(folder / "env", with_pip=False)
    packages = next((folder / "env").rglob("site-packages"))
    # another folder than that of the commands, as for an installed script
    (folder / "command.py").write_text("from avreplay.cli import main\nmain()\n")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(packages)]
    subprocess.run([*install, *map(str, (folder / "wheels").iterdir())], check=True)
    # dependencies: this environment's, after the fresh one's own
    others = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    (packages / "zz_dependencies.pth").write_text("\n".join(others) + "\n")
    return folder


@pytest.fixture
def run(fresh: Path, tmp_path: Path) -> Callable[..., Any]:
    """The command of the fresh environment, in a folder of its own; gives what it prints as JSON."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def command(*arguments: object, code: int = 0) -> Any:
        python = str(fresh / "env" / "bin" / "python")
        line = [python, str(fresh / "command.py"), *map(str, arguments), "--json"]
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    return command


def write_tsv(videos: Path, annotations: Path, splits: tuple[str, ...]) -> None:
    """Generated videos, and their annotations in the format of the example."""
    annotations.mkdir()
    (annotations / "labels.txt").write_text("\n".join(LABELS) + "\n")
    lengths = ["video_id\tseconds"]
    for split in splits:
        data = json.loads(write_demo_world(videos / split, split, videos=3).read_text())
        lines = []
        for video, found in data["videos"].items():
            lengths.append(f"{video}\t{found['segments']}")
            tracks = [(track, e) for track in ("audio", "visual") for e in found[track]]
            of_video = [f"{video}\t{t}\t{e['label']}\t{e['onset'] + 0.25}\t{e['offset'] - 0.25}" for t, e in tracks]
            lines += of_video or [f"{video}\t\t\t\t"]
        (annotations / f"{split}.tsv").write_text(TSV + "\n".join(lines) + "\n")
    (annotations / "durations.tsv").write_text("\n".join(lengths) + "\n")


def test_wheels_of_package_and_plug_in_in_a_fresh_environment(
    fresh: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    write_tsv(tmp_path / "videos", tmp_path / "annotations", ("val", "test"))
    (tmp_path / "few.txt").write_text("\n".join(LABELS[:2]) + "\n")
    names = {"example_tsv": "dataset", "micro_f": "metric", "smooth_threshold": "decoder", "histogram": "backbone"}
    found = {p["name"]: p for p in run("plugins") if p["source"] != "avreplay"}
    expected = {"source": "avreplay-example-plugin 0.1.0", "error": ""}
    assert found == {name: {"kind": kind, "name": name, **expected} for name, kind in names.items()}

    # one of the generated files is cut off
    extracted = run(
        "extract", "videos/val", "videos/test", "--store", "store", "--backbone", "histogram", "--labels", "few.txt",
        "--set", "bins=3", "--no-calibration", code=1,
    )  # fmt: skip
    assert extracted["counts"] == {"no_audio": 1, "ok": 6, "truncated": 1}
    run("embed-text", "store", "--labels", "annotations/labels.txt")

    replayed = run("replay", "store", "--decoder", "smooth_threshold", "--preset", "sensitive", "--out", "a.json")
    assert replayed["params"]["decoder"] == "smooth_threshold"
    assert replayed["params"]["window"] == 1
    assert sum(replayed["events"].values())
    truth = ("--dataset", "example_tsv", "--annotations", "annotations")
    tuned = run(
        "tune", "store", *truth, "--decoder", "smooth_threshold", "--metrics", "micro_f", "--trials", "24",
        "--resamples", "50", "--out", "tuned",
    )  # fmt: skip
    assert tuned["objective"] == "micro_f"
    assert tuned["best_value"] >= tuned["start_value"]
    assert tuned["ceiling"] is None
    run("replay", "store", "--params", "tuned/best.toml", "--out", "b.json")

    on_val = run("evaluate", "b.json", *truth, "--split", "val")
    assert on_val["metrics"]["micro_f"] == pytest.approx(tuned["recommended"]["value"], abs=1e-9)
    assert tuned["cross_validated"]["folds"] == tuned["search"]["videos"]  # one a fold: there are few
    scored = run("evaluate", "b.json", *truth, "--metrics", "micro_f", "--bootstrap", "50", "--per-class")
    assert (scored["dataset"], scored["metric"], scored["videos_scored"]) == ("example_tsv", "micro_f", 4)
    assert scored["metrics"]["micro_f"] == pytest.approx(tuned["report"]["second"]["metrics"]["micro_f"], abs=1e-9)
    interval = scored["intervals"]["micro_f"]
    assert interval["low"] <= scored["metrics"]["micro_f"] <= interval["high"]
    assert scored["per_class"]
    llp = run("evaluate", "b.json", *truth, "--metrics", "llp")
    assert "type_av_seg" in llp["metrics"]

    named = ("--decoder", "avreplay_example_plugin.decoder:SmoothThreshold", "--params", "tuned/best.toml")
    run("replay", "store", *named, "--out", "c.json")
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "c.json").read_bytes()
    by_place = run("evaluate", "c.json", *truth, "--metrics", "avreplay_example_plugin.metric:MicroF")
    assert by_place["metrics"] == scored["metrics"]

    compared = run("compare", "a.json", "b.json", *truth, "--resamples", "50")
    assert set(compared["differences"]) == set(scored["metrics"])
    drawn = run("report", "a.json", "b.json", *truth, "--out", "report.html")
    assert len(drawn["videos_drawn"]) == 4
    assert "Segment F over all videos" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_encoder_in_the_working_folder_makes_a_store_and_encodes_new_labels(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    write_demo_world(tmp_path / "videos", "val", videos=1)
    (tmp_path / "few.txt").write_text("\n".join(LABELS[:2]) + "\n")
    (tmp_path / "mine.py").write_text(
        "from avreplay_example_plugin.backbone import Histogram\nclass Mine(Histogram):\n    name = 'mine'\n"
    )
    (tmp_path / "one.txt").write_text("siren\n")
    extract = ("extract", "videos", "--store", "store", "--backbone", "mine:Mine", "--labels", "one.txt")
    run(*extract, "--no-calibration")
    run("embed-text", "store", "--labels", "few.txt")
    assert avreplay.open_store(tmp_path / "store").labels == LABELS[:2]


def test_the_fresh_environment_has_its_own_package(fresh: Path, tmp_path: Path) -> None:
    code = "import avreplay, avreplay_example_plugin as p; print(avreplay.__file__); print(p.__file__)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    line = [str(fresh / "env" / "bin" / "python"), "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert all(Path(file).is_relative_to(fresh / "env") for file in done.stdout.split())


@pytest.mark.parametrize("gives", [None, [1, 2]])
def test_a_decoder_that_gives_something_else_is_named(gives: Any, tmp_path: Path) -> None:
    class Odd(type(DECODERS.get("av2a"))):  # type: ignore[misc]
        name = "odd"

        def decode_many(self, *_: Any, **__: Any) -> Any:
            return gives

    import_bundle(made(0, 3)[0], tmp_path / "s")
    with pytest.raises(avreplay.DataError, match=r"the decoder 'odd' failed \(TypeError: decode_many\(\) gave"):
        avreplay.replay(str(tmp_path / "s"), avreplay.make_params(), decoder=Odd())


def test_names_that_scripts_rely_on_stay():
    names = {
        DATASETS: "llp ave ovavebench json unav avepm strong_tsv",
        METRICS: "llp ave_accuracy ovavel map_tiou segment_map psds intersection_f1 collar_f1",
        DECODERS: "av2a ovavel cuerator scope hysteresis median sebb viterbi",
    }
    for registry, wanted in names.items():
        assert set(wanted.split()) <= set(registry.names())
