"""The papers' printed figures: the rows that stand beside measured ones, and that they were copied right."""

from __future__ import annotations

import json

import pytest
from avreplay.core.metrics import METRIC_NAMES
from avreplay.core.params import PRESETS
from avreplay.evaluate.paper import paper_row, paper_tables


@pytest.mark.parametrize(
    ("preset", "name", "type_av_seg", "event_av_event", "accuracy"),
    [
        ("clip_clap", "clip+clap with AV2A", 43.8, 31.2, 68.5),
        ("languagebind", "languagebind with AV2A", 52.4, 38.9, 72.8),
        ("naive_clip_clap", "clip+clap", 22.1, 16.2, 38.2),
        ("naive_languagebind", "languagebind", 22.0, 18.4, 32.9),
    ],
)
def test_rows(preset, name, type_av_seg, event_av_event, accuracy):
    assert preset in PRESETS
    row = paper_row("llp", preset)
    assert row is not None
    assert row[0].endswith(name)
    assert set(row[1]) == set(METRIC_NAMES)
    assert (row[1]["type_av_seg"], row[1]["event_av_event"]) == (type_av_seg, event_av_event)
    assert paper_row("ave", preset) == (row[0], {"accuracy": accuracy})


@pytest.mark.parametrize(
    ("preset", "name", "type_av_seg", "event_av_event"),
    [
        ("static_mgn_ma", "paper: mgn-ma", 55.6, 49.2),
        ("mgn_ma", "paper: mgn-ma with dynamic thresholds", 56.1, 49.3),
        ("static_cmpae", "paper: cmpae", 63.3, 56.3),
        ("jomold", "paper: jomold with dynamic thresholds", 61.1, 52.7),
    ],
)
def test_rows_of_weakly_supervised_models(preset, name, type_av_seg, event_av_event):
    assert preset in PRESETS
    row = paper_row("llp", preset)
    assert row is not None
    assert (row[0], row[1]["type_av_seg"], row[1]["event_av_event"]) == (name, type_av_seg, event_av_event)
    assert paper_row("ave", preset) is None


def test_type_av_is_the_mean_of_the_three_tracks():
    """A slip in copying would show. One row of Table 5 does not add up, and is printed so in the paper."""
    tables = ("table2_llp_training_free", "table3_llp_weakly_supervised", "table5_llp_ablation_languagebind")
    odd = {}
    for table in tables:
        for name, row in paper_tables()[f"av2a_{table}"].items():
            for level in ("seg", "event"):
                mean = sum(row[f"{track}_{level}"] for track in ("audio", "visual", "av")) / 3
                if abs(row[f"type_av_{level}"] - mean) > 0.11:
                    odd[name, level] = row[f"type_av_{level}"]
    assert odd == {("without dynamic thresholds", "seg"): 52.2, ("without dynamic thresholds", "event"): 47.2}


def test_no_row():
    for dataset, preset in (("json", "languagebind"), ("llp", "demo"), ("llp", None), ("ovavebench", "clip_clap")):
        assert paper_row(dataset, preset) is None


def test_rows_are_copies():
    row = paper_row("llp", "languagebind")
    assert row is not None
    row[1].clear()
    assert paper_row("llp", "languagebind")[1]


def test_tables_equal_the_printed_ones(shared_data):
    printed = json.loads((shared_data / "spec/paper-tables.json").read_text(encoding="utf-8"))
    kept = paper_tables()
    assert printed.keys() == kept.keys()
    assert {k: v for k, v in printed.items() if k != "_about"} == {k: v for k, v in kept.items() if k != "_about"}
