"""The video readers, what each declares, and which of them work on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, UsageError
from .cuda_frames import CudaFrames
from .device_frames import FramePlace
from .probe import MediaInfo, pyav_declaration
from .torchcodec import torchcodec_declaration, torchcodec_pictures

Pictures: TypeAlias = Callable[
    [MediaInfo, NDArray[np.int64], FramePlace | None], Iterator[tuple[int, NDArray[np.uint8]]]
]


@dataclass(frozen=True)
class VideoReader:
    """A way to read pictures.

    Attributes
    ----------
    declared : name and versions for the store's fingerprint, of the reader on a device, or on any; raises UsageError
        where it cannot work
    pictures : (file, wanted numbers, place) to (number, picture) of a beginning of the wanted ones, after which PyAV
        reads on; pictures are left on the device of a place; None: PyAV reads all
    place : of the pictures for an encoder on a device; None: the reader has them in the processor's memory
    """

    declared: Callable[[str | None], dict[str, Any]]
    pictures: Pictures | None = None
    place: Callable[[str], FramePlace] | None = None

    def declare(self, device: str | None = None) -> dict[str, Any]:
        """Name and versions for the store's fingerprint; ``device`` : the encoder's, where the reader is tried if it
        decodes on such devices. Raises: UsageError where it cannot work."""
        return self.declared(device)

    def place_for(self, device: str | None) -> FramePlace | None:
        """Where the reader leaves pictures for an encoder that takes them on a device; None: in the processor's
        memory."""
        return None if self.place is None or device is None else self.place(device)


READERS = {
    "pyav": VideoReader(lambda _: pyav_declaration()),
    "torchcodec": VideoReader(lambda _: torchcodec_declaration("cpu"), partial(torchcodec_pictures, device="cpu")),
    "nvdec": VideoReader(
        lambda device: torchcodec_declaration("cuda", device),
        partial(torchcodec_pictures, device="cuda"),
        CudaFrames,
    ),
}
"""``pyav`` comes with the package; ``nvdec`` is torchcodec on an NVIDIA GPU."""


def installed_readers(device: str | None = None) -> list[str]:
    """Names of the video readers that work here; those of an optional package are tried, which takes a second;
    ``device`` : the encoder's, see `VideoReader.declare`."""
    found = []
    for name, reader in READERS.items():
        try:
            reader.declare(device)
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
