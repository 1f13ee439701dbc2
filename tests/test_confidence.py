"""The confidence of events: the rule of the kernel is that of the plain version, and what is replayed, swept, written
and exported has it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import avreplay
import numpy as np
import pytest
from avreplay.core import confidence
from avreplay.core import reference_steps as plain
from avreplay.core.bundle import ScoreBundle
from avreplay.core.confidence import with_confidence
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.decoders.replayed import replayed
from avreplay.core.errors import DataError
from avreplay.core.events import TRACKS, Events
from avreplay.core.metrics.base import Metric, Scores
from avreplay.core.params.table import ParamTable
from avreplay.core.sweep import sweep
from avreplay.core.target import Target
from avreplay.evaluate.export.activitynet import activitynet_bytes
from avreplay.evaluate.export.events import event_list
from avreplay.evaluate.export.fiftyone import fiftyone_files
from avreplay.evaluate.export.tables import COLUMNS
from avreplay.evaluate.files import json_format, scanned_json
from avreplay.evaluate.files.predictions import Predictions, read_predictions, write_predictions
from avreplay.evaluate.files.predictions_writer import prediction_writer
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once


@st.composite
def bundles(draw):
    """Scores of which some streams, arrays and numbers are missing."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    lengths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    n, s, c = len(lengths), sum(lengths), 3
    audible, visible = rng.random((2, n)) < 0.7
    rows = {name: rng.normal(size=(s, c)).astype(np.float32) for name in ("audio", "visual", "audio_visual")}
    rows["audio"][np.repeat(~audible, lengths)] = np.nan
    rows["visual"][np.repeat(~visible, lengths)] = np.inf
    kept = draw(st.sets(st.sampled_from(sorted(rows)), min_size=1))
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)], labels=list("abc"), segments_per_video=lengths, has_audio=audible,
        has_visual=visible, **{f"{name}_segments": rows[name] for name in kept},
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(bundles(), st.integers(0, 1000))
def test_the_kernel_is_the_plain_rule(bundle, seed):
    rng = np.random.default_rng(seed)

    def spans(segments):
        for _ in range(rng.integers(0, 4) if segments else 0):
            a = int(rng.integers(0, segments))
            yield int(rng.integers(0, 3)), a, int(rng.integers(a, segments)) + 1

    tables = [
        Events.from_tracks([[list(spans(t)) for _ in TRACKS] for t in bundle.segments_per_video.tolist()])
        for _ in range(2)
    ]
    both = with_confidence(Events.joined(tables), bundle)
    for p in range(2):
        for v in range(bundle.num_videos):
            for k, track in enumerate(TRACKS):
                told = both.confidence[both.rows(v, k, p)].tolist()
                expected = [plain.mean_confidence(bundle, v, track, c, a, b) for c, a, b, _ in tables[p].track(v, k)]
                assert told == expected
    assert np.isfinite(both.confidence).all()


@settings(max_examples=20, deadline=None)
@given(bundles(), st.integers(0, 1000), st.integers(2, 5))
def test_threads_share_the_events_and_change_none(bundle, seed, threads):
    rng = np.random.default_rng(seed)
    events = Events.from_tracks([
        [[(int(rng.integers(3)), 0, t)] * int(rng.integers(0, 3) if t else 0) for _ in TRACKS]
        for t in bundle.segments_per_video.tolist()
    ])  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(confidence, "EVENTS_A_THREAD", 1)
        shared = with_confidence(events, bundle, threads)
    assert shared.confidence.tolist() == with_confidence(events, bundle, 1).confidence.tolist()


def test_without_any_score_the_confidence_is_zero():
    bundle = ScoreBundle.create(
        video_ids=["v"], labels=["a"], segments_per_video=[2], has_audio=[False],
        audio_segments=np.full((2, 1), np.nan, np.float32),
    )  # fmt: skip
    events = with_confidence(Events.from_tracks([[[(0, 0, 2)], [(0, 0, 1)], [(0, 1, 2)]]]), bundle)
    assert events.confidence.tolist() == [0, 0, 0]
    own = Events.from_tracks([[[(0, 0, 2, 0.5, 0.25)], [], []]])
    assert with_confidence(own, bundle) is own
    for bad in ([np.nan], [np.inf], [1.0, 2.0]):
        with pytest.raises(DataError, match="gave events whose confidence is no array"):
            with_confidence(replace(own, confidence=np.array(bad)), bundle)


def _bundle(n=6, t=10, c=4):
    x = np.random.default_rng(0).normal(size=(2, n * t, c)).astype(np.float32)
    return ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(n)], labels=[f"l{i}" for i in range(c)], segments_per_video=[t] * n,
        audio_segments=x[0], visual_segments=x[1], visual_cosine=np.full(n * t, 0.5), audio_clip=x[0, :n],
        visual_clip=x[1, :n, None], window_video=[], window_start=[], window_end=[],
    )  # fmt: skip


