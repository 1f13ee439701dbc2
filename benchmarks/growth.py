"""How time and memory of what goes through a whole store grow with its videos: made stores of N and 4 N videos.

Prints JSON, for each operation the seconds, the peak of the resident memory of its process in MB, and the exponent of
the seconds: ``python benchmarks/growth.py --videos 2500 --out FILE``. Scores go in blocks of ``--memory`` bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from avreplay.cache import (
    ScoreBlocks,
    StoreWriter,
    VideoEmbeddings,
    VideoRecord,
    Vocabulary,
    check_store,
    import_file,
    open_store,
    store_info,
)
from avreplay.cache.layout.location import Location
from avreplay.cache.write_rows import write_rows
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from result_file import write_result

SEGMENTS, LABELS, WIDTH = 10, 67, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--videos", type=int, default=2500)
    parser.add_argument("--memory", type=int, default=64 << 20)
    parser.add_argument("--folder", type=Path, help="where the stores are made")
    parser.add_argument("--child", nargs=2, metavar=("OPERATION", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        OPERATIONS[options.child[0]](options.child[1], options.memory)
        return
    found: dict[str, Any] = {}
    for videos in (options.videos, 4 * options.videos):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            url = f"{folder}/made.store"
            for name in OPERATIONS:
                found.setdefault(name, {})[str(videos)] = measured(name, url, videos, options.memory)
    for sizes in found.values():
        small, large = sizes.values()
        sizes["exponent"] = round(math.log(large["seconds"] / small["seconds"], 4), 2)
    about = {"segments": SEGMENTS, "labels": LABELS, "memory": options.memory}
    write_result({**about, **found, "machine": describe_machine(), "versions": describe_versions()}, options.out)


def measured(operation: str, url: str, videos: int, memory: int) -> dict[str, float]:
    """Seconds and peak memory of an operation in a process of its own."""
    command = [sys.executable, __file__, "--memory", str(memory), "--child", operation, url]
    began = time.perf_counter()
    child = subprocess.Popen(command, env={**os.environ, "GROWTH_VIDEOS": str(videos)})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"{operation} has failed")
    return {"seconds": round(time.perf_counter() - began, 2), "peak_mb": round(usage.ru_maxrss / 1000)}


# --- operations: each leaves what the next one reads ------------------------------------------------------------


def write_shards(url: str, memory: int) -> None:
    """Shards of made-up embeddings with all windows; the same 256 videos again and again under other names."""
    rng = np.random.default_rng(0)
    windows = np.array([(a, b) for a in range(SEGMENTS) for b in range(a + 1, SEGMENTS + 1)])
    shapes = {"segments": (SEGMENTS, WIDTH), "clip": (WIDTH,), "window": (len(windows), WIDTH)}

    def rows(of: str, visual: bool) -> np.ndarray:
        found = rng.normal(size=shapes[of]).astype(np.float32)
        return found[..., None, :] if visual and of != "segments" else found

    def video() -> VideoEmbeddings:
        audio, visual = ([rows(of, visual) for of in ("segments", "clip", "window")] for visual in (False, True))
        return VideoEmbeddings(windows, *audio, *visual)

    made = [video() for _ in range(256)]
    config = {"backbone": {"name": "made"}, "dtype": "float16", "segment_seconds": 1.0,
              "dims": {"audio": WIDTH, "visual": WIDTH, "visual_rows": 1}}  # fmt: skip
    ids = [f"video_{i:08}" for i in range(int(os.environ["GROWTH_VIDEOS"]))]
    with StoreWriter.open(url, config, ids) as writer:
        for index, own in writer.pending():
            records = [VideoRecord(id, "ok", "", SEGMENTS, float(SEGMENTS)) for id in own]
            writer.write_shard(index, list(zip(records, made, strict=False)))
        labels = tuple(f"label {i}" for i in range(LABELS))
        text = rng.normal(size=(LABELS, WIDTH)).astype(np.float32)
        writer.set_vocabulary(Vocabulary(labels, labels, labels, text, text))


def write_scores(url: str, memory: int) -> None:
    """The scores of all shards, as at the end of an extraction or of embed-text."""
    store = open_store(url)
    group = f"vocabularies/{store.vocabulary_id}/scores"
    write_rows(Location(url), group, store.computed_rows(), {"shards": store.shard_digest()}, memory=memory)
    with StoreWriter.open(url, store.config, [id for ids in store.plan for id in ids]) as writer:
        writer.finish()


def read_blocks(url: str, memory: int) -> None:
    """Every block of the stored scores."""
    for block in open_store(url).score_blocks(memory=memory):
        float(block.audio_clip.sum())


def compute_blocks(url: str, memory: int) -> None:
    """The cosines of every block, from the embeddings."""
    for block in open_store(url).score_blocks(similarity="cosine", memory=memory):
        float(block.audio_segments.sum())


def write_npz(url: str, memory: int) -> None:
    """A score bundle as a file, from memory: what the import reads."""
    from avreplay.cache import write_bundle

    write_bundle(open_store(url).bundle(), f"{url}.npz")


def import_npz(url: str, memory: int) -> None:
    """The import of that file."""
    assert isinstance(import_file(f"{url}.npz", f"{url}.imported", memory=memory), ScoreBlocks)


def verify(url: str, memory: int) -> None:
    """Every byte of the store."""
    assert not check_store(url).problems


def info(url: str, memory: int) -> None:
    """The content at a glance."""
    json.dumps(store_info(url))


OPERATIONS = {
    f.__name__: f
    for f in (write_shards, write_scores, read_blocks, compute_blocks, write_npz, import_npz, verify, info)
}

if __name__ == "__main__":
    main()
