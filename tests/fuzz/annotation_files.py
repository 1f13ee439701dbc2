"""Mutants of predictions and of the annotations of each dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from . import plain
from .cases import Case, compare, evaluate, mutate_json, mutate_table
from .mutants import Draw, bytes_of, table_of


def events_of(events: Any, labels: Any, videos: Any) -> dict[str, Any]:
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
    return events_of(truth.events, truth.labels, truth.video_ids)


def predictions(folder: Path, draw: Draw) -> Case:
    file = folder / "p.json"
    mutate_json(file, draw)

    def read() -> Any:
        from avreplay import read_predictions

        found = read_predictions(file)
        return events_of(found.events, found.labels, found.video_ids)

    def expect() -> Any:
        return plain.event_file(file.read_bytes(), "avreplay.predictions/1")[0]

    report = ["report", str(file), "--dataset", "json", "--annotations", str(folder / "truth.json"), "--split", "val",
              "--out", str(folder / "page.html"), "--max-videos", "2"]  # fmt: skip
    commands = [report, evaluate(file, "json", folder / "truth.json", "val")]
    return Case(commands[draw(st.integers(0, 4)) != 0 :], compare(read, expect), "p.json")


def own_annotations(folder: Path, draw: Draw) -> Case:
    file = folder / "truth.json"
    mutate_json(file, draw)
    return Case(
        [evaluate(folder / "p.json", "json", file, "val")],
        compare(
            lambda: _truth("json", file, "val"),
            lambda: plain.event_file(file.read_bytes(), "avreplay.annotations/1")[0],
        ),
        "truth.json",
    )


def llp(folder: Path, draw: Draw) -> Case:
    from avreplay.evaluate.datasets.llp import ALIASES, LABELS

    split = draw(st.sampled_from(["test", "val"]))
    name = draw(st.sampled_from([f"AVVP_{split}_pd.csv", "AVVP_eval_audio.csv", "AVVP_eval_visual.csv"]))
    mutate_table(folder / "llp" / name, draw, "\t")
    return Case(
        [evaluate(folder / "llp.json", "llp", folder / "llp", split)],
        compare(
            lambda: _truth("llp", folder / "llp", split), lambda: plain.llp(folder / "llp", split, ALIASES, LABELS)
        ),
        "llp",  # a file, or the folder where no video is left that was predicted
    )


def ave(folder: Path, draw: Draw) -> Case:
    from avreplay.evaluate.datasets.ave import ALIASES, LABELS

    name, split = draw(st.sampled_from([("test_AVE.json", "test"), ("valSet.txt", "val")]))
    file = folder / "ave" / name
    if name.endswith("json"):
        mutate_json(file, draw)
    else:
        mutate_table(file, draw, "&")
    return Case(
        [evaluate(folder / "ave.json", "ave", folder / "ave", split)],
        compare(
            lambda: _truth("ave", folder / "ave", split),
            lambda: plain.ave(file.read_bytes(), name.endswith("json"), ALIASES, LABELS),
        ),
        "ave",
    )


def ovave(folder: Path, draw: Draw) -> Case:
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
        mutate_json(file, draw)
    else:
        file = place / ("ovavebench.csv" if place.name == "ov" else "ovave_dataset_meta.csv")
        mutate_table(file, draw, ",")
    path = place / "labels.json" if place.name == "authors" else place
    return Case(
        [evaluate(folder / "ov.json", "ovavebench", path, "test")],
        compare(lambda: _truth("ovavebench", path, "test"), lambda: plain.ovave(place, LABELS)),
        place.name,
    )
