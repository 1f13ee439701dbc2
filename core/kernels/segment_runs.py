"""Events from decisions of segments: maximal runs of one label. Kernels only."""

from __future__ import annotations

import numpy as np

from .jit import kernel


@kernel
def find_label_runs(timelines, tracks, first, counts, label, onset, offset):
    """Maximal runs of one label in the segments of N videos under P settings; returns how many there are.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    timelines : (P, K, S) int32, the label of each segment in each of K tracks, -1 for none
    tracks : (K,) int64, which tracks these are, in order
    first : (N + 1,) int64, first segment of each video
    counts : (P * N, 3) int64, written at [:, tracks]: the runs of each
    label : (P * K * S,) int32, written
    onset : (P * K * S,) int32, written, segment of the video
    offset : (P * K * S,) int32, written, exclusive
    """
    videos = len(first) - 1
    n = 0
    for p in range(timelines.shape[0]):
        for v in range(videos):
            for k in range(len(tracks)):
                before = n
                t = first[v]
                while t < first[v + 1]:
                    c = timelines[p, k, t]
                    begin = t
                    while t < first[v + 1] and timelines[p, k, t] == c:
                        t += 1
                    if c >= 0:
                        label[n] = c
                        onset[n] = begin - first[v]
                        offset[n] = t - first[v]
                        n += 1
                counts[p * videos + v, tracks[k]] = n - before
    return n


@kernel
def find_mask_runs(masks, first, fill, counts, label, onset, offset):
    """Maximal runs of decisions for each label in the segments of N videos under P settings; returns how many.

    Within a track, labels come in the order of their first decision, equals in label order.

    Mirrors :func:`avreplay.core.reference.runs_of`.

    masks : (P, 3, S, C) uint8, 1 where a segment has the label
    first : (N + 1,) int64, first segment of each video
    fill : bool, write the runs; else only count them
    counts : (P * N, 3) int64, written
    label : (E,) int32, written where ``fill``
    onset : (E,) int32, written, segment of the video
    offset : (E,) int32, written, exclusive
    """
    videos, labels = len(first) - 1, masks.shape[3]
    seen = np.zeros(labels, np.bool_)
    n = 0
    for p in range(masks.shape[0]):
        for v in range(videos):
            for k in range(3):
                before = n
                seen[:] = False
                for t in range(first[v], first[v + 1]):
                    for c in range(labels):
                        if masks[p, k, t, c] == 0 or seen[c]:
                            continue
                        seen[c] = True
                        at = t
                        while at < first[v + 1]:
                            begin = at
                            while at < first[v + 1] and masks[p, k, at, c] != 0:
                                at += 1
                            if at > begin:
                                if fill:
                                    label[n] = c
                                    onset[n] = begin - first[v]
                                    offset[n] = at - first[v]
                                n += 1
                            else:
                                at += 1
                counts[p * videos + v, k] = n - before
    return n
