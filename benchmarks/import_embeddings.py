"""The import of embeddings from one ``.npy`` a video and modality: time, bytes read and written, memory.

Writes JSON with the machine and the versions: ``python benchmarks/import_embeddings.py --videos 10000 --out FILE``. The
files are made first, in a folder that is removed afterwards; they lie in the page cache when they are read.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from result_file import write_result

MAPPING = """
[embeddings]
[embeddings.audio]
path = "audio/{id}.npy"
[embeddings.visual]
path = "visual/{id}.npy"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where the files and the store are made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(Path(folder), options.videos, options.segments, options.width)
    write_result(result, options.out)


def measure(folder: Path, videos: int, segments: int, width: int) -> dict:
    rng = np.random.default_rng(0)
    for modality in ("audio", "visual"):
        (folder / "files" / modality).mkdir(parents=True)
        for i in range(videos):
            rows = rng.random((segments, width), np.float32)
            np.save(folder / "files" / modality / f"video{i:05}.npy", rows)
    (folder / "mapping.toml").write_text(MAPPING)
    command = [sys.executable, "-m", "avreplay", "import", "files", "store", "--mapping", "mapping.toml"]
    seconds = []
    for _ in range(2):  # the second finds everything there
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        seconds.append(round(time.perf_counter() - began, 2))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "videos": videos,
        "segments": segments,
        "width": width,
        "seconds": seconds[0],
        "seconds_again": seconds[1],
        "processor_seconds_of_both": round(usage.ru_utime + usage.ru_stime, 2),
        "mb_read": _megabytes(folder / "files"),
        "mb_written": _megabytes(folder / "store"),
        "peak_mb": round(usage.ru_maxrss / 1000),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


def _megabytes(folder: Path) -> float:
    return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1)


if __name__ == "__main__":
    main()
