"""The reprs of the objects that users hold: one short line that names what is in them, and reads nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest
from avreplay import compare, evaluate_predictions, make_params, replay, report_data, tune
from avreplay.cache import StoreWriter, VideoRecord, import_bundle, open_store
from avreplay.cache.layout.location import Location
from avreplay.core.bundle import ScoreBundle
from avreplay.core.events import Events
from made_store import CONFIG, names, video, vocabulary, write_store
from tuning_data import made, settings_for, write_made


@pytest.fixture
def url(tmp_path) -> str:
    write_store(str(tmp_path / "s"), 12)
    return str(tmp_path / "s")


def test_a_store_names_its_kind_videos_and_shards(url, tmp_path, monkeypatch):
    store = open_store(url)
    import_bundle(store.bundle(), tmp_path / "i")
    scores = open_store(tmp_path / "i")
    monkeypatch.setattr(Location, "read", None)
    monkeypatch.setattr(Location, "attributes", None)
    assert repr(store).endswith("/s: embeddings by made, 12 videos in 2 shards>")
    assert repr(scores).endswith("/i: scores, 11 videos>")
    assert repr(store).startswith("<Store ")


def test_a_writer_names_its_part(url):
    with StoreWriter.open(url, CONFIG, names(12), part=(1, 2)) as writer:
        assert repr(writer).startswith("<StoreWriter ")
        assert repr(writer).endswith("/s: 2 shards, part 1 of 2>")


def test_embeddings_and_vocabularies_name_their_sizes():
    silent, record = video("v4")[1], video("v5")[0]
    assert repr(video("v2")[1]) == "<VideoEmbeddings: audio 3 × 6, visual 3 × 8, 6 windows>"
    assert repr(silent) == "<VideoEmbeddings: visual 5 × 8, 15 windows>"
    assert repr(vocabulary()) == "<Vocabulary: 3 labels, text embeddings of width audio 6, visual 8>"
    assert repr(record) == "<VideoRecord v5: truncated (the file ends before its content does), 0 segments>"
    assert repr(video("v2")[0]) == "<VideoRecord v2: ok, 3 segments>"


def test_bundles_and_events_name_their_counts(url):
    assert repr(open_store(url).bundle()) == "<ScoreBundle: 11 videos × 3 labels, 37 segments, similarity>"
    one = Events.from_tracks([[[(0, 0, 2)], [], [(1, 1, 3), (0, 0, 1)]], [[], [], []]])
    assert repr(one) == "<Events: 3 events in 2 videos>"
    many = Events(4, 0, np.zeros(1, np.int64), *(np.zeros(0, t) for t in (np.int32, np.int32, np.int32, float)))
    assert repr(many) == "<Events: 0 events in 0 videos, 4 settings>"


def test_long_names_are_cut(tmp_path):
    folder = tmp_path / ("x" * 200)
    write_store(str(folder), 4)
    count = 10**6
    bundle = ScoreBundle(("a",) * count, ("b",) * count, np.full(count, 10), "probability")
    for item in (open_store(folder), VideoRecord("i" * 300, "no_audio", "r" * 300, count), bundle):
        assert len(repr(item)) <= 120
        assert "\n" not in repr(item)


def test_predictions_annotations_and_what_is_made_of_them_name_counts_and_figures(tmp_path):
    bundle, truth = made(0, 12)
    found = replay(bundle, make_params("languagebind").override({"audio_scores": "segment"}))
    p = found.predictions()
    assert repr(found) == f"<ReplayResult of av2a: 12 videos, {len(p.events.label)} events>"
    assert repr(p) == f"<Predictions: 12 videos, {len(p.labels)} labels, {len(p.events.label)} events>"
    count = len(truth.events.label)
    assert repr(truth) == f"<Annotations: {truth.dataset} val, 14 videos, {len(truth.labels)} labels, {count} events>"
    e = evaluate_predictions(p, truth)
    first, second = (e.metrics[name] for name in ("type_av_seg", "event_av_seg"))
    assert repr(e).startswith(
        f"<Evaluation of {truth.dataset} val, 12 of 14 videos: type_av_seg {first:.1f}, event_av_seg {second:.1f}, "
    )
    c = compare(p, p, truth, resamples=2)
    assert repr(c).startswith("<Comparison on 12 videos: type_av_seg +0.0, event_av_seg +0.0, ")
    data = report_data([("a", p)], truth)
    assert repr(data) == f"<ReportData of {truth.dataset} val: 1 runs, 12 videos>"
    assert max(len(repr(x)) for x in (found, p, truth, e, c, data)) <= 120
    write_made(tmp_path)
    best = tune(tmp_path / "val.store", settings_for(tmp_path, tmp_path / "t"))
    assert re.fullmatch(r"<TuneResult: .* is [0-9.]+ at the start, [0-9.]+ at best of 12 trials>", repr(best))
