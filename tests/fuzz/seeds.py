"""Valid inputs of every kind, small, made the same way each time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from avreplay.cache import import_bundle, open_store, write_score_set
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.evaluate.datasets.ave import LABELS as AVE_LABELS
from avreplay.evaluate.datasets.llp import LABELS as LLP_LABELS
from avreplay.evaluate.datasets.ovavebench import LABELS as OVAVE_LABELS
from made_store import write_store
from media_maker import write_media
from ovavebench_made import Sizes, made_targets, write_made_store

LABELS = ["dog barking", "cat", "bell"]
IDS = [f"v{i}" for i in range(6)]
PARAMS = {"preset": "languagebind", "alpha": 0.4, "tau0": 0.6, "method": "label_shift", "refine": True}


def run(*arguments: object) -> None:
    """A command that must succeed."""
    with redirect_stdout(io.StringIO()):
        main([str(a) for a in arguments], standalone_mode=False, prog_name="avreplay")


def write_seeds(folder: Path) -> None:
    """Fill a folder; every name in :mod:`.targets` is relative to it."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    _predictions(folder)
    _annotations(folder)
    _answers(folder)
    _scores(folder, rng)
    _stores(folder)
    _checkpoint(folder)
    _clips(folder / "clips")
    for name, extra in (("tuned", ()), ("study", ("--sampler", "tpe", "--batch", "8"))):
        run(*tune_arguments(folder, name), *extra)
    for name in ("tuned", "study"):
        shutil.copy(folder / name / "best.toml", folder / f"{name}.best")
    for name in ("tuned", "study"):  # as it is while a search runs
        for file in (folder / name).iterdir():
            if file.name not in ("search.json", "trials.csv", "study.log"):
                file.unlink()


def tune_arguments(folder: Path, name: str) -> list[str]:
    """The search whose folder is mutated."""
    return [
        "tune", str(folder / "scores.store"), "--dataset", "json", "--annotations", str(folder / "truth.json"),
        "--split", "val", "--report-split", "", "--trials", "24", "--videos", "0", "--resamples", "10",
        "--out", str(folder / name), "--threads", "1", "--search", "tau0=0.3:0.9",
    ]  # fmt: skip


def _event(label: str, onset: int, offset: int, score: float | None) -> dict[str, Any]:
    return {"label": label, "onset": onset, "offset": offset, "score": score}


def _document(labels: list[str], ids: list[str], segments: int = 10) -> dict[str, Any]:
    videos = {}
    for k, video in enumerate(ids):
        one, two = labels[k % len(labels)], labels[(k + 1) % len(labels)]
        videos[video] = {
            "segments": segments,
            "audio": [_event(one, 0, 3, 0.5 + k / 100), _event(two, 2, segments, None)],
            "visual": [_event(one, 1, 4, None)],
            "audio_visual": [_event(one, 1, 3, 0.25)] if k else [],
        }
    return {
        "schema": "avreplay.predictions/1",
        "labels": labels,
        "params": {"decoder": "av2a", "alpha": 0.5},
        "videos": videos,
    }


