"""``avreplay tune``: search on one split, report on another, and leave a table, a picture and a parameter file."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...cache.atomic_write import atomic_text, atomic_write
from ...cache.places import output_folder
from ...core.arguments import typed_arguments
from ...core.decoders.base import Decoder, Inputs, Reads, replayed
from ...core.errors import AvreplayError
from ...core.events import Events
from ...core.params.options import OptionSet
from ..command_options import TABLES, TuneSettings
from ..datasets.annotations import Annotations
from ..datasets.registry import load_annotations
from ..files.params_file import decoder_params
from ..inputs import decoder_inputs
from ..intervals import Comparison, compare
from ..replay import ReplayResult, stored_params
from ..report.html_escape import plain
from .display import search_progress
from .folder import search_folder
from .former_names import present_columns
from .journal import (
    Journal,
    check_folder,
    content_digest,
    option_kinds,
    parquet_module,
    read_trials,
    target_digest,
    to_parquet,
)
from .objective import parse_objective
from .page import write_page
from .problem import Problem, make_problem
from .result import TuneResult
from .sampling import grid_table, sobol_table
from .search import SearchResult, search_table
from .space import Dimension, parse_space
from .study import search_study, without_password
from .text import page_texts

SHARED_SECONDS = 60.0
"""How long to wait, at most, while another search with the same storage writes its results into the same folder."""


@typed_arguments
def tune(store: str | os.PathLike[str], settings: TuneSettings) -> TuneResult:
    """Search, report and write everything to ``settings.out``; a second run with the same settings goes on.

    Raises
    ------
    UsageError
        an unknown option, figure or sampler, a folder with another search
    DataError
        a store or annotations that cannot be read or have no video in common
    KeyboardInterrupt
        before anything was found
    """
    s = settings
    if s.parquet:
        parquet_module()
    output_folder(s.out, "the folder of a search")
    if not s.overwrite and s.storage is None:
        check_folder(Path(s.out))
    decoder, start = decoder_params(s.decoder, s.preset, s.profile, s.params_file, s.settings)
    space = parse_space(s.search, start, decoder.search_space())
    names = tuple(d.name for d in space)
    truth = load_annotations(s.dataset, s.annotations, s.split)
    reads = _reads(decoder, start, space)
    inputs = decoder_inputs(store, reads, s.scores)
    # before the search: what cannot be reported is better known now
    held_out = None if s.report_split is None else _held_out(store, s, s.report_split, reads)
    problem = make_problem(
        inputs, truth, s.videos, s.seed, decoder=decoder, profile=s.profile or "release", metrics=s.metrics
    )
    objective = parse_objective(s.objective, problem.target.names, problem.target.metric)
    begun = problem.target.score(replayed(decoder, problem.inputs, [start], threads=s.threads).events)
    start_value = float(sum(w * x for w, x in zip(objective.weights, begun.values[0].tolist(), strict=False)))
    out = Path(s.out)
    identity = {
        "sampler": s.sampler,
        "space": [d.as_text() for d in space],
        "base": stored_params(decoder, start),
        "objective": objective.text,
        "videos": problem.annotations.ids_sha256,
        "annotations": target_digest(problem.target),
        "scores": content_digest(problem.bundle),
        **({"seed": s.seed} if s.sampler != "grid" else {"points": s.points}),
    }
    with ExitStack() as held:
        # made first, so that a table that cannot be made leaves no folder
        table = None if s.sampler not in TABLES else (
            grid_table(start, space, s.points) if s.sampler == "grid" else sobol_table(start, space, s.trials, s.seed)
        )  # fmt: skip
        if s.storage is None:
            held.enter_context(search_folder(out))
        with search_progress(names) as progress:
            if table is not None:
                journal = Journal(out, identity, problem, list(names), s.overwrite)
                if journal.done > len(table):
                    table = sobol_table(start, space, journal.done, s.seed)
                found = search_table(problem, table, objective, journal, threads=s.threads, progress=progress)
            else:
                found = search_study(
                    problem, start, space, objective, out, identity, sampler=s.sampler, trials=s.trials, batch=s.batch,
                    seed=s.seed, storage=s.storage, name=s.study, fresh=s.overwrite, threads=s.threads,
                    progress=progress,
                )  # fmt: skip
        report, note = _report(s, held_out, problem, start, found.best, decoder)
        result = TuneResult(
            found, start, objective, problem, start_value, ceiling(problem, found), report, note, names,
            _file_names(out, s.parquet, bool(found.video_params)),
        )  # fmt: skip
        if s.storage is not None:
            # machines that share a study may share the folder of their results
            held.enter_context(search_folder(out, wait=SHARED_SECONDS))
        _write(result, s, out)
    return result


def ceiling(problem: Problem, found: SearchResult) -> float | None:
    """The objective if every video had its own best setting of those tried; None for a metric that is no mean."""
    if not found.video_params:
        return None
    empty = Events.from_tracks([[[], [], []]] * len(found.video_best))
    weights = problem.target.metric.score(empty, problem.target.truth).weights
    return float(np.average(found.video_best, weights=weights))


def _reads(decoder: Decoder[Any], start: OptionSet, space: Sequence[Dimension]) -> Reads:
    """What the settings of the search read: one of each combination of the choices that are searched."""
    settings = [start]
    for d in space:
        if d.choices and isinstance(d.choices[0], (str, bool)):
            settings = [p.override({d.name: choice}) for p in settings for choice in d.choices]
    return decoder.reads(settings)


def _held_out(store: str | os.PathLike[str], s: TuneSettings, split: str, reads: Reads) -> tuple[Annotations, Inputs]:
    """The annotations and scores of the report split. Raises as their readers do, saying how to do without."""
    try:
        truth = load_annotations(s.dataset, s.report_annotations or s.annotations, split)
        return truth, decoder_inputs(s.report_store or store, reads, s.scores)
    except AvreplayError as error:
        raise type(error)(
            f"nothing to report on ({error}); name other videos by --report-split, --report-annotations and "
            '--report-store, or none by --report-split ""'
        ) from error


def _report(
    s: TuneSettings,
    held_out: tuple[Annotations, Inputs] | None,
    problem: Problem,
    start: OptionSet,
    best: OptionSet,
    decoder: Decoder[Any],
) -> tuple[Comparison | None, str]:
    """Both settings on the report split, and what a reader must know about it."""
    if held_out is None:
        return None, "no report split was asked for: the figures are those of the search, which are optimistic"
    truth, inputs = held_out
    bundle = inputs.scores
    if not any(i >= 0 for i in truth.match(bundle.video_ids)):
        return None, f"the store has no video of the split {truth.split}: nothing to report on (--report-store)"
    settings = (start, best)
    runs = ReplayResult(bundle, settings, replayed(decoder, inputs, settings, threads=s.threads), decoder)
    compared = compare(
        runs.predictions(0), runs.predictions(1), truth, resamples=s.resamples, profile=s.profile or "release",
        metrics=s.metrics,
    )  # fmt: skip
    searched = set(problem.annotations.video_ids) & set(compared.first.aligned.truth.video_ids)
    return compared, f"{len(searched)} of these videos were searched on: the figures are optimistic" if searched else ""


def _file_names(out: Path, parquet: bool, of_videos: bool) -> dict[str, str]:
    files = {"params": "best.toml", "trials": "trials.csv"}
    if of_videos:
        files["videos"] = "per_video_best.csv"
    files |= {"summary": "summary.json", "page": "search.html"}
    if parquet:
        files["parquet"] = "trials.parquet"
    return {kind: str(out / name) for kind, name in files.items()}


def _write(r: TuneResult, s: TuneSettings, out: Path) -> None:
    atomic_write(out / "best.toml", _toml(r, s).encode())
    if "videos" in r.files:
        _write_videos(r, Path(r.files["videos"]))
    kinds = option_kinds(type(r.start))
    trials = present_columns(type(r.start), read_trials(out / "trials.csv", r.found.done, kinds))
    best, start = r.found.best.as_dict(), r.start.as_dict()
    write_page(
        out / "search.html", trials, r.names, best, start, None if r.ceiling is None else r.found.video_best,
        r.found.best_value, r.start_value, page_texts(r),
    )  # fmt: skip
    if s.parquet:
        to_parquet(out / "trials.csv", out / "trials.parquet", kinds)
    shown = {**asdict(s), "storage": None if s.storage is None else without_password(s.storage)}
    written = {"settings": {**shown, "search": list(s.search), "settings": list(s.settings)}}
    atomic_write(out / "summary.json", json.dumps({**r.as_dict(), **written}, indent=1).encode())


def _write_videos(r: TuneResult, file: Path) -> None:
    """The best setting of each video, of those tried."""
    with atomic_text(file) as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(["video", "objective", *r.names])
        for video, value, params in zip(
            r.problem.bundle.video_ids, r.found.video_best.tolist(), r.found.video_params, strict=True
        ):
            rows.writerow([video, value, *(params[n] for n in r.names)])


def _toml(r: TuneResult, s: TuneSettings) -> str:
    """The best setting as ``replay --params`` takes it: every option, so that it means the same without a preset."""
    lines = [
        f"# found by avreplay {__version__} tune: {s.sampler}, {r.found.done} trials, seed {s.seed}",
        f"# objective {r.objective.text} = {r.found.best_value:.4f} on {r.problem.bundle.num_videos} videos of "
        f"{s.dataset} {plain(s.split)}, ids {r.problem.annotations.ids_sha256[:16]}",
        "[params]",
    ]
    for name, value in stored_params(r.problem.decoder, r.found.best).items():
        text = (
            str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
        )
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"
