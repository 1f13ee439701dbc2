"""What ``avreplay finetune`` does: a store and targets in, a checkpoint and a score set out."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...cache import Store, open_store, write_score_set
from ...cache.places import output_folder
from ...cache.score_sets import check_name
from ...core.errors import DataError, Interrupted, UsageError
from ...core.installation import install_command
from ...core.segment_targets import SegmentTargets, segment_figures
from ..progress import training_progress
from .config import FinetuneConfig
from .data import Chosen, choose, load_embeddings, selection_videos, text_embeddings, training_videos

if TYPE_CHECKING:
    from .train import Trainer

Score = Callable[[SegmentTargets, NDArray[np.int64], NDArray[np.int64]], dict[str, float]]
"""(targets, rows of them (n,), predicted class (n, T)) to figures; ``avg`` is what an epoch is chosen by."""


@dataclass(frozen=True, repr=False)
class FinetuneSummary:
    """What a fine-tuning did.

    Attributes
    ----------
    store, scores, checkpoint : where the result is: score set ``scores`` of the store, and the folder of weights
    trained, selected_on, scored : videos trained on, chosen by, and scored
    epochs, resumed : epochs trained in all; of which before this run
    best_epoch : the one whose weights were used, ``selection`` how it was chosen
    parameters : trained numbers
    history : a row an epoch: loss, gradient norm, figures of the selection videos in percent
    figures : OV-AVEL's figures of the test split with the largest probability as decision, in percent, by group
        (videos without events belong to none where the annotations lack the groups); of how many videos: figure_videos
    seconds : wall time of this run; epoch_seconds : of the training of each of its epochs, selection left out
    """

    store: str
    scores: str
    checkpoint: str
    trained: int
    selected_on: int
    scored: int
    epochs: int
    resumed: int
    best_epoch: int
    selection: str
    parameters: int
    device: str
    history: list[dict[str, Any]]
    figures: dict[str, dict[str, float]]
    figure_videos: dict[str, int]
    seconds: float
    epoch_seconds: list[float]

    def __repr__(self) -> str:
        return (
            f"<FinetuneSummary {self.scores!r} of {self.store}: epoch {self.best_epoch}, {self.scored} videos scored>"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        lines = []
        if self.epochs:
            lines.append(
                f"trained {self.parameters:,} parameters on {self.trained} videos: epoch {self.best_epoch} of "
                f"{self.epochs} kept (select={self.selection}, {self.selected_on} videos)"
            )
        for group, row in self.figures.items():
            shown = "  ".join(f"{k} {v:.1f}" for k, v in row.items())
            lines.append(f"  test {group:7}{shown}  ({self.figure_videos[group]} videos)")
        lines.append(f"wrote {self.checkpoint} and the score set {self.scores!r} of {self.scored} videos")
        lines.append(f"next: avreplay replay {self.store} --scores {self.scores} ...")
        return "\n".join(lines)


def finetune_store(
    store_url: str | os.PathLike[str],
    targets: SegmentTargets,
    config: FinetuneConfig | None = None,
    *,
    name: str = "finetuned",
    checkpoint: str | os.PathLike[str] | None = None,
    device: str = "auto",
    overwrite: bool = False,
    skip_missing: bool = False,
    progress: bool | None = None,
    score: Score = segment_figures,
) -> FinetuneSummary:
    """Fine-tune layers on the cached embeddings of a store and add its scores as a score set.

    The same call goes on where an earlier one was interrupted; on a CPU the result is the same, bit for bit.

    Parameters
    ----------
    targets : what is trained on and selected with; its labels must be in the store's vocabulary
    name : of the score set
    checkpoint : folder of the checkpoint; by default ``<name>.checkpoint`` in the working folder
    device : cpu, cuda or auto
    overwrite : replace a score set of this name
    skip_missing : leave out videos without embeddings instead of refusing them
    progress : show it on stderr; None: if that is a terminal
    score : the figures an epoch is chosen by

    Raises
    ------
    UsageError
        torch or safetensors not installed, a wrong option, a score set that exists already
    DataError
        missing embeddings, labels or videos; NaN; a checkpoint of another training
    AvreplayError
        interrupted from the keyboard
    """
    require_torch()
    from .checkpoint import load_best
    from .train import Trainer, find_device

    began = time.perf_counter()
    config = config or FinetuneConfig()
    store = open_store(store_url)
    check_name(name)
    folder = Path(output_folder(f"{name}.checkpoint" if checkpoint is None else checkpoint, "a checkpoint"))
    place = find_device(device)
    embeddings = load_embeddings(store)
    train = choose(targets, embeddings, training_videos(targets, config), "training", skip_missing)
    rows = selection_videos(targets, config.select)
    selected = None if rows is None else choose(targets, embeddings, rows, "selection", skip_missing)
    text, train_text = (text_embeddings(store, labels) for labels in (targets.labels, targets.train_labels))
    if config.fusion == "fea_avg" and not np.array_equal(*text):
        raise DataError(
            f"{store.url} embeds labels differently for sound and for pictures, so that their features have no mean; "
            "choose another fusion than fea_avg"
        )

    trainer = Trainer(embeddings, targets, train, train_text, config, place)
    declaration = {
        "format": "avreplay.finetune",
        "version": 1,
        "dim": embeddings.dim,
        **({} if embeddings.visual_dim == embeddings.dim else {"visual_dim": embeddings.visual_dim}),
        "config": config.as_dict(),
        "store": store.fingerprint,
        "labels": list(targets.labels),
        "train_labels": list(targets.train_labels),
        "text_sha256": _hash(*text, *train_text),
        "train_sha256": _chosen_hash(targets, train),
        "selection_sha256": "" if selected is None else _chosen_hash(targets, selected),
        "device": trainer.device.type,
    }
    _name_is_free(store, name, overwrite, declaration)

    def judge() -> dict[str, float]:
        return {} if selected is None else score(targets, selected.targets, trainer.predict(selected, text))

    history, resumed, times = _train(trainer, folder, declaration, judge, progress)
    layer, _, meta = load_best(folder, embeddings.dim, embeddings.visual_dim)
    # the best epoch may be of a run with fewer epochs
    meta = {**meta, "declaration": declaration}
    trainer.layer = layer.to(trainer.device)
    figures, counts = {}, {}
    for group in ("total", "seen", "unseen"):
        test = targets.select("test", None if group == "total" else group)
        present = _with_embeddings(targets, embeddings.video_ids, test)
        if present is not None:
            figures[group] = segment_figures(targets, present.targets, trainer.predict(present, text))
            counts[group] = len(present)
    scored = _write_scores(
        store, name, embeddings, targets.labels, text, config, layer, meta, place, overwrite=overwrite
    )
    return FinetuneSummary(
        store=store.url, scores=name, checkpoint=str(folder), trained=len(train),
        selected_on=0 if selected is None else len(selected), scored=scored, epochs=len(history), resumed=resumed,
        best_epoch=meta["state"]["epoch"], selection=config.select,
        parameters=sum(p.numel() for p in layer.parameters()), device=place, history=history, figures=figures,
        figure_videos=counts,
        seconds=time.perf_counter() - began, epoch_seconds=times,
    )  # fmt: skip


def apply_checkpoint(
    store_url: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
    *,
    name: str = "finetuned",
    device: str = "auto",
    overwrite: bool = False,
) -> FinetuneSummary:
    """Score a store with layers trained elsewhere, on the labels of its own vocabulary, and add the score set.

    Raises: as :func:`finetune_store`.
    """
    require_torch()
    from .checkpoint import load_best
    from .train import find_device

    began = time.perf_counter()
    store = open_store(store_url)
    check_name(name)
    place = find_device(device)
    embeddings = load_embeddings(store)
    layer, config, meta = load_best(Path(checkpoint), embeddings.dim, embeddings.visual_dim)
    _name_is_free(store, name, overwrite, meta["declaration"])
    if not store.labels:
        raise DataError(f"{store.url} has no labels yet; {store.text_mend()}")
    text = text_embeddings(store, store.labels)
    layer.to(place)
    scored = _write_scores(store, name, embeddings, store.labels, text, config, layer, meta, place, overwrite=overwrite)
    return FinetuneSummary(
        store=store.url, scores=name, checkpoint=str(checkpoint), trained=0, selected_on=0, scored=scored, epochs=0,
        resumed=0, best_epoch=meta["state"]["epoch"], selection=config.select,
        parameters=sum(p.numel() for p in layer.parameters()), device=place, history=[], figures={}, figure_videos={},
        seconds=time.perf_counter() - began, epoch_seconds=[],
    )  # fmt: skip


def require_torch() -> None:
    """Raises: UsageError where what training needs is not installed."""
    from importlib.util import find_spec

    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise UsageError(f"fine-tuning needs {package}, which is not installed: {install_command('train')}")


def _train(
    trainer: Trainer,
    folder: Path,
    declaration: dict[str, Any],
    judge: Callable[[], dict[str, float]],
    progress: bool | None,
) -> tuple[list[dict[str, Any]], int, list[float]]:
    """Train what is left to train; the rows of all epochs, how many were present before, and seconds of the others."""
    from .checkpoint import load_last, prepare_folder, save_best, save_last, write_declaration

    state: dict[str, Any] = {"epoch": 0, "best_epoch": 0, "best": None, "history": []}
    if prepare_folder(folder, declaration):
        state = load_last(folder, trainer.layer, trainer.optimizer)
        trainer.epoch = int(state["epoch"])
    resumed, epochs = trainer.epoch, trainer.config.epochs
    if resumed > epochs:
        raise UsageError(
            f"{folder} has {resumed} epochs already and {epochs} are requested; give at least as many, "
            "or use another folder"
        )
    write_declaration(folder, declaration)
    times = []
    try:
        with training_progress(epochs, trainer.steps, resumed, progress) as (step, report):
            while trainer.epoch < epochs:
                began = time.perf_counter()
                row = trainer.run_epoch(step)
                times.append(time.perf_counter() - began)
                found = judge()
                row.update({f"{trainer.config.select}_{k}": v for k, v in found.items()})
                after = {**state, "epoch": trainer.epoch, "history": [*state["history"], row]}
                if not found or state["best"] is None or found["avg"] > state["best"]:
                    after |= {"best": found.get("avg"), "best_epoch": trainer.epoch}
                    save_best(folder, trainer.layer, declaration, trainer.epoch)
                save_last(folder, trainer.layer, trainer.optimizer, declaration, after)
                state = after
                report(_line(row, state["best_epoch"] == trainer.epoch))
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {state['epoch']} of {epochs} epochs are in {folder}; "
            "run the same command again to do the rest"
        ) from None
    return state["history"], resumed, times


def _line(row: dict[str, Any], best: bool) -> str:
    figures = "  ".join(
        f"{k} {v:.2f}" for k, v in row.items() if k not in ("epoch", "loss", "grad_norm", "learning_rate", "skipped")
    )
    skipped = f"  {row['skipped']} steps skipped (NaN)" if row["skipped"] else ""
    return f"epoch {row['epoch']}  loss {row['loss']:.4f}  {figures}{skipped}{'  best' if best else ''}"


def _name_is_free(store: Store, name: str, overwrite: bool, training: dict[str, Any]) -> None:
    # before hours of training, not after; the same training again is allowed to find its own result
    taken = store.score_sets.get(check_name(name))
    if taken and not overwrite and taken["config"].get("training") != training:
        raise UsageError(f"{store.url} has a score set {name!r} already; give another name, or --overwrite")


def _with_embeddings(targets: SegmentTargets, ids: tuple[str, ...], rows: NDArray[np.int64]) -> Chosen | None:
    at = {v: i for i, v in enumerate(ids)}
    found = np.array([at.get(targets.video_ids[i], -1) for i in rows.tolist()], np.int64)
    return Chosen(rows[found >= 0], found[found >= 0]) if (found >= 0).any() else None


def _write_scores(
    store: Store, name: str, embeddings: Any, labels: Any, text: Any, config: FinetuneConfig, layer: Any,
    meta: dict[str, Any], device: str, *, overwrite: bool,
) -> int:  # fmt: skip
    from .scoring import score_videos

    bundle = score_videos(layer, embeddings, labels, text, config, float(store.config["segment_seconds"]), device)
    made_of = {
        "kind": "finetune",
        "training": meta["declaration"],
        "epoch": meta["state"]["epoch"],
        "weights_sha256": meta["weights_sha256"],
    }
    write_score_set(store.url, name, bundle, made_of, overwrite=overwrite)
    return bundle.num_videos


def _hash(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _chosen_hash(targets: SegmentTargets, chosen: Chosen) -> str:
    some = targets.take(chosen.targets)
    digest = hashlib.sha256("\n".join(some.video_ids).encode())
    digest.update(_hash(some.classes, some.mask).encode())
    return digest.hexdigest()
