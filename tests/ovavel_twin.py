"""A plain NumPy twin of OV-AVEL's decoders, metrics and temporal layer (dropout off), from their description."""

from __future__ import annotations

import numpy as np


def cosines(x: np.ndarray, text: np.ndarray) -> np.ndarray:
    """(..., D) against (K, D) -> (..., K), norms below 1e-8 raised to it."""
    x, text = x.astype(np.float64), text.astype(np.float64)
    norm = np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-8)
    return (x / norm) @ (text / np.maximum(np.linalg.norm(text, axis=-1, keepdims=True), 1e-8)).T


def decode(audio, visual, fused, labels, p) -> list[int | None]:
    """Label index of each segment of one video, None for background; arrays (T, K) float32."""
    folded = [name.casefold() for name in labels]
    columns = [i for i, name in enumerate(folded) if name == p.background or name not in ("other", "background")]
    special = folded.index(p.background) if p.background != "none" else None
    if p.strategy == "fused_argmax":
        return [
            _fused(i, audio, visual, fused, columns, special, p) for i in range(len(audio if fused is None else fused))
        ]
    said: list[int | None] = []
    category = None
    for a, v in zip(audio, visual, strict=True):
        heard, seen = columns[int(np.argmax(a[columns]))], columns[int(np.argmax(v[columns]))]
        agree = heard == seen
        if agree and heard == special and (p.strategy == "per_segment" or p.agreed_other == "background"):
            agree = False
        if agree and category is None:
            category = heard
        said.append((heard if p.strategy == "per_segment" else category) if agree else None)
    return said


def _fused(i, audio, visual, fused, columns, special, p):
    if p.fusion == "fea_avg":
        f = fused[i][columns]
    elif p.fusion == "prob_avg":
        f = (audio[i][columns] + visual[i][columns]) * np.float32(0.5)
    else:
        a, v = audio[i][columns], visual[i][columns]
        f = np.sqrt(np.maximum(a * v, np.float32(0)))
        if p.negative_pairs == "zero":
            f[a < 0] = 0
        if not f.any():
            best = columns[0]
            return None if p.no_positive == "background" or best == special else best
    f = (f - f.min()) / (f.max() - f.min() + np.float32(1e-8))
    best = columns[int(np.argmax(f))]
    return None if best == special else best


def runs(row) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(row, int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def matrix(events, segments: int, num_labels: int, other: int, other_covers: bool) -> np.ndarray:
    """(C + 1, T) classes of a video's events [(label, onset, offset, ...)]; the last row is background."""
    out = np.zeros((num_labels + 1, segments), int)
    covered = np.zeros(segments, bool)
    for label, onset, offset, *_ in events:
        if label != other:
            out[label, onset:offset] = 1
        if label != other or other_covers:
            covered[onset:offset] = True
    out[-1] = ~covered
    return out


def f_scores(p: np.ndarray, g: np.ndarray, iou: float = 0.5) -> tuple[float, float]:
    """Segment and event F of one video: mean over the rows that either matrix has."""
    seg, event = [], []
    for x, y in zip(p, g, strict=True):
        if not (x.any() or y.any()):
            continue
        seg.append(2 * int((x & y).sum()) / int(x.sum() + y.sum()))
        px, gy = runs(x), runs(y)
        hit = [any(_iou(a, b) >= iou for b in gy) for a in px]
        missed = sum(not any(_iou(a, b) >= iou for a in px) for b in gy)
        event.append(2 * sum(hit) / (2 * sum(hit) + (len(hit) - sum(hit)) + missed))
    return (float(np.mean(seg)), float(np.mean(event))) if seg else (1.0, 1.0)


def _iou(a, b) -> float:
    common = min(a[1], b[1]) - max(a[0], b[0])
    return common / (max(a[1], b[1]) - min(a[0], b[0])) if common > 0 else 0.0


def right_segments(events, g: np.ndarray, other: int) -> int:
    """Segments whose label (that of the best event, the first of equals) is annotated."""
    segments = g.shape[1]
    right = 0
    for t in range(segments):
        best, said = -np.inf, -1
        for label, onset, offset, *score in events:
            value = score[0] if score and not np.isnan(score[0]) else -1.0
            if onset <= t < offset and value > best:
                best, said = value, label
        right += int(g[-1 if said == other else said, t])
    return right


def temporal_layer(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """One block of the released configuration on (B, T, D); names relative to ``<modality>_sa_blocks.0.``."""
    w = {k: v.astype(np.float64) for k, v in weights.items()}

    def linear(y, name):
        return y @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(y, name):
        z = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
        return z * w[f"{name}.weight"] + w[f"{name}.bias"]

    q, k, v = (linear(x, f"self_attn.{n}") for n in "qkv")
    logits = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    e = np.exp(logits - logits.max(-1, keepdims=True))
    x1 = norm(x + linear(e / e.sum(-1, keepdims=True) @ v, "self_attn.o"), "norm1")
    return norm(x1 + linear(np.maximum(linear(x1, "ffn.w_1"), 0), "ffn.w_2"), "norm2")
