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
    found: dict[str, Any] = json.loads(files(__package__).joinpath("paper_tables.json").read_text(encoding="utf-8"))
    return found


@cache
def rival_tables() -> dict[str, Any]:
    """What papers of rival rules print of the same benchmarks, in percent (``rival_tables.json``)."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("rival_tables.json").read_text(encoding="utf-8"))
    return found


_OVAVEL_ROWS = {"training_free": "training-free (imagebind)", "finetuned": "fine-tuning (imagebind)"}


def av2a_name(preset: str) -> str | None:
    """Name of the row of AV²A's Tables 2 and 4 that a preset of a training-free system stands for."""
    return _ROWS.get(preset.removesuffix("_ave"))


def weakly_supervised_name(preset: str) -> str | None:
    """Name of the row of AV²A's Table 3 that a preset of a weakly supervised model stands for."""
    return _TRAINED_ROWS.get(preset)


def ovavel_name(preset: str) -> str | None:
    """Name of the row of OV-AVEL's Table 2 that a preset stands for."""
    return _OVAVEL_ROWS.get(preset)
