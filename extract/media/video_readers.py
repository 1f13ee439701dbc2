"""The video readers, what each declares, and which of them work on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from .probe import MediaInfo, pyav_declaration
from .torchcodec import torchcodec_declaration, torchcodec_pictures

Pictures: TypeAlias = Callable[[MediaInfo, NDArray[np.int64]], Iterator[tuple[int, NDArray[np.uint8]]]]


@dataclass(frozen=True)
class VideoReader:
    """A way to read pictures.

    Attributes
    ----------
    declare : name and versions for the store's fingerprint; raises UsageError where the reader cannot work
    pictures : (file, wanted numbers) to (number, picture) of a beginning of the wanted ones, after which PyAV
        reads on; None: PyAV reads all
    """

    declare: Callable[[], dict[str, Any]]
    pictures: Pictures | None = None


READERS = {
    "pyav": VideoReader(pyav_declaration),
    "torchcodec": VideoReader(
        partial(torchcodec_declaration, device="cpu"), partial(torchcodec_pictures, device="cpu")
    ),
    "nvdec": VideoReader(partial(torchcodec_declaration, device="cuda"), partial(torchcodec_pictures, device="cuda")),
}
"""``pyav`` comes with the package; ``nvdec`` is torchcodec on an NVIDIA GPU."""


def installed_readers() -> list[str]:
    """Names of the video readers that work here; those of an optional package are tried, which takes a second."""
    found = []
    for name, reader in READERS.items():
        try:
            reader.declare()
        except UsageError:
            continue
        found.append(name)
    return found


def declared_reader(config: Mapping[str, Any]) -> str:
    """The name of the video reader that a store's configuration declares, under the key ``decoder``.

    Raises
    ------
    DataError
        it is none of `READERS`
    """
    declared = config.get("decoder", {})
    kind = (declared.get("name"), declared.get("device"))
    names = {("PyAV", None): "pyav", ("torchcodec", "cpu"): "torchcodec", ("torchcodec", "cuda"): "nvdec"}
    if kind not in names:
        raise DataError(f"the store declares the decoder {declared.get('name')!r}, which is not known here")
    return names[kind]
