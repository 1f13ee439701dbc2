"""Large files of videos as the package writes them, scanned by a kernel at a tenth of the time of JSON.

What the kernel accepts is strict JSON of the declared form: names in their place, each once; ids that are names in
ASCII; labels of the list, letter by letter; whole numbers of few digits; events within their video. Numbers with
decimal places are cut out and left to msgspec. All else, and every fault, is left to the slower readers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...core.events import Events
from ...core.kernels.by_reference import ByReference
from .event_seconds import within
from .scan_kernel import END, LEAST_EVENT, LEAST_VIDEO, WORDS, scan_videos

OPENING = b',\n"videos": {\n'
"""What stands between the fields of the file and its first video. A line end never stands in a JSON text."""

LEAST = 4 << 20
"""Bytes from which a file is scanned: below, compiling and loading the kernel takes longer than it saves."""

LONGEST_SECONDS = 1e9
"""The longest segment, as the schema has it."""


LARGE = 1e18
"""Numbers from here on may have more digits than readers take."""


class Texts(NamedTuple):
    """Texts one after the other, as the kernel takes them."""

    text: np.ndarray  # (bytes,) uint8
    first: np.ndarray  # (texts + 1,) int64, where each begins


class Scanned(NamedTuple):
    """The videos of a file: ids, segments (N,) int64, lengths of a segment (N,) float64 or None (all 1 s), events."""

    ids: tuple[str, ...]
    segments: NDArray[np.int64]
    seconds: NDArray[np.float64] | None
    events: Events


def head_of(content: bytes) -> bytes | None:
    """The text of a large file without its videos; None for one that is not scanned."""
    at = content.find(OPENING) if len(content) >= LEAST and content.endswith(END) else -1
    return None if at < 0 else content[:at] + b',\n"videos": {}}'


def scanned(content: bytes, labels: Sequence[str]) -> Scanned | None:
    """The videos of a file whose :func:`head_of` is a JSON object; None where a slower reader must look at it.

    labels : which differ, of the file
    """
    text = np.frombuffer(content, np.uint8)
    most, videos = len(text) // LEAST_EVENT + 1, len(text) // LEAST_VIDEO + 1
    names = _texts([json.dumps(name, ensure_ascii=False).encode() for name in labels])
    ids, scores, lengths = (np.empty(len(text), np.uint8) for _ in range(3))
    segments, counts = np.empty(videos, np.int64), np.empty(3 * videos, np.int64)
    label, onset, offset = (np.empty(most, np.int32) for _ in range(3))
    scored = np.empty(most, np.uint8)
    n, e, id_size, score_size, length_size, given, sure, timed = scan_videos(
        text, content.index(OPENING) + len(OPENING), ByReference(_texts(WORDS)), ByReference(names),
        np.full(1 << (2 * len(labels)).bit_length(), -1, np.int64), ids, segments, counts, label, onset, offset, scored,
        scores, lengths,
    )  # fmt: skip
    if n < 0:
        return None
    found = tuple(ids[: id_size - 1].tobytes().decode("ascii").split("\n"))
    seconds = _numbers(lengths[:length_size], n) if given else None
    # all events have the same fields, or a slower reader says what is wrong
    if sure not in (0, e) or timed not in (0, e):
        return None
    width = 1 + (sure > 0) + 2 * (timed > 0)
    numbers = _numbers(scores[:score_size], width * e) if width > 1 or scored[:e].any() else np.zeros(e)
    if len(set(found)) < n or numbers is None or (given and seconds is None):
        return None
    if seconds is not None and not ((seconds > 0) & (seconds <= LONGEST_SECONDS)).all():
        return None
    of_event = numbers.reshape(e, width)
    score = of_event[:, 0].copy()
    score[scored[:e] == 0] = np.nan
    confidence = None if sure < e else of_event[:, 1].copy() if e else np.zeros(0)
    times = of_event[:, -2:].copy() if timed else None
    if times is not None:
        of_video = np.repeat(np.arange(n), counts[: 3 * n].reshape(n, 3).sum(axis=1))
        length = np.ones(e) if seconds is None else seconds[of_video]
        if not within(times, segments[of_video] * length, length).all():
            return None
    starts = np.concatenate([[0], np.cumsum(counts[: 3 * n])])
    events = Events(1, n, starts, label[:e].copy(), onset[:e].copy(), offset[:e].copy(), score, confidence, times)
    return Scanned(found, segments[:n].copy(), seconds, events)


def _texts(parts: Sequence[bytes]) -> Texts:
    return Texts(np.frombuffer(b"".join(parts), np.uint8), np.concatenate([[0], np.cumsum(list(map(len, parts)))]))


def _numbers(text: NDArray[np.uint8], count: int) -> NDArray[np.float64] | None:
    """Numbers with a comma after each; None where one is no JSON number, or may be none that every reader takes."""
    try:
        found = np.array(msgspec.json.decode(b"[%b]" % text[:-1].tobytes(), type=list[float]), np.float64)
    except msgspec.MsgspecError:
        return None
    return found if len(found) == count and (np.abs(found) < LARGE).all() else None
