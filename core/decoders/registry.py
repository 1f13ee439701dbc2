"""The decoders by name; NumPy and Numba are imported when one is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..registry import Registry, instance_of

if TYPE_CHECKING:
    from ..params.options import OptionSet
    from .base import Decoder


def _checked(item: object) -> Decoder[Any]:
    from ..events import TRACKS
    from ..params.options import OptionSet
    from .base import Decoder

    made: Decoder[Any] = instance_of(Decoder, item, ("name", "params"))  # type: ignore[type-abstract]
    if not (isinstance(made.params, type) and issubclass(made.params, OptionSet)):
        raise TypeError(f"`params` of {type(made).__name__} is {made.params!r}; expected a subclass of OptionSet")
    plain = [f.name for f in fields(made.params) if "help" not in f.metadata]
    if plain:
        raise TypeError(f"{plain[0]!r} of {made.params.__name__} is no option; declare it with avreplay.option(...)")
    presets = made.presets
    if not isinstance(presets, Mapping) or not all(isinstance(values, Mapping) for values in presets.values()):
        raise TypeError(f"`presets` of {type(made).__name__} is {presets!r}; expected values of options by preset name")
    if isinstance(made.tracks, str) or not set(made.tracks) <= set(TRACKS) or not made.tracks:
        raise TypeError(f"`tracks` of {type(made).__name__} is {made.tracks!r}; expected some of {', '.join(TRACKS)}")
    return made


DECODERS: Registry[Decoder[Any]] = Registry(
    "decoder",
    "avreplay.decoders",
    {
        "av2a": "avreplay.core.decoders.av2a:Av2aDecoder",
        "ovavel": "avreplay.core.decoders.ovavel:OvavelDecoder",
        "threshold": "avreplay.core.decoders.threshold:ThresholdDecoder",
        "hysteresis": "avreplay.core.decoders.threshold:HysteresisDecoder",
        "median": "avreplay.core.decoders.threshold:MedianDecoder",
        "sebb": "avreplay.core.decoders.threshold:SebbDecoder",
        "cuerator": "avreplay.core.decoders.cuerator:CueratorDecoder",
        "scope": "avreplay.core.decoders.scope:ScopeDecoder",
        "viterbi": "avreplay.core.decoders.viterbi:ViterbiDecoder",
    },
    _checked,
)
"""Those of the package, and those of plug-ins."""


def decoder_of(settings: OptionSet) -> Decoder[Any]:
    """The decoder whose options these are. Raises: UsageError where none is registered."""
    for name in DECODERS:
        try:
            found = DECODERS.get(name)
        except UsageError:  # a broken plug-in, which cannot have made these settings
            continue
        if found.params is type(settings):
            return found
    raise UsageError(
        f"{type(settings).__name__} are the options of no registered decoder; give the decoder itself, or register it"
    )


def decoder_name(decoder: Decoder[Any]) -> str:
    """What ``--decoder`` takes for a decoder: its name where that is registered, else ``module:Class``."""
    return DECODERS.name_of(decoder, decoder.name)
