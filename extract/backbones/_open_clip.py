"""The picture and text towers of any open_clip model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ...core.errors import DataError, UsageError
from ._batches import unit
from ._images import PictureTransform
from ._quick_gelu import check_activation, published_tags
from ._rounding import Rounding, by_type
from ._torch import inference
from .base import Embeddings, Frame
from .weights.cards import licence_of
from .weights.choice import OF_OPEN_CLIP, OF_TRANSFORMERS
from .weights.failures import how_to_get, offline_wanted, reason
from .weights.fill import fill, load_views
from .weights.found import Weights, config_hash, find_weights
from .weights.hub import HubId, no_network, weights_from_hub
from .weights.tensors import read_tensors
from .weights.undrawn import undrawn
from .weights.url import fetch_url

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
    quick_gelu : whether weights that are no tag were trained with QuickGELU; None: what lies beside them says it
    download : allow the network
    """

    rounding: ClassVar[Mapping[str, Rounding]] = {
        "pictures": Rounding(
            beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
            elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=1.5e-2),
        ),
        "visual_text": Rounding(
            beside=by_type(fp32=5e-5, tf32=1e-2, bf16=4e-2, fp16=1e-2),
            elsewhere=by_type(fp32=1e-3, tf32=1e-2, bf16=6e-2, fp16=2e-2),
        ),
    }

    def __init__(
        self,
        host: TorchBackbone,
        model: str,
        weights: str,
        normalise: bool,
        quick_gelu: bool | None,
        download: bool,
    ) -> None:
        import open_clip

        tag = self._find(host, model, weights, normalise, "clip_weights", download)
        if not tag:
            check_activation(model, self.weights, quick_gelu)
            tag = _preprocessing(self.weights)
        self.licence = licence_of(self.weights, "MIT" if weights == "openai" else "as its weights")
        with no_network(download and not offline_wanted()), without_warnings():
            try:
                self._tokenizer = open_clip.get_tokenizer(model)
            except Exception as error:
                raise UsageError(
                    f"the tokenizer of {model} is not on this machine ({reason(error)}); {how_to_get(download)}"
                ) from error
        built = self._built(download)
        self.transform = _transform({**open_clip.get_model_preprocess_cfg(built), **tag})
        self._take(built)

    def _find(
        self, host: TorchBackbone, model: str, weights: str, normalise: bool, option: str, download: bool
    ) -> dict[str, Any]:
        """Find the weights that an ``option`` names; returns what open_clip knows of them if they are a tag of it."""
        import open_clip

        if model not in open_clip.list_models():
            raise UsageError(
                f"open_clip {open_clip.__version__} has no model {model!r}; see open_clip.list_models(), or install a "
                "newer open_clip_torch"
            )
        self._host, self._normalise, self._model_name = host, normalise, model
        tag: dict[str, Any] = open_clip.get_pretrained_cfg(model, weights) or {}
        if tag.get("quick_gelu") and not open_clip.get_model_config(model).get("quick_gelu"):
            raise UsageError(f"the weights {weights} need the model {model}-quickgelu")
        if tag:
            self.weights = _tagged(model, weights, tag, download, option)
        else:
            prefer = (*OF_OPEN_CLIP, *OF_TRANSFORMERS)
            self.weights = find_weights(weights, download=download, option=option, prefer=prefer)
        return tag

    def _built(self, download: bool) -> Any:
        """The model with its weights."""
        import open_clip

        with no_network(download and not offline_wanted()), without_warnings(), undrawn():
            try:
                built = open_clip.create_model(self._model_name, pretrained=None)
            except RuntimeError as error:  # of timm, for an architecture that it does not know
                raise UsageError(
                    f"no {self._model_name} can be made here ({reason(error)}); install a newer timm"
                ) from error
        if self.weights.random:
            fill(built, self.weights)
        else:
            self._load(built)
        return built

    def _take(self, built: Any) -> None:
        """The model for use."""
        import open_clip

        self._config = config_hash(open_clip.get_model_config(self._model_name))
        with torch.no_grad():
            self._model: Any = self._host._ready(built)
            self._host._compiled(self._model.visual)
            self.dim = int(self._model.encode_text(self._tokenizer(["a"]).to(self._host.device)).shape[-1])

    def declaration(self) -> dict[str, Any]:
        return {
            "model": self._model_name,
            "config_sha256": self._config,
            "weights": self.weights.name,
            "weights_sha256": self.weights.sha256,
            "picture": self.transform.declaration(),
            "unit_length": self._normalise,
        }

    @inference
    def images(self, frames: Sequence[Frame]) -> Embeddings:
        host = self._host

        def encode(part: Sequence[Frame]) -> torch.Tensor:
            return self._finish(self._model.encode_image(host._prepared(self.transform, part, host.feature_device)))

        return host._encoded(frames, encode, self.dim)

    @inference
    def text(self, prompts: Sequence[str]) -> Embeddings:
        def encode(part: Sequence[str]) -> torch.Tensor:
            return self._finish(self._model.encode_text(self._tokenizer(list(part)).to(self._host.device)))

        return self._host._encoded_texts(prompts, encode, self.dim)

    def _finish(self, rows: torch.Tensor) -> torch.Tensor:
        return unit(rows) if self._normalise else rows

    def _load(self, model: torch.nn.Module) -> None:
        import open_clip

        if len(self.weights.files) != 1:
            raise UsageError(f"open_clip reads weights from one file; {self.weights.name} has several")
        model.load_state_dict = partial(load_views, model)  # type: ignore[method-assign]
        try:
            open_clip.load_checkpoint(model, str(self.weights.files[0]), strict=True, weights_only=True)
        except Exception as error:
            read_tensors(self.weights.files[0])  # tells of a file that is damaged or of another kind
            why = " ".join(str(error).split())[:200]
            raise DataError(
                f"the weights {self.weights.name} do not fit {self._model_name} ({why}); "
                "choose the architecture they were trained for"
            ) from error
        finally:
            del model.load_state_dict


