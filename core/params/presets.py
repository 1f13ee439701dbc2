"""Presets: bundles of option values by name, those of the papers' systems among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MadeFor:
    """The scores that a preset was chosen on.

    backbones : names of the encoders, the first its own; empty for scores from elsewhere
    kind : of the scores, ``similarity`` or ``probability``
    score_set : whether it is for a score set, as a trained model leaves one
    """

    backbones: tuple[str, ...] = ()
    kind: str = "similarity"
    score_set: bool = False


_CLIP_CLAP = {"alpha": 0.45, "tau0": 0.75, "tau_r": 0.75, "tau_f": 0.5, "decay": 1.0}
_LANGUAGEBIND = {"alpha": 0.5, "tau0": 0.75, "tau_r": 0.75, "tau_f": 0.55, "decay": 2.5}
_NAIVE = {"method": "naive", "fusion": "late", "select_classes": False, "refine": False}

# Weakly supervised models: their own class selection on clip probabilities takes the place of tau_f, decisions are
# taken segment by segment, and nothing is refined (Table 1 gives neither tau_f nor tau_r; section 4.1).
_TRAINED = {"audio_scores": "segment", "refine": False, "min_length": 1, "max_gap": 0}
# Table 1; tau_f from the evaluation in each model's released main.py, which selects at 0.5 (CMPAE: 0.45)
_MGN_MA = {**_TRAINED, "alpha": 0.3, "tau0": 0.55, "tau_f": 0.5, "decay": 0.5}
_JOMOLD = {**_TRAINED, "alpha": 0.4, "tau0": 0.5, "tau_f": 0.5, "decay": 0.5}
_CMPAE = {**_TRAINED, "alpha": 0.45, "tau0": 0.5, "tau_f": 0.45, "decay": 0.5}
# Static thresholds of the same evaluations: 0.5 in MGN and JoMoLD, 0.25 in CMPAE
_STATIC = {"mgn_ma": {**_MGN_MA, "tau0": 0.5}, "jomold": {**_JOMOLD, "tau0": 0.5}, "cmpae": {**_CMPAE, "tau0": 0.25}}

PRESETS: dict[str, dict[str, Any]] = {
    "clip_clap": _CLIP_CLAP,
    "languagebind": _LANGUAGEBIND,
    "clip_clap_ave": {**_CLIP_CLAP, "refine_rule": "argmax"},
    "languagebind_ave": {**_LANGUAGEBIND, "refine_rule": "argmax"},
    "naive_clip_clap": {**_CLIP_CLAP, **_NAIVE},
    "naive_languagebind": {**_LANGUAGEBIND, **_NAIVE},
    "mgn_ma": _MGN_MA,
    "jomold": _JOMOLD,
    "cmpae": _CMPAE,
    **{f"static_{name}": {**values, "method": "naive", "fusion": "late"} for name, values in _STATIC.items()},
    **{f"fused_{name}": {**values, "method": "naive", "fusion": "score"} for name, values in _STATIC.items()},
    "demo": {"alpha": 0.68, "tau0": 0.84, "tau_f": 0.32, "tau_r": 0.76, "decay": 0.8, "audio_scores": "segment"},
    "naive_demo": {**_NAIVE, "tau0": 0.77, "audio_scores": "segment"},
}
"""Table 1 of the paper; ``*_ave`` with the release's rule for AVE. The papers give no details of the naive
baselines beyond one static threshold on all segments: here tau0, every class, no refinement, late fusion. ``mgn_ma``,
``jomold`` and ``cmpae`` put dynamic thresholds on those models' scores (Table 3); ``static_*`` are the models' own
thresholds and late fusion (first rows of Tables 3 and 6), ``fused_*`` the same with score-level fusion (Table 6, whose
alpha is not printed: that of Table 1). Both demo presets were tuned on the validation split of the demo world (random
search, mean of Type@AV and Event@AV)."""

_BY_NAME = {name: MadeFor((name,)) for name in ("clip_clap", "languagebind", "demo")}
PRESETS_MADE_FOR: dict[str, MadeFor] = {
    name: next((made for of, made in _BY_NAME.items() if of in name), MadeFor(kind="probability")) for name in PRESETS
}
"""What each preset of AV²A is for: the encoder in its name, or the probabilities of a weakly supervised model."""

OVAVEL_PRESETS: dict[str, dict[str, Any]] = {
    "training_free": {"strategy": "first_agreement", "background": "other"},
    "training_free_no_other": {"strategy": "first_agreement", "background": "none"},
    "finetuned": {"strategy": "fused_argmax", "background": "other", "fusion": "sqrt"},
}
"""The released baselines: ``training_free`` is its strategy v01 (``no_other``: v0), ``finetuned`` its strategy v1."""

_OVAVEL = ("imagebind", "clip_clap")
OVAVEL_MADE_FOR: dict[str, MadeFor] = {
    "training_free": MadeFor(_OVAVEL),
    "training_free_no_other": MadeFor(_OVAVEL),
    "finetuned": MadeFor(score_set=True),
}
"""The encoders of OV-AVEL's tables; ``finetuned`` decodes the cosines of trained temporal layers."""
