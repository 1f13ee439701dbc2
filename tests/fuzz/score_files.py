"""Mutants of scores: bundles, files of other models with their mapping, traces."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import plain, seeds
from .cases import Case, always, compare, mutate_text, same
from .mutants import Draw, array_of, bytes_of, npz_of, table_of, toml_text


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


def bundle(folder: Path, draw: Draw) -> Case:
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
        return compare(lambda: _store_arrays(store), expect)(codes, printed)

    return Case([["import", str(file), str(store)], ["verify", str(store)]][: 1 + draw(st.integers(0, 1))], accepted)


def scores(folder: Path, draw: Draw) -> Case:
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
            if changed.dtype.kind == "U":  # h5py writes no text with NUL
                changed = np.array([str(x).replace("\0", "?") for x in changed.flat], "U").reshape(changed.shape)
            file.unlink()
            seeds.hdf5_bytes(file, {**arrays, name: changed})
        expect = lambda: plain.hdf5_scores(file)  # noqa: E731
    return Case([["import", str(file), str(store), "--mapping", str(mapping)]],
                compare(lambda: _store_arrays(store), expect))  # fmt: skip


def mapping(folder: Path, draw: Draw) -> Case:
    file, store = folder / "mapping.toml", folder / "new.store"
    mutate_text(file, draw, seeds.MAPPING, toml_text)

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
            return "" if same(expected["audio_segments"], found["audio_segments"]) else "other scores were read"
        return ""

    return Case([["import", str(folder / "scores.npz"), str(store), "--mapping", str(file)]], accepted)


def trace(folder: Path, draw: Draw) -> Case:
    file = folder / "trace.npz"
    with np.load(file, allow_pickle=False) as npz:
        arrays = {name: npz[name] for name in npz.files}
    file.write_bytes(draw(npz_of(arrays)))
    return Case(
        [["report", str(folder / "replayed.json"), "--dataset", "json", "--annotations", str(folder / "truth.json"),
          "--split", "val", "--trace", str(file), "--out", str(folder / "page.html"), "--max-videos", "2"]],
        always, "trace.npz",
    )  # fmt: skip
