"""Small annotation files in the published forms of UnAV-100, AVE-PM, VGGSound-AVEL, DESED and AudioSet-Strong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

UNAV = {
    "version": "unav100",
    "database": {
        "72f67ednp7w": {
            "duration": 47.68,
            "annotations": [
                {"segment": [13.01, 15.78316], "label": "skateboarding", "label_id": 2},
                {"segment": [21.01, 37.7377], "label": "skateboarding", "label_id": 2},
            ],
            "subset": "train",
        },
        "-8WSesSOfBrE": {
            "duration": 39,
            "annotations": [
                {"segment": [0, 39], "label": "sailing", "label_id": 1},
                {"segment": [12.6, 12.9], "label": "man speaking", "label_id": 0},
                {"segment": [0, 39], "label": "sailing", "label_id": 1},
            ],
            "subset": "test",
        },
        "_Rjmgv0O_p0": {"duration": 46.2, "annotations": [], "subset": "test"},
        "only speech": {
            "duration": 12.5,
            "annotations": [{"segment": [3.5, 12.4], "label": "man speaking", "label_id": 0}],
            "subset": "test",
        },
        "TOEwQXeyNe8": {
            "duration": 44,
            "annotations": [{"segment": [3.179, 32.73497], "label": "sailing", "label_id": 1}],
            "subset": "validation",
        },
    },
}


def unav(folder: Path) -> Path:
    file = folder / "unav100_annotations.json"
    file.write_text(json.dumps(UNAV))
    return file


def _table(file: Path, separator: str, rows: str) -> Path:
    lines = [separator.join(row.strip().split("|")) for row in rows.strip().splitlines()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def ave_pm(folder: Path) -> Path:
    rows = "sample_id|onset|offset|label\n3|1.98|8.98|22\n8|0.0|10.0|13\n28|4.19|10.0|freeskating\n3|9.2|9.9|22"
    return _table(folder / "test.csv", ",", rows)


def vggsound_avel(folder: Path) -> Path:
    ids = ("--0PQM4-hqg_30_40", "-0kb_1", "abc", "x y")
    rows = ["category|video_id|split"]
    rows += [f"{c}|{v}|{s}" for c, v, s in zip(("goose", "dog", "goose", "dog"), ids, ("test", "test", "train", "val"))]  # noqa: B905
    marks = {v: {"label": [int(t in on) for t in range(10)]} for v, on in zip(ids, (range(10), (0, 1, 5), (3,), ()))}  # noqa: B905
    (folder / "vggsound-avel100k_annos.json").write_text(json.dumps(marks))
    return _table(folder / "vggsound-avel100k.csv", ",", "\n".join(rows))


def desed(folder: Path) -> Path:
    rows = """filename|onset|offset|event_label
        Y00pbt6aJV8Y_350.000_360.000.wav|0.000|9.971|Vacuum_cleaner
        Y0eh_N-cmcuI_350.000_360.000.wav|0.467|0.717|Alarm_bell_ringing
        Y0eh_N-cmcuI_350.000_360.000.wav|5.418|5.863|Speech
        Y0eh_N-cmcuI_350.000_360.000.wav|7.790|10.000|Speech
        silent.flac|||"""
    return _table(folder / "validation.tsv", "\t", rows)


def audioset_strong(folder: Path) -> Path:
    names = "/m/09x0r|Speech\n/m/05zppz|Male speech, man speaking\n/t/dd00125|Speech"
    _table(folder / "mid_to_display_name.tsv", "\t", names)
    rows = """segment_id|start_time_seconds|end_time_seconds|label
        b0RFKhbpFJA_30000|0.000|10.000|/m/09x0r
        b0RFKhbpFJA_30000|4.753|5.720|/m/05zppz
        s9d-2nhuJCQ_30000|2.627|7.237|/t/dd00125"""
    return _table(folder / "audioset_eval_strong.tsv", "\t", rows)


def strong_tsv(folder: Path) -> Path:
    rows = """filename|onset|offset|event_label
        a.wav|0.5|3.25|door knock
        a.wav|4.0|9.5|Speech
        b.wav|0.0|10.0|speech"""
    return _table(folder / "test.tsv", "\t", rows)


FORMS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "unav": (unav, "test"),
    "avepm": (ave_pm, "test"),
    "vggsound_avel": (vggsound_avel, "test"),
    "desed": (desed, "validation"),
    "audioset_strong": (audioset_strong, "eval"),
    "strong_tsv": (strong_tsv, "test"),
}
"""By dataset: what writes its files, and the split that they are of."""
