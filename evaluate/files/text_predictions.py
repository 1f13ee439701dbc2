"""Answers of a video language model as predictions: the text format of OV-AVEL's appendix.

An answer is ``ave: [1, 0, ...]``, a 0 or 1 for each second, and on another line ``class: dog barking``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from ...cache.reading.files import MIB, named, read_text
from ...cache.reading.json_file import parse_json, read_json_as
from ...cache.reading.lists import listed_lines
from ...cache.reading.names import Name, checked_name
from ...cache.reading.schema import checked
from ...core.errors import DataError, shown
from ...core.events import Events
from ...core.labels import LabelIndex
from .predictions import Predictions

SEGMENTS = 10
_LIST = re.compile(r"\bave\W*?\[", re.IGNORECASE)
_CLASS = re.compile(r"\bclass\b[\"'”*]*\s*[:=]\s*(.+)", re.IGNORECASE)

_MOST, _MOST_ANSWER = 512 * MIB, MIB
_MOST_FILES = 1_000_000


class AnswerForm(msgspec.Struct):
    """A line of JSON lines; other fields are let be."""

    video: Name
    text: str


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
    if not os.path.exists(place):
        raise DataError(f"there are no answers at {named(place)}; check the path")
    if os.path.isdir(place):
        texts = _folder(place)
    elif place.suffix == ".jsonl":
        texts = _json_lines(place)
    else:
        texts = read_json_as(place, dict[Name, str], "file of answers", _MOST, 'expected {"video id": "answer", ...}')
    if not texts:
        raise DataError(f"{named(place)} holds no answers; write one <video id>.txt a video, or a JSON object")
    return texts


def _folder(folder: Path) -> dict[str, str]:
    try:
        names = sorted(n for n in os.listdir(folder) if n.endswith(".txt") and not n.startswith("."))
    except OSError as error:
        raise DataError(f"the folder {named(folder)} cannot be read: {error.strerror}") from None
    if len(names) > _MOST_FILES:
        raise DataError(f"{named(folder)} holds more than {_MOST_FILES} answers; give them as JSON lines")
    texts: dict[str, str] = {}
    size = 0
    for name in names:
        video = checked_name(name.removesuffix(".txt"), named(folder), "name of a file")
        texts[video] = read_text(folder / name, "file of answers", _MOST_ANSWER)
        size += len(texts[video])
        if size > _MOST:
            raise DataError(f"{named(folder)} holds more than {_MOST / MIB:g} MiB of answers; give them in parts")
    return texts


def _json_lines(file: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in listed_lines(file, "file of answers", _MOST):
        where = f"{named(file)}, line {number}"
        row = checked(parse_json(line, where), AnswerForm, where, 'expected {"video": ..., "text": ...}')
        if row.video in texts:
            raise DataError(f"{where}: the video {shown(row.video)} is duplicated; keep one line")
        texts[row.video] = row.text
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
    found = _last_list(text)
    if found is None:
        raise DataError("the answer has no list `ave: [...]`")
    values = [x.strip(" \t\r\n\"'“”‘’") for x in found.split(",")]
    if len(values) != SEGMENTS or set(values) - {"0", "1"}:
        raise DataError(f"the list {shown(found)} is not {SEGMENTS} times 0 or 1")
    if "1" not in values:
        return []
    names = _CLASS.findall(text)
    if not names:
        raise DataError("the answer has no line `class: ...`")
    label = index.find(names[-1].strip(" \t\r.,;!\"'“”‘’*`"), "the answer")
    edges = [t for t in range(SEGMENTS + 1) if (*values, "0")[t] != ("0", *values)[t]]
    return [(label, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _last_list(text: str) -> str | None:
    """What stands between the brackets of the last ``ave: [...]``; None where there is none.

    The closing bracket is looked for once per list and never again where there is none, so that the time is linear in
    the text.
    """
    found = None
    at = 0
    while begin := _LIST.search(text, at):
        end = text.find("]", begin.end())
        if end < 0:
            break
        found, at = text[begin.end() : end], end + 1
    return found