@contextmanager
def without_warnings() -> Iterator[None]:
    """open_clip warns that weights are random until they are filled in here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _tagged(model: str, weights: str, tag: dict[str, Any], download: bool, of_option: str) -> Weights:
    """Weights under one of open_clip's tags: from its cache, or downloaded if that is allowed."""
    hub, option = str(tag.get("hf_hub", "")), f"{of_option} {weights}"
    repository, _, file = hub.rpartition("/")
    if repository:
        # a file that is named may be there as safetensors too, which open_clip prefers
        prefer = (*OF_OPEN_CLIP, *([f"{file.rpartition('.')[0]}.safetensors", file] if file else []))
        _, files = weights_from_hub(HubId(repository), prefer, download, option)
    else:
        url = str(tag["url"])
        path = Path("~/.cache/clip").expanduser() / url.rpartition("/")[2]
        if not path.is_file():
            if not download or offline_wanted():
                raise UsageError(f"{option} of {model} are not on this machine; {how_to_get(download)}")
            fetch_url(url, path, option, _hash_in(url))
        files = (path,)
    return Weights(f"{hub.strip('/') or model}:{weights}", weights, files=files)


def _hash_in(url: str) -> str:
    """The beginning of the SHA-256 that the addresses of OpenAI and mlfoundations hold."""
    if "openaipublic" in url:
        return url.split("/")[-2]
    return url.rpartition("/")[2].rpartition(".")[0].rpartition("-")[2] if "mlfoundations" in url else ""


def _preprocessing(weights: Weights) -> dict[str, Any]:
    """How pictures are prepared for weights that are no tag, as far as what lies beside them or their name says it."""
    own = (weights.side_file("open_clip_config.json") or {}).get("preprocess_cfg")
    if isinstance(own, dict):
        return {key: value for key, value in own.items() if value is not None}
    return {} if weights.random else next(published_tags(weights), {})


def _transform(config: dict[str, Any]) -> PictureTransform:
    size = config.get("size", 224)
    side = size if isinstance(size, int) else size[0]
    mode, method = config.get("resize_mode", "shortest"), config.get("interpolation", "bicubic")
    if (not isinstance(size, int) and len(set(size)) > 1) or mode not in ("shortest", "squash"):
        raise UsageError(f"models that want pictures of {size} with resize mode {mode!r} are not supported")
    basic = PictureTransform(size=side, squash=mode == "squash", method=method)
    return replace(basic, mean=tuple(config["mean"]), std=tuple(config["std"]))
