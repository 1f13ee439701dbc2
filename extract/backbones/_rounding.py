"""How far rounding may move the rows of a tower: declared beside each tower, by number type.

Products are summed in another order for another size of a batch, on another device, and by other versions of packages.
What is declared lies above what an H100 and a processor were apart at the published sizes with random weights
(`docs/gpu.md`), whose cosines have four digits: fp16 and tf32 are known to lie below about 0.01. Beside other items an
H200 moved rows by at most 2e-6 (fp32), 0.0016 (tf32), 0.0027 (fp16) and 0.022 (bf16) of their norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rounding:
    """The most by which rounding moves a row, in parts of its norm, by the names of number types that encoders take.

    Attributes
    ----------
    beside : other items in its batch, on one device with one build; nothing at all where batches have a fixed size
    elsewhere : on another device, or with other versions of packages
    """

    beside: Mapping[str, float]
    elsewhere: Mapping[str, float]


def by_type(*, fp32: float, tf32: float, bf16: float, fp16: float) -> dict[str, float]:
    """One figure for each number type."""
    return {"float32": fp32, "tf32": tf32, "bfloat16": bf16, "float16": fp16}
