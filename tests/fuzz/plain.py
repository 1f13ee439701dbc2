"""Plain readers of the same files: what a straightforward reading gives, or an exception where the form is broken.

Written apart from the package's own readers, so that what these accept by mistake is found.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TRACKS = ("audio", "visual", "audio_visual")
Seconds = dict[str, list[set[tuple[str, int]]]]


def need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def folded(name: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", name.casefold())) or name


def strict_json(content: bytes) -> Any:
    """JSON of the standard library, without repeated names, NaN, and text that is not Unicode."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), "a repeated name")
        return dict(pairs)

    def constant(name: str) -> None:
        raise ValueError(name)

    value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=unique, parse_constant=constant)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def plain_text(value: object) -> bool:
    """Whether a value may be an id or a label."""
    return isinstance(value, str) and bool(value.strip()) and not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", value)


def event_file(content: bytes, schema: str) -> tuple[Seconds, list[Any]]:
    """Seconds of every video and track, by folded label, and the events of the predictions as they stand."""
    data = strict_json(content)
    need(isinstance(data, dict) and data["schema"] == schema, "another schema")
    need(isinstance(data["labels"], list) and all(map(plain_text, data["labels"])), "labels")
    labels = {folded(label) for label in data["labels"]}
    need(len(labels) == len(data["labels"]), "labels that are the same")
    need(isinstance(data.get("params", {}), dict), "params")
    aliases = data.get("aliases", {})
    need(isinstance(aliases, dict) and all(isinstance(v, str) for v in aliases.values()), "aliases")
    known = {folded(alias): folded(label) for alias, label in aliases.items()}
    need(isinstance(data["videos"], dict) and all(map(plain_text, data["videos"])), "videos")
    seconds: Seconds = {}
    rows: list[Any] = []
    for video, entry in data["videos"].items():
        need(isinstance(entry, dict), "a video")
        need(type(entry["segments"]) is int and 0 <= entry["segments"] <= 1_000_000, "segments")
        length = entry.get("segment_seconds", 1)
        need(type(length) in (int, float) and 0 < length < math.inf, "segment_seconds")
        seconds[video] = []
        for track in TRACKS:
            events = entry.get(track)
            need(events is None or isinstance(events, list), "a track")
            marked = set()
            for event in events or []:
                need(isinstance(event, dict), "an event")
                label, onset, offset = event["label"], event["onset"], event["offset"]
                score = event.get("score")
                need(isinstance(label, str), "a label")
                name = folded(label)
                name = name if name in labels else known.get(name, name)
                need(name in labels, "an unknown label")
                need(type(onset) is int and type(offset) is int and 0 <= onset < offset <= entry["segments"], "a range")
                need(score is None or (type(score) in (int, float) and math.isfinite(score)), "a score")
                marked |= {(name, t) for t in range(onset, offset)} if offset - onset < 10_000 else {(name, onset)}
                rows.append((video, track, name, onset, offset, None if score is None else float(score)))
            if events is None and track == "audio_visual" and schema.startswith("avreplay.annotations"):
                marked = seconds[video][0] & seconds[video][1]
            seconds[video].append(marked)
    return seconds, rows


def _delimited(content: bytes, delimiter: str, columns: tuple[str, ...]) -> list[list[str]]:
    text = content.decode("utf-8-sig")
    need("\0" not in text, "NUL")
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    rows = [row for row in rows if len(row) > 1 or not row[0].isspace()]  # lines of spaces are blank
    header = [cell.strip() for cell in rows[0]]
    need(len(set(header)) == len(header), "a column twice")
    places = [header.index(column) for column in columns]
    need(all(len(row) == len(header) for row in rows), "columns")
    return [[row[i].strip() for i in places] for row in rows[1:]]


def _second(text: str) -> int:
    need(re.fullmatch(r"0*(10|[0-9])", text), f"the second {text[:40]!r}")
    return int(text)


