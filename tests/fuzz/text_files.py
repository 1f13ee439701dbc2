"""Mutants of other texts: aliases, answers, parameters, labels."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from . import plain, seeds
from .cases import Case, compare, evaluate, mutate_json, mutate_text
from .mutants import Draw, bytes_of, json_text, toml_text, tree_of


def aliases(folder: Path, draw: Draw) -> Case:
    file = folder / draw(st.sampled_from(["aliases.json", "aliases.toml"]))
    is_toml = file.suffix == ".toml"
    tree = {"aliases": {"dog": "dog barking", "kitten": "cat"}}
    mutate_text(file, draw, tree, toml_text if is_toml else json_text)

    def read() -> Any:
        from avreplay.evaluate.files.label_aliases import read_aliases

        return read_aliases(file)

    return Case(
        [evaluate(folder / "p.json", "json", folder / "truth.json", "val", "--aliases", str(file))],
        compare(read, lambda: plain.aliases(file.read_bytes(), is_toml)),
        "alias",
    )


def answers(folder: Path, draw: Draw) -> Case:
    kind = draw(st.sampled_from(["answers.json", "answers.jsonl", "answers"]))
    place = folder / kind
    if kind == "answers.json":
        mutate_json(place, draw)
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


def params(folder: Path, draw: Draw) -> Case:
    file, out = folder / "params.toml", folder / "out.json"
    mutate_text(file, draw, draw(st.sampled_from([seeds.PARAMS, {"params": seeds.PARAMS}])), toml_text)

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


def labels(folder: Path, draw: Draw) -> Case:
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
