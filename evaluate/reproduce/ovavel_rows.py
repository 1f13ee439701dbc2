"""The rows of OV-AVEL's tables: what is printed, and what a store must hold to measure it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.metrics.ovavel import OVAVEL_METRIC_NAMES
from ..paper import paper_tables, rival_tables

Figures = Mapping[str, Mapping[str, float]]
"""Group (total, seen, unseen), then acc, seg, event, avg, in percent."""

IMAGEBIND, CLIP_CLAP, TEXT = "imagebind", "clip_clap", ""
FINETUNED = "finetuned"
AV2A = "AV²A on the same cache, 67 classes"
CUERATOR = "CueRator's paper (OpenReview KsY99GYUcq), beside its rule on the same cache"
_TRAINING_FREE = {"strategy": "first_agreement"}
_FINE_TUNED = {"strategy": "fused_argmax"}


@dataclass(frozen=True)
class Row:
    """One row of a table.

    backbone : whose store it needs; empty for a system that only comes as predictions
    scores : name of the score set that it needs in the store; empty for the store's own cosines
    values : options of the decoder
    av2a : preset or parameter file of AV²A, whose row this is; empty for OV-AVEL's decoders
    decoder : name of the rival's decoder whose row this is, with ``preset``, a preset or a parameter file of it
    unpublished : why what is printed cannot be measured; empty where it can
    """

    table: str
    name: str
    printed: Figures
    backbone: str = IMAGEBIND
    scores: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = "ovavebench"
    av2a: str = ""
    decoder: str = ""
    preset: str = ""
    unpublished: str = ""


def ovavel_rows() -> list[Row]:
    """Every row, in the paper's order."""
    t = paper_tables()
    main = t["ovavel_table2"]["rows"]

    def by_group(table: str, name: str) -> Figures:
        return {group: _named(row) for group, row in t[f"ovavel_{table}"][name].items()}

    def total(table: str, name: str) -> Figures:
        return {"total": _named(t[f"ovavel_{table}"][name])}

    def ratio(share: str) -> Figures:
        return {**total("train_ratio_total", share), **by_group("train_ratio_by_group", share)}

    tuned = {name: _main(main[name]) for name in ("fine-tuning (imagebind)", "training-free (imagebind)")}
    ft, tf = tuned["fine-tuning (imagebind)"], tuned["training-free (imagebind)"]
    rows = [
        Row("Table 2", "Video-LLaMA2", _main(main["video-llama2"]), TEXT),
        Row("Table 2", "CLIP & CLAP", _main(main["clip&clap"]), CLIP_CLAP, "", _TRAINING_FREE),
        Row("Table 2", "training-free", tf, IMAGEBIND, "", _TRAINING_FREE),
        *(Row("Table 2", name, _main(main[name.lower()]), TEXT) for name in ("CMRA", "AVE", "PSP", "MM-Pyramid")),
        Row("Table 2", "fine-tuning", ft, IMAGEBIND, FINETUNED, _FINE_TUNED),
        Row("Table 3: the text other, fine-tuned", "with other", by_group("other_ablation_finetuned", "with other"),
            IMAGEBIND, FINETUNED, _FINE_TUNED),
        Row("Table 3: the text other, fine-tuned", "without other",
            by_group("other_ablation_finetuned", "without other"), IMAGEBIND, FINETUNED,
            {**_TRAINING_FREE, "background": "none"}),
    ]  # fmt: skip
    for fusion, name, scores in (("prob_avg", "prob-avg", "_prob_avg"), ("fea_avg", "fea-avg", "_fea_avg"),
                                 ("sqrt", "sqrt", "")):  # fmt: skip
        printed = total("fusion_ablation_total", name)
        rows.append(Row("Table 4: fusion, fine-tuned", name, printed, IMAGEBIND, FINETUNED + scores,
                        {**_FINE_TUNED, "fusion": fusion}))  # fmt: skip

    def tuned_rows(table: str, entries: Sequence[tuple[str, str, Figures]]) -> None:
        rows.extend(Row(table, name, printed, IMAGEBIND, FINETUNED + s, _FINE_TUNED) for name, s, printed in entries)

    tuned_rows(
        "Table 5: layers, fine-tuned",
        [
            (name, scores, by_group("temporal_vs_linear_finetuned", name))
            for name, scores in (("temporal", ""), ("linear", "_linear"))
        ],
    )
    tuned_rows(
        "Table 6: share of the training data",
        [("100 %", "", ft), *((f"{round(100 * float(s))} %", f"_{round(100 * float(s))}", ratio(s))
                              for s in ("0.75", "0.5", "0.25"))],
    )  # fmt: skip
    tuned_rows(
        "Table A7: temporal layers",
        [(n, "" if n == "1" else f"_layers{n}", total("temporal_layers", n)) for n in ("1", "2", "3")],
    )
    for text in ("other", "background"):
        printed = by_group("training_free_other_vs_background", text)
        rows.append(Row("Table A8: text for background", f"training-free, {text}", printed, IMAGEBIND, "",
                        {**_TRAINING_FREE, "background": text}))  # fmt: skip
    for text, name, scores in (("other", "with other", ""), ("background", "background instead", "_background")):
        printed = by_group("other_ablation_finetuned", name)
        rows.append(Row("Table A8: text for background", f"fine-tuned, {text}", printed, IMAGEBIND, FINETUNED + scores,
                        {**_FINE_TUNED, "background": text}))  # fmt: skip
    tuned_rows(
        "Table A9: within and across modalities",
        [
            (name, scores, total("intra_vs_cross", name))
            for name, scores in (("intra only", ""), ("cross only", "_cross"), ("intra + cross", "_intra_cross"))
        ],
    )
    a11 = "Table A11: AVE, zero-shot"
    tuned_on_ave = {"total": {"acc": float(t["ovavel_finetune_on_ave_accuracy"])}}
    rows += [
        Row(a11, "training-free", {}, IMAGEBIND, "", _TRAINING_FREE, "ave"),
        Row(a11, "fine-tuning", {}, IMAGEBIND, FINETUNED, _FINE_TUNED, "ave"),
        Row(a11, "fine-tuning, further on AVE", tuned_on_ave, IMAGEBIND, "finetuned_ave", _FINE_TUNED, "ave"),
    ]
    return rows