class Ranked(Metric):
    """The mean confidence of the events."""

    name: ClassVar[str] = "ranked_in_tests"
    reads: ClassVar[frozenset[str]] = frozenset({"events", "scores"})
    mean_over_videos: ClassVar[bool] = False

    def names(self, truth):
        return ("mean",)

    def score(self, predicted, truth):
        found = [predicted.setting(p) for p in range(predicted.num_settings)]
        return Scores(("mean",), np.array([[e.confidence.mean() if len(e.label) else 0.0] for e in found]))


class Plain(Ranked):
    """The same, that does not say that it ranks."""

    reads: ClassVar[frozenset[str]] = frozenset({"events"})

    def score(self, predicted, truth):
        assert predicted.confidence is None
        return Scores(("mean",), np.zeros((predicted.num_settings, 1)))


@pytest.mark.parametrize("name", ["av2a", "ovavel", "hysteresis"])
def test_what_is_replayed_and_swept_for_a_ranking_metric_has_it(name):
    decoder, bundle = DECODERS.get(name), _bundle()
    options = {"refine": False, "tau0": 0.5} if name == "av2a" else {"background": "none"} if name == "ovavel" else {}
    params = decoder.make_params(values=options)
    events = replayed(decoder, Inputs(bundle), [params]).events
    assert len(events.confidence) == len(events.label) > 0
    target = Target.on(bundle, Events.from_tracks([[[], [], []]] * 6), Ranked())
    option, values = {"av2a": ("alpha", [0.5, 0.2]), "ovavel": ("strategy", ["first_agreement", "per_segment"]),
                      "hysteresis": ("alpha", [0.5, 0.2])}[name]  # fmt: skip
    table = ParamTable(params, {option: np.array(values)})
    figures = np.concatenate([p.figures for p in sweep(decoder, Inputs(bundle), table, target, [1.0])])
    assert figures[0, 0] == pytest.approx(events.confidence.mean(), abs=1e-12)
    if name != "hysteresis":  # whose events have a confidence of their own
        unranked = Target.on(bundle, Events.from_tracks([[[], [], []]] * 6), Plain())
        assert all(p.figures.tolist() == [[0.0]] for p in sweep(decoder, Inputs(bundle), table, unranked, [1.0]))


# --- files -------------------------------------------------------------------------------------------------------


def _predictions(name="sebb"):
    params = DECODERS.get(name).make_params(values={"threshold": 0.6})
    return avreplay.replay(_bundle(), params).predictions()


def _columns(events):
    return [None if x is None else (x.dtype, x.tolist()) for x in
            (events.starts, events.label, events.onset, events.offset, events.confidence, events.seconds)]  # fmt: skip


@pytest.mark.parametrize("name", ["sebb", "hysteresis", "ovavel"])
@pytest.mark.parametrize("reader", ["scanned", "_direct", "slow"])
def test_json_is_read_back_whole(tmp_path, monkeypatch, name, reader):
    if name == "ovavel":
        params = DECODERS.get(name).make_params(values={"background": "none"})
        predictions = avreplay.replay(_bundle(), params).predictions()
    else:
        predictions = _predictions(name)
    write_predictions(tmp_path / "p.json", predictions)
    if reader == "scanned":
        monkeypatch.setattr(scanned_json, "LEAST", 0)
        monkeypatch.setattr(json_format, "_direct", None)  # which is not asked
    else:
        monkeypatch.setattr(json_format, "scanned", lambda *_: None)
        if reader == "slow":
            monkeypatch.setattr(json_format, "decoded", lambda *_: None)
    assert _columns(read_predictions(tmp_path / "p.json").events) == _columns(predictions.events)
    first = json.loads((tmp_path / "p.json").read_text())["videos"]["v0"]["audio_visual"][0]
    finer = ["onset_seconds", "offset_seconds"] if name == "sebb" else []
    assert list(first) == ["label", "onset", "offset", "score", "confidence", *finer]


@pytest.mark.parametrize("name", ["sebb", "hysteresis"])
def test_parquet_is_read_back_whole(tmp_path, name):
    predictions = _predictions(name)
    for path, part in (("p.parquet", 100), ("parts.parquet", 4)):
        with prediction_writer(
            tmp_path / path, predictions.labels, {}, predictions.video_ids, part_videos=part
        ) as writer:
            writer.write(predictions)
        events = read_predictions(tmp_path / path).events
        assert _columns(events) == _columns(predictions.events)


