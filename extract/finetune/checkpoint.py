"""Checkpoints: a folder with the best weights, the last ones with the state of Adam, and what they were made of.

``config.json`` is the declaration; ``metrics.json`` has a row an epoch; ``best.safetensors`` and ``last.safetensors``
carry the declaration in their metadata too, so that either is enough on its own. Every file is replaced in one step;
``last`` goes last, so that a training that was killed goes on from a complete epoch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...cache.atomic_write import PARTIAL, atomic_write
from ...cache.layout.fingerprint import canonical, differences
from ...cache.places import cannot_write, make_folder
from ...cache.reading.files import MIB
from ...cache.reading.json_file import parse_json, read_json
from ...cache.reading.safetensors_file import read_safetensors_header
from ...cache.reading.schema import checked, refuse_deep
from ...core.errors import DataError, UsageError
from .config import FinetuneConfig
from .temporal import TemporalLayer

FORMAT = "avreplay.finetune"
VERSION = 1
_MEND = "restore it from a copy, or remove it and train again"
_MAX_JSON = 64 * MIB
_MAX_WIDTH = 1 << 20
CONFIG, METRICS, BEST, LAST = "config.json", "metrics.json", "best.safetensors", "last.safetensors"


class _Declaration(msgspec.Struct):
    """What is read of a declaration; the rest is compared as it is."""

    format: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    dim: Annotated[int, msgspec.Meta(ge=1)]
    config: dict[str, Any]
    visual_dim: Annotated[int, msgspec.Meta(ge=1)] | None = None


class _State(msgspec.Struct):
    epoch: Annotated[int, msgspec.Meta(ge=0)]


class _LastState(_State):
    """Where a training goes on: epochs done, the best one and its figure, and a row an epoch."""

    best_epoch: Annotated[int, msgspec.Meta(ge=0)]
    best: float | None
    history: list[dict[str, float | None]]


class _Meta(msgspec.Struct):
    declaration: _Declaration
    state: _State


def prepare_folder(folder: Path, declaration: Mapping[str, Any]) -> bool:
    """Make the folder of a new checkpoint, or check that an earlier one is of the same training; True: it can go on.

    The number of epochs may differ. Raises: DataError for another training or a folder of something else.
    """
    file = folder / CONFIG
    if file.is_file():
        try:
            earlier = read_json(file, "configuration", _MAX_JSON)
            refuse_deep(earlier, str(file))
        except DataError as error:
            raise DataError(f"{error}; give another folder with --checkpoint") from None
        unlike = differences(_comparable(earlier), _comparable(declaration), "the checkpoint")
        if unlike:
            raise DataError(
                f"{folder} holds the checkpoint of another training: {'; '.join(unlike[:5])}. Use the same options, or "
                "another folder with --checkpoint"
            )
        try:
            for partial in folder.glob(f".*{PARTIAL}"):  # of a training that was killed
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return (folder / LAST).is_file()
    if folder.exists() and (not folder.is_dir() or any(f.suffix != PARTIAL for f in folder.iterdir())):
        raise DataError(f"{folder} is not empty and no checkpoint; give another folder with --checkpoint")
    make_folder(folder, "a checkpoint")
    return False


def write_declaration(folder: Path, declaration: Mapping[str, Any]) -> None:
    """Write into the folder what is trained in it."""
    _write(folder / CONFIG, declaration)


def _comparable(declaration: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(declaration, Mapping) or not isinstance(declaration.get("config"), Mapping):
        return {"format": "unknown"}
    lists = {k: v for k, v in declaration.items() if isinstance(v, list)}
    short = {k: f"{len(v)} ({hashlib.sha256(canonical({k: v}).encode()).hexdigest()[:8]})" for k, v in lists.items()}
    return {**declaration, **short, "config": {k: v for k, v in declaration["config"].items() if k != "epochs"}}


def save_last(
    folder: Path,
    layer: TemporalLayer,
    optimizer: torch.optim.Optimizer,
    declaration: Mapping[str, Any],
    state: Mapping[str, Any],
) -> None:
    """The weights after an epoch with Adam's state; ``state`` is what else goes on: epoch, best, history."""
    tensors = {f"layer/{k}": v for k, v in layer.state_dict().items()}
    moments = optimizer.state_dict()["state"]
    for i, (name, _) in enumerate(layer.named_parameters()):
        for key, value in moments.get(i, {}).items():
            tensors[f"adam/{name}/{key}"] = value
    _write(folder / METRICS, {"epochs": state["history"]})
    _save(folder / LAST, tensors, {"declaration": declaration, "state": state})


