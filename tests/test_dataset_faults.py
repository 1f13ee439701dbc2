"""Every dataset of the registry: each kind of fault in its files is one sentence with the place, each file may be
gzipped, and a file of one split is not taken for another."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.registry import DATASETS, load_annotations

pytestmark = pytest.mark.once


@dataclass(frozen=True)
class Row:
    """An annotated event as texts; of clips with ten labels the times stand for these."""

    video: str
    onset: str
    offset: str
    label: str


ROWS = (Row("a", "1", "4", "Speech"), Row("b", "2", "9", "Dog"), Row("a", "5", "7", "Dog"))


def lines(file: Path, head: Sequence[str], rows: Sequence[Sequence[str]], separator: str) -> Path:
    text = [separator.join(row) for row in ([head] if head else []) + list(rows)]
    file.write_text("\n".join(text) + "\n", encoding="utf-8")
    return file


def llp(folder: Path, rows: Sequence[Row]) -> Path:
    split = [(video, "") for video in dict.fromkeys(r.video for r in ROWS)]
    for name in ("AVVP_test_pd.csv", "AVVP_val_pd.csv"):
        lines(folder / name, ("filename", "event_labels"), split, "\t")
    head = ("filename", "onset", "offset", "event_labels")
    lines(folder / "AVVP_eval_visual.csv", head, [("a", "0", "2", "Car")], "\t")
    return lines(folder / "AVVP_eval_audio.csv", head, [(r.video, r.onset, r.offset, r.label) for r in rows], "\t")


def ave(folder: Path, rows: Sequence[Row]) -> Path:
    named = [(label(r.label, {"Speech": "bus", "Dog": "bark"}), r.video, "good", r.onset, r.offset) for r in rows]
    return lines(folder / "testSet.txt", (), named, "&")


def avepm(folder: Path, rows: Sequence[Row]) -> Path:
    named = [(r.video, r.onset, r.offset, label(r.label, {"Speech": "diving", "Dog": "4"})) for r in rows]
    return lines(folder / "test.csv", ("sample_id", "onset", "offset", "label"), named, ",")


def desed(folder: Path, rows: Sequence[Row]) -> Path:
    head = ("filename", "onset", "offset", "event_label")
    return lines(
        folder / "test.tsv", head, [(r.video and f"{r.video}.wav", r.onset, r.offset, r.label) for r in rows], "\t"
    )


def strong_tsv(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "labels.txt").write_text("Dog\nSpeech\n")
    return desed(folder, rows)


def audioset_strong(folder: Path, rows: Sequence[Row]) -> Path:
    lines(folder / "mid_to_display_name.tsv", (), [("/m/s", "Speech"), ("/m/d", "Dog")], "\t")
    named = [(r.video, r.onset, r.offset, label(r.label, {"Speech": "/m/s", "Dog": "/m/d"})) for r in rows]
    head = ("segment_id", "start_time_seconds", "end_time_seconds", "label")
    return lines(folder / "audioset_eval_strong.tsv", head, named, "\t")


def unav(folder: Path, rows: Sequence[Row]) -> Path:
    videos = ", ".join(
        f'"{v}": {{"duration": 10, "subset": "test", "annotations": ['
        + ", ".join(f'{{"segment": [{number(r.onset)}, {number(r.offset)}], "label": "{r.label}"}}'
                    for r in rows if r.video == v)
        + "]}"
        for v in dict.fromkeys(r.video for r in rows)
    )  # fmt: skip
    file = folder / "unav100_annotations.json"
    file.write_text(f'{{"database": {{{videos}}}}}')
    return file


def own(folder: Path, rows: Sequence[Row]) -> Path:
    videos = ", ".join(
        f'"{v}": {{"segments": 10, "audio": ['
        + ", ".join(f'{{"label": "{r.label}", "onset": {number(r.onset)}, "offset": {number(r.offset)}}}'
                    for r in rows if r.video == v)
        + '], "visual": []}'
        for v in dict.fromkeys(r.video for r in rows)
    )  # fmt: skip
    file = folder / "annotations.json"
    file.write_text(f'{{"schema": "avreplay.annotations/1", "labels": ["Dog", "Speech"], "videos": {{{videos}}}}}')
    return file


def ten(row: Row) -> str:
    """The labels of a clip with an event in these seconds; of times that are none the text of them."""
    if not row.onset.isdigit() or not row.offset.isdigit():
        return row.onset
    return "".join(str(int(int(row.onset) <= t < int(row.offset))) for t in range(max(10, int(row.offset))))


def vggsound_avel(folder: Path, rows: Sequence[Row]) -> Path:
    (folder / "categories.txt").write_text("Dog\nSpeech\n")
    named = [("test", r.label, r.video, ten(r)) for r in rows]
    return lines(folder / "vggsound-avel100k.csv", ("split", "category", "video_id", "label"), named, ",")


def ovavebench(folder: Path, rows: Sequence[Row]) -> Path:
    known = {"Speech": "female speech", "Dog": "dog barking"}
    named = [("test", label(r.label, known), "seen", r.video, ten(r)) for r in rows]
    return lines(folder / "ovavebench.csv", ("split", "category", "group", "video_id", "label"), named, ",")


def label(name: str, known: dict[str, str]) -> str:
    return known.get(name, name)


def number(text: str) -> str:
    return {"nan": "NaN", "inf": "Infinity"}.get(text, text) if text.strip() else "null"


@dataclass(frozen=True)
class Form:
    """How a dataset is written: what writes rows and gives the file of these, the split, and whether a video has one
    row."""

    write: Callable[[Path, Sequence[Row]], Path]
    split: str = "test"
    one_row: bool = False
    own_labels: bool = False


FORMS = {
    "llp": Form(llp),
    "ave": Form(ave),
    "ovavebench": Form(ovavebench, one_row=True),
    "json": Form(own),
    "unav": Form(unav, own_labels=True),
    "avepm": Form(avepm),
    "vggsound_avel": Form(vggsound_avel, one_row=True),
    "desed": Form(desed),
    "audioset_strong": Form(audioset_strong, "eval"),
    "strong_tsv": Form(strong_tsv),
}
FAULTS: dict[str, Callable[[Row], Row]] = {
    "duplicated": lambda r: r,
    "unknown label": lambda r: replace(r, label="no such label"),
    "no label": lambda r: replace(r, label=""),
    "ends before it begins": lambda r: replace(r, onset="6", offset="2"),
    "nan": lambda r: replace(r, onset="nan"),
    "infinite": lambda r: replace(r, offset="inf", onset="inf"),
    "beyond the clip": lambda r: replace(r, offset="25"),
    "before the clip": lambda r: replace(r, onset="-1"),
    "no time": lambda r: replace(r, onset="", offset=""),
    "words for times": lambda r: replace(r, onset="soon", offset="late"),
    "no video": lambda r: replace(r, video=""),
}


def rows_of(form: Form) -> list[Row]:
    return [r for i, r in enumerate(ROWS) if not form.one_row or r.video not in {o.video for o in ROWS[:i]}]


def test_the_forms_are_those_of_the_registry():
    assert list(FORMS) == list(DATASETS)


def loaded(name: str, path: Path) -> Annotations:
    return load_annotations(name, path, FORMS[name].split)


@pytest.mark.parametrize("name", FORMS)
def test_each_file_may_be_gzipped(tmp_path, name):
    """In a folder by its name with .gz behind it, given itself under any name."""
    form = FORMS[name]
    file = form.write(tmp_path, rows_of(form))
    want = loaded(name, tmp_path)
    assert len(want.video_ids) == 2
    assert len(want.events.label) >= 2
    for place in sorted(tmp_path.iterdir()):
        place.with_name(place.name + ".gz").write_bytes(gzip.compress(place.read_bytes()))
        place.unlink()
        if place != file:
            assert same(loaded(name, tmp_path), want), place
    packed = file.with_name(file.name + ".gz")
    assert same(loaded(name, tmp_path), want)
    assert same(loaded(name, packed), want)
    file.write_bytes(packed.read_bytes())
    packed.unlink()
    assert same(loaded(name, file), want)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=rf"{file.name} is cut short; pack it again"):
        loaded(name, file)


def same(a: Annotations, b: Annotations) -> bool:
    return (a.video_ids, a.labels, a.group) == (b.video_ids, b.labels, b.group) and all(
        np.array_equal(getattr(a.events, x), getattr(b.events, x)) for x in ("starts", "label", "onset", "offset")
    )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", FORMS)
def test_a_fault_is_one_sentence_with_its_place(tmp_path, name, fault):
    """Refused, or noted with its place; a duplicate may also change nothing."""
    form = FORMS[name]
    rows = rows_of(form)
    form.write(tmp_path, rows)
    want = loaded(name, tmp_path)
    wrong = FAULTS[fault](rows[0])
    file = form.write(tmp_path, [*rows, wrong] if fault == "duplicated" else [rows[1], wrong])
    try:
        found = loaded(name, tmp_path)
    except DataError as error:
        text = str(error)
    else:
        text = " ".join(found.notes)
        if fault == "duplicated" and not text:
            assert same(found, want)
            return
        if form.own_labels and fault == "unknown label":
            assert "no such label" in found.labels
            return
        if form.one_row and fault == "ends before it begins":  # ten zeros
            assert len(found.events.label) < len(want.events.label)
            return
        assert fault in ("duplicated", "ends before it begins", "no time"), f"{fault} is taken for data"
    assert text.isprintable()
    assert len(text) < 400
    assert str(tmp_path) in text
    if file.suffix == ".json":
        assert "NaN" in text or "Infinity" in text or repr(wrong.video)[1:-1] in text
    else:
        line = len(file.read_text().splitlines())
        assert f"{file}, line {line}" in text, text


@pytest.mark.parametrize("name", ["desed", "strong_tsv", "avepm", "audioset_strong"])
@pytest.mark.parametrize(("stem", "split", "fits"), [
    ("validation", "val", True), ("validation", "validation", True), ("my_dev_rows", "val", True),
    ("validation", "test", False), ("train", "val", False), ("my-train-rows", "test", False),
    ("audioset_eval_strong", "train", False), ("eval", "test", False), ("rows", "test", True),
    ("train_and_val", "test", True), ("retest", "train", True),
])  # fmt: skip
def test_a_file_whose_name_says_a_split_is_of_no_other(tmp_path, name, stem, split, fits):
    form = FORMS[name]
    if name == "avepm" and split == "validation":
        split = "val"
    fits = fits or (name == "avepm" and "eval" in stem)  # it has no such split
    file = form.write(tmp_path, rows_of(form))
    place = file.rename(file.with_name(stem + file.suffix))
    if fits:
        assert load_annotations(name, place, split).split == split
        return
    wanted = rf"{stem}\.\w+ is the split (\w+), not '{split}'; ask for the split \1$"
    with pytest.raises(UsageError, match=wanted) as refused:
        load_annotations(name, place, split)
    other = re.search(wanted, str(refused.value))
    assert other is not None
    assert load_annotations(name, place, other[1]).split == other[1]
