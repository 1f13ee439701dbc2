"""A mapping that is guessed from what lies in a folder or a file: TOML with comments on what was seen, to be edited."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....core.errors import DataError
from ....core.text import printable
from ...reading.files import named
from .files import ReadTensors
from .look import SPAN, Group, look

_AUDIO = re.compile(r"aud|vggish|clap|beats|wav|(?:^|[/_.])ast(?:$|[/_.])|sound|panns|(?:^|[/_.])a(?:$|[/_.])", re.I)
_VISUAL = re.compile(
    r"vis|vid|rgb|im(?:g|age)|frame|(?<!_)clip|res(?:net)?\d|r2plus1d|i3d|flow|pict|(?:^|[/_.])v(?:$|[/_.])", re.I
)
_OTHER = re.compile(r"label|text|order|target|annot|split", re.I)
_TEXT = ("text.npy", "text.safetensors", "text.npz", "text.pt")


@dataclass(frozen=True)
class _Candidate:
    """An array that may be the embeddings of a modality: a group, its key, and the shape of one video or of all."""

    group: Group
    key: str | None
    shape: tuple[int, ...]
    other: tuple[int, ...] | None
    per_video: bool

    @property
    def table(self) -> bool:
        """Whether it is a column of a Parquet file, whose shape is not known before it is read."""
        return self.group.path.suffix.lower() in (".parquet", ".pq")

    @property
    def spans(self) -> bool:
        """Whether a video has several files, each a span of it: one says nothing about its length."""
        return "{start}" in (self.group.pattern or "")

    @property
    def name(self) -> str:
        return "#".join(filter(None, (self.group.pattern or self.group.path.name, self.key)))


def guess_by_looking(source: str | os.PathLike[str], read_tensors: ReadTensors | None) -> str:
    """A mapping of what lies in a folder or a file.

    Raises: DataError where nothing is there that embeddings come in.
    """
    path = Path(source)
    groups = look(path, read_tensors)
    candidates = [c for group in groups for c in _candidates(group)]
    problem = next((group.problem for group in groups if group.problem), None)
    if problem is not None and all(group.problem for group in groups):
        raise DataError(f"{named(str(path))} has nothing that can be read: {problem}")
    lines = [
        f"# guessed from {printable(path.name)}; check what it says, then: avreplay import SOURCE STORE --mapping FILE"
    ]
    lines += ["#", "# seen:", *(f"#   {line}" for group in groups for line in _seen(group))]
    lines += _in_common(groups)
    chosen, doubts = _choose(candidates)
    lines += [*doubts, "", "[embeddings]", "segment_seconds = 1.0   # the length of a segment in the store"]
    lengths = [
        c.shape[_axes(c).index("segment")]
        for c in chosen.values()
        if c and "segment" in _axes(c) and not c.table and not c.spans
    ]
    base = min(lengths, default=0)
    varies = any(c is not None and c.other is not None and c.other != c.shape for c in chosen.values())
    if base and not varies and not any(c is not None and c.spans for c in chosen.values()):
        lines.append(f"segments = {base}   # of every video; leave it out where lengths differ")
    lines += _ids(groups, [c for c in chosen.values() if c is not None])
    for name, c in chosen.items():
        lines += ["", *_modality(name, c, base, varies)]
    lines += ["", *_text(path)]
    return "\n".join(lines) + "\n"


def _candidates(group: Group) -> list[_Candidate]:
    found = []
    in_files = group.pattern is not None and "{id}" in group.pattern
    others = dict(zip([a[0] for a in group.arrays], group.shapes, strict=False))
    if group.path.suffix.lower() in (".parquet", ".pq"):
        lists = [(key, kind) for key, _, kind in group.arrays if "list" in kind]
        return [_Candidate(group, key, (1,) * kind.count("list") + (1,) * (kind.count("list") < 2), None, True)
                for key, kind in lists]  # fmt: skip
    if not in_files and group.ids:
        keys: dict[str, tuple[int, ...]] = {}
        ids = set(group.ids)
        for key, shape, _ in group.arrays:
            parts = key.split("/")
            at = next((i for i in reversed(range(len(parts))) if parts[i] in ids), None)
            if at is not None:
                keys.setdefault("/".join([*parts[:at], "{id}", *parts[at + 1 :]]), shape)
        return [_Candidate(group, key, shape, None, True) for key, shape in keys.items()]
    for key, shape, kind in group.arrays:
        text = kind.startswith(("<U", "|S", "object"))
        if text or len(shape) < 1 or shape[-1] < 2 or _OTHER.search(f"{group.path.stem}/{key}"):
            continue
        if not in_files and len(shape) < 2:
            continue
        found.append(_Candidate(group, key or None, shape, others.get(key), in_files))
    return found


def _axes(c: _Candidate) -> list[str]:
    """Axes by their number: the last is the width, one before are segments, further ones in between are patches."""
    n = len(c.shape) - (0 if c.per_video else 1)
    between = ["row", "column"] if n == 4 else [f"axis{k}" for k in range(1, n - 1)] if n > 2 else []
    inner = ["segment", *between, "width"] if n > 1 else ["width"]
    return inner if c.per_video else ["video", *inner]


def _choose(candidates: Sequence[_Candidate]) -> tuple[dict[str, _Candidate | None], list[str]]:
    """What is heard and what is seen, by names; and comments on what could have been meant too."""
    heard = [c for c in candidates if _AUDIO.search(c.name) and not _seen_by_name(c)]
    seen = [c for c in candidates if _seen_by_name(c)]
    rest = [c for c in candidates if c not in heard and c not in seen]
    doubts = []
    if rest:
        doubts.append("#")
        for c in rest:
            doubts.append(f"# neither audio nor visual by its name: {_quoted(c.name)}")
    if not heard and not seen and rest:
        seen = rest[:1]
        doubts.append(f"# {_quoted(rest[0].name)} is taken as visual; rename the table if it is audio")
    for name, several in (("audio", heard), ("visual", seen)):
        for c in several[1:]:
            doubts.append(f"# {name} could also be {_quoted(c.name)}, of shape {list(c.shape)}")
    return {"audio": heard[0] if heard else None, "visual": seen[0] if seen else None}, doubts


def _seen_by_name(c: _Candidate) -> bool:
    key = c.key or ""
    if _AUDIO.search(key) or _VISUAL.search(key):
        return not _AUDIO.search(key)
    return bool(_VISUAL.search(c.group.pattern or c.group.path.stem)) and not _AUDIO.search(
        Path(c.group.pattern or c.group.path.stem).stem.replace("{id}", "")
    )


def _seen(group: Group) -> list[str]:
    name = printable(group.pattern or group.path.name)
    many = f"{group.files} files of {len(group.ids)} videos" if group.pattern and "{id}" in group.pattern else "1 file"
    lines = [f"{name}: {many}" + (f"; {printable(group.problem)}" if group.problem else "")]
    for key, shape, kind in group.arrays[:12]:
        lines.append(f"  {printable(key) or 'array'}: {list(shape)} {kind}")
    if len(group.arrays) > 12:
        lines.append(f"  and {len(group.arrays) - 12} more")
    if group.shapes and [s for _, s, _ in group.arrays] != group.shapes:
        lines.append(f"  another file: {', '.join(str(list(s)) for s in group.shapes[:4])}")
    return lines


def _in_common(groups: Sequence[Group]) -> list[str]:
    lists = [set(group.ids) for group in groups if group.pattern and "{id}" in group.pattern]
    if len(lists) < 2:
        return []
    common = set.intersection(*lists)
    return [f"#   {len(common)} ids in common, {len(set.union(*lists))} in all"]


def _ids(groups: Sequence[Group], chosen: Sequence[_Candidate]) -> list[str]:
    """Where the list of ids is, where arrays of all videos need one, or a table names them."""
    table = next((c for c in chosen if c.table), None)
    if table is not None:
        texts = [key for key, _, kind in table.group.arrays if kind in ("string", "large_string")]
        named_id = next((key for key in texts if "id" in key.lower()), (texts or ["video_id"])[0])
        path = _quoted(table.group.pattern or table.group.path.name)
        return ["", "[embeddings.ids]", f"path = {path}", f"column = {_quoted(named_id)}"]
    if all(c.per_video for c in chosen):
        return []
    count = next(c.shape[0] for c in chosen if not c.per_video)
    lines = ["", "[embeddings.ids]   # the ids in the order of the arrays"]
    for group in groups:
        for key, shape, kind in group.arrays:
            if kind.startswith(("<U", "|S", "object")) and shape == (count,):
                key_line = [f"key = {_quoted(key)}"] if key else []
                return [*lines, f"path = {_quoted(group.pattern or group.path.name)}", *key_line]
    order = [
        f"# rows = {{ path = {_quoted(group.pattern or group.path.name)}, key = {_quoted(key)} }}   # rows of a split"
        for group in groups
        for key, _, _ in group.arrays
        if _OTHER.search(group.path.stem) and "order" in group.path.stem.lower()
    ]
    return [
        *lines,
        f'path = "ids.txt"   # NOT SEEN: a list of {count} ids, one a line, in the order of the rows',
        *order,
    ]


def _modality(name: str, c: _Candidate | None, base: int, varies: bool) -> list[str]:
    if c is None:
        return [f"# no {name} was recognised: add a table [embeddings.{name}] like the other one if there is some"]
    axes = _axes(c)
    lines = [f"[embeddings.{name}]" + ("" if c.table else f"   # {list(c.shape)}")]
    if c.group.pattern is not None:
        lines.append(f"path = {_quoted(c.group.pattern)}")
    if c.key is not None and (len(c.group.arrays) > 1 or c.key):
        lines.append(f"key = {_quoted(c.key)}")
    lines.append(f"axes = {json.dumps(axes)}")
    others = [a for a in axes if a not in ("video", "segment", "width")]
    if others:
        pools = ", ".join(f'{a} = "mean"' for a in others)
        lines.append(f"pool = {{ {pools} }}   # or max, first, middle, an index")
    if c.spans:
        lines += _of_spans(c, axes)
    elif "segment" in axes and not c.table:
        n = c.shape[axes.index("segment")]
        if varies:
            lines.append("# seconds = 1.0   # from one embedding to the next; else one is one segment")
        elif base and n != base and n % base == 0:
            lines.append(f"per_segment = {n // base}")
        elif base and n != base:
            lines.append(f"seconds = {base / n:.6g}   # from one embedding to the next: {n} in {base} segments")
    lines.append('# normalise = "l2"   # where the text is of length 1 and the embeddings are not')
    return lines


def _of_spans(c: _Candidate, axes: Sequence[str]) -> list[str]:
    """The rate, and where videos begin, by the name of the first file."""
    found = SPAN.fullmatch(c.group.path.stem)
    if found is None:
        return []
    begin, end = float(found[2]), float(found[3])
    seconds = (end - begin) / (c.shape[axes.index("segment")] if "segment" in axes else 1)
    lines = []
    if seconds > 0 and abs(seconds - 1) > 1e-9:
        lines.append(f"seconds = {seconds:.9g}   # from one embedding to the next, by the names of the files")
    if begin > 0:
        lines.append(f'begins = "first"   # the first file begins at {begin:g} s')
    return lines


def _text(source: Path) -> list[str]:
    there = next((name for name in _TEXT if source.is_dir() and (source / name).is_file()), None)
    if there is not None:
        return [
            "[embeddings.text]",
            f"path = {_quoted(there)}",
            'labels = "labels.txt"   # a label a line, as the rows',
        ]
    return [
        "# replay, tune and finetune need text of the same encoder, either of these:",
        "# [embeddings.text]",
        '# backbone = "imagebind"   # an installed one (avreplay backbones); or path = "text.npy"',
        '# labels = "labels.txt"   # a label a line',
    ]


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
