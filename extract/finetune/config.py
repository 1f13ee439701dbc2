"""What a fine-tuning depends on, in one place (no torch here: the command line reads it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

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
    window : mix in attention over so many neighbouring segments; 0 is off
    power_norm : signed square root, then unit length over time, before the output map
    """

    layer: str = "temporal"
    layers: int = 1
    heads: int = 1
    hidden: int = 256
    feedforward: int = 512
    dropout: float = 0.1
    attention: str = "intra"
    distance_bias: bool = False
    window: int = 0
    power_norm: bool = False

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

    audio_norm: float = 20.0
    visual_norm: float = 1.0
    fusion: str = "sqrt"
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 5e-5
    clip: float = 0.8
    lr_milestones: tuple[int, ...] = (10, 20, 30)
    lr_factor: float = 0.5
    seed: int = 123
    train_ratio: float = 1.0
    select: str = "val"
    dtype: str = "float32"
    threads: int = 1

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


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name} is {value}; it must be at least {least}")
