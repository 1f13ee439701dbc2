"""Late fusion: audio-visual events where the final audio and visual events overlap. Kernels only."""

from __future__ import annotations

import math

from .jit import spliced
from .refine_candidates import emit_event
from .scratch import SHARED, TIMELINE


@spliced
def late_fusion(out, audio_from, audio_to, visual_from, visual_to, position, segments, rank, s):
    """Audio-visual events where the final audio and visual events of a label overlap, appended to ``out``; returns the
    new position, -1 when ``out`` is full.

    One-segment events are allowed; labels come by rank (release).

    Mirrors :func:`avreplay.core.reference.late_fusion`.

    out : where events go (:class:`ReplayOutput`)
    audio_from : int, first audio event
    audio_to : int, end of the audio events
    visual_from : int, first visual event
    visual_to : int, end of the visual events
    position : int, events written so far
    segments : int, T of the video
    rank : (C,) int64, alphabetical rank of each label's lower-case name
    s : working memory (:class:`avreplay.core.kernels.scratch.Scratch`)
    """
    shared = 0
    for i in range(visual_from, visual_to):
        label = out.label[i]
        known = False
        for k in range(shared):
            known = known or s.ints[SHARED, k] == label
        if known:
            continue
        for k in range(audio_from, audio_to):
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
        for bit in range(1, 3):
            for i in range(audio_from if bit == 1 else visual_from, audio_to if bit == 1 else visual_to):
                if out.label[i] == label:
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
