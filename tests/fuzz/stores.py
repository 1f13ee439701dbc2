"""Mutants of stores, searches, checkpoints and URLs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from hypothesis import strategies as st

from . import seeds
from .cases import Case, always, mutate_json
from .mutants import Draw, bytes_of, json_text, tree_of


def store(folder: Path, draw: Draw) -> Case:
    store = folder / draw(st.sampled_from(["store", "store", "scores.store"]))
    files = sorted(p for p in store.rglob("*") if p.is_file())
    before = {p: p.read_bytes() for p in files}
    file = draw(st.sampled_from(files))
    groups = [p for p in files if p.name == "zarr.json"]
    match draw(st.sampled_from(["json", "json", "json", "bytes", "bytes", "remove", "swap", "add", "folder", "link"])):
        case "json":
            file = draw(st.sampled_from(groups))
            mutate_json(file, draw)
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


def search(folder: Path, draw: Draw) -> Case:
    name = draw(st.sampled_from(["tuned", "study"]))
    file = draw(st.sampled_from(sorted((folder / name).iterdir())))
    if file.name == "search.json" and draw(st.booleans()):
        mutate_json(file, draw)
    else:
        file.write_bytes(draw(bytes_of(file.read_bytes())))
    more = ["--sampler", "tpe", "--batch", "8"] if name == "study" else []

    def accepted(codes: list[int], printed: str) -> str:
        if codes[-1]:
            return ""
        best = (folder / name / "best.toml").read_bytes()
        return "" if best == (folder / f"{name}.best").read_bytes() else "another best setting than without the change"

    return Case([[*seeds.tune_arguments(folder, name), *more]], accepted, name)


def url(folder: Path, draw: Draw) -> Case:
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


def checkpoint(folder: Path, draw: Draw) -> Case:
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
    return Case([seeds.apply_arguments(folder, file)], always)