def llp(folder: Path, split: str, aliases: dict[str, str], labels: tuple[str, ...]) -> Seconds:
    known = {**{folded(a): folded(b) for a, b in aliases.items()}, **{folded(x): folded(x) for x in labels}}
    listed = _delimited((folder / f"AVVP_{split}_pd.csv").read_bytes(), "\t", ("filename", "event_labels"))
    need(len({row[0] for row in listed}) == len(listed), "a video twice")
    for row in listed:
        need(plain_text(row[0]) and all(folded(x) in known for x in row[1].split(",") if x), "a label")
    seconds: Seconds = {row[0]: [set(), set()] for row in listed}
    for k, track in enumerate(("audio", "visual")):
        content = (folder / f"AVVP_eval_{track}.csv").read_bytes()
        for video, start, end, label in _delimited(content, "\t", ("filename", "onset", "offset", "event_labels")):
            onset, offset, name = _second(start), _second(end), known[folded(label)]
            if video in seconds:
                seconds[video][k] |= {(name, t) for t in range(onset, offset)}
    return {video: [audio, visual, audio & visual] for video, (audio, visual) in seconds.items()}


def ave(content: bytes, is_json: bool, aliases: dict[str, str], labels: tuple[str, ...]) -> Seconds:
    known = {**{folded(a): folded(b) for a, b in aliases.items()}, **{folded(x): folded(x) for x in labels}}
    rows: list[tuple[str, str, Any, Any]] = []
    if is_json:
        data = strict_json(content)
        for video, entries in data.items():
            need(isinstance(entries, list) and entries, "no annotations")
            rows += [(video, e["class"], e["start"], e["end"]) for e in entries]
    else:
        lines = [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]
        for number, line in enumerate(lines):
            parts = [part.strip() for part in line.split("&")]
            if number == 0 and parts[0].lower() == "category":
                continue
            label, video, _, start, end = parts
            rows.append((video, label, _second(start), _second(end)))
    seconds: Seconds = {}
    for video, label, start, end in rows:
        need(plain_text(video) and isinstance(label, str), "a name")
        need(type(start) is int and type(end) is int and 0 <= start <= end <= 10, "a range")
        seconds.setdefault(video, [set(), set(), set()])[2].update((known[folded(label)], t) for t in range(start, end))
    return seconds


def ovave(folder: Path, labels: tuple[str, ...], split: str = "test") -> Seconds:
    known = {folded(x): folded(x) for x in labels}
    known["background"] = "other"
    rows: list[tuple[str, str, str]] = []
    if (folder / "labels.json").exists():
        labelled = strict_json((folder / "labels.json").read_bytes())
        meta = (folder / "ovave_dataset_meta.csv").read_bytes()
        for of, category, group, video in _delimited(meta, ",", ("split", "cls_name", "cls_type", "vid_name")):
            entry = labelled[video]
            need(group in ("close", "open") and entry["category"] == category, "a group")
            values = entry["label"]
            values = json.loads(values) if isinstance(values, str) else values
            need(isinstance(values, list), "labels")
            need(all(type(x) is int for x in values), "labels")
            if of == split:
                rows.append((video, category, "".join(map(str, values))))
    else:
        packed = folder / "ovavebench.csv.gz"
        content = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / "ovavebench.csv").read_bytes()
        for of, category, group, video, marks in _delimited(
            content, ",", ("split", "category", "group", "video_id", "label")
        ):
            need(group in ("seen", "unseen"), "a group")
            if of == split:
                rows.append((video, category, marks))
    seconds: Seconds = {}
    need(rows, "no videos")
    for video, category, marks in rows:
        need(plain_text(video) and video not in seconds and re.fullmatch("[01]{10}", marks), "a row")
        name = known[folded(category)]
        seconds[video] = [set(), set(), {(name, t) for t in range(10) if marks[t] == "1"}]
    return seconds


def aliases(content: bytes, is_toml: bool) -> dict[str, str]:
    data = tomllib.loads(content.decode("utf-8-sig")) if is_toml else strict_json(content)
    table = data.get("aliases", data)
    need(isinstance(table, dict) and all(isinstance(v, str) for v in table.values()), "aliases")
    return table


