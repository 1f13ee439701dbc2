"""Reading the embeddings of a whole store beside ``np.load`` of the same values in one file, in one run.

Prints JSON: ``python benchmarks/bulk_read.py --videos 5120 --out FILE``. Both are read from the page cache, in turn;
the best of several times each. ``opened`` is a store whose shards are known, ``opening`` what it takes to know them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, open_store
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from result_file import write_result

SEGMENTS, WIDTH = 10, 768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--videos", type=int, default=5120)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where the files are made")
    options = parser.parse_args()
    result: dict[str, object] = {"videos": options.videos, "segments": SEGMENTS, "width": WIDTH}
    for dtype in ("float16", "float32"):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            result[dtype] = measured(folder, dtype, options.videos, options.repeats)
    write_result({**result, "machine": describe_machine(), "versions": describe_versions()}, options.out)


def measured(folder: str, dtype: str, videos: int, repeats: int) -> dict[str, float]:
    """Microseconds a video."""
    url, file = f"{folder}/made.store", f"{folder}/all.npy"
    make(url, dtype, videos)
    store = open_store(url)
    np.save(file, store.segment_embeddings("visual")[1])
    ways: dict[str, Callable[[], object]] = {
        "np_load": lambda: np.load(file),
        "opened": lambda: store.segment_embeddings("visual"),
        "opening": lambda: open_store(url).committed,
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - began)
    found = {name: round(seconds / videos * 1e6, 2) for name, seconds in best.items()}
    return {**found, "opened_to_np_load": round(best["opened"] / best["np_load"], 2)}


def make(url: str, dtype: str, videos: int) -> None:
    rng = np.random.default_rng(0)
    config = {"backbone": {"name": "made"}, "dtype": dtype, "segment_seconds": 1.0,
              "dims": {"audio": 1, "visual": WIDTH, "visual_rows": 1}}  # fmt: skip
    with StoreWriter.open(url, config, [f"video_{i:07}" for i in range(videos)]) as writer:
        for index, ids in writer.pending():
            rows = rng.normal(size=(SEGMENTS, WIDTH))
            embeddings = VideoEmbeddings(
                np.zeros((0, 2), np.int64), np.zeros((SEGMENTS, 1)), np.zeros(1), np.zeros((0, 1)), rows, rows[:1],
                np.zeros((0, 1, WIDTH)),
            )  # fmt: skip
            writer.write_shard(index, [(VideoRecord(id, "ok", "", SEGMENTS, 10.0), embeddings) for id in ids])
        writer.finish()


if __name__ == "__main__":
    main()