def _hand_made(tmp_path, *events, segments=4, length=0.5):
    track = ", ".join("{" + f'"label": "a", "onset": {i}, "offset": {i + 1}' + e + "}" for i, e in enumerate(events))
    path = tmp_path / "p.json"
    path.write_text(
        '{"schema": "avreplay.predictions/1", "labels": ["a"],\n"videos": {\n'
        f'"v": {{"segments": {segments}, "segment_seconds": {length}, "audio": [{track}], "visual": [], '
        '"audio_visual": []}\n}}\n'
    )
    return path


@pytest.mark.parametrize("scan", [True, False])
def test_files_without_them_are_read_as_before(tmp_path, monkeypatch, scan):
    if scan:
        monkeypatch.setattr(scanned_json, "LEAST", 0)
    events = read_predictions(_hand_made(tmp_path, "", ', "score": 0.5')).events
    assert events.confidence is None
    assert events.seconds is None
    events = read_predictions(_hand_made(tmp_path, "", ', "onset_seconds": 0.6, "offset_seconds": 0.9')).events
    assert events.seconds.tolist() == [[0.0, 0.5], [0.6, 0.9]]


REFUSED = [
    ([', "confidence": null'], "confidence"),
    ([', "confidence": "high"'], "confidence"),
    ([', "confidence": true'], "confidence"),
    ([', "confidence": 1e999'], "."),
    ([', "confidence": 0.5', ""], r"\[1, 2\) of 'a' has no confidence and others have one"),
    ([', "onset_seconds": 0.1'], "needs both onset_seconds and offset_seconds"),
    ([', "onset_seconds": -0.1, "offset_seconds": 0.4'], "within the 2 s of the video"),
    ([', "onset_seconds": 0.3, "offset_seconds": 0.3'], "in order and within"),
    ([', "onset_seconds": 0.1, "offset_seconds": 2.1'], "within the 2 s of the video"),
    ([', "onset_seconds": null, "offset_seconds": 0.3'], "onset_seconds"),
]


@pytest.mark.parametrize("scan", [True, False])
@pytest.mark.parametrize(("events", "words"), REFUSED)
def test_bad_values_are_refused_in_a_sentence(tmp_path, monkeypatch, events, words, scan):
    if scan:
        monkeypatch.setattr(scanned_json, "LEAST", 0)
    with pytest.raises(DataError, match=words) as refusal:
        read_predictions(_hand_made(tmp_path, *events))
    assert "\n" not in str(refusal.value)
    assert "p.json" in str(refusal.value)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("confidence", None, "row 3 has none"), ("confidence", np.nan, "row 3 is no number"),
     ("confidence", np.inf, "row 3 is infinite"), ("confidence", "x", "must hold numbers"),
     ("onset_seconds", -1.0, "row 3: the event from -1 s"), ("offset_seconds", 99.0, "does not lie within the 10 s"),
     ("offset_seconds", None, "row 3 has none")],
)  # fmt: skip
def test_bad_values_of_parquet_are_refused(tmp_path, column, value, words):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    predictions = _predictions()
    with prediction_writer(tmp_path / "p.parquet", predictions.labels, {}, predictions.video_ids) as writer:
        writer.write(predictions)
    table = parquet.read_table(tmp_path / "p.parquet")
    values = table.column(column).to_pylist()
    values[3] = value
    values = list(map(str, values)) if value == "x" else values
    at = table.schema.names.index(column)
    parquet.write_table(table.set_column(at, column, pyarrow.array(values)), tmp_path / "q.parquet")
    with pytest.raises(DataError, match=words) as refusal:
        read_predictions(tmp_path / "q.parquet")
    assert "\n" not in str(refusal.value)


def test_exports_use_both():
    predictions = _predictions()
    events = event_list(predictions, ["audio"], None, {}, {})
    first, told = events.videos[0].events[0], predictions.events
    assert (first.confidence, [first.onset, first.offset]) == (told.confidence[0], told.seconds[0].tolist())
    row = json.loads(activitynet_bytes(events))["results"]["v0"][0]
    assert (row["score"], row["segment"]) == (first.confidence, [first.onset, first.offset])
    row = json.loads(fiftyone_files(events)["labels.json"])["labels"]["v0"][0]
    assert (row["confidence"], row["timestamps"]) == (first.confidence, [first.onset, first.offset])
    assert COLUMNS == ("video_id", "track", "label", "onset", "offset", "score")
    table = predictions.columns()
    assert table["confidence"] == told.confidence.tolist()
    assert table["onset"] == told.seconds[:, 0].tolist()


def test_what_cannot_be_written_is_refused(tmp_path):
    e = Events.from_tracks([[[(0, 0, 1, 0.5, np.nan)], [], []]])
    with pytest.raises(DataError, match="the confidence of an event are no finite numbers"):
        write_predictions(tmp_path / "p.json", Predictions(("a",), {}, ("v",), np.array([2]), e))
