"""OV-AVEL's metrics: accuracy, segment and event F-score of the audio-visual track, background being a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._jit import inner, kernel
from .errors import UsageError
from .events import Events
from .metrics import checked_tables, count_runs, f_score, find_runs, popcount, set_bits

OVAVEL_METRIC_NAMES = ("acc", "seg", "event", "avg")


@inner
def _mark(starts, label, onset, offset, row, other, other_covers, last, bits, touched, n):  # type: ignore[no-untyped-def]
    """Set the bits of a track's events; ``bits[last]`` gets the segments that some event covers. Returns how many
    labels are touched."""
    for i in range(starts[row], starts[row + 1]):
        c = label[i]
        if c != other or other_covers:
            set_bits(bits[last], onset[i], offset[i])
        if c == other:
            continue
        fresh = True
        for a in range(n):
            fresh = fresh and touched[a] != c
        if fresh:
            touched[n] = c
            n += 1
        set_bits(bits[c], onset[i], offset[i])
    return n


@kernel
def ovavel_block(  # type: ignore[no-untyped-def]
    p_starts, p_label, p_onset, p_offset, p_score, g_starts, g_label, g_onset, g_offset, segments, num_labels, other,
    other_covers, iou, correct, f_out,
):  # fmt: skip
    """correct (P, N) int64 segments; f_out (P, N, 2): segment and event F, the mean over the classes of the video."""
    videos = segments.shape[0]
    longest = 1
    for v in range(videos):
        longest = max(longest, segments[v])
    words = (longest + 63) // 64
    last = num_labels
    predicted = np.zeros((num_labels + 1, words), np.uint64)
    truth = np.zeros((num_labels + 1, words), np.uint64)
    touched = np.empty(num_labels + 1, np.int64)
    said, best = np.empty(longest, np.int64), np.empty(longest)
    ps, pe = np.empty(longest, np.int64), np.empty(longest, np.int64)
    gs, ge = np.empty(longest, np.int64), np.empty(longest, np.int64)
    counts = np.zeros(3, np.int64)
    one = np.uint64(1)
    for p in range(correct.shape[0]):
        for v in range(videos):
            row = (p * videos + v) * 3 + 2
            n = _mark(p_starts, p_label, p_onset, p_offset, row, other, other_covers, last, predicted, touched, 0)
            n = _mark(g_starts, g_label, g_onset, g_offset, v * 3 + 2, other, False, last, truth, touched, n)
            for w in range(words):
                valid = min(64, max(0, segments[v] - 64 * w))
                mask = ~np.uint64(0) if valid == 64 else (one << np.uint64(valid)) - one
                predicted[last, w] = ~predicted[last, w] & mask
                truth[last, w] = ~truth[last, w] & mask
            # in label order, so that sums do not depend on the order of events; background comes last
            for a in range(1, n):
                c = touched[a]
                b = a
                while b > 0 and touched[b - 1] > c:
                    touched[b] = touched[b - 1]
                    b -= 1
                touched[b] = c
            touched[n] = last

            for t in range(segments[v]):
                said[t] = last
                best[t] = -np.inf
            for i in range(p_starts[row], p_starts[row + 1]):
                # an event without a score gives way to one with, and to an earlier one without
                score = p_score[i] if p_score[i] == p_score[i] else -1.0
                for t in range(p_onset[i], p_offset[i]):
                    if score > best[t]:
                        best[t] = score
                        said[t] = last if p_label[i] == other else p_label[i]
            right = np.int64(0)
            for t in range(segments[v]):
                right += np.int64((truth[said[t], t >> 6] >> np.uint64(t & 63)) & one)
            correct[p, v] = right

            active = 0
            seg = event = 0.0
            for a in range(n + 1):
                c = touched[a]
                tp = fp = fn = 0
                for w in range(words):
                    x, y = predicted[c, w], truth[c, w]
                    tp += popcount(x & y)
                    fp += popcount(x & ~y)
                    fn += popcount(y & ~x)
                if tp + fp + fn > 0:
                    active += 1
                    seg += f_score(tp, fp, fn)
                    num_p = find_runs(predicted[c], segments[v], ps, pe) if tp + fp else 0
                    num_g = find_runs(truth[c], segments[v], gs, ge) if tp + fn else 0
                    count_runs(ps, pe, num_p, gs, ge, num_g, iou, counts)
                    event += f_score(counts[0], counts[1], counts[2])
                predicted[c, :] = 0
                truth[c, :] = 0
            f_out[p, v, 0] = seg / active if active else 1.0
            f_out[p, v, 1] = event / active if active else 1.0


@dataclass(frozen=True, eq=False)
class OvavelMetrics:
    """OV-AVEL's metrics of P settings on N videos.

    Shapes
    ------
    correct : (P, N) int64, segments with the right label, background counted
    f_scores : (P, N, 2) float64 in 0..1, segment and event F of each video
    segments : (N,) int64
    """

    correct: NDArray[np.int64]
    f_scores: NDArray[np.float64]
    segments: NDArray[np.int64]

    @property
    def per_video(self) -> NDArray[np.float64]:
        """(P, N, 4) percent, columns :data:`OVAVEL_METRIC_NAMES`; a video without segments counts as right."""
        acc = np.where(self.segments > 0, self.correct / np.maximum(self.segments, 1), 1.0)
        three = np.concatenate([acc[..., None], self.f_scores], axis=-1)
        return 100.0 * np.concatenate([three, three.mean(axis=-1, keepdims=True)], axis=-1)

    def table(self, videos: ArrayLike | None = None, batch_size: int | None = None) -> NDArray[np.float64]:
        """(P, 4) percent, columns :data:`OVAVEL_METRIC_NAMES`, over some of the videos (indices or flags).

        Accuracy is over all segments. The F-scores are means over videos; with ``batch_size`` they are means of the
        means of consecutive batches, as the released code logs them, in which the videos of a smaller last batch
        weigh more. NaN without videos. Raises UsageError for a batch size below 1.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"the batch size is {batch_size}; it must be at least 1")
        chosen = np.arange(len(self.segments)) if videos is None else np.asarray(videos)
        correct, f, segments = self.correct[:, chosen], self.f_scores[:, chosen], self.segments[chosen]
        n, total = f.shape[1], int(segments.sum())
        if n == 0 or total == 0:
            return np.full((len(correct), 4), np.nan)
        size = batch_size or n
        edges = np.arange(0, n, size)
        sums = np.add.reduceat(f, edges, axis=1)
        f_mean = (sums / np.minimum(size, n - edges)[:, None]).mean(axis=1)
        three = np.column_stack([correct.sum(axis=1) / total, f_mean])
        return 100.0 * np.column_stack([three, three.mean(axis=1)])