def load_last(folder: Path, layer: TemporalLayer, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put weights and Adam's state back; returns the rest of the state. Raises: DataError where it does not fit."""
    tensors, meta = _load(folder / LAST)
    _fit(folder / LAST, layer, {k[6:]: v for k, v in tensors.items() if k.startswith("layer/")})
    checked(meta["state"], _LastState, f"{folder / LAST}, state", _MEND)
    moments: dict[int, dict[str, Tensor]] = {}
    device = next(layer.parameters()).device
    for i, (name, parameter) in enumerate(layer.named_parameters()):
        found = {k.rsplit("/", 1)[1]: v for k, v in tensors.items() if k.rsplit("/", 1)[0] == f"adam/{name}"}
        wanted = {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
        if {k: v.shape for k, v in found.items()} != wanted or not all(v.is_floating_point() for v in found.values()):
            raise DataError(f"{folder / LAST} lacks the optimiser's state of {name}; train again in another folder")
        moments[i] = {k: v if k == "step" else v.to(device) for k, v in found.items()}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return dict(meta["state"])


def _widths(dims: tuple[int, int]) -> str:
    return str(dims[0]) if dims[0] == dims[1] else f"{dims[0]} (audio) and {dims[1]} (visual)"


def save_best(folder: Path, layer: TemporalLayer, declaration: Mapping[str, Any], epoch: int) -> None:
    """The weights that are used for scoring."""
    _save(folder / BEST, layer.state_dict(), {"declaration": declaration, "state": {"epoch": epoch}})


def load_best(
    folder: Path, dim: int, visual_dim: int | None = None
) -> tuple[TemporalLayer, FinetuneConfig, dict[str, Any]]:
    """The layers of a checkpoint (a folder, or a file in it), their configuration, and the file's metadata with
    ``weights_sha256`` added.

    Raises: DataError where there is none, it is damaged, or it is for embeddings of another width.
    """
    file = folder / BEST if folder.is_dir() else folder
    tensors, meta = _load(file)
    declared = meta["declaration"]
    config = _config(file, declared["config"])
    own = (declared["dim"], declared.get("visual_dim") or declared["dim"])
    here = (dim, dim if visual_dim is None else visual_dim)
    if own != here:
        raise DataError(
            f"{file} is for embeddings of width {_widths(own)}, those of the store are {_widths(here)} wide"
        )
    held = {k.removeprefix("layer/"): v for k, v in tensors.items() if not k.startswith("adam/")}
    if config.layers > len(held):
        raise DataError(f"{file} is damaged: it has {len(held)} tensors and declares {config.layers} layers; {_MEND}")
    with torch.device("meta"):  # so that sizes that the file does not pay for take no memory
        _fit(file, TemporalLayer(dim, config, own[1]).to(getattr(torch, config.dtype)), held, put=False)
    layer = TemporalLayer(dim, config, own[1]).to(getattr(torch, config.dtype))
    _fit(file, layer, held)
    digest = hashlib.sha256()
    for name, value in sorted(layer.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return layer, config, {**meta, "weights_sha256": digest.hexdigest()}


def _config(file: Path, declared: dict[str, Any]) -> FinetuneConfig:
    try:
        config = FinetuneConfig.from_dict(declared)
    except (DataError, UsageError) as error:
        raise DataError(f"{file}: {error}") from None
    for name in ("layers", "heads", "hidden", "feedforward", "window"):
        if getattr(config, name) > _MAX_WIDTH:
            raise DataError(f"{file}: {name} is {getattr(config, name)}, more than {_MAX_WIDTH}; {_MEND}")
    return config


def _fit(file: Path, layer: TemporalLayer, tensors: dict[str, Tensor], put: bool = True) -> None:
    """Compare the tensors with those of the layer, and ``put`` them into it."""
    wanted = layer.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        have = tensors[name].shape if name in tensors else None
        want = wanted[name].shape if name in wanted else None
        if have != want:
            raise DataError(
                f"{file} is the checkpoint of another architecture: {name} is {_shape(have)} there and {_shape(want)} "
                "here; use the options it was trained with"
            )
        if tensors[name].dtype != wanted[name].dtype:
            raise DataError(f"{file} is damaged: {name} is {tensors[name].dtype}, not {wanted[name].dtype}; {_MEND}")
    if put:
        layer.load_state_dict(tensors)


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(tuple(shape))


def _save(file: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    held = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    # one entry: safetensors writes several in no fixed order
    atomic_write(file, save(held, {"avreplay": canonical(meta)}))


def _load(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not file.is_file():
        raise UsageError(f"there is no checkpoint {file}; give the folder that `avreplay finetune` wrote")
    text = read_safetensors_header(file, "checkpoint", _MEND)[1].get("avreplay")
    if text is None:
        raise DataError(f"{file} is not a checkpoint of `avreplay finetune`")
    where = f"{file}, metadata"
    meta: dict[str, Any] = checked(parse_json(text, where), dict[str, Any], where, _MEND)
    refuse_deep(meta, where)
    declared = checked(meta, _Meta, where, _MEND).declaration
    if declared.format != FORMAT:
        raise DataError(f"{file} is not a checkpoint of `avreplay finetune`")
    if declared.version > VERSION:
        raise DataError(f"{file} has version {declared.version}, this avreplay reads up to {VERSION}; upgrade")
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{file} is damaged: {error}; {_MEND}") from error
    return tensors, meta


def _write(file: Path, values: Mapping[str, Any]) -> None:
    atomic_write(file, f"{json.dumps(values, indent=1, sort_keys=True)}\n".encode())
