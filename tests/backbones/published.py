"""Small checkpoints in the forms in which the published ones come: container, nesting, names and number types of the
tensors, and the files beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from backbones.small_checkpoints import save_byte_tokenizer
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]


def open_clip_folder(folder: Path, model: Any, config: dict[str, Any], **preprocess: Any) -> Path:
    """As open_clip pushes to the hub: its own safetensors and pickle, those of transformers beside them, one config."""
    folder.mkdir(parents=True)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    save_file({"vision_model.embeddings.class_embedding": torch.zeros(3)}, folder / "model.safetensors")
    torch.save({"vision_model.embeddings.class_embedding": torch.zeros(3)}, folder / "pytorch_model.bin")
    described = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    return folder


def openai_archive(path: Path, state: State) -> Path:
    """As OpenAI published its CLIP: a program of TorchScript with half weights and three numbers beside them."""

    class Clip(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("input_resolution", "context_length", "vocab_size"):
                self.register_buffer(name, torch.tensor(7))
            self.proj = torch.nn.Parameter(next(iter(state.values())).half())

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image

    torch.jit.save(torch.jit.script(Clip()), str(path))
    return path


def laion_clap_file(path: Path, state: State, protocol: int = 2) -> Path:
    """As LAION's training loop saves: an epoch, a name, the optimizer, ``module.`` before every tensor, and the
    positions of older transformers among them."""
    table = {f"module.{key}": value for key, value in state.items()}
    table["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    content = {
        "epoch": 15, "name": "HTSAT-tiny", "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "best": np.float64(0.5), "state_dict": table,
    }  # fmt: skip
    torch.save(content, path, pickle_protocol=protocol)
    return path


def transformers_folder(folder: Path, made: Path, *, pickled: bool, extra: State | None = None) -> Path:
    """A folder of transformers, as it was saved years ago: a pickle, positions among the tensors, ``torch_dtype``."""
    folder.mkdir(parents=True)
    for path in made.iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, folder)
    state = {**load_file(made / "model.safetensors"), **(extra or {})}
    if pickled:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.27.0.dev0"
    (folder / "config.json").write_text(json.dumps(config))
    if not (folder / "tokenizer.json").is_file():
        save_byte_tokenizer(folder)
    return folder