def ovavel_metrics(
    predicted: Events,
    truth: Events,
    segments_per_video: ArrayLike,
    num_labels: int,
    *,
    other: int = -1,
    other_is_background: bool = False,
    iou: float = 0.5,
) -> OvavelMetrics:
    """Accuracy and F-scores of the audio-visual track, for every setting in ``predicted``.

    Each video's F is the mean over its classes, those predicted or annotated in it, background being one. A segment's
    label, for accuracy, is that of its event (of several, the one with the highest score).

    Parameters
    ----------
    predicted : events of P settings on N videos
    truth : annotated events of the same N videos (one setting)
    segments_per_video : (N,) segments that are scored
    other : label index of the text `other`, -1 where there is none
    other_is_background : predicted events of `other` are background; released, they are background for accuracy only:
        in the F-scores their segments have no class at all
    iou : a predicted event matches an annotated one from this intersection over union on

    Raises
    ------
    UsageError
        an iou outside (0, 1]
    DataError
        tables of different videos, an event outside its video or with an unknown label index
    """
    tables, segments = checked_tables(predicted, truth, segments_per_video, num_labels, iou)
    correct = np.zeros((predicted.num_settings, len(segments)), np.int64)
    f = np.zeros((predicted.num_settings, len(segments), 2))
    score = np.ascontiguousarray(predicted.score)
    ovavel_block(
        *tables[:4], score, *tables[4:], segments, num_labels, other, not other_is_background, float(iou), correct, f
    )
    return OvavelMetrics(correct, f, segments)
