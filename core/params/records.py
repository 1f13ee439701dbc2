"""AV²A's options as numbers: the records that the replay kernels read."""

from __future__ import annotations

import numpy as np

from .av2a import Params

PARAM_DTYPE = np.dtype(
    [
        ("alpha", np.float64), ("beta", np.float64), ("tau0", np.float64), ("tau_f", np.float64),
        ("tau_r", np.float64), ("decay", np.float64), ("ridge", np.float64), ("pinv_cutoff", np.float64),
        ("scale", np.float64), ("bias", np.float64),
        ("label_shift", np.int64), ("cosine", np.int64), ("moving", np.int64), ("late", np.int64),
        ("select", np.int64), ("refine", np.int64), ("argmax", np.int64), ("audio_chunk", np.int64),
        ("av_given", np.int64), ("pinv", np.int64), ("times_score", np.int64), ("cosine_audio", np.int64),
        ("cosine_clip", np.int64), ("min_length", np.int64), ("max_gap", np.int64), ("check_lone", np.int64),
        ("keep_best", np.int64), ("norm", np.int64), ("score_all_if_few", np.int64), ("flat_half", np.int64),
        ("single", np.int64), ("clip_row", np.int64),
    ]
)  # fmt: skip
"""A :class:`Params` as numbers, for the kernels. ``beta`` is 1 - alpha; ``audio_chunk`` 0 stands for the clip row;
``norm`` 0 active, 1 all, 2 plain sigmoid, 3 given probabilities; ``clip_row`` which set of clip scores it uses."""


def to_records(params: list[Params], kind: str) -> tuple[np.ndarray, list[tuple]]:
    """Params as a (P,) array of PARAM_DTYPE, and the distinct ways of normalising clip scores among them."""
    records = np.zeros(len(params), PARAM_DTYPE)
    norms: dict[tuple, int] = {}
    for i, p in enumerate(params):
        single = p.precision == "float32"
        norm = 3 if kind == "probability" else {"active": 0, "all": 1, "sigmoid": 2}[p.score_norm]
        # the clip scores are over all labels, so normalising over the active ones is the same thing there
        key = (max(norm, 1), single, p.flat_scores == "half", p.sigmoid_scale, p.sigmoid_bias)

        def rounded(x: float, single: bool = single) -> float:
            return float(np.float32(x)) if single else float(x)

        records[i] = (
            rounded(p.alpha), rounded(1.0 - p.alpha), p.tau0, rounded(p.tau_f), rounded(p.tau_r), p.decay,
            p.ridge_weight, p.pinv_cutoff, p.sigmoid_scale, p.sigmoid_bias,
            p.method in ("label_shift", "label_shift_cosine"), p.method in ("cosine", "label_shift_cosine"),
            p.method != "naive", p.fusion == "late", p.select_classes, p.refine, p.refine_rule == "argmax",
            {"clip": 0, "segment": 1}.get(p.audio_scores) if p.audio_scores in ("clip", "segment")
            else int(p.audio_scores),
            p.av_scores == "given", p.ratio == "pinv", p.ratio_times_score, p.cosine_audio, p.cosine_clip,
            p.min_length, p.max_gap, p.lone_candidate == "check", p.all_rejected == "keep_best", norm,
            p.few_labels == "score_all", p.flat_scores == "half", single, norms.setdefault(key, len(norms)),
        )  # fmt: skip
    return records, list(norms)
