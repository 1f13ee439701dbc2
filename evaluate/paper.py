"""What the papers print, to stand beside what is measured (``paper_tables.json``)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

_ROWS = {
    "clip_clap": "clip+clap with AV2A",
    "languagebind": "languagebind with AV2A",
    "naive_clip_clap": "clip+clap",
    "naive_languagebind": "languagebind",
}

_TRAINED_ROWS = {
    **{f"static_{name}": name.replace("_", "-") for name in ("mgn_ma", "jomold", "cmpae")},
    **{name: f"{name.replace('_', '-')} with dynamic thresholds" for name in ("mgn_ma", "jomold", "cmpae")},
}


@cache
def paper_tables() -> dict[str, Any]:
    """Every figure printed in the two papers' tables, in percent unless said otherwise."""
    return json.loads(files(__package__).joinpath("paper_tables.json").read_text(encoding="utf-8"))


_OVAVEL_ROWS = {"training_free": "training-free (imagebind)", "finetuned": "fine-tuning (imagebind)"}


def paper_row(dataset: str, preset: str | None) -> tuple[str, dict[str, float]] | None:
    """Name and figures of the paper's row for a preset, None where there is none.

    AV²A: Tables 2 and 3 for LLP, Table 4 for AVE; OV-AVEL: Table 2, figures by group.
    """
    if dataset == "ovavebench":
        name = _OVAVEL_ROWS.get(preset or "")
        table = paper_tables()["ovavel_table2"]
        if name is None:
            return None
        return f"paper: {name}", dict(zip(table["columns"], table["rows"][name], strict=True))
    trained = _TRAINED_ROWS.get(preset or "")
    if trained is not None and dataset == "llp":
        return f"paper: {trained}", dict(paper_tables()["av2a_table3_llp_weakly_supervised"][trained])
    row = _ROWS.get((preset or "").removesuffix("_ave"))
    if row is None or dataset not in ("llp", "ave"):
        return None
    if dataset == "ave":
        return f"paper: {row}", {"accuracy": paper_tables()["av2a_table4_ave_accuracy"][row]}
    return f"paper: {row}", dict(paper_tables()["av2a_table2_llp_training_free"][row])
