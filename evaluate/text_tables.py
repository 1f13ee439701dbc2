"""Results as text for a terminal (rich tables; plain lines where there is no terminal)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..cache.video_lines import failure_lines, note_lines
from ..core.decoders.base import Decoder
from ..core.text import printable
from .intervals import Comparison, Estimate
from .probe.run import ProbeResult
from .scoring import Evaluation
from .table_formats import formatted
from .titles import Title, level_pairs, own_title


def render(*parts: Any, form: str | None = None, pairs: Sequence[str] = ()) -> str:
    """Rich renderables as a string; with a form of :mod:`.table_formats`, tables and lines in that."""
    if form is not None:
        return formatted(parts, form, pairs)
    console = Console(file=StringIO(), force_terminal=False, width=_WIDTH)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


def metrics_table(rows: Mapping[str, Mapping[str, float]], title: Title = own_title) -> Table:
    """A table of runs: figures at two levels as pairs (LLP's segment / event), or one column each."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    names = list(next(iter(rows.values())))
    pairs = level_pairs(names, title)
    for column, first, second in pairs:
        levels = " / ".join(name.rpartition("_")[2] for name in (first, second))
        table.add_column(f"{column}\n{levels}", justify="right")
    for name in () if pairs else names:
        table.add_column(escape(name), justify="right", overflow="fold")
    for label, row in rows.items():
        cells = [f"{row[a]:.1f} / {row[b]:.1f}" for _, a, b in pairs] or [f"{v:.2f}" for v in row.values()]
        table.add_row(escape(label), *cells)
    return table


_MOST_COLUMNS = 8
"""Of figures that stand side by side."""

_WIDTH = 118
"""Of tables, in characters."""


def _tables(rows: Mapping[str, Mapping[str, float]], title: Title) -> list[Table]:
    """Figures at two levels as pairs, and the others in a table of their own; of one run, below each other where they
    are many or their names are long."""
    names = list(next(iter(rows.values())))
    paired = {name for _, first, second in level_pairs(names, title) for name in (first, second)}
    parts = [[name for name in names if name in paired], [name for name in names if name not in paired]]
    return [
        _table_of({label: {n: row[n] for n in part} for label, row in rows.items()}, title) for part in parts if part
    ]


def _table_of(rows: Mapping[str, Mapping[str, float]], title: Title) -> Table:
    (label, row), *others = rows.items()
    wide = len(row) > _MOST_COLUMNS or sum(len(name) + 3 for name in row) + len(label) + 4 > _WIDTH
    if others or not wide or level_pairs(row, title):
        return metrics_table(rows, title)
    table = _table("figure", label)
    for name, value in row.items():
        table.add_row(escape(name), f"{value:.2f}")
    return table


def evaluation_text(e: Evaluation, form: str | None = None) -> str:
    """The figures of an evaluation, and how many videos stand behind them."""
    notes = [f"{e.videos_scored} of {e.videos_expected} videos of {e.dataset} {e.split}, ids {e.ids_sha256[:16]}"]
    if e.aligned.extra:
        notes.append(f"{len(e.aligned.extra)} predicted videos are not annotated in this split")
    if e.aligned.length_mismatches:
        notes.append(f"{e.aligned.length_mismatches} videos have another length than annotated")
    if e.aligned.truth.revision:
        notes.append(f"labels: {e.aligned.truth.revision} revision")
    rows = {f"{group}, {e.groups[group]} videos": row for group, row in e.by_group().items()}
    tables = _tables(rows or {"percent": e.metrics}, _title(e))
    of_file = len(e.aligned.truth.notes)
    return render(*tables, *map(escape, (*notes, *_in_one(e.notes[:of_file]), *e.notes[of_file:])), form=form)


def _in_one(notes: Sequence[str]) -> Sequence[str]:
    """The notes on the annotations, the same at every evaluation, in one line: how many, and the first."""
    if len(notes) < 2:
        return notes
    return [f"{len(notes)} notes on the annotations (--json has all), the first: {notes[0]}"]


def _title(e: Evaluation) -> Title:
    """Titles of an evaluation's figures; those of its groups stand in the rows."""
    return own_title if e.groups else e.metric.title


def _spread(s: Estimate, sign: str = "") -> str:
    return f"{s.figure:{sign}.1f} [{s.low:{sign}.1f}, {s.high:{sign}.1f}]"


def interval_text(spread: Mapping[str, Estimate], form: str | None = None) -> str:
    """Figures with their bootstrap intervals, a line each."""
    if form is not None and spread:
        table = _table("figure", "percent", "low", "high")
        for name, s in spread.items():
            table.add_row(escape(name), *(f"{value:.1f}" for value in (s.figure, s.low, s.high)))
        return "\n\n" + render(table, form=form)
    width = max([16, *map(len, spread)])
    return "".join(f"\n{name:{width}} {_spread(s)}" for name, s in spread.items())


def _table(*heads: str) -> Table:
    """A table whose first column is flush left."""
    table = Table(box=box.SIMPLE_HEAD)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left")
    return table


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Table:
    """A close table of texts, whose first columns are flush left."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, head in enumerate(heads):
        table.add_column(escape(head), justify="right" if i >= left else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def comparison_text(c: Comparison, form: str | None = None) -> str:
    """What ``avreplay compare`` prints."""
    table = _table("", "first", "second", "difference", "p")
    for name, s in c.differences.items():
        first, second = c.first.metrics[name], c.second.metrics[name]
        table.add_row(escape(name), f"{first:.1f}", f"{second:.1f}", escape(_spread(s, "+")), f"{s.p:.3f}")
    e = c.first
    line = (
        f"{e.videos_scored} of {e.videos_expected} videos of {e.dataset} {e.split} that both runs have, ids "
        f"{e.ids_sha256[:16]}; {100 * c.level:.0f} % intervals of {c.resamples} paired resamples of the videos"
    )
    undefined = dict.fromkeys((*c.first.undefined, *c.second.undefined))
    more = [f"undefined, since nothing in these videos counts in it: {', '.join(undefined)}"] if undefined else []
    return render(table, *map(escape, (line, *more)), form=form)


def probe_text(r: ProbeResult) -> str:
    """The figures of a linear probe, and what it was trained on."""
    e = r.evaluation
    kind = "labels of their video" if r.train_labels == "video" else "their own labels"
    notes = [
        f"{r.modality} probe, trained on {r.train_segments} segments of {r.train_videos} videos ({r.train_split} "
        f"split) with {kind}" + (", dealt to other segments" if r.shuffled else ""),
        f"{e.videos_scored} of {e.videos_expected} videos of {e.dataset} {e.split}, ids {e.ids_sha256[:16]}",
    ]
    if not r.converged:
        notes.append("the fit was stopped before it converged")
    return render(metrics_table({"percent": r.metrics}), *map(escape, notes))


def class_text(e: Evaluation, form: str | None = None) -> str:
    """The per-class table of an evaluation."""
    if not e.per_class:
        return ""
    several = "," in e.metric.name  # of one metric with figures in pairs the others are in --json
    tables = _tables(e.per_class, e.metric.title) if several else [metrics_table(e.per_class, e.metric.title)]
    return ("\n" if form is None else "\n\n") + render(*tables, form=form)


def info_text(found: Mapping[str, Any]) -> str:
    """What ``avreplay info`` prints."""
    status = ", ".join(f"{n} {k}" for k, n in found["status"].items()) or "none yet"
    labels = found["labels"]
    shown = ", ".join(labels[:8]) + (f", ... ({len(labels)})" if len(labels) > 8 else "")
    lines = [
        f"{found['url']}: {found['kind']}, schema {found['schema_version']}, {found['bytes'] / 1e6:.1f} MB, "
        + _state(found),
        f"videos       {found['videos']} of {found['videos_planned']} ({status}), {found['segments']} segments",
        *_made_text(found["config"]),
        *(
            []
            if found["kind"] == "scores"
            else [f"shards       {found['shards_committed']} of {found['shards_planned']}"]
        ),
        *_imported_text(found["config"]),
        f"labels       {shown or 'none'}",
        *_subset_text(found.get("subset")),
        *(f"store        {url}" for url in found.get("stores", ())),
        *([f"score sets   {', '.join(found['score_sets'])}"] if found["score_sets"] else []),
        *(f"backbone     {_inner_text(name, inner)}" for name, inner in found["backbones"].items()),
        *(f"warning      {path} {problem}" for path, problem in found["foreign"].items()),
        f"fingerprint  {found['fingerprint']} (how it was made)",
        *([f"content      {found['content_hash']} (what is in it)"] if found["content_hash"] else []),
        *failure_lines(((v["id"], v["status"], v["reason"]) for v in found["failures"]), found["url"], "--json"),
        *_notes_text(found["notes"], found["note_counts"]),
    ]
    return "\n".join(lines)


def _subset_text(subset: Mapping[str, Any] | None) -> list[str]:
    """What a store is a subset of."""
    if subset is None:
        return []
    how = "; ".join(f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in subset["criteria"].items())
    unfinished = "" if subset["finished"] else ", not finished: run `avreplay subset` again"
    ids = f"{subset['videos']} videos, ids {subset['ids_sha256'][:16]}"
    return [f"subset of    content {subset['of'][:16]}: {printable(how)} ({ids}){unfinished}"]


def _state(found: Mapping[str, Any]) -> str:
    """How much of what was asked for is there."""
    if not found["complete"]:
        return f"not finished: run the {'import' if 'imported' in found['config'] else 'extraction'} again"
    without = found["videos_planned"] - found["videos_with_data"]
    return f"complete, {without} of {found['videos_planned']} videos without data" if without else "complete"


def _made_text(config: Mapping[str, Any]) -> list[str]:
    """What made a store: the encoder with its weights, and how videos were cut; nothing of imported scores."""
    encoder = config.get("backbone")
    if not isinstance(encoder, Mapping):
        return []
    weights, digest = encoder.get("weights"), str(encoder.get("weights_sha256") or "")[:16]
    parts = [str(encoder.get("name")), *([str(encoder["model"])] if encoder.get("model") else [])]
    parts += [f"weights {printable(str(weights))}" + (f" (sha256 {digest})" if digest else "")] if weights else []
    how = {
        "segments of {} s": config.get("segment_seconds"),
        "frames: {}": config.get("frame_rule"),
        "windows: {}": config.get("windows"),
        "stored as {}": config.get("dtype"),
    }
    dims, each = config.get("dims", {}), config.get("segment_seconds")
    if isinstance(each, (int, float)) and dims.get("audio_frames", 1) > 1:
        how["{} rows of sound a second"] = dims["audio_frames"] / each
    if dims.get("audio_visual"):
        how["sound and pictures together, width {}"] = dims["audio_visual"]
    cut = ", ".join(text.format(f"{v:g}" if isinstance(v, float) else v) for text, v in how.items() if v is not None)
    return [f"encoder      {', '.join(parts)}", f"made of      {cut}"] if cut else [f"encoder      {', '.join(parts)}"]


def _imported_text(config: Mapping[str, Any]) -> list[str]:
    """The widths of imported embeddings, and what was made up beside them."""
    imported = config.get("imported")
    if not isinstance(imported, Mapping):
        return []
    widths = ", ".join(f"{name} {width}" for name, width in config["dims"].items() if imported.get(name))
    return [
        f"imported     widths: {widths}",
        *(f"made up      {printable(str(text))}" for text in imported.get("made_up", ())),
    ]


def _notes_text(notes: Mapping[str, Sequence[Mapping[str, str]]], counts: Mapping[str, int]) -> list[str]:
    """How many videos have notes, by kind, and the notes of the first ones."""
    if not notes:
        return []
    videos = "1 video" if len(notes) == 1 else f"{len(notes)} videos"
    return [
        f"notes        on {videos} ({', '.join(f'{n} {kind}' for kind, n in counts.items())})",
        *note_lines({id: [note["text"] for note in some] for id, some in notes.items()}, "--json"),
    ]


def _inner_text(name: str, inner: Mapping[str, Any]) -> str:
    state = "" if inner["complete"] else ", not finished"
    videos = f"{inner['videos']} of {inner['videos_planned']} videos"
    return f"{name}: {inner['url']}, {videos}, {inner['bytes'] / 1e6:.1f} MB{state}"


def options_text(decoder: Decoder[Any]) -> str:
    """The presets of a decoder, every option with its profiles, and what a search changes."""
    first = Table(box=box.SIMPLE_HEAD)
    first.add_column("preset")
    first.add_column("sets")
    for name, values in decoder.presets.items():
        first.add_row(escape(name), escape(", ".join(f"{k}={_typed(v)}" for k, v in values.items())))
    second = Table(box=box.SIMPLE_HEAD)
    for head in ("option", "release", "paper", "takes", "what it does"):
        second.add_column(head)
    for o in decoder.options():
        paper = _typed(o.paper) if o.paper != o.release else ""
        second.add_row(*map(escape, (o.name, _typed(o.release), paper, o.expects, o.help)))
    space = "; ".join(decoder.search_space()) or "nothing"
    return render(*([first] if decoder.presets else []), second, escape(f"tune searches: {space}"))


def _typed(value: Any) -> str:
    """A value as it is typed after --set and written in TOML."""
    return str(value).lower() if isinstance(value, bool) else str(value)
