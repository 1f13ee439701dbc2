"""The videos of a large JSON file as the package writes them, byte by byte into arrays. A kernel only.

It takes the layout of :mod:`.json_writer` and no other: whatever differs by a byte is left to the slower
readers, which know all of JSON and say what is wrong.
"""

from __future__ import annotations

import numpy as np

from ...core.kernels.jit import inlined, lean_kernel

WORDS = (
    b'": {"segments": ', b'"segment_seconds": ', b'"audio": [', b'"visual": [', b'"audio_visual": [', b'{"label": ',
    b', "onset": ', b', "offset": ', b', "score": ', b"null", b', "confidence": ', b', "onset_seconds": ',
    b', "offset_seconds": ',
)  # fmt: skip
"""What stands between the values, in the order of the constants below; none holds a line end."""
SEGMENTS, SECONDS, TRACK, LABEL, ONSET, OFFSET, SCORE, NULL, CONFIDENCE, FROM, TO = 0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12

END = b"\n}}\n"
"""How a file ends."""

LEAST_VIDEO, LEAST_EVENT = 60, 37
"""Bytes that a video and an event take at the least."""

_LINE, _SPACE, _QUOTE, _COMMA, _ZERO, _NINE, _BACKSLASH, _DELETE = 10, 32, 34, 44, 48, 57, 92, 127
_CLOSE, _BRACE = 93, 125
_DIGITS, _LONGEST = 7, 32  # of whole numbers, and of numbers
_CHARACTERS = 1000  # of a name, avreplay.core.names.MAX_NAME


@inlined
def _after(text, at, words, word):
    """The place after a word of :data:`WORDS` that stands at a place; -1 where it does not."""
    if at < 0:
        return -1
    for i in range(words.first[word], words.first[word + 1]):
        if text[at] != words.text[i]:
            return -1
        at += 1
    return at


@inlined
def _number(text, at):
    """A whole number of few digits, and the place after it; -1 where there is none."""
    value = np.int64(0)
    begin = at
    while at >= 0 and _ZERO <= text[at] <= _NINE and at - begin < _DIGITS:
        value = 10 * value + (np.int64(text[at]) - _ZERO)
        at += 1
    if at == begin or (text[begin] == _ZERO and at - begin > 1):
        return np.int64(0), -1
    return value, at


@inlined
def _copied(text, at, out, size):
    """Copy what numbers are written with; returns the places after it, in the text and in ``out``; -1 where there is
    nothing of the kind."""
    begin = at
    while (
        at >= 0 and at - begin < _LONGEST and ((_ZERO <= text[at] <= _NINE) or text[at] in (43, 45, 46, 69, 101))
    ):  # + - . E e
        out[size] = text[at]
        size += 1
        at += 1
    out[size] = _COMMA
    return (at if at > begin else -1), size + 1


@inlined
def _hashed(value, byte):
    return (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)


@inlined
def _slot(value, table):
    return np.int64((value ^ (value >> np.uint64(32))) & np.uint64(table.shape[0] - 1))


@inlined
def _label(text, at, labels, table):
    """The label whose JSON text stands at a place, and the place after it; -1 where it is none."""
    begin = at
    value = np.uint64(0)
    if text[at] != _QUOTE:
        return 0, -1
    while True:
        at += 1
        byte = text[at]
        if byte < _SPACE:
            return 0, -1
        value = _hashed(value, byte)
        if byte == _QUOTE:
            break
        if byte == _BACKSLASH:
            at += 1
            value = _hashed(value, text[at])
            if text[at] < _SPACE:
                return 0, -1
    at += 1
    slot = _slot(value, table)
    while table[slot] >= 0:
        c = table[slot]
        first, size = labels.first[c], labels.first[c + 1] - labels.first[c]
        if size == at - begin:
            i = 0
            while i < size and labels.text[first + i] == text[begin + i]:
                i += 1
            if i == size:
                return c, at
        slot = (slot + 1) & (table.shape[0] - 1)
    return 0, -1


