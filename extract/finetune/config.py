"""What a fine-tuning depends on, and the options of ``avreplay finetune``; imports only the standard library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...core.command_options import REQUIRED, group, setting
from ...core.errors import DataError, UsageError

LAYERS = ("temporal", "linear")
ATTENTION = ("intra", "cross", "both")
FUSIONS = ("sqrt", "prob_avg", "fea_avg")
SELECTIONS = ("val", "val_seen", "test_as_released", "last")
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class LayerConfig:
    """The layers that are trained. The defaults are those of the released code (OV-AVEL, section 3.2).

    Attributes
    ----------
    layer : ``temporal`` (attention over the segments) or ``linear`` (one linear map a segment; Table 5)
    layers, heads : blocks in a stack (Table A7), attention heads
    hidden, feedforward : width of the attention and of the feed-forward part
    dropout : in the feed-forward part only
    attention : ``intra`` (within a modality), ``cross`` (queries of one, keys and values of the other), or ``both``
        (intra blocks, then cross blocks; Table A9)
    distance_bias : add exp(-|w d^2 - b|) of the distance d of two segments to the attention logits
    window : number of neighbouring segments over which attention is mixed in; 0 is off
    power_norm : signed square root, then unit length over time, before the output map
    """

    layer: str = setting("temporal", "What is trained.", choices=LAYERS)
    layers: int = setting(1, "Blocks in a stack.")
    heads: int = setting(1, "Attention heads.")
    hidden: int = setting(256, "Width of the attention.")
    feedforward: int = setting(512, "Width of the feed-forward part.")
    dropout: float = setting(0.1, "In the feed-forward part.")
    attention: str = setting("intra", "Within a modality, across both, or both in turn.", choices=ATTENTION)
    distance_bias: bool = setting(False, "Learnt bias by distance in time.", flag="--distance-bias/--no-distance-bias")
    window: int = setting(0, "Neighbours over which attention is mixed in; 0: off.")
    power_norm: bool = setting(
        False, "Power normalisation of the attention's output.", flag="--power-norm/--no-power-norm"
    )

    def __post_init__(self) -> None:
        _one_of("layer", self.layer, LAYERS)
        _one_of("attention", self.attention, ATTENTION)
        for name in ("layers", "heads", "hidden", "feedforward"):
            _at_least(name, getattr(self, name), 1)
        _at_least("window", self.window, 0)
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}; it must lie in 0 to 1")
        if self.hidden % self.heads:
            raise UsageError(f"hidden is {self.hidden}, which {self.heads} heads cannot share evenly; change one")


@dataclass(frozen=True)
class FinetuneConfig(LayerConfig):
    """A whole fine-tuning: the layers, what enters them, the optimisation, and which epoch is kept.

    Attributes
    ----------
    audio_norm, visual_norm : length to which embeddings are brought before they enter the layers; 0: as stored.
        ImageBind gives audio the length 20 and pictures the length 1, and a layer with biases sees the difference
    fusion : of the two modalities' scores in the loss: ``sqrt``, ``prob_avg`` or ``fea_avg`` (Table 4)
    epochs, batch_size, learning_rate, clip : Adam; clip is the largest global norm of a gradient
    lr_milestones, lr_factor : epochs after which the learning rate is multiplied by the factor
    seed : of the first weights, the order of the videos and dropout
    train_ratio : share of the training videos of each class that is used (Table 6), rounded up
    select : whose mean of the figures chooses the epoch: ``val``, ``val_seen`` (validation videos of seen classes),
        ``test_as_released`` (test videos of seen classes, as the released script does), or ``last`` (no choice)
    dtype : of all computation
    threads : of computation on a CPU; the last bits of the weights depend on it, so it is declared like the rest
    """

    audio_norm: float = setting(20.0, "Length of audio before the layers; 0: as stored.")
    visual_norm: float = setting(1.0, "Length of pictures before the layers; 0: as stored.")
    fusion: str = setting("sqrt", "Of both modalities in the loss.", choices=FUSIONS)
    epochs: int = setting(10, "Passes over the training videos.")
    batch_size: int = setting(32, "Videos in a batch.")
    learning_rate: float = setting(5e-5, "Of Adam.")
    clip: float = 0.8
    lr_milestones: tuple[int, ...] = (10, 20, 30)
    lr_factor: float = 0.5
    seed: int = setting(123, "Seed of the initial weights, the order of videos and dropout.")
    train_ratio: float = setting(1.0, "Share of the training videos of each class.")
    select: str = setting("val", "What decides which epoch is kept.", choices=SELECTIONS)
    dtype: str = "float32"
    threads: int = setting(1, "Threads on a CPU; the last bits depend on it.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of("fusion", self.fusion, FUSIONS)
        _one_of("select", self.select, SELECTIONS)
        _one_of("dtype", self.dtype, DTYPES)
        for name in ("epochs", "batch_size", "threads"):
            _at_least(name, getattr(self, name), 1)
        _at_least("seed", self.seed, 0)
        for name in ("audio_norm", "visual_norm"):
            if not 0 <= getattr(self, name) < 1e6:
                raise UsageError(f"{name} is {getattr(self, name)}; give a length, or 0 for embeddings as stored")
        for name in ("learning_rate", "clip", "lr_factor"):
            if not 0 < getattr(self, name) < 1e6:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be greater than 0")
        if not 0 < self.train_ratio <= 1:
            raise UsageError(f"train_ratio is {self.train_ratio}; it must be greater than 0 and at most 1")

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return {**asdict(self), "lr_milestones": list(self.lr_milestones)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FinetuneConfig:
        """The inverse of :meth:`as_dict`. Raises: DataError for an unknown key or a wrong type."""
        known = {f.name: f.default for f in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise DataError(f"the configuration has an unknown entry {unknown[0]!r}; upgrade avreplay")
        given = {**values}
        if isinstance(given.get("lr_milestones"), list):
            given["lr_milestones"] = tuple(given["lr_milestones"])
        for name, value in given.items():
            expected = type(known[name])
            if not isinstance(value, (float, int) if expected is float else expected):
                raise DataError(f"the configuration has {name} = {value!r}, which is not {expected.__name__}")
        return cls(**given)


@dataclass(frozen=True)
class FinetuneRequest:
    """One run of ``avreplay finetune``: training, or with ``apply_to`` scoring alone.

    Attributes
    ----------
    store : path or fsspec URL
    dataset, annotations : kind and place of the annotations, with the splits train, val and test
    apply_to : folder of a checkpoint to score the store with
    name : of the score set
    checkpoint : folder of the checkpoint to write; None: ``NAME.checkpoint``
    train_split : what is trained on, say ``train_25``
    background : label that stands for background
    config : the given ones of `FinetuneConfig`, by name
    device : cpu, cuda or auto
    skip_missing : leave out videos without embeddings
    overwrite : replace a score set of this name

    Raises
    ------
    UsageError
        a setting out of range or none of its choices; annotations missing; options of training beside ``apply_to``
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    dataset: str | None = setting(None, "Kind of annotations; see `avreplay datasets`.", metavar="NAME")
    annotations: str | None = setting(
        None, "Annotation file or folder, with the splits train, val and test.", metavar="PATH"
    )
    apply_to: str | None = setting(
        None, "Train nothing: score the store with this checkpoint.", flag="--apply", metavar="CHECKPOINT"
    )
    name: str = setting("finetuned", "Name of the score set.")
    checkpoint: str | None = setting(
        None, "Folder of the checkpoint.", metavar="FOLDER", shown_default="NAME.checkpoint"
    )
    train_split: str = setting("train", "Split to train on, e.g. train_25.")
    background: str = setting("other", "Label that stands for background; must be in the store.")
    config: Mapping[str, Any] = group(FinetuneConfig)
    device: str = setting("auto", "cpu, cuda or auto.")
    skip_missing: bool = setting(False, "Leave out videos without embeddings.")
    overwrite: bool = setting(False, "Replace a score set of this name.")

    def __post_init__(self) -> None:
        if self.apply_to is None:
            if self.dataset is None or self.annotations is None:
                raise UsageError("give --dataset and --annotations to train, or --apply CHECKPOINT")
            self.training()
            return
        own = ("dataset", "annotations", "checkpoint", "skip_missing")
        given = sorted([*self.config, *(name for name in own if getattr(self, name))])
        if given:
            raise UsageError(f"--apply trains nothing, so --{given[0].replace('_', '-')} has no meaning beside it")

    def training(self) -> FinetuneConfig:
        """The configuration of the training. Raises: UsageError for a wrong value."""
        return FinetuneConfig(**self.config)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name} is {value}; it must be at least {least}")