def bundle(file: Path) -> dict[str, Any]:
    """The arrays of a bundle by numpy, with what its contract asks of them."""
    with np.load(file, allow_pickle=False) as npz:
        arrays = {name: npz[name] for name in npz.files}
    ids, labels = (_names(arrays[k]) for k in ("video_ids", "labels"))
    per = arrays["segments_per_video"]
    need(per.dtype.kind in "iu" and per.shape == (len(ids),) and (per >= 0).all(), "segments_per_video")
    n, c, s = len(ids), len(labels), int(per.sum())
    need(c > 0, "no labels")
    out: dict[str, Any] = {"video_ids": ids, "labels": labels, "segments_per_video": per.astype(np.int64)}
    heads = {"visual_segments": (s,), "audio_segments": (s,), "audio_visual_segments": (s,), "audio_clip": (n,),
             "visual_clip": (n, -1)}  # fmt: skip
    for name, head in heads.items():
        if name in arrays:
            array = arrays[name]
            need(array.dtype.kind in "fiu", name)
            need(array.ndim == len(head) + 1 and array.shape[0] == head[0] and array.shape[-1] == c, name)
            with np.errstate(over="ignore"):
                out[name] = array.astype(np.float32)
    kind = arrays.get("kind", np.array("similarity"))
    need(kind.ndim == 0 and _text(kind[()]) in ("similarity", "probability"), "kind")
    length = arrays.get("segment_seconds", np.array(1.0))
    need(length.ndim == 0 and length.dtype.kind in "fiu" and 0 < float(length) < math.inf, "segment_seconds")
    for name in ("has_audio", "has_visual"):
        if name in arrays:
            flags = arrays[name]
            need(flags.shape == (n,), name)
            need(flags.dtype.kind == "b" or (flags.dtype.kind in "iu" and np.isin(flags, (0, 1)).all()), name)
    return out


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _names(array: Any) -> list[str]:
    need(array.ndim == 1 and array.dtype.kind in "SU", "names")
    names = [_text(x) for x in array.tolist()]
    need(len(set(names)) == len(names) and all(map(plain_text, names)), "names")
    return names


def scores(arrays: dict[str, Any]) -> dict[str, Any]:
    """What the mapping of :mod:`.seeds` makes of the arrays of another model."""
    ids, labels = _names(arrays["ids"]), _names(arrays["names"])
    frames, clip = arrays["frame_prob"], arrays["a_prob"]
    need(frames.ndim == 4 and frames.shape[0] == len(ids) and frames.shape[3] == len(labels), "frame_prob")
    need(frames.shape[2] == 2 or frames.shape[2] > 1, "frame_prob")
    need(clip.shape == (len(ids), len(labels)), "a_prob")
    found = {"audio_segments": frames[:, :, 0], "visual_segments": frames[:, :, 1], "audio_clip": clip}
    for name, array in found.items():
        need(array.dtype.kind in "fiu", name)
        values = array.astype(np.float64)
        need(np.isfinite(values).all() and (values >= -1e-5).all() and (values <= 1 + 1e-5).all(), name)
        found[name] = np.clip(values, 0, 1).astype(np.float32).reshape(-1, len(labels))
    return {"video_ids": ids, "labels": labels, **found}


def npz_scores(file: Path) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as npz:
        return scores({name: npz[name] for name in npz.files})


def hdf5_scores(file: Path) -> dict[str, Any]:
    with h5py.File(file, "r") as opened:
        arrays = {}
        for name in ("ids", "names", "frame_prob", "a_prob"):
            dataset = opened[name]
            text = h5py.check_string_dtype(dataset.dtype) is not None
            arrays[name] = np.array(dataset.asstr()[()].tolist(), str) if text else dataset[()]
    return scores(arrays)


def csv_scores(file: Path, labels: list[str]) -> dict[str, Any]:
    rows = _delimited(file.read_bytes(), ",", ("video_id", "segment", "label", "audio", "visual"))
    cells: dict[tuple[str, int, str], tuple[float, float]] = {}
    for video, segment, label, audio, visual in rows:
        need(
            re.fullmatch(r"\d+", segment, re.ASCII) and plain_text(video) and folded(label) in map(folded, labels),
            "a row",
        )
        key = (video, int(segment), folded(label))
        need(key not in cells, "a cell twice")
        cells[key] = (float(audio), float(visual))
    ids = list(dict.fromkeys(row[0] for row in rows))
    found: dict[str, list[Any]] = {"audio_segments": [], "visual_segments": []}
    for video in ids:
        count = 1 + max(t for v, t, _ in cells if v == video)
        need(count <= 1000, "segments")
        for t in range(count):
            values = [cells[video, t, folded(label)] for label in labels]
            found["audio_segments"].append([a for a, _ in values])
            found["visual_segments"].append([v for _, v in values])
    out: dict[str, Any] = {"video_ids": ids, "labels": labels}
    for name, values in found.items():
        array = np.array(values, np.float64)
        need(np.isfinite(array).all() and (array >= -1e-5).all() and (array <= 1 + 1e-5).all(), name)
        out[name] = np.clip(array, 0, 1).astype(np.float32)
    return out