@lean_kernel
def scan_videos(text, at, words, labels, table, ids, segments, counts, label, onset, offset, scored, scores, lengths):
    """Read videos to the end of a file: ``(videos, events, bytes of ids, of scores, of lengths, lengths given, events
    with a confidence, events with seconds)``; the first is -1 where a byte is not as the package writes it.

    Every loop stops at a line end at the latest, with which the text ends; so nothing beyond it is looked at.

    text : (B,) uint8, ends with :data:`END`
    at : int, where the first video begins
    words : :class:`.scanned_json.Texts`, :data:`WORDS`
    labels : :class:`.scanned_json.Texts`, JSON texts of the labels, with their quotes, which differ
    table : (power of two,) int64, all -1, more entries than labels
    ids : (>= B,) uint8, written: ids, each with a line end
    segments : (>= videos,) int64, written
    counts : (>= 3 videos,) int64, written: events of each track
    label : (>= events,) int32, written
    onset : (>= events,) int32, written
    offset : (>= events,) int32, written
    scored : (>= events,) uint8, written: whether the event has a score
    scores : (>= B,) uint8, written: of each event its score as it stands there, 0 without one, its confidence and its
        seconds where it has them, each with a comma
    lengths : (>= B,) uint8, written: likewise the lengths of a segment, 1 where none is given
    """
    for c in range(labels.first.shape[0] - 1):
        value = np.uint64(0)
        for i in range(labels.first[c] + 1, labels.first[c + 1]):
            value = _hashed(value, labels.text[i])
        slot = _slot(value, table)
        while table[slot] >= 0:
            slot = (slot + 1) & (table.shape[0] - 1)
        table[slot] = c
    bad = -1, 0, 0, 0, 0, 0, 0, 0
    videos = events = id_size = score_size = length_size = given = sure = timed = 0
    while True:
        if text[at] != _QUOTE:
            return bad
        at += 1
        begin, blank = at, True
        while text[at] != _QUOTE:
            byte = text[at]
            if byte < _SPACE or byte >= _DELETE or byte == _BACKSLASH or at - begin == _CHARACTERS:
                return bad
            blank = blank and byte == _SPACE
            ids[id_size] = byte
            id_size += 1
            at += 1
        if blank:
            return bad
        ids[id_size] = _LINE
        id_size += 1
        length, at = _number(text, _after(text, at, words, SEGMENTS))
        if at < 0 or text[at] != _COMMA or text[at + 1] != _SPACE:
            return bad
        at += 2
        segments[videos] = length
        after = _after(text, at, words, SECONDS)
        if after >= 0:
            given += 1
            at, length_size = _copied(text, after, lengths, length_size)
            if at < 0 or text[at] != _COMMA or text[at + 1] != _SPACE:
                return bad
            at += 2
        else:
            lengths[length_size] = _ZERO + 1
            lengths[length_size + 1] = _COMMA
            length_size += 2
        for track in range(3):
            at = _after(text, at, words, TRACK + track)
            if at < 0:
                return bad
            before = events
            while text[at] != _CLOSE:
                if events > before:
                    if text[at] != _COMMA or text[at + 1] != _SPACE:
                        return bad
                    at += 2
                at = _after(text, at, words, LABEL)
                if at < 0:
                    return bad
                c, at = _label(text, at, labels, table)
                start, at = _number(text, _after(text, at, words, ONSET))
                end, at = _number(text, _after(text, at, words, OFFSET))
                if at < 0 or start >= end or end > length:
                    return bad
                label[events] = c
                onset[events] = start
                offset[events] = end
                after = _after(text, at, words, SCORE)
                scored[events] = after >= 0
                if after >= 0:
                    at = _after(text, after, words, NULL)
                    if at >= 0:
                        scored[events] = False
                    else:
                        at, score_size = _copied(text, after, scores, score_size)
                if not scored[events]:
                    scores[score_size] = _ZERO
                    scores[score_size + 1] = _COMMA
                    score_size += 2
                after = _after(text, at, words, CONFIDENCE)
                if after >= 0:
                    at, score_size = _copied(text, after, scores, score_size)
                    sure += 1
                after = _after(text, at, words, FROM)
                if after >= 0:
                    at, score_size = _copied(text, after, scores, score_size)
                    at, score_size = _copied(text, _after(text, at, words, TO), scores, score_size)
                    timed += 1
                if at < 0 or text[at] != _BRACE:
                    return bad
                at += 1
                events += 1
            counts[3 * videos + track] = events - before
            at += 1
            if track < 2:
                if text[at] != _COMMA or text[at + 1] != _SPACE:
                    return bad
                at += 2
        if text[at] != _BRACE:
            return bad
        at += 1
        videos += 1
        if text[at] == _LINE:
            found = videos, events, id_size, score_size, length_size, given, sure, timed
            return found if at + 4 == text.shape[0] else bad
        if text[at] != _COMMA or text[at + 1] != _LINE:
            return bad
        at += 2
