"""Late fusion: audio-visual events where the final audio and visual events overlap. Kernels only."""

from __future__ import annotations

import math

from .jit import spliced
from .refine_candidates import emit_event
from .scratch import SHARED, TIMELINE


@spliced
def late_fusion(out, audio_from, visual_from, visual_to, segments, rank, s):
    """Audio-visual events where the final audio and visual events of a label overlap, appended after them; returns the
    new position, -1 when ``out`` is full.

    One-segment events are allowed; labels come by rank (release).

    Mirrors :func:`avreplay.core.reference.late_fusion`.

    out : where events go (:class:`ReplayOutput`)
    audio_from : int, first audio event
    visual_from : int, first visual event
    visual_to : int, end of the visual events
    segments : int, T of the video
    rank : (C,) int64, alphabetical rank of each label's lower-case name
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    position = visual_to
    shared = 0
    for i in range(visual_from, visual_to):
        label = out.label[i]
        known = False
        for k in range(shared):
            known = known or s.ints[SHARED, k] == label
        if known:
            continue
        for k in range(audio_from, visual_from):
            if out.label[k] == label:
                at = shared
                while at > 0 and rank[s.ints[SHARED, at - 1]] > rank[label]:
                    s.ints[SHARED, at] = s.ints[SHARED, at - 1]
                    at -= 1
                s.ints[SHARED, at] = label
                shared += 1
                break
    for k in range(shared):
        label = s.ints[SHARED, k]
        for t in range(segments):
            s.steps[TIMELINE, t] = 0
        for i in range(audio_from, visual_to):
            if out.label[i] == label:
                bit = 1 if i < visual_from else 2
                for t in range(out.onset[i], out.offset[i]):
                    s.steps[TIMELINE, t] |= bit
        t = 0
        while t < segments:
            start = t
            while t < segments and s.steps[TIMELINE, t] == 3:
                t += 1
            if t > start:
                if position == out.label.shape[0]:
                    return -1
                emit_event(out, position, label, start, t, math.nan)
                position += 1
            else:
                t += 1
    return position
