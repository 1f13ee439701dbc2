"""The golden vectors of the released AV²A code (numbers only, made on synthetic scores), as bundles and runs.

They are committed in ``tests/data/av2a``. Set ``AVREPLAY_GOLDEN`` to a folder of the same format to check another set.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.params.av2a import Params

FOLDER = Path(os.environ.get("AVREPLAY_GOLDEN", Path(__file__).parent / "data" / "av2a"))
TRACK_OF_CODE = {0: 2, 1: 1, 2: 0}  # combined, video, audio -> index in TRACKS
METHODS = {
    "naive": "naive",
    "bbse": "label_shift",
    "cosine": "cosine",
    "bbse-cosine": "label_shift_cosine",
}


@cache
def load(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


@cache
def meta() -> dict:
    return json.loads((FOLDER / "meta.json").read_text())


@cache
def bundle(dataset: str, backbone: str) -> ScoreBundle:
    raw = load(f"inputs_{dataset.lower()}")
    windows = raw["win_index"].astype(np.int64)
    v, t, c = raw[f"img_{backbone}"].shape
    visual_clip, window_visual = (
        (raw["vid_lb"][:, None], raw["vidwin_lb"][:, :, None])
        if backbone == "lb"
        else (raw["frames_cc"][:, raw["cc_whole_frames"]], raw["frames_cc"][:, raw["cc_win_frames"]])
    )
    return ScoreBundle.create(
        video_ids=meta()["video_ids"][dataset],
        labels=meta()["labels"][dataset],
        segments_per_video=np.full(v, t),
        visual_segments=raw[f"img_{backbone}"].reshape(v * t, c),
        visual_features=raw[f"feat_{backbone}"].reshape(v * t, -1),
        audio_clip=raw[f"aud_{backbone}"],
        visual_clip=visual_clip,
        window_video=np.repeat(np.arange(v), len(windows)),
        window_start=np.tile(windows[:, 0], v),
        window_end=np.tile(windows[:, 1], v),
        window_audio=raw[f"audwin_{backbone}"].reshape(-1, c),
        window_visual=window_visual.reshape(v * len(windows), -1, c),
    )


def params(config: dict) -> Params:
    return Params(
        alpha=config["alpha"],
        tau0=config["t1"],
        tau_f=config["filter"],
        tau_r=config["t2"],
        decay=config["gamma"],
        method=METHODS[config["method"]],
        fusion="late" if config["fusion"] == "late" else "score",
        select_classes=not config["no_filter"],
        refine=not config["no_refine"],
        refine_rule="argmax" if config["dataset"] == "AVE" else "threshold",
    )


def rows_by_run(name: str) -> dict[tuple[int, int, int], np.ndarray]:
    """Rows of ``final_rows``, ``pre_rows`` or ``refine_rows`` by (config, video, track of this package), in order."""
    rows = load("golden")[name]
    out: dict[tuple[int, int, int], list[np.ndarray]] = {}
    for row in rows[np.lexsort((rows[:, 6],))]:
        out.setdefault((int(row[0]), int(row[1]), TRACK_OF_CODE[int(row[2])]), []).append(row)
    return {k: np.array(v) for k, v in out.items()}
