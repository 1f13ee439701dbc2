"""Which activation CLIP weights were trained with: QuickGELU (OpenAI's) or the exact one (most of LAION's).

Weights load strictly into either architecture, and with the wrong one give other embeddings without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.errors import UsageError
from .weights.found import Weights


def check_activation(model: str, weights: Weights, given: bool | None) -> None:
    """Compare the activation of an architecture with that of weights that are not a tag.

    Parameters
    ----------
    given : what the user says of the weights; None: it is found in what lies beside them or is known of their name

    Raises
    ------
    UsageError
        the architecture has the other one, or nothing says which one the weights need
    """
    import open_clip

    config = open_clip.get_model_config(model) or {}
    if weights.random or _without_one(config):
        return
    wanted = _known(weights) if given is None else given
    has, other = bool(config.get("quick_gelu")), _twin(model)
    if wanted is None and not other:
        return  # an architecture that stands alone, such as the user's own, says it itself
    if wanted is None:
        raise UsageError(
            f"nothing says whether the weights {weights.name} were trained with QuickGELU, and with the wrong "
            "activation they give other embeddings: add clip_quick_gelu=true (OpenAI's, MetaCLIP's, DFN's) or "
            "clip_quick_gelu=false (most of LAION's)"
        )
    if wanted != has:
        how = f"clip_model={other}" if other else "another clip_model"
        raise UsageError(
            f"the weights {weights.name} were trained {'with' if wanted else 'without'} QuickGELU and {model} computes "
            f"{'with' if has else 'without'} it; choose {how}"
        )


def published_tags(weights: Weights) -> Iterator[dict[str, Any]]:
    """What open_clip knows of its tags whose weights these are, by the repository or the name of the file."""
    import open_clip

    for model, tag in open_clip.list_pretrained():
        known = open_clip.get_pretrained_cfg(model, tag) or {}
        place, _, file = str(known.get("hf_hub", "")).rpartition("/")
        if weights.repository is not None:
            same = weights.repository == place
        else:
            names = {str(known.get("url", "")).rpartition("/")[2], file} - {""}
            same = bool(names & {path.name for path in weights.files})
        if same:
            yield known


def _without_one(config: dict[str, Any]) -> bool:
    """Whether neither tower has an activation that open_clip chooses."""
    return "timm_model_name" in config.get("vision_cfg", {}) and "hf_model_name" in config.get("text_cfg", {})


def _twin(model: str) -> str:
    """The architecture that differs in the activation only; empty: there is none."""
    import open_clip

    suffix = "-quickgelu"
    other = model.removesuffix(suffix) if model.endswith(suffix) else f"{model}{suffix}"
    return other if other in open_clip.list_models() else ""


def _known(weights: Weights) -> bool | None:
    own = weights.side_file("open_clip_config.json")
    if own is not None and isinstance(own.get("model_cfg"), dict):
        return bool(own["model_cfg"].get("quick_gelu", False))
    flags = {bool(tag.get("quick_gelu")) for tag in published_tags(weights)}
    if len(flags) == 1:
        return flags.pop()
    config = weights.side_file("config.json") or {}
    towers = [config.get(key) for key in ("vision_config", "text_config")]
    found = {tower.get("hidden_act") for tower in towers if isinstance(tower, dict)} - {None}
    return found == {"quick_gelu"} if len(found) == 1 else None
