"""An open_clip model with everything of its own: preprocessing, tokenizer, logit scale and bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import UsageError
from ._open_clip import ClipTower, _preprocessing, _transform, without_warnings
from ._tokenizers import byte_tokens
from .weights.cards import licence_of
from .weights.failures import how_to_get, offline_wanted, reason
from .weights.found import Weights
from .weights.hub import no_network

if TYPE_CHECKING:
    from ._torch import TorchBackbone

Tokens = Callable[[Sequence[str]], torch.Tensor]
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


class CalibratedClipTower(ClipTower):
    """Rows of length 1, and the scale and bias that make the model's logits of their products.

    Parameters
    ----------
    host : the backbone; it has the device and the number type of the computation
    model : name of an open_clip architecture
    weights : a tag of open_clip, a file or folder, a hub id, or ``random:SEED``
    preprocessing : ``mean``, ``std``, ``interpolation`` and ``resize_mode`` of pictures, for weights without a
        configuration of their own of an architecture without a tag
    licence : of weights that do not say theirs
    download : allow the network

    Attributes
    ----------
    licence : of the weights
    logit : scale and bias; the bias of a model that was trained with a softmax is 0
    sigmoid : whether the model was trained with a sigmoid, so that that of its logit is a probability
    """

    def __init__(
        self,
        host: TorchBackbone,
        model: str,
        weights: str,
        preprocessing: Mapping[str, Any],
        licence: str,
        download: bool,
    ) -> None:
        import open_clip

        tag = self._find(host, model, weights, True, "weights", download)
        self.licence = licence_of(self.weights, licence)
        built = self._built(download)
        self._tokenizer: Tokens = _tokenizer(model, self.weights, download)
        size = open_clip.get_model_preprocess_cfg(built)["size"]
        self.transform = _transform({**preprocessing, **_own_preprocessing(model, self.weights, tag), "size": size})
        bias = getattr(built, "logit_bias", None)
        self.sigmoid = bias is not None
        with torch.no_grad():
            self.logit = (
                _six_digits(built.logit_scale.float().exp()),
                0.0 if bias is None else _six_digits(bias.float()),
            )
        self._take(built)

    def declaration(self) -> dict[str, Any]:
        return {**super().declaration(), "trained_with": "sigmoid" if self.sigmoid else "softmax"}


def _own_preprocessing(model: str, weights: Weights, tag: Mapping[str, Any]) -> dict[str, Any]:
    """That of the tag, else of what lies beside the weights, else of the architecture's first tag; or nothing."""
    import open_clip

    found = tag or _preprocessing(weights)
    if not found:
        tags = open_clip.list_pretrained_tags_by_model(model)
        found = open_clip.get_pretrained_cfg(model, tags[0]) if tags else {}
    kept = ("mean", "std", "interpolation", "resize_mode")
    return {key: found[key] for key in kept if found.get(key) is not None}


def _tokenizer(model: str, weights: Weights, download: bool) -> Tokens:
    """Texts to [n, context] int64: by CLIP's byte pairs, or by the tokenizer in the folder of the weights or in the
    repository that the architecture names; for random weights the bytes of the text stand for the latter."""
    import open_clip

    text = open_clip.get_model_config(model)["text_cfg"]
    context = int(text.get("context_length", 77))
    own = bool(text.get("hf_tokenizer_name"))
    if own and weights.random:
        return lambda texts: _filled(byte_tokens(texts)["input_ids"], context)
    beside = own and weights.folder is not None and any((weights.folder / name).is_file() for name in _TOKENIZER_FILES)
    settings = {"tokenizer_mode": text.get("tokenizer_mode"), **text.get("tokenizer_kwargs", {})}
    try:
        with no_network(download and not offline_wanted()), without_warnings():
            found: Tokens = (
                open_clip.tokenizer.HFTokenizer(str(weights.folder), context_length=context, **settings)
                if beside
                else open_clip.get_tokenizer(model)
            )
    except Exception as error:
        place = f"beside {weights.name}" if beside else f"{text.get('hf_tokenizer_name')} of {model}"
        raise UsageError(
            f"the tokenizer {place} cannot be read on this machine ({reason(error)}); {how_to_get(download)} "
            "that has it too"
        ) from error
    return found


def _filled(ids: torch.Tensor, context: int) -> torch.Tensor:
    """[n, context]: cut, or filled with 1."""
    return torch.nn.functional.pad(ids[:, :context], (0, max(0, context - ids.shape[1])), value=1)


def _six_digits(value: torch.Tensor) -> float:
    """A number that is the same on every machine, whatever rounds its last bit."""
    return float(f"{float(value.detach()):.6g}")
