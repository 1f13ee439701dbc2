"""The best path through two states for each label. Kernels only."""

from __future__ import annotations

import math

import numpy as np

from .jit import inner, kernel

THRESHOLD, SLOPE, ENTER, LEAVE, SCORE_NORM, SIGMOID_SCALE, SIGMOID_BIAS, FUSION, ALPHA = range(9)
"""Columns of the options of a setting."""
SCORE, MIN, LATE = 0, 1, 2
LEAST = 1e-6


@inner
def _probabilities(x, begin, columns, given, options, p):
    """The probabilities of a video's labels in a modality.

    Mirrors :func:`avreplay.core.reference_viterbi.probabilities`.

    x : (S, C) float32, raw scores
    begin : int, the video's first segment
    columns : (K,) int64, the labels that compete
    given : bool, the scores are probabilities
    options : (9,) float64
    p : (T, K) float64, written
    """
    labels = x.shape[1]
    for t in range(p.shape[0]):
        row = x[begin + t]
        scale, bias = options[SIGMOID_SCALE], options[SIGMOID_BIAS]
        mean, sd = np.float64(0.0), np.float64(1.0)
        if options[SCORE_NORM] == 0:
            lowest, highest, square = np.float64(row[0]), np.float64(row[0]), np.float64(0.0)
            for c in range(labels):
                mean += np.float64(row[c])
                lowest, highest = min(lowest, np.float64(row[c])), max(highest, np.float64(row[c]))
            mean = mean / np.float64(labels)
            for c in range(labels):
                square += (np.float64(row[c]) - mean) * (np.float64(row[c]) - mean)
            sd = np.float64(math.sqrt(square / max(labels - 1, 1)))
            sd = np.float64(1.0) if sd == 0.0 else sd
            scale, bias = np.float64(0.0) if lowest == highest else np.float64(1.0), np.float64(0.0)
        for k in range(len(columns)):
            value = np.float64(row[columns[k]])
            if not given:
                value = scale * ((value - mean) / sd) + bias
                if value == value:
                    value = np.float64(1.0 / (1.0 + math.exp(-min(max(value, -700.0), 700.0))))
            p[t, k] = min(max(value, LEAST), 1.0 - LEAST) if value == value else LEAST


@inner
def _best_paths(p, options, came, off, on, decided):
    """Which segments of each label are on.

    Mirrors :func:`avreplay.core.reference_viterbi.paths`.

    p : (T, K) float64, probabilities
    options : (9,) float64
    came : (T, K) uint8, working memory: 1 where off came from on, 2 where on came from off
    off : (K,) float64, working memory
    on : (K,) float64, working memory
    decided : (T, K) uint8, written
    """
    segments, labels = p.shape
    neutral, enter, leave = math.log(options[THRESHOLD] / (1 - options[THRESHOLD])), options[ENTER], options[LEAVE]
    for t in range(segments):
        for k in range(labels):
            gain = options[SLOPE] * (math.log(p[t, k] / (1 - p[t, k])) - neutral)
            if t == 0:
                off[k], on[k] = 0.0, gain
                continue
            left, entered = on[k] - leave, off[k] - enter
            came[t, k] = (left > off[k]) + 2 * (entered > on[k])
            off[k], on[k] = max(off[k], left), max(on[k], entered) + gain
    for k in range(labels):
        if segments:
            decided[segments - 1, k] = on[k] > off[k]
        for t in range(segments - 1, 0, -1):
            decided[t - 1, k] = not came[t, k] & 2 if decided[t, k] else came[t, k] & 1


@kernel
def viterbi_block(first, audio, visual, has_audio, has_visual, columns, given, options, order, masks):
    """Decisions of the segments of N videos under P settings.

    Settings that follow each other in the order given and have the same probabilities share them.

    Mirrors :func:`avreplay.core.reference_viterbi.paths`.

    first : (N + 1,) int64, first segment of each video
    audio : (S, C) float32, raw scores; (0, C) where no track needs them
    visual : (S, C) float32, likewise
    has_audio : (N,) bool
    has_visual : (N,) bool
    columns : (K,) int64, the labels that compete
    given : bool, the scores are probabilities
    options : (P, 9) float64
    order : (P,) int64, of the settings
    masks : (P, 3, S, C) uint8, zero, 1 is written where a segment has the label
    """
    labels, longest = len(columns), 1
    for v in range(len(first) - 1):
        longest = max(longest, first[v + 1] - first[v])
    p = np.empty((3, longest, labels))
    came, decided = np.zeros((longest, labels), np.uint8), np.zeros((3, longest, labels), np.uint8)
    off, on = np.empty(labels), np.empty(labels)
    for v in range(len(first) - 1):
        begin, n = first[v], first[v + 1] - first[v]
        sound, sight = has_audio[v] and audio.shape[0] > 0, has_visual[v] and visual.shape[0] > 0
        for at in range(options.shape[0]):
            i = order[at]
            o = options[i]
            new = at == 0
            for j in range(SCORE_NORM, SIGMOID_BIAS + 1):
                new = new or o[j] != options[order[at - 1], j]
            if new and sound:
                _probabilities(audio, begin, columns, given, o, p[0, :n])
            if new and sight:
                _probabilities(visual, begin, columns, given, o, p[1, :n])
            for track in range(3):
                if not ((sound or track == 1) and (sight or track == 0)):
                    continue
                if track == 2 and o[FUSION] == LATE:
                    for t in range(n):
                        for k in range(labels):
                            decided[2, t, k] = decided[0, t, k] & decided[1, t, k]
                else:
                    if track == 2:
                        for t in range(n):
                            for k in range(labels):
                                low, weighed = min(p[0, t, k], p[1, t, k]), o[ALPHA] * p[0, t, k]
                                p[2, t, k] = low if o[FUSION] == MIN else weighed + (1 - o[ALPHA]) * p[1, t, k]
                    _best_paths(p[track, :n], o, came[:n], off, on, decided[track, :n])
                for t in range(n):
                    for k in range(labels):
                        if decided[track, t, k]:
                            masks[i, track, begin + t, columns[k]] = 1
