"""AV²A and the LLP metrics written for clarity in plain NumPy, one video at a time, in the words of the released
algorithm: what every kernel is compared with, and what the benchmarks time against."""

from __future__ import annotations

import math

import numpy as np
from avreplay.core.bundle import ScoreBundle
from avreplay.core.params.av2a import Params

Event = tuple[int, int, int, float]


class Twin:
    """Replays one video of a bundle under one setting. ``margin`` collects the distance of every comparison to its
    boundary: below about 1e-6 another order of summation may decide otherwise."""

    def __init__(self, bundle: ScoreBundle, params: Params) -> None:
        self.b, self.p = bundle, params
        self.single = params.precision == "float32"
        self.margin = math.inf

    def rounded(self, x):
        return np.float32(x).astype(np.float64) if self.single else np.asarray(x, np.float64)

    def above(self, values, threshold):
        with np.errstate(invalid="ignore"):
            distance = np.abs(np.asarray(values) - threshold)
            if np.isfinite(distance).any():
                self.margin = min(self.margin, float(np.nanmin(distance)))
            return np.asarray(values) > threshold

    def score(self, raw, labels, over):
        """Scores of ``labels`` from one raw row, z-scored over ``over``."""
        raw = np.asarray(raw, np.float64)
        if self.b.kind == "probability":
            return raw[labels]
        if self.p.score_norm == "sigmoid":
            z = self.p.sigmoid_scale * raw[labels] + self.p.sigmoid_bias
        else:
            row = raw[over]
            if len(row) < 2 or np.ptp(row) == 0:
                half = self.p.flat_scores == "half" and len(row) > 1
                return np.full(len(labels), 0.5 if half else np.nan)
            z = (raw[labels] - row.mean()) / row.std(ddof=1)
        with np.errstate(over="ignore"):
            return self.rounded(1 / (1 + np.exp(-z)))

    def score_frames(self, rows, labels, over):
        """Mean over frames of their scores."""
        return self.rounded(np.mean([self.score(r, labels, over) for r in rows], axis=0))

    def fuse(self, visual, audio):
        if not self.single:
            return (1 - self.p.alpha) * visual + self.p.alpha * audio
        v = np.float32(1 - self.p.alpha) * visual.astype(np.float32)
        a = np.float32(self.p.alpha) * audio.astype(np.float32)
        return (v + a).astype(np.float64)

    def select(self, video, track):
        everything = np.arange(self.b.num_labels)
        if not self.p.select_classes:
            return everything
        if track != "visual":
            audio = self.score(self.b.audio_clip[video], everything, everything)
        if track != "audio":
            visual = self.score_frames(self.b.visual_clip[video], everything, everything)
        score = {"audio": lambda: audio, "visual": lambda: visual, "audio_visual": lambda: self.fuse(visual, audio)}
        return everything[self.above(score[track](), self.rounded(self.p.tau_f))]

    def over(self, labels):
        everything = np.arange(self.b.num_labels)
        if self.b.kind == "similarity" and (
            self.p.score_norm == "all"
            or (self.p.score_norm == "active" and len(labels) == 1 and self.p.few_labels == "score_all")
        ):
            return everything
        return labels

    def window_rows(self, video, start, end, modality):
        """Raw rows (R, C) of a window: cached, or the mean of its segments."""
        b = self.b
        array = getattr(b, f"window_{modality}")
        if array is not None:
            for w in np.flatnonzero(b.window_video == video):
                if (b.window_start[w], b.window_end[w]) == (start, end):
                    return array[w] if modality == "visual" else array[w][None]
        segments = getattr(b, f"{modality}_segments")
        if segments is None:
            return b.audio_clip[video][None]
        first = b.segment_starts[video]
        return segments[first + start : first + end].astype(np.float64).mean(axis=0, keepdims=True).astype(np.float32)

    def audio_rows(self, video, segments):
        """Raw audio scores (T, C) of the segments."""
        first = self.b.segment_starts[video]
        if self.p.audio_scores == "clip":
            return np.repeat(self.b.audio_clip[video][None], segments, axis=0)
        if self.p.audio_scores == "segment":
            return self.b.audio_segments[first : first + segments]
        n = int(self.p.audio_scores)
        return np.stack(
            [self.window_rows(video, t // n * n, min(t // n * n + n, segments), "audio")[0] for t in range(segments)]
        )

    def segment_scores(self, video, track, labels):
        first = self.b.segment_starts[video]
        segments = int(self.b.segments_per_video[video])
        over = self.over(labels)
        rows = slice(first, first + segments)
        if track == "audio_visual" and self.p.av_scores == "given":
            return np.stack([self.score(r, labels, over) for r in self.b.audio_visual_segments[rows]])
        if track != "audio":
            visual = np.stack([self.score(r, labels, over) for r in self.b.visual_segments[rows]])
        if track != "visual":
            audio = np.stack([self.score(r, labels, over) for r in self.audio_rows(video, segments)])
        if track == "audio_visual":
            return np.stack([self.fuse(v, a) for v, a in zip(visual, audio, strict=True)])
        return audio if track == "audio" else visual

    def ratio(self, P, Y, nxt):
        """Label-shift ratio of the next segment, from the scores and decisions so far (n, k)."""
        M = P.T @ Y / len(P)
        if self.p.ratio == "pinv":
            w = np.full(len(nxt), np.nan) if np.isnan(M).any() or np.isnan(nxt).any() else (
                np.linalg.pinv(M, rcond=self.p.pinv_cutoff) @ nxt
            )  # fmt: skip
        else:
            w = np.linalg.solve(M.T @ M + self.p.ridge_weight * np.eye(len(nxt)), M.T @ nxt)
        return w * nxt if self.p.ratio_times_score else w

    def decisions(self, P, cosine, track):
        """Thresholds tau (T, k), ratios (T, k) and decisions (T, k)."""
        T, k = P.shape
        tau, ratios = np.empty((T, k)), np.full((T, k), np.nan)
        tau[0] = self.p.tau0
        Y = np.zeros((T, k), bool)
        z = np.zeros(k)
        for t in range(T):
            Y[t] = self.above(P[t], tau[t])
            z += Y[t]
            if t + 1 == T:
                break
            tau[t + 1] = tau[t]
            if self.p.method == "naive":
                continue
            d = self.p.tau0 * np.exp(-self.p.decay * z)
            if "cosine" in self.p.method and (track != "audio" or self.p.cosine_audio):
                c = self.rounded(cosine[t])
                d = d * (np.clip(c, 0, 1) if self.p.cosine_clip else c)
            if "label_shift" in self.p.method:
                ratios[t] = self.ratio(P[: t + 1], Y[: t + 1].astype(float), P[t + 1])
                d = d * ratios[t]
            tau[t + 1] = tau[t] - d
        return tau, ratios, Y

    def candidates(self, Y):
        """(position, start, end) in the order of each label's first active segment."""
        out = []
        active = [j for j in range(Y.shape[1]) if Y[:, j].any()]
        for j in sorted(active, key=lambda j: (int(np.argmax(Y[:, j])), j)):
            runs = [r for r in runs_of(Y[:, j]) if r[1] - r[0] >= self.p.min_length]
            merged: list[list[int]] = []
            for start, end in runs:
                if merged and start - merged[-1][1] <= self.p.max_gap:
                    merged[-1][1] = end
                else:
                    merged.append([start, end])
            out += [(j, s, e) for s, e in merged]
        return out

    def refine(self, video, track, labels, found) -> list[Event]:
        if not self.p.refine or (len(found) == 1 and self.p.lone_candidate == "keep"):
            return [(int(labels[j]), s, e, np.nan) for j, s, e in found]
        over = self.over(labels)
        accepted, scored = [], []
        for j, s, e in found:
            if track != "visual":
                audio = self.score_frames(self.window_rows(video, s, e, "audio"), labels, over)
            if track != "audio":
                visual = self.score_frames(self.window_rows(video, s, e, "visual"), labels, over)
            row = self.fuse(visual, audio) if track == "audio_visual" else audio if track == "audio" else visual
            event = (int(labels[j]), s, e, float(row[j]))
            scored.append(event)
            if self.p.refine_rule == "argmax":
                ordered = np.sort(row)
                if len(row) > 1 and not np.isnan(row).any():
                    self.margin = min(self.margin, float(ordered[-1] - ordered[-2]))
                if not np.isnan(row).all() and np.nanargmax(row) == j:
                    accepted.append(event)
            elif self.above(row[j], self.rounded(self.p.tau_r)):
                accepted.append(event)
        valid = [e for e in scored if not np.isnan(e[3])]
        if not accepted and valid and self.p.all_rejected == "keep_best":
            scores = sorted(e[3] for e in valid)
            if len(scores) > 1:
                self.margin = min(self.margin, scores[-1] - scores[-2])
            accepted = [max(valid, key=lambda e: e[3])]
        return accepted

    def late_fusion(self, audio, visual, segments) -> list[Event]:
        shared = {e[0] for e in audio} & {e[0] for e in visual}
        names = [name.lower() for name in self.b.labels]
        out = []
        for label in sorted(shared, key=lambda c: (names[c], c)):
            timelines = np.zeros((2, segments), bool)
            for k, events in enumerate((audio, visual)):
                for c, s, e, _ in events:
                    if c == label:
                        timelines[k, s:e] = True
            out += [(label, s, e, np.nan) for s, e in runs_of(timelines[0] & timelines[1])]
        return out

    def track(self, video, track) -> list[Event]:
        labels = self.select(video, track)
        segments = int(self.b.segments_per_video[video])
        if len(labels) == 0 or segments == 0:
            return []
        P = self.segment_scores(video, track, labels)
        first = self.b.segment_starts[video]
        cosine = self.b.visual_cosine
        cosine = np.zeros(segments) if cosine is None else cosine[first : first + segments]
        _, _, Y = self.decisions(P, cosine, track)
        return self.refine(video, track, labels, self.candidates(Y))

    def video(self, video) -> list[list[Event]]:
        """Events of audio, visual and audio_visual."""
        audible, visible = bool(self.b.has_audio[video]), bool(self.b.has_visual[video])
        audio = self.track(video, "audio") if audible else []
        visual = self.track(video, "visual") if visible else []
        if not (audible and visible):
            return [audio, visual, []]
        if self.p.fusion == "late":
            segments = int(self.b.segments_per_video[video])
            return [audio, visual, self.late_fusion(audio, visual, segments)]
        return [audio, visual, self.track(video, "audio_visual")]


def runs_of(mask) -> list[tuple[int, int]]:
    """Maximal runs of True, half-open."""
    runs, start = [], None
    for t, one in enumerate([*mask, False]):
        if one and start is None:
            start = t
        if not one and start is not None:
            runs.append((start, t))
            start = None
    return runs


def f_scores(predicted, truth, segments, num_labels, iou=0.5) -> np.ndarray:
    """(4, 2) F-scores of one video: audio, visual, audio-visual, pooled; segment and event level.

    ``predicted``, ``truth``: for each track a list of events.
    """
    counts = np.zeros((4, 2, num_labels, 3))
    for k in range(3):
        for c in range(num_labels):
            p, g = (np.zeros(segments, bool) for _ in range(2))
            for mask, events in ((p, predicted[k]), (g, truth[k])):
                for label, s, e, *_ in events:
                    if label == c:
                        mask[s:e] = True
            counts[k, 0, c] = (p & g).sum(), (p & ~g).sum(), (~p & g).sum()
            ps, gs = runs_of(p), runs_of(g)
            hit = [any(_iou(x, y) >= iou for y in gs) for x in ps]
            found = [any(_iou(x, y) >= iou for x in ps) for y in gs]
            counts[k, 1, c] = sum(hit), len(hit) - sum(hit), len(found) - sum(found)
    counts[3] = counts[0] + counts[1]
    out = np.ones((4, 2))
    for k in range(4):
        for level in range(2):
            per_class = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in counts[k, level] if tp + fp + fn > 0]
            if per_class:
                out[k, level] = np.mean(per_class)
    return out


def _iou(x, y) -> float:
    common = max(0, min(x[1], y[1]) - max(x[0], y[0]))
    return common / (x[1] - x[0] + y[1] - y[0] - common)
