"""Spans of videos in files of their own: each lies where its name says, or is refused; nothing is invented."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache import open_store
from avreplay.core.errors import DataError
from avreplay.extract import guess_mapping, import_embeddings
from hypothesis import given, settings
from hypothesis import strategies as st


def imported(folder: Path, text: str) -> dict[str, tuple[Any, np.ndarray]]:
    """The record and the first column of the audio embeddings of each video."""
    mapping = folder.parent / "mapping.toml"
    mapping.write_text(text, encoding="utf-8")
    import_embeddings(folder, folder.parent / "store", mapping)
    records, rows = open_store(folder.parent / "store").segment_embeddings("audio")
    ends = np.cumsum([0, *(r.segments for r in records)])
    found = {r.id: (r, rows[ends[k] : ends[k + 1], 0]) for k, r in enumerate(records)}
    return found | {r.id: (r, np.zeros(0)) for r in open_store(folder.parent / "store").videos if not r.has_data}


def save(path: Path, first: float, count: int | None) -> None:
    """Embeddings whose values are their places."""
    values = first + np.arange(count or 1, dtype=np.float32)
    rows = np.repeat(values[:, None], 4, 1)
    np.save(path, rows[0] if count is None else rows)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(1, 6),
    there=st.sets(st.integers(1, 6), max_size=6),
    segment=st.booleans(),
    last=st.integers(1, 6),
    pattern=st.sampled_from(["{start}_{end}", "{start}", "{segment}", "number"]),
)
def test_spans_lie_where_their_names_say_and_gaps_repeat_what_is_before(length, there, segment, last, pattern):
    number = pattern == "number"
    segment = segment or number
    length = max(length, 2) if number else length if segment else 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "source"
        folder.mkdir()
        expected: dict[int, int] = {}
        spans = {"x": sorted({0} | there), "whole": list(range(8))}
        for id, begins in spans.items():
            for k in begins:
                count = min(last, length) if k == begins[-1] and id == "x" and segment else length
                begin = k * length
                name = k if number else f"{begin}_{begin + count}" if "end" in pattern else begin
                save(folder / f"{id}_{name}.npy", begin, count if segment else None)
                if id == "x":
                    expected |= {begin + i: begin + i for i in range(count)}
        total = max(expected) + 1
        wanted = [max(t for t in expected if t <= place) for place in range(total)]
        key = "{segment}" if number else pattern
        record, values = imported(folder, f'embeddings.audio.path = "{{id}}_{key}.npy"\n' + ("" if segment else AXES))[
            "x"
        ]
        gaps = total - len(expected)
        assert values.tolist() == wanted, record
        assert [n.text.split()[2] for n in record.notes if n.kind == "gaps"] == ([str(gaps)] if gaps else [])


AXES = 'embeddings.audio.axes = ["width"]\n'
SPANS = 'embeddings.audio.path = "{id}_{start}_{end}.npy"\n'


@pytest.mark.parametrize(
    ("times", "count", "words"),
    [
        ([(0, 2.5), (2.5, 5)], None, "seconds = 2.5"),
        ([(0, 5), (5, 10)], 10, "seconds = 0.5"),
        ([(0, 5), (5, 10)], 1, "seconds = 5"),
        ([(0, 1), (1.4, 2.4)], None, "between two embeddings"),
        ([(0, 0.96), (0.96, 1.92)], None, "seconds = 0.96"),
        ([(0, 3), (2, 5)], 3, "the next file of its video begins"),
        ([(30, 31), (31, 32)], None, 'begins = "first"'),
        ([(1, 2), (2, 3)], None, "begins at 1 s"),
        ([(0, 0)], None, "ends at 0 s"),
    ],
)
def test_spans_of_another_rate_or_begin_are_refused_with_the_file_and_the_mend(times, count, words, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for t in range(3):
        save(folder / f"good_{t}_{t + 1}.npy", t, None if count is None else 1)
    for begin, end in times:
        save(folder / f"x_{begin}_{end}.npy", begin, count)
    found = imported(folder, SPANS + (AXES if count is None else ""))
    assert found["good"][0].status == "no_video"
    assert found["x"][0].status == "unreadable"
    assert words in found["x"][0].reason
    assert "x_" in found["x"][0].reason


def test_seconds_and_begins_are_the_mends(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for k in range(4):
        save(folder / f"x_{30 + 2.5 * k}_{32.5 + 2.5 * k}.npy", k, None)
    with pytest.raises(DataError, match="begins"):
        imported(folder, SPANS + AXES + "embeddings.audio.seconds = 2.5\n")
    assert not (tmp_path / "store").exists()
    text = SPANS + AXES + 'embeddings.audio.seconds = 2.5\nembeddings.audio.begins = "first"\n'
    assert imported(folder, text)["x"][1].tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    clip = 'embeddings.audio.clip = { axes = ["width"] }\n'
    mapping = tmp_path / "clip.toml"
    mapping.write_text(text + clip, encoding="utf-8")
    with pytest.raises(DataError, match="4 embeddings of the whole clip"):
        import_embeddings(folder, tmp_path / "other", mapping)


def test_modalities_that_begin_apart_are_refused(tmp_path):
    folder = tmp_path / "source"
    for name, begin in (("a", 31), ("v", 30)):
        (folder / name).mkdir(parents=True)
        for t in range(begin, 40):
            save(folder / name / f"x_{t}_{t + 1}.npy", t, None)
        for t in range(30, 40):
            save(folder / name / f"good_{t}_{t + 1}.npy", t, None)
    text = "\n".join(
        f'[embeddings.{modality}]\npath = "{modality[0]}/{{id}}_{{start}}_{{end}}.npy"\naxes = ["width"]\n'
        'begins = "first"' for modality in ("audio", "visual")
    )  # fmt: skip
    found = imported(folder, text)
    assert found["good"][0].status == "ok"
    assert "audio at 31 and visual at 30" in found["x"][0].reason


@pytest.mark.parametrize(("begin", "seconds", "count"), [(0, 5, 5), (0, 5, 10), (30, 1, None), (2.5, 2.5, None)])
def test_the_guess_of_spans_has_their_rate_and_begin_and_no_number_of_segments(begin, seconds, count, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for id in ("x", "y"):
        for k in range(4):
            start = begin + k * seconds
            save(folder / f"{id}_{start}_{start + seconds}.npy", k * (count or 1), count)
    guessed = guess_mapping(folder)
    assert not any(line.startswith("segments") for line in guessed.splitlines())
    guessed = guessed.replace("[embeddings.visual]", "[embeddings.audio]")
    record, values = imported(folder, guessed)["y"]
    assert record.segments == int(4 * seconds)
    assert not record.notes
    assert values[-1] > values[0]
