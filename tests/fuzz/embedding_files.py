"""Mutants of embeddings: the table [embeddings] of a mapping, arrays of videos and of text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import Case, mutate_text, same
from .mutants import Draw, array_of, bytes_of, npz_of, toml_text

MAPPING: dict[str, Any] = {
    "embeddings": {
        "segments": 4,
        "lengths": "near",
        "audio": {"path": "{id}_a.npy", "normalise": "none", "per_segment": 2},
        "visual": {"path": "{id}_v.npz", "key": "x", "axes": ["segment", "crop", "width"], "pool": {"crop": "mean"}},
        "ids": {"path": "ids.txt", "rename": {"one": "uno"}},
        "text": {"audio": {"path": "text.npy"}, "labels": "labels.txt", "scale": 2.0},
    }
}


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def embeddings(folder: Path, draw: Draw) -> Case:
    files, store, mapping = folder / "embeddings", folder / "new.store", folder / "embeddings.toml"
    files.mkdir()
    rng = np.random.default_rng(0)
    arrays = {"one": rng.random((8, 6), np.float32), "two": rng.random((8, 6), np.float32)}
    for id, array in arrays.items():
        np.save(files / f"{id}_a.npy", array)
        np.savez(files / f"{id}_v.npz", x=rng.random((4, 3, 5), np.float32))
    np.save(files / "text.npy", rng.random((2, 6), np.float32))
    (files / "ids.txt").write_text("one\ntwo\n")
    (files / "labels.txt").write_text("Dog\nBell\n")
    mapping.write_bytes(toml_text(MAPPING))
    part = draw(st.sampled_from(["mapping", "mapping", "npy", "npz", "text"]))
    if part == "mapping":
        mutate_text(mapping, draw, MAPPING, toml_text)
    elif part == "npz":
        (files / "two_v.npz").write_bytes(draw(npz_of({"x": rng.random((4, 3, 5), np.float32)})))
    else:
        file = files / ("two_a.npy" if part == "npy" else "text.npy")
        whole = np.load(file)
        changed = bytes_of(file.read_bytes()) if draw(st.booleans()) else array_of(whole).map(_npy)
        file.write_bytes(draw(changed))

    def accepted(codes: list[int], printed: str) -> str:
        from avreplay import open_store

        if not (store / "zarr.json").exists():
            return "" if codes[0] else "there is no store"
        if part == "mapping":
            return "" if codes[-1] == 0 else f"verify: {printed[-200:]}"
        found = open_store(store)
        records, rows = found.segment_embeddings("audio")
        if "uno" not in [r.id for r in records]:
            return "the video whose files are whole is not there"
        expected = arrays["one"].reshape(4, 2, 6).mean(1)
        return "" if same(expected, rows[:4]) or np.allclose(expected, rows[:4]) else "other rows than the file's"

    return Case(
        [["import", str(files), str(store), "--mapping", str(mapping)], ["verify", str(store)]],
        accepted,
    )