def _predictions(folder: Path) -> None:
    for name, labels, ids in (
        ("p.json", LABELS, IDS),
        ("llp.json", list(LLP_LABELS), [f"id{k:09d}_{k}_{k + 10}" for k in range(5)]),
        ("ave.json", list(AVE_LABELS), [f"ave{k:08d}" for k in range(5)]),
        ("ov.json", list(OVAVE_LABELS), [f"ov_{k}" for k in range(5)]),
    ):
        (folder / name).write_text(json.dumps(_document(labels, ids)))
    (folder / "aliases.json").write_text(json.dumps({"aliases": {"dog": "dog barking", "kitten": "cat"}}))
    (folder / "aliases.toml").write_text('[aliases]\ndog = "dog barking"\nkitten = "cat"\n')
    (folder / "params.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in PARAMS.items()))
    (folder / "labels.txt").write_text("dog\ncat\nringing bell\n")


def _annotations(folder: Path) -> None:
    truth = _document(LABELS, IDS)
    truth["schema"] = "avreplay.annotations/1"
    del truth["params"]
    truth["split"] = "val"
    for video in truth["videos"].values():
        for track in ("audio", "visual", "audio_visual"):
            for event in video[track]:
                del event["score"]
    (folder / "truth.json").write_text(json.dumps(truth))
    llp, ave = folder / "llp", folder / "ave"
    llp.mkdir()
    ids = list(json.loads((folder / "llp.json").read_text())["videos"])
    for split in ("test", "val"):
        _tsv(llp / f"AVVP_{split}_pd.csv", [["filename", "event_labels"], *([v, "Dog,Speech"] for v in ids)])
    for track in ("audio", "visual"):
        rows = [[v, "0", str(3 + k), "Dog"] for k, v in enumerate(ids)] + [[v, "5", "10", "Speech"] for v in ids]
        _tsv(llp / f"AVVP_eval_{track}.csv", [["filename", "onset", "offset", "event_labels"], *rows])
    ave.mkdir()
    ids = list(json.loads((folder / "ave.json").read_text())["videos"])
    events = {v: [{"class": AVE_LABELS[k], "start": k, "end": k + 4}] for k, v in enumerate(ids)}
    (ave / "test_AVE.json").write_text(json.dumps(events))
    rows = [f"{AVE_LABELS[k]}&{v}&good&{k}&{k + 4}" for k, v in enumerate(ids)]
    (ave / "valSet.txt").write_text("\n".join(rows) + "\n")
    _ovave(folder)


def _ovave(folder: Path) -> None:
    ids = list(json.loads((folder / "ov.json").read_text())["videos"])
    for name in ("ov", "authors"):
        (folder / name).mkdir()
    marks = [("1" * (k + 1)).ljust(10, "0") for k in range(len(ids))]
    classes = [OVAVE_LABELS[3 * k] for k in range(len(ids))]
    compact = ["split,category,group,video_id,label"]
    compact += [
        f"test,{c},{'seen' if k % 2 else 'unseen'},{v},{m}"
        for k, (c, v, m) in enumerate(zip(classes, ids, marks, strict=True))
    ]
    text = "\n".join(compact) + "\n"
    (folder / "ov" / "ovavebench.csv").write_text(text)
    (folder / "ovz").mkdir()
    (folder / "ovz" / "ovavebench.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    meta = ["split,cls_name,cls_type,vid_name"]
    meta += [f"test,{c},{'close' if k % 2 else 'open'},{v}" for k, (c, v) in enumerate(zip(classes, ids, strict=True))]
    (folder / "authors" / "ovave_dataset_meta.csv").write_text("\n".join(meta) + "\n")
    labelled = {
        v: {"category": c, "label": str([int(x) for x in m])} for c, v, m in zip(classes, ids, marks, strict=True)
    }
    (folder / "authors" / "labels.json").write_text(json.dumps(labelled))


def _tsv(file: Path, rows: list[list[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, delimiter="\t", lineterminator="\n").writerows(rows)


def _answers(folder: Path) -> None:
    def answer(k: int) -> str:
        return f"ave: {[int(t < k) for t in range(10)]}\nclass: {OVAVE_LABELS[k]}"

    answers = {f"ov_{k}": answer(k) for k in range(5)}
    (folder / "answers.json").write_text(json.dumps(answers))
    lines = [json.dumps({"video": v, "text": t}) for v, t in answers.items()]
    (folder / "answers.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "answers").mkdir()
    for video, text in answers.items():
        (folder / "answers" / f"{video}.txt").write_text(text)


def bundle_arrays() -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of the bundle that is mutated."""
    rng = np.random.default_rng(7)
    n, c, per = len(IDS), len(LABELS), np.full(len(IDS), 10)
    s = int(per.sum())
    start = np.tile(np.arange(0, 8, 4), n)
    arrays: dict[str, Any] = {
        "video_ids": np.array(IDS), "labels": np.array(LABELS), "segments_per_video": per,
        "visual_segments": rng.normal(size=(s, c)), "audio_segments": rng.normal(size=(s, c)),
        "visual_features": rng.normal(size=(s, 4)), "audio_clip": rng.normal(size=(n, c)),
        "visual_clip": rng.normal(size=(n, 2, c)), "window_audio": rng.normal(size=(2 * n, c)),
        "window_visual": rng.normal(size=(2 * n, 2, c)),
    }  # fmt: skip
    floats = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in arrays.items()}
    windows = {"window_video": np.repeat(np.arange(n), 2), "window_start": start, "window_end": start + 4}
    return {**floats, **windows, "kind": np.array("similarity"), "segment_seconds": np.array(1.0),
            "has_audio": np.ones(n, bool), "has_visual": np.ones(n, bool)}  # fmt: skip


def score_arrays() -> dict[str, np.ndarray[Any, Any]]:
    """Probabilities as a model of somebody else stores them."""
    rng = np.random.default_rng(8)
    n, c = len(IDS), len(LABELS)
    return {
        "ids": np.array(IDS), "names": np.array(LABELS),
        "frame_prob": rng.random((n, 10, 2, c)).astype(np.float32), "a_prob": rng.random((n, c)).astype(np.float32),
    }  # fmt: skip


MAPPING = {
    "segment_seconds": 1.0,
    "ids": {"array": "ids", "rename": {"v1": "v1"}},
    "labels": {"array": "names"},
    "arrays": {
        "audio_segments": {"name": "frame_prob", "axes": "NTMC", "pick": {"M": 0}},
        "visual_segments": {"name": "frame_prob", "axes": "NTMC", "pick": {"M": 1}},
        "audio_clip": "a_prob",
    },
}
CSV_MAPPING = {"arrays": {"audio_segments": "audio", "visual_segments": "visual"}, "labels": {"names": LABELS}}


def csv_rows() -> list[list[str]]:
    """Scores of every segment and label as a table."""
    rng = np.random.default_rng(9)
    rows = [["video_id", "segment", "label", "audio", "visual"]]
    for video in IDS[:3]:
        for t in range(3):
            rows += [[video, str(t), label, f"{rng.random():.4f}", f"{rng.random():.4f}"] for label in LABELS]
    return rows


def hdf5_bytes(file: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """Arrays as an HDF5 file."""
    with h5py.File(file, "w", track_order=False) as opened:
        for name, array in arrays.items():
            text = array.dtype.kind == "U"
            opened.create_dataset(name, data=array.astype(object) if text else array,
                                  dtype=h5py.string_dtype() if text else None)  # fmt: skip
    return file.read_bytes()


def _scores(folder: Path, rng: np.random.Generator) -> None:
    from .mutants import toml_text

    np.savez(folder / "bundle.npz", **bundle_arrays())
    np.savez(folder / "scores.npz", **score_arrays())
    hdf5_bytes(folder / "scores.h5", score_arrays())
    (folder / "scores.csv").write_text("\n".join(map(",".join, csv_rows())) + "\n")
    (folder / "mapping.toml").write_bytes(toml_text(MAPPING))
    (folder / "csv.toml").write_bytes(toml_text(CSV_MAPPING))


def _stores(folder: Path) -> None:
    arrays = bundle_arrays()
    import_bundle(ScoreBundle.create(**{k: v for k, v in arrays.items() if k not in ("kind", "segment_seconds")}),
                  folder / "scores.store", {"source": "made"})  # fmt: skip
    write_store(str(folder / "store"), count=10, shard_videos=5)
    scores = open_store(folder / "store").bundle()
    write_score_set(folder / "store", "tuned", scores.select_labels([0, 2]), {"epochs": 2})
    run("replay", folder / "scores.store", "--out", folder / "replayed.json", "--trace", folder / "trace.npz")
    shutil.copy(folder / "truth.json", folder / "report_truth.json")


def apply_arguments(folder: Path, checkpoint: Path) -> list[str]:
    """The command that reads a checkpoint."""
    given = checkpoint.parent if checkpoint.name == "best.safetensors" else checkpoint
    return ["finetune", str(folder / "finetune.store"), "--apply", str(given), "--name", "x", "--device", "cpu"]


def _checkpoint(folder: Path) -> None:
    """A store of embeddings, and the checkpoint of a training on it."""
    from avreplay.extract.finetune.config import FinetuneConfig
    from avreplay.extract.finetune.run import finetune_store

    sizes = Sizes(share=0.005, seen=4, unseen=2, dim=16, signal=0.5, quiet=0.5)
    targets = made_targets(sizes)
    write_made_store(str(folder / "finetune.store"), targets, sizes)
    config = FinetuneConfig(hidden=8, feedforward=8, epochs=1)
    finetune_store(folder / "finetune.store", targets, config, checkpoint=folder / "checkpoint")


def _clips(folder: Path) -> None:
    folder.mkdir()
    write_media(folder / "a.mp4", channels=2, seconds=2)
    write_media(folder / "b.mkv", channels=1, seconds=2, codec="mpeg4")
    write_media(folder / "c.mov", channels=1, seconds=2, faststart=True)
    write_media(folder / "d.avi", channels=2, seconds=2, codec="mpeg4", audio_codec="pcm_s16le")
    write_media(folder / "e.webm", seconds=2, codec="libvpx")
