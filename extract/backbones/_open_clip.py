"""The picture and text towers of any open_clip model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import DataError, UsageError
from ._batches import batches, to_rows, unit
from ._images import PictureTransform
from ._torch import inference
from ._weights import Weights, config_hash, fill, find_weights, no_network, offline_wanted
from .base import Embeddings, Frame

if TYPE_CHECKING:
    from ._torch import TorchBackbone


class ClipTower:
    """An open_clip model with its preprocessing.

    Parameters
    ----------
    host : the backbone; it has the device and the number type of the computation
    model : name of an open_clip architecture
    weights : a tag of open_clip (``openai``), a file or folder, a hub id, or ``random:SEED``
    normalise : give rows of length 1; the released AV2A code does not
    download : allow the network
    """

    def __init__(self, host: TorchBackbone, model: str, weights: str, normalise: bool, download: bool) -> None:
        import open_clip

        if model not in open_clip.list_models():
            raise UsageError(f"open_clip has no model {model!r}; see open_clip.list_models()")
        self._host, self._normalise, self._model_name = host, normalise, model
        tag = open_clip.get_pretrained_cfg(model, weights) or {}
        if tag.get("quick_gelu") and not open_clip.get_model_config(model).get("quick_gelu"):
            raise UsageError(f"the weights {weights} need the model {model}-quickgelu")
        self.weights = _tagged(model, weights, tag, download) if tag else find_weights(weights, download=download)
        with no_network(), _without_warnings():
            built = open_clip.create_model(model, pretrained=None)
            try:
                self._tokenizer = open_clip.get_tokenizer(model)
            except Exception as error:
                raise UsageError(
                    f"the tokenizer of {model} is not on this machine; fetch it once with open_clip.get_tokenizer"
                ) from error
        if self.weights.random:
            fill(built, self.weights)
        else:
            self._load(built)
        self.transform = _transform({**open_clip.get_model_preprocess_cfg(built), **tag})
        self._config = config_hash(open_clip.get_model_config(model))
        with torch.no_grad():
            self._model: Any = host._ready(built)
            host._compiled(self._model.visual)
            self.dim = int(self._model.encode_text(self._tokenizer(["a"]).to(host.device)).shape[-1])

    def declaration(self) -> dict[str, Any]:
        return {
            "model": self._model_name,
            "config_sha256": self._config,
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256(),
            "picture": self.transform.declaration(),
            "unit_length": self._normalise,
        }

    @inference
    def images(self, frames: Sequence[Frame]) -> Embeddings:
        host = self._host
        parts = (
            self._finish(self._model.encode_image(host._prepared(self.transform, part, host.feature_device)))
            for part in batches(frames, host.batch_size)
        )
        return to_rows(parts, self.dim)

    @inference
    def text(self, prompts: Sequence[str]) -> Embeddings:
        parts = (
            self._finish(self._model.encode_text(self._tokenizer(list(part)).to(self._host.device)))
            for part in batches(prompts, self._host.batch_size)
        )
        return to_rows(parts, self.dim)

    def _finish(self, rows: torch.Tensor) -> torch.Tensor:
        return unit(rows) if self._normalise else rows

    def _load(self, model: torch.nn.Module) -> None:
        import open_clip

        if len(self.weights.files) != 1:
            raise UsageError(f"open_clip reads weights from one file; {self.weights.name} has several")
        try:
            open_clip.load_checkpoint(model, str(self.weights.files[0]), strict=True, weights_only=True)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"the weights {self.weights.name} do not fit {self._model_name} ({reason}); "
                "choose the architecture they were trained for"
            ) from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """open_clip warns that weights are random until they are filled in here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _tagged(model: str, weights: str, tag: dict[str, Any], download: bool) -> Weights:
    """Weights under one of open_clip's tags: from its cache, or downloaded if that is allowed."""
    import open_clip.pretrained as pretrained

    repository = str(tag.get("hf_hub", "")).strip("/")
    allowed = download and not offline_wanted()
    try:
        with no_network(allowed):
            path = Path(pretrained.download_pretrained(tag, prefer_hf_hub=bool(repository) or not allowed))
    except Exception as error:
        raise UsageError(
            f"the weights {weights} of {model} are not on this machine; allow the download with download=true, "
            "or give a local file"
        ) from error
    return Weights(f"{repository or model}:{weights}", weights, files=(path,))


def _transform(config: dict[str, Any]) -> PictureTransform:
    size = config.get("size", 224)
    side = size if isinstance(size, int) else size[0]
    mode, method = config.get("resize_mode", "shortest"), config.get("interpolation", "bicubic")
    if (not isinstance(size, int) and len(set(size)) > 1) or mode not in ("shortest", "squash"):
        raise UsageError(f"models that want pictures of {size} with resize mode {mode!r} are not supported")
    basic = PictureTransform(size=side, squash=mode == "squash", method=method)
    return replace(basic, mean=tuple(config["mean"]), std=tuple(config["std"]))
