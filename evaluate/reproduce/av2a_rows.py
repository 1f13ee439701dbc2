"""The rows of AV²A's tables: which preset and options each is, and what the paper prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..paper import paper_tables, rival_tables

SYSTEMS = {"clip_clap": "clip+clap", "languagebind": "languagebind"}
WEAKLY_SUPERVISED = {"mgn_ma": "mgn-ma", "jomold": "jomold", "cmpae": "cmpae"}

SCOPE = "SCoPE's paper, beside its rule on the same cache"

_ABLATIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "without cosine similarity": {"method": "label_shift"},
    "without dynamic thresholds": {"method": "naive"},
    "without refine segments": {"refine": False},
    "without relevant class selection": {"select_classes": False},
}


@dataclass(frozen=True)
class Row:
    """One configuration of one table.

    backbone : whose store it needs; values : options on top of the preset; printed : figures by name, percent
    decoder : name of the decoder whose preset it is, AV²A's or a rival's; an empty preset stands for its defaults
    unpublished : why what is printed cannot be measured; empty where it can
    condition : what the printed figures are of, where that is not what is measured
    """

    table: str
    name: str
    dataset: str
    backbone: str
    preset: str
    values: Mapping[str, Any] = field(default_factory=dict)
    printed: Mapping[str, float] = field(default_factory=dict)
    decoder: str = "av2a"
    unpublished: str = ""
    condition: str = ""


def av2a_rows() -> list[Row]:
    """Every row of Tables 2 to 6 that a replay can compute, in the order of the paper."""
    printed = paper_tables()
    two, three = printed["av2a_table2_llp_training_free"], printed["av2a_table3_llp_weakly_supervised"]
    four, five = printed["av2a_table4_ave_accuracy"], printed["av2a_table5_llp_ablation_languagebind"]
    six = printed["av2a_table6_score_level_fusion_av"]
    rows: list[Row] = []
    for system, name in SYSTEMS.items():
        rows.append(Row("Table 2", name, "llp", system, f"naive_{system}", {}, two[name]))
        rows.append(Row("Table 2", f"{name} with AV2A", "llp", system, system, {}, two[f"{name} with AV2A"]))
    for system, name in WEAKLY_SUPERVISED.items():
        rows.append(Row("Table 3", name, "llp", system, f"static_{system}", {}, three[name]))
        dynamic = f"{name} with dynamic thresholds"
        rows.append(Row("Table 3", dynamic, "llp", system, system, {}, three[dynamic]))
    for system, name in SYSTEMS.items():
        with_av2a = f"{name} with AV2A"
        rows.append(Row("Table 4", name, "ave", system, f"naive_{system}", {}, {"accuracy": four[name]}))
        rows.append(Row("Table 4", with_av2a, "ave", system, f"{system}_ave", {}, {"accuracy": four[with_av2a]}))
    for name, values in _ABLATIONS.items():
        rows.append(Row("Table 5", name, "llp", "languagebind", "languagebind", values, five[name]))

    def fusion(key: str, name: str, backbone: str, preset: str, kind: str, values: Mapping[str, Any]) -> Row:
        segment, event = six[key][kind]
        title = f"{name}, {'late' if kind == 'late' else 'score-level'} fusion"
        return Row("Table 6", title, "llp", backbone, preset, values, {"av_seg": segment, "av_event": event})

    for system, name in WEAKLY_SUPERVISED.items():
        rows.append(fusion(name, name, system, f"static_{system}", "late", {}))
        rows.append(fusion(name, name, system, f"fused_{system}", "fused", {}))
    for system in ("languagebind", "clip_clap"):
        name = f"{SYSTEMS[system]} with AV2A"
        rows.append(fusion(name, name, system, system, "late", {"fusion": "late"}))
        rows.append(fusion(name, name, system, system, "fused", {}))
    return rows


def scope_rows() -> list[Row]:
    """What SCoPE's paper prints of LLP with CLIP and CLAP, two of its rules that it prints nothing of, and its final
    read-out, which is not published."""
    table = rival_tables()["scope_llp"]
    claim = table["claimed over av2a"]
    final = (
        "another rule than v6, whose module is not in the authors' code; the paper prints no table of it and claims "
        f"+{claim['type_av_seg']} Type@AV and +{claim['event_av_seg']} Event@AV of segments over AV²A"
    )
    title = f"SCoPE v6, {table['videos']:,} videos"
    condition = (
        f"printed are figures of {table['videos']:,} videos, with {table['encoder']} and means of the modalities that "
        "were made of other data; measured with the means of the store"
    )
    return [
        Row(SCOPE, title, "llp", "clip_clap", "v6", {}, table["scope"], decoder="scope", condition=condition),
        Row(SCOPE, "SCoPE's rule, largest gap", "llp", "clip_clap", "largest_gap", decoder="scope"),
        Row(SCOPE, "SCoPE's rule, dense baseline", "llp", "clip_clap", "dense", decoder="scope"),
        Row(SCOPE, "SCoPE, final", "llp", "clip_clap", "", decoder="scope", unpublished=final),
    ]
