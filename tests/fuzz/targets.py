"""What is mutated, the commands that read it, and what an accepted mutant must give."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import plain, seeds
from .mutants import Draw, array_of, bytes_of, json_text, npz_of, table_of, toml_text, tree_of

Accepted = Callable[[list[int], str], str]


@dataclass(frozen=True)
class Case:
    """A mutant that lies in its folder.

    commands : run one after the other
    accepted : a sentence where an exit code or a result is wrong, given what is in the folder
    named : must be in the message of a refusal
    """

    commands: list[list[str]]
    accepted: Accepted
    named: str = ""


@dataclass(frozen=True)
class Target:
    """A kind of input: ``make`` draws a mutant into a copy of the folder of seeds."""

    name: str
    make: Callable[[Path, Draw], Case]
    weight: int = 1


def _always(codes: list[int], printed: str) -> str:
    return ""


def _compare(read: Callable[[], Any], expect: Callable[[], Any]) -> Accepted:
    """An accepted file gives what the plain reader gives; what the plain reader refuses is not accepted."""

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return ""
        expected, found = expect(), read()
        return "" if _same(expected, found) else f"it was read as {str(found)[:300]} and is {str(expected)[:300]}"

    return accepted


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(key in b and _same(value, b[key]) for key, value in a.items())
    if isinstance(a, np.ndarray):
        return a.shape == np.shape(b) and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b)


# --- texts -----------------------------------------------------------------------------------------------------


def _text(file: Path, draw: Draw, tree: Any, write: Callable[[Any], bytes]) -> None:
    """A mutant of a file of JSON or TOML: of its value, or of its bytes."""
    content = file.read_bytes()
    file.write_bytes(draw(bytes_of(content)) if draw(st.integers(0, 3)) == 0 else write(draw(tree_of(tree))))


def _mutated_json(file: Path, draw: Draw) -> None:
    _text(file, draw, json.loads(file.read_bytes()), json_text)


def _events(events: Any, labels: Any, videos: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for v, video in enumerate(videos):
        found[video] = []
        for track in range(3):
            part = slice(int(events.starts[3 * v + track]), int(events.starts[3 * v + track + 1]))
            triples = zip(
                events.label[part].tolist(), events.onset[part].tolist(), events.offset[part].tolist(), strict=True
            )
            found[video].append({
                (plain.folded(labels[c]), t) for c, s, e in triples for t in (range(s, e) if e - s < 10_000 else [s])
            })  # fmt: skip
    return found


def _truth(dataset: str, path: Path, split: str) -> dict[str, Any]:
    from avreplay import load_annotations

    truth = load_annotations(dataset, path, split)
    return _events(truth.events, truth.labels, truth.video_ids)


def _evaluate(predictions: Path, dataset: str, annotations: Path, split: str, *more: str) -> list[str]:
    return ["evaluate", str(predictions), "--dataset", dataset, "--annotations", str(annotations), "--split", split,
            "--json", *more]  # fmt: skip


def _predictions(folder: Path, draw: Draw) -> Case:
    file = folder / "p.json"
    _mutated_json(file, draw)

    def read() -> Any:
        from avreplay import read_predictions

        found = read_predictions(file)
        return _events(found.events, found.labels, found.video_ids)

    def expect() -> Any:
        return plain.event_file(file.read_bytes(), "avreplay.predictions/1")[0]

    report = ["report", str(file), "--dataset", "json", "--annotations", str(folder / "truth.json"), "--split", "val",
              "--out", str(folder / "page.html"), "--max-videos", "2"]  # fmt: skip
    commands = [report, _evaluate(file, "json", folder / "truth.json", "val")]
    return Case(commands[draw(st.integers(0, 4)) != 0 :], _compare(read, expect), "p.json")


def _own_annotations(folder: Path, draw: Draw) -> Case:
    file = folder / "truth.json"
    _mutated_json(file, draw)
    return Case(
        [_evaluate(folder / "p.json", "json", file, "val")],
        _compare(
            lambda: _truth("json", file, "val"),
            lambda: plain.event_file(file.read_bytes(), "avreplay.annotations/1")[0],
        ),
        "truth.json",
    )


def _llp(folder: Path, draw: Draw) -> Case:
    from avreplay.evaluate.datasets.llp import ALIASES, LABELS

    split = draw(st.sampled_from(["test", "val"]))
    name = draw(st.sampled_from([f"AVVP_{split}_pd.csv", "AVVP_eval_audio.csv", "AVVP_eval_visual.csv"]))
    _mutated_table(folder / "llp" / name, draw, "\t")
    return Case(
        [_evaluate(folder / "llp.json", "llp", folder / "llp", split)],
        _compare(
            lambda: _truth("llp", folder / "llp", split), lambda: plain.llp(folder / "llp", split, ALIASES, LABELS)
        ),
        "llp",  # a file, or the folder where no video is left that was predicted
    )


def _mutated_table(file: Path, draw: Draw, separator: str) -> None:
    content = file.read_bytes()
    rows = [line.split(separator) for line in content.decode().splitlines()]
    file.write_bytes(draw(bytes_of(content)) if draw(st.integers(0, 3)) == 0 else draw(table_of(rows, separator)))


def _ave(folder: Path, draw: Draw) -> Case:
    from avreplay.evaluate.datasets.ave import ALIASES, LABELS

    name, split = draw(st.sampled_from([("test_AVE.json", "test"), ("valSet.txt", "val")]))
    file = folder / "ave" / name
    if name.endswith("json"):
        _mutated_json(file, draw)
    else:
        _mutated_table(file, draw, "&")
    return Case(
        [_evaluate(folder / "ave.json", "ave", folder / "ave", split)],
        _compare(
            lambda: _truth("ave", folder / "ave", split),
            lambda: plain.ave(file.read_bytes(), name.endswith("json"), ALIASES, LABELS),
        ),
        "ave",
    )


def _ovave(folder: Path, draw: Draw) -> Case:
    import gzip

    from avreplay.evaluate.datasets.ovavebench import LABELS

    place = folder / draw(st.sampled_from(["ov", "ovz", "authors"]))
    if place.name == "ovz":
        file = place / "ovavebench.csv.gz"
        if draw(st.booleans()):
            file.write_bytes(draw(bytes_of(file.read_bytes())))
        else:
            rows = [line.split(",") for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
            file.write_bytes(gzip.compress(draw(table_of(rows, ","))))
    elif place.name == "authors" and draw(st.booleans()):
        file = place / "labels.json"
        _mutated_json(file, draw)
    else:
        file = place / ("ovavebench.csv" if place.name == "ov" else "ovave_dataset_meta.csv")
        _mutated_table(file, draw, ",")
    path = place / "labels.json" if place.name == "authors" else place
    return Case(
        [_evaluate(folder / "ov.json", "ovavebench", path, "test")],
        _compare(lambda: _truth("ovavebench", path, "test"), lambda: plain.ovave(place, LABELS)),
        place.name,
    )


def _aliases(folder: Path, draw: Draw) -> Case:
    file = folder / draw(st.sampled_from(["aliases.json", "aliases.toml"]))
    is_toml = file.suffix == ".toml"
    tree = {"aliases": {"dog": "dog barking", "kitten": "cat"}}
    _text(file, draw, tree, toml_text if is_toml else json_text)

    def read() -> Any:
        from avreplay.evaluate.files.label_aliases import read_aliases

        return read_aliases(file)

    return Case(
        [_evaluate(folder / "p.json", "json", folder / "truth.json", "val", "--aliases", str(file))],
        _compare(read, lambda: plain.aliases(file.read_bytes(), is_toml)),
        "alias",
    )


def _answers(folder: Path, draw: Draw) -> Case:
    kind = draw(st.sampled_from(["answers.json", "answers.jsonl", "answers"]))
    place = folder / kind
    if kind == "answers.json":
        _mutated_json(place, draw)
    elif kind == "answers":
        file = place / "ov_3.txt"
        content = draw(bytes_of(file.read_bytes()))
        if draw(st.integers(0, 3)) == 0:
            content = draw(st.sampled_from([b"ave: [", b"ave", b"class: ", b"class", b"ave: ]"])) * 20_000 + content
        file.write_bytes(content)
    else:
        lines = place.read_bytes().splitlines()
        changed = draw(tree_of(json.loads(lines[2])))
        lines[2] = draw(bytes_of(lines[2])) if draw(st.booleans()) else json_text(changed)
        place.write_bytes(b"\n".join(lines) + b"\n")
    out = folder / "answered.json"

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return "" if not out.exists() or json.loads(out.read_bytes()) else "a file that is not JSON was written"
        plain.event_file(out.read_bytes(), "avreplay.predictions/1")
        if kind == "answers.json":
            data = plain.strict_json(place.read_bytes())
            found = json.loads(out.read_bytes())["videos"]
            return "" if set(found) == set(data) else f"{len(data)} answers, {len(found)} predictions"
        return ""

    return Case([["import-text", str(place), "--out", str(out)]], accepted, "answer")


def _params(folder: Path, draw: Draw) -> Case:
    file, out = folder / "params.toml", folder / "out.json"
    _text(file, draw, draw(st.sampled_from([seeds.PARAMS, {"params": seeds.PARAMS}])), toml_text)

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return "" if not out.exists() else "predictions were written in spite of the refusal"
        data = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
        table = data.get("params", data)
        plain.need(isinstance(table, dict), "params")
        used = json.loads(out.read_bytes())["params"]
        wrong = [
            key for key, value in table.items()
            if key not in ("preset", "profile", "decoder")
            and (key not in used or used[key] != value or isinstance(value, bool) != isinstance(used[key], bool))
        ]  # fmt: skip
        return f"{wrong[0]} is {table[wrong[0]]!r} in the file and {used.get(wrong[0])!r} in the run" if wrong else ""

    return Case([["replay", str(folder / "scores.store"), "--params", str(file), "--out", str(out)]], accepted)


def _labels(folder: Path, draw: Draw) -> Case:
    file = folder / "labels.txt"
    file.write_bytes(draw(bytes_of(file.read_bytes())))

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return ""
        from avreplay.extract.labels import read_labels

        lines = [line.strip() for line in file.read_bytes().decode("utf-8-sig").splitlines() if line.strip()]
        plain.need(all(map(plain.plain_text, lines)) and len(set(lines)) == len(lines), "labels")
        return "" if list(read_labels(file)) == lines else "other labels were read"

    # the store has no backbone: a good list ends with a sentence about that
    return Case([["embed-text", str(folder / "store"), "--labels", str(file)]], accepted)


# --- scores ----------------------------------------------------------------------------------------------------


def _store_arrays(store: Path) -> Any:
    from avreplay import open_store

    found = open_store(store).bundle()
    names = (
        "segments_per_video",
        "visual_segments",
        "audio_segments",
        "audio_visual_segments",
        "audio_clip",
        "visual_clip",
    )
    arrays = {name: getattr(found, name) for name in names if getattr(found, name) is not None}
    return {"video_ids": list(found.video_ids), "labels": list(found.labels), **arrays}


def _bundle(folder: Path, draw: Draw) -> Case:
    file, store = folder / "bundle.npz", folder / "new.store"
    arrays = seeds.bundle_arrays()
    if draw(st.booleans()):
        kinds = ("segments", "audio_clip", "visual_clip", "window_audio", "window_visual")
        scores = {k: 1 / (1 + np.exp(-v)) for k, v in arrays.items() if k.endswith(kinds) and v.dtype.kind == "f"}
        arrays = {**arrays, **{k: v.astype(np.float32) for k, v in scores.items()}, "kind": np.array("probability")}
    file.write_bytes(draw(npz_of(arrays)))

    def expect() -> Any:
        found = plain.bundle(file)
        with np.load(file) as npz:
            probabilities = "kind" in npz.files and plain._text(npz["kind"][()]) == "probability"
        for name, array in found.items():
            if isinstance(array, np.ndarray) and array.dtype == np.float32:
                plain.need(np.isfinite(array).all(), name)
                if probabilities:
                    plain.need((array >= -1e-5).all() and (array <= 1 + 1e-5).all(), name)
                    found[name] = np.clip(array, 0, 1)
        return found

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return "a store was left behind" if (store / "zarr.json").exists() else ""
        return _compare(lambda: _store_arrays(store), expect)(codes, printed)

    return Case([["import", str(file), str(store)], ["verify", str(store)]][: 1 + draw(st.integers(0, 1))], accepted)


def _scores(folder: Path, draw: Draw) -> Case:
    kind = draw(st.sampled_from(["npz", "hdf5", "csv"]))
    store = folder / "new.store"
    mapping = folder / "mapping.toml"
    expect: Callable[[], Any]
    if kind == "csv":
        file, mapping = folder / "scores.csv", folder / "csv.toml"
        content = file.read_bytes()
        file.write_bytes(
            draw(bytes_of(content)) if draw(st.integers(0, 3)) == 0 else draw(table_of(seeds.csv_rows(), ","))
        )
        expect = lambda: plain.csv_scores(file, seeds.LABELS)  # noqa: E731
    elif kind == "npz":
        file = folder / "scores.npz"
        file.write_bytes(draw(npz_of(seeds.score_arrays())))
        expect = lambda: plain.npz_scores(file)  # noqa: E731
    else:
        file = folder / "scores.h5"
        if draw(st.booleans()):
            file.write_bytes(draw(bytes_of(file.read_bytes())))
        else:
            arrays = seeds.score_arrays()
            name = draw(st.sampled_from(sorted(arrays)))
            changed = draw(array_of(arrays[name]))
            if changed.dtype.kind in "MVOc":
                changed = np.zeros(changed.shape, "f8")
            file.unlink()
            seeds.hdf5_bytes(file, {**arrays, name: changed})
        expect = lambda: plain.hdf5_scores(file)  # noqa: E731
    return Case([["import", str(file), str(store), "--mapping", str(mapping)]],
                _compare(lambda: _store_arrays(store), expect))  # fmt: skip


def _mapping(folder: Path, draw: Draw) -> Case:
    file, store = folder / "mapping.toml", folder / "new.store"
    _text(file, draw, seeds.MAPPING, toml_text)

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return ""
        data = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
        known = {"values", "format", "segment_seconds", "ids", "labels", "csv", "arrays"}
        plain.need(set(data) <= known, f"keys {set(data) - known}")
        plain.need(type(data.get("segment_seconds", 1.0)) in (int, float), "segment_seconds")
        picks = [e.get("pick", {}).get("M") for e in data["arrays"].values() if isinstance(e, dict)]
        plain.need(all(p is None or type(p) is int for p in picks), "pick")
        if data["arrays"] == seeds.MAPPING["arrays"] and data.get("labels") == seeds.MAPPING["labels"]:
            expected = plain.npz_scores(folder / "scores.npz")
            found = _store_arrays(store)
            return "" if _same(expected["audio_segments"], found["audio_segments"]) else "other scores were read"
        return ""

    return Case([["import", str(folder / "scores.npz"), str(store), "--mapping", str(file)]], accepted)


def _trace(folder: Path, draw: Draw) -> Case:
    file = folder / "trace.npz"
    with np.load(file, allow_pickle=False) as npz:
        arrays = {name: npz[name] for name in npz.files}
    file.write_bytes(draw(npz_of(arrays)))
    return Case(
        [["report", str(folder / "replayed.json"), "--dataset", "json", "--annotations", str(folder / "truth.json"),
          "--split", "val", "--trace", str(file), "--out", str(folder / "page.html"), "--max-videos", "2"]],
        _always, "trace.npz",
    )  # fmt: skip


# --- stores ----------------------------------------------------------------------------------------------------


def _store(folder: Path, draw: Draw) -> Case:
    store = folder / draw(st.sampled_from(["store", "store", "scores.store"]))
    files = sorted(p for p in store.rglob("*") if p.is_file())
    before = {p: p.read_bytes() for p in files}
    file = draw(st.sampled_from(files))
    groups = [p for p in files if p.name == "zarr.json"]
    match draw(st.sampled_from(["json", "json", "json", "bytes", "bytes", "remove", "swap", "add", "folder", "link"])):
        case "json":
            file = draw(st.sampled_from(groups))
            _mutated_json(file, draw)
        case "bytes":
            file.write_bytes(draw(bytes_of(file.read_bytes())))
        case "remove":
            file.unlink()
        case "swap":
            other = draw(st.sampled_from(files))
            one, two = file.read_bytes(), other.read_bytes()
            file.write_bytes(two)
            other.write_bytes(one)
        case "add":
            (file.parent / draw(st.sampled_from(["extra", ".hidden", "zarr.json.bak", "c"]))).touch()
        case "folder":
            shutil.rmtree(file.parent)
        case "link":
            file.unlink()
            file.symlink_to(draw(st.sampled_from(["/dev/zero", "/etc/passwd", str(folder / "p.json"), "nowhere"])))
    after = {p: p.read_bytes() for p in store.rglob("*") if p.is_file() and not p.is_symlink()}
    changed = before != after
    first = draw(st.sampled_from(["verify", "verify", "info", "replay"]))
    command = [first, str(store), *(["--out", str(folder / "out.json")] if first == "replay" else [])]

    def accepted(codes: list[int], printed: str) -> str:
        if first == "verify" and changed and codes[-1] == 0:
            return f"verify does not name the change of {file.relative_to(folder)}"
        if first == "verify" and not changed and codes[-1]:
            return "verify names a change where there is none"
        return ""

    return Case([command], accepted)


def _search(folder: Path, draw: Draw) -> Case:
    name = draw(st.sampled_from(["tuned", "study"]))
    file = draw(st.sampled_from(sorted((folder / name).iterdir())))
    if file.name == "search.json" and draw(st.booleans()):
        _mutated_json(file, draw)
    else:
        file.write_bytes(draw(bytes_of(file.read_bytes())))
    more = ["--sampler", "tpe", "--batch", "8"] if name == "study" else []

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return ""
        best = (folder / name / "best.toml").read_bytes()
        return "" if best == (folder / f"{name}.best").read_bytes() else "another best setting than without the change"

    return Case([[*seeds.tune_arguments(folder, name), *more]], accepted, name)


def _url(folder: Path, draw: Draw) -> Case:
    protocols = [
        "", "file://", "local://", "memory://", "ftp://", "http://", "zip://", "dir::", "reference://", "simplecache::",
        "s3://", "gs://", "x://", "zip://x::", "github://", "data:", "tar://", "file:", "blockcache::file://", "://",
        "::",
    ]  # fmt: skip
    rests = [
        "", "/", "/etc/passwd", "/dev/zero", "a\0b", "127.0.0.1:9/x", str(folder / "p.json"), str(folder), "..", " ",
        "~",
        "x" * 5000, "a::b", "%00", "[::1", "\udcff", "store?x=1#y", "*", "{}", "bucket-that-is-not-there/x",
    ]  # fmt: skip
    url = draw(st.sampled_from(protocols)) + draw(st.sampled_from(rests) | st.text(max_size=6))
    before = sorted(p.name for p in folder.iterdir())
    command = draw(st.sampled_from([["info", url], ["verify", url], ["replay", url],
                                    ["import", str(folder / "bundle.npz"), url]]))  # fmt: skip

    def accepted(codes: list[int], printed: str) -> str:
        if command[0] != "import":
            return "" if codes[-1] else "there is no store"
        left = sorted(p.name for p in folder.iterdir())
        return "files were left behind by a refusal" if codes[-1] and left != before else ""

    return Case([command], accepted)


def _checkpoint(folder: Path, draw: Draw) -> Case:
    file = folder / "checkpoint" / draw(st.sampled_from(["best.safetensors", "last.safetensors"]))
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    head, rest = json.loads(content[8 : 8 + size]), content[8 + size :]
    match draw(st.sampled_from(["header", "metadata", "bytes"])):
        case "header":
            changed = json_text(draw(tree_of(head)))
        case "metadata":
            meta = json_text(draw(tree_of(json.loads(head["__metadata__"]["avreplay"]))))
            changed = json.dumps({**head, "__metadata__": {"avreplay": meta.decode("utf-8", "replace")}}).encode()
        case _:
            changed = draw(bytes_of(content[8 : 8 + size]))
    file.write_bytes(len(changed).to_bytes(8, "little") + changed + rest)
    return Case([seeds.apply_arguments(folder, file)], _always)


def _media(folder: Path, draw: Draw) -> Case:
    """Several mutants in one run, since a run starts processes; a file that is whole lies beside them."""
    clips = sorted((folder / "clips").iterdir())
    videos = folder / "videos"
    videos.mkdir()
    shutil.copy(clips[0], videos / f"whole{clips[0].suffix}")
    for k in range(MEDIA_AT_ONCE):
        clip = draw(st.sampled_from(clips))
        (videos / f"m{k}{clip.suffix}").write_bytes(draw(bytes_of(clip.read_bytes())))
    store = folder / "media.store"

    def accepted(codes: list[int], printed: str) -> str:
        from avreplay import open_store

        found = {record.id: record for record in open_store(store).videos}
        if len(found) != MEDIA_AT_ONCE + 1:
            return f"{len(found)} of {MEDIA_AT_ONCE + 1} videos have a record"
        return "" if found["whole"].status == "ok" else f"the whole file is {found['whole']}"

    return Case(
        [["extract", str(videos), "--store", str(store), "--no-calibration", "--labels", str(folder / "labels.txt")],
         ["verify", str(store)]], accepted,
    )  # fmt: skip


MEDIA_AT_ONCE = 24

TARGETS = {
    t.name: t
    for t in (
        Target("predictions", _predictions, 3),
        Target("annotations", _own_annotations, 2),
        Target("llp", _llp, 2),
        Target("ave", _ave),
        Target("ovavebench", _ovave, 2),
        Target("aliases", _aliases),
        Target("answers", _answers, 2),
        Target("params", _params, 2),
        Target("labels", _labels),
        Target("bundle", _bundle, 3),
        Target("scores", _scores, 3),
        Target("mapping", _mapping, 2),
        Target("trace", _trace),
        Target("store", _store, 5),
        Target("search", _search, 2),
        Target("urls", _url),
        Target("checkpoint", _checkpoint),
        Target("media", _media, 2),
    )
}
"""Every kind of input, with its share of the mutants."""
