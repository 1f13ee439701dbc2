"""The decoders by name; NumPy and Numba are imported when one is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..registry import Registry

if TYPE_CHECKING:
    from ..params.options import OptionSet
    from .base import Decoder


def _checked(item: object) -> Decoder[Any]:
    from .base import Decoder

    made = item() if isinstance(item, type) and issubclass(item, Decoder) else item
    if not isinstance(made, Decoder):
        raise TypeError(f"{item!r} is not an avreplay.Decoder")
    return made


DECODERS: Registry[Decoder[Any]] = Registry(
    "decoder",
    "avreplay.decoders",
    {
        "av2a": "avreplay.core.decoders.av2a:Av2aDecoder",
        "ovavel": "avreplay.core.decoders.ovavel:OvavelDecoder",
    },
    _checked,
)
"""AV²A, OV-AVEL's rules, and the decoders of plug-ins."""


def decoder_of(settings: OptionSet) -> Decoder[Any]:
    """The decoder whose options these are. Raises: UsageError where none is registered."""
    for name in DECODERS.names():
        try:
            found = DECODERS.get(name)
        except UsageError:  # a broken plug-in, which cannot have made these settings
            continue
        if found.params is type(settings):
            return found
    raise UsageError(
        f"{type(settings).__name__} are the options of no registered decoder; give the decoder itself, or register it"
    )
