"""Answers of a video language model as predictions: the text format of OV-AVEL's appendix.

An answer is ``ave: [1, 0, ...]``, a 0 or 1 for each second, and on another line ``class: dog barking``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ...core.events import Events
from ...core.labels import LabelIndex
from .predictions import Predictions

SEGMENTS = 10
_LIST = re.compile(r"\bave\W*?\[([^\]]*)\]", re.IGNORECASE)
_CLASS = re.compile(r"\bclass\b[\"'”*]*\s*[:=]\s*(.+)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class TextImport:
    """Predictions from texts, and what was wrong with some: ``{video id: sentence}``; those have no events."""

    predictions: Predictions
    problems: Mapping[str, str]


def read_texts(path: str | os.PathLike[str]) -> dict[str, str]:
    """Answers by video id: a JSON object, JSON lines with ``video`` and ``text``, or a folder of ``<video id>.txt``.

    Raises: DataError where there are none, or the file has another form; the message names file and line.
    """
    place = Path(path)
    try:
        if place.is_dir():
            files = sorted(place.glob("*.txt"))
            texts = {file.stem: file.read_text(encoding="utf-8") for file in files if not file.name.startswith(".")}
        elif place.suffix == ".jsonl":
            texts = _json_lines(place)
        else:
            texts = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there are no answers at {place}; check the path") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{place} is not readable JSON or text: {error}") from error
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise DataError(f'{place}: expected {{"video id": "answer", ...}}')
    if not texts:
        raise DataError(f"{place} holds no answers; write one <video id>.txt a video, or a JSON object")
    return texts


def _json_lines(file: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict) or not {"video", "text"} <= row.keys():
            raise DataError(f'{file}, line {number}: expected {{"video": ..., "text": ...}}')
        if row["video"] in texts:
            raise DataError(f"{file}, line {number}: the video {row['video']!r} is duplicated")
        texts[row["video"]] = row["text"]
    return texts


def text_predictions(
    texts: Mapping[str, str],
    labels: Sequence[str],
    aliases: Mapping[str, str] | None = None,
    *,
    model: str = "",
) -> TextImport:
    """Audio-visual events from answers: maximal runs of ones, all of the answer's class.

    Case, quotes, punctuation after the class and text around do not count; the last list and class of an answer hold.
    A list that is not ten times 0 or 1, or a class that is no label, leaves the video without events and is a problem
    of it; an answer of zeros needs no class.

    Raises: DataError for a list of labels that is not one.
    """
    index = LabelIndex(labels, aliases)
    events, problems = [], {}
    for video, text in texts.items():
        try:
            events.append([[], [], _events(text, index)])
        except DataError as error:
            problems[video] = str(error)
            events.append([[], [], []])
    found = Predictions(
        index.labels,
        {"decoder": "text", **({"model": model} if model else {})},
        tuple(texts),
        np.full(len(events), SEGMENTS, np.int64),
        Events.from_tracks(events),
    )
    return TextImport(found, problems)


def _events(text: str, index: LabelIndex) -> list[tuple[int, int, int]]:
    lists = _LIST.findall(text)
    if not lists:
        raise DataError("the answer has no list `ave: [...]`")
    values = [x.strip(" \t\r\n\"'“”‘’") for x in lists[-1].split(",")]
    if len(values) != SEGMENTS or set(values) - {"0", "1"}:
        raise DataError(f"the list [{lists[-1]}] is not {SEGMENTS} times 0 or 1")
    if "1" not in values:
        return []
    names = _CLASS.findall(text)
    if not names:
        raise DataError("the answer has no line `class: ...`")
    label = index.find(names[-1].strip(" \t\r.,;!\"'“”‘’*`"), "the answer")
    edges = [t for t in range(SEGMENTS + 1) if (*values, "0")[t] != ("0", *values)[t]]
    return [(label, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
