"""``python -m fuzz --count 10000``: run mutants of every kind and count what goes wrong; exit 1 if anything does."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .run import KINDS, run_target
from .seeds import write_seeds
from .targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for the mutants that went wrong")
    arguments = parser.parse_args()
    chosen = [TARGETS[name] for name in arguments.targets.split(",")]
    shutil.rmtree(arguments.keep, ignore_errors=True)
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="avreplay-fuzz-") as temporary:
        seeds = Path(temporary, "seeds")
        write_seeds(seeds)
        print(
            f"{'input':<14}{'mutants':>8}{'exit 0':>8}{'refused':>8}  "
            + "".join(f"{k:>10}" for k in KINDS)
            + "  seconds"
        )
        for target in chosen:
            share = round(arguments.count * target.weight / sum(t.weight for t in chosen))
            began = time.monotonic()
            counts, faults = run_target(target, share, arguments.seed, seeds, arguments.keep)
            total += counts
            cells = "".join(f"{counts[kind]:>10}" for kind in KINDS)
            print(f"{target.name:<14}{counts['mutants']:>8}{counts['exit 0']:>8}{counts['refused']:>8}  {cells}"
                  f"{time.monotonic() - began:>9.0f}", flush=True)  # fmt: skip
            for kind, detail in faults:
                print(f"    {kind}: {json.dumps(detail, ensure_ascii=True)[:600]}")
    print(f"{'all':<14}{total['mutants']:>8}{total['exit 0']:>8}{total['refused']:>8}  "
          + "".join(f"{total[kind]:>10}" for kind in KINDS))  # fmt: skip
    return 1 if any(total[kind] for kind in KINDS) else 0


if __name__ == "__main__":
    sys.exit(main())
