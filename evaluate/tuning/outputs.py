"""The files that a search leaves: the best setting, the table of each video, the page, the summary."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import __version__
from ...cache.atomic_write import atomic_text, atomic_write
from ...core.decoders.base import Decoder
from ...core.params.options import OptionSet
from ..replay import stored_params
from ..report.html_escape import plain
from ..tune_options import TuneSettings
from .former_names import present_columns
from .page import write_page
from .result import TuneResult
from .storages import without_password
from .text import page_sections, page_texts
from .trials_file import option_kinds, read_trials, to_parquet

_OF_A_RUN = ("seconds", "honest_seconds", "new_trials")
_OF_A_MACHINE = ("threads", "overwrite", "memory")


def file_names(out: Path, parquet: bool, of_videos: bool) -> dict[str, str]:
    files = {"params": "best.toml", "trials": "trials.csv"}
    if of_videos:
        files["videos"] = "per_video_best.csv"
    files |= {"summary": "summary.json", "timing": "timing.json", "page": "search.html"}
    if parquet:
        files["parquet"] = "trials.parquet"
    return {kind: str(out / name) for kind, name in files.items()}


def write_results(r: TuneResult, s: TuneSettings, out: Path) -> None:
    atomic_write(out / "best.toml", _toml(r, s).encode())
    if "videos" in r.files:
        _write_videos(r, Path(r.files["videos"]))
    kinds = option_kinds(type(r.start))
    trials = present_columns(type(r.start), read_trials(out / "trials.csv", r.found.done, kinds))
    best, start = r.found.best.as_dict(), r.start.as_dict()
    write_page(
        out / "search.html", trials, r.names, best, start, None if r.ceiling is None else r.found.video_best,
        r.found.best_value, r.start_value, page_texts(r), page_sections(r),
    )  # fmt: skip
    if s.parquet:
        to_parquet(out / "trials.csv", out / "trials.parquet", kinds)
    found = r.as_dict()
    timing = {key: found.pop(key) for key in _OF_A_RUN}
    write_json(out / "summary.json", {**found, "settings": shown_settings(s)})
    write_timing(out, timing, s)


def shown_settings(s: TuneSettings) -> dict[str, Any]:
    """What was asked for, without what changes nothing of the result; ``scores`` says the pooling."""
    shown = {key: value for key, value in asdict(s).items() if key not in (*_OF_A_MACHINE, "ray", "pool")}
    storage = None if s.storage is None else without_password(s.storage)
    return {**shown, "storage": storage, "search": list(s.search), "settings": list(s.settings)}


def write_timing(out: Path, timing: dict[str, Any], s: TuneSettings) -> None:
    """Write ``timing.json``, the one file that differs between two runs of the same search."""
    write_json(out / "timing.json", {**timing, **{key: getattr(s, key) for key in _OF_A_MACHINE}})


def write_json(path: Path, content: dict[str, Any]) -> None:
    atomic_write(path, json.dumps(content, indent=1).encode())


def _write_videos(r: TuneResult, file: Path) -> None:
    """The best setting of each video, of those tried."""
    with atomic_text(file) as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(["video", "objective", *r.names])
        for video, value, params in zip(
            r.problem.videos.video_ids, r.found.video_best.tolist(), r.found.video_params, strict=True
        ):
            rows.writerow([video, value, *(params[n] for n in r.names)])


def _toml(r: TuneResult, s: TuneSettings) -> str:
    what, value = ("sharp", r.found.best_value) if s.sharp else ("recommended", r.recommended_value)
    lines = [
        f"found by avreplay {__version__} tune: {s.sampler}, {r.found.done} trials, seed {s.seed}",
        f"the {what} setting: objective {r.objective.text} = {value:.4f} on {r.problem.videos.num_videos} videos of "
        f"{s.dataset} {plain(s.split)}, ids {r.problem.annotations.ids_sha256[:16]}",
    ]
    return params_toml(lines, r.problem.decoder, r.kept, r.tuned_on)


def params_toml(comments: list[str], decoder: Decoder[Any], params: OptionSet, tuned_on: str | None) -> str:
    """A setting as ``replay --params`` takes it: every option, so that it means the same without a preset, and the
    encoder it was tuned on."""
    lines = [*(f"# {line}" for line in comments), "[params]"]
    of = {} if tuned_on is None else {"tuned_on": tuned_on}
    for name, value in {**of, **stored_params(decoder, params), **params.as_dict()}.items():
        text = (
            str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
        )
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"
