"""The decoders there are, and which of them this machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from .probe import MediaInfo, decoder_declaration
from .torchcodec import torchcodec_declaration, torchcodec_pictures

Pictures: TypeAlias = Callable[[MediaInfo, NDArray[np.int64], int], Iterator[tuple[int, NDArray[np.uint8]]]]


@dataclass(frozen=True)
class PictureDecoder:
    """A way to read pictures.

    Attributes
    ----------
    declare : name and versions for the store's fingerprint; raises UsageError where the decoder cannot work
    pictures : (file, wanted numbers, threads) to (number, picture) of a beginning of the wanted ones, after which PyAV
        reads on; None: PyAV reads all
    """

    declare: Callable[[], dict[str, Any]]
    pictures: Pictures | None = None


DECODERS = {
    "pyav": PictureDecoder(decoder_declaration),
    "torchcodec": PictureDecoder(
        partial(torchcodec_declaration, device="cpu"), partial(torchcodec_pictures, device="cpu")
    ),
    "nvdec": PictureDecoder(
        partial(torchcodec_declaration, device="cuda"), partial(torchcodec_pictures, device="cuda")
    ),
}
"""``pyav`` comes with the package; ``nvdec`` is torchcodec on an NVIDIA GPU."""


def installed_decoders() -> list[str]:
    """Names of the decoders that work here; those of an optional package are tried, which takes a second or two."""
    found = []
    for name, decoder in DECODERS.items():
        try:
            decoder.declare()
        except UsageError:
            continue
        found.append(name)
    return found


def declared_decoder(config: Mapping[str, Any]) -> str:
    """The name of the decoder that a store's configuration declares.

    Raises
    ------
    DataError
        it is none of `DECODERS`
    """
    declared = config.get("decoder", {})
    kind = (declared.get("name"), declared.get("device"))
    names = {("PyAV", None): "pyav", ("torchcodec", "cpu"): "torchcodec", ("torchcodec", "cuda"): "nvdec"}
    if kind not in names:
        raise DataError(f"the store declares the decoder {declared.get('name')!r}, which is not known here")
    return names[kind]
