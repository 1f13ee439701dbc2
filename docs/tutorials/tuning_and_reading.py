"""
Tuning, and reading the result
==============================

Searches for a good setting on some videos and checks it on others. The lesson: the best value found is a promise, what
other videos say is the result.
"""

# %%
# Two splits
# ----------
# Validation videos to search on and test videos to report on, all generated, each extracted once.

import tempfile
from pathlib import Path

from avreplay.extract.demo.run import extract_demo

work = Path(tempfile.mkdtemp(prefix="avreplay-"))
val = extract_demo(work / "val", videos=16, split="val")
test = extract_demo(work / "test", videos=16, split="test")

# %%
# A search
# --------
# Start: LanguageBind's parameters, which do not fit the demo encoder. 512 settings in the box of the paper's five
# parameters, replayed from the caches: half of them spread evenly, half stepping from the best so far.
#
# *Sharp* is the best setting tried, *recommended* the one that also holds up when its values change a little.

import avreplay

found = avreplay.tune(
    str(val.store),
    avreplay.TuneSettings(
        dataset="json",
        annotations=str(val.annotations),
        preset="languagebind",
        settings=("audio_scores=segment",),
        trials=512,
        report_store=str(test.store),
        report_annotations=str(test.annotations),
        out=str(work / "tuned"),
    ),
)
start, sharp, recommended = found.start.as_dict(), found.found.best.as_dict(), found.recommended.as_dict()
print(f"{'':6s} {'start':>11s} {'sharp':>11s} {'recommended':>11s}")
for name in found.names:
    print(f"{name:6s} {start[name]:11.3f} {sharp[name]:11.3f} {recommended[name]:11.3f}")
print(f"objective of {found.found.done} settings on the videos that were searched, ceiling {found.ceiling:.1f}:")
print(f"{'':6s} {found.start_value:11.1f} {found.found.best_value:11.1f} {found.recommended_value:11.1f}")

# %%
# On other videos
# ---------------
# ``report`` compares the start and the recommended setting on the test split, with paired bootstrap
# intervals over videos.

for name, difference in found.report.differences.items():
    print(f"{name:15s} {difference.figure:+6.1f}  [{difference.low:+.1f}, {difference.high:+.1f}]")

# %%
# Reading it
# ----------
# The objective above is in-sample: *sharp* is the largest of 512 values on the videos that were searched. The table of
# differences is of other videos.
# The ceiling takes another setting for each video, and no single setting can reach it.
#
# How far does the objective depend on each parameter? ``trials.csv`` has every setting that was tried: the best
# objective in each third of a parameter's range.

import csv

with open(work / "tuned" / "trials.csv", newline="") as file:
    trials = list(csv.DictReader(file))
for name in ("alpha", "tau0", "tau_f", "tau_r", "decay"):
    ranked = sorted(trials, key=lambda row: float(row[name]))
    thirds = [ranked[i * len(ranked) // 3 : (i + 1) * len(ranked) // 3] for i in range(3)]
    print(f"{name:6s}", *(f"{max(float(row['objective']) for row in third):5.1f}" for third in thirds))

# %%
# Where the three numbers are alike, the parameter hardly matters or others can make up for it; where they differ, it
# matters.
# ``search.html`` in the same folder draws this for each parameter and each pair.
#
# The recommended setting is a file for ``avreplay replay --params``:

print((work / "tuned" / "best.toml").read_text())