def rows_of_av2a(files: Sequence[str]) -> list[Row]:
    """AV²A on ImageBind's cache, which the paper does not have: LanguageBind's parameters, naive, and of files."""
    settings = {"AV²A, LanguageBind's parameters": "languagebind", "naive thresholds": "naive_languagebind"}
    settings |= {f"AV²A, {file}": file for file in files}
    return [Row(AV2A, name, {}, IMAGEBIND, av2a=setting) for name, setting in settings.items()]


def rows_of_cuerator(files: Sequence[str]) -> list[Row]:
    """What CueRator's paper prints of OV-AVEBench, and its rule with the weights that are at hand: the middle of the
    published box, and those of files."""
    printed = rival_tables()["cuerator_ovavebench"]
    policy = "a policy network gives each video its weights, and neither it nor any weights are published as numbers"
    search = (
        "the mean of three searches, each of a formula of its own with weights; neither is published; `tune --decoder "
        "cuerator` finds weights for this rule, `--cuerator-params` measures them"
    )
    rules = {"the middle of the published box": "box_middle", **{file: file for file in files}}
    return [
        Row(CUERATOR, "CueRator, weights by video", _main(printed["rows"]["cuerator"]), unpublished=policy),
        Row(CUERATOR, "CueRator, one vector", {"total": dict(printed["one vector total"])}, unpublished=search),
        *(Row(CUERATOR, f"CueRator's rule, {name}", {}, decoder="cuerator", preset=of) for name, of in rules.items()),
        Row(CUERATOR, "AV²A, as CueRator's authors tuned it", _main(printed["rows"]["av2a"]), av2a="languagebind",
            values=printed["av2a parameters"]),
    ]  # fmt: skip


def _named(row: Sequence[float]) -> dict[str, float]:
    # Table 6 has a column more, the best epoch
    return dict(zip(OVAVEL_METRIC_NAMES, row[:4], strict=True))


def _main(row: Sequence[float]) -> Figures:
    """A row of Table 2 by group; its columns are seen, unseen, total."""
    groups = {group: _named(row[4 * i : 4 * i + 4]) for i, group in enumerate(("seen", "unseen", "total"))}
    return {group: groups[group] for group in ("total", "seen", "unseen")}
